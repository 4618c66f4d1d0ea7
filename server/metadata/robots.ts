/** Queries on `robots`: accounts of programs, of the whole system or of a project. Their secrets are in tokens.ts, their grants in grants.ts. */
import { sql } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'
import { resolveProjectName } from './name-redirects.ts'
import { paged, pageFrom, type Page, type PageRequest } from './page.ts'
import { notInTrash } from './hidden-repositories.ts'
import { startsWith } from './users.ts'

/** A robot as people see it. Instants are milliseconds. */
export interface RobotRecord {
  readonly id: number
  readonly name: string
  readonly projectId: number | null
  readonly project: string | null
  readonly description: string
  readonly isDisabled: boolean
  /** Addresses and CIDR ranges; empty: from anywhere. */
  readonly allowedAddresses: readonly string[]
  readonly expiresAt: number | null
  readonly lastUsedAt: number | null
  readonly createdBy: string
  readonly version: number
  readonly createdAt: number
  readonly updatedAt: number
}

function selectRobots(reader: Reader | Transactor) {
  return reader
    .selectFrom('robots')
    .leftJoin('projects', 'projects.id', 'robots.project_id')
    .select(['robots.id', 'robots.name', 'robots.project_id', 'projects.name as project', 'robots.description', 'robots.is_disabled'])
    .select(['robots.allowed_addresses', 'robots.expires_at', 'robots.last_used_at', 'robots.created_by', 'robots.version'])
    .select(['robots.created_at', 'robots.updated_at'])
    .where(notInTrash('robots.project_id'))
}

type RobotRow = Awaited<ReturnType<ReturnType<typeof selectRobots>['executeTakeFirstOrThrow']>>

function recordOf(row: RobotRow): RobotRecord {
  return {
    id: row.id,
    name: row.name,
    projectId: row.project_id,
    project: row.project,
    description: row.description,
    isDisabled: row.is_disabled === 1,
    allowedAddresses: JSON.parse(row.allowed_addresses) as readonly string[],
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
    createdBy: row.created_by,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

/** Undefined when there is no robot of that id. */
export async function robotRecord(reader: Reader | Transactor, id: number): Promise<RobotRecord | undefined> {
  const row = await selectRobots(reader).where('robots.id', '=', id).executeTakeFirst()
  return row && recordOf(row)
}

/** By name and the present or a former name of its project (none: of the system); undefined when there is none. */
export async function robotNamed(reader: Reader | Transactor, name: string, project: string | undefined): Promise<RobotRecord | undefined> {
  const query = selectRobots(reader).where('robots.name', '=', name)
  const placed =
    project === undefined
      ? query.where('robots.project_id', 'is', null)
      : query.where('projects.name', '=', await resolveProjectName(reader, project))
  const row = await placed.executeTakeFirst()
  return row && recordOf(row)
}

/** What a list of robots may be narrowed by. `projectId` null: those of the system. */
export interface RobotFilter {
  readonly projectId?: number | null | undefined
  readonly namePrefix?: string | undefined
  readonly isDisabled?: boolean | undefined
}

export type RobotSort = 'name' | 'createdAt'

const sortColumns: Readonly<Record<RobotSort, string>> = { name: 'robots.name', createdAt: 'robots.created_at' }

/** A page of robots. */
export async function listRobotRecords(reader: Reader, filter: RobotFilter, page: PageRequest<RobotSort>): Promise<Page<RobotRecord>> {
  const { projectId, namePrefix, isDisabled } = filter
  let query = selectRobots(reader)
  if (projectId === null) query = query.where('robots.project_id', 'is', null)
  else if (projectId !== undefined) query = query.where('robots.project_id', '=', projectId)
  if (namePrefix !== undefined) query = query.where(startsWith('robots.name', namePrefix))
  if (isDisabled !== undefined) query = query.where('robots.is_disabled', '=', isDisabled ? 1 : 0)
  const rows = await paged(query, page, { column: sortColumns[page.column], id: 'robots.id' }).execute()
  return pageFrom(rows.map(recordOf), page, (record) => record[page.column])
}

/** What a robot begins with. */
export interface RobotInput {
  readonly name: string
  readonly projectId: number | null
  readonly description: string
  readonly allowedAddresses: readonly string[]
  readonly expiresAt: number | null
  readonly createdBy: string
  readonly at: number
}

/** Adds a robot; `'exists'` when the name is taken in its place. */
export async function insertRobot(tx: Transactor, robot: RobotInput): Promise<number | 'exists'> {
  const row = await tx
    .insertInto('robots')
    .values({
      name: robot.name,
      project_id: robot.projectId,
      description: robot.description,
      is_disabled: 0,
      allowed_addresses: JSON.stringify(robot.allowedAddresses),
      expires_at: robot.expiresAt,
      last_used_at: null,
      created_by: robot.createdBy,
      version: 1,
      created_at: robot.at,
      updated_at: robot.at,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  return row?.id ?? 'exists'
}

/** What of a robot can be changed; its name and place cannot, for its secrets are known under them. */
export interface RobotChanges {
  readonly description?: string | undefined
  readonly isDisabled?: boolean | undefined
  readonly allowedAddresses?: readonly string[] | undefined
  readonly expiresAt?: number | null | undefined
}

/** Changes what is said and raises the version. */
export async function updateRobotRow(
  tx: Transactor,
  { id, set, at }: { readonly id: number; readonly set: RobotChanges; readonly at: number },
): Promise<void> {
  const { description, isDisabled, allowedAddresses, expiresAt } = set
  await tx
    .updateTable('robots')
    .set({
      version: sql<number>`version + 1`,
      updated_at: at,
      ...(description === undefined ? {} : { description }),
      ...(isDisabled === undefined ? {} : { is_disabled: isDisabled ? 1 : 0 }),
      ...(allowedAddresses === undefined ? {} : { allowed_addresses: JSON.stringify(allowedAddresses) }),
      ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
    })
    .where('id', '=', id)
    .execute()
}

/** How many robots are let in from some addresses only. */
export async function countRobotsWithAddresses(reader: Reader): Promise<number> {
  const { count } = await reader
    .selectFrom('robots')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('allowed_addresses', '!=', '[]')
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Removes the robot and, with it, its secrets, grants and trusts. */
export async function deleteRobotRow(tx: Transactor, id: number): Promise<void> {
  await tx.deleteFrom('robots').where('id', '=', id).execute()
}
