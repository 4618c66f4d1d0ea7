/** Queries on `grants`: who has which role where. What somebody may do is gathered elsewhere (access/rights); here grants are kept and listed. */
import { sql, type SqlBool } from 'kysely'
import { notInTrash } from './hidden-repositories.ts'
import type { Reader, Transactor } from './metadata.ts'
import { paged, pageFrom, type Page, type PageRequest } from './page.ts'

/** Whom a grant is for. */
export type GrantSubject =
  | { readonly kind: 'user' | 'group' | 'robot'; readonly id: number }
  | { readonly kind: 'everyone' | 'signed-in'; readonly id?: undefined }

/** A grant with the names of what it binds. `project` and `repositories` null: on everything. Instants are in milliseconds. */
export interface GrantRecord {
  readonly id: number
  readonly subject: GrantSubject
  /** Name of the user or group, login name of the robot; empty for everyone and signed-in. */
  readonly subjectName: string
  /** Of a group whose members a provider names: that one. */
  readonly subjectProvider: string | null
  readonly role: string
  readonly projectId: number | null
  readonly project: string | null
  readonly repositories: string | null
  readonly expiresAt: number | null
  readonly createdBy: string
  readonly createdAt: number
  readonly version: number
}

const subjectName = sql<string>`coalesce(users.name, groups.name,
  case when robots.id is null then '' when robots.project_id is null then 'robot-' || robots.name else 'robot-' || robots.name || '@' || homes.name end)`

function selectGrants(reader: Reader | Transactor) {
  return reader
    .selectFrom('grants')
    .leftJoin('users', 'users.id', 'grants.user_id')
    .leftJoin('groups', 'groups.id', 'grants.group_id')
    .leftJoin('providers', 'providers.id', 'groups.provider_id')
    .leftJoin('robots', 'robots.id', 'grants.robot_id')
    .leftJoin('projects as homes', 'homes.id', 'robots.project_id')
    .leftJoin('projects', 'projects.id', 'grants.project_id')
    .select([
      'grants.id',
      'grants.subject_kind',
      'grants.user_id',
      'grants.group_id',
      'grants.robot_id',
      'grants.role',
      'grants.project_id',
    ])
    .select(['grants.repositories', 'grants.expires_at', 'grants.created_by', 'grants.created_at', 'grants.version'])
    .select(['projects.name as project', 'providers.name as subject_provider', subjectName.as('subject_name')])
    .where(notInTrash('grants.project_id'))
    .where(sql<SqlBool>`(homes.name is null or homes.name >= '0')`)
}

type GrantRow = Awaited<ReturnType<ReturnType<typeof selectGrants>['executeTakeFirstOrThrow']>>

function subjectOf(row: GrantRow): GrantSubject {
  if (row.subject_kind === 'everyone' || row.subject_kind === 'signed-in') return { kind: row.subject_kind }
  // The row of a user, group or robot has its id: insertGrant writes no other.
  return { kind: row.subject_kind, id: row.user_id ?? row.group_id ?? row.robot_id ?? 0 }
}

function recordOf(row: GrantRow): GrantRecord {
  return {
    id: row.id,
    subject: subjectOf(row),
    subjectName: row.subject_name,
    subjectProvider: row.subject_provider,
    role: row.role,
    projectId: row.project_id,
    project: row.project,
    repositories: row.repositories,
    expiresAt: row.expires_at,
    createdBy: row.created_by,
    createdAt: row.created_at,
    version: row.version,
  }
}

/** Undefined when there is no grant of that id. */
export async function grantRecord(reader: Reader | Transactor, id: number): Promise<GrantRecord | undefined> {
  const row = await selectGrants(reader).where('grants.id', '=', id).executeTakeFirst()
  return row && recordOf(row)
}

/** What a list of grants may be narrowed by. */
export interface GrantFilter {
  readonly projectId?: number | undefined
  /** On one of these projects, or on none in particular. */
  readonly holdingIn?: readonly number[] | undefined
  readonly subjectKind?: GrantSubject['kind'] | undefined
  readonly userId?: number | undefined
  readonly groupId?: number | undefined
  readonly robotId?: number | undefined
  readonly role?: string | undefined
}

/** A page of grants, in the order in which they were given. */
export async function listGrantRecords(reader: Reader, filter: GrantFilter, page: PageRequest<'createdAt'>): Promise<Page<GrantRecord>> {
  let query = selectGrants(reader)
  if (filter.projectId !== undefined) query = query.where('grants.project_id', '=', filter.projectId)
  const { holdingIn } = filter
  if (holdingIn !== undefined)
    query = query.where((eb) => eb.or([eb('grants.project_id', 'in', holdingIn), eb('grants.project_id', 'is', null)]))
  if (filter.subjectKind !== undefined) query = query.where('grants.subject_kind', '=', filter.subjectKind)
  if (filter.userId !== undefined) query = query.where('grants.user_id', '=', filter.userId)
  if (filter.groupId !== undefined) query = query.where('grants.group_id', '=', filter.groupId)
  if (filter.robotId !== undefined) query = query.where('grants.robot_id', '=', filter.robotId)
  if (filter.role !== undefined) query = query.where('grants.role', '=', filter.role)
  const rows = await paged(query, page, { column: 'grants.created_at', id: 'grants.id' }).execute()
  return pageFrom(rows.map(recordOf), page, ({ createdAt }) => createdAt)
}

/** Whom, what role, where, until when. */
export interface GrantInput {
  readonly subject: GrantSubject
  readonly role: string
  readonly projectId: number | null
  readonly repositories: string | null
  readonly expiresAt: number | null
  readonly createdBy: string
  readonly at: number
}

/** Adds a grant and gives its id. That subject, project and role exist is the caller's to see to. */
export async function insertGrant(tx: Transactor, grant: GrantInput): Promise<number> {
  const { subject } = grant
  const { id } = await tx
    .insertInto('grants')
    .values({
      subject_kind: subject.kind,
      user_id: subject.kind === 'user' ? subject.id : null,
      group_id: subject.kind === 'group' ? subject.id : null,
      robot_id: subject.kind === 'robot' ? subject.id : null,
      role: grant.role,
      project_id: grant.projectId,
      repositories: grant.repositories,
      expires_at: grant.expiresAt,
      created_by: grant.createdBy,
      created_at: grant.at,
      version: 1,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** What of a grant can be changed; for whom and in which project it is cannot. */
export interface GrantChanges {
  readonly role?: string | undefined
  readonly repositories?: string | null | undefined
  readonly expiresAt?: number | null | undefined
}

/** Changes what is said and raises the version. */
export async function updateGrantRow(tx: Transactor, id: number, { role, repositories, expiresAt }: GrantChanges): Promise<void> {
  await tx
    .updateTable('grants')
    .set({
      version: sql<number>`version + 1`,
      ...(role === undefined ? {} : { role }),
      ...(repositories === undefined ? {} : { repositories }),
      ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
    })
    .where('id', '=', id)
    .execute()
}

/** Removes the grant. */
export async function deleteGrantRow(tx: Transactor, id: number): Promise<void> {
  await tx.deleteFrom('grants').where('id', '=', id).execute()
}

/** Takes all that was granted to the account itself; what its groups have stays. The rows that were there. */
export async function deleteGrantsOfUser(
  tx: Transactor,
  userId: number,
): Promise<readonly Pick<GrantRecord, 'id' | 'role' | 'repositories' | 'project'>[]> {
  const rows = await tx
    .selectFrom('grants')
    .leftJoin('projects', 'projects.id', 'grants.project_id')
    .select(['grants.id', 'grants.role', 'grants.repositories', 'projects.name as project'])
    .where('grants.subject_kind', '=', 'user')
    .where('grants.user_id', '=', userId)
    .orderBy('grants.id')
    .execute()
  await tx.deleteFrom('grants').where('subject_kind', '=', 'user').where('user_id', '=', userId).execute()
  return rows
}

function ofSubject(subject: GrantSubject) {
  if (subject.kind === 'user') return sql<SqlBool>`grants.user_id = ${subject.id}`
  if (subject.kind === 'group') return sql<SqlBool>`grants.group_id = ${subject.id}`
  if (subject.kind === 'robot') return sql<SqlBool>`grants.robot_id = ${subject.id}`
  return sql<SqlBool>`grants.subject_kind = ${subject.kind}`
}

/** Every grant of a subject, `max` at most: who is to be given the rights of a group must see them all. */
export async function grantsOfSubject(reader: Reader | Transactor, subject: GrantSubject, max: number): Promise<GrantRecord[]> {
  return (await selectGrants(reader).where(ofSubject(subject)).orderBy('grants.id').limit(max).execute()).map(recordOf)
}

/** How many a subject has, and whether one of them (but for `exceptId`) says the same of role and place. */
export async function countGrants(
  tx: Transactor,
  grant: Pick<GrantInput, 'subject' | 'role' | 'projectId' | 'repositories'>,
  exceptId = 0,
): Promise<{ readonly ofSubject: number; readonly alike: number }> {
  const alike = sql<number>`coalesce(sum(case when role = ${grant.role} and coalesce(project_id, 0) = ${grant.projectId ?? 0}
    and coalesce(repositories, '') = ${grant.repositories ?? ''} and id <> ${exceptId} then 1 else 0 end), 0)`
  const counted = await tx
    .selectFrom('grants')
    .where(ofSubject(grant.subject))
    .select((eb) => [eb.fn.countAll<number>().as('ofSubject'), alike.as('alike')])
    .executeTakeFirstOrThrow()
  return { ofSubject: Number(counted.ofSubject), alike: Number(counted.alike) }
}

/** Those that say the same of subject, role and place and have ended; `exceptId` is none of them. */
export async function endedAlike(
  tx: Transactor,
  grant: Pick<GrantInput, 'subject' | 'role' | 'projectId' | 'repositories' | 'at'>,
  exceptId = 0,
): Promise<GrantRecord[]> {
  const { subject, role, projectId, repositories, at } = grant
  const rows = await selectGrants(tx)
    .where(ofSubject(subject))
    .where('grants.role', '=', role)
    .where('grants.project_id', projectId === null ? 'is' : '=', projectId)
    .where('grants.repositories', repositories === null ? 'is' : '=', repositories)
    .where('grants.expires_at', '<=', at)
    .where('grants.id', '<>', exceptId)
    .execute()
  return rows.map(recordOf)
}

/** How many grants give the role, and how many of them on less than everything. */
export async function countGrantsOfRole(
  tx: Transactor,
  role: string,
): Promise<{ readonly all: number; readonly narrow: number; readonly toEveryone: number }> {
  const toEveryone = sql<number>`coalesce(sum(case when subject_kind = 'everyone' then 1 else 0 end), 0)`
  const narrow = sql<number>`coalesce(sum(case when project_id is not null or repositories is not null then 1 else 0 end), 0)`
  const counted = await tx
    .selectFrom('grants')
    .where('role', '=', role)
    .select((eb) => [eb.fn.countAll<number>().as('all'), narrow.as('narrow'), toEveryone.as('toEveryone')])
    .executeTakeFirstOrThrow()
  return { all: Number(counted.all), narrow: Number(counted.narrow), toEveryone: Number(counted.toEveryone) }
}

/** Whether somebody else than by grant `exceptId` has the role on the whole of the project, without an end. */
export async function isRoleHeldOnProject(
  tx: Transactor,
  held: { readonly role: string; readonly projectId: number; readonly exceptId: number },
): Promise<boolean> {
  const row = await tx
    .selectFrom('grants')
    .select('id')
    .where('project_id', '=', held.projectId)
    .where('role', '=', held.role)
    .where('repositories', 'is', null)
    .where('expires_at', 'is', null)
    .where('subject_kind', 'in', ['user', 'group'])
    .where('id', '<>', held.exceptId)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}
