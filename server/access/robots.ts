/**
 * Robot accounts: programs that sign in, of the whole system or of a project.
 *
 * The problem: whoever may make robots could make one that may more than themselves, or take over one that another made. The way: what a robot is given,
 * and all that it has when its state is changed in a way that lets somebody use it (a secret, a trust, enabling it), must be held by who does it, throughout
 * and for as long (given-rights.ts), in the transaction that writes. A robot of a project gets roles in that project and below it only.
 */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { withoutHostBits } from '#lib/address-rules.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { deleteGrantRow, grantsOfSubject, insertGrant, type GrantRecord } from '#metadata/grants.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import type { Page, PageRequest } from '#metadata/page.ts'
import {
  countRobotsWithAddresses,
  deleteRobotRow,
  insertRobot,
  listRobotRecords,
  robotRecord,
  updateRobotRow,
  type RobotChanges,
  type RobotFilter,
  type RobotInput,
  type RobotRecord,
  type RobotSort,
} from '#metadata/robots.ts'
import { insertToken } from '#metadata/tokens.ts'
import { RegistryError } from '#oci/errors.ts'
import { resourceUnknown } from '#oci/resource-unknown.ts'
import { requireVersion, type Acting } from './acting.ts'
import type { ProjectFacts } from './decide.ts'
import type { Directory } from './directory.ts'
import { requireGivable, requireHeld, type Giver } from './given-rights.ts'
import { parseNetwork } from './networks.ts'
import { withMakers, type MadeRobot } from './robot-makers.ts'
import { globFault } from './project-glob.ts'
import { formatRobotName, robotNamePattern } from './robot-name.ts'
import { findRole, hasSystemPermission } from './roles.ts'
import { makeToken, type NewToken } from './token-format.ts'

/** A role that a robot gets: on a project and below it, on repositories by glob, or on everything. */
export interface RobotGrant {
  readonly role: string
  readonly project: Pick<ProjectFacts, 'id' | 'name' | 'lineage' | 'isDefault'> | undefined
  readonly repositories: string | null
}

/** What a robot is made from. Instants are milliseconds. */
export interface NewRobot {
  readonly name: string
  /** Undefined: of the whole system. */
  readonly project: Pick<ProjectFacts, 'id' | 'name' | 'lineage'> | undefined
  readonly description: string
  readonly allowedAddresses: readonly string[]
  readonly expiresAt: number | null
  readonly grants: readonly RobotGrant[]
  /** Whether it gets a first secret; one that is trusted by its workload's own token needs none. */
  readonly hasSecret: boolean
}

/** A robot with what it may. */
export interface RobotDetails {
  readonly robot: MadeRobot
  readonly grants: readonly GrantRecord[]
}

/** Where a robot was asked for: its id, and the project whose it must be (undefined: asked in the whole system). */
export interface RobotAddress {
  readonly id: number
  readonly projectId: number | undefined
}

/** What the transactions know of the caller. */
export interface By extends Giver {
  readonly who: Who
}

const grantsMax = 100
const addressesMax = 200

interface Creation {
  readonly robot: RobotInput
  readonly grants: readonly RobotGrant[]
  readonly home: NewRobot['project']
  readonly secret: Pick<NewToken, 'hash' | 'hint'> | undefined
  readonly by: By
}

const create = accessTransaction(import.meta.url, 'robots/create', async (tx, { robot, grants, home, secret, by }: Creation) => {
  const id = await insertRobot(tx, robot)
  if (id === 'exists') throw new RegistryError('CONFLICT', { name: robot.name }, { message: 'there is a robot of this name already' })
  await addGrants(tx, { robotId: id, homeId: home?.id, grants, expiresAt: robot.expiresAt, by })
  if (secret !== undefined) {
    const row = { kind: 'robot', name: '', scopes: null, client: '', expiresAt: null, createdBy: by.who.actor, at: by.at } as const
    await insertToken(tx, { ...row, owner: { robotId: id }, hash: secret.hash, hint: secret.hint })
  }
  const detail = {
    grants: grants.map(grantLabel),
    expiresAt: robot.expiresAt,
    allowedAddresses: robot.allowedAddresses,
    ...(secret === undefined ? {} : { secret: secret.hint }),
  }
  const target = `robot:${formatRobotName({ name: robot.name, project: home?.name })}`
  await recordEvent(tx, { action: 'robot.created', target, project: home?.name, detail, at: by.at, ...by.who })
  return id
})

/** Throws CONFLICT for a name that is taken, DENIED for giving more than one has. `secret` is shown now or never. */
export async function createRobot(
  directory: Directory,
  wanted: NewRobot,
  { who, ...giver }: Acting,
): Promise<RobotDetails & { readonly secret: string | undefined }> {
  const { metadata, ports } = directory
  const at = ports.clock.now()
  if (!robotNamePattern.test(wanted.name)) {
    throw invalid('body/name', 'a name has lower-case letters, digits and . _ - between them, 128 at most')
  }
  requireSettings(wanted, at)
  if (wanted.grants.length > grantsMax)
    throw invalid('body/grants', `a robot gets ${grantsMax} grants at most: use a wider glob or a group of projects`)
  const secret = wanted.hasSecret ? makeToken('robot', ports.random) : undefined
  const { name, project, description, allowedAddresses, expiresAt, grants } = wanted
  const robot = { name, projectId: project?.id ?? null, description, allowedAddresses, expiresAt, createdBy: who.actor, at }
  const stored = secret && { hash: secret.hash, hint: secret.hint }
  const id = await metadata.write(create, { robot, grants, home: project, secret: stored, by: { ...giver, at, who } })
  return { ...(await readRobot(directory, { id, projectId: project?.id })), secret: secret?.text }
}

/** Throws RESOURCE_UNKNOWN when there is no such robot, or it is not the project's. */
export async function readRobot({ metadata }: Pick<Directory, 'metadata'>, address: RobotAddress): Promise<RobotDetails> {
  const found = await requireRobot(metadata.reader, address)
  const [robot = { ...found, createdByState: 'gone' }] = await withMakers(metadata.reader, [found])
  return { robot, grants: await grantsOf(metadata.reader, robot.id) }
}

/** A page of robots. */
export async function listRobots(
  { metadata }: Pick<Directory, 'metadata'>,
  filter: RobotFilter,
  page: PageRequest<RobotSort>,
): Promise<Page<MadeRobot>> {
  const found = await listRobotRecords(metadata.reader, filter, page)
  return { ...found, items: [...(await withMakers(metadata.reader, found.items))] }
}

/** How many robots are held to addresses. */
export function countRobotsOfNetworks({ metadata }: Pick<Directory, 'metadata'>): Promise<number> {
  return countRobotsWithAddresses(metadata.reader)
}

/** What is to change of a robot; `grants` replace all that it has. */
export interface RobotUpdate extends RobotAddress {
  readonly expectedVersion: number | undefined
  readonly set: RobotChanges & { readonly grants?: readonly RobotGrant[] | undefined }
}

const change = accessTransaction(
  import.meta.url,
  'robots/change',
  async (tx, { set, by, ...address }: RobotUpdate & { readonly by: By }) => {
    const robot = await requireRobot(tx, address)
    requireVersion(robot, address.expectedVersion)
    const { grants, ...changes } = set
    if (givesUse(changes)) await requireAllGivable(tx, robot.id, by)
    else if (grants !== undefined) await requireAllHeld(tx, robot.id, by)
    if (grants !== undefined) {
      for (const { id } of await grantsOf(tx, robot.id)) await deleteGrantRow(tx, id)
      const { expiresAt = robot.expiresAt } = changes
      await addGrants(tx, { robotId: robot.id, homeId: robot.projectId ?? undefined, grants, expiresAt, by })
    }
    await updateRobotRow(tx, { id: robot.id, set: changes, at: by.at })
    const detail = {
      changed: Object.keys(set).filter((name) => set[name as keyof typeof set] !== undefined),
      ...(changes.isDisabled === undefined ? {} : { isDisabled: changes.isDisabled }),
      ...(grants === undefined ? {} : { grants: grants.map(grantLabel) }),
    }
    await recordEvent(tx, { action: 'robot.updated', ...targetOf(robot), detail, at: by.at, ...by.who })
  },
)

/** Throws RESOURCE_UNKNOWN, PRECONDITION_FAILED, and DENIED when the robot has, or would have, more than the caller. */
export async function updateRobot(directory: Directory, update: RobotUpdate, { who, ...giver }: Acting): Promise<RobotDetails> {
  const at = directory.ports.clock.now()
  requireSettings(update.set, at)
  if ((update.set.grants?.length ?? 0) > grantsMax) throw invalid('body/grants', `a robot gets ${grantsMax} grants at most`)
  await directory.metadata.write(change, { ...update, by: { ...giver, at, who } })
  return await readRobot(directory, update)
}

const remove = accessTransaction(
  import.meta.url,
  'robots/remove',
  async (tx, { by, ...address }: Omit<RobotUpdate, 'set'> & { readonly by: Omit<By, 'rights'> }) => {
    const robot = await requireRobot(tx, address)
    requireVersion(robot, address.expectedVersion)
    await deleteRobotRow(tx, robot.id)
    await recordEvent(tx, { action: 'robot.deleted', ...targetOf(robot), at: by.at, ...by.who })
  },
)

/** Removes a robot: its secrets and tokens end at once. Throws RESOURCE_UNKNOWN and PRECONDITION_FAILED. */
export async function deleteRobot(
  { metadata, ports }: Directory,
  address: Omit<RobotUpdate, 'set'>,
  { who }: Pick<Acting, 'who'>,
): Promise<void> {
  await metadata.write(remove, { ...address, by: { at: ports.clock.now(), who } })
}

/** The robot of that id, if it is the project's. Throws RESOURCE_UNKNOWN. */
export async function requireRobot(reader: Reader | Transactor, { id, projectId }: RobotAddress): Promise<RobotRecord> {
  const robot = await robotRecord(reader, id)
  if (robot === undefined || (projectId !== undefined && robot.projectId !== projectId)) throw resourceUnknown('robot', id)
  return robot
}

/**
 * Before somebody comes to use the robot. Throws DENIED unless the caller holds everything that the robot may, for whoever can use it may all of that, and
 * ELEVATION_REQUIRED for what takes a proof that the caller's session has not given.
 */
export async function requireAllGivable(tx: Transactor, robotId: number, by: By): Promise<void> {
  for (const grant of await grantsOf(tx, robotId)) await requireGivable(tx, by, grant)
}

/** Before it loses what it has. Throws DENIED. */
async function requireAllHeld(tx: Transactor, robotId: number, { rights, at }: By): Promise<void> {
  for (const grant of await grantsOf(tx, robotId)) await requireHeld(tx, rights, grant, at)
}

/** How events name a robot. */
export function targetOf(robot: RobotRecord): { readonly target: string; readonly project: string | undefined } {
  return { target: `robot:${formatRobotName(robot)}`, project: robot.project ?? undefined }
}

/** More than a robot is given here: other grants may be made for it. */
const grantsReadMax = 1_000

async function grantsOf(reader: Reader | Transactor, robotId: number): Promise<readonly GrantRecord[]> {
  return await grantsOfSubject(reader, { kind: 'robot', id: robotId }, grantsReadMax)
}

/** Changes by which somebody could come to use the robot, who could not before. */
function givesUse({ isDisabled, allowedAddresses, expiresAt }: RobotChanges): boolean {
  return isDisabled === false || allowedAddresses !== undefined || expiresAt !== undefined
}

interface Giving {
  readonly robotId: number
  readonly homeId: number | undefined
  readonly grants: readonly RobotGrant[]
  /** Of the robot: what it is given lasts no longer. */
  readonly expiresAt: number | null
  readonly by: By
}

async function addGrants(tx: Transactor, { robotId, homeId, grants, expiresAt, by }: Giving): Promise<void> {
  const seen = new Set<string>()
  for (const grant of grants) {
    const { role, project, repositories } = grant
    const label = JSON.stringify([role, project?.id, repositories])
    if (seen.has(label)) throw invalid('body/grants', 'a grant stands there twice')
    seen.add(label)
    await requireFitting(tx, grant, homeId)
    const given = { role, projectId: project?.id ?? null, project: project?.name ?? null, repositories, expiresAt }
    await requireGivable(tx, by, given)
    await insertGrant(tx, { ...given, subject: { kind: 'robot', id: robotId }, createdBy: by.who.actor, at: by.at })
  }
}

async function requireFitting(tx: Transactor, { role, project, repositories }: RobotGrant, homeId: number | undefined): Promise<void> {
  const found = await findRole(tx, role)
  if (found === undefined) throw invalid('body/grants', `there is no role ${role}`)
  if (hasSystemPermission(found.permissions) && (project !== undefined || repositories !== null)) {
    throw invalid('body/grants', `the role ${role} has permissions about the system: it can only be granted on everything`)
  }
  const fault = repositories === null ? undefined : globFault(repositories, project)
  if (fault !== undefined) throw invalid('body/grants', fault)
  if (homeId !== undefined && project?.lineage.includes(homeId) !== true) {
    throw invalid('body/grants', 'a robot of a project gets roles in that project and those below it only')
  }
}

function requireSettings({ allowedAddresses, expiresAt }: Pick<RobotChanges, 'allowedAddresses' | 'expiresAt'>, now: number): void {
  if (typeof expiresAt === 'number' && expiresAt <= now) throw invalid('body/expiresAt', 'the end of the robot has passed already')
  if (allowedAddresses === undefined) return
  if (allowedAddresses.length > addressesMax) throw invalid('body/allowedAddresses', `there may be ${addressesMax} networks at most`)
  const wrong = allowedAddresses.find((text) => parseNetwork(text) === undefined)
  if (wrong !== undefined) throw invalid('body/allowedAddresses', `${wrong} is neither an address nor a network such as 192.0.2.0/24`)
  for (const text of allowedAddresses) {
    const meant = withoutHostBits(text)
    if (meant !== undefined)
      throw invalid('body/allowedAddresses', `${text} has bits beyond its prefix: write ${meant}, or the address alone`)
  }
}

function grantLabel({ role, project, repositories }: RobotGrant): string {
  return [role, project?.name ?? '*', ...(repositories === null ? [] : [repositories])].join(' ')
}

function invalid(path: string, message: string): RegistryError {
  return new RegistryError('REQUEST_INVALID', [{ path, message }], { message })
}
