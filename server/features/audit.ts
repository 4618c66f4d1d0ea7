/**
 * The audit of what is in no transaction: logins, wrong passwords, refused requests, issued tokens; and the line that each pull may leave.
 *
 * The problem: who was refused must be on record, and a flood of wrong passwords must not become a flood of writes, nor a pull a write. Changes are
 * recorded by their own transactions (events/record.ts); what is noted here waits in memory, alike things counted as one, and goes to the same table
 * every five seconds and at close, some hundred rows a transaction. Memory and rows are bounded: beyond {@link Limits} only counts are kept.
 * The other files: audit-seal.ts (the chain of hashes), audit-verify.ts, audit-purge.ts, audit-lines.ts (ECS), audit-stream.ts (where the lines go),
 * audit-export.ts, audit-list.ts. To note one more thing, add its action to events/event.ts and to {@link NotedAction}.
 */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'
import type { RepositoryName } from '#oci/reference.ts'

/** What happens outside of a transaction. */
export type NotedAction =
  | 'session.opened'
  | 'session.closed'
  | 'login.succeeded'
  | 'login.failed'
  | 'access.refused'
  | 'bearer.issued'
  | 'bearer.refused'
  | 'provider.tested'
  | 'quota.exceeded'

/** What happened, to what. `target` as in events: `user:alice`, `robot:ci@team`, `project:team`, `system`. Never a secret. */
export interface Noted {
  readonly action: NotedAction
  readonly target: string
  readonly project?: string | undefined
  readonly repository?: RepositoryName | undefined
  /** Of the first of many alike; harmless values only. */
  readonly detail?: Readonly<Record<string, unknown>> | undefined
}

/** Who it was, and how it ended. */
export interface NotedCircumstances extends Who {
  /** `failure` for what was refused, with `reason`: an error code. Success unless said. */
  readonly outcome?: 'success' | 'failure' | undefined
  readonly reason?: string | undefined
}

/** Where what is in no transaction is put down. Disposing writes what waits. */
export interface Audit extends AsyncDisposable {
  /**
   * Returns at once; alike happenings of one actor, credential, address, target and reason become one record with a count. Not to be called for a
   * challenge that answers a request without credentials.
   */
  note(happening: Noted, circumstances: NotedCircumstances): void
  /** Writes what waits, now. Never rejects: what cannot be written waits on. */
  flush(): Promise<void>
  /** What waits to be written, for the metrics. */
  readonly pending: number
  /** Counts flushes that failed since the start. */
  readonly flushFailures: number
}

/** What the audit is made of. `limits` are for tests. */
export interface AuditParts {
  readonly metadata: Metadata
  readonly ports: Pick<Ports, 'clock' | 'timers'>
  readonly log: Logger
  readonly limits?: Limits
}

/** How much may wait. */
export interface Limits {
  readonly records: number
  /** So that one sender of made-up names cannot use up the room of all. */
  readonly recordsPerAddress: number
}

const defaultLimits: Limits = { records: 10_000, recordsPerAddress: 100 }
const flushIntervalMs = 5_000
/** Rows in one transaction: some milliseconds of the writer, so that pushes need not wait for an attacker's names. */
const batchRows = 250
const textMax = 300

interface Waiting {
  readonly happening: Noted
  readonly circumstances: NotedCircumstances
  readonly at: number
  lastAt: number
  count: number
}

type NotedRecord = Readonly<Omit<Waiting, 'lastAt' | 'count'>> & { readonly lastAt: number; readonly count: number }

const recordNoted = transaction(import.meta.url, 'audit/record-noted', async (tx, records: readonly NotedRecord[]) => {
  for (const { happening, circumstances, at, lastAt, count } of records) {
    const detail = count === 1 ? happening.detail : { ...happening.detail, until: new Date(lastAt).toISOString() }
    await recordEvent(tx, { ...happening, detail: detail ?? {}, ...circumstances, at, count })
  }
})

/** Begins to write what is noted, every five seconds. */
export function createAudit({ metadata, ports, log, limits = defaultLimits }: AuditParts): Audit {
  const buffer = new Buffered(limits)
  let flushFailures = 0
  let flushing: Promise<void> | undefined
  const write = async () => {
    const waiting = buffer.take()
    for (let at = 0; at < waiting.length; at += batchRows) {
      try {
        await metadata.write(recordNoted, waiting.slice(at, at + batchRows))
      } catch (error) {
        flushFailures += 1
        log.error({ err: error, waiting: waiting.length - at }, 'audit records cannot be written: they wait in memory')
        for (const one of waiting.slice(at)) buffer.add(one)
        return
      }
    }
  }
  // One after the other, so that a flush that is asked for covers all that was noted before.
  const flush = async () => {
    await flushing
    flushing ??= write().finally(() => (flushing = undefined))
    await flushing
  }
  const timer = ports.timers.every(flushIntervalMs, () => void flush())
  return {
    note(happening, circumstances) {
      const at = ports.clock.now()
      buffer.add({ happening: trimmed(happening), circumstances: trimmed(circumstances), at, lastAt: at, count: 1 })
    },
    flush,
    get pending() {
      return buffer.size
    },
    get flushFailures() {
      return flushFailures
    },
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]()
      await flush()
    },
  }
}

/** Texts come from clients: none is longer than an account's name may be, by far. */
function trimmed<Value extends object>(value: Value): Value {
  const entries = Object.entries(value).filter(([, member]) => member !== undefined)
  return Object.fromEntries(
    entries.map(([key, member]) => [key, typeof member === 'string' ? member.slice(0, textMax) : (member as unknown)]),
  ) as Value
}

/** What waits, alike things as one. */
class Buffered {
  readonly #limits: Limits
  #waiting = new Map<string, Waiting>()
  #perAddress = new Map<string, number>()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#waiting.size
  }

  take(): Waiting[] {
    const all = [...this.#waiting.values()]
    this.#waiting = new Map()
    this.#perAddress = new Map()
    return all
  }

  add(one: Waiting): void {
    const key = keyOf(one)
    const known = this.#waiting.get(key)
    if (known !== undefined) {
      known.count += one.count
      known.lastAt = Math.max(known.lastAt, one.lastAt)
      return
    }
    const address = one.circumstances.address ?? ''
    const ofAddress = this.#perAddress.get(address) ?? 0
    if (isSummary(one) || (this.#waiting.size < this.#limits.records && ofAddress < this.#limits.recordsPerAddress)) {
      this.#waiting.set(key, { ...one })
      this.#perAddress.set(address, ofAddress + 1)
      return
    }
    // The map has no room for another address either once it is full.
    this.add(summaryOf(one, this.#waiting.size < this.#limits.records ? address : ''))
  }
}

function keyOf({ happening, circumstances }: Waiting): string {
  const { actor, actorKey, credential, address, outcome, reason } = circumstances
  return JSON.stringify([
    happening.action,
    happening.target,
    happening.project,
    happening.repository,
    actor,
    actorKey,
    credential,
    address,
    outcome,
    reason,
  ])
}

const summaryTarget = 'summary'

function isSummary({ happening }: Waiting): boolean {
  return happening.target === summaryTarget
}

/** Only what cannot be made up is kept: the action, the outcome, the reason, and the address while there is room. */
function summaryOf({ happening, circumstances, at, lastAt, count }: Waiting, address: string): Waiting {
  const { outcome, reason } = circumstances
  return {
    happening: { action: happening.action, target: summaryTarget, detail: { summary: 'more than could be kept one by one' } },
    circumstances: { actor: '', requestId: '', address, ...(outcome && { outcome }), ...(reason !== undefined && { reason }) },
    at,
    lastAt,
    count,
  }
}
