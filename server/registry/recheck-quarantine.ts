/**
 * Supplies blobs that are missing only because they are in quarantine, and whose bytes are right again: a disk that was not mounted is back, an
 * operator restored a file. Without it one start with the wrong mount would cost every blob that was asked for meanwhile until the next scrub.
 */
import { storeOf } from '#blobs/stores.ts'
import { findQuarantinedBlob } from '#metadata/blobs.ts'
import type { Digest } from '#oci/digest.ts'
import { findFault } from './find-fault.ts'
import { releaseBlob } from './quarantine-blob.ts'
import type { MissingContent, Registry } from './registry.ts'

/** Larger blobs wait for scrub: a pull does not wait for gigabytes to be hashed. */
const recheckedBytes = 1024 * 1024 * 1024
/** How soon the same blob is read again for the sake of a pull. */
const patienceMs = 60_000
const rememberedMax = 10_000

interface Parts extends Pick<Registry, 'metadata' | 'stores'> {
  readonly context: Pick<Registry['context'], 'ports' | 'log'>
}

/** The hook for {@link Registry.hooks}. It reads a blob of 1 GiB at most, and the same one once a minute at most. */
export function recheckQuarantine(parts: Parts): MissingContent {
  const { metadata, stores, context } = parts
  /** When each was read last, oldest first. */
  const triedAt = new Map<Digest, number>()

  const mayTry = (digest: Digest) => {
    const now = context.ports.clock.monotonic()
    if (now - (triedAt.get(digest) ?? -Infinity) < patienceMs) return false
    triedAt.delete(digest)
    triedAt.set(digest, now)
    const [oldest] = triedAt.keys()
    if (triedAt.size > rememberedMax && oldest !== undefined) triedAt.delete(oldest)
    return true
  }

  return {
    name: 'recheck-quarantine',
    async findBlob(repository, digest) {
      const place = await findQuarantinedBlob(metadata.reader, repository, digest)
      if (place === undefined || place.sizeBytes > recheckedBytes || !mayTry(digest)) return false
      const fault = await findFault(storeOf(stores, place.store), { ...place, digest }, { signal: new AbortController().signal })
      return fault === undefined && (await releaseBlob(parts, { ...place, digest }))
    },
  }
}
