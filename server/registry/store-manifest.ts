/**
 * The transaction of a manifest push. What it references is looked up, and referenced, in the same commit, so that garbage collection, which
 * removes a blob's row in a commit of its own, comes either before (the push is refused and names the blob) or after (and keeps it).
 */
import { recordEvent } from '#events/record.ts'
import { blobsOfRepository } from '#metadata/blobs.ts'
import { reviewManifest } from '#metadata/garbage.ts'
import { childrenOf, insertManifest, insertReferences, manifestsOfRepository } from '#metadata/manifests.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { touchRepository } from '#metadata/repository-rows.ts'
import { pointTag } from '#metadata/tags.ts'
import { transaction } from '#metadata/transaction.ts'
import { manifestEntered, manifestRepeated, tagsChanged } from '#metadata/usage.ts'
import { sumBlobSizes } from '#metadata/usage-blobs.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { requireMutable } from '#projects/immutable-tags.ts'
import { ensureRepository } from './ensure-repository.ts'
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
export const storeManifest = transaction(import.meta.url, 'store-manifest/store', async (tx, input: StoreManifest): Promise<void> => {
  const repositoryId = await ensureRepository(tx, input)
  const { blobIds, childIds, digests } = await resolveReferences(tx, repositoryId, input.references)
  await checkNesting(tx, childIds)
  const { manifestId, isNew, grownBytes } = await insertManifest(tx, { ...input, repositoryId })
  const manifest = { repositoryId, manifestId }
  const needed = await insertReferences(tx, manifest, { blobIds, digests })
  if (isNew) await manifestEntered(tx, manifest)
  else {
    const logicalBytes = grownBytes + (await sumBlobSizes(tx, needed))
    await manifestRepeated(tx, manifest, { bytes: grownBytes, manifestBytes: grownBytes, logicalBytes })
  }
  const circumstances = circumstancesOf(input.actor, input.now)
  const { repository, digest, mediaType } = input
  await recordEvent(tx, {
    action: 'manifest.pushed',
    repository,
    digest,
    detail: { mediaType, sizeBytes: input.payload.byteLength },
    ...circumstances,
  })
  await pointTags(tx, input, { repositoryId, manifestId })
  await touchRepository(tx, repositoryId, input.now)
  if (input.tags.length === 0) await reviewManifest(tx, manifestId, { since: input.now, reviewAfter: input.reviewAfter })
})

const refusals = {
  create: { message: 'you may push here, but make no tags' },
  move: { message: 'the tag is there, and you may not move tags' },
} as const

async function pointTags(
  tx: Transactor,
  input: StoreManifest,
  ids: { readonly repositoryId: number; readonly manifestId: number },
): Promise<void> {
  const { repository, digest, now, actor } = input
  let created = 0
  for (const tag of input.tags) {
    const previous = await pointTag(
      tx,
      { repositoryId: ids.repositoryId, tag, now, actor: actor.name },
      { manifestId: ids.manifestId, digest },
    )
    if (previous === 'unchanged') continue
    // Nothing is written when this is thrown.
    if (!(previous === 'new' ? input.mayCreateTags : input.mayMoveTags))
      throw new RegistryError('DENIED', { tag }, refusals[previous === 'new' ? 'create' : 'move'])
    if (previous === 'new') created++
    else {
      await requireMutable(tx, { repository, tags: [tag], act: 'move' })
      await reviewManifest(tx, previous.manifestId, { since: now, reviewAfter: input.reviewAfter })
    }
    const detail = previous === 'new' ? {} : { previousDigest: previous.digest }
    await recordEvent(tx, { action: 'tag.moved', repository, tag, digest, detail, ...circumstancesOf(actor, now) })
  }
  await tagsChanged(tx, ids.repositoryId, created)
}

interface Resolved {
  readonly blobIds: readonly number[]
  readonly childIds: readonly number[]
  /** Kept by digest: children, and what is not here yet. */
  readonly digests: readonly Digest[]
}

/** An entry of an index is a manifest of the repository, else a blob of it. Throws with all that is missing. */
async function resolveReferences(tx: Transactor, repositoryId: number, references: readonly ManifestReferenceTo[]): Promise<Resolved> {
  const children = references.filter(({ kind }) => kind === 'child').map(({ digest }) => digest)
  const manifests = await manifestsOfRepository(tx, repositoryId, children)
  const rest = references.filter(({ digest }) => !manifests.has(digest))
  const blobs = await blobsOfRepository(
    tx,
    repositoryId,
    rest.map(({ digest }) => digest),
  )
  const absent = rest.filter(({ digest }) => !blobs.has(digest))
  const missing = absent.filter(({ isRequired }) => isRequired).map(({ digest }) => digest)
  if (missing.length > 0) throw new RegistryError('MANIFEST_BLOB_UNKNOWN', { digests: missing })
  return {
    blobIds: [...blobs.values()],
    childIds: [...manifests.values()],
    digests: [...manifests.keys(), ...absent.map(({ digest }) => digest)],
  }
}

async function checkNesting(tx: Transactor, childIds: readonly number[]): Promise<void> {
  let level = childIds
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > nestingMax) throw new RegistryError('MANIFEST_INVALID', `indexes are nested deeper than ${nestingMax}`)
    level = await childrenOf(tx, level)
  }
}
