/** Records of what happened. */
import type { ResponseOf } from '#api/contract.ts'
import type { listAudit } from '#api/routes/audit.ts'
import { Badge, Drawer, Group, Tooltip } from '@mantine/core'
import { History } from 'lucide-react'
import { useState, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { DataTable, type Column } from './data-table.tsx'
import { Empty } from './layout.tsx'
import type { Listed } from './list.ts'
import { Listing } from './listing.tsx'
import { RelativeTime } from './relative-time.tsx'
import { formatNumber } from './sizes.ts'
import { visible } from './visible.ts'

export type AuditRow = ResponseOf<typeof listAudit>['items'][number]

interface TableProps {
  readonly list: Listed<AuditRow>
  readonly filters?: ReactNode
  readonly isNarrowed?: boolean
}

export function AuditTable(props: TableProps) {
  const { t } = useTranslation()
  const { list } = props
  const [open, setOpen] = useState<AuditRow>()
  const columns: readonly Column<AuditRow>[] = [
    { key: 'action', name: t('audit.action'), width: 210, cell: (row) => <Action row={row} open={() => setOpen(row)} /> },
    {
      key: 'actor',
      name: t('audit.actor'),
      width: 150,
      hidden: 'middle',
      cell: ({ actor }) => <span className="cut">{actor === null || actor === '' ? t('session.visitor') : actor}</span>,
    },
    {
      key: 'what',
      name: t('audit.what'),
      cell: (row) => (
        <div className="cut" title={whatOf(row)}>
          {whatOf(row)}
        </div>
      ),
    },
    {
      key: 'address',
      name: t('audit.address'),
      width: 140,
      hidden: 'wide',
      cell: ({ address }) => <span className="mono">{address ?? '–'}</span>,
    },
    { key: 'at', name: t('audit.at'), width: 130, isEnd: true, cell: ({ at }) => <RelativeTime at={at} /> },
  ]
  return (
    <Listing {...props} empty={<Empty icon={<History size={28} />} title={t('audit.none')} />}>
      <DataTable label={t('audit.title')} columns={columns} rows={list.items} keyOf={({ id }) => String(id)} more={list.more} />
      <Drawer
        opened={open !== undefined}
        onClose={() => setOpen(undefined)}
        position="right"
        size="min(640px, 100vw)"
        title={<span className="mono">{open?.action}</span>}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        {open !== undefined && <Whole row={open} />}
      </Drawer>
    </Listing>
  )
}

/** All that is kept of it: the browser, the credential, the request, what was before and after. */
function Whole({ row }: { readonly row: AuditRow }) {
  const known = Object.entries(row).filter(([, value]) => value !== null)
  return (
    <pre className="json panel" tabIndex={0} style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
      {visible(JSON.stringify(Object.fromEntries(known), undefined, 2))}
    </pre>
  )
}

function Action({ row, open }: { readonly row: AuditRow; readonly open: () => void }) {
  const { t } = useTranslation()
  return (
    <Group gap={6} wrap="nowrap">
      <button type="button" className="plain link mono cut" onClick={open}>
        {row.action}
      </button>
      {row.count > 1 && <Badge size="sm">{`×${formatNumber(row.count)}`}</Badge>}
      {row.outcome === 'failure' && (
        <Tooltip label={row.reason ?? ''}>
          <Badge size="sm" color="red" variant="light" c="var(--mantine-color-text)">
            {t('audit.refused')}
          </Badge>
        </Tooltip>
      )}
    </Group>
  )
}

function whatOf({ repository, tag, digest, target, project }: AuditRow): string {
  const place = repository ?? target ?? project ?? ''
  if (tag !== null) return `${place}:${tag}`
  return digest === null ? place : `${place}@${digest.slice(0, 19)}`
}
