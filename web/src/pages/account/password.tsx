import { Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { change, query } from '../../api/client.ts'
import { changePassword, readAccount } from '../../api/routes.ts'
import { forgetEverything } from '../../api/session.ts'
import { PasswordField } from '../../parts/fields.tsx'
import { Form, useDraft } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { tell } from '../../parts/problem.tsx'

/** One's own password. Changing it ends all sessions, this one too. */
export function Password() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const { data: account } = useQuery(query(readAccount))
  const { draft, text } = useDraft({ currentPassword: '', password: '' })
  if (account?.hasPassword !== true) return null
  const save = async () => {
    await change(changePassword, { body: draft })
    tell(t('account.passwordChanged'))
    await forgetEverything()
    await navigate({ to: '/login' })
  }
  return (
    <Panel title={t('session.password')}>
      <Form save={save} submit={t('account.changePassword')}>
        <input type="text" autoComplete="username" value={account.name} readOnly hidden />
        <PasswordField label={t('account.currentPassword')} autoComplete="current-password" {...text('currentPassword')} required />
        <PasswordField label={t('account.newPassword')} autoComplete="new-password" {...text('password')} required />
        <Text size="xs" c="dimmed">
          {t('account.passwordHint')}
        </Text>
      </Form>
    </Panel>
  )
}
