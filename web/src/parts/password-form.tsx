import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { PasswordField } from './fields.tsx'
import { Form } from './form.tsx'

/** One's own password, once more. */
export function PasswordForm({ give }: { readonly give: (password: string) => Promise<void> }) {
  const { t } = useTranslation()
  const [password, setPassword] = useState('')
  return (
    <Form save={() => give(password)} submit={t('common.continue')} isFull>
      <PasswordField
        label={t('session.password')}
        autoComplete="current-password"
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        data-autofocus
        required
      />
    </Form>
  )
}
