/** A tag goes back to what it pointed at before it was deleted or moved, or to any other value of its history; its manifest comes out of the trash if it is there. */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { reviewManifest } from '#metadata/garbage.ts'
import { findTwin } from '#metadata/hidden-repositories.ts'
import { manifestsOfRepository } from '#metadata/manifests.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { repositoryIdIn } from '#metadata/repositories.ts'
import { touchRepository } from '#metadata/repository-rows.ts'
import { pointTag, restored, tagTarget } from '#metadata/tags.ts'
import { forgetTrashedTag } from '#metadata/trash.ts'
import { changeOfTag } from '#metadata/trashed-manifests.ts'
import { tagsChanged } from '#metadata/usage.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { requireMutable } from '#projects/immutable-tags.ts'
import type { Registry } from './registry.ts'
import { requireWritable } from './require.ts'
import { bringBack, outdateRetention, type BroughtBack, type Home } from './restore-manifest.ts'
import { cannotRestore } from './trash-words.ts'

/** Which tag, and to what. */
export interface TagRestore {
  readonly repository: RepositoryName
  readonly tag: Tag
  /** Undefined, and no change either: what it pointed at before it was deleted or last moved. */
  readonly digest?: Digest | undefined
  /** Id of an entry of its history: what the tag pointed at after it; of a deletion, before it. */
  readonly change?: number | undefined
  /** Where the tag must point until now; undefined: it need not be there. */
  readonly expectedDigest?: Digest | undefined
  /** False: a tag that is there stays where it points. */
  readonly mayMove: boolean
  /** False: what is in the trash stays there. */
  readonly mayTakeFromTrash: boolean
  /** What comes out of the trash for it may lack what it needs; no unless said. */
  readonly isForced?: boolean | undefined
}

/** What {@link restoreTag} did. `missing`: what came out of the trash for it lacks that. */
export interface RestoredTag {
  readonly outcome: 'restored' | 'unchanged'
  readonly missing: readonly Digest[]
}

interface Restoring extends TagRestore {
  readonly who: Who
  readonly now: number
  readonly reviewAfter: number
  readonly isForced: boolean
}

const restore = transaction(import.meta.url, 'restore-tag/restore', async (tx, input: Restoring): Promise<RestoredTag> => {
  const { repository, tag, who, now: at } = input
  const repositoryId = await repositoryIdIn(tx, repository)
  if (repositoryId === undefined) throw new RegistryError('NAME_UNKNOWN', { name: repository })
  const current = await tagTarget(tx, repositoryId, tag)
  if (input.expectedDigest !== undefined && current?.digest !== input.expectedDigest) throw new RegistryError('PRECONDITION_FAILED')
  const digest = input.digest ?? (await formerDigest(tx, repositoryId, input))
  if (current?.digest === digest) return { outcome: 'unchanged', missing: [] }
  // Nothing is written when this is thrown.
  if (current !== undefined && !input.mayMove)
    throw new RegistryError('DENIED', { tag }, { message: 'the tag is there, and you may not move tags' })
  const home = { ...input, repositoryId, twinId: (await findTwin(tx, repositoryId)) ?? 0, isSaid: input.digest !== undefined }
  const { missing } = await putTag(tx, home, digest)
  const detail = { digest, previousDigest: current?.digest, missing: missing.slice(0, 20) }
  // Beside tag.moved, which all that follows tags reads, so that a restore can be asked for by name.
  await recordEvent(tx, { action: 'tag.restored', target: `tag:${repository}:${tag}`, repository, detail, at, ...who })
  return { outcome: 'restored', missing }
})

interface TagHome extends Home {
  readonly tag: Tag
  readonly mayTakeFromTrash: boolean
  /** Somebody named the digest. */
  readonly isSaid?: boolean
}

/** Points the tag at the digest, wherever in the repository or its trash that is. Gives what came out of the trash for it. */
export async function putTag(tx: Transactor, home: TagHome, digest: Digest): Promise<BroughtBack> {
  const { repositoryId, repository, tag, now, who } = home
  const { manifestId, brought } = await manifestFor(tx, home, digest)
  const previous = await pointTag(tx, { repositoryId, tag, now, actor: who.actor, reason: restored }, { manifestId, digest })
  if (previous === 'new' || brought.tags.length > 0) await outdateRetention(tx, repository)
  if (previous === 'unchanged') return brought
  await forgetTrashedTag(tx, repositoryId, tag)
  if (previous === 'new') await tagsChanged(tx, repositoryId, 1)
  else {
    await requireMutable(tx, { repository, tags: [tag], act: 'move' })
    await reviewManifest(tx, previous.manifestId, { since: now, reviewAfter: home.reviewAfter })
  }
  await touchRepository(tx, repositoryId, now)
  const detail = { ...(previous !== 'new' && { previousDigest: previous.digest }), restored: true } as const
  await recordEvent(tx, { action: 'tag.moved', repository, tag, digest, detail, at: now, ...who })
  return brought
}

const nothing: BroughtBack = { manifests: 0, tags: [], takenTags: [], missing: [], lostLabels: [] }

async function manifestFor(
  tx: Transactor,
  home: TagHome,
  digest: Digest,
): Promise<{ readonly manifestId: number; readonly brought: BroughtBack }> {
  const { repositoryId, twinId, tag } = home
  const live = (await manifestsOfRepository(tx, repositoryId, [digest])).get(digest)
  if (live !== undefined) return { manifestId: live, brought: nothing }
  const trashed = (await manifestsOfRepository(tx, twinId, [digest])).get(digest)
  if (trashed === undefined) throw new RegistryError('MANIFEST_UNKNOWN', { digest }, { message: goneWords(home) })
  if (!home.mayTakeFromTrash)
    throw new RegistryError(
      'DENIED',
      { digest },
      { message: 'the manifest is in the trash: taking it out takes the permission trash:restore' },
    )
  const brought = await bringBack(tx, home, { manifestId: trashed, only: tag })
  const back = (await manifestsOfRepository(tx, repositoryId, [digest])).get(digest)
  if (back === undefined) throw new Error('a manifest was neither in the trash nor brought back')
  return { manifestId: back, brought }
}

/** Nobody may have had the digest that was said: only of the history's own is it known that it was here. */
function goneWords({ repository, isSaid }: TagHome): string {
  return isSaid
    ? `there is no manifest of this digest in ${repository}, nor in its trash`
    : 'the manifest that the tag pointed at is gone for good'
}

async function formerDigest(tx: Transactor, repositoryId: number, { tag, change }: TagRestore): Promise<Digest> {
  // A tag that was deleted and then pushed anew goes back to before the delete.
  const found = await changeOfTag(tx, { repositoryId, name: tag }, change ?? 'fromSomething')
  if (found === undefined && change === undefined && (await changeOfTag(tx, { repositoryId, name: tag })) !== undefined)
    throw neverElsewhere()
  if (found === undefined)
    throw new RegistryError('MANIFEST_UNKNOWN', { tag }, { message: 'there is no such entry in the history of this tag' })
  const digest = change === undefined ? found.previousDigest : (found.digest ?? found.previousDigest)
  if (digest === undefined) throw neverElsewhere()
  return digest
}

function neverElsewhere(): RegistryError {
  return cannotRestore('its history tells of nothing else that the tag pointed at: name a digest, or an entry that it has')
}

/**
 * Throws `NAME_UNKNOWN`, `MANIFEST_UNKNOWN` for what is gone, `CONFLICT` where there is nothing before or it would be broken, `DENIED` for a tag that is there and may not be moved
 * or a manifest that may not be taken out of the trash, `PRECONDITION_FAILED` when it points elsewhere than expected.
 */
export async function restoreTag(registry: Registry, wanted: TagRestore, who: Who): Promise<RestoredTag> {
  requireWritable(registry)
  const now = registry.context.ports.clock.now()
  return await registry.metadata.write(restore, {
    ...wanted,
    isForced: wanted.isForced ?? false,
    who,
    now,
    reviewAfter: now + registry.options.garbageDelayMs,
  })
}
