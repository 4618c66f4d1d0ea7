/** Reading audit records: pages for people and programs. */
import { isIP } from 'node:net'
import { nameTaken } from '#access/name-collision.ts'
import { networksOf, parseNetwork } from '#access/networks.ts'
import { nearest } from '#config/suggest.ts'
import { actionNames, eventFromRow, type RecordedEvent } from '#events/event.ts'
import { verifyEvents, type Verification, type VerifyOptions } from '#events/verify.ts'
import { addressesBeginning, listEvents, type EventFilter, type EventRow } from '#metadata/events.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { resolveProjectName } from '#metadata/name-redirects.ts'
import type { Page, PageRequest } from '#metadata/page.ts'
import { findProjectById, findProjectByName } from '#metadata/projects.ts'
import { digestFromBytes } from '#oci/digest.ts'
import { errorTable, RegistryError } from '#oci/errors.ts'

/** What the verbs of this file take first; a Directory fits. */
export interface AuditListParts {
  readonly metadata: Metadata
}

/** What a list is narrowed to; `project` by its present name or a former one, or by `projectId`. Instants are milliseconds. */
export type AuditFilter = EventFilter

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
  /** As it was called then. */
  readonly project: string | null
  readonly projectId: number | null
  readonly repository: string | null
  readonly tag: string | null
  readonly digest: string | null
  readonly target: string | null
  readonly count: number
  readonly detail: Record<string, unknown>
}

/** Addresses of one network that are asked for at once, and those that are looked through for them. */
const addressesMax = 5_000
const lookedAtMax = 100_000

/** The addresses on record that are in the network. Throws REQUEST_INVALID for what is no network, and for one with too many. */
async function addressesIn({ metadata: { reader } }: AuditListParts, text: string): Promise<readonly string[]> {
  const network = parseNetwork(text)
  if (network === undefined) throw noAddress()
  const { address, bits, family } = network
  const whole = family === 'ipv4' ? address.split('.').slice(0, Math.floor(bits / 8)) : []
  const prefix = whole.map((part) => (whole.length === 4 ? part : `${part}.`)).join(whole.length === 4 ? '.' : '')
  const networks = networksOf([text])
  const looked = await addressesBeginning(reader, prefix, lookedAtMax)
  const found = looked.filter((each) => (isIP(each) === 4) === (family === 'ipv4') && networks.includes(each))
  if (found.length > addressesMax || looked.length === lookedAtMax)
    throw invalid('query/address', 'has too many addresses on record: ask for a smaller network')
  return found
}

function noAddress(): RegistryError {
  return invalid('query/address', 'must be an address or a network: 10.1.2.3, 10.1.0.0/16, 2001:db8::/32')
}

/** Throws REQUEST_INVALID for an action that nothing is recorded as: a slip would look as if nothing had happened. */
function checkAction(action: string): void {
  const isKnown = action.endsWith('*') ? actionNames.some((name) => name.startsWith(action.slice(0, -1))) : actionNames.includes(action)
  if (isKnown) return
  const all = [...actionNames, ...actionNames.map((name) => name.replace(/[^.]*$/, '*'))]
  throw invalid('query/action', `is none that is recorded: ${action}${meant(action, all)}`)
}

/** Throws REQUEST_INVALID for what has the form of an error code and is none; words of certificate authorities have another one. */
function checkReason(reason: string): void {
  const codes = [...Object.keys(errorTable), nameTaken]
  if (!/^[A-Z][A-Z0-9_]*$/.test(reason) || codes.includes(reason)) return
  const likely = nearest(
    reason.toLowerCase(),
    codes.map((code) => code.toLowerCase()),
  )
  throw invalid('query/reason', `is no error code: ${reason}${likely === undefined ? '' : ` (${likely.toUpperCase()} is one)`}`)
}

function meant(text: string, known: readonly string[]): string {
  const likely = nearest(text, known)
  return likely === undefined ? '' : ` (${likely} is)`
}

function invalid(path: string, message: string): RegistryError {
  return new RegistryError('REQUEST_INVALID', [{ path, message }], { message: `${path.replace('query/', '')} ${message}` })
}

/**
 * The filter as the query takes it: a network as the addresses of it that are on record, and the project's id in place of its name: the records of a project stay together
 * whatever it was called, and are not those of another that has the name now or had it before. By the name alone where no project has it any more.
 * Throws REQUEST_INVALID for what can find nothing.
 */
export async function eventFilter(parts: AuditListParts, filter: AuditFilter): Promise<EventFilter> {
  const { since, until, address, ...rest } = filter
  const { action, reason } = rest
  if (action !== undefined) checkAction(action)
  if (reason !== undefined) checkReason(reason)
  if (address !== undefined && !address.includes('/') && isIP(address) === 0) throw noAddress()
  if (since !== undefined && until !== undefined && since > until) throw invalid('query/until', 'must not be before since')
  const narrowed = {
    ...rest,
    since,
    until,
    ...(address?.includes('/') === true ? { addresses: await addressesIn(parts, address) } : { address }),
  }
  return await ofProject(parts, narrowed)
}

async function ofProject({ metadata: { reader } }: AuditListParts, filter: EventFilter): Promise<EventFilter> {
  const { project: name, projectId, since = 0, ...rest } = filter
  if (name === undefined && projectId === undefined) return filter
  const project =
    projectId === undefined
      ? await findProjectByName(reader, await resolveProjectName(reader, name ?? ''))
      : await findProjectById(reader, projectId)
  if (project === undefined) return filter
  // A database may give the id of a row that is gone to another.
  return { ...rest, projectId: project.id, since: Math.max(since, project.createdAt) }
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
    projectId: row.project_id,
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
