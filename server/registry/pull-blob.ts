/**
 * Pulling a blob: is it in this repository (one indexed read, every time), then its bytes, from memory if it is small.
 *
 * A blob whose bytes are missing or of another size than its row says is treated as missing, and so heals by the next push; a GET never starts to
 * send what it cannot finish. No write on a GET. A HEAD, which lets a client skip an upload, extends the lease of a blob that no manifest of the repository needs.
 */
import type { BlobKey, OpenBlob } from '#blobs/blob-store.ts'
import { storeOf } from '#blobs/stores.ts'
import { isUnreadable } from '#blobs/storage-error.ts'
import { ShortReadError } from '#lib/pooled-read.ts'
import { extendLinkLease, findBlob, findLeasedBlob, type BlobPlace, type LeasedBlobPlace } from '#metadata/blobs.ts'
import { transaction } from '#metadata/transaction.ts'
import { DamagedBlobError } from '#oci/damaged-blob.ts'
import { digestAlgorithm, digestOf, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { cachedBlobBytes } from './content-cache.ts'
import { lookWhether, quarantineBlob, type QuarantineReason } from './quarantine-blob.ts'
import { closeOpenBlob, openBlobSize, readOpenBlob } from './read-open-blob.ts'
import type { Actor, BlobContent, BlobReader, Registry } from './registry.ts'

type Wanted = readonly [repository: RepositoryName, digest: Digest]
type Absence = 'NAME_UNKNOWN' | 'BLOB_UNKNOWN'

/** Between reading its row and opening its bytes a blob may move to another store, or be replaced; not so often. */
const looksMax = 3

const extend = transaction(
  import.meta.url,
  'pull-blob/extend-lease',
  (tx, input: { readonly linkId: number; readonly blobId: number; readonly leaseUntil: number }) => extendLinkLease(tx, input),
  'read committed',
)

/** end-2 (GET). Who gets the content closes it. Throws `NAME_UNKNOWN` or `BLOB_UNKNOWN`. */
export async function pullBlob(registry: Registry, repository: RepositoryName, digest: Digest, actor: BlobReader): Promise<BlobContent> {
  const direct = actor.direct === true
  return lookTwice(registry, [repository, digest], { actor, look: (own, wanted) => lookForContent(own, wanted, direct) })
}

/** end-2 (HEAD). Throws `NAME_UNKNOWN` or `BLOB_UNKNOWN`. */
export async function statBlob(
  registry: Registry,
  repository: RepositoryName,
  digest: Digest,
  actor: Actor,
): Promise<{ readonly sizeBytes: number }> {
  return lookTwice(registry, [repository, digest], { actor, look: lookForSize })
}

/** Looks, asks those who may supply what is missing, and looks again. */
async function lookTwice<Found extends object>(
  registry: Registry,
  wanted: Wanted,
  { actor, look }: { readonly actor: Actor; readonly look: (registry: Registry, wanted: Wanted) => Promise<Found | Absence> },
): Promise<Found> {
  let found = await look(registry, wanted)
  for (const source of registry.hooks.missingContent) {
    if (typeof found !== 'string') return found
    if (await source.findBlob(wanted[0], wanted[1], actor)) found = await look(registry, wanted)
  }
  if (typeof found === 'string') throw new RegistryError(found, found === 'NAME_UNKNOWN' ? { name: wanted[0] } : { digest: wanted[1] })
  return found
}

/** What a GET or a HEAD found: both are remembered under {@link keyOf}. */
type SizedPlace = BlobPlace | LeasedBlobPlace | 'no-repository' | undefined

function keyOf(repository: RepositoryName, digest: Digest): string {
  return `blob ${digest} ${repository}`
}

async function lookForSize(registry: Registry, [repository, digest]: Wanted): Promise<{ readonly sizeBytes: number } | Absence> {
  for (let looks = 1; ; looks++) {
    const { value: blob, isLastKnown } = await registry.memory.places.read<SizedPlace>(keyOf(repository, digest), () =>
      findLeasedBlob(registry.metadata.reader, repository, digest),
    )
    if (blob === 'no-repository') return 'NAME_UNKNOWN'
    const state = blob && (await lookWhether(registry, { ...blob, digest }))
    if (state === 'changed' && looks < looksMax) continue
    if (blob === undefined || state !== 'whole') return 'BLOB_UNKNOWN'
    // Nothing is collected without the database. Should its lease end in these seconds, then the push of the manifest is told that it is not there.
    if (isLastKnown || !('linkId' in blob)) return { sizeBytes: blob.sizeBytes }
    return (await keepForClient(registry, blob)) ? { sizeBytes: blob.sizeBytes } : 'BLOB_UNKNOWN'
  }
}

/** What a client was told to be here stays for the time of a lease. False: garbage collection was first. */
async function keepForClient(registry: Registry, blob: LeasedBlobPlace): Promise<boolean> {
  const { garbageDelayMs } = registry.options
  const now = registry.context.ports.clock.now()
  // Half a lease is long enough for the push that follows, and so most HEADs of unreferenced blobs need no write either.
  if (blob.referenced || garbageDelayMs === 0 || blob.leaseUntil - now >= garbageDelayMs / 2) return true
  return registry.metadata.write(extend, { linkId: blob.linkId, blobId: blob.blobId, leaseUntil: now + garbageDelayMs })
}

async function lookForContent(registry: Registry, [repository, digest]: Wanted, direct: boolean): Promise<BlobContent | Absence> {
  for (let looks = 1; ; looks++) {
    const { value: blob } = await registry.memory.places.read(keyOf(repository, digest), () =>
      findBlob(registry.metadata.reader, repository, digest),
    )
    if (blob === 'no-repository') return 'NAME_UNKNOWN'
    if (blob === undefined) return 'BLOB_UNKNOWN'
    const bytes = blob.sizeBytes <= cachedBlobBytes ? registry.memory.contents.get(digest) : undefined
    if (bytes !== undefined) return contentInMemory(digest, bytes)
    const content = await openContent(registry, { ...blob, digest }, direct)
    if (typeof content === 'object') return content
    if (content === 'damaged' || looks >= looksMax) return 'BLOB_UNKNOWN'
  }
}

async function openContent(
  registry: Registry,
  blob: BlobPlace & { readonly digest: Digest },
  isDirect: boolean,
): Promise<BlobContent | 'damaged' | 'changed'> {
  // What is kept in memory afterwards is read here once, and clients wait for one server and not two.
  const direct = isDirect || blob.sizeBytes <= cachedBlobBytes
  const open = await storeOf(registry.stores, blob.store).open(blob.key as BlobKey, {
    direct,
    expectedBytes: blob.sizeBytes,
    digest: blob.digest,
  })
  const foundBytes = open && (openBlobSize(open) ?? blob.sizeBytes)
  if (open === undefined || foundBytes !== blob.sizeBytes) {
    if (open !== undefined) await closeOpenBlob(open)
    return await setAside(registry, blob, open === undefined ? 'missing' : 'wrong size')
  }
  if (blob.store !== registry.store.name) registry.hooks.pulledElsewhere?.(registry, blob)
  if (open.kind === 'redirect' || blob.sizeBytes > cachedBlobBytes) return contentOf(registry, blob, open)
  return await keepInMemory(registry, blob, open)
}

async function keepInMemory(
  registry: Registry,
  blob: BlobPlace & { readonly digest: Digest },
  open: OpenBlob,
): Promise<BlobContent | 'damaged' | 'changed'> {
  const bytes = await readSmall(open, blob.sizeBytes).catch((error: unknown) => reportUnreadable(registry, blob, { error, open }))
  if (typeof bytes === 'string') return bytes
  if (digestOf(bytes, digestAlgorithm(blob.digest)) !== blob.digest) return await setAside(registry, blob, 'wrong digest', open)
  registry.memory.contents.set(blob.digest, bytes)
  return contentInMemory(blob.digest, bytes)
}

/** False for what is no copy: the bytes are the blob's own. */
async function forgetCopy(open: OpenBlob): Promise<boolean> {
  if (open.kind !== 'file' || open.forget === undefined) return false
  await open.forget()
  return true
}

/** Quarantines the blob, unless its bytes were a copy, or its row is another by now. */
async function setAside(
  registry: Registry,
  blob: BlobPlace & { readonly digest: Digest },
  reason: QuarantineReason,
  open?: OpenBlob,
): Promise<'damaged' | 'changed'> {
  if (open !== undefined && (await forgetCopy(open))) return 'changed'
  return (await quarantineBlob(registry, blob, reason)) ? 'damaged' : 'changed'
}

async function readSmall(open: OpenBlob, sizeBytes: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(sizeBytes)
  let filled = 0
  for await (const piece of readOpenBlob(open, new AbortController().signal)) {
    // A file that grows while it is read hashes to something else, whatever is kept of it.
    bytes.set(piece.subarray(0, sizeBytes - filled), filled)
    filled += piece.length
    if (filled >= sizeBytes) break
  }
  return bytes
}

function contentInMemory(digest: Digest, bytes: Uint8Array): BlobContent {
  return {
    digest,
    sizeBytes: bytes.byteLength,
    body: { kind: 'bytes', bytes },
    close: async () => undefined,
    readFailed: async () => undefined,
  }
}

function contentOf(registry: Registry, blob: BlobPlace & { readonly digest: Digest }, open: OpenBlob): BlobContent {
  return {
    digest: blob.digest,
    sizeBytes: blob.sizeBytes,
    body: open,
    // A proxy knows the files of the primary store alone, and no copies.
    ...(blob.store === registry.store.name && open.kind === 'file' && open.forget === undefined && { key: blob.key }),
    close: () => closeOpenBlob(open),
    readFailed: async (error) => {
      const reason = faultBehind(error)
      if (reason !== undefined) await setAside(registry, blob, reason, open)
    },
  }
}

function faultBehind(error: unknown): QuarantineReason | undefined {
  if (error instanceof ShortReadError) return 'wrong size'
  if (error instanceof DamagedBlobError) return 'wrong digest'
  return isUnreadable(error) ? 'unreadable' : undefined
}

async function reportUnreadable(
  registry: Registry,
  blob: BlobPlace & { readonly digest: Digest },
  { error, open }: { readonly error: unknown; readonly open: OpenBlob },
): Promise<'damaged' | 'changed'> {
  const reason = faultBehind(error)
  if (reason === undefined || reason === 'wrong size') throw error
  return await setAside(registry, blob, reason, open)
}
