/** Two images side by side: layers, configuration, packages, files, size. Which two is the path, `…/-/compare/FROM/TO`; the part that is shown is `view`. */
import { ActionIcon, Group, Select, SimpleGrid, Stack, Text, Tooltip } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { ArrowLeftRight, GitCompare } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { client, keyOf, query } from '../../api/client.ts'
import { compareImages, listRepositories, listTags, readRepository } from '../../api/routes.ts'
import { placeOf } from '../../app/named-place.ts'
import { Empty, Figure, PageHead, Waiting } from '../../parts/layout.tsx'
import { Problem } from '../../parts/problem.tsx'
import { Tabs } from '../../parts/tab-links.tsx'
import { formatBytes, formatNumber } from '../../parts/sizes.ts'
import { ComparedConfig, ComparedFiles, ComparedLayers, ComparedPackages, type Comparison } from './compared-parts.tsx'
import { Unreadable } from './image-files.tsx'
import { RepositoryTrail } from './repository-page.tsx'
import '../../parts/legend.css'
import './compare.css'

/** In place of a first one that is not picked yet: no tag is called so. */
const none = '-'

interface CompareProps {
  readonly repository: string
  /** `FROM/TO`; what is not picked yet is missing, or a dash. */
  readonly rest: string
}

export function ComparePage({ repository, rest }: CompareProps) {
  const { t } = useTranslation()
  const { toRepository } = useSearch({ from: '/shell/repositories/$' })
  const [from = '', to = ''] = rest.split('/').map((each) => (each === none ? '' : each))
  const { data: facts } = useQuery(query(readRepository, { params: { repository } }))
  return (
    <>
      {facts !== undefined && <RepositoryTrail project={facts.project} repository={repository} leaf={t('compare.title')} />}
      <PageHead title={t('compare.title')} />
      <Stack gap="lg">
        <Pickers repository={repository} from={from} to={to} toRepository={toRepository ?? repository} />
        {from === '' || to === '' ? (
          <Empty icon={<GitCompare size={28} />} title={t('compare.only')}>
            {t('compare.onlyText')}
          </Empty>
        ) : (
          <Compared key={`${from} ${to} ${toRepository ?? ''}`} repository={repository} from={from} to={to} toRepository={toRepository} />
        )}
      </Stack>
    </>
  )
}

interface PickersProps {
  readonly repository: string
  readonly from: string
  readonly to: string
  readonly toRepository: string
}

function Pickers({ repository, from, to, toRepository }: PickersProps) {
  const { t } = useTranslation()
  const navigate = useNavigate({ from: '/repositories/$' })
  const go = (next: Partial<PickersProps>) => {
    const at = { repository, from, to, toRepository, ...next }
    const other = at.toRepository === at.repository ? undefined : at.toRepository
    void navigate({
      to: '/repositories/$',
      params: { _splat: placeOf(at.repository, 'compare', `${at.from === '' ? none : at.from}/${at.to}`) },
      search: (before) => ({ view: before.view, toRepository: other }),
      replace: true,
      resetScroll: false,
    })
  }
  return (
    <Group align="flex-end" gap="sm">
      <TagPicker label={t('compare.fromTag')} repository={repository} value={from} onChange={(value) => go({ from: value })} />
      <Tooltip label={t('compare.swap')}>
        <ActionIcon
          size={36}
          aria-label={t('compare.swap')}
          onClick={() => go({ repository: toRepository, toRepository: repository, from: to, to: from })}
        >
          <ArrowLeftRight size={16} />
        </ActionIcon>
      </Tooltip>
      <TagPicker label={t('compare.toTag')} repository={toRepository} value={to} onChange={(value) => go({ to: value })} />
      <RepositoryPicker value={toRepository} onChange={(value) => go({ toRepository: value, to: '' })} />
    </Group>
  )
}

interface PickerProps {
  readonly value: string
  readonly onChange: (value: string) => void
}

/** Tags by their beginning, as one types; a digest stays what it is. */
function TagPicker({ label, repository, value, onChange }: PickerProps & { readonly label: string; readonly repository: string }) {
  const { t } = useTranslation()
  const [text, setText] = useState(value)
  const [wanted] = useDebouncedValue(text === value ? '' : text, 150)
  const { data } = useQuery({
    ...query(listTags, { params: { repository }, query: { limit: 50, sort: '-updatedAt', ...(wanted !== '' && { q: wanted }) } }),
    placeholderData: keepPreviousData,
  })
  const names = data?.items.map(({ name }) => name) ?? []
  return (
    <Select
      label={label}
      searchable
      // The server narrows.
      filter={({ options }) => options}
      data={value === '' || names.includes(value) ? names : [value, ...names]}
      value={value === '' ? null : value}
      onChange={(next) => next !== null && onChange(next)}
      searchValue={text}
      onSearchChange={setText}
      nothingFoundMessage={t('common.nothingFound')}
      w={{ base: '100%', xs: 210 }}
    />
  )
}

function RepositoryPicker({ value, onChange }: PickerProps) {
  const { t } = useTranslation()
  const [text, setText] = useState(value)
  const [wanted] = useDebouncedValue(text === value ? '' : text, 150)
  const { data } = useQuery({
    ...query(listRepositories, { query: { limit: 50, ...(wanted !== '' && { q: wanted }) } }),
    placeholderData: keepPreviousData,
  })
  const names = data?.items.map(({ name }) => name) ?? []
  return (
    <Select
      label={t('compare.repository')}
      searchable
      filter={({ options }) => options}
      data={names.includes(value) ? names : [value, ...names]}
      value={value}
      onChange={(next) => next !== null && onChange(next)}
      searchValue={text}
      onSearchChange={setText}
      nothingFoundMessage={t('common.nothingFound')}
      w={{ base: '100%', xs: 260 }}
    />
  )
}

interface ComparedProps {
  readonly repository: string
  readonly from: string
  readonly to: string
  readonly toRepository: string | undefined
}

const views = ['layers', 'config', 'packages', 'files'] as const
type View = (typeof views)[number]

function Compared({ repository, from, to, toRepository }: ComparedProps) {
  const { t } = useTranslation()
  const { view = 'layers' } = useSearch({ from: '/shell/repositories/$' })
  const input = { params: { repository }, query: { from, to, limit: 200, ...(toRepository !== undefined && { toRepository }) } }
  const { data, error, isPending, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = useInfiniteQuery({
    queryKey: [...keyOf(compareImages, input), 'pages'],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      client.call(compareImages, {
        params: input.params,
        query: { ...input.query, ...(pageParam !== undefined && { cursor: pageParam }) },
        signal,
      }),
    getNextPageParam: (page) => page.next,
    staleTime: 60_000,
  })
  const read = data?.pages ?? []
  const [first] = read
  if (error !== null && first === undefined) return <Problem error={error} retry={() => void refetch()} />
  if (isPending || first === undefined) {
    return (
      <>
        <Text size="sm" c="dimmed" role="status">
          {t('compare.reading')}
        </Text>
        <Waiting rows={8} />
      </>
    )
  }
  const current = views.find((each) => each === view) ?? 'layers'
  const files = read.flatMap((page) => page.files.items)
  const more = { has: hasNextPage, isLoading: isFetchingNextPage, load: () => void fetchNextPage() }
  return (
    <>
      <Summary compared={first} from={from} to={to} />
      <Unreadable layers={first.unreadable} />
      {error !== null && <Problem error={error} retry={() => void fetchNextPage()} />}
      <div>
        <CompareTabs repository={repository} rest={`${from}/${to}`} current={current} compared={first} />
        {current === 'layers' && <ComparedLayers compared={first} from={from} to={to} />}
        {current === 'config' && <ComparedConfig compared={first} />}
        {current === 'packages' && <ComparedPackages compared={first} />}
        {current === 'files' && <ComparedFiles compared={first} items={files} more={more} />}
      </div>
    </>
  )
}

function Summary({ compared, from, to }: { readonly compared: Comparison; readonly from: string; readonly to: string }) {
  const { t } = useTranslation()
  const difference = compared.to.sizeBytes - compared.from.sizeBytes
  const shared = compared.layers.reduce((sum, layer) => sum + (layer.in === 'both' ? layer.sizeBytes : 0), 0)
  const { added, removed, changed } = compared.files
  return (
    <>
      {compared.from.digest === compared.to.digest && <Text fw={500}>{t('compare.same')}</Text>}
      <SimpleGrid cols={{ base: 1, xs: 3 }} spacing="md">
        <Figure name={`${from} → ${to}`} hint={t('compare.shared', { size: formatBytes(shared) })}>
          {`${formatBytes(compared.from.sizeBytes)} → ${formatBytes(compared.to.sizeBytes)}`}
        </Figure>
        <Figure
          name={t('common.size')}
        >{`${difference > 0 ? '+' : difference < 0 ? '−' : '±'}${formatBytes(Math.abs(difference))}`}</Figure>
        <Figure
          name={t('compare.files')}
          hint={`${t('compare.changes.added')} · ${t('compare.changes.removed')} · ${t('compare.changes.changed')}`}
        >
          {`+${formatNumber(added)} · −${formatNumber(removed)} · ±${formatNumber(changed)}`}
        </Figure>
      </SimpleGrid>
    </>
  )
}

interface TabsProps {
  readonly repository: string
  readonly rest: string
  readonly current: View
  readonly compared: Comparison
}

/** Each says how much differs in it. */
function CompareTabs({ repository, rest, current, compared: { layers, config, packages, files } }: TabsProps) {
  const { t } = useTranslation()
  const counts: Readonly<Record<View, number>> = {
    layers: layers.filter((layer) => layer.in !== 'both').length,
    config: config.length,
    packages: packages.length,
    files: files.added + files.removed + files.changed,
  }
  return (
    <Tabs label={t('compare.parts')} current={current}>
      {views.map((each) => (
        <Link
          key={each}
          to="/repositories/$"
          params={{ _splat: placeOf(repository, 'compare', rest) }}
          search={(before: { readonly toRepository?: string | undefined }) => ({
            toRepository: before.toRepository,
            view: each === 'layers' ? undefined : each,
          })}
          replace
          resetScroll={false}
          className="tab"
          {...(each === current && { 'data-active': true, 'aria-current': 'page' as const })}
        >
          {t(`compare.${each}`)}{' '}
          <span className="tab-count number" title={t('compare.differing', { count: counts[each], shown: formatNumber(counts[each]) })}>
            {formatNumber(counts[each])}
          </span>
        </Link>
      ))}
    </Tabs>
  )
}
