/**
 * Who answers at the name that a project is to get.
 *
 * Repositories may lie below it already (of the project above it, or of the default project), or it may lead to a renamed project whose clients
 * still use it. Whoever takes such a name must be allowed to change the project that answers there now; everyone else is told the same as for a name
 * that is a project: that it is not free. So nobody learns what is there, and nobody gets hold of another's clients.
 */
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { isBelow } from '#metadata/name-prefixes.ts'
import { resolveProjectName } from '#metadata/name-redirects.ts'
import { findProjectByName, hasRepositoriesBelow, type ProjectRow } from '#metadata/projects.ts'
import { projectsAbove } from '#metadata/usage-place.ts'
import { RegistryError } from '#oci/errors.ts'
import { ownerOf } from './find-project.ts'
import type { ProjectParts } from './projects.ts'

/** What is at a name. */
export interface NameClaim {
  /** A project of that name. */
  readonly isTaken: boolean
  /** Its redirect leads elsewhere. */
  readonly isRedirected: boolean
  /** Taking the name takes something from {@link owner}: repositories, or a redirect. */
  readonly isHeld: boolean
  /** The project that repositories below the name belong to now. */
  readonly owner: ProjectRow
}

/** Looks at a name, inside a transaction or before it. */
export async function claimOf(reader: Reader | Transactor, name: string): Promise<NameClaim> {
  const isTaken = (await findProjectByName(reader, name)) !== undefined
  const resolved = await resolveProjectName(reader, name)
  const isRedirected = resolved !== name
  const owner = await ownerOf(reader, `${resolved}/x`)
  return { isTaken, isRedirected, isHeld: isRedirected || (await hasRepositoriesBelow(reader, name, owner.id)), owner }
}

/** The same before a transaction: whom to ask for the right. */
export async function readNameClaim({ metadata }: Pick<ProjectParts, 'metadata'>, name: string): Promise<NameClaim> {
  return await claimOf(metadata.reader, name)
}

/** The project above one of that name, the default project where there is none; and whether the default project is really above it. */
export async function readParent(
  { metadata }: Pick<ProjectParts, 'metadata'>,
  name: string,
): Promise<{ readonly id: number; readonly name: string; readonly isAbove: boolean }> {
  const owner = await ownerOf(metadata.reader, name)
  return { id: owner.id, name: owner.name, isAbove: isBelow(name, owner.name) }
}

/** The projects above a name, in whose hands whatever gets it comes. */
export async function idsAbove({ metadata }: Pick<ProjectParts, 'metadata'>, name: string): Promise<readonly number[]> {
  return (await projectsAbove(metadata.reader, name)).map(({ id }) => id)
}

/** Inside the transaction: throws CONFLICT where a project is above the name by now that was not when the caller's right was judged. */
export async function requireKnownAbove(tx: Transactor, name: string, known: readonly number[] | undefined): Promise<void> {
  if (known === undefined) return
  if ((await projectsAbove(tx, name)).every(({ id }) => known.includes(id))) return
  throw new RegistryError('CONFLICT', undefined, { message: 'the projects above it have just changed: try again' })
}

/** The refusal of a name, the same whatever is there. */
export function nameNotFree(): RegistryError {
  return new RegistryError('CONFLICT', undefined, { message: 'this name is not free: choose another, or ask an administrator' })
}
