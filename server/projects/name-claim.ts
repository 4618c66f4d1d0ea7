/**
 * Who answers at the name that a project is to get.
 *
 * Repositories may lie below it already (of the project above it, or of the default project), or names may lead on to where clients still find what
 * was there: from it, from above it, from below it. Whoever takes such a name must be allowed to change the projects that answer there now, and to delete in the
 * one whose repositories come along; everyone else is told the same as for a name that is a project: that it is not free. So nobody learns what is
 * there, and nobody gets hold of another's clients. What led on from the name or below it ends when it is taken, so that a former name captures nothing of
 * who has it now. Kept is what leads to the project itself, and what was let go from below the name by who had it and gets it back.
 */
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { isBelow } from '#metadata/name-prefixes.ts'
import { deleteRedirect, redirectsUnder, resolveProjectName, type NameRedirect } from '#metadata/name-redirects.ts'
import { findProjectByName, hasRepositoriesBelow, type ProjectRow } from '#metadata/projects.ts'
import { repositoryIdIn } from '#metadata/repositories.ts'
import { projectsAbove } from '#metadata/usage-place.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { ownerOf } from './find-project.ts'
import type { ProjectParts } from './projects.ts'

/** What taking a name takes from a project, by the permission that it demands there: a redirect, or repositories. */
export interface Taking {
  readonly projectId: number
  readonly permission: 'project:update' | 'project:delete'
}

/** What is at a name, for who is to get it. */
export interface NameClaim {
  /** By a project of that name, or because more leads on from below it than can be looked at. */
  readonly isTaken: boolean
  /** What it takes from others, with the present names of the projects. */
  readonly takings: readonly (Taking & { readonly project: string })[]
  /** What led on from the name or below it, and ends with it. */
  readonly ending: readonly NameRedirect[]
}

/** Who gets the name: a project that is there or in the trash. */
export interface NameHolder {
  /** Its present name, which nobody can write while it is in the trash. */
  readonly from: string
  /** It had the name until then: what was led on before it went is its own doing. Milliseconds. */
  readonly until?: number | undefined
}

/** More former names below one name than anyone has: such a name is taken by nobody. */
const redirectsMax = 1_000

/** Looks at a name, inside a transaction or before it. */
export async function claimOf(reader: Reader | Transactor, name: string, holder?: NameHolder): Promise<NameClaim> {
  const found = await redirectsUnder(reader, name, redirectsMax)
  const isTaken = found.length === redirectsMax || (await findProjectByName(reader, name)) !== undefined
  if (isTaken) return { isTaken, takings: [], ending: [] }
  const takings = new Map<string, Taking & { readonly project: string }>()
  const take = ({ id, name: project }: ProjectRow, permission: Taking['permission']) =>
    takings.set(`${permission} ${id}`, { projectId: id, permission, project })
  const above = await ownerOf(reader, `${name}/x`)
  if (await hasRepositoriesBelow(reader, name, above.id)) take(above, 'project:delete')
  const resolved = await resolveProjectName(reader, name)
  if (resolved !== name && !isWithin(resolved, holder?.from)) take(await ownerOf(reader, `${resolved}/x`), 'project:update')
  const ending = await endingOf(reader, found, { name, holder, resolved })
  for (const redirect of ending) {
    if (isOwn(redirect, { name, holder })) continue
    take(await ownerOf(reader, redirect.kind === 'project' ? `${redirect.name}/x` : redirect.name), 'project:update')
  }
  return { isTaken, takings: [...takings.values()], ending }
}

interface Claiming {
  readonly name: string
  readonly holder: NameHolder | undefined
}

/** All but what leads to the project itself, and what was let go by who had the name and gets it back; of that, what would hide something of the project. */
async function endingOf(
  reader: Reader | Transactor,
  found: readonly NameRedirect[],
  { name, holder, resolved }: Claiming & { readonly resolved: string },
): Promise<NameRedirect[]> {
  const { from, until } = holder ?? {}
  const isSettled = ({ createdAt }: NameRedirect) => (until === undefined ? resolved === from : createdAt < until)
  const ending: NameRedirect[] = []
  for (const redirect of found) {
    const mayStay = isOwn(redirect, { name, holder }) || isSettled(redirect)
    if (!mayStay || (await capturesOf(reader, redirect, { name, holder }))) ending.push(redirect)
  }
  return ending
}

function isOwn(redirect: NameRedirect, { name, holder }: Claiming): boolean {
  return isWithin(redirect.name, name) || isWithin(redirect.name, holder?.from)
}

function isWithin(name: string, prefix: string | undefined): boolean {
  return prefix !== undefined && (name === prefix || isBelow(name, prefix))
}

/** Whether something of the project that gets the name would lie where the redirect leads away. */
async function capturesOf(reader: Reader | Transactor, { kind, oldName }: NameRedirect, { name, holder }: Claiming): Promise<boolean> {
  if (holder === undefined) return false
  const there = holder.from + oldName.slice(name.length)
  if (kind === 'repository') return (await repositoryIdIn(reader, there as RepositoryName)) !== undefined
  return (await hasRepositoriesBelow(reader, there)) || (await findProjectByName(reader, there)) !== undefined
}

/** Throws CONFLICT unless the caller may take all that the name takes from others. */
export function requireTakings({ takings }: NameClaim, may: readonly Taking[] | undefined): void {
  const isAllowed = ({ projectId, permission }: Taking) =>
    may?.some((each) => each.projectId === projectId && each.permission === permission) === true
  if (!takings.every(isAllowed)) throw nameNotFree()
}

/** What {@link claimOf} says ends, ends. Gives the names, for the record. */
export async function endRedirects(tx: Transactor, { ending }: Pick<NameClaim, 'ending'>): Promise<readonly string[]> {
  for (const { kind, oldName } of ending) await deleteRedirect(tx, kind, oldName)
  return ending.map(({ oldName }) => oldName)
}

/** So many ended names are told: the record, and the answer. */
const toldMax = 20

/** The member of a record's detail, absent where nothing ended. */
export function endedDetail(names: readonly string[]): { readonly endedNames?: readonly string[] } {
  return names.length === 0 ? {} : { endedNames: names.slice(0, toldMax) }
}

/** The same before a transaction: whom to ask for which right. */
export async function readNameClaim({ metadata }: Pick<ProjectParts, 'metadata'>, name: string, holder?: NameHolder): Promise<NameClaim> {
  return await claimOf(metadata.reader, name, holder)
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
