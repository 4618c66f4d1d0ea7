/**
 * Audit records as they come, for who watches.
 *
 * The problem: a hundred open pages must not read the table a hundred times for each push, and one that was cut off for a minute must miss nothing. The
 * way: one subscription to the activity of this process for all who follow; whoever begins behind it is first brought there page by page, at their own
 * pace. Who is too far behind is told so, and begins nearer.
 */
import type { ActivityStream } from '#events/dispatch.ts'
import type { RecordedEvent } from '#events/event.ts'
import { eventsAfter } from '#metadata/events.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { recordOf, type AuditRecord } from './audit-list.ts'

/** Somebody who follows. */
export interface LiveFollower {
  /** Aborts when they have enough. */
  readonly signal: AbortSignal
  /** Called once, first: records with larger ids than `after` are told. `isMissed`: not all that were asked for. */
  begin(start: { readonly after: number; readonly isMissed: boolean }): void
  /** In the order of ids. */
  tell(record: AuditRecord): void
  /** Resolves when they can take more, or have enough. */
  room(): Promise<void>
}

/** The records of this process and all others on its database. Disposing ends it. */
export interface LiveActivity extends AsyncDisposable {
  /** From the record behind `after` on, else from now on. Resolves when the follower has caught up; rejects when the database cannot be read. */
  follow(after: number | undefined, follower: LiveFollower): Promise<void>
}

const pageRows = 100
/** So many records are told again; more are read from the list. */
const usualBehindMax = 10_000

/** Subscribes to nothing until somebody follows. */
export function createLiveActivity(
  parts: { readonly activity: Pick<ActivityStream, 'subscribe' | 'newest'>; readonly metadata: Pick<Metadata, 'reader'> },
  behindMax = usualBehindMax,
): LiveActivity {
  return new LiveBook(parts, behindMax)
}

class LiveBook implements LiveActivity {
  readonly #parts: Parameters<typeof createLiveActivity>[0]
  readonly #behindMax: number
  readonly #followers = new Set<LiveFollower>()
  /** Those that catch up as well. */
  #users = 0
  #lastId = 0
  #source: Promise<AsyncDisposable> | undefined
  #ending: Promise<unknown> = Promise.resolve()

  constructor(parts: Parameters<typeof createLiveActivity>[0], behindMax: number) {
    this.#parts = parts
    this.#behindMax = behindMax
  }

  async follow(after: number | undefined, follower: LiveFollower): Promise<void> {
    const { signal } = follower
    if (signal.aborted) return
    this.#users++
    signal.addEventListener('abort', () => this.#leave(follower), { once: true })
    await (this.#source ??= this.#begin())
    const newest = this.#lastId
    const oldest = Math.max(0, newest - this.#behindMax)
    const isMissed = after !== undefined && (after < oldest || after > newest)
    const start = after === undefined || after > newest ? newest : Math.max(after, oldest)
    follower.begin({ after: start, isMissed })
    for (let last = start; last < this.#lastId && !signal.aborted;) {
      last = await this.#tellPage(follower, last)
      await follower.room()
    }
    // In the same turn as the last look at where all are: nothing comes in between.
    if (!signal.aborted) this.#followers.add(follower)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#followers.clear()
    this.#end()
    await this.#ending
  }

  /** The id up to which the follower has been told. */
  async #tellPage(follower: LiveFollower, after: number): Promise<number> {
    const through = this.#lastId
    const rows = await eventsAfter(this.#parts.metadata.reader, after, pageRows)
    for (const row of rows) if (row.id <= through && !follower.signal.aborted) follower.tell(recordOf(row))
    return rows.length < pageRows ? through : Math.min(through, rows.at(-1)?.id ?? through)
  }

  async #begin(): Promise<AsyncDisposable> {
    const { activity } = this.#parts
    try {
      const after = await activity.newest()
      this.#lastId = after
      return await activity.subscribe((event, signal) => this.#told(event, signal), { name: 'live', after })
    } catch (error) {
      this.#source = undefined
      throw error
    }
  }

  #told(event: RecordedEvent, signal: AbortSignal): void {
    // Of a subscription that is over while another has begun.
    if (signal.aborted || event.id <= this.#lastId) return
    this.#lastId = event.id
    if (this.#followers.size === 0) return
    const record = recordOfEvent(event)
    for (const follower of this.#followers) follower.tell(record)
  }

  #leave(follower: LiveFollower): void {
    this.#followers.delete(follower)
    this.#users--
    if (this.#users === 0) this.#end()
  }

  #end(): void {
    const source = this.#source
    this.#source = undefined
    if (source === undefined) return
    const ended = source.then((subscription) => subscription[Symbol.asyncDispose]()).catch(() => undefined)
    this.#ending = Promise.all([this.#ending, ended])
  }
}

interface Said {
  readonly project?: string
  readonly projectId?: number
  readonly repository?: string
  readonly tag?: string
  readonly digest?: string
  readonly target?: string
  readonly detail?: unknown
}

/** As the list has it. */
function recordOfEvent(event: RecordedEvent): AuditRecord {
  const { id, at, action, outcome = 'success', count = 1 } = event
  const { project, projectId, repository, tag, digest, target, detail } = event as Said
  return {
    id,
    at,
    action,
    outcome,
    reason: said(event.reason),
    actor: said(event.actor),
    actorKey: said(event.actorKey),
    credential: said(event.credential),
    address: said(event.address),
    userAgent: said(event.userAgent),
    requestId: said(event.requestId),
    project: said(project),
    projectId: projectId ?? null,
    repository: said(repository),
    tag: said(tag),
    digest: said(digest),
    target: said(target),
    count,
    detail: (detail ?? {}) as Record<string, unknown>,
  }
}

function said(text: string | undefined): string | null {
  return text === undefined || text === '' ? null : text
}
