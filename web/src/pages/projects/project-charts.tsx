/** How a project goes, over time. */
import { Group, SimpleGrid } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { query } from '../../api/client.ts'
import { readProjectStatistics } from '../../api/routes.ts'
import { Chart } from '../../parts/chart.tsx'
import { Panel, Waiting } from '../../parts/layout.tsx'
import { Problem } from '../../parts/problem.tsx'
import { formatBytes, formatNumber } from '../../parts/sizes.ts'
import { useSetSearch } from '../../app/search-state.ts'
import { queryOfRange, RangePicker, rangeOf } from '../../parts/time-range.tsx'

const refreshMs = 60_000

export function ProjectCharts({ project }: { readonly project: string }) {
  const { t } = useTranslation()
  const { view } = useSearch({ from: '/shell/projects/$' })
  const set = useSetSearch()
  const range = rangeOf(view, 'week')
  const { data, error, refetch } = useQuery({
    ...query(readProjectStatistics, { params: { project }, query: queryOfRange(range) }),
    refetchInterval: refreshMs,
    placeholderData: keepPreviousData,
  })
  return (
    <section aria-label={t('overview.title')}>
      <Group justify="flex-end" mb="sm">
        <RangePicker range={range} onChange={(next) => set({ view: next === 'week' ? undefined : next })} />
      </Group>
      {error !== null && data === undefined && <Problem error={error} retry={() => void refetch()} />}
      {error === null && data === undefined && <Waiting rows={4} />}
      {data !== undefined && (
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
          <Panel title={t('overview.traffic')}>
            <Chart
              label={t('overview.traffic')}
              instants={data.items.map(({ at }) => at)}
              step={data.step}
              format={formatNumber}
              least={10}
              series={[
                { name: t('overview.pulls'), values: data.items.map(({ pulls }) => pulls) },
                { name: t('overview.pushes'), values: data.items.map(({ pushes }) => pushes) },
                { name: t('overview.errors'), values: data.items.map(({ errors }) => errors) },
              ]}
            />
          </Panel>
          <Panel title={t('overview.storage')}>
            <Chart
              label={t('overview.storage')}
              instants={data.items.map(({ at }) => at)}
              step={data.step}
              format={formatBytes}
              least={1_000}
              series={[
                { name: t('overview.stored'), values: data.items.map(({ storedBytes }) => storedBytes) },
                { name: t('overview.logical'), values: data.items.map(({ logicalBytes }) => logicalBytes) },
              ]}
            />
          </Panel>
        </SimpleGrid>
      )}
    </section>
  )
}
