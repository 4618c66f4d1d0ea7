/** What the rules as they are written now would do with one repository. Nothing is kept of it. */
import type { BodyOf, ResponseOf } from '#api/contract.ts'
import { Autocomplete, Badge, Group, Stack, Text } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { FlaskConical } from 'lucide-react'
import { useState } from 'react'
import { client, query } from '../../api/client.ts'
import { previewRetention } from '../../api/manage-routes.ts'
import { listRepositories } from '../../api/routes.ts'
import { WorkButton } from '../../parts/form.tsx'
import { Row } from '../../parts/rows.tsx'
import { formatNumber } from '../../parts/sizes.ts'
import { useWords } from '../../parts/use-words.ts'

type Rules = Omit<BodyOf<typeof previewRetention>, 'repository' | 'limit'>
type Outcome = ResponseOf<typeof previewRetention>

interface PreviewProps {
  readonly project: string
  readonly rules: () => Rules
}

export function RetentionPreview({ project, rules }: PreviewProps) {
  const { t } = useWords()
  const [repository, setRepository] = useState('')
  const [outcome, setOutcome] = useState<Outcome>()
  const [typed] = useDebouncedValue(repository.trim(), 200)
  const { data } = useQuery({
    ...query(listRepositories, { query: { project, limit: 8, ...(typed !== '' && { q: typed }) } }),
    placeholderData: (before) => before,
  })
  const run = async () =>
    setOutcome(await client.call(previewRetention, { params: { project }, body: { ...rules(), repository: repository.trim() } }))
  return (
    <Stack gap="xs" className="panel" p="sm">
      <Group align="flex-end" gap="xs">
        <Autocomplete
          label={t('manage:retention.preview')}
          description={t('manage:retention.previewHint')}
          data={(data?.items ?? []).map(({ name }) => name)}
          filter={({ options }) => options}
          value={repository}
          onChange={setRepository}
          style={{ flex: '1 1 220px' }}
        />
        <WorkButton variant="default" leftSection={<FlaskConical size={14} />} disabled={repository.trim() === ''} work={run}>
          {t('manage:providers.tryOut')}
        </WorkButton>
      </Group>
      <div aria-live="polite">{outcome !== undefined && <Decided outcome={outcome} />}</div>
    </Stack>
  )
}

const colors = { keep: 'tide', remove: 'yellow', removed: 'red', failed: 'red' } as const

function Decided({ outcome: { kept, removed, decisions } }: { readonly outcome: Outcome }) {
  const { t } = useWords()
  return (
    <>
      <Text size="sm" fw={500}>
        {t('manage:retention.wouldGo', { removed: formatNumber(removed), kept: formatNumber(kept) })}
      </Text>
      <ul className="rows" style={{ maxHeight: 260, overflowY: 'auto' }} tabIndex={0} aria-label={t('manage:retention.decisions')}>
        {decisions.map(({ tag, action, rule, reason }) => (
          <Row
            key={tag}
            title={<span className="mono">{tag}</span>}
            text={<span lang="en">{rule === '' ? reason : `${rule}: ${reason}`}</span>}
          >
            <Badge variant="dot" color={colors[action]}>
              {t(`manage:retention.actions.${action}`)}
            </Badge>
          </Row>
        ))}
      </ul>
    </>
  )
}
