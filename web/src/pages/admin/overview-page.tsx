/** How the registry goes, over time: what is pulled and pushed, how much there is, how fast and how well it answers. */
import type { ResponseOf } from '#api/contract.ts'
import { Group, SimpleGrid, Stack, Text } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { pages, query } from '../../api/client.ts'
import { useLiveActivity } from '../../api/live-activity.ts'
import { listAudit, readStatistics, readSystemUsage } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { useSetSearch } from '../../app/search-state.ts'
import { AuditTable } from '../../parts/audit-table.tsx'
import { Chart } from '../../parts/chart.tsx'
import { Figure, PageHead, Panel, Waiting } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { LiveSign } from '../../parts/live-sign.tsx'
import { Problem } from '../../parts/problem.tsx'
import { formatBytes, formatDuration, formatNumber } from '../../parts/sizes.ts'
import { queryOfRange, RangePicker, rangeOf, type Range } from '../../parts/time-range.tsx'

/** Rows of statistics are written once a minute. */
const refreshMs = 60_000

export function OverviewPage() {
  const { t } = useTranslation()
  const who = useWho()
  const set = useSetSearch()
  const { view } = useSearch({ from: '/shell/admin/overview' })
  const range = rangeOf(view)
  const setRange = (next: Range) => set({ view: next === 'day' ? undefined : next })
  return (
    <>
      <PageHead title={t('overview.title')} description={t('overview.text')} actions={<RangePicker range={range} onChange={setRange} />} />
      <Stack gap="lg">
        <Charts range={range} />
        {who.may('audit:list') && <LatestActivity />}
      </Stack>
    </>
  )
}

function Charts({ range }: { readonly range: Range }) {
  const { data, error, refetch } = useQuery({
    ...query(readStatistics, { query: queryOfRange(range) }),
    refetchInterval: refreshMs,
    placeholderData: keepPreviousData,
  })
  if (error !== null && data === undefined) return <Problem error={error} retry={() => void refetch()} />
  if (data === undefined) return <Waiting rows={10} />
  return (
    <>
      <Figures items={data.items} />
      <Series {...data} />
    </>
  )
}

type Statistics = ResponseOf<typeof readStatistics>

/** Of the whole time together; of storage, how it is now. */
function Figures({ items }: Pick<Statistics, 'items'>) {
  const { t } = useTranslation()
  const { data: usage } = useQuery(query(readSystemUsage))
  const sum = (of: 'pulls' | 'pushes' | 'errors' | 'requests') => formatNumber(items.reduce((total, item) => total + item[of], 0))
  const reclaimable = items.findLast(({ reclaimableBytes }) => reclaimableBytes !== null)?.reclaimableBytes ?? undefined
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }} spacing="md">
      <Figure name={t('overview.pulls')}>{sum('pulls')}</Figure>
      <Figure name={t('overview.pushes')}>{sum('pushes')}</Figure>
      <Figure
        name={t('overview.storage')}
        {...(reclaimable !== undefined && { hint: `${t('overview.reclaimable')}: ${formatBytes(reclaimable)}` })}
      >
        {usage === undefined ? '…' : formatBytes(usage.bytes)}
      </Figure>
      <Figure name={t('overview.errors')} hint={`${t('overview.requests')}: ${sum('requests')}`}>
        {sum('errors')}
      </Figure>
    </SimpleGrid>
  )
}

function Series({ items, step }: Pick<Statistics, 'items' | 'step'>) {
  const { t } = useTranslation()
  const common = { instants: items.map(({ at }) => at), step }
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
      <Panel title={t('overview.traffic')}>
        <Chart
          label={t('overview.traffic')}
          {...common}
          format={formatNumber}
          least={10}
          series={[
            { name: t('overview.pulls'), values: items.map(({ pulls }) => pulls) },
            { name: t('overview.pushes'), values: items.map(({ pushes }) => pushes) },
          ]}
        />
      </Panel>
      <Panel title={t('overview.storage')}>
        <Chart
          label={t('overview.storage')}
          {...common}
          format={formatBytes}
          least={1_000}
          series={[
            { name: t('overview.stored'), values: items.map(({ storedBytes }) => storedBytes) },
            { name: t('overview.logical'), values: items.map(({ logicalBytes }) => logicalBytes) },
            { name: t('overview.reclaimable'), values: items.map(({ reclaimableBytes }) => reclaimableBytes) },
          ]}
        />
      </Panel>
      <Panel title={t('overview.work')}>
        <Chart
          label={t('overview.work')}
          {...common}
          format={formatNumber}
          least={10}
          series={[
            { name: t('overview.requests'), values: items.map(({ requests }) => requests) },
            { name: t('overview.errors'), values: items.map(({ errors }) => errors) },
          ]}
        />
      </Panel>
      <Panel title={t('overview.latency')}>
        <Chart
          label={t('overview.latency')}
          {...common}
          format={formatDuration}
          least={10}
          series={[
            { name: t('overview.p50'), values: items.map(({ latencyP50Ms }) => latencyP50Ms) },
            { name: t('overview.p99'), values: items.map(({ latencyP99Ms }) => latencyP99Ms) },
          ]}
        />
        <Text size="xs" c="dimmed" mt={6}>
          {t('overview.latencyText')}
        </Text>
      </Panel>
    </SimpleGrid>
  )
}

/** As many as are on the screen; the audit log has the rest. */
const shownRecords = 8

function LatestActivity() {
  const { t } = useTranslation()
  const list = useList(pages(listAudit, { query: { limit: shownRecords } }))
  const live = useLiveActivity({ isOn: true })
  return (
    <div>
      <Group justify="space-between" mb="sm">
        <Text component="h2" fw={600} size="lg">
          {t('overview.activity')}
        </Text>
        <LiveSign state={live} />
      </Group>
      <AuditTable list={{ ...list, items: list.items.slice(0, shownRecords), more: { has: false, isLoading: false, load: () => {} } }} />
    </div>
  )
}
