/**
 * What the outside may rely on, held against rows and disk after every commit.
 *
 * Of each request it is known when it began, when and how it was answered, and which events bear its name. The rows are read after each commit, so that every
 * change has one moment and must be somebody's who was at work then: that is linearizability of tags without a search. What an answer promised (a blob that a
 * client need not send again) is a promise until its time is over or somebody takes it back.
 */
import type { StatementSync } from 'node:sqlite'
import { digestFromBytes, type Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { blobWith } from './content.ts'
import type { SimDatabase } from './database.ts'
import type { Disk } from './disk.ts'
import { Limits } from './limits.ts'
import { Rules } from './rules.ts'
import type { Scheduler } from './scheduler.ts'
import { Timeline } from './timeline.ts'

export type Outcome = 'open' | 'done' | 'refused' | 'failed' | 'killed'

/** A request, or a piece of work. */
export interface Call {
  readonly id: string
  readonly what: string
  /** The process that it reached. */
  readonly owner: object
  readonly startStep: number
  /** By the wall clock, the earliest time that it showed since. */
  startedAt: number
  /** The latest time that the wall clock showed before it was set back while this was under way: a lease that ended before it may have been acted on. */
  latestBefore: number
  outcome: Outcome
  readonly events: Map<string, number>
  /** What its tag pointed at before, by its last event. */
  before: string | undefined
}

interface EventRow {
  readonly id: number
  readonly action: string
  readonly repository: string | null
  readonly digest: Uint8Array | null
  readonly tag: string | null
  readonly request_id: string
  readonly detail: string
  readonly outcome: string
  readonly project: string
  readonly target: string
}

interface ModelParts {
  readonly scheduler: Scheduler
  readonly disk: Disk
  readonly database: SimDatabase
  readonly rootDirectory: string
}

interface Promised {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly until: number
  readonly by: string
}

/** Bytes stay so long after their row: whoever is reading them reads on. */
const keyOutlivesRowMs = 60 * 60_000

const queries = {
  events: 'select id, action, repository, digest, tag, request_id, detail, outcome, project, target from events where id > ? order by id',
  blobs: 'select digest, state, key from blobs',
  links: `select r.name, b.digest from repository_blobs rb join blobs b on b.id = rb.blob_id join repositories r on r.id = rb.repository_id
    where b.state = 'live' and r.name >= '0'`,
  tags: `select r.name as repository, t.name, m.digest from tags t join repositories r on r.id = t.repository_id
    left join manifests m on m.id = t.manifest_id where r.name >= '0'`,
  manifests: `select r.name, m.digest from manifests m join repositories r on r.id = m.repository_id where r.name >= '0'`,
  dangling: `select count(*) as count from manifest_blobs mb left join blobs b on b.id = mb.blob_id where b.id is null or b.state <> 'live'`,
  unlinked: `select count(*) as count from manifest_blobs mb join manifests m on m.id = mb.manifest_id join repositories r on r.id = m.repository_id
    left join repository_blobs rb on rb.blob_id = mb.blob_id and rb.repository_id = m.repository_id where r.name >= '0' and rb.id is null`,
  twinless: `select count(*) as count from manifest_blobs mb join manifests m on m.id = mb.manifest_id where mb.repository_id <> m.repository_id`,
  changes: 'select total_changes() as count',
  liveKey: `select count(*) as count from blobs where key = ?`,
} as const

export class Model {
  readonly violations: string[] = []
  readonly calls = new Map<string, Call>()
  readonly tags: Timeline
  readonly limits: Limits
  readonly rules: Rules
  /** Live manifests, as `<repository> <digest>`. */
  manifests = new Set<string>()
  links = new Set<string>()
  lastLeapStep = -Infinity
  /** A request slept longer than its key was noted for, and then died: only a scrub finds what it left. */
  mayLeakKeys = false
  readonly #parts: ModelParts
  readonly #statements: Readonly<Record<keyof typeof queries, StatementSync>>
  #lastEvent = 0
  #changes = -1
  #promises = new Map<string, Promised>()
  /** When something was last taken back, by `<repository>` or `<repository> <digest>`. */
  readonly #takenBack = new Map<string, number>()
  #keys = new Set<string>()
  readonly #keyGone = new Map<string, { readonly at: number; readonly monotonic: number; readonly isExcused: boolean }>()

  constructor(parts: ModelParts) {
    this.#parts = parts
    const { database } = parts.database.connection
    this.#statements = Object.fromEntries(Object.entries(queries).map(([name, text]) => [name, database.prepare(text)])) as never
    this.tags = new Timeline(() => parts.scheduler.steps)
    this.limits = new Limits(database, (text) => this.violate(text))
    this.rules = new Rules(database, this.tags, (text) => this.violate(text))
  }

  violate(text: string): void {
    this.#parts.scheduler.note(`violation: ${text}`)
    this.violations.push(`step ${this.#parts.scheduler.steps}: ${text}`)
  }

  begin(what: string, owner: object): Call {
    const { scheduler } = this.#parts
    const call: Call = {
      id: `q${this.calls.size + 1}`,
      what,
      owner,
      startStep: scheduler.steps,
      startedAt: scheduler.now,
      latestBefore: -Infinity,
      outcome: 'open',
      events: new Map(),
      before: undefined,
    }
    this.calls.set(call.id, call)
    scheduler.note(`${call.id} ${what}`)
    return call
  }

  /** `primary`: the event that says that it was done, of which there must be one. */
  end(call: Call, outcome: Exclude<Outcome, 'open'>, primary?: string): void {
    call.outcome = outcome
    this.#parts.scheduler.note(`${call.id} ${outcome}`)
    const recorded = [...call.events.values()].reduce((sum, count) => sum + count, 0)
    if (outcome === 'refused' && recorded > 0) this.violate(`I7: ${call.id} ${call.what} was refused and left ${recorded} events`)
    if (primary === undefined) return
    const count = call.events.get(primary) ?? 0
    if (outcome === 'done' && count !== 1) this.violate(`I7: ${call.id} ${call.what} was done and left ${count} events ${primary}`)
    if (count > 1) this.violate(`I7: ${call.id} ${call.what} left ${count} events ${primary}`)
  }

  /** The blob stays in the repository for so long from the beginning of the call on. */
  promise(
    call: Call,
    { repository, digest, forMs }: { readonly repository: RepositoryName; readonly digest: Digest; readonly forMs: number },
  ): void {
    const key = `${repository} ${digest}`
    const takenBack = Math.max(this.#takenBack.get(key) ?? -1, this.#takenBack.get(repository) ?? -1)
    if (takenBack >= call.startStep) return
    const until = Math.max(call.startedAt + forMs, this.#promises.get(key)?.until ?? 0)
    if (until <= call.latestBefore) return
    this.#promises.set(key, { repository, digest, until, by: `${call.id} ${call.what}` })
    this.#checkPromises()
  }

  isPromised(repository: RepositoryName, digest: Digest): boolean {
    const promised = this.#promises.get(`${repository} ${digest}`)
    return promised !== undefined && promised.until > this.#parts.scheduler.now
  }

  /** Whether it was taken back since that step. */
  takenBackSince(name: string, step: number): boolean {
    return (this.#takenBack.get(name) ?? -1) >= step
  }

  /** After every commit. */
  committed(): void {
    const changes = Number(this.#statements.changes.get()?.['count'])
    if (changes === this.#changes) return
    this.#changes = changes
    const events = this.#statements.events.all(this.#lastEvent) as unknown as EventRow[]
    for (const event of events) this.#happened(event)
    this.#lastEvent = events.at(-1)?.id ?? this.#lastEvent
    this.#parts.scheduler.note(`committed ${events.map(({ action }) => action).join(' ')}`)
    this.#readManifests(events)
    this.tags.compare(this.#readTags(), (text) => this.violate(text))
    this.#readLinks()
    this.checkBytes()
    this.#checkPromises()
    this.#checkReferences()
    this.limits.check()
  }

  #happened(event: EventRow): void {
    const { action, repository } = event
    const digest = event.digest === null ? undefined : digestFromBytes(Buffer.from(event.digest))
    if (event.request_id !== '') this.#attribute(event)
    if (action === 'blob.quarantined') this.violate(`I1: blob ${digest} was quarantined: ${event.detail}`)
    this.rules.happened(event, digest)
    if (event.outcome === 'success' && repository !== null) this.#apply(event, repository, digest)
  }

  #apply({ action, tag }: EventRow, repository: string, digest: Digest | undefined): void {
    switch (action) {
      case 'blob.deleted':
        return this.#takeBack(`${repository} ${digest}`)
      case 'manifest.deleted':
        this.#takenBack.set(`${repository} manifest ${digest}`, this.#parts.scheduler.steps)
        return digest && this.tags.drop(repository, digest)
      case 'repository.deleted':
        this.#takeBack(repository)
        return this.tags.forget(repository)
      case 'trash.restored':
        return this.tags.reread(repository)
      case 'tag.moved':
        return this.tags.set(repository, tag ?? '', digest)
      case 'tag.deleted':
        return this.tags.set(repository, tag ?? '', undefined)
      default:
    }
  }

  #attribute(event: EventRow): void {
    const call = this.calls.get(event.request_id)
    if (call === undefined) return this.violate(`I7: event ${event.action} of a request that nobody made`)
    if (call.outcome !== 'open') this.violate(`I7: ${call.id} ${call.what} was ${call.outcome}, and then left an event ${event.action}`)
    if (event.action === 'tag.deleted' && event.digest !== null) call.before = digestFromBytes(Buffer.from(event.digest))
    if (event.action === 'tag.moved') call.before = (JSON.parse(event.detail) as { previousDigest?: string }).previousDigest
    call.events.set(event.action, (call.events.get(event.action) ?? 0) + 1)
  }

  #takeBack(name: string): void {
    this.#takenBack.set(name, this.#parts.scheduler.steps)
    for (const [key, { repository }] of this.#promises) if (key === name || repository === name) this.#promises.delete(key)
  }

  /** What is gone was deleted by somebody. */
  #readManifests(events: readonly EventRow[]): void {
    const now = new Set((this.#statements.manifests.all() as unknown as { name: string; digest: Uint8Array }[]).map(keyOf))
    const deleted = new Set(
      events
        .filter(({ action }) => action === 'manifest.deleted')
        .map((event) => keyOf({ name: event.repository ?? '', digest: event.digest ?? new Uint8Array() })),
    )
    const buried = new Set(events.filter(({ action }) => action === 'repository.deleted').map(({ repository }) => repository))
    for (const manifest of this.manifests) {
      if (now.has(manifest) || deleted.has(manifest) || buried.has(manifest.split(' ')[0] ?? '')) continue
      this.violate(`I1: manifest ${manifest} is gone, and no event says that it was deleted`)
    }
    this.manifests = now
  }

  #readTags(): Map<string, Digest | undefined> {
    const rows = this.#statements.tags.all() as unknown as { repository: string; name: string; digest: Uint8Array | null }[]
    const tags = new Map<string, Digest | undefined>()
    for (const { repository, name, digest } of rows) {
      if (digest === null) this.violate(`I3: tag ${repository}:${name} points at nothing`)
      tags.set(`${repository}:${name}`, digest === null ? undefined : digestFromBytes(Buffer.from(digest)))
    }
    return tags
  }

  #readLinks(): void {
    this.links = new Set((this.#statements.links.all() as unknown as { name: string; digest: Uint8Array }[]).map(keyOf))
  }

  /** Every live blob has its bytes, as far as a program can see. */
  checkBytes(): void {
    const { disk, rootDirectory, scheduler } = this.#parts
    const keys = new Set<string>()
    for (const row of this.#statements.blobs.all() as unknown as { digest: Uint8Array; state: string; key: string }[]) {
      keys.add(row.key)
      const digest = digestFromBytes(Buffer.from(row.digest))
      const node = disk.find(`${rootDirectory}/${row.key}`)
      if (node?.kind !== 'file') this.violate(`I1: blob ${digest} has a row and no bytes at ${row.key}`)
      else if (blobWith(digest)?.bytes.equals(node.bytes) !== true) this.violate(`I4: the bytes of blob ${digest} are not its own`)
    }
    const isExcused = scheduler.steps - this.lastLeapStep < 80
    for (const key of this.#keys)
      if (!keys.has(key)) this.#keyGone.set(key, { at: scheduler.now, monotonic: scheduler.monotonic, isExcused })
    this.#keys = keys
  }

  #checkPromises(): void {
    const { now } = this.#parts.scheduler
    for (const [key, promised] of this.#promises) {
      if (promised.until <= now) this.#promises.delete(key)
      else if (!this.links.has(key)) {
        this.#promises.delete(key)
        this.violate(`I2: ${key} was promised for ${promised.until - now} ms more by ${promised.by}, and is not there`)
      }
    }
  }

  #checkReferences(): void {
    const count = (name: 'dangling' | 'unlinked' | 'twinless') => Number(this.#statements[name].get()?.['count'])
    if (count('dangling') > 0) this.violate('I1: a manifest, live or in the trash, needs a blob that is not there')
    if (count('unlinked') > 0) this.violate('I1: a live manifest needs a blob that its repository does not have')
    if (count('twinless') > 0) this.violate('trash: blobs of a manifest say another repository than it')
  }

  /** A file of the store lost a name. */
  unlinked(path: string): void {
    const { rootDirectory, scheduler } = this.#parts
    if (!path.startsWith(`${rootDirectory}/blobs/`)) return
    const key = path.slice(rootDirectory.length + 1)
    if (Number(this.#statements.liveKey.get(key)?.['count']) > 0) this.violate(`I1: the bytes of a blob that is there are deleted: ${key}`)
    const gone = this.#keyGone.get(key)
    if (gone === undefined || gone.isExcused) return
    // By either clock: one may have been set back since.
    const keptMs = Math.max(scheduler.now - gone.at, scheduler.monotonic - gone.monotonic)
    if (keptMs < keyOutlivesRowMs - 5_000) this.violate(`I1: bytes are deleted ${keptMs} ms after their row, while somebody may read them`)
  }

  /** Somebody set the clock, which showed another time before: leases that are given from now on begin now. */
  clockSet(before: number): void {
    const { now } = this.#parts.scheduler
    for (const call of this.calls.values()) {
      if (call.outcome !== 'open') continue
      call.startedAt = Math.min(call.startedAt, now)
      call.latestBefore = Math.max(call.latestBefore, before)
    }
  }

  /** Requests of processes that died are never answered. */
  killed(owners: readonly object[]): void {
    for (const call of this.calls.values()) if (call.outcome === 'open' && owners.includes(call.owner)) this.#kill(call)
  }

  #kill(call: Call): void {
    if (this.lastLeapStep >= call.startStep) this.mayLeakKeys = true
    this.end(call, 'killed')
  }
}

function keyOf({ name, digest }: { readonly name: string; readonly digest: Uint8Array }): string {
  return `${name} ${digestFromBytes(Buffer.from(digest))}`
}
