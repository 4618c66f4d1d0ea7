/** The fields of an identity provider's settings, group by group. */
import { Checkbox, PasswordInput, Select, Stack, Switch, Text, Textarea, TextInput } from '@mantine/core'
import type { ReactNode } from 'react'
import type { manageEn } from '../../locales/manage-en.ts'
import { useWords } from '../../parts/use-words.ts'
import type { Field, FieldGroup, Typed } from './provider-fields.ts'

interface Secrets {
  /** Those that the server has. */
  readonly held: ReadonlySet<string>
  readonly forgotten: ReadonlySet<string>
  readonly setForgotten: (forgotten: ReadonlySet<string>) => void
}

interface GroupsProps {
  readonly groups: readonly FieldGroup[]
  readonly typed: Typed
  readonly put: (key: string, value: string | boolean) => void
  readonly secrets: Secrets
}

export function FieldGroups({ groups, typed, put, secrets }: GroupsProps) {
  const { t } = useWords()
  const inputs = (group: FieldGroup): ReactNode => (
    <Stack gap="sm" p={16} pt={group.isFurther === true ? 8 : 16}>
      {group.fields.map((field) => (
        <Input key={field.key} field={field} value={typed[field.key] ?? ''} put={(value) => put(field.key, value)} secrets={secrets} />
      ))}
    </Stack>
  )
  return (
    <Stack gap="sm">
      {groups.map((group) =>
        group.isFurther === true ? (
          <details key={group.name} className="panel further">
            <summary>{t(`manage:providers.groups.${group.name}`)}</summary>
            {inputs(group)}
          </details>
        ) : (
          <fieldset key={group.name} className="panel plain-set">
            <legend className="unseen">{t(`manage:providers.groups.${group.name}`)}</legend>
            <Text fw={600} size="sm" px={16} pt={12} aria-hidden>
              {t(`manage:providers.groups.${group.name}`)}
            </Text>
            {inputs(group)}
          </fieldset>
        ),
      )}
    </Stack>
  )
}

type Labels = keyof typeof manageEn.providers.fields
type Hints = keyof typeof manageEn.providers.hints
type Choices = keyof typeof manageEn.providers.choices

interface InputProps {
  readonly field: Field
  readonly value: string | boolean
  readonly put: (value: string | boolean) => void
  readonly secrets: Secrets
}

function Input({ field, value, put, secrets }: InputProps) {
  const { t, i18n } = useWords()
  const { key, type, sample, byDefault } = field
  const name = key.replace('.', '_')
  const label = t(`manage:providers.fields.${name as Labels}`)
  const hint = i18n.exists(`manage:providers.hints.${name}`) ? t(`manage:providers.hints.${name as Hints}`) : undefined
  const said = { label, ...(hint !== undefined && { description: hint }) }
  if (type === 'flag') return <Switch {...said} checked={value === true} onChange={(event) => put(event.currentTarget.checked)} />
  const text = typeof value === 'string' ? value : ''
  if (type === 'secret') return <Secret name={key} said={said} value={text} put={put} secrets={secrets} />
  if (typeof type !== 'string') {
    return (
      <Select
        {...said}
        data={type.map((each) => ({ value: each, label: t(`manage:providers.choices.${each as Choices}`) }))}
        value={text}
        onChange={(next) => next !== null && put(next)}
      />
    )
  }
  const shared = {
    ...said,
    value: text,
    spellCheck: false,
    autoComplete: 'off',
    onChange: (event: { readonly currentTarget: { readonly value: string } }) => put(event.currentTarget.value),
    ...(sample !== undefined && { placeholder: sample }),
    required: byDefault === undefined,
    withAsterisk: false,
  }
  if (type === 'lines' || type === 'long') {
    return <Textarea {...shared} autosize minRows={type === 'lines' ? 1 : 2} maxRows={8} classNames={{ input: 'mono' }} />
  }
  return <TextInput {...shared} inputMode={type === 'number' ? 'numeric' : 'text'} />
}

interface SecretProps {
  readonly name: string
  readonly said: { readonly label: string; readonly description?: string }
  readonly value: string
  readonly put: (value: string) => void
  readonly secrets: Secrets
}

/** It goes to the server and never comes back: empty, it stays as it is. */
function Secret({ name, said, value, put, secrets: { held, forgotten, setForgotten } }: SecretProps) {
  const { t } = useWords()
  const isForgotten = forgotten.has(name)
  return (
    <div>
      <PasswordInput
        {...said}
        value={value}
        onChange={(event) => put(event.currentTarget.value)}
        placeholder={held.has(name) && !isForgotten ? t('manage:providers.secretKept') : t('manage:providers.secretNone')}
        disabled={isForgotten}
        autoComplete="new-password"
        visibilityToggleButtonProps={{ 'aria-label': t('session.showPassword') }}
      />
      {held.has(name) && (
        <Checkbox
          mt={6}
          size="xs"
          label={t('manage:providers.forget')}
          checked={isForgotten}
          onChange={(event) => {
            put('')
            const next = new Set(forgotten)
            if (event.currentTarget.checked) next.add(name)
            else next.delete(name)
            setForgotten(next)
          }}
        />
      )}
    </div>
  )
}
