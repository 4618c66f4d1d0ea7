/**
 * Restoring what is in the trash, whole, in one commit: a crash leaves it there or has it back. A repository or a project may come back under another
 * name; who may make one there is for the caller to judge.
 */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { unhideRepository } from '#metadata/hidden-repositories.ts'
import { deleteForeignLabels } from '#metadata/labels.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { deleteRedirect, resolveRepositoryPlace } from '#metadata/name-redirects.ts'
import { findProjectById, type ProjectRow } from '#metadata/projects.ts'
import { repositoryIdIn } from '#metadata/repositories.ts'
import { deleteTrashRow, findTrash, moveTrash, tagsInTrash, type TrashRecord } from '#metadata/trash.ts'
import { tagTarget } from '#metadata/tags.ts'
import { transaction } from '#metadata/transaction.ts'
import { needersOfTrashed, placesOfDigests } from '#metadata/trashed-manifests.ts'
import { repositoryEntered } from '#metadata/usage.ts'
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { ownerOf } from '#projects/find-project.ts'
import { requireFormerProject } from '#projects/former-place.ts'
import { endedDetail, type Taking } from '#projects/name-claim.ts'
import { coverageInTrash, describeLostRules } from '#projects/lost-rules.ts'
import { restoreProject } from '#projects/restore-project.ts'
import { withTagCounts, type ListedTrash } from './list-trash.ts'
import { placeForRepository } from './move-repository.ts'
import type { Registry } from './registry.ts'
import { requireWritable } from './require.ts'
import { bringBack, homeOf, outdateRetention } from './restore-manifest.ts'
import { putTag } from './restore-tag.ts'
import { cannotRestore, trashTarget, trashUnknown, type RestoredTrash, type RestoreRequest } from './trash-words.ts'

/** A row of that kind. Throws RESOURCE_UNKNOWN when somebody was first. */
async function trashOf(tx: Transactor, trashId: number, kind: TrashRecord['kind']): Promise<TrashRecord> {
  const row = await findTrash(tx, trashId)
  if (row?.kind !== kind) throw trashUnknown(trashId)
  return row
}

function nothingBack({ kind, project, repository, digest }: TrashRecord): RestoredTrash {
  return {
    kind,
    project,
    repository: repository === '' ? undefined : (repository as RepositoryName),
    digest,
    manifests: 0,
    tags: [],
    takenTags: [],
    missing: [],
    lostLabels: [],
    endedNames: [],
    warnings: [],
  }
}

async function note(tx: Transactor, row: TrashRecord, restored: RestoredTrash, { who, now: at }: RestoreRequest): Promise<void> {
  const { kind, repository, project, digest, manifests, tags, takenTags, missing, lostLabels, endedNames } = restored
  const isOfManifests = kind === 'tag' || kind === 'manifest'
  const target = trashTarget({ ...row, project, repository: repository ?? '' }, tags[0])
  const detail = {
    kind,
    digest,
    ...(isOfManifests && { manifests, tags: tags.slice(0, 20), takenTags: takenTags.slice(0, 20) }),
    ...(missing.length > 0 && { missing: missing.slice(0, 20) }),
    ...(lostLabels.length > 0 && { lostLabels: lostLabels.slice(0, 20) }),
    ...endedDetail(endedNames),
    from: row.repository || row.project,
  }
  await recordEvent(tx, { action: 'trash.restored', target, project, ...(repository !== undefined && { repository }), detail, at, ...who })
}

const restoreManifest = transaction(
  import.meta.url,
  'restore-trash/manifest',
  async (tx, request: RestoreRequest): Promise<RestoredTrash> => {
    const row = await trashOf(tx, request.trashId, 'manifest')
    const home = await homeOf(tx, row, request)
    const brought = await bringBack(tx, home, { manifestId: row.manifestId ?? 0 })
    if (brought.tags.length > 0) await outdateRetention(tx, home.repository)
    const restored = { ...nothingBack(row), ...brought }
    await note(tx, row, restored, request)
    return restored
  },
)

const restoreTag = transaction(import.meta.url, 'restore-trash/tag', async (tx, request: RestoreRequest): Promise<RestoredTrash> => {
  const row = await trashOf(tx, request.trashId, 'tag')
  const [tag] = await tagsInTrash(tx, row.id)
  if (tag === undefined || row.digest === undefined) throw trashUnknown(request.trashId)
  const home = await homeOf(tx, row, request)
  const current = await tagTarget(tx, home.repositoryId, tag)
  if (current !== undefined && current.digest !== row.digest)
    throw cannotRestore('the tag points elsewhere by now: berth tag restore moves it back')
  const brought = await putTag(tx, { ...home, tag, mayTakeFromTrash: true }, row.digest)
  await deleteTrashRow(tx, row.id)
  const restored = { ...nothingBack(row), ...brought, tags: [tag] }
  await note(tx, row, restored, request)
  return restored
})

interface RepositoryPlace {
  readonly to: RepositoryName
  readonly projectId: number
}

interface RepositoryRestore extends RestoreRequest, RepositoryPlace {
  /** Somebody said the name. */
  readonly isSaid: boolean
}

const restoreRepository = accessTransaction(
  import.meta.url,
  'restore-trash/repository',
  async (tx, request: RepositoryRestore): Promise<RestoredTrash> => {
    const { to, projectId, now } = request
    const row = await trashOf(tx, request.trashId, 'repository')
    const repositoryId = row.repositoryId ?? 0
    const owner = await ownerOf(tx, to)
    if (!request.isSaid) await requireFormerProject(tx, row, { to, projectId: owner.id })
    // A project was made, renamed or deleted since the caller's right was judged.
    if (owner.id !== projectId || (await resolveRepositoryPlace(tx, to)) !== to || (await repositoryIdIn(tx, to)) !== undefined)
      throw cannotRestore('there is a repository of this name by now: restore it under another one')
    if (!request.isForced) await requireNoPublication(tx, { from: row.projectId, to: owner })
    const endedNames = (await deleteRedirect(tx, 'repository', to)) ? [to] : []
    await unhideRepository(tx, repositoryId, { name: to, projectId, at: now })
    await deleteTrashRow(tx, row.id)
    await moveTrash(tx, repositoryId, projectId)
    const lostLabels = projectId === row.projectId ? [] : await deleteForeignLabels(tx, { repositoryId })
    await repositoryEntered(tx, repositoryId)
    await outdateRetention(tx, to)
    const restored = { ...nothingBack(row), project: owner.name, repository: to, lostLabels, endedNames }
    await note(tx, row, restored, request)
    return restored
  },
)

/** What was for some must not become readable by everyone by the choice of a name. */
async function requireNoPublication(tx: Transactor, { from, to }: { readonly from: number; readonly to: ProjectRow }): Promise<void> {
  if (from === to.id || (await findProjectById(tx, from))?.isPublic !== false) return
  if ((await findProjectById(tx, to.id))?.isPublic !== true) return
  throw cannotRestore(
    `it was in a private project, and this name is in the project ${to.name}, which everyone can read: choose another, or restore it there with force=true`,
  )
}

/**
 * Where a repository of the trash would come back: under its own name or another, where that lies now. Throws CONFLICT where none is said and its own lies in
 * another project by now, or leads elsewhere: nobody said that it is to go there.
 */
export async function placeOfRestore(
  registry: Pick<Registry, 'metadata'>,
  row: TrashRecord,
  name: RepositoryName | undefined,
): ReturnType<typeof placeForRepository> {
  const place = await placeForRepository(registry, name ?? (row.repository as RepositoryName))
  if (name === undefined) await requireFormerProject(registry.metadata.reader, row, { to: place.repository, projectId: place.project.id })
  return place
}

/** The row of that number; undefined for none. */
export async function readTrash({ metadata }: Pick<Registry, 'metadata'>, id: number): Promise<TrashRecord | undefined> {
  return await findTrash(metadata.reader, id)
}

/**
 * Something in the trash, with the first of its tags. `isHere`: a manifest that was pushed again, and is in its repository as well. `neededBy`: manifests that list
 * it, here or in the trash too, and cannot be whole without it.
 */
export interface TrashDetails extends ListedTrash {
  readonly isHere: boolean
  readonly neededBy: readonly Digest[]
}

const shownTags = 100

/** What there is to say of a row. */
export async function describeTrash({ metadata: { reader } }: Pick<Registry, 'metadata'>, row: TrashRecord): Promise<TrashDetails> {
  const { kind, repositoryId, digest } = row
  const tags = await tagsInTrash(reader, row.id)
  const isNeedable = kind === 'manifest' && repositoryId !== undefined && digest !== undefined
  const neededBy = isNeedable ? await needersOfTrashed(reader, { repositoryId, digest }) : []
  const isHere = isNeedable && (await placesOfDigests(reader, { repositoryId, twinId: undefined }, [digest])).has(digest)
  const [counted] = await withTagCounts(reader, [{ ...row, tags: tags.slice(0, shownTags), hasMoreTags: tags.length > shownTags }])
  if (counted === undefined) throw new Error('a row was counted away')
  return { ...counted, isHere, neededBy }
}

/** What comes back, and for repositories and projects where. */
export interface TrashRestore {
  readonly row: TrashRecord
  /** Of {@link placeOfRestore}; for a repository alone. */
  readonly place?: RepositoryPlace | undefined
  /** That was said, for a repository or a project. Undefined: its own, and only where that is in the same hands as before. */
  readonly name?: string | undefined
  /** Ids of the projects above a project's name, in whose hands it may come. */
  readonly mayEnter?: readonly number[] | undefined
  /** What may be taken with another name than a project's own. */
  readonly mayTake?: readonly Taking[] | undefined
  /** Of {@link RestoreRequest}; no unless said. */
  readonly isForced?: boolean | undefined
}

/** Throws RESOURCE_UNKNOWN for what is not in the trash any more, CONFLICT for what something stands in the way of, DENIED for a quota. */
export async function restoreTrash(registry: Registry, wanted: TrashRestore, who: Who): Promise<RestoredTrash> {
  requireWritable(registry)
  const { reader } = registry.metadata
  const covered = await coverageInTrash(reader, wanted.row)
  const restored = await restoreOfKind(registry, wanted, who)
  const lost = await describeLostRules(reader, covered)
  return lost === undefined ? restored : { ...restored, warnings: [lost] }
}

async function restoreOfKind(
  registry: Registry,
  { row, place, name, mayEnter, mayTake, isForced = false }: TrashRestore,
  who: Who,
): Promise<RestoredTrash> {
  const { metadata, context, options } = registry
  const now = context.ports.clock.now()
  const request: RestoreRequest = { trashId: row.id, who, now, reviewAfter: now + options.garbageDelayMs, isForced }
  switch (row.kind) {
    case 'tag':
      return await metadata.write(restoreTag, request)
    case 'manifest':
      return await metadata.write(restoreManifest, request)
    case 'repository':
      if (place === undefined) throw new Error('a repository is restored without a place')
      return await metadata.write(restoreRepository, { ...request, to: place.to, projectId: place.projectId, isSaid: name !== undefined })
    case 'project': {
      const parts = { metadata, ports: context.ports }
      const { project, ...rest } = await restoreProject(parts, { trashId: row.id, name, mayEnter, mayTake }, who)
      return { ...nothingBack(row), project: project.name, ...rest }
    }
  }
}
