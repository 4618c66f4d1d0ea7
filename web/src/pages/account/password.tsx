import { Button, Group, PasswordInput, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { change, query } from '../../api/client.ts'
import { changePassword, readAccount } from '../../api/routes.ts'
import { forgetEverything } from '../../api/session.ts'
import { Panel } from '../../parts/layout.tsx'
import { Problem, tell } from '../../parts/problem.tsx'
import { useTry } from '../../parts/use-try.ts'

/** One's own password. Changing it ends all sessions, this one too. */
export function Password() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const { data: account } = useQuery(query(readAccount))
  const [currentPassword, setCurrent] = useState('')
  const [password, setPassword] = useState('')
  const { error, isBusy, attempt } = useTry()
  if (account?.hasPassword !== true) return null
  const save = async () => {
    await change(changePassword, { body: { currentPassword, password } })
    tell(t('account.passwordChanged'))
    await forgetEverything()
    await navigate({ to: '/login' })
  }
  const toggle = { 'aria-label': t('session.showPassword') }
  return (
    <Panel title={t('session.password')}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          attempt(save)
        }}
      >
        <Stack>
          <input type="text" autoComplete="username" value={account.name} readOnly hidden />
          <PasswordInput
            label={t('account.currentPassword')}
            autoComplete="current-password"
            value={currentPassword}
            onChange={(event) => setCurrent(event.currentTarget.value)}
            visibilityToggleButtonProps={toggle}
            required
            withAsterisk={false}
          />
          <PasswordInput
            label={t('account.newPassword')}
            autoComplete="new-password"
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            visibilityToggleButtonProps={toggle}
            required
            withAsterisk={false}
          />
          <Text size="xs" c="dimmed">
            {t('account.passwordHint')}
          </Text>
          {error !== undefined && <Problem error={error} />}
          <Group>
            <Button type="submit" loading={isBusy}>
              {t('account.changePassword')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Panel>
  )
}
