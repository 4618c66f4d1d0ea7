/** The tags of a repository: as many as there are, narrowed and ordered by the server, chosen and deleted with a way back. */
import type { ResponseOf } from '#api/contract.ts'
import { ActionIcon, Badge, Button, Text, Tooltip } from '@mantine/core'
import { Link, useSearch } from '@tanstack/react-router'
import type { TFunction } from 'i18next'
import { GitCompare, Lock, Tag as TagIcon, Trash2, X } from 'lucide-react'
import { lazy, Suspense, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { pages } from '../../api/client.ts'
import { listTags } from '../../api/routes.ts'
import { withManageWords } from '../../app/i18n.ts'
import { placeOf } from '../../app/named-place.ts'
import { registryHost } from '../../app/place.ts'
import { useSetSearch } from '../../app/search-state.ts'
import { CopyText, Digest } from '../../parts/copy.tsx'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { Empty } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Listing } from '../../parts/listing.tsx'
import { PushWalk } from '../../parts/push-walk.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { SearchBox } from '../../parts/search-box.tsx'
import { formatBytes, formatNumber } from '../../parts/sizes.ts'
import { kindOfManifest } from './kind-of-manifest.ts'
import { removeTags } from './remove-tags.tsx'

const LabelFilter = lazy(async () => ({ default: (await withManageWords(() => import('../labels/label-filter.tsx'))).LabelFilter }))

type TagRow = ResponseOf<typeof listTags>['items'][number]

interface TagsProps {
  readonly repository: string
  readonly project: string
  readonly rights: ReadonlySet<string>
}

export function Tags({ repository, project, rights }: TagsProps) {
  const { t } = useTranslation()
  const { q = '', sort = '-updatedAt', label } = useSearch({ from: '/shell/repositories/$' })
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const filters = { limit: 200, sort: sort as 'name', ...(q !== '' && { q }), ...(label !== undefined && { label }) }
  const list = useList(pages(listTags, { params: { repository }, query: filters }))
  const columns = useColumns(repository)
  const set = useSetSearch()
  const mayDelete = rights.has('tag:delete')
  const remove = () => {
    setChosen(new Set())
    void removeTags(repository, [...chosen], rights.has('tag:create'))
  }
  return (
    <>
      <Listing
        list={list}
        filters={
          <>
            <SearchBox label={t('tags.search')} value={q} onChange={(value) => set({ q: value })} />
            <Suspense>
              <LabelFilter project={project} value={label} onChange={(value) => set({ label: value })} />
            </Suspense>
          </>
        }
        isNarrowed={q !== '' || label !== undefined}
        empty={
          <Empty icon={<TagIcon size={30} />} title={t('tags.none')}>
            {rights.has('repository:push') ? <PushWalk place={repository} isRepository /> : t('tags.noneText')}
          </Empty>
        }
      >
        <DataTable
          label={t('project.tags')}
          columns={columns}
          rows={list.items}
          keyOf={({ name }) => name}
          sort={sort}
          onSort={(value) => set({ sort: value })}
          more={list.more}
          selection={mayDelete ? { keys: chosen, set: setChosen, name: (name) => t('tags.select', { name }) } : undefined}
        />
      </Listing>
      {chosen.size > 0 && <SelectionBar chosen={chosen} repository={repository} clear={() => setChosen(new Set())} remove={remove} />}
    </>
  )
}

interface BarProps {
  readonly repository: string
  readonly chosen: ReadonlySet<string>
  readonly clear: () => void
  readonly remove: () => void
}

function SelectionBar({ repository, chosen, clear, remove: onRemove }: BarProps) {
  const { t } = useTranslation()
  return (
    <div className="selection-bar" role="region" aria-label={t('tags.selection')}>
      <Text size="sm" fw={500} className="number" aria-live="polite">
        {t('tags.chosen', { count: chosen.size, shown: formatNumber(chosen.size) })}
      </Text>
      {chosen.size === 2 && (
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<GitCompare size={14} />}
          renderRoot={(props) => (
            <Link to="/repositories/$" params={{ _splat: placeOf(repository, 'compare', [...chosen].join('/')) }} search={{}} {...props} />
          )}
        >
          {t('compare.title')}
        </Button>
      )}
      <Button size="compact-sm" color="red" variant="light" leftSection={<Trash2 size={14} />} onClick={onRemove}>
        {t('common.delete')}
      </Button>
      <ActionIcon onClick={clear} aria-label={t('common.clearSelection')}>
        <X size={15} />
      </ActionIcon>
    </div>
  )
}

function useColumns(repository: string): readonly Column<TagRow>[] {
  const { t } = useTranslation()
  // Rows are drawn anew when these are others.
  return useMemo(() => columnsOf(repository, t), [repository, t])
}

function columnsOf(repository: string, t: TFunction): readonly Column<TagRow>[] {
  return [
    { key: 'name', name: t('common.tag'), sort: 'name', cell: (tag) => <TagName repository={repository} tag={tag} /> },
    { key: 'kind', name: t('tags.kind'), width: 120, hidden: 'wide', cell: (tag) => t(`kind.${kindOfManifest(tag)}`) },
    { key: 'digest', name: t('common.digest'), width: 160, hidden: 'wide', cell: ({ digest }) => <Digest digest={digest} /> },
    {
      key: 'size',
      name: t('common.size'),
      width: 96,
      isEnd: true,
      cell: ({ totalSizeBytes, totalSizeIsExact }) => (
        <span className="number">{`${totalSizeIsExact ? '' : '>'}${formatBytes(totalSizeBytes)}`}</span>
      ),
    },
    { key: 'pulled', name: t('tags.pulled'), width: 150, isEnd: true, hidden: 'wide', cell: (tag) => <Pulled tag={tag} /> },
    {
      key: 'updatedAt',
      name: t('tags.pushed'),
      sort: 'updatedAt',
      width: 150,
      isEnd: true,
      hidden: 'middle',
      cell: ({ updatedAt }) => <RelativeTime at={updatedAt} />,
    },
  ]
}

function TagName({ repository, tag }: { readonly repository: string; readonly tag: TagRow }) {
  const { t } = useTranslation()
  return (
    <div className="line">
      <Link
        to="/repositories/$"
        params={{ _splat: placeOf(repository, 'tags', tag.name) }}
        search={{}}
        className="link cut"
        title={tag.name}
      >
        {tag.name}
      </Link>
      <CopyText text={`${registryHost}/${repository}:${tag.name}`} what={tag.name} />
      {tag.isImmutable && (
        <Tooltip label={t('tags.immutable')}>
          <Lock size={13} aria-label={t('tags.immutable')} role="img" style={{ flex: 'none' }} />
        </Tooltip>
      )}
      {tag.expiresAt !== undefined && (
        <Badge size="sm" className="below-middle">
          {t('tags.expires')} <RelativeTime at={tag.expiresAt} />
        </Badge>
      )}
      {tag.labels.map((label) => (
        <Badge
          key={label.id}
          size="sm"
          className="below-middle"
          leftSection={<span style={{ width: 7, height: 7, borderRadius: 4, display: 'block', background: label.color }} />}
        >
          {label.name}
        </Badge>
      ))}
    </div>
  )
}

function Pulled({ tag: { pulls, lastPulledAt } }: { readonly tag: TagRow }) {
  const { t } = useTranslation()
  if (lastPulledAt === undefined) return <span className="dim">{t('tags.never')}</span>
  return (
    <span>
      <RelativeTime at={lastPulledAt} />{' '}
      <span className="number" title={t('tags.pulls', { count: pulls, shown: formatNumber(pulls) })}>{`×${formatNumber(pulls)}`}</span>
    </span>
  )
}
