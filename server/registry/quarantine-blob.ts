/**
 * A blob whose bytes are not what its digest says, or not all there, is missing for everyone from then on, so that the next push of it is not
 * skipped and heals it in every repository at once. It is among scrub's findings from the same transaction on, whoever found it, until that
 * push or until its bytes are proved right.
 */
import type { BlobKey } from '#blobs/blob-store.ts'
import { storeOf } from '#blobs/stores.ts'
import { recordEvent } from '#events/record.ts'
import { quarantine, release, type BlobPlace } from '#metadata/blobs.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { noteFinding, resolveFindingsAt, type Finding } from '#metadata/scrub-findings.ts'
import { neededBy } from '#metadata/scrub-reads.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Digest } from '#oci/digest.ts'
import type { Registry } from './registry.ts'

/** What is wrong with the stored bytes; stands in the log, in the event and in scrub's report. */
export type QuarantineReason = 'missing' | 'wrong size' | 'wrong digest' | 'unreadable'

interface Damage extends DamagedBlob {
  readonly reason: QuarantineReason
  readonly now: number
}

type DamagedBlob = BlobPlace & { readonly digest: Digest }

/** Manifests that a finding names. */
const namedManifests = 3

/** What scrub's list says of a blob in quarantine. */
export function findingOfDamage(reader: Reader | Transactor, blob: DamagedBlob, reason: QuarantineReason): Promise<Finding> {
  return findingOfBlob(reader, blob, {
    kind: reason === 'missing' ? 'missing' : 'damaged',
    what: `${reason}; the next push of it heals it`,
  })
}

/** A finding about a blob, with some of the manifests that need it. */
export async function findingOfBlob(
  reader: Reader | Transactor,
  { blobId, digest, sizeBytes, store, key }: DamagedBlob,
  { kind, what }: { readonly kind: 'missing' | 'damaged'; readonly what: string },
): Promise<Finding> {
  const manifests = await neededBy(reader, blobId, namedManifests + 1)
  const more = manifests.length > namedManifests ? ' and others' : ''
  const needed = manifests.length === 0 ? 'no manifest needs it' : `needed by ${manifests.slice(0, namedManifests).join(', ')}${more}`
  return { kind, store, key, digest, sizeBytes, detail: `${what}; ${needed}` }
}

const quarantineRow = transaction(import.meta.url, 'quarantine-blob/quarantine', async (tx, { reason, now, ...blob }: Damage) => {
  const { blobId, key, digest } = blob
  if (!(await quarantine(tx, blobId, key))) return false
  await noteFinding(tx, await findingOfDamage(tx, blob, reason), { now, since: now })
  await recordEvent(tx, { action: 'blob.quarantined', digest, detail: { reason }, at: now, actor: '', requestId: '' })
  return true
})

/** False when the blob was replaced meanwhile. */
export async function quarantineBlob(registry: Registry, blob: DamagedBlob, reason: QuarantineReason): Promise<boolean> {
  const { blobId, sizeBytes, store, key, digest } = blob
  const now = registry.context.ports.clock.now()
  const done = await registry.metadata.write(quarantineRow, { blobId, sizeBytes, store, key, digest, reason, now })
  if (done) {
    registry.memory.contents.delete(digest)
    registry.context.log.error({ digest, sizeBytes, key, reason }, 'blob quarantined: the next push of it heals it')
  }
  return done
}

interface Release {
  readonly blobId: number
  readonly store: string
  readonly key: string
  readonly now: number
}

const releaseRow = transaction(import.meta.url, 'quarantine-blob/release', async (tx, { blobId, store, key, now }: Release) => {
  const done = await release(tx, blobId, key)
  if (done) await resolveFindingsAt(tx, { store, key }, now)
  return done
})

/** Ends the quarantine of a blob whose bytes were proved right (a disk that was not mounted is back). False when it changed meanwhile. */
export async function releaseBlob(
  { metadata, context }: Pick<Registry, 'metadata'> & { readonly context: Pick<Registry['context'], 'ports' | 'log'> },
  blob: DamagedBlob,
): Promise<boolean> {
  const { blobId, store, key, digest } = blob
  const done = await metadata.write(releaseRow, { blobId, store, key, now: context.ports.clock.now() })
  if (done) context.log.info({ digest }, 'blob is whole again and left quarantine')
  return done
}

/** Whether the store still has all bytes of the blob, which is quarantined when it has not. `'changed'`: its row is another by now. */
export async function lookWhether(registry: Registry, blob: DamagedBlob): Promise<'whole' | 'damaged' | 'changed'> {
  const found = await storeOf(registry.stores, blob.store).stat(blob.key as BlobKey)
  if (found?.sizeBytes === blob.sizeBytes) return 'whole'
  return (await quarantineBlob(registry, blob, found === undefined ? 'missing' : 'wrong size')) ? 'damaged' : 'changed'
}
