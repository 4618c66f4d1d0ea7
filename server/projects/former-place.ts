/**
 * Whether what comes back from the trash would be in the hands that it was in. Under a name that nobody said it comes back nowhere else: others may have made
 * a project around its name meanwhile, and their rights there are rights on whatever is in it.
 */
import { isHiddenName } from '#metadata/hidden-repositories.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { findProjectById, findProjectByName } from '#metadata/projects.ts'
import { parentOfTrashed, type TrashRecord } from '#metadata/trash.ts'
import { projectsAbove } from '#metadata/usage-place.ts'
import { RegistryError } from '#oci/errors.ts'

type Parent = TrashRecord['parent']

/** The project nearest above one: of one that is itself in the trash the one that was above it then. */
export async function outerOf(reader: Reader | Transactor, { id, name }: NonNullable<Parent>): Promise<Parent> {
  const [above] = await projectsAbove(reader, name)
  return above ?? (isHiddenName(name) ? await parentOfTrashed(reader, id) : undefined)
}

/** More deletions, one around the other, than anyone undoes. */
const stepsMax = 100

/**
 * Whether the project nearest above a name, undefined for none, is the one that was above a deleted project. Where that was deleted since, the one around it
 * does as well, or none: nobody has a right there who had none before.
 */
export async function isFormerParent(reader: Reader | Transactor, parent: Parent, nearest: number | undefined): Promise<boolean> {
  let former = parent
  for (let step = 0; step < stepsMax && former !== undefined; step++) {
    if (former.id === nearest) return true
    if (!isHiddenName(former.name)) return false
    former = await outerOf(reader, former)
  }
  return former === undefined && nearest === undefined
}

/** Throws CONFLICT unless a deleted project would be below the same one as before under the name that it had. */
export async function requireFormerParent(reader: Reader | Transactor, row: TrashRecord): Promise<void> {
  const [above] = await projectsAbove(reader, row.project)
  if (await isFormerParent(reader, row.parent, above?.id)) return
  if (above === undefined)
    throw refused(row.id, row.project, 'the project that it was below has another name by now, and it would come back outside of it')
  throw inOtherHands(row.id, row.project, await takenPlace(reader, above.name))
}

/** Where a deleted repository would come back. */
interface RepositoryPlace {
  readonly to: string
  readonly projectId: number
}

/** Throws CONFLICT unless a deleted repository would be in the project that it was in, under the name that it had. */
export async function requireFormerProject(
  reader: Reader | Transactor,
  row: Pick<TrashRecord, 'id' | 'projectId' | 'repository'>,
  { to, projectId }: RepositoryPlace,
): Promise<void> {
  if (to === row.repository && projectId === row.projectId) return
  // Where a name leads is for those to know who may see what is there.
  const isLed = to !== row.repository
  const owner = isLed ? undefined : await findProjectById(reader, projectId)
  const place = owner === undefined ? 'its name leads elsewhere by now' : await takenPlace(reader, owner.name)
  throw inOtherHands(row.id, row.repository, place)
}

async function takenPlace(reader: Reader | Transactor, name: string): Promise<string> {
  const project = await findProjectByName(reader, name)
  return `${name} is another project by now${project === undefined ? '' : `, made ${new Date(project.createdAt).toISOString()}`}`
}

function inOtherHands(id: number, name: string, place: string): RegistryError {
  return refused(id, name, `${place}: whoever has a role there would have it on what comes back`)
}

function refused(id: number, name: string, why: string): RegistryError {
  const message = `${why}. Restore it under another name, or say this one to have it there all the same: berth trash restore ${id} ${name}`
  return new RegistryError('CONFLICT', undefined, { message })
}
