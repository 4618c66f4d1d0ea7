import { Switch, TextInput } from '@mantine/core'
import { change } from '../../api/client.ts'
import { createUser, listUsers, resetUserPassword } from '../../api/routes.ts'
import { PasswordField } from '../../parts/fields.tsx'
import { Form, useDraft } from '../../parts/form.tsx'
import { tell } from '../../parts/problem.tsx'
import { useWords } from '../../parts/use-words.ts'

/** An account; without a password a provider opens it, or one that is set later. */
export function CreateUser({ close }: { readonly close: () => void }) {
  const { t } = useWords()
  const { draft, text, flag } = useDraft({ name: '', email: '', password: '', isAdministrator: false })
  const create = async () => {
    const { password, ...rest } = draft
    const name = draft.name.trim()
    await change(createUser, { body: { ...rest, name, ...(password !== '' && { password }) } }, [listUsers])
    tell(t('users.created', { name }))
    close()
  }
  return (
    <Form save={create} close={close} submit={t('common.create')}>
      <TextInput label={t('common.name')} {...text('name')} autoComplete="off" data-autofocus required withAsterisk={false} />
      <TextInput label={t('account.email')} type="email" {...text('email')} autoComplete="off" />
      <PasswordField
        label={t('session.password')}
        description={t('users.passwordHint')}
        {...text('password')}
        autoComplete="new-password"
      />
      <Switch label={t('account.administrator')} {...flag('isAdministrator')} />
    </Form>
  )
}

interface PasswordProps {
  readonly user: { readonly id: number; readonly name: string }
  readonly close: () => void
}

/** The password of somebody else; what they have open ends. */
export function SetPassword({ user, close }: PasswordProps) {
  const { t } = useWords()
  const { draft, text } = useDraft({ password: '' })
  const save = async () => {
    await change(resetUserPassword, { params: { user: user.id }, body: draft }, [listUsers])
    tell(t('users.passwordSet', { name: user.name }))
    close()
  }
  return (
    <Form save={save} close={close}>
      <PasswordField
        label={t('account.newPassword')}
        description={user.name}
        {...text('password')}
        autoComplete="new-password"
        data-autofocus
        required
      />
    </Form>
  )
}
