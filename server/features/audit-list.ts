/** Reading audit records: pages for people and programs. */
import { eventFromRow, type RecordedEvent } from '#events/event.ts'
import { verifyEvents, type Verification, type VerifyOptions } from '#events/verify.ts'
import { listEvents, type EventFilter, type EventRow } from '#metadata/events.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { formerNames } from '#metadata/name-redirects.ts'
import type { Page, PageRequest } from '#metadata/page.ts'
import { digestFromBytes } from '#oci/digest.ts'

/** What the verbs of this file take first; a Directory fits. */
export interface AuditListParts {
  readonly metadata: Metadata
}

/** What a list is narrowed to; `project` under its present and former names. Instants are milliseconds. */
export interface AuditFilter extends Omit<EventFilter, 'projects'> {
  readonly project?: string | undefined
}

/** A record as it is stored, texts that say nothing as null. */
export interface AuditRecord {
  readonly id: number
  readonly at: number
  readonly action: string
  readonly outcome: 'success' | 'failure'
  readonly reason: string | null
  readonly actor: string | null
  readonly actorKey: string | null
  readonly credential: string | null
  readonly address: string | null
  readonly userAgent: string | null
  readonly requestId: string | null
  readonly project: string | null
  readonly repository: string | null
  readonly tag: string | null
  readonly digest: string | null
  readonly target: string | null
  readonly count: number
  readonly detail: Record<string, unknown>
}

const formerNamesMax = 100

/** The filter with the names that a project had. */
export async function eventFilter({ metadata }: AuditListParts, { project, ...filter }: AuditFilter): Promise<EventFilter> {
  if (project === undefined) return filter
  return { ...filter, projects: [project, ...(await formerNames(metadata.reader, 'project', project, formerNamesMax))] }
}

/** A page by id, of actions that this program does not know as well. */
export async function listAudit(parts: AuditListParts, filter: AuditFilter, page: PageRequest<'id'>): Promise<Page<AuditRecord>> {
  const { items, next } = await listEvents(parts.metadata.reader, await eventFilter(parts, filter), page)
  return { items: items.map(recordOf), next }
}

/** Compares records with their seals. */
export function verifyAudit({ metadata }: AuditListParts, options: VerifyOptions): Promise<Verification> {
  return verifyEvents(metadata, options)
}

/** The row for people. */
export function recordOf(row: EventRow): AuditRecord {
  return {
    id: row.id,
    at: row.at,
    action: row.action,
    outcome: row.outcome,
    reason: said(row.reason),
    actor: said(row.actor),
    actorKey: said(row.actor_key),
    credential: said(row.credential),
    address: said(row.address),
    userAgent: said(row.user_agent),
    requestId: said(row.request_id),
    project: said(row.project),
    repository: row.repository,
    tag: row.tag,
    digest: row.digest === null ? null : digestFromBytes(row.digest),
    target: said(row.target),
    count: row.count,
    detail: JSON.parse(row.detail) as Record<string, unknown>,
  }
}

/** The row for the lines; of actions that this program does not know too. */
export function lineEventOf(row: EventRow): RecordedEvent {
  return eventFromRow(row) ?? ({ ...recordOf(row), actor: row.actor, requestId: row.request_id } as unknown as RecordedEvent)
}

function said(text: string): string | null {
  return text === '' ? null : text
}
