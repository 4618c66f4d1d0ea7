import { Alert } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Lock, Megaphone } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { systemQuery } from '../api/session.ts'

const bannerColors = { info: 'blue', warning: 'yellow', danger: 'red' } as const

/** What the administrators want everybody to know. */
export function Notices() {
  const { t } = useTranslation()
  const { data } = useQuery(systemQuery)
  if (data === undefined || (data.banner === null && !data.isReadOnly)) return null
  return (
    <div style={{ display: 'grid', gap: 8, marginBottom: 20 }}>
      {data.banner !== null && (
        <Alert color={bannerColors[data.banner.level]} icon={<Megaphone size={17} />} radius="lg">
          {data.banner.text}
        </Alert>
      )}
      {data.isReadOnly && (
        <Alert color="yellow" icon={<Lock size={17} />} radius="lg">
          {t('notice.readOnly')}
        </Alert>
      )}
    </div>
  )
}
