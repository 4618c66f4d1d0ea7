import { Group, Select, SimpleGrid, TextInput } from '@mantine/core'
import type { DraftState } from '../../parts/form.tsx'
import { useWords } from '../../parts/use-words.ts'
import { units, type LimitsDraft, type Unit } from './limits.ts'

/** How much, how many, and from where on somebody is told. */
export function LimitFields({ draft, put, text }: Omit<DraftState<LimitsDraft>, 'flag'>) {
  const { t } = useWords()
  const number = { inputMode: 'decimal', placeholder: t('project.noLimit'), autoComplete: 'off' } as const
  return (
    <>
      <Group gap="xs" align="flex-end" wrap="nowrap">
        <TextInput label={t('project.storage')} {...number} {...text('bytes')} style={{ flex: 1 }} data-autofocus />
        <Select
          aria-label={t('manage:quotas.unit')}
          data={[...units]}
          value={draft.unit}
          onChange={(unit) => unit !== null && put({ unit: unit as Unit })}
          w={84}
        />
      </Group>
      <SimpleGrid cols={2}>
        <TextInput label={t('nav.repositories')} {...number} {...text('repositories')} />
        <TextInput label={t('project.tags')} {...number} {...text('tags')} />
      </SimpleGrid>
      <TextInput label={t('manage:quotas.warn')} description={t('manage:quotas.warnHint')} {...number} placeholder="80" {...text('warn')} />
    </>
  )
}
