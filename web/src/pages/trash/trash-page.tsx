/** What was deleted and can come back. */
import type { ResponseOf } from '#api/contract.ts'
import type { listTrash } from '#api/routes/trash.ts'
import { Badge, Group } from '@mantine/core'
import { useSearch } from '@tanstack/react-router'
import { Trash2, Undo2 } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { change, pages, queryClient } from '../../api/client.ts'
import { listTrash as listRoute, restoreTrash } from '../../api/routes.ts'
import { useSetSearch } from '../../app/search-state.ts'
import { Choice } from '../../parts/choice.tsx'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { WorkButton } from '../../parts/form.tsx'
import { Empty, PageHead } from '../../parts/layout.tsx'
import { useList, type Listed } from '../../parts/list.ts'
import { Listing } from '../../parts/listing.tsx'
import { tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { formatBytes } from '../../parts/sizes.ts'

type Item = ResponseOf<typeof listTrash>['items'][number]
const kinds = ['all', 'tag', 'manifest', 'repository', 'project'] as const

export function TrashPage() {
  const { t } = useTranslation()
  const { view = 'all' } = useSearch({ from: '/shell/trash' })
  const set = useSetSearch()
  const list = useList(pages(listRoute, { query: { limit: 100, ...(view !== 'all' && { kind: view as Item['kind'] }) } }))
  return (
    <>
      <PageHead title={t('nav.trash')} description={t('trash.text')} />
      <Listing
        list={list}
        filters={
          <Choice
            label={t('tags.kind')}
            values={kinds}
            value={view}
            say={(kind) => t(`trash.kinds.${kind}`)}
            onChange={(kind) => set({ view: kind })}
          />
        }
        isNarrowed={view !== 'all'}
        empty={
          <Empty icon={<Trash2 size={28} />} title={t('trash.none')}>
            {t('trash.noneText')}
          </Empty>
        }
      >
        <Items list={list} />
      </Listing>
    </>
  )
}

function nameOf({ kind, project, repository, tags, digest }: Item): string {
  if (kind === 'project') return project
  if (kind === 'repository') return repository ?? ''
  const [tag] = tags
  return tag === undefined ? `${repository ?? ''}@${digest?.slice(0, 19) ?? ''}` : `${repository ?? ''}:${tag}`
}

function Items({ list }: { readonly list: Listed<Item> }) {
  const { t } = useTranslation()
  const restore = async (item: Item) => {
    await change(restoreTrash, { params: { trash: item.id }, body: {} })
    tell(t('trash.restored', { name: nameOf(item) }))
    await queryClient.invalidateQueries()
  }
  const columns: readonly Column<Item>[] = [
    {
      key: 'name',
      name: t('common.name'),
      cell: (item) => (
        <Group gap={8} wrap="nowrap">
          <span className="cut" title={nameOf(item)}>
            {nameOf(item)}
          </span>
          <Badge size="sm" style={{ flex: 'none' }}>
            {t(`trash.kinds.${item.kind}`)}
          </Badge>
        </Group>
      ),
    },
    {
      key: 'size',
      name: t('common.size'),
      width: 100,
      isEnd: true,
      hidden: 'wide',
      cell: ({ sizeBytes }) => <span className="number">{formatBytes(sizeBytes)}</span>,
    },
    {
      key: 'by',
      name: t('trash.by'),
      width: 140,
      hidden: 'wide',
      cell: ({ deletedBy, reason }) => (reason === 'request' ? deletedBy || t('session.visitor') : t(`trash.reason.${reason}`)),
    },
    { key: 'at', name: t('trash.at'), width: 130, hidden: 'middle', cell: ({ deletedAt }) => <RelativeTime at={deletedAt} /> },
    { key: 'until', name: t('trash.until'), width: 130, hidden: 'middle', cell: ({ expiresAt }) => <RelativeTime at={expiresAt} /> },
    {
      key: 'restore',
      name: t('common.actions'),
      width: 124,
      isEnd: true,
      cell: (item) => (
        <WorkButton size="compact-xs" variant="default" leftSection={<Undo2 size={13} />} work={() => restore(item)}>
          {t('common.restore')}
        </WorkButton>
      ),
    },
  ]
  return <DataTable label={t('nav.trash')} columns={columns} rows={list.items} keyOf={({ id }) => String(id)} more={list.more} />
}
