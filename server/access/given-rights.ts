/** What a grant gives, seen as something to be held by whoever gives, changes or takes it. */
import { prefixesOf } from '#metadata/name-prefixes.ts'
import { grantsOfSubject, type GrantRecord } from '#metadata/grants.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { projectsNamedOrDefault } from '#metadata/projects.ts'
import { requireProved, type Unproved } from './acting.ts'
import { firstNotHeld } from './coverage.ts'
import type { Rights } from './decide.ts'
import { findRole, notHeld } from './roles.ts'

/** The part of a grant that says what it gives. */
export type GivenRights = Pick<GrantRecord, 'role' | 'projectId' | 'project' | 'repositories' | 'expiresAt'>

/** The project's own id and those of the projects that its name lies below. */
async function lineageOf(reader: Reader | Transactor, projectId: number, name: string): Promise<readonly number[]> {
  const above = prefixesOf(name)
  const projects = await projectsNamedOrDefault(reader, above)
  return [projectId, ...projects.filter((project) => above.includes(project.name)).map(({ id }) => id)]
}

/** Throws DENIED when the rights lack anything of what the grant gives, anywhere in its range or sooner than it ends. A role that is gone gives nothing. */
export async function requireHeld(reader: Reader | Transactor, rights: Rights, given: GivenRights, nowMs: number): Promise<void> {
  if (rights.isAdministrator && rights.limits === undefined) return
  const role = await findRole(reader, given.role)
  if (role === undefined) return
  const { projectId, project, repositories, expiresAt } = given
  const lineage = projectId === null || project === null ? undefined : await lineageOf(reader, projectId, project)
  const missing = firstNotHeld(rights, role.permissions, { lineage, repositories, expiresAt }, nowMs)
  if (missing !== undefined) throw notHeld(missing)
}

/** Who gives, and when. */
export interface Giver {
  readonly rights: Rights
  readonly unproved?: Unproved | undefined
  readonly at: number
}

/** More grants than that are read of nobody. */
const grantsReadMax = 1_000

/** Before somebody comes to use what these have: throws ELEVATION_REQUIRED when that holds what takes a fresh proof of the person. */
export async function requireProvedUse(
  tx: Transactor,
  unproved: Unproved | undefined,
  subjects: readonly GrantRecord['subject'][],
): Promise<void> {
  if (unproved === undefined) return
  for (const subject of subjects) {
    for (const { role } of await grantsOfSubject(tx, subject, grantsReadMax)) {
      requireProved(unproved, (await findRole(tx, role))?.permissions ?? [])
    }
  }
}

/** Throws DENIED for what the giver does not hold, ELEVATION_REQUIRED for what takes a fresh proof of the person that the giver's session has not. */
export async function requireGivable(reader: Reader | Transactor, giver: Giver, given: GivenRights): Promise<void> {
  await requireHeld(reader, giver.rights, given, giver.at)
  if (giver.unproved === undefined) return
  requireProved(giver.unproved, (await findRole(reader, given.role))?.permissions ?? [])
}
