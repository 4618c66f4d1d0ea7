/**
 * Deleting the bytes of keys whose time has come. Keys are taken in a transaction, their bytes are deleted without any lock, then the notes go: a crash
 * in between deletes once more what is gone already, and never what somebody else has got.
 */
import { allEnded } from '#blobs/all-ended.ts'
import type { BlobKey, BlobStore } from '#blobs/blob-store.ts'
import { deleteDeletions, takeDeletions, type DueDeletion } from '#metadata/blob-deletions.ts'
import { isGarbageHeld } from '#metadata/garbage-holds.ts'
import { findSetting, putSetting } from '#metadata/settings.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Registry } from './registry.ts'

/** Keys that are deleted in the order of their names, so that many share a directory, which is synced once for all: some 30 MB of memory. */
const takenKeys = 100_000
/** Keys that one transaction takes: it holds the writer for some 10 ms. */
const takenRows = 2_000
/** Keys of one call to the store. */
const batchKeys = 500
/** Calls to the store at once. */
const lanes = 2

/** Keys whose bytes went, and how many bytes. */
export interface FreedBytes {
  readonly keys: number
  readonly freedBytes: number
}

const totalsName = 'garbage.freed'

/** All that was freed since the database was made. */
export async function readFreedBytes(reader: Reader | Transactor): Promise<FreedBytes> {
  return ((await findSetting(reader, totalsName)) as FreedBytes | undefined) ?? { keys: 0, freedBytes: 0 }
}

interface Taking {
  readonly store: string
  readonly dueBefore: number
  readonly now: number
  readonly afterId: number
  readonly limit: number
}

const takeKeys = transaction(import.meta.url, 'garbage-keys/take', async (tx, { store, now, ...page }: Taking) => {
  // A backup reads what its snapshot of the rows named: until it is done nothing goes.
  if (await isGarbageHeld(tx, now)) return { due: [], lastId: undefined }
  return await takeDeletions(tx, store, page)
})

const forgetKeys = transaction(import.meta.url, 'garbage-keys/forget', async (tx, input: { readonly ids: readonly number[] }) => {
  const freed = await deleteDeletions(tx, input.ids)
  if (freed.keys === 0) return freed
  const before = await readFreedBytes(tx)
  await putSetting(tx, totalsName, { keys: before.keys + freed.keys, freedBytes: before.freedBytes + freed.freedBytes })
  return freed
})

/** What can be told of a deletion under way. */
export interface KeyDeletionRun {
  readonly dueBefore: number
  readonly signal: AbortSignal
  readonly onFreed?: ((freed: FreedBytes) => Promise<void>) | undefined
  /** A key whose bytes could not be deleted: the next run tries again. */
  readonly onFailed?: ((key: string, error: unknown) => void) | undefined
}

/** Deletes the bytes of all keys that are due. A key whose bytes cannot be deleted does not keep the others. */
export async function deleteDueKeys(registry: Registry, run: KeyDeletionRun): Promise<FreedBytes> {
  let [keys, freedBytes] = [0, 0]
  for (const store of registry.stores.all.values()) {
    const freed = await deleteDueKeysOf(registry, store, run)
    keys += freed.keys
    freedBytes += freed.freedBytes
  }
  return { keys, freedBytes }
}

async function deleteDueKeysOf(registry: Registry, store: BlobStore, run: KeyDeletionRun): Promise<FreedBytes> {
  const { metadata, context } = registry
  const { dueBefore, signal, onFreed, onFailed = () => undefined } = run
  let [keys, freedBytes] = [0, 0]
  const forget = async (ids: readonly number[]) => {
    const freed = await metadata.write(forgetKeys, { ids })
    keys += freed.keys
    freedBytes += freed.freedBytes
    await onFreed?.(freed)
  }
  for (let afterId: number | undefined = 0; afterId !== undefined;) {
    const due: DueDeletion[] = []
    while (afterId !== undefined && due.length < takenKeys) {
      signal.throwIfAborted()
      const now = context.ports.clock.now()
      const page = { store: store.name, dueBefore, now, afterId, limit: takenRows }
      const taken: Awaited<ReturnType<typeof takeDeletions>> = await metadata.write(takeKeys, page)
      due.push(...taken.due)
      afterId = taken.lastId
    }
    const sorted = due.toSorted((one, other) => (one.key < other.key ? -1 : 1))
    await inLanes(batchesOf(sorted), signal, async (batch) => {
      const gone = await deleteBytes({ store, context, onFailed }, batch)
      return () => forget(gone.map(({ deletionId }) => deletionId))
    })
  }
  return { keys, freedBytes }
}

function* batchesOf(sorted: readonly DueDeletion[]): Generator<readonly DueDeletion[]> {
  for (let start = 0; start < sorted.length; start += batchKeys) yield sorted.slice(start, start + batchKeys)
}

type Batch = readonly DueDeletion[]

/**
 * Works off the batches, a few at once: while directories of one are synced, files of the next go. What follows a batch (its notes) is written while the
 * lane is at its next one. Settles when nothing is under way any more.
 */
async function inLanes(batches: Iterator<Batch>, signal: AbortSignal, work: (batch: Batch) => Promise<() => Promise<void>>): Promise<void> {
  let isBroken = false
  const lane = async () => {
    let following: Promise<void> = Promise.resolve()
    try {
      for (let next = batches.next(); next.done !== true && !isBroken && !signal.aborted; next = batches.next()) {
        const follow = await work(next.value)
        await following
        following = follow()
        // What it throws is met where it is awaited.
        following.catch(() => undefined)
      }
      await following
    } catch (error) {
      isBroken = true
      throw error
    }
  }
  await allEnded(Array.from({ length: lanes }, lane))
  signal.throwIfAborted()
}

/** What was deleted. A key that cannot be (a bad sector) is tried again by the next collection. */
async function deleteBytes(
  { store, context, onFailed }: Pick<Registry, 'store' | 'context'> & Required<Pick<KeyDeletionRun, 'onFailed'>>,
  due: readonly DueDeletion[],
): Promise<readonly DueDeletion[]> {
  try {
    await store.delete(due.map(({ key }) => key as BlobKey))
    return due
  } catch {
    const gone: DueDeletion[] = []
    for (const deletion of due) {
      try {
        await store.delete([deletion.key as BlobKey])
        gone.push(deletion)
      } catch (error) {
        context.log.warn({ err: error, key: deletion.key }, 'bytes could not be deleted: the next collection tries again')
        onFailed?.(deletion.key, error)
      }
    }
    return gone
  }
}
