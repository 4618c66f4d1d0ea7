/**
 * What the jobs that move blobs share: some blobs are copied at once, at a bounded rate; what is copied becomes true in small transactions together with the
 * job's cursor, so that a kill costs the copies under way alone, and a worker that lost its lease moves nothing.
 */
import type { BlobStore } from '#blobs/blob-store.ts'
import { advanceJob } from '#jobs/advance-job.ts'
import { FinalFailure } from '#jobs/final-failure.ts'
import type { JobClaim, JobProgress, JobRun } from '#jobs/jobs.ts'
import { mapLimited } from '#lib/map-limited.ts'
import { lastBlobId, type MovableBlob } from '#metadata/blob-places.ts'
import { transaction } from '#metadata/transaction.ts'
import { storeOf } from '#blobs/stores.ts'
import { applyMove, copyBlob, moveOf, type BlobCopy, type Move } from '#registry/move-blobs.ts'
import { quarantineBlob, type QuarantineReason } from '#registry/quarantine-blob.ts'
import type { Registry } from '#registry/registry.ts'

/** What a run has done so far. */
export interface MoveCounts {
  readonly moved: number
  readonly bytes: number
  /** Replaced or deleted while they were copied. */
  readonly changed: number
  /** Put into quarantine: what they have in their store is not theirs. */
  readonly damaged: number
}

/** All that a run needs to go on after a kill. */
export interface MoveCursor extends MoveCounts {
  /** The blob looked at last. */
  readonly afterId: number
  /** Bytes that there were to move when it began. */
  readonly totalBytes: number | undefined
}

/** Ids that are looked at at once. */
const windowIds = 500

/** A page of what there is to move, and where the one after it begins; no `next`: there are no more. */
export interface MovePage {
  readonly blobs: readonly MovableBlob[]
  readonly next: number | undefined
}

/** The first range of ids behind `afterId` in which there is something. Between two of them others have the event loop. */
export async function nextPage(
  { metadata, context }: Pick<Registry, 'metadata' | 'context'>,
  afterId: number,
  read: (range: { readonly afterId: number; readonly throughId: number }) => Promise<readonly MovableBlob[]>,
): Promise<MovePage> {
  const lastId = await lastBlobId(metadata.reader)
  for (let from = afterId; ;) {
    const throughId = from + windowIds
    const blobs = await read({ afterId: from, throughId })
    const next = throughId < lastId ? throughId : undefined
    if (blobs.length > 0 || next === undefined) return { blobs, next }
    from = throughId
    await context.ports.timers.sleep(0)
  }
}

/** Which blobs go where, and how fast. */
export interface MovePlan {
  readonly to: BlobStore
  /** 0: as fast as it goes. */
  readonly bytesPerSecond: number
  /** The next blobs behind the id. */
  readonly page: (afterId: number) => Promise<MovePage>
}

/** Where a run begins. */
export const firstMove: MoveCursor = { afterId: 0, moved: 0, bytes: 0, changed: 0, damaged: 0, totalBytes: undefined }

/** Blobs that are copied at once: the latency of one store is hidden behind the bytes of others. */
const copiesAtOnce = 4
/** A large part of the rate must not be used up by a pause, nor come in one burst. */
const burstMs = 1_000

interface Commit {
  readonly job: JobClaim
  readonly moves: readonly Move[]
  readonly cursor: MoveCursor
  readonly now: number
  readonly readersUntil: number
}

const commitMoves = transaction(import.meta.url, 'storage-move/commit', async (tx, input: Commit): Promise<MoveCursor> => {
  const { job, moves, now, readersUntil } = input
  let cursor = input.cursor
  for (const move of moves) {
    const isMoved = await applyMove(tx, move, { now, readersUntil })
    cursor = isMoved
      ? { ...cursor, moved: cursor.moved + 1, bytes: cursor.bytes + move.sizeBytes }
      : { ...cursor, changed: cursor.changed + 1 }
  }
  await advanceJob(tx, job, cursor, progressOf(cursor))
  return cursor
})

/** For people. */
export function progressOf({ bytes, totalBytes }: MoveCursor): JobProgress {
  return { done: bytes, unit: 'bytes', ...(totalBytes !== undefined && { total: Math.max(totalBytes, bytes) }) }
}

/** Moves all that the plan names, from the cursor on; gives what was done. Rejects with what speaks against a store; the job then goes on later. */
export async function moveAll(
  registry: Registry,
  run: JobRun,
  { plan, cursor }: { plan: MovePlan; cursor: MoveCursor },
): Promise<MoveCursor> {
  const mover = new Mover(registry, run, { plan, cursor })
  for (let afterId: number | undefined = cursor.afterId; afterId !== undefined;) {
    run.signal.throwIfAborted()
    const { blobs, next }: Awaited<ReturnType<MovePlan['page']>> = await plan.page(afterId)
    await mover.moveEach(blobs)
    afterId = next
    if (next !== undefined) await mover.passed(next)
  }
  return mover.cursor
}

class Mover {
  cursor: MoveCursor
  readonly #registry: Registry
  readonly #run: JobRun
  readonly #plan: MovePlan
  #copied: BlobCopy[] = []
  #committing: Promise<void> = Promise.resolve()
  #startedAt: number
  #paced = 0

  constructor(registry: Registry, run: JobRun, { plan, cursor }: { readonly plan: MovePlan; readonly cursor: MoveCursor }) {
    this.#registry = registry
    this.#run = run
    this.#plan = plan
    this.cursor = cursor
    this.#startedAt = registry.context.ports.clock.monotonic()
  }

  /** When one fails, no other begins, and those under way are waited for: nothing is written for a job that has gone on without them. */
  async moveEach(blobs: readonly MovableBlob[]): Promise<void> {
    const failures: unknown[] = []
    await mapLimited(blobs, copiesAtOnce, async (blob) => {
      if (failures.length === 0) await this.#move(blob).catch((error: unknown) => failures.push(error))
    })
    await this.#committing
    if (failures.length > 0) throw failures[0]
    if (this.#copied.length > 0) await this.#commit()
  }

  async #move(blob: MovableBlob): Promise<void> {
    this.#run.signal.throwIfAborted()
    const copying = { signal: this.#run.signal, pace: (bytes: number) => this.#pace(bytes) }
    const copy = await copyBlob(this.#registry, blob, this.#plan.to, copying)
    if (typeof copy === 'string') return await this.#setAside(blob, copy)
    this.#copied.push(copy)
    await this.#commit()
  }

  /** All up to this blob is done. */
  async passed(afterId: number): Promise<void> {
    this.cursor = { ...this.cursor, afterId }
    await this.#run.save(this.cursor, progressOf(this.cursor))
  }

  /** One transaction at a time, with all that was copied while the one before ran. */
  #commit(): Promise<void> {
    const turn = this.#committing.then(async () => {
      const copied = this.#copied
      this.#copied = []
      if (copied.length === 0) return
      const { metadata, options, context } = this.#registry
      const now = context.ports.clock.now()
      const readersUntil = now + options.readersDelayMs
      const commit = { job: this.#run.job, moves: copied.map(moveOf), cursor: this.cursor, now, readersUntil }
      this.cursor = await metadata.write(commitMoves, commit)
      this.#run.report(progressOf(this.cursor))
    })
    this.#committing = turn.catch(() => undefined)
    return turn
  }

  async #setAside(blob: MovableBlob, reason: QuarantineReason): Promise<void> {
    if (reason === 'missing') await requireBytes(this.#registry, blob.store)
    const isSetAside = await quarantineBlob(this.#registry, blob, reason)
    // In turn: a commit under way gives the cursor as it was when it began.
    this.#committing = this.#committing.then(() => this.#count(isSetAside ? 'damaged' : 'changed'))
    if (!isSetAside) return
    this.#run.log(
      'warn',
      `${blob.digest} stays where it is: ${reason} (${blob.store}, ${blob.key}); it is in quarantine, see berth scrub findings`,
    )
  }

  #count(member: 'damaged' | 'changed'): void {
    this.cursor = { ...this.cursor, [member]: this.cursor[member] + 1 }
  }

  async #pace(bytes: number): Promise<void> {
    const { bytesPerSecond } = this.#plan
    if (bytesPerSecond <= 0) return
    const { clock, timers } = this.#registry.context.ports
    this.#paced += bytes
    const elapsedMs = clock.monotonic() - this.#startedAt
    const aheadMs = (this.#paced / bytesPerSecond) * 1_000 - elapsedMs
    if (aheadMs < -burstMs) {
      this.#startedAt += -aheadMs - burstMs
      return
    }
    if (aheadMs > 0) await timers.sleep(aheadMs, this.#run.signal)
  }
}

/** A store that has not one blob is not there, rather than that all of its blobs are gone. */
async function requireBytes({ stores }: Registry, name: string): Promise<void> {
  const { keys, next } = await storeOf(stores, name).list({ limit: 100 })
  if (keys.length > 0 || next !== undefined) return
  throw new FinalFailure(`the store ${name} holds not one blob, so none is judged: is its disk mounted, and is it the right bucket?`)
}
