/** What a person or robot may do in a project, all grants taken together: for who administers it. */
import { allPermissions, levelOf, type Permission } from '#api/permissions.ts'
import { findUserFacts } from '#metadata/account-facts.ts'
import type { Reader } from '#metadata/metadata.ts'
import { canMatchBelow } from '#metadata/repository-glob.ts'
import { robotNamed } from '#metadata/robots.ts'
import { findUser } from '#metadata/users.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { decide, type ProjectFacts, type Right, type Rights } from './decide.ts'
import type { Directory } from './directory.ts'
import { nameStartOf } from './grants-there.ts'
import { RightsBook } from './rights.ts'
import { formatRobotName, parseRobotName } from './robot-name.ts'

/** Permissions on repositories by glob. */
export interface GlobPermissions {
  readonly repositories: string
  readonly permissions: readonly Permission[]
  /** Milliseconds since the epoch; undefined: without end. */
  readonly expiresAt: number | undefined
}

/** Who is asked about. */
export type EffectiveSubject = { readonly kind: 'user' | 'robot'; readonly name: string }

/** Who was found, and what they may. A disabled account may do nothing, whatever stands here. */
export interface EffectivePermissions {
  readonly subject: {
    readonly kind: EffectiveSubject['kind']
    readonly id: number
    readonly name: string
    readonly isAdministrator: boolean
    readonly isDisabled: boolean
  }
  /** On the project and all repositories in it; or on the one repository that was asked about. */
  readonly permissions: readonly Permission[]
  /** On some of its repositories besides; none where one was asked about. */
  readonly repositories: readonly GlobPermissions[]
}

/** Where it is asked; without a repository on the whole project. */
export interface EffectivePlace {
  readonly project: ProjectFacts
  readonly repository?: RepositoryName | undefined
}

const ofProjects = allPermissions.filter((permission) => levelOf(permission) !== 'system')
const ofRepositories = ofProjects.filter((permission) => levelOf(permission) === 'repository')
/** Nothing is remembered beyond the one question. */
const oneQuestion = { current: () => Promise.resolve(0) }

/** Throws REQUEST_INVALID when there is nobody of that name. What is public counts. */
export async function effectivePermissions(
  { metadata: { reader }, ports }: Pick<Directory, 'metadata' | 'ports'>,
  { project, repository }: EffectivePlace,
  wanted: EffectiveSubject,
): Promise<EffectivePermissions> {
  const book = new RightsBook(reader, oneQuestion)
  const subject = wanted.kind === 'user' ? await userNamed(reader, wanted.name) : await robotIn(reader, project, wanted.name)
  const { id, isAdministrator } = subject
  const rights: Rights = { isAdministrator, rights: await (wanted.kind === 'user' ? book.ofUser(id) : book.ofRobot(id)) }
  const now = ports.clock.now()
  if (repository !== undefined) {
    const target = { kind: 'repository', project, repository } as const
    return { subject, permissions: ofRepositories.filter((permission) => decide(rights, permission, target, now)), repositories: [] }
  }
  const target = { kind: 'project', project } as const
  return {
    subject,
    permissions: ofProjects.filter((permission) => decide(rights, permission, target, now)),
    repositories: isAdministrator ? [] : rights.rights.flatMap((right) => byGlob(right, project, now)),
  }
}

async function userNamed(reader: Reader, name: string): Promise<EffectivePermissions['subject']> {
  const named = await findUser(reader, name)
  const user = named && (await findUserFacts(reader, { id: named.id }))
  if (user === undefined) throw nobodyOf('user', name)
  const { id, isAdmin: isAdministrator, isDisabled } = user
  return { kind: 'user', id, name: user.name, isAdministrator, isDisabled }
}

/** A robot of another project can have no rights here, and whether there is one is not told. */
async function robotIn(reader: Reader, project: ProjectFacts, name: string): Promise<EffectivePermissions['subject']> {
  const login = parseRobotName(name)
  const robot = login && (await robotNamed(reader, login.name, login.project))
  const isHere = robot !== undefined && (robot.projectId === null || project.lineage.includes(robot.projectId))
  if (!isHere) throw nobodyOf('robot', name)
  const { id, isDisabled } = robot
  return { kind: 'robot', id, name: formatRobotName(robot), isAdministrator: false, isDisabled }
}

function nobodyOf(kind: EffectiveSubject['kind'], name: string): RegistryError {
  const message =
    kind === 'user'
      ? `there is no user ${name}: somebody of an htpasswd file, a directory or an identity provider signs in first`
      : `there is no robot ${name} that could have rights here`
  return new RegistryError('REQUEST_INVALID', [{ path: `query/${kind}`, message }], { message })
}

function byGlob({ permissions, scope, expiresAt }: Right, project: ProjectFacts, now: number): readonly GlobPermissions[] {
  if (scope.kind !== 'repositories' || (expiresAt !== undefined && expiresAt <= now)) return []
  if (scope.projectId !== undefined && !project.lineage.includes(scope.projectId)) return []
  if (!canMatchBelow(scope.glob, nameStartOf(project))) return []
  // A right by glob is never one on the project itself.
  const held = ofRepositories.filter((permission) => permissions.has(permission))
  return [{ repositories: scope.text, permissions: held, expiresAt }]
}
