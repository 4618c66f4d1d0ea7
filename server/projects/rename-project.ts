/**
 * Renaming a project, with all repositories and projects below it, in one commit: a client finds everything under the old name or everything under the
 * new one, never half. The old name leads on to the new one until somebody takes it for a project of their own.
 *
 * Rights given on the project stay, for they name its row; globs of grants that begin with the old name are rewritten.
 */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { deleteForeignLabels } from '#metadata/labels.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { isBelow } from '#metadata/name-prefixes.ts'
import { deleteRedirect, putRedirect, retargetRedirects, retargetRedirectsBelow, type NameChange } from '#metadata/name-redirects.ts'
import {
  hasRepositoriesBelow,
  longestNameBelow,
  projectsBelow,
  renameGlobsBelow,
  renameProjectsBelow,
  renameRepositoriesBelow,
  renameTrashedRepositories,
  updateProject,
  type ProjectRecord,
} from '#metadata/projects.ts'
import { hasLooseGlobs } from '#metadata/retention-keepers.ts'
import { outdatePolicies } from '#metadata/retention-policies.ts'
import { moveUsage, repositoriesWithin, without } from '#metadata/usage-moves.ts'
import { projectsAbove, type CountingProject } from '#metadata/usage-place.ts'
import { RegistryError } from '#oci/errors.ts'
import { repositoryNameMaxLength } from '#oci/reference.ts'
import { invalidProjectName } from './create-project.ts'
import { ownerOf } from './find-project.ts'
import { claimOf, endedDetail, endRedirects, nameNotFree, requireKnownAbove, requireTakings, type Taking } from './name-claim.ts'
import { parseProjectName, projectNameMaxLength } from './project-name.ts'
import { projectAfter, projectToChange, type ProjectParts } from './projects.ts'

/** Which project, to what. */
export interface ProjectRename {
  readonly projectId: number
  readonly name: string
  readonly expectedVersion: number | undefined
  /** What may be taken with the name: that the caller has the rights is checked. */
  readonly mayTake?: readonly Taking[] | undefined
  /** Ids of {@link projectsLost}: that the caller may change them is checked. Undefined: whatever is above it. */
  readonly mayLeave?: readonly number[] | undefined
  /** Ids of the projects above the new name, in whose hands it may come. Undefined: whatever is above it. */
  readonly mayEnter?: readonly number[] | undefined
}

interface Rename extends ProjectRename {
  readonly who: Who
  readonly now: number
}

/** A project by its new name, and what led on from there or below until now, and was not its own. */
export interface RenamedProject extends ProjectRecord {
  readonly endedNames: readonly string[]
}

const rename = accessTransaction(import.meta.url, 'rename-project/rename', async (tx, input: Rename): Promise<RenamedProject> => {
  const project = await projectToChange(tx, input.projectId, input.expectedVersion)
  const change = { from: project.name, to: input.name }
  if (change.from === change.to) return { ...project, endedNames: [] }
  await requirePossible(tx, project, change)
  const endedNames = await takeName(tx, change, input.mayTake)
  // One was made above it since the caller's right was checked.
  if ((await lostIn(tx, change)).some(({ id }) => input.mayLeave?.includes(id) === false))
    throw impossible('the projects above it have just changed: try again')
  await requireKnownAbove(tx, change.to, input.mayEnter)
  const aboveBefore = await ownerOf(tx, change.from)
  const isKeptOtherwise = await losesKeepers(tx, project, change)
  await updateProject(tx, project.id, { name: change.to, at: input.now })
  const projects = await renameProjectsBelow(tx, { ...change, at: input.now })
  const repositories = await renameRepositoriesBelow(tx, change)
  await renameTrashedRepositories(tx, change)
  await countElsewhere(tx, project.id, change)
  await renameGlobsBelow(tx, change)
  if (isKeptOtherwise) await outdatePolicies(tx, { id: project.id, name: change.to })
  await moveRedirects(tx, change, input.now)
  // Labels of the project above do not go along.
  if ((await ownerOf(tx, change.to)).id !== aboveBefore.id) await deleteForeignLabels(tx, { below: change.to })
  const target = `project:${change.to}`
  const detail = { from: change.from, projects, repositories, ...endedDetail(endedNames) }
  await recordEvent(tx, { action: 'project.renamed', target, project: change.to, detail, at: input.now, ...input.who })
  return { ...(await projectAfter(tx, project.id)), endedNames }
})

async function lostIn(reader: Reader | Transactor, { from, to }: NameChange): Promise<CountingProject[]> {
  return without(await projectsAbove(reader, from), await projectsAbove(reader, to))
}

/**
 * The projects above the present name that are not above the other one: their networks, grants, quotas and rules hold in the project until it goes away from
 * under them, so that takes the right to change each of them.
 */
export async function projectsLost(
  { metadata }: Pick<ProjectParts, 'metadata'>,
  change: NameChange,
): Promise<readonly { readonly id: number; readonly name: string }[]> {
  return await lostIn(metadata.reader, change)
}

/** Whether other policies and immutable tag rules than before may hold in it: those above its name, and globs that do not follow it. */
async function losesKeepers(tx: Transactor, project: ProjectRecord, { from, to }: NameChange): Promise<boolean> {
  const above = [...(await projectsAbove(tx, from)), ...(await projectsAbove(tx, to))]
  return above.length > 0 || (await hasLooseGlobs(tx, project))
}

/** What is in the project, which stays its own, counts in other projects above it. */
async function countElsewhere(tx: Transactor, projectId: number, { from, to }: NameChange): Promise<void> {
  const [before, after] = [await projectsAbove(tx, from), await projectsAbove(tx, to)]
  const [lost, gained] = [without(before, after), without(after, before)]
  if (lost.length + gained.length === 0) return
  await moveUsage(tx, { repositoryIds: await repositoriesWithin(tx, { id: projectId, name: to }), lost, gained })
}

async function requirePossible(tx: Transactor, project: ProjectRecord, { from, to }: NameChange): Promise<void> {
  if (project.isDefault) throw impossible('the default project keeps its name: its repositories have none of it in theirs')
  if (isBelow(to, from) || isBelow(from, to))
    throw impossible('a project cannot get a name below or above its own: rename it to another first')
  const longer = to.length - from.length
  const isTooLong =
    (await longestNameBelow(tx, 'repositories', from)) + longer > repositoryNameMaxLength ||
    (await longestNameBelow(tx, 'projects', from)) + longer > projectNameMaxLength
  if (isTooLong) throw impossible('names below the project would become too long: choose a shorter one')
}

/** Nothing may lie at the name or below it, and a redirect only with the right to take it. Gives what ends and was another's. */
async function takeName(tx: Transactor, { from, to }: NameChange, mayTake: readonly Taking[] | undefined): Promise<readonly string[]> {
  const claim = await claimOf(tx, to, { from })
  if (claim.isTaken || (await hasRepositoriesBelow(tx, to)) || (await projectsBelow(tx, to, 1)).length > 0) throw nameNotFree()
  requireTakings(claim, mayTake)
  await endRedirects(tx, claim)
  return claim.ending.filter(({ name }) => name !== from && !isBelow(name, from)).map(({ oldName }) => oldName)
}

async function moveRedirects(tx: Transactor, change: NameChange, now: number): Promise<void> {
  await retargetRedirects(tx, 'project', change)
  await retargetRedirectsBelow(tx, change)
  // What led to the former name from elsewhere may lead to the new one from itself.
  await deleteRedirect(tx, 'project', change.to)
  await putRedirect(tx, { kind: 'project', oldName: change.from, name: change.to, now })
}

function impossible(message: string): RegistryError {
  return new RegistryError('CONFLICT', undefined, { message })
}

/** Throws RESOURCE_UNKNOWN, PRECONDITION_FAILED, REQUEST_INVALID for a malformed name, CONFLICT for one that cannot be had. */
export async function renameProject({ metadata, ports }: ProjectParts, change: ProjectRename, who: Who): Promise<RenamedProject> {
  if (parseProjectName(change.name) === undefined) throw invalidProjectName()
  return await metadata.write(rename, { ...change, who, now: ports.clock.now() })
}
