/** The processes that serve on one database, and whether they agree. */
import type { ItemOf } from '../../api/client.ts'
import { Alert, Badge, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { TriangleAlert } from 'lucide-react'
import { query } from '../../api/client.ts'
import { listNodes } from '../../api/manage-routes.ts'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { PageHead } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { useWords } from '../../parts/use-words.ts'

type ServingNode = ItemOf<typeof listNodes>
const colors = { serving: 'tide', draining: 'yellow', silent: 'red' } as const

export function NodesPage() {
  const { t } = useWords()
  const nodes = useQuery({ ...query(listNodes), refetchInterval: 10_000 })
  const columns: readonly Column<ServingNode>[] = [
    {
      key: 'name',
      name: t('system.node'),
      cell: ({ name, address, processId }) => (
        <div className="cut" title={`${name}, ${address}, ${processId}`}>
          <span style={{ fontWeight: 500 }}>{name}</span> <span className="mono">{address}</span>
        </div>
      ),
    },
    {
      key: 'state',
      name: t('jobs.state'),
      width: 130,
      cell: ({ state }) => (
        <Badge variant="dot" color={colors[state]}>
          {t(`manage:nodes.states.${state}`)}
        </Badge>
      ),
    },
    { key: 'version', name: t('system.version'), width: 130, hidden: 'wide', cell: ({ version }) => version },
    {
      key: 'schema',
      name: t('system.database'),
      width: 130,
      hidden: 'wide',
      cell: ({ schemaVersion }) => <div className="cut">{schemaVersion}</div>,
    },
    {
      key: 'clock',
      name: t('manage:nodes.clock'),
      width: 110,
      isEnd: true,
      hidden: 'wide',
      cell: ({ clockOffsetMs }) => <span className="number">{clockOffsetMs === null ? '–' : `${clockOffsetMs} ms`}</span>,
    },
    { key: 'started', name: t('system.started'), width: 140, hidden: 'middle', cell: ({ startedAt }) => <RelativeTime at={startedAt} /> },
    { key: 'seen', name: t('manage:nodes.seen'), width: 140, hidden: 'middle', cell: ({ seenAt }) => <RelativeTime at={seenAt} /> },
  ]
  return (
    <>
      <PageHead title={t('manage:nodes.title')} description={t('manage:nodes.text')} />
      <Loaded of={nodes}>
        {(data) => (
          <Stack>
            {data.warnings.map((warning) => (
              <Alert key={warning} color="yellow" icon={<TriangleAlert size={17} />}>
                <Text size="sm" c="var(--mantine-color-text)" lang="en">
                  {warning}
                </Text>
              </Alert>
            ))}
            <DataTable
              label={t('manage:nodes.title')}
              columns={columns}
              rows={data.items}
              keyOf={({ name, processId }) => `${name} ${processId}`}
            />
          </Stack>
        )}
      </Loaded>
    </>
  )
}
