/** One's own account: who one is, how one proves it, what acts in one's name. */
import { SimpleGrid, Stack } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { useWho } from '../../api/session.ts'
import { PageHead, Waiting } from '../../parts/layout.tsx'
import { Factors } from './factors.tsx'
import { Password } from './password.tsx'
import { Preferences } from './preferences.tsx'
import { Profile } from './profile.tsx'
import { Sessions } from './sessions.tsx'
import { Tokens } from './tokens.tsx'

export function AccountPage() {
  const { t } = useTranslation()
  const who = useWho()
  if (who.isLoading) return <Waiting />
  return (
    <>
      <PageHead title={t('account.title')} description={who.isSignedIn ? t('account.text') : t('account.visitor')} />
      <Stack gap="lg">
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
          {who.isSignedIn && <Profile />}
          <Preferences />
        </SimpleGrid>
        {who.isSignedIn && (
          <>
            <Tokens />
            <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
              <Factors />
              <Password />
            </SimpleGrid>
            <Sessions />
          </>
        )}
      </Stack>
    </>
  )
}
