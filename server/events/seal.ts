/**
 * The chain of seals: proof that no event row was changed, removed or put in afterwards.
 *
 * The problem: who can write to the database can rewrite what it says happened. The way: from time to time one transaction takes the rows since the last
 * seal and writes the SHA-256 of the last seal's hash, of what the seal says of itself and of each row as JSON of a fixed form. A row that is changed
 * later no longer fits its seal, a seal that is removed no longer fits the next one; whoever keeps a hash elsewhere proves all before it (verify.ts).
 * A seal begins with the id after the last one's, so that a row put in between shows as well, and of two processes that seal at once one gives way.
 */
import { createHash } from 'node:crypto'
import { insertSeal, lastSeal, type EventSeal } from '#metadata/event-seals.ts'
import { eventsAfter, eventsBetween, newestEventId, type EventRow } from '#metadata/events.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { SettledEvents } from '#metadata/settled-events.ts'
import { transaction } from '#metadata/transaction.ts'
import { digestFromBytes } from '#oci/digest.ts'

/** Rows under one seal: some milliseconds of the writer, some hundred KiB in memory. */
export const sealRowsMax = 1000

/** What the chain begins with. */
export const noSealHash: Buffer = Buffer.alloc(32)

/** What a seal is over, beside the rows. */
export type SealHead = Pick<EventSeal, 'first_id' | 'last_id' | 'count' | 'at'>

/** The hash of a seal. The form of the rows is a promise: old seals must fit for ever. */
export function sealHash(previous: Uint8Array, head: SealHead, rows: readonly EventRow[]): Buffer {
  const hash = createHash('sha256').update(previous)
  hash.update(JSON.stringify([head.first_id, head.last_id, head.count, head.at]))
  for (const row of rows) hash.update('\n').update(canonicalRow(row))
  return hash.digest()
}

/** Members in this order, `detail` as it is stored, digests as text. */
function canonicalRow(row: EventRow): string {
  return JSON.stringify({
    id: row.id,
    at: row.at,
    action: row.action,
    repository: row.repository,
    digest: row.digest === null ? null : digestFromBytes(row.digest),
    tag: row.tag,
    actor: row.actor,
    request_id: row.request_id,
    detail: row.detail,
    outcome: row.outcome,
    reason: row.reason,
    project: row.project,
    project_id: row.project_id,
    target: row.target,
    actor_key: row.actor_key,
    credential: row.credential,
    address: row.address,
    user_agent: row.user_agent,
    count: row.count,
  })
}

interface Sealing {
  /** No event after this one. */
  readonly through: number
  readonly now: number
}

const sealNext = transaction(import.meta.url, 'events/seal-next', async (tx, { through, now }: Sealing): Promise<number> => {
  const last = await lastSeal(tx)
  const rows = await eventsBetween(tx, { after: last?.last_id ?? 0, through, limit: sealRowsMax })
  const newest = rows.at(-1)
  if (newest === undefined) return 0
  const head: SealHead = { first_id: (last?.last_id ?? 0) + 1, last_id: newest.id, count: rows.length, at: now }
  const isSealed = await insertSeal(tx, { ...head, hash: sealHash(last?.hash ?? noSealHash, head, rows) })
  return isSealed ? rows.length : 0
})

/** When the first event happened that no seal is over yet; undefined when there is none. */
export async function oldestUnsealedAt({ reader }: Metadata): Promise<number | undefined> {
  const last = await lastSeal(reader)
  const [row] = await eventsAfter(reader, last?.last_id ?? 0, 1)
  return row?.at
}

/** Seals what has been there for a while. */
export interface Sealer {
  /** Seals what was there at the turn before, and says how many events that were. Call it about once a minute. */
  turn(signal?: AbortSignal): Promise<number>
}

/**
 * The id up to which all has been committed must be known: on PostgreSQL ids are given before the commit and may appear out of order (settled-events.ts).
 * A turn seals what the turn before saw, and nothing of the last minute, which keeps seals few.
 */
export function createSealer(metadata: Metadata, clock: { now(): number }): Sealer {
  const events = new SettledEvents(metadata.reader)
  let settled: number | undefined
  return {
    async turn(signal) {
      const through = settled
      settled = Math.min(await newestEventId(metadata.reader), await events.through())
      return through === undefined ? 0 : await sealEvents(metadata, { through, now: clock.now() }, signal)
    },
  }
}

/** Seals all events up to and with that id, a thousand in a transaction; says how many. Safe beside others that do the same. */
export async function sealEvents(metadata: Metadata, sealing: Sealing, signal?: AbortSignal): Promise<number> {
  let sealed = 0
  while (signal?.aborted !== true) {
    const count = await metadata.write(sealNext, sealing)
    if (count === 0) break
    sealed += count
  }
  return sealed
}
