/** A project comes back from the trash with all that it had: projects below it, repositories, members, robots, labels, quota and rules. */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { deleteForeignLabels } from '#metadata/labels.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { deleteRedirectsUnder, redirectsUnder, resolveRepositoryPlace } from '#metadata/name-redirects.ts'
import {
  findProjectByName,
  hasRepositoriesBelow,
  longestNameBelow,
  projectsBelow,
  renameGlobsBelow,
  renameProjectsBelow,
  renameRepositoriesBelow,
  renameTrashedRepositories,
  type ProjectRecord,
} from '#metadata/projects.ts'
import { outdatePolicies } from '#metadata/retention-policies.ts'
import { deleteTrashRow, findTrash, type TrashRecord } from '#metadata/trash.ts'
import { addChange, systemScope } from '#metadata/usage-counters.ts'
import { moveUsage, repositoriesWithin } from '#metadata/usage-moves.ts'
import { projectsAbove } from '#metadata/usage-place.ts'
import { insertRecount } from '#metadata/usage-recounts.ts'
import { RegistryError } from '#oci/errors.ts'
import { repositoryNameMaxLength, type RepositoryName } from '#oci/reference.ts'
import { invalidProjectName } from './create-project.ts'
import { isFormerParent, requireFormerParent } from './former-place.ts'
import { claimOf, endedDetail, endRedirects, nameNotFree, requireKnownAbove, requireTakings, type Taking } from './name-claim.ts'
import { parseProjectName, projectNameMaxLength } from './project-name.ts'
import { projectAfter, type ProjectParts } from './projects.ts'

/** Which row of the trash, and the name it gets: its own unless said, and with that only below the project that it was below. */
export interface ProjectRestore {
  readonly trashId: number
  readonly name?: string | undefined
  /** Ids of the projects above the name, in whose hands it may come. Undefined: whatever is above it. */
  readonly mayEnter?: readonly number[] | undefined
  /** What may be taken with another name than its own: that the caller has the rights is checked. */
  readonly mayTake?: readonly Taking[] | undefined
}

/** What came back, and the names of labels of projects above that do not reach to where it is now. */
export interface RestoredProject {
  readonly project: ProjectRecord
  readonly lostLabels: readonly string[]
  /** Former names, the name itself or below it, that led elsewhere and end. */
  readonly endedNames: readonly string[]
}

interface Restoring extends ProjectRestore {
  readonly who: Who
  readonly now: number
}

const restore = accessTransaction(import.meta.url, 'restore-project/restore', async (tx, input: Restoring): Promise<RestoredProject> => {
  const row = await findTrash(tx, input.trashId)
  if (row?.kind !== 'project') throw new RegistryError('RESOURCE_UNKNOWN')
  const { projectId, project: formerName } = row
  const own = await ownNameOf(tx, row, input.name !== undefined)
  const name = input.name ?? own
  await requireKnownAbove(tx, name, input.mayEnter)
  const hidden = await projectAfter(tx, projectId)
  await requireRoom(tx, hidden.name, name)
  const isOwn = name === own
  const endedNames = await takeName(tx, { name, from: hidden.name, until: isOwn ? row.deletedAt : undefined }, input.mayTake)
  const { now } = input
  await tx.updateTable('projects').set({ name, trashed_name: '', updated_at: now }).where('id', '=', projectId).execute()
  const change = { from: hidden.name, to: name }
  const projects = await renameProjectsBelow(tx, { ...change, at: now })
  const repositories = await renameRepositoriesBelow(tx, change)
  await renameTrashedRepositories(tx, { from: formerName, to: name })
  if (formerName !== name) await renameGlobsBelow(tx, { from: formerName, to: name, ofItself: true })
  await deleteTrashRow(tx, row.id)
  const lostLabels = await deleteForeignLabels(tx, { below: name })
  await countAgain(tx, { id: projectId, name })
  // What is above it may keep other tags than it did, and policies there were shown nothing of it while it was away.
  await outdatePolicies(tx, { id: projectId, name })
  const lost = lostLabels.length > 0 && { lostLabels: lostLabels.slice(0, 20) }
  const detail = { kind: 'project', from: formerName, projects, repositories, ...lost, ...endedDetail(endedNames) }
  await recordEvent(tx, { action: 'trash.restored', target: `project:${name}`, project: name, detail, at: now, ...input.who })
  return { project: await projectAfter(tx, projectId), lostLabels, endedNames }
})

/**
 * The name under which it comes back where none is said: the one that it had. A project above it that was renamed meanwhile leads on, as long as it is the
 * one that was above it: what else got such a name since is nothing to follow, nor to come below unless the name is said.
 */
async function ownNameOf(reader: Reader | Transactor, row: TrashRecord, isSaid: boolean): Promise<string> {
  // Names of projects are names that repositories may have. What its own name leads to, and not one above it, had no such name when it was deleted.
  const led = await resolveRepositoryPlace(reader, row.project as RepositoryName)
  const [above] = await projectsAbove(reader, led)
  if (led !== row.project && above !== undefined && (await isFormerParent(reader, row.parent, above.id))) return led
  if (!isSaid) await requireFormerParent(reader, row)
  return row.project
}

interface Place {
  readonly name: string
  /** The name that it has in the trash. */
  readonly from: string
  /** Present for the name that it had: until when. */
  readonly until: number | undefined
}

/**
 * Its own name it gets back as it was: what others led on from there while it was away ends, and was never theirs to give. Another name is taken as by whoever makes a
 * project of that name. Gives the names that end.
 */
async function takeName(tx: Transactor, { name, ...holder }: Place, mayTake: readonly Taking[] | undefined): Promise<readonly string[]> {
  if (holder.until === undefined) {
    const claim = await claimOf(tx, name, holder)
    if (claim.isTaken) throw nameNotFree()
    requireTakings(claim, mayTake)
    return await endRedirects(tx, claim)
  }
  const since = holder.until
  const set = (await redirectsUnder(tx, name, endedMax)).filter(({ createdAt }) => createdAt >= since).map(({ oldName }) => oldName)
  // However many there are: nobody keeps a project in the trash by them.
  await deleteRedirectsUnder(tx, name, since)
  return [...set, ...(await endRedirects(tx, await claimOf(tx, name, holder)))]
}

/** So many names are looked at to tell which ended. */
const endedMax = 1_000

/** Nothing may lie at the name or below it. */
async function requireRoom(tx: Transactor, hiddenName: string, name: string): Promise<void> {
  if ((await findProjectByName(tx, name)) !== undefined)
    throw standsInTheWay('something else is at this name by now: restore the project under another one')
  if ((await hasRepositoriesBelow(tx, name)) || (await projectsBelow(tx, name, 1)).length > 0)
    throw standsInTheWay(
      'something is below this name by now. Restore the project under another one; or delete what is there, which the trash keeps, restore the project, and then that by its name: berth trash restore <id> <name>',
    )
  const longer = name.length - hiddenName.length
  const isTooLong =
    (await longestNameBelow(tx, 'repositories', hiddenName)) + longer > repositoryNameMaxLength ||
    (await longestNameBelow(tx, 'projects', hiddenName)) + longer > projectNameMaxLength
  if (isTooLong) throw standsInTheWay('names below the project would become too long: choose a shorter one')
}

/** Those above count it again, which a quota may refuse; its own numbers are compared with what is there, in the background. */
async function countAgain(tx: Transactor, project: { readonly id: number; readonly name: string }): Promise<void> {
  const repositoryIds = await repositoriesWithin(tx, project)
  const plain = await moveUsage(tx, { repositoryIds, lost: [], gained: await projectsAbove(tx, project.name) })
  await addChange(tx, systemScope, plain)
  const own = [project, ...(await projectsBelow(tx, project.name, projectsMax))]
  for (const { id } of own) await insertRecount(tx, id)
}

/** More projects below one than anyone has. */
const projectsMax = 100_000

function standsInTheWay(message: string): RegistryError {
  return new RegistryError('CONFLICT', undefined, { message })
}

/** Its own name, before a transaction. Throws CONFLICT where none is said and it would come back in other hands. */
export async function nameOfRestore({ metadata }: Pick<ProjectParts, 'metadata'>, row: TrashRecord, isSaid: boolean): Promise<string> {
  return await ownNameOf(metadata.reader, row, isSaid)
}

/** Throws RESOURCE_UNKNOWN, REQUEST_INVALID for a malformed name, CONFLICT for one that cannot be had, DENIED for a quota of a project above. */
export async function restoreProject({ metadata, ports }: ProjectParts, change: ProjectRestore, who: Who): Promise<RestoredProject> {
  if (change.name !== undefined && parseProjectName(change.name) === undefined) throw invalidProjectName()
  return await metadata.write(restore, { ...change, who, now: ports.clock.now() })
}
