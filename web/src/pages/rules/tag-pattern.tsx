import { Group, TextInput } from '@mantine/core'
import { OneOf } from '../../parts/fields.tsx'
import { useWords } from '../../parts/use-words.ts'

export const syntaxes = ['glob', 'regex', 'semver'] as const
export type Syntax = (typeof syntaxes)[number]

const samples = { glob: 'v*', regex: 'v[0-9]+', semver: '>=1.0.0 <2.0.0' } as const

interface PatternProps {
  readonly label: string
  readonly syntax: Syntax
  readonly pattern: string
  readonly set: (changes: { readonly syntax?: Syntax; readonly pattern?: string }) => void
  readonly isRequired?: boolean
}

/** Which tags something is about. */
export function TagPattern({ label, syntax, pattern, set, isRequired = false }: PatternProps) {
  const { t } = useWords()
  return (
    <Group gap="xs" align="flex-end">
      <TextInput
        label={label}
        description={t(`manage:rules.syntaxHints.${syntax}`)}
        value={pattern}
        onChange={(event) => set({ pattern: event.currentTarget.value })}
        placeholder={samples[syntax]}
        required={isRequired}
        withAsterisk={false}
        spellCheck={false}
        autoComplete="off"
        classNames={{ input: 'mono' }}
        style={{ flex: '1 1 200px' }}
      />
      <OneOf
        aria-label={`${label}: ${t('manage:rules.syntax')}`}
        values={syntaxes}
        say={(each) => t(`manage:rules.syntaxes.${each}`)}
        value={syntax}
        onChange={(each) => set({ syntax: each })}
        style={{ flex: '0 1 150px' }}
      />
    </Group>
  )
}
