/** Finding the blobs of one repository: a layer link says under which digest the bytes are, `stat` how many, and the bytes themselves decide in doubt. */
import { digestAlgorithm, digestOf, type Digest } from '#oci/digest.ts'
import { mapLimited } from '#lib/map-limited.ts'
import { fileHasDigest, inBatches, readLink, sizeOfFile, type Link } from './adopt-files.ts'
import { layerLinkPath, layoutBlobKey, repositoryPath } from './registry2-layout.ts'
import type { LocatedBlob, RepositoryAdoption } from './adopt-run.ts'
import type { FoundBlob } from './adopt-rows.ts'
import { walkDigests } from './adopt-walk.ts'

const linksInBatch = 500
/** Files open at once for one repository; several repositories are under way. */
const filesAtOnce = 16
/**
 * Under which digest a link has its bytes. Content of the path's own algorithm must be the path's digest; of another, it is an alias, as registry:2
 * writes for sha512. `undefined`: the link does not tell.
 */
export function storageDigest(pathDigest: Digest, link: Link): Digest | undefined {
  if (link.kind !== 'digest') return undefined
  return link.digest === pathDigest || digestAlgorithm(link.digest) !== digestAlgorithm(pathDigest) ? link.digest : undefined
}

function describeLink(pathDigest: Digest, link: Link): string {
  return `${pathDigest}: ${link.kind === 'broken' ? link.reason : 'names another digest'}`
}

/** A link that does not tell: its path does, if the bytes there hash to it. A crash left many registries with empty link files. */
async function locateByPath(adoption: RepositoryAdoption, digest: Digest, link: Link): Promise<LocatedBlob> {
  const { source, signal } = adoption.run
  const key = layoutBlobKey(digest)
  const sizeBytes = await sizeOfFile(source, key)
  if (sizeBytes === undefined || !(await fileHasDigest(source, key, { digest, signal }))) {
    adoption.problems.add('link-broken', `_layers ${describeLink(digest, link)}`)
    return 'broken'
  }
  adoption.problems.add('link-repaired', `_layers ${describeLink(digest, link)}`)
  return { digest, key, sizeBytes, state: 'live', isChecked: true }
}

async function locateBlob(adoption: RepositoryAdoption, digest: Digest): Promise<LocatedBlob> {
  const { source } = adoption.run
  const link = await readLink(source, layerLinkPath(adoption.name, digest))
  // A directory without a link is what deleting leaves behind.
  if (link.kind === 'absent' || adoption.isDeleted(digest)) return 'absent'
  const storage = storageDigest(digest, link)
  if (storage === undefined) return locateByPath(adoption, digest, link)
  const key = layoutBlobKey(storage)
  const sizeBytes = await sizeOfFile(source, key)
  if (sizeBytes === undefined) {
    adoption.problems.add('layer-dangling', digest)
    return 'dangling'
  }
  const found: FoundBlob = { digest, key, sizeBytes, state: 'live', isChecked: false }
  // What a full disk and a crash leave behind, told without reading.
  if (sizeBytes > 0 || digest === digestOf(Buffer.alloc(0), digestAlgorithm(digest))) return found
  return spoiled(adoption, found)
}

function spoiled(adoption: RepositoryAdoption, blob: FoundBlob): FoundBlob {
  adoption.problems.add('blob-corrupt', blob.digest)
  return { ...blob, state: 'quarantined', isChecked: true }
}

/** Reads all bytes of a blob that is in doubt. */
export async function checkBlob(adoption: RepositoryAdoption, blob: FoundBlob): Promise<FoundBlob> {
  if (blob.isChecked) return blob
  const { source, signal } = adoption.run
  const isRight = await fileHasDigest(source, blob.key, { digest: blob.digest, signal })
  return isRight ? { ...blob, state: 'live', isChecked: true } : spoiled(adoption, blob)
}

/** Looks the digests up in the directory, adds those that are there to the target, and remembers all. */
export async function adoptBlobs(adoption: RepositoryAdoption, digests: readonly Digest[]): Promise<void> {
  const located = await mapLimited(digests, filesAtOnce, async (digest) => {
    const blob = await locateBlob(adoption, digest)
    adoption.known.set(digest, blob)
    return blob
  })
  await addToTarget(
    adoption,
    located.filter((blob) => typeof blob === 'object'),
  )
}

/** Adds blobs to the target; one that was found wrong before is read again first. */
export async function addToTarget(adoption: RepositoryAdoption, blobs: readonly FoundBlob[]): Promise<void> {
  if (blobs.length === 0) return
  const { target } = adoption.run
  const quarantined = await target.quarantined(blobs.map((blob) => blob.digest))
  const judged = await mapLimited(blobs, 1, (blob) => (quarantined.has(blob.digest) ? checkBlob(adoption, blob) : Promise.resolve(blob)))
  const { added, bytes, leaving } = await target.addBlobs(adoption.name, judged)
  adoption.count({ blobsAdded: added, bytesAdded: bytes })
  for (const blob of judged) adoption.known.set(blob.digest, blob)
  for (const digest of leaving) {
    adoption.known.set(digest, 'leaving')
    adoption.problems.add('blob-leaving', digest)
  }
}

/** All blobs that the repository links. */
export async function adoptLayerLinks(adoption: RepositoryAdoption): Promise<void> {
  const digests = walkDigests(adoption.run.source, `${repositoryPath(adoption.name)}/_layers`, (kind, example) =>
    adoption.problems.add(kind, `_layers/${example}`),
  )
  for await (const batch of inBatches(digests, linksInBatch)) {
    adoption.run.signal?.throwIfAborted()
    await adoptBlobs(adoption, batch)
    adoption.count({ links: batch.filter((digest) => typeof adoption.known.get(digest) === 'object').length })
    adoption.run.tick()
  }
}
