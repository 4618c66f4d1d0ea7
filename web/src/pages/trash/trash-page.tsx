/** What was deleted and can come back. */
import type { ResponseOf } from '#api/contract.ts'
import type { listTrash } from '#api/routes/trash.ts'
import { Badge, Button, Group, SegmentedControl } from '@mantine/core'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { Trash2, Undo2 } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { change, pages, queryClient } from '../../api/client.ts'
import { listTrash as listRoute, restoreTrash } from '../../api/routes.ts'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { Empty, PageHead, Waiting } from '../../parts/layout.tsx'
import { useList, type Listed } from '../../parts/list.ts'
import { Problem, tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { formatBytes } from '../../parts/sizes.ts'
import { useTry } from '../../parts/use-try.ts'

type Item = ResponseOf<typeof listTrash>['items'][number]
const kinds = ['all', 'tag', 'manifest', 'repository', 'project'] as const

export function TrashPage() {
  const { t } = useTranslation()
  const navigate = useNavigate({ from: '/trash' })
  const { view = 'all' } = useSearch({ from: '/shell/trash' })
  const list = useList(pages(listRoute, { query: { limit: 100, ...(view !== 'all' && { kind: view as Item['kind'] }) } }))
  return (
    <>
      <PageHead title={t('nav.trash')} description={t('trash.text')} />
      <Group mb="md" style={{ overflowX: 'auto' }} wrap="nowrap">
        <SegmentedControl
          size="xs"
          aria-label={t('tags.kind')}
          data={kinds.map((value) => ({ value, label: t(`trash.kinds.${value}`) }))}
          value={view}
          onChange={(value) => void navigate({ search: { view: value === 'all' ? undefined : value }, replace: true })}
        />
      </Group>
      {list.error !== null && <Problem error={list.error} retry={list.refetch} />}
      {list.error === null && list.isLoading && <Waiting />}
      {list.error === null && !list.isLoading && list.items.length === 0 && (
        <Empty icon={<Trash2 size={28} />} title={t('trash.none')}>
          {t('trash.noneText')}
        </Empty>
      )}
      {list.items.length > 0 && <Items list={list} />}
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
  const { error, isBusy, attempt } = useTry()
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
        <Button
          size="compact-xs"
          variant="default"
          leftSection={<Undo2 size={13} />}
          disabled={isBusy}
          onClick={() => attempt(() => restore(item))}
        >
          {t('common.restore')}
        </Button>
      ),
    },
  ]
  return (
    <div style={{ display: 'grid', gap: 12 }}>
      {error !== undefined && <Problem error={error} />}
      <DataTable label={t('nav.trash')} columns={columns} rows={list.items} keyOf={({ id }) => String(id)} more={list.more} />
    </div>
  )
}
