/**
 * The transaction of a manifest push. What it references is looked up, and referenced, in the same commit, so that garbage collection, which
 * removes a blob's row in a commit of its own, comes either before (the push is refused and names the blob) or after (and keeps it).
 */
import { recordEventLater } from '#events/record.ts'
import { linkedBlobsOf, type LinkedBlob } from '#metadata/blobs.ts'
import type { EventProject } from '#metadata/event-project.ts'
import { reviewManifest } from '#metadata/garbage.ts'
import { childrenOf, insertManifest, insertReferences, manifestsOfRepository } from '#metadata/manifests.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { lockReferences, lockTags } from '#metadata/push-locks.ts'
import { touchPlace } from '#metadata/repository-rows.ts'
import { moveTag, tagTarget, type TagTarget } from '#metadata/tags.ts'
import { together } from '#metadata/together.ts'
import { transaction } from '#metadata/transaction.ts'
import { countIn, countLinks } from '#metadata/usage.ts'
import { placeOfName, type UsagePlace } from '#metadata/usage-place.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { requireMutable } from '#projects/immutable-tags.ts'
import { ensurePlace } from './ensure-repository.ts'
import type { ManifestReferenceTo } from './manifest-references.ts'
import { circumstancesOf } from './actor.ts'
import type { Actor } from './registry.ts'

/** How many indexes may stand one above the other: whoever walks down from a tag needs to end. */
const nestingMax = 8

/** A manifest that was parsed, proved and admitted. */
export interface StoreManifest {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly tags: readonly Tag[]
  readonly mediaType: string
  readonly artifactType: string | undefined
  readonly subject: Digest | undefined
  /** JSON. */
  readonly annotations: string | undefined
  readonly payload: Uint8Array
  readonly references: readonly ManifestReferenceTo[]
  readonly actor: Actor
  /** False: the transaction is refused when a tag would be new, or would move to another manifest. */
  readonly mayCreateTags: boolean
  readonly mayMoveTags: boolean
  readonly now: number
  /** When garbage collection may look at what this push leaves without a tag. */
  readonly reviewAfter: number
}

/**
 * Makes the repository if need be, stores manifest and references, counts them, points the tags and records the events. Writes nothing and throws
 * MANIFEST_BLOB_UNKNOWN with all digests that are missing, MANIFEST_INVALID when indexes are nested too deep, DENIED when it does not fit a quota,
 * or TAG_IMMUTABLE when a tag would move that a rule keeps.
 */
export const storeManifest = transaction(
  import.meta.url,
  'store-manifest/store',
  async (tx, input: StoreManifest): Promise<void> => {
    const { repository, digest, mediaType, now } = input
    const [, found] = await together(lockTags(tx, repository, input.tags), placeOfName(tx, repository))
    const place = await ensurePlace(tx, input, found)
    if (place.repository !== repository) await lockTags(tx, place.repository, input.tags)
    const { repositoryId } = place
    const [resolved, targets] = await together(
      resolveReferences(tx, place, input.references),
      together(...input.tags.map((tag) => tagTarget(tx, repositoryId, tag))),
    )
    await checkNesting(tx, resolved.childIds)
    const moves = input.tags.map((tag, index) => ({ tag, current: targets[index] })).filter(({ current }) => current?.digest !== digest)
    await requireMovable(tx, input, moves)
    const { manifestId, isNew, grownBytes } = await insertManifest(tx, { ...input, repositoryId })
    const references = { blobIds: resolved.blobs.map(({ blobId }) => blobId), digests: resolved.digests }
    const needed = await insertReferences(tx, { repositoryId, manifestId, isNew }, references)
    const logicalBytes = grownBytes + sizeOf(isNew ? resolved.blobs : resolved.blobs.filter(({ blobId }) => needed.includes(blobId)))
    const blobs = await countLinks(
      tx,
      repositoryId,
      resolved.blobs.filter(({ isCounted }) => !isCounted),
    )
    const document = { bytes: grownBytes, manifestBytes: grownBytes, logicalBytes, manifests: isNew ? 1 : 0 }
    // Of a repository that was moved meanwhile it is told under the name that it was pushed to.
    const project = place.repository === repository ? place.projects[0] : undefined
    const detail = { mediaType, sizeBytes: input.payload.byteLength }
    await recordEventLater(tx, { action: 'manifest.pushed', repository, digest, detail, ...circumstancesOf(input.actor, now) }, project)
    await pointTags(tx, input, { place, project, manifestId, moves })
    await touchPlace(tx, place, now)
    if (input.tags.length === 0) await reviewManifest(tx, manifestId, { since: now, reviewAfter: input.reviewAfter })
    const created = moves.filter(({ current }) => current === undefined).length
    // Last, for others of the project wait from here on.
    await countIn(tx, place, { common: { ...document, tags: created }, blobs })
  },
  'read committed',
)

const sizeOf = (blobs: readonly LinkedBlob[]): number => blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)

interface TagMove {
  readonly tag: Tag
  /** Undefined: the tag is new. */
  readonly current: TagTarget | undefined
}

const refusals = {
  create: { message: 'you may push here, but make no tags' },
  move: { message: 'the tag is there, and you may not move tags' },
} as const

async function requireMovable(tx: Transactor, input: StoreManifest, moves: readonly TagMove[]): Promise<void> {
  for (const { tag, current } of moves) {
    if (!(current === undefined ? input.mayCreateTags : input.mayMoveTags))
      throw new RegistryError('DENIED', { tag }, refusals[current === undefined ? 'create' : 'move'])
    if (current !== undefined) await requireMutable(tx, { repository: input.repository, tags: [tag], act: 'move' })
  }
}

interface Pointing {
  readonly place: UsagePlace
  readonly project: EventProject | undefined
  readonly manifestId: number
  readonly moves: readonly TagMove[]
}

async function pointTags(tx: Transactor, input: StoreManifest, { place, project, manifestId, moves }: Pointing): Promise<void> {
  const { repository, digest, now, actor } = input
  const { repositoryId } = place
  for (const { tag, current } of moves) {
    await moveTag(tx, { repositoryId, tag, now, actor: actor.name }, { current, to: { manifestId, digest } })
    if (current !== undefined) await reviewManifest(tx, current.manifestId, { since: now, reviewAfter: input.reviewAfter })
    const detail = current === undefined ? {} : { previousDigest: current.digest }
    await recordEventLater(tx, { action: 'tag.moved', repository, tag, digest, detail, ...circumstancesOf(actor, now) }, project)
  }
}

interface Resolved {
  readonly blobs: readonly LinkedBlob[]
  readonly childIds: readonly number[]
  /** Kept by digest: children, and what is not here yet. */
  readonly digests: readonly Digest[]
}

/** Throws with all that is missing. Where something else is not here yet, it comes after this push, and finds that the manifest waits for it. */
async function resolveReferences(tx: Transactor, place: UsagePlace, references: readonly ManifestReferenceTo[]): Promise<Resolved> {
  let { absent, ...resolved } = await lookUp(tx, place, references)
  const missing = absent.filter(({ isRequired }) => isRequired).map(({ digest }) => digest)
  if (missing.length > 0) throw new RegistryError('MANIFEST_BLOB_UNKNOWN', { digests: missing })
  if (absent.length > 0) {
    await lockReferences(tx, place.repository, 'alone')
    ;({ absent, ...resolved } = await lookUp(tx, place, references))
  }
  return { ...resolved, digests: [...resolved.digests, ...absent.map(({ digest }) => digest)] }
}

/** An entry of an index is a manifest of the repository, else a blob of it. */
async function lookUp(
  tx: Transactor,
  { repositoryId }: UsagePlace,
  references: readonly ManifestReferenceTo[],
): Promise<Resolved & { readonly absent: readonly ManifestReferenceTo[] }> {
  const children = references.filter(({ kind }) => kind === 'child').map(({ digest }) => digest)
  const manifests = await manifestsOfRepository(tx, repositoryId, children)
  const rest = references.filter(({ digest }) => !manifests.has(digest))
  const blobs = await linkedBlobsOf(
    tx,
    repositoryId,
    rest.map(({ digest }) => digest),
  )
  const absent = rest.filter(({ digest }) => !blobs.has(digest))
  return { blobs: [...blobs.values()], childIds: [...manifests.values()], digests: [...manifests.keys()], absent }
}

async function checkNesting(tx: Transactor, childIds: readonly number[]): Promise<void> {
  let level = childIds
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > nestingMax) throw new RegistryError('MANIFEST_INVALID', `indexes are nested deeper than ${nestingMax}`)
    level = await childrenOf(tx, level)
  }
}
