/**
 * Manifests come back from the trash whole: with what they list, what refers to them (signatures and SBOMs that went with them or after them, whether
 * they name a subject or stand under a tag made of its digest) and the tags that nobody took meanwhile.
 */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { reviewManifest } from '#metadata/garbage.ts'
import { findTwin, isHiddenName } from '#metadata/hidden-repositories.ts'
import { deleteForeignLabels } from '#metadata/labels.ts'
import { manifestsOfRepository } from '#metadata/manifests.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { touchRepository } from '#metadata/repository-rows.ts'
import { outdatePoliciesOver } from '#metadata/retention-keepers.ts'
import { pointTag, restored, tagTarget } from '#metadata/tags.ts'
import { deleteTrashRow, forgetTrashedTag, retargetTrashedTags, tagsInTrash, trashOfManifest, type TrashRecord } from '#metadata/trash.ts'
import {
  changeOfTag,
  manifestPlace,
  missingFrom,
  moveManifest,
  relinkBlobs,
  trashedChildren,
  trashedReferrers,
  type ManifestPlace,
} from '#metadata/trashed-manifests.ts'
import { manifestEntered, tagsChanged } from '#metadata/usage.ts'
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { ownerOf } from '#projects/find-project.ts'
import { purgeManifest } from './remove-manifest.ts'
import { cannotRestore, trashUnknown, wouldBeBroken, type RestoreRequest } from './trash-words.ts'

/** Where manifests come back to, on whose account. */
export interface Home {
  readonly repositoryId: number
  readonly twinId: number
  readonly repository: RepositoryName
  readonly who: Who
  readonly now: number
  readonly reviewAfter: number
  /** Manifests may come back without what they need. */
  readonly isForced: boolean
}

/** What {@link bringBack} did. */
export interface BroughtBack {
  manifests: number
  readonly tags: Tag[]
  readonly takenTags: Tag[]
  missing: readonly Digest[]
  readonly lostLabels: string[]
}

/** The repository that a row of the trash came from, which must be live. */
export async function homeOf(
  tx: Transactor,
  { repositoryId, repository }: Pick<TrashRecord, 'repositoryId' | 'repository'>,
  request: RestoreRequest,
): Promise<Home> {
  const row =
    repositoryId === undefined
      ? undefined
      : await tx.selectFrom('repositories').select('name').where('id', '=', repositoryId).executeTakeFirst()
  if (repositoryId === undefined || row === undefined) throw trashUnknown(request.trashId)
  if (isHiddenName(row.name)) throw cannotRestore(`its repository ${repository} is in the trash: restore that first`)
  const twinId = (await findTwin(tx, repositoryId)) ?? 0
  const { who, now, reviewAfter, isForced } = request
  return { repositoryId, twinId, repository: row.name as RepositoryName, who, now, reviewAfter, isForced }
}

/** Tags came back to it that no dry run showed: policies of retention that are about it are to be shown again before they remove any. */
export async function outdateRetention(tx: Transactor, repository: RepositoryName): Promise<void> {
  const { id: projectId } = await ownerOf(tx, repository)
  await outdatePoliciesOver(tx, { repository, projectId })
}

/** Brings a manifest of the trash back with all that belongs to it. `only`: of its own tags, this one alone. Throws CONFLICT where that is not whole. */
export async function bringBack(
  tx: Transactor,
  home: Home,
  first: { readonly manifestId: number; readonly only?: Tag },
): Promise<BroughtBack> {
  const done: BroughtBack = { manifests: 0, tags: [], takenTags: [], missing: [], lostLabels: [] }
  const back: number[] = []
  const queue = [first.manifestId]
  const since = (await trashOfManifest(tx, first.manifestId))?.deletedAt ?? home.now
  // What is found on the way is looked at in turn; what came back already is in the trash no more.
  for (const manifestId of queue) {
    const place = await manifestPlace(tx, manifestId)
    if (place?.repositoryId !== home.twinId) continue
    const only = manifestId === first.manifestId ? first.only : undefined
    queue.push(...(await bringBackOne(tx, { home, done, back, since, only }, place)))
  }
  done.missing = await missingFrom(tx, home.repositoryId, back)
  if (done.missing.length > 0 && !home.isForced) throw wouldBeBroken(done.missing)
  await touchRepository(tx, home.repositoryId, home.now)
  return done
}

interface Restoring {
  readonly home: Home
  readonly done: BroughtBack
  /** Ids of what is live again. */
  readonly back: number[]
  readonly since: number
  readonly only: Tag | undefined
}

/** Gives what belongs to it and is in the trash. */
async function bringBackOne(tx: Transactor, restoring: Restoring, place: ManifestPlace): Promise<readonly number[]> {
  const { home, done, since, only } = restoring
  const { digest } = place
  const trash = await trashOfManifest(tx, place.manifestId)
  const tags = trash === undefined ? [] : await tagsInTrash(tx, trash.id)
  const manifestId = await settle(tx, restoring, place)
  restoring.back.push(manifestId)
  if (trash !== undefined) await deleteTrashRow(tx, trash.id)
  done.manifests++
  const wanted = only === undefined ? tags : tags.filter((tag) => tag === only)
  for (const tag of wanted) {
    const isBack = await bringBackTag(tx, home, { tag, manifestId, digest })
    ;(isBack ? done.tags : done.takenTags).push(tag)
  }
  if (wanted.length === 0) await reviewManifest(tx, manifestId, { since: home.now, reviewAfter: home.reviewAfter })
  return [
    ...(await trashedChildren(tx, home.twinId, manifestId)),
    ...(await trashedReferrers(tx, home.twinId, { digest, since })),
    ...(await bringBackSignatures(tx, restoring, digest)),
  ]
}

/** Makes the manifest live; one that was pushed again meanwhile takes its place. Gives the id of the live one. */
async function settle(tx: Transactor, { home, done }: Restoring, { manifestId, digest }: ManifestPlace): Promise<number> {
  const { repositoryId, twinId, now } = home
  const live = (await manifestsOfRepository(tx, repositoryId, [digest])).get(digest)
  if (live !== undefined) {
    await retargetTrashedTags(tx, { from: manifestId, to: live })
    await purgeManifest(tx, { repositoryId: twinId, manifestId, digest, actor: '', now, safeUntil: home.reviewAfter })
    return live
  }
  await moveManifest(tx, manifestId, repositoryId)
  await relinkBlobs(tx, { manifestId, repositoryId, now })
  await manifestEntered(tx, { repositoryId, manifestId })
  // Its repository may be in another project by now.
  const lost = await deleteForeignLabels(tx, { manifestId })
  done.lostLabels.push(...lost.filter((name) => !done.lostLabels.includes(name)))
  return manifestId
}

/** False: the tag points elsewhere by now. */
export async function bringBackTag(
  tx: Transactor,
  { repositoryId, repository, who, now }: Home,
  { tag, manifestId, digest }: { readonly tag: Tag; readonly manifestId: number; readonly digest: Digest },
): Promise<boolean> {
  const current = await tagTarget(tx, repositoryId, tag)
  if (current !== undefined) return current.manifestId === manifestId
  await pointTag(tx, { repositoryId, tag, now, actor: who.actor, reason: restored }, { manifestId, digest })
  await tagsChanged(tx, repositoryId, 1)
  await forgetTrashedTag(tx, repositoryId, tag)
  await recordEvent(tx, { action: 'tag.moved', repository, tag, digest, detail: { restored: true }, at: now, ...who })
  return true
}

/** What cosign and the referrers tag schema name by the digest of what they are about. */
const signatureSuffixes = ['', '.sig', '.att', '.sbom'] as const

/** Tags made of the digest that went with it: those whose manifest is there are pointed again, the others are given. */
async function bringBackSignatures(tx: Transactor, { home, done, since }: Restoring, digest: Digest): Promise<readonly number[]> {
  const trashed: number[] = []
  for (const suffix of signatureSuffixes) {
    const name = `${digest.replace(':', '-')}${suffix}` as Tag
    const last = await changeOfTag(tx, { repositoryId: home.repositoryId, name })
    const signature = last?.previousDigest
    if (last === undefined || signature === undefined || last.digest !== undefined || last.at < since) continue
    const live = (await manifestsOfRepository(tx, home.repositoryId, [signature])).get(signature)
    if (live !== undefined) {
      if (await bringBackTag(tx, home, { tag: name, manifestId: live, digest: signature })) done.tags.push(name)
      continue
    }
    const inTrash = (await manifestsOfRepository(tx, home.twinId, [signature])).get(signature)
    if (inTrash !== undefined) trashed.push(inTrash)
  }
  return trashed
}
