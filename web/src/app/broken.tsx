/** The two pages that nobody means to see. */
import { Anchor, Stack } from '@mantine/core'
import { Link, type ErrorComponentProps } from '@tanstack/react-router'
import { Compass } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { Empty } from '../parts/layout.tsx'
import { Problem } from '../parts/problem.tsx'

export function Missing() {
  const { t } = useTranslation()
  return (
    <main style={{ maxWidth: 640, margin: '12vh auto', padding: '0 16px' }}>
      <Empty
        icon={<Compass size={28} />}
        title={t('missing.title')}
        action={
          <Anchor component={Link} to="/projects">
            {t('missing.back')}
          </Anchor>
        }
      >
        {t('missing.text')}
      </Empty>
    </main>
  )
}

export function Broken({ error, reset }: ErrorComponentProps) {
  return (
    <Stack maw={640} mx="auto" mt="12vh" px={16} component="main">
      <Problem error={error} retry={reset} />
    </Stack>
  )
}
