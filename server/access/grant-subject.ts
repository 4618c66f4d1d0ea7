/** Whom a grant is for, found by id or by name: whoever administers a project knows people by name and may not list accounts. */
import type { GrantSubject } from '#metadata/grants.ts'
import { groupRecord } from '#metadata/groups.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { robotNamed, robotRecord, type RobotRecord } from '#metadata/robots.ts'
import { findUser, userRecord } from '#metadata/users.ts'
import { RegistryError } from '#oci/errors.ts'
import { groupMeant } from './group-meant.ts'
import { formatRobotName, parseRobotName } from './robot-name.ts'

/** As a caller says it: id or name, where there is one. A robot's name is the one that it logs in with, in either form; a group's may have its provider before it. */
export interface SubjectWanted {
  readonly kind: GrantSubject['kind']
  readonly id?: number | undefined
  readonly name?: string | undefined
}

/** Whom that is. */
export interface FoundSubject {
  readonly subject: GrantSubject
  /** `user:alice`, `everyone`: for the log. */
  readonly label: string
  /** The project that a robot is of. */
  readonly homeProjectId?: number | undefined
}

/** Throws REQUEST_INVALID when there is nobody of that id or name. */
export async function findSubject(tx: Transactor, wanted: SubjectWanted): Promise<FoundSubject> {
  const { kind } = wanted
  switch (kind) {
    case 'everyone':
    case 'signed-in':
      return { subject: { kind }, label: kind }
    case 'user':
      return found(wanted, await userOf(tx, wanted))
    case 'group':
      return found(wanted, await groupOf(tx, wanted))
    case 'robot':
      return await robotOf(tx, wanted)
  }
}

interface Named {
  readonly id: number
  readonly name: string
}

function found({ kind }: SubjectWanted, named: Named | undefined): FoundSubject {
  if (named === undefined || kind === 'everyone' || kind === 'signed-in') throw nobody(kind)
  return { subject: { kind, id: named.id }, label: `${kind}:${named.name}` }
}

async function userOf(tx: Transactor, { id, name }: SubjectWanted): Promise<Named | undefined> {
  if (id !== undefined) return await userRecord(tx, id)
  return name === undefined ? undefined : await findUser(tx, name)
}

async function groupOf(tx: Transactor, { id, name = '' }: SubjectWanted): Promise<Named | undefined> {
  const groupId = id ?? (await groupNamed(tx, name))
  return groupId === undefined ? undefined : await groupRecord(tx, groupId)
}

/** Throws REQUEST_INVALID with the names that would not be mistaken, where several could be meant. */
async function groupNamed(reader: Reader | Transactor, name: string): Promise<number | undefined> {
  const meant = await groupMeant(reader, name)
  if (meant.id !== undefined || meant.candidates.length === 0) return meant.id
  const [only] = meant.candidates
  const message =
    meant.candidates.length === 1
      ? `no directory has shown a group of this DN yet; if another provider's is meant, say so: ${only ?? ''}`
      : `several groups are called ${name}: say which one, ${meant.candidates.join(' or ')}`
  throw refusal(message)
}

async function robotOf(tx: Transactor, wanted: SubjectWanted): Promise<FoundSubject> {
  const robot = await robotWanted(tx, wanted)
  if (robot === undefined) throw nobody('robot')
  return { subject: { kind: 'robot', id: robot.id }, label: `robot:${formatRobotName(robot)}`, homeProjectId: robot.projectId ?? undefined }
}

async function robotWanted(tx: Transactor, { id, name = '' }: SubjectWanted): Promise<RobotRecord | undefined> {
  if (id !== undefined) return await robotRecord(tx, id)
  const login = parseRobotName(name)
  return login && (await robotNamed(tx, login.name, login.project))
}

/** The id of who has that name; undefined when it is nobody's. Throws REQUEST_INVALID for a name that several groups have. */
export async function idOfSubject(
  reader: Reader | Transactor,
  kind: 'user' | 'group' | 'robot',
  name: string,
): Promise<number | undefined> {
  if (kind === 'user') return (await findUser(reader, name))?.id
  if (kind === 'group') return await groupNamed(reader, name)
  const login = parseRobotName(name)
  return login && (await robotNamed(reader, login.name, login.project))?.id
}

/** The refusal for whom nobody is. A robot of a project cannot be granted to in others, where it is nobody too. */
export function nobody(kind: string): RegistryError {
  return refusal(`there is no ${kind} of this name or id${hints[kind] ?? ''}`)
}

const hints: Readonly<Record<string, string>> = {
  user: ': somebody of an htpasswd file, a directory or an identity provider signs in first',
  robot: ' here: a robot of a project gets roles in that project and those below it only',
  group:
    ': one of an identity provider is here once the first of its members has signed in, under the name that berth group list shows, or its DN',
}

function refusal(message: string): RegistryError {
  return new RegistryError('REQUEST_INVALID', [{ path: 'body/subject', message }], { message })
}
