/**
 * Deleting the bytes of keys whose time has come. Keys are taken in a transaction, their bytes are deleted without any lock, then the notes go: a crash
 * in between deletes once more what is gone already, and never what somebody else has got.
 */
import type { BlobKey } from '#blobs/blob-store.ts'
import { deleteDeletions, takeDeletions, type DueDeletion } from '#metadata/blob-deletions.ts'
import { findSetting, putSetting } from '#metadata/settings.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Registry } from './registry.ts'

/** Keys that are taken at once. They are deleted in the order of their names, so that many share a directory, which is synced once for all. */
const takenKeys = 20_000
/** Keys of one call to the store. */
const batchKeys = 500

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
  readonly afterId: number
  readonly limit: number
}

const takeKeys = transaction(import.meta.url, 'garbage-keys/take', (tx, { store, ...page }: Taking) => takeDeletions(tx, store, page))

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
}

/** Deletes the bytes of all keys of this store that are due. A key whose bytes cannot be deleted does not keep the others. */
export async function deleteDueKeys(registry: Registry, { dueBefore, signal, onFreed }: KeyDeletionRun): Promise<FreedBytes> {
  const { metadata, store } = registry
  let [keys, freedBytes] = [0, 0]
  const forget = async (ids: readonly number[]) => {
    const freed = await metadata.write(forgetKeys, { ids })
    keys += freed.keys
    freedBytes += freed.freedBytes
    await onFreed?.(freed)
  }
  for (let afterId: number | undefined = 0; afterId !== undefined;) {
    signal.throwIfAborted()
    const { due, lastId }: Awaited<ReturnType<typeof takeDeletions>> = await metadata.write(takeKeys, {
      store: store.name,
      dueBefore,
      afterId,
      limit: takenKeys,
    })
    const sorted = due.toSorted((one, other) => (one.key < other.key ? -1 : 1))
    // While the notes of one batch go, the bytes of the next are deleted.
    let forgetting: Promise<void> = Promise.resolve()
    for (let start = 0; start < sorted.length; start += batchKeys) {
      if (signal.aborted) await forgetting
      signal.throwIfAborted()
      const gone = await deleteBytes(registry, sorted.slice(start, start + batchKeys))
      await forgetting
      forgetting = forget(gone.map(({ deletionId }) => deletionId))
      // What it throws is met where it is awaited, before the next one begins.
      forgetting.catch(() => undefined)
    }
    await forgetting
    afterId = lastId
  }
  return { keys, freedBytes }
}

/** What was deleted. A key that cannot be (a bad sector) is tried again by the next collection. */
async function deleteBytes({ store, context }: Registry, due: readonly DueDeletion[]): Promise<readonly DueDeletion[]> {
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
      }
    }
    return gone
  }
}
