/** What a tag pointed at, and the way back to each of it. */
import type { ResponseOf } from '#api/contract.ts'
import type { listTagHistory } from '#api/routes/tags.ts'
import { Badge, Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { History, Undo2 } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { change, pages } from '../../api/client.ts'
import { listTagHistory as listRoute, listTags, readManifest, readTag, restoreTag } from '../../api/routes.ts'
import { placeOf } from '../../app/named-place.ts'
import { DataTable, type Column } from '../../parts/data-table.tsx'
import { WorkButton } from '../../parts/form.tsx'
import { Empty } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Listing } from '../../parts/listing.tsx'
import { tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'

type Change = ResponseOf<typeof listTagHistory>['items'][number]

interface HistoryProps {
  readonly repository: string
  readonly tag: string
  readonly rights: ReadonlySet<string>
}

export function TagHistory({ repository, tag, rights }: HistoryProps) {
  const { t } = useTranslation()
  const list = useList(pages(listRoute, { params: { repository, tag }, query: { limit: 100 } }))
  const restore = async (entry: Change) => {
    await change(restoreTag, { params: { repository, tag }, body: { change: entry.id } }, [listRoute, listTags, readTag, readManifest])
    tell(t('history.pointsAgain', { tag }))
  }
  const mayRestore = rights.has('tag:create')
  const now = list.items[0]
  const columns: readonly Column<Change>[] = [
    { key: 'action', name: t('history.action'), width: 120, cell: (entry) => <Action entry={entry} isNow={entry === now} /> },
    { key: 'digest', name: t('common.digest'), cell: (entry) => <Target repository={repository} entry={entry} /> },
    {
      key: 'actor',
      name: t('history.actor'),
      width: 140,
      hidden: 'wide',
      cell: ({ actor, reason }) => <span className="cut">{reason ?? (actor === '' ? t('session.visitor') : actor)}</span>,
    },
    { key: 'at', name: t('history.at'), width: 140, hidden: 'middle', cell: ({ at }) => <RelativeTime at={at} /> },
    ...(mayRestore
      ? [
          {
            key: 'restore',
            name: t('common.actions'),
            width: 130,
            isEnd: true,
            cell: (entry: Change) =>
              entry.state === 'gone' || (entry === now && entry.action !== 'deleted') ? null : (
                <WorkButton size="compact-xs" variant="default" leftSection={<Undo2 size={13} />} work={() => restore(entry)}>
                  {t('common.restore')}
                </WorkButton>
              ),
          },
        ]
      : []),
  ]
  return (
    <Listing list={list} empty={<Empty icon={<History size={28} />} title={t('history.none')} />}>
      <DataTable label={t('image.history')} columns={columns} rows={list.items} keyOf={({ id }) => String(id)} more={list.more} />
    </Listing>
  )
}

function Action({ entry, isNow }: { readonly entry: Change; readonly isNow: boolean }) {
  const { t } = useTranslation()
  return (
    <span style={{ display: 'inline-flex', gap: 6, alignItems: 'center' }}>
      {t(`history.${entry.action}`)}
      {isNow && <Badge size="sm">{t('history.now')}</Badge>}
    </span>
  )
}

function Target({ repository, entry }: { readonly repository: string; readonly entry: Change }) {
  const { t } = useTranslation()
  const digest = entry.digest ?? entry.previousDigest
  if (digest === undefined) return <>–</>
  const shown = <span className="mono">{digest.slice(7, 19)}</span>
  if (entry.state === 'here') {
    return (
      <Link to="/repositories/$" params={{ _splat: placeOf(repository, 'manifests', digest) }} search={{}} className="link">
        {shown}
      </Link>
    )
  }
  return (
    <span>
      {shown}{' '}
      <Text span size="xs" c="dimmed">
        {t(`history.${entry.state}`)}
      </Text>
    </span>
  )
}
