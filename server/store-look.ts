/**
 * Whether a store that is elsewhere (an object store) can be used: does the bucket exist, do the keys open it. One small listing tells both; a look at an object
 * does not, for one that is absent looks the same in a bucket that is. Writes nothing.
 */
import type { BlobKey, BlobStore } from '#blobs/blob-store.ts'
import type { Stores } from '#blobs/stores.ts'
import type { Config } from '#config/config.ts'
import { describeStorage, isObjectStore } from '#config/storage-place.ts'
import { describe } from '#features/doctor-check.ts'
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'

/** A start waits no longer than that for a store that is away. */
const patienceMs = 5_000
/** A bucket that was there is looked for again after that: a listing costs more than a look at an object. */
const listedEveryMs = 60_000
const absentKey = 'health/none' as BlobKey

/** Looks at each such store once, and warns of those that cannot be used. The start goes on: what is away comes back. */
export async function lookAtStores(
  { storage }: Pick<Config, 'storage'>,
  stores: Stores,
  { ports, log }: { readonly ports: Pick<Ports, 'timers'>; readonly log: Logger },
): Promise<void> {
  const looks = [storage, ...storage.others].filter(isObjectStore).map(async (place) => {
    const reason = await reasonAgainst(stores.all.get(place.name), ports)
    if (reason === undefined) return
    const what = `the ${describeStorage(place) ?? place.name} cannot be used: ${reason}`
    log.warn({ store: place.name }, `${what}. Pushes and pulls of blobs fail until it can; berth doctor looks at it`)
  })
  await Promise.all(looks)
}

async function reasonAgainst(store: BlobStore | undefined, { timers }: Pick<Ports, 'timers'>): Promise<string | undefined> {
  if (store === undefined) return undefined
  const { promise: late, resolve } = Promise.withResolvers<string>()
  // It goes on being asked: what it answered last says more than that it is late.
  const why = () => describe(store.lastFailure?.() ?? `it did not answer within ${patienceMs / 1_000} seconds`)
  using _timer = timers.after(patienceMs, () => resolve(why()))
  const look = store.list({ limit: 1 }).then(
    () => undefined,
    (error: unknown) => describe(error),
  )
  return await Promise.race([look, late])
}

/** For `/readyz`: throws the reason why the store cannot be used. */
export function createStoreLook(store: BlobStore, { clock }: Pick<Ports, 'clock'>): () => Promise<void> {
  let listedAt: number | undefined
  return async () => {
    try {
      await store.requireThere()
      await store.stat(absentKey)
      const now = clock.monotonic()
      if (listedAt !== undefined && now - listedAt < listedEveryMs) return
      await store.list({ limit: 1 })
      listedAt = now
    } catch (error) {
      throw new Error(describe(error), { cause: error })
    }
  }
}

/** Why the store did not answer the latest request, as a sentence. */
export function lastFailureOf(store: BlobStore): Error | undefined {
  const cause = store.lastFailure?.()
  return cause && new Error(describe(cause), { cause })
}
