/** One server with real rows: four projects with one thing of each kind, and somebody of each kind. */
import { createGrant } from '#access/grants.ts'
import { addGroupMember, createGroup } from '#access/groups.ts'
import { createPersonalToken } from '#access/personal-tokens.ts'
import { createRobot } from '#access/robots.ts'
import { createRole } from '#access/roles.ts'
import { createUser } from '#access/users.ts'
import { builtInRoles, type Permission } from '#api/permissions.ts'
import { createLabel } from '#projects/labels.ts'
import { createProject } from '#projects/create-project.ts'
import { pushImage, registryClient, type Descriptor, type RegistryClient } from '../support/registry-client.ts'
import { serveRooms, type ServedRooms } from '../support/serve-rooms.ts'
import { permissionsOfRole, type NaiveRights } from './naive-rights.ts'

/** A project with what is in it. */
export interface Place {
  readonly name: string
  readonly isPublic: boolean
  readonly repository: string
  readonly digest: string
  readonly descriptor: Descriptor
  readonly blob: string
  readonly manifest: Buffer
  readonly grant: number
  readonly robot: number
  readonly label: number
}

/** Somebody with a credential, and what the scene gave them. */
export interface Actor {
  readonly name: string
  readonly authorization: string | undefined
  readonly rights: NaiveRights
  /** The password of whose token it is. */
  readonly ownerAuthorization?: string | undefined
  /** Ids of what is their own. */
  readonly userId?: number
}

export interface Scene extends AsyncDisposable {
  readonly rooms: ServedRooms
  readonly admin: RegistryClient
  readonly adminAuthorization: string
  readonly places: readonly Place[]
  readonly actors: readonly Actor[]
  readonly spare: {
    readonly authorization: string | undefined
    readonly user: number
    readonly group: number
    readonly grant: number
    readonly robot: number
    readonly label: number
  }
}

const who = { actor: 'scene', requestId: 'scene' }
const byAdministrator = { who, rights: { isAdministrator: true, rights: [] } }
const password = 'correct horse battery'

function basic(name: string, secret: string): string {
  return `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`
}

async function addUser({ accounts }: ServedRooms, name: string, isAdministrator = false): Promise<Actor> {
  const { id } = await createUser(accounts, { name, displayName: '', email: '', isAdministrator, password }, byAdministrator)
  return { name, authorization: basic(name, password), rights: { isAdministrator, grants: [] }, userId: id }
}

async function factsOf({ access }: ServedRooms, name: string) {
  const facts = await access.project(name)
  if (facts === undefined) throw new Error(`there is no project ${name}`)
  return facts
}

async function addPlace(rooms: ServedRooms, client: RegistryClient, name: string, isPublic: boolean): Promise<Place> {
  await createProject(rooms.accounts, { name, isPublic }, who)
  const project = await factsOf(rooms, name)
  const repository = `${name}/app`
  const image = await pushImage(client, repository, 'latest')
  const manifest = image.bytes
  const bystander = await addUser(rooms, `bystander-${name.replaceAll('/', '-')}`)
  const subject = { kind: 'user', id: bystander.userId } as const
  const grant = await createGrant(
    rooms.accounts,
    { subject, role: 'limited-guest', project, repositories: null, expiresAt: null },
    byAdministrator,
  )
  const robot = await makeRobot(rooms, { name: 'spare', project: name, role: 'limited-guest' })
  const label = await createLabel(rooms.accounts, { projectId: project.id, name: 'mark', color: '#123456', description: '' }, who)
  const blob = image.layers[0]?.digest ?? ''
  return {
    name,
    isPublic,
    repository,
    digest: image.descriptor.digest,
    descriptor: image.descriptor,
    blob,
    manifest,
    grant: grant.id,
    robot: robot.id,
    label: label.id,
  }
}

async function makeRobot(rooms: ServedRooms, wanted: { name: string; project: string | undefined; role: string }) {
  const project = wanted.project === undefined ? undefined : await factsOf(rooms, wanted.project)
  const made = await createRobot(
    rooms.accounts,
    {
      name: wanted.name,
      project,
      description: '',
      allowedAddresses: [],
      expiresAt: null,
      grants: [{ role: wanted.role, project, repositories: null }],
      hasSecret: true,
    },
    byAdministrator,
  )
  return { id: made.robot.id, secret: made.secret ?? '' }
}

/** Somebody with the role on `team`, or on everything for roles about the system. */
async function addHolder(rooms: ServedRooms, role: string): Promise<Actor> {
  const user = await addUser(rooms, `has-${role}`)
  const isWide = role === 'system-reader'
  const subject = { kind: 'user', id: user.userId } as const
  const project = isWide ? undefined : await factsOf(rooms, 'team')
  await createGrant(rooms.accounts, { subject, role, project, repositories: null, expiresAt: null }, byAdministrator)
  return {
    ...user,
    name: role,
    rights: { grants: [{ permissions: permissionsOfRole(role), on: isWide ? 'everything' : { project: 'team' } }] },
  }
}

/** A developer of one repository alone. */
async function addOfOneRepository(rooms: ServedRooms): Promise<Actor> {
  const user = await addUser(rooms, 'of-one-repository')
  const grant = { subject: { kind: 'user', name: user.name }, role: 'maintainer', repositories: 'team/app', expiresAt: null } as const
  await createGrant(rooms.accounts, { ...grant, project: undefined }, byAdministrator)
  return { ...user, rights: { grants: [{ permissions: permissionsOfRole('maintainer'), on: { repository: 'team/app' } }] } }
}

/** A member of a group that is developer of `team`. */
async function addByGroup(rooms: ServedRooms): Promise<Actor> {
  const user = await addUser(rooms, 'by-group')
  const group = await createGroup(rooms.accounts, { name: 'developers', description: '' }, byAdministrator)
  await addGroupMember(rooms.accounts, { groupId: group.id, userId: user.userId ?? 0 }, byAdministrator)
  const grant = { subject: { kind: 'group', id: group.id }, role: 'developer', repositories: null, expiresAt: null } as const
  await createGrant(rooms.accounts, { ...grant, project: await factsOf(rooms, 'team') }, byAdministrator)
  return { ...user, rights: { grants: [{ permissions: permissionsOfRole('developer'), on: { project: 'team' } }] } }
}

/** Tokens that may pull from `team` and no more: of an administrator, and of the administrator of the project. */
async function addScopedToken(rooms: ServedRooms, owner: Actor, name: string): Promise<Actor> {
  const permissions: readonly Permission[] = ['project:read', 'repository:read', 'repository:pull']
  const principal = await rooms.access.authenticate({ authorization: owner.authorization, address: '127.0.0.1', requestId: 'scene' })
  const scopes = [{ permissions, project: await factsOf(rooms, 'team'), repositories: null }]
  const { secret } = await createPersonalToken(rooms.accounts, { name, scopes, expiresAt: null }, { principal, who })
  return {
    ...owner,
    name,
    authorization: basic('', secret),
    ownerAuthorization: owner.authorization,
    rights: { ...owner.rights, limit: { permissions, on: { project: 'team' } } },
  }
}

async function addRobot(rooms: ServedRooms, role: string): Promise<Actor> {
  const { secret } = await makeRobot(rooms, { name: `has-${role}`, project: 'team', role })
  const rights = { grants: [{ permissions: permissionsOfRole(role), on: { project: 'team' } }] }
  return { name: `robot ${role}`, authorization: basic(`robot-has-${role}@team`, secret), rights }
}

/** Listens on a port of the kernel's choice; everything is in memory. */
export async function makeScene(): Promise<Scene> {
  await using stack = new AsyncDisposableStack()
  const auth = { kind: 'accounts', realm: 'berth' } as const
  const rooms = stack.use(await serveRooms({ auth, storage: { deleteEnabled: true } }, { memory: true }))
  const administrator = await addUser(rooms, 'root', true)
  const adminAuthorization = administrator.authorization ?? ''
  const admin = registryClient(rooms.url, { authorization: adminAuthorization })
  const places: Place[] = []
  for (const [name, isPublic] of [
    ['team', false],
    ['team/web', false],
    ['other', false],
    ['open', true],
  ] as const) {
    places.push(await addPlace(rooms, admin, name, isPublic))
  }
  const holders: Actor[] = []
  for (const { name } of builtInRoles) holders.push(await addHolder(rooms, name))
  const projectAdmin = holders.find(({ name }) => name === 'project-admin') ?? administrator
  const actors: Actor[] = [
    { name: 'anonymous', authorization: undefined, rights: { isAnonymous: true, grants: [] } },
    { ...(await addUser(rooms, 'nobody')), name: 'signed in' },
    administrator,
    ...holders,
    await addOfOneRepository(rooms),
    await addByGroup(rooms),
    await addScopedToken(rooms, administrator, 'scoped token of an administrator'),
    await addScopedToken(rooms, projectAdmin, 'scoped token of a project-admin'),
    await addRobot(rooms, 'developer'),
    await addRobot(rooms, 'project-admin'),
  ]
  const spare = await addSpares(rooms)
  await addProvider(rooms, adminAuthorization)
  const kept = stack.move()
  return { rooms, admin, adminAuthorization, places, actors, spare, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

async function addSpares(rooms: ServedRooms): Promise<Scene['spare']> {
  const { accounts } = rooms
  const { userId: user = 0, authorization } = await addUser(rooms, 'spare')
  const group = await createGroup(accounts, { name: 'spare', description: '' }, byAdministrator)
  await createRole(accounts, { name: 'spare', title: '', description: '', permissions: [] }, byAdministrator)
  const grant = {
    subject: { kind: 'group', id: group.id },
    role: 'guest',
    project: undefined,
    repositories: 'nothing/**',
    expiresAt: null,
  } as const
  const made = await createGrant(accounts, grant, byAdministrator)
  const robot = await makeRobot(rooms, { name: 'spare', project: undefined, role: 'limited-guest' })
  const label = await createLabel(accounts, { projectId: null, name: 'spare', color: '#123456', description: '' }, who)
  return { authorization, user, group: group.id, grant: made.id, robot: robot.id, label: label.id }
}

/** By the route itself: what a provider needs is the API's to know. */
async function addProvider({ url }: ServedRooms, authorization: string): Promise<void> {
  const body = JSON.stringify({ name: 'spare', kind: 'workload', settings: { issuer: 'https://ci.example' } })
  const answer = await fetch(`${url}api/v1/providers`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body,
  })
  if (answer.status !== 201) throw new Error(`no provider: ${answer.status} ${await answer.text()}`)
}
