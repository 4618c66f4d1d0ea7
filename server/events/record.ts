/** Writes events down. */
import { projectOfName, projectOfRepository, type EventProject } from '#metadata/event-project.ts'
import { insertEvent, type NewEventRow } from '#metadata/events.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { later } from '#metadata/together.ts'
import { digestToBytes, type Digest } from '#oci/digest.ts'
import type { Circumstances, Event } from './event.ts'

/** More of it tells nothing about who it was. */
const userAgentMax = 200

/** Records the event in the caller's transaction: it is true if and only if that commits. Gives its id. */
export async function recordEvent(tx: Transactor, event: Event): Promise<number> {
  return await insertEvent(tx, await rowOf(tx, event))
}

/** Records the event as soon as the transaction commits, where nobody needs its id. `project`: that of its repository, where it is known. */
export async function recordEventLater(tx: Transactor, event: Event, project?: EventProject): Promise<void> {
  await later(tx, insertEvent(tx, await rowOf(tx, event, project)))
}

async function rowOf(tx: Transactor, event: Event, known?: EventProject): Promise<NewEventRow> {
  const row = { ...subjectOf(event), ...circumstancesOf(event), action: event.action, detail: JSON.stringify(event.detail ?? {}) }
  // Which project a repository belongs to may change, and what a project is called: the record says what was true, and which row that was.
  const project =
    known ??
    (row.project === '' ? row.repository !== null && (await projectOfRepository(tx, row.repository)) : await projectOfName(tx, row.project))
  return { ...row, project: project ? project.name : row.project, project_id: project ? project.id : null }
}

/** What it happened to: each kind of event has some of these. */
interface Subject {
  readonly repository?: string | undefined
  readonly digest?: Digest | undefined
  readonly tag?: string | undefined
  readonly project?: string | undefined
  readonly target?: string | undefined
}

function subjectOf({ repository, digest, tag, project, target }: Subject) {
  return {
    repository: repository ?? null,
    digest: digest === undefined ? null : digestToBytes(digest),
    tag: tag ?? null,
    project: project ?? '',
    target: target ?? '',
  }
}

function circumstancesOf({ at, actor, requestId, ...more }: Circumstances) {
  const { actorKey = '', credential = '', address = '', userAgent = '', outcome = 'success', reason = '', count = 1 } = more
  return {
    at,
    actor,
    request_id: requestId,
    actor_key: actorKey,
    credential,
    address,
    user_agent: userAgent.slice(0, userAgentMax),
    outcome,
    reason,
    count,
  }
}
