/** All audit records that a filter leaves, as text that is made while it is sent: a page in memory at a time. */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import type { Ports } from '#lib/ports.ts'
import { listEvents, newestEventId, type EventRow } from '#metadata/events.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'
import { eventLine, type LineSource } from './audit-lines.ts'
import { eventFilter, lineEventOf, recordOf, type AuditFilter, type AuditRecord } from './audit-list.ts'

/** What the verb takes first; a Directory fits. */
export interface AuditExportParts {
  readonly metadata: Metadata
  readonly ports: Pick<Ports, 'clock'>
}

/** What is exported, and for whom. */
export interface AuditExport {
  readonly format: 'json' | 'csv'
  readonly filter: AuditFilter
  /** The project that it is of, in whose log it is recorded; the filter narrows to it. */
  readonly project?: { readonly id: number; readonly name: string } | undefined
  readonly source: LineSource
}

const pageRows = 500

interface Recording {
  readonly detail: Readonly<Record<string, unknown>>
  readonly project: string | undefined
  readonly who: Who
  readonly at: number
}

const recordExport = transaction(import.meta.url, 'audit-export/record', async (tx, { detail, project, who, at }: Recording) => {
  const target = project === undefined ? 'system' : `project:${project}`
  await recordEvent(tx, { action: 'audit.exported', target, project, detail, at, ...who })
})

/** Records that it is done, then gives the text piece by piece, oldest record first, up to what was there at the start. */
export async function exportAudit(
  { metadata, ports }: AuditExportParts,
  { format, filter, project, source }: AuditExport,
  who: Who,
): Promise<AsyncIterable<string>> {
  const narrowed = await eventFilter({ metadata }, project === undefined ? filter : { ...filter, projectId: project.id })
  const given = Object.entries(filter).filter(([, value]) => value !== undefined)
  const detail = { format, filter: Object.fromEntries(given) }
  await metadata.write(recordExport, { detail, project: project?.name, who, at: ports.clock.now() })
  const newest = await newestEventId(metadata.reader)
  const textOf = format === 'csv' ? csvRow : (row: EventRow) => eventLine(lineEventOf(row), source)
  return (async function* () {
    if (format === 'csv') yield `${csvColumns.join(',')}\r\n`
    let after: { readonly value: number; readonly id: number } | undefined = { value: 0, id: 0 }
    while (after !== undefined) {
      const { items } = await listEvents(metadata.reader, narrowed, { limit: pageRows, column: 'id', isDescending: false, after })
      const rows = items.filter(({ id }) => id <= newest)
      if (rows.length > 0) yield rows.map(textOf).join('')
      const last = rows.at(-1)
      after = last === undefined || rows.length < pageRows ? undefined : { value: last.id, id: last.id }
    }
  })()
}

const csvColumns = [
  'id',
  'at',
  'action',
  'outcome',
  'reason',
  'actor',
  'actorKey',
  'credential',
  'address',
  'userAgent',
  'requestId',
  'project',
  'projectId',
  'repository',
  'tag',
  'digest',
  'target',
  'count',
  'detail',
] as const satisfies readonly (keyof AuditRecord)[]

/** RFC 4180. */
function csvRow(row: EventRow): string {
  const record = recordOf(row)
  return `${csvColumns.map((column) => csvCell(column, record)).join(',')}\r\n`
}

function csvCell(column: (typeof csvColumns)[number], record: AuditRecord): string {
  const value = record[column]
  if (column === 'at') return new Date(record.at).toISOString()
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  // A spreadsheet would take such a text, which a client chose, for a formula.
  const harmless = /^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}
