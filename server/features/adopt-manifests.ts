/** Adopting the manifests of one repository: read whole, proved by digest, parsed, and added with what they reference. */
import { digestAlgorithm, digestOf, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseManifest, type Manifest } from '#oci/manifest.ts'
import { addToTarget, adoptBlobs, checkBlob, storageDigest } from './adopt-blobs.ts'
import { mapLimited } from '#lib/map-limited.ts'
import { inBatches, readLink, readSmallFile, type Link } from './adopt-files.ts'
import { layoutBlobKey, repositoryPath, revisionLinkPath } from './registry2-layout.ts'
import type { MissingReference } from './adopt-rows.ts'
import type { RepositoryAdoption } from './adopt-run.ts'
import { blobDescriptors, foundManifest } from '#registry/found-manifest.ts'
import type { ProblemKind } from './registry2-report.ts'
import { walkDigests } from './adopt-walk.ts'

const revisionsInBatch = 32
/** Few, for a manifest may have megabytes. */
const manifestsAtOnce = 4

interface ReadManifest {
  readonly digest: Digest
  readonly manifest: Manifest
  readonly payload: Buffer
  readonly modifiedAt: number
}

function fail(adoption: RepositoryAdoption, digest: Digest, problem: { readonly kind: ProblemKind; readonly text?: string }): undefined {
  adoption.problems.add(problem.kind, problem.text === undefined ? digest : `${digest}: ${problem.text}`)
  adoption.failRevision(digest)
}

/** A revision whose bytes are there and hash to it; else why not, reported. Undefined also for what was deleted. */
async function readRevision(adoption: RepositoryAdoption, digest: Digest): Promise<ReadManifest | undefined> {
  const { source, manifestBytes } = adoption.run
  const link = await readLink(source, revisionLinkPath(adoption.name, digest))
  if (link.kind === 'absent' || adoption.isDeleted(digest)) return undefined
  const storage = storageDigest(digest, link)
  const payload = await readSmallFile(source, layoutBlobKey(storage ?? digest), manifestBytes)
  if (payload === 'too-big') return fail(adoption, digest, { kind: 'manifest-invalid', text: `has more than ${manifestBytes} bytes` })
  if (typeof payload === 'string') return fail(adoption, digest, { kind: 'manifest-missing' })
  if (digestOf(payload, digestAlgorithm(digest)) !== digest) return fail(adoption, digest, { kind: 'manifest-corrupt' })
  // The bytes prove what the path says, whatever became of the link.
  if (storage === undefined) adoption.problems.add('link-repaired', `revision ${digest}`)
  const manifest = parse(adoption, digest, payload)
  return manifest && { digest, manifest, payload, modifiedAt: timeOf(link, adoption) }
}

function timeOf(link: Link, adoption: RepositoryAdoption): number {
  return link.kind === 'digest' ? link.modifiedAt : adoption.run.now
}

function parse(adoption: RepositoryAdoption, digest: Digest, payload: Buffer): Manifest | undefined {
  try {
    return parseManifest(payload, '')
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error
    if (error.code === 'MANIFEST_UNVERIFIED') return fail(adoption, digest, { kind: 'manifest-schema1' })
    return fail(adoption, digest, { kind: 'manifest-invalid', text: typeof error.detail === 'string' ? error.detail : error.message })
  }
}

/** A blob whose size is not the one that manifests state is read: either it was cut, or the manifest is wrong. */
async function checkSizes(adoption: RepositoryAdoption, { digest, manifest }: ReadManifest): Promise<void> {
  for (const descriptor of blobDescriptors(manifest)) {
    const known = adoption.known.get(descriptor.digest)
    if (typeof known !== 'object' || known.state !== 'live' || known.sizeBytes === descriptor.size) continue
    const checked = await checkBlob(adoption, known)
    if (checked.state === 'live') adoption.problems.add('size-differs', `${digest}: ${descriptor.digest}`)
    else await addToTarget(adoption, [checked])
    adoption.known.set(descriptor.digest, checked)
  }
}

/** Reads the revisions and adds those that are whole. */
export async function adoptRevisions(adoption: RepositoryAdoption, digests: readonly Digest[]): Promise<void> {
  const read = (await mapLimited(digests, manifestsAtOnce, (digest) => readRevision(adoption, digest))).filter((one) => one !== undefined)
  if (read.length === 0) return
  const needed = new Set(read.flatMap(({ manifest }) => blobDescriptors(manifest).map((descriptor) => descriptor.digest)))
  // Mostly known from the links; the rest arrived while an old registry still writes, or is not there.
  await adoptBlobs(
    adoption,
    [...needed].filter((digest) => adoption.known.get(digest) === undefined),
  )
  for (const one of read) await checkSizes(adoption, one)
  const isPresent = (digest: Digest) => {
    const known = adoption.known.get(digest)
    return typeof known === 'object' && known.state === 'live'
  }
  const found = read.map(({ manifest, ...facts }) => foundManifest(facts, manifest, { isPresent }))
  const { added, missing } = await adoption.run.target.addManifests(adoption.name, found)
  adoption.count({ manifests: found.length, manifestsAdded: added })
  await reportMissing(adoption, missing)
}

/** An entry of an index that is neither a known kind of manifest nor a blob may be a manifest of a kind unknown here. */
async function reportMissing(adoption: RepositoryAdoption, missing: readonly MissingReference[]): Promise<void> {
  for (const { manifest, blob } of missing) {
    const revision = await readLink(adoption.run.source, revisionLinkPath(adoption.name, blob))
    if (revision.kind === 'absent') adoption.problems.add('manifest-incomplete', `${manifest}: ${blob}`)
  }
}

/** All manifests of the repository, tagged or not. */
export async function adoptManifests(adoption: RepositoryAdoption): Promise<void> {
  const digests = walkDigests(adoption.run.source, `${repositoryPath(adoption.name)}/_manifests/revisions`, (kind, example) =>
    adoption.problems.add(kind, `_manifests/revisions/${example}`),
  )
  for await (const batch of inBatches(digests, revisionsInBatch)) {
    adoption.run.signal?.throwIfAborted()
    await adoptRevisions(adoption, batch)
    adoption.run.tick()
  }
}
