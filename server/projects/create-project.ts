/** Making a project. */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { insertGrant } from '#metadata/grants.ts'
import { deleteForeignLabels } from '#metadata/labels.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { insertProject, projectsBelow, reassignRepositoriesBelow, type ProjectRecord } from '#metadata/projects.ts'
import { insertQuota } from '#metadata/quotas.ts'
import { readSystemSettings } from '#metadata/system-settings.ts'
import { moveUsage, repositoriesDirectlyIn, repositoriesWithin, without } from '#metadata/usage-moves.ts'
import { projectAndAbove, projectsAbove } from '#metadata/usage-place.ts'
import { RegistryError } from '#oci/errors.ts'
import { ownerOf } from './find-project.ts'
import { claimOf, endedDetail, endRedirects, nameNotFree, requireTakings, type Taking } from './name-claim.ts'
import { parseProjectName, projectNameMaxLength } from './project-name.ts'
import { projectAfter, type ProjectParts } from './projects.ts'

/** Who gets the project: an account with a row, which a grant can name. */
export interface ProjectOwner {
  readonly kind: 'user' | 'robot'
  readonly id: number
}

/** What a project is made of. */
export interface NewProject {
  readonly name: string
  readonly description?: string | undefined
  readonly isPublic?: boolean | undefined
  /** Becomes its administrator; nobody does when it is left out. */
  readonly owner?: ProjectOwner | undefined
  /** What may be taken with the name: that the caller has the rights is checked. */
  readonly mayTake?: readonly Taking[] | undefined
  /** Ids of projects below the name, whose administrator the owner becomes too: that the caller is it already is checked. */
  readonly mayEnclose?: readonly number[] | undefined
}

/** More projects below one name are enclosed by nobody. */
const enclosedMax = 1_000

/** The projects that one of that name would lie above. */
export async function projectsEnclosed(
  { metadata }: Pick<ProjectParts, 'metadata'>,
  name: string,
): Promise<readonly { readonly id: number; readonly name: string }[]> {
  return await projectsBelow(metadata.reader, name, enclosedMax)
}

/** The role that the creator gets. */
const creatorRole = 'project-admin'

/** A project, and what led on from its name or below it until now. */
export interface CreatedProject extends ProjectRecord {
  readonly endedNames: readonly string[]
}

interface Creation extends NewProject {
  readonly who: Who
  readonly now: number
}

const create = accessTransaction(import.meta.url, 'create-project/create', async (tx, input: Creation): Promise<CreatedProject> => {
  const { name, who, now: at } = input
  const claim = await claimOf(tx, name)
  if (claim.isTaken) throw nameNotFree()
  requireTakings(claim, input.mayTake)
  // Who makes a project above others would come to administer them.
  const enclosed = await projectsBelow(tx, name, enclosedMax + 1)
  if (enclosed.some((project) => input.mayEnclose?.includes(project.id) !== true)) throw nameNotFree()
  const above = await ownerOf(tx, name)
  const { description, isPublic } = input
  const id = await insertProject(tx, { name, at, description, isPublic, createdBy: who.actor })
  if (id === 'exists') throw nameNotFree()
  const endedNames = await endRedirects(tx, claim)
  const repositories = await reassignRepositoriesBelow(tx, name, { fromProject: above.id, toProject: id })
  if (repositories > 0) await deleteForeignLabels(tx, { below: name })
  await countContents(tx, { id, name }, above.name)
  // After its contents: what was there before the limit stays.
  const { defaultQuota } = (await readSystemSettings(tx)).settings
  if (defaultQuota !== null) await insertQuota(tx, id, { limits: defaultQuota, now: at })
  const detail = { isPublic: isPublic === true, repositories, ...endedDetail(endedNames) }
  await recordEvent(tx, { action: 'project.created', target: `project:${name}`, project: name, detail, at, ...who })
  await grantToCreator(tx, id, input)
  return { ...(await projectAfter(tx, id)), endedNames }
})

/** What lies below the name counts in the project from now on, and what it took from the one above no longer there, unless that is above it still. */
async function countContents(tx: Transactor, project: { readonly id: number; readonly name: string }, above: string): Promise<void> {
  const repositoryIds = await repositoriesWithin(tx, project)
  await moveUsage(tx, { repositoryIds, lost: [], gained: [{ ...project, quota: undefined }] })
  const lost = without(await projectAndAbove(tx, above), await projectsAbove(tx, project.name))
  if (lost.length > 0) await moveUsage(tx, { repositoryIds: await repositoriesDirectlyIn(tx, project.id), lost, gained: [] })
}

async function grantToCreator(tx: Transactor, projectId: number, { owner, name, who, now: at }: Creation): Promise<void> {
  if (owner === undefined) return
  const where = { projectId, repositories: null, expiresAt: null }
  const grantId = await insertGrant(tx, { subject: owner, role: creatorRole, ...where, createdBy: who.actor, at })
  const detail = { subject: `${owner.kind}:${owner.id}`, role: creatorRole }
  await recordEvent(tx, { action: 'grant.created', target: `grant:${grantId}`, project: name, detail, at, ...who })
}

/**
 * Makes the project and gives it to its owner. Repositories whose names fall below it and that belonged to the project above are the new one's from
 * then on. Throws REQUEST_INVALID for a malformed name, CONFLICT for one that is not free.
 */
export async function createProject({ metadata, ports }: ProjectParts, project: NewProject, who: Who): Promise<CreatedProject> {
  if (parseProjectName(project.name) === undefined) throw invalidProjectName()
  return await metadata.write(create, { ...project, who, now: ports.clock.now() })
}

/** The refusal of a malformed name. */
export function invalidProjectName(): RegistryError {
  const message = `a project's name is made of lower-case letters and digits, with . _ - between them and / between its parts; ${projectNameMaxLength} characters at most`
  return new RegistryError('REQUEST_INVALID', { path: 'name' }, { message })
}
