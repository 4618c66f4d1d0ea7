/** What a person may do in a project, all grants taken together: for who administers it. */
import { allPermissions, levelOf, type Permission } from '#api/permissions.ts'
import { canMatchBelow } from '#metadata/repository-glob.ts'
import { findUser } from '#metadata/users.ts'
import { findUserFacts } from '#metadata/account-facts.ts'
import { RegistryError } from '#oci/errors.ts'
import { decide, type ProjectFacts, type Right, type Rights } from './decide.ts'
import type { Directory } from './directory.ts'
import { nameStartOf } from './grants-there.ts'
import { RightsBook } from './rights.ts'

/** Permissions on repositories by glob. */
export interface GlobPermissions {
  readonly repositories: string
  readonly permissions: readonly Permission[]
  /** Milliseconds since the epoch; undefined: without end. */
  readonly expiresAt: number | undefined
}

/** A disabled account may do nothing, whatever stands here. */
export interface EffectivePermissions {
  readonly user: { readonly id: number; readonly name: string; readonly isAdministrator: boolean; readonly isDisabled: boolean }
  /** On the project and all repositories in it. */
  readonly permissions: readonly Permission[]
  /** On some of its repositories besides. */
  readonly repositories: readonly GlobPermissions[]
}

const ofProjects = allPermissions.filter((permission) => levelOf(permission) !== 'system')
/** Nothing is remembered beyond the one question. */
const oneQuestion = { current: () => Promise.resolve(0) }

/** Throws REQUEST_INVALID when there is no account of that name. What is public counts. */
export async function effectivePermissions(
  { metadata: { reader }, ports }: Pick<Directory, 'metadata' | 'ports'>,
  project: ProjectFacts,
  name: string,
): Promise<EffectivePermissions> {
  const named = await findUser(reader, name)
  const user = named && (await findUserFacts(reader, { id: named.id }))
  if (user === undefined) {
    const message = `there is no user ${name}`
    throw new RegistryError('REQUEST_INVALID', [{ path: 'query/user', message }], { message })
  }
  const now = ports.clock.now()
  const rights: Rights = { isAdministrator: user.isAdmin, rights: await new RightsBook(reader, oneQuestion).ofUser(user.id) }
  const target = { kind: 'project', project } as const
  const permissions = ofProjects.filter((permission) => decide(rights, permission, target, now))
  const { id, isAdmin: isAdministrator, isDisabled } = user
  return {
    user: { id, name: user.name, isAdministrator, isDisabled },
    permissions,
    repositories: isAdministrator ? [] : rights.rights.flatMap((right) => byGlob(right, project, now)),
  }
}

function byGlob({ permissions, scope, expiresAt }: Right, project: ProjectFacts, now: number): readonly GlobPermissions[] {
  if (scope.kind !== 'repositories' || (expiresAt !== undefined && expiresAt <= now)) return []
  if (scope.projectId !== undefined && !project.lineage.includes(scope.projectId)) return []
  if (!canMatchBelow(scope.glob, nameStartOf(project))) return []
  // A right by glob is never one on the project itself.
  const held = ofProjects.filter((permission) => levelOf(permission) === 'repository' && permissions.has(permission))
  return [{ repositories: scope.text, permissions: held, expiresAt }]
}
