/**
 * Grants: who has which role where.
 *
 * The problem: whoever may give rights could give themselves everything, and a project's administrator could reach into another project by an id. The way:
 * each verb says in which project it was asked (or in none: the whole system), and in the transaction a grant must be of that project, what it gives must
 * be held by who gives it (coverage.ts), and so must what a changed or removed one gave. To add a kind of subject, see grant-subject.ts.
 */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import {
  countGrants,
  deleteGrantRow,
  endedAlike,
  grantRecord,
  insertGrant,
  isRoleHeldOnProject,
  listGrantRecords,
  updateGrantRow,
  type GrantChanges,
  type GrantFilter,
  type GrantRecord,
} from '#metadata/grants.ts'
import type { Transactor } from '#metadata/metadata.ts'
import type { Page, PageRequest } from '#metadata/page.ts'
import { RegistryError } from '#oci/errors.ts'
import { isFullAdministrator, requireVersion, type Acting } from './acting.ts'
import type { ProjectFacts, Rights } from './decide.ts'
import type { Directory } from './directory.ts'
import { globFault } from './project-glob.ts'
import { requireGivable, requireHeld, type GivenRights, type Giver } from './given-rights.ts'
import { findSubject, idOfSubject, nobody, type FoundSubject, type SubjectWanted } from './grant-subject.ts'
import { findRole, hasSystemPermission, isTooMuchForEveryone } from './roles.ts'

/** More than that no one person or group needs, and all are read to know what it may do. */
export const grantsPerSubjectMax = 1_000

/** The role that administers a project: a project keeps somebody who has it. */
const projectAdministration = 'project-admin'

type GrantProject = Pick<ProjectFacts, 'id' | 'name' | 'isDefault' | 'lineage'>

/** What a grant is made from. Without project and repositories it holds on everything. */
export interface NewGrant {
  readonly subject: SubjectWanted
  readonly role: string
  readonly project: GrantProject | undefined
  readonly repositories: string | null
  readonly expiresAt: number | null
}

/** What the transactions know of the caller. */
interface By extends Giver {
  readonly who: Who
}

const insertNew = accessTransaction(
  import.meta.url,
  'grants/insert',
  async (tx: Transactor, { grant, by }: { readonly grant: NewGrant; readonly by: By }) => {
    const { role, project, repositories, expiresAt } = grant
    const subject = await findSubject(tx, grant.subject)
    const given: GivenRights = { role, repositories, expiresAt, projectId: project?.id ?? null, project: project?.name ?? null }
    await requireFitting(tx, given, { subject, lineage: project?.lineage })
    await requireGivable(tx, by, given)
    const row = { ...given, subject: subject.subject, createdBy: by.who.actor, at: by.at }
    await clearEnded(tx, row, by)
    const { ofSubject, alike } = await countGrants(tx, row)
    if (alike > 0) throw alreadyGranted()
    if (ofSubject >= grantsPerSubjectMax) {
      const message = `there may be ${grantsPerSubjectMax} grants at most for one account, group or robot: use a group, or a wider glob`
      throw new RegistryError('CONFLICT', undefined, { message })
    }
    const id = await insertGrant(tx, row)
    const detail = { subject: subject.label, role, repositories, expiresAt }
    await recordEvent(tx, { action: 'grant.created', target: `grant:${id}`, project: project?.name, detail, at: by.at, ...by.who })
    return id
  },
)

/**
 * Gives a role. Throws REQUEST_INVALID for what does not fit together or names nobody, DENIED for giving more than one has, ELEVATION_REQUIRED for giving without
 * proof what takes one, CONFLICT for what is given.
 */
export async function createGrant({ metadata, ports }: Directory, grant: NewGrant, { who, ...giver }: Acting): Promise<GrantRecord> {
  const at = ports.clock.now()
  requireFuture(grant.expiresAt, at)
  requireGlob(grant.repositories, grant.project)
  const id = await metadata.write(insertNew, { grant, by: { ...giver, at, who } })
  const made = await grantRecord(metadata.reader, id)
  if (made === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  return made
}

/** A grant by its id, asked for in a project (whose it must be) or, with undefined, in the whole system. */
export interface GrantAddress {
  readonly id: number
  readonly project: GrantProject | undefined
}

/** Throws RESOURCE_UNKNOWN when there is no such grant, or it is not the project's. */
export async function readGrant({ metadata }: Pick<Directory, 'metadata'>, address: GrantAddress): Promise<GrantRecord> {
  return ofProject(await grantRecord(metadata.reader, address.id), address)
}

/** Whom a name or an id (digits alone) means, for the filters of lists. */
export async function subjectId(
  { metadata: { reader } }: Pick<Directory, 'metadata'>,
  kind: 'user' | 'group' | 'robot',
  nameOrId: string,
): Promise<number | undefined> {
  if (/^\d{1,15}$/.test(nameOrId)) return Number(nameOrId)
  return await idOfSubject(reader, kind, nameOrId)
}

/** A page of grants. */
export function listGrants(
  { metadata }: Pick<Directory, 'metadata'>,
  filter: GrantFilter,
  page: PageRequest<'createdAt'>,
): Promise<Page<GrantRecord>> {
  return listGrantRecords(metadata.reader, filter, page)
}

/** What is to change of a grant. */
export interface GrantUpdate extends GrantAddress {
  readonly expectedVersion: number | undefined
  readonly set: GrantChanges
}

const changeGrant = accessTransaction(
  import.meta.url,
  'grants/change',
  async (tx: Transactor, { by, set, ...address }: GrantUpdate & { readonly by: By }) => {
    const before = await requireGrant(tx, address)
    const after = { ...before, ...definedOf(set) }
    await requireFitting(tx, after, { subject: await findSubject(tx, before.subject), lineage: address.project?.lineage })
    await requireHeld(tx, by.rights, before, by.at)
    await requireGivable(tx, by, after)
    if (!administers(after)) await requireAnotherAdministrator(tx, before, by.rights)
    await clearEnded(tx, { ...after, at: by.at }, by, before.id)
    if ((await countGrants(tx, after, before.id)).alike > 0) throw alreadyGranted()
    await updateGrantRow(tx, before.id, set)
    const { role, repositories, expiresAt } = after
    const detail = { subject: labelOf(before), changed: Object.keys(definedOf(set)), role, repositories, expiresAt }
    const project = before.project ?? undefined
    await recordEvent(tx, { action: 'grant.updated', target: `grant:${before.id}`, project, detail, at: by.at, ...by.who })
  },
)

/** Changes role, repositories or end of a grant. Throws DENIED when it gave, or would give, more than the caller has; ELEVATION_REQUIRED. */
export async function updateGrant(directory: Directory, update: GrantUpdate, { who, ...giver }: Acting): Promise<GrantRecord> {
  const { metadata, ports } = directory
  const at = ports.clock.now()
  requireFuture(update.set.expiresAt, at)
  requireGlob(update.set.repositories, update.project)
  await metadata.write(changeGrant, { ...update, by: { ...giver, at, who } })
  return await readGrant(directory, update)
}

const removeGrant = accessTransaction(
  import.meta.url,
  'grants/remove',
  async (tx: Transactor, { by, ...address }: Omit<GrantUpdate, 'set'> & { readonly by: By }) => {
    const before = await requireGrant(tx, address)
    await requireHeld(tx, by.rights, before, by.at)
    await requireAnotherAdministrator(tx, before, by.rights)
    await deleteGrantRow(tx, before.id)
    const detail = { subject: labelOf(before), role: before.role, repositories: before.repositories }
    const project = before.project ?? undefined
    await recordEvent(tx, { action: 'grant.deleted', target: `grant:${before.id}`, project, detail, at: by.at, ...by.who })
  },
)

/** Takes a role away. Throws DENIED when it gave more than the caller has, and for the last administrator of a project. */
export async function deleteGrant(
  { metadata, ports }: Directory,
  address: Omit<GrantUpdate, 'set'>,
  { who, rights }: Acting,
): Promise<void> {
  await metadata.write(removeGrant, { ...address, by: { rights, at: ports.clock.now(), who } })
}

/** What has ended gives nothing, and does not stand in the way of the same given again. */
async function clearEnded(tx: Transactor, grant: Parameters<typeof endedAlike>[1], { at, who }: By, exceptId?: number): Promise<void> {
  for (const ended of await endedAlike(tx, grant, exceptId)) {
    await deleteGrantRow(tx, ended.id)
    const { role, repositories, expiresAt } = ended
    const detail = { subject: labelOf(ended), role, repositories, expiresAt }
    await recordEvent(tx, { action: 'grant.deleted', target: `grant:${ended.id}`, project: ended.project ?? undefined, detail, at, ...who })
  }
}

async function requireGrant(tx: Transactor, address: Omit<GrantUpdate, 'set'>): Promise<GrantRecord> {
  const record = ofProject(await grantRecord(tx, address.id), address)
  requireVersion(record, address.expectedVersion)
  return record
}

function ofProject(record: GrantRecord | undefined, { project }: Pick<GrantAddress, 'project'>): GrantRecord {
  if (record === undefined || (project !== undefined && record.projectId !== project.id)) throw new RegistryError('RESOURCE_UNKNOWN')
  return record
}

/** Role, place and subject go together: throws REQUEST_INVALID where they do not. */
async function requireFitting(
  tx: Transactor,
  given: GivenRights,
  { subject, lineage }: { readonly subject: FoundSubject; readonly lineage: readonly number[] | undefined },
): Promise<void> {
  const { homeProjectId } = subject
  const isHome = homeProjectId === undefined || given.projectId === homeProjectId || lineage?.includes(homeProjectId) === true
  // First of all, and in the words for one that is not there: whether a hidden project has such a robot is not told.
  if (!isHome) throw nobody('robot')
  const role = await findRole(tx, given.role)
  if (role === undefined) throw invalid('body/role', `there is no role ${given.role}`)
  const isNarrow = given.projectId !== null || given.repositories !== null
  if (hasSystemPermission(role.permissions) && isNarrow) {
    throw invalid('body/role', `the role ${role.name} has permissions about the system: it can only be granted on everything`)
  }
  if (subject.subject.kind === 'everyone' && isTooMuchForEveryone(role.permissions)) {
    throw invalid('body/role', `the role ${role.name} cannot be granted to everyone, whoever shows no credential included`)
  }
}

/** Whether the grant makes somebody an administrator of a whole project for good. */
function administers({ role, projectId, repositories, expiresAt, subject }: GrantRecord): boolean {
  const isPerson = subject.kind === 'user' || subject.kind === 'group'
  return isPerson && role === projectAdministration && projectId !== null && repositories === null && expiresAt === null
}

async function requireAnotherAdministrator(tx: Transactor, before: GrantRecord, rights: Rights): Promise<void> {
  const { projectId } = before
  if (projectId === null || !administers(before) || isFullAdministrator(rights)) return
  if (await isRoleHeldOnProject(tx, { role: projectAdministration, projectId, exceptId: before.id })) return
  const message = 'this is the last administrator of the project: make another one first, or ask an administrator of the system'
  throw new RegistryError('DENIED', undefined, { message })
}

function requireFuture(expiresAt: number | null | undefined, now: number): void {
  if (typeof expiresAt === 'number' && expiresAt <= now) throw invalid('body/expiresAt', 'the end of the grant has passed already')
}

/** A glob is of whole names, so one that cannot match within the project is a mistake. */
function requireGlob(text: string | null | undefined, project: GrantProject | undefined): void {
  if (text === null || text === undefined) return
  const fault = globFault(text, project)
  if (fault !== undefined) throw invalid('body/repositories', fault)
}

function labelOf({ subject, subjectName }: GrantRecord): string {
  return subjectName === '' ? subject.kind : `${subject.kind}:${subjectName}`
}

function definedOf(set: GrantChanges): Partial<Pick<GrantRecord, 'role' | 'repositories' | 'expiresAt'>> {
  return Object.fromEntries(Object.entries(set).filter(([, value]) => value !== undefined))
}

function alreadyGranted(): RegistryError {
  return new RegistryError('CONFLICT', undefined, { message: 'they have this role there already: change that grant' })
}

function invalid(path: string, message: string): RegistryError {
  return new RegistryError('REQUEST_INVALID', [{ path, message }], { message })
}
