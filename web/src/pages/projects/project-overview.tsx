/** The front page of a project: how much is in it, and its repositories. */
import { Group, Progress, SimpleGrid, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import { Package } from 'lucide-react'
import { lazy, Suspense } from 'react'
import { useTranslation } from 'react-i18next'
import { keyOf, pages, query, queryClient } from '../../api/client.ts'
import { useGently, useLiveActivity } from '../../api/live-activity.ts'
import { listRepositories, readQuota, readProjectUsage } from '../../api/routes.ts'
import { useSetSearch } from '../../app/search-state.ts'
import { Empty, Figure, Panel, Waiting } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Listing } from '../../parts/listing.tsx'
import { LiveSign } from '../../parts/live-sign.tsx'
import { PushWalk } from '../../parts/push-walk.tsx'
import { SearchBox } from '../../parts/search-box.tsx'
import { formatBytes, formatNumber, formatShare } from '../../parts/sizes.ts'
import { RepositoryTable } from '../repositories/repository-table.tsx'
import type { ProjectPartProps } from './project-parts.ts'

const Markdown = lazy(async () => ({ default: (await import('../../parts/markdown.tsx')).Markdown }))

const ProjectCharts = lazy(async () => ({ default: (await import('./project-charts.tsx')).ProjectCharts }))

export function ProjectOverview({ project, rights }: ProjectPartProps) {
  return (
    <Stack gap="lg">
      {rights.has('audit:list') && <Following project={project.name} />}
      {project.description !== '' && (
        <Panel>
          <Suspense fallback={<Text className="wrap">{project.description}</Text>}>
            <Markdown text={project.description} />
          </Suspense>
        </Panel>
      )}
      <Figures project={project.name} />
      <Charts project={project.name} />
      <Repositories project={project.name} mayPush={rights.has('repository:push')} />
    </Stack>
  )
}

/** Where nothing is, nothing happened. */
function Charts({ project }: { readonly project: string }) {
  const { data: usage } = useQuery(query(readProjectUsage, { params: { project } }))
  if (usage === undefined || usage.repositories === 0) return null
  return (
    <Suspense fallback={<Waiting rows={8} />}>
      <ProjectCharts project={project} />
    </Suspense>
  )
}

/** What is pushed shows without a key being touched. */
function Following({ project }: { readonly project: string }) {
  const again = useGently(() => {
    for (const route of [listRepositories, readProjectUsage, readQuota]) void queryClient.invalidateQueries({ queryKey: keyOf(route) })
  }, 2_000)
  const live = useLiveActivity({ isOn: true, project, onRecord: again })
  return (
    <Group justify="flex-end" mb={-10}>
      <LiveSign state={live} />
    </Group>
  )
}

function Figures({ project }: { readonly project: string }) {
  const { t } = useTranslation()
  const { data: usage } = useQuery(query(readProjectUsage, { params: { project } }))
  const { data: quota } = useQuery(query(readQuota, { params: { project } }))
  const shared = usage === undefined ? 0 : usage.logicalBytes - usage.bytes
  return (
    <SimpleGrid cols={{ base: 1, xs: 3 }} spacing="md">
      <Figure
        name={t('project.storage')}
        hint={
          <Gauge
            used={usage?.bytes}
            max={quota?.bytesMax}
            warnPercent={quota?.warnPercent}
            format={formatBytes}
            otherwise={usage === undefined || shared <= 0 ? t('project.noLimit') : t('project.shared', { size: formatBytes(shared) })}
          />
        }
      >
        {usage === undefined ? '…' : formatBytes(usage.bytes)}
      </Figure>
      <Figure
        name={t('nav.repositories')}
        hint={
          <Gauge
            used={usage?.repositories}
            max={quota?.repositoriesMax}
            warnPercent={quota?.warnPercent}
            format={formatNumber}
            otherwise={t('project.noLimit')}
          />
        }
      >
        {usage === undefined ? '…' : formatNumber(usage.repositories)}
      </Figure>
      <Figure
        name={t('project.tags')}
        hint={
          <Gauge
            used={usage?.tags}
            max={quota?.tagsMax}
            warnPercent={quota?.warnPercent}
            format={formatNumber}
            otherwise={t('project.noLimit')}
          />
        }
      >
        {usage === undefined ? '…' : formatNumber(usage.tags)}
      </Figure>
    </SimpleGrid>
  )
}

interface GaugeProps {
  readonly used: number | undefined
  readonly max: number | null | undefined
  readonly warnPercent: number | undefined
  readonly format: (value: number) => string
  readonly otherwise: string
}

/** How much of a limit is used; a word where there is none. */
function Gauge({ used, max, warnPercent = 85, format, otherwise }: GaugeProps) {
  const { t } = useTranslation()
  if (used === undefined || max === undefined) return <>&nbsp;</>
  if (max === null) return otherwise
  const percent = max === 0 ? 100 : Math.min(100, (used / max) * 100)
  const color = percent >= 100 ? 'red' : percent >= warnPercent ? 'yellow' : 'tide'
  const text = t('project.ofLimit', { share: formatShare(used, max), limit: format(max) })
  return (
    <Stack gap={4} mt={4}>
      <Progress value={percent} color={color} size="sm" aria-label={text} />
      <span>{text}</span>
    </Stack>
  )
}

function Repositories({ project, mayPush }: { readonly project: string; readonly mayPush: boolean }) {
  const { t } = useTranslation()
  const { q = '', sort = 'name' } = useSearch({ from: '/shell/projects/$' })
  const set = useSetSearch()
  const list = useList(pages(listRepositories, { query: { project, limit: 100, sort: sort as 'name', ...(q !== '' && { q }) } }))
  return (
    <Listing
      list={list}
      filters={<SearchBox label={t('repositories.search')} value={q} onChange={(value) => set({ q: value })} />}
      isNarrowed={q !== ''}
      empty={
        <Empty icon={<Package size={30} />} title={t('repositories.none')}>
          {mayPush ? <PushWalk place={project} /> : t('repositories.noneText')}
        </Empty>
      }
    >
      <RepositoryTable list={list} sort={sort} onSort={(value) => set({ sort: value })} project={project} />
    </Listing>
  )
}
