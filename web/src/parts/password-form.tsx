import { Button, PasswordInput, Stack } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Problem } from './problem.tsx'
import { useTry } from './use-try.ts'

/** One's own password, once more. */
export function PasswordForm({ give }: { readonly give: (password: string) => Promise<void> }) {
  const { t } = useTranslation()
  const [password, setPassword] = useState('')
  const { error, isBusy, attempt } = useTry()
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        attempt(() => give(password))
      }}
    >
      <Stack>
        <PasswordInput
          label={t('session.password')}
          autoComplete="current-password"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          data-autofocus
          required
          withAsterisk={false}
        />
        {error !== undefined && <Problem error={error} />}
        <Button type="submit" loading={isBusy}>
          {t('common.continue')}
        </Button>
      </Stack>
    </form>
  )
}
