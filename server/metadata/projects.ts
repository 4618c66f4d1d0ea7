/** Queries on `projects`, and on what of `repositories` a project's name decides. */
import { sql, type RawBuilder, type SqlBool } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'
import { belowPrefix } from './name-prefixes.ts'
import { paged, pageFrom, type Page, type PageRequest } from './page.ts'
import { untaggedAfterDaysIn, withUntaggedAfterDays, type UntaggedAfterDays } from './project-untagged.ts'
import { forgetUsage } from './usage-counters.ts'
import { nameContains } from './visible-parts.ts'
import { whereProjectVisible, type Visibility } from './visibility.ts'

/** A project. Exactly one is the default, which takes the repositories that no other project's name fits. */
export interface ProjectRow {
  readonly id: number
  readonly name: string
  readonly isDefault: boolean
}

/** What a row says, its settings left out. Instants are milliseconds. */
export interface ProjectRecord extends ProjectRow {
  readonly isPublic: boolean
  readonly description: string
  readonly createdBy: string
  readonly createdAt: number
  readonly updatedAt: number
  readonly version: number
  /** For how many days its repositories keep manifests without a tag; null: always. */
  readonly untaggedAfterDays: UntaggedAfterDays
}

const nameColumns = ['id', 'name', 'is_default'] as const
const columns = [...nameColumns, 'is_public', 'description', 'created_by', 'created_at', 'updated_at', 'version', 'settings'] as const

interface Row {
  readonly id: number
  readonly name: string
  readonly is_default: number
  readonly is_public: number
  readonly description: string
  readonly created_by: string
  readonly created_at: number
  readonly updated_at: number
  readonly version: number
  readonly settings: string
}

function recordOf(row: Row): ProjectRecord {
  return {
    id: row.id,
    name: row.name,
    isDefault: row.is_default === 1,
    isPublic: row.is_public === 1,
    description: row.description,
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    version: row.version,
    untaggedAfterDays: untaggedAfterDaysIn(row.settings),
  }
}

/** Those of the named projects that exist, and the default project in any case. At most 1,000 names. */
export async function projectsNamedOrDefault(reader: Reader | Transactor, names: readonly string[]): Promise<ProjectRow[]> {
  const rows = await reader
    .selectFrom('projects')
    .select(nameColumns)
    .where((eb) => eb.or([eb('is_default', '=', 1), ...(names.length > 0 ? [eb('name', 'in', names)] : [])]))
    .execute()
  return rows.map((row) => ({ id: row.id, name: row.name, isDefault: row.is_default === 1 }))
}

/** Those of the named projects that exist. At most 1,000 names. */
export async function projectsNamed(reader: Reader | Transactor, names: readonly string[]): Promise<ProjectRow[]> {
  if (names.length === 0) return []
  const rows = await reader.selectFrom('projects').select(nameColumns).where('name', 'in', names).execute()
  return rows.map((row) => ({ id: row.id, name: row.name, isDefault: row.is_default === 1 }))
}

/** The project of exactly that name. */
export async function findProjectByName(reader: Reader | Transactor, name: string): Promise<ProjectRecord | undefined> {
  const row = await reader.selectFrom('projects').select(columns).where('name', '=', name).executeTakeFirst()
  return row && recordOf(row)
}

/** The project of that id. */
export async function findProjectById(reader: Reader | Transactor, id: number): Promise<ProjectRecord | undefined> {
  const row = await reader.selectFrom('projects').select(columns).where('id', '=', id).executeTakeFirst()
  return row && recordOf(row)
}

/** The projects whose names lie strictly below a name, in the order of their names. */
export async function projectsBelow(reader: Reader | Transactor, name: string, limit: number): Promise<ProjectRow[]> {
  const rows = await reader
    .selectFrom('projects')
    .select(nameColumns)
    .where(belowPrefix('name', name))
    .orderBy('name')
    .limit(limit)
    .execute()
  return rows.map((row) => ({ id: row.id, name: row.name, isDefault: row.is_default === 1 }))
}

/** Ids of live projects behind that one, in order. */
export async function projectIdsAfter(reader: Reader, id: number, limit: number): Promise<readonly number[]> {
  // Names of projects in the trash sort before all others.
  const live = reader.selectFrom('projects').select('id').where('name', '>=', '0')
  return (await live.where('id', '>', id).orderBy('id').limit(limit).execute()).map((row) => row.id)
}

/** By what a list of projects can be sorted. */
export type ProjectSort = 'name' | 'createdAt' | 'updatedAt'

/** What a list of projects is narrowed to. */
export interface ProjectFilter {
  /** Beginning of the name. */
  readonly namePrefix?: string | undefined
  /** Anywhere in the name. */
  readonly nameHas?: string | undefined
  readonly isPublic?: boolean | undefined
  /** Only those with a grant of their own to this person (or to a group of theirs) or robot. */
  readonly member?: { readonly kind: 'user' | 'robot'; readonly id: number } | undefined
}

const sortColumns = { name: 'projects.name', createdAt: 'projects.created_at', updatedAt: 'projects.updated_at' } as const
const sortMembers = { name: 'name', createdAt: 'createdAt', updatedAt: 'updatedAt' } as const

/** A page of the projects that are visible as such: whoever sees but some repositories of one, by a glob, does not see it here. */
export async function listProjects(
  reader: Reader,
  visibility: Visibility,
  request: { readonly filter: ProjectFilter; readonly page: PageRequest<ProjectSort> },
): Promise<Page<ProjectRecord>> {
  const { filter, page } = request
  if (visibility.kind === 'nothing') return { items: [] }
  const query = reader
    .selectFrom('projects')
    .select(columns)
    // Names of projects in the trash sort before all others.
    .where('projects.name', '>=', '0')
    .$if(filter.namePrefix !== undefined, (next) => next.where(nameBegins(filter.namePrefix ?? '')))
    .$if(filter.nameHas !== undefined, (next) => next.where(nameContains(filter.nameHas ?? '', 'projects.name')))
    .$if(filter.isPublic !== undefined, (next) => next.where('projects.is_public', '=', filter.isPublic === true ? 1 : 0))
    .$if(filter.member !== undefined, (next) => next.where(isGrantedTo(filter.member)))
  const visible = whereProjectVisible(query, visibility)
  const rows = await paged(visible, page, { column: sortColumns[page.column], id: 'projects.id' }).execute()
  return pageFrom(rows.map(recordOf), page, (record) => record[sortMembers[page.column]])
}

/** A range over the index. Names are ASCII and compare bytewise; `~` sorts after all that a name can have. */
function nameBegins(prefix: string): RawBuilder<SqlBool> {
  return sql<SqlBool>`(projects.name >= ${prefix} and projects.name < ${`${prefix}~`})`
}

function isGrantedTo(member: ProjectFilter['member']): RawBuilder<SqlBool> {
  if (member === undefined) return sql<SqlBool>`1 = 1`
  if (member.kind === 'robot') {
    return sql<SqlBool>`projects.id in (select project_id from grants where project_id is not null and robot_id = ${member.id})`
  }
  return sql<SqlBool>`projects.id in (
    select project_id from grants where project_id is not null and user_id = ${member.id}
    union select g.project_id from grants g join group_members m on m.group_id = g.group_id where g.project_id is not null and m.user_id = ${member.id})`
}

/** What {@link insertProject} stores. */
export interface NewProject {
  readonly name: string
  readonly at: number
  readonly isPublic?: boolean | undefined
  readonly description?: string | undefined
  /** Name of who makes it. */
  readonly createdBy?: string | undefined
}

/** Adds a project; `'exists'` when the name is taken. */
export async function insertProject(tx: Transactor, project: NewProject): Promise<number | 'exists'> {
  const row = await tx
    .insertInto('projects')
    .values({
      name: project.name,
      is_default: 0,
      is_public: project.isPublic === true ? 1 : 0,
      description: project.description ?? '',
      settings: '{}',
      created_by: project.createdBy ?? '',
      created_at: project.at,
      updated_at: project.at,
      version: 1,
    })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .executeTakeFirst()
  return row?.id ?? 'exists'
}

/** What {@link updateProject} sets; what is undefined stays. */
export interface ProjectChange {
  readonly name?: string | undefined
  readonly isPublic?: boolean | undefined
  readonly description?: string | undefined
  readonly untaggedAfterDays?: UntaggedAfterDays | undefined
}

/** Changes the row and raises its version; the caller has compared it in the same transaction. */
export async function updateProject(tx: Transactor, id: number, change: ProjectChange & { readonly at: number }): Promise<void> {
  const settings = change.untaggedAfterDays === undefined ? undefined : await settingsWith(tx, id, change.untaggedAfterDays)
  await tx
    .updateTable('projects')
    .set({
      version: sql<number>`version + 1`,
      updated_at: change.at,
      ...(change.name !== undefined && { name: change.name }),
      ...(change.isPublic !== undefined && { is_public: change.isPublic ? 1 : 0 }),
      ...(change.description !== undefined && { description: change.description }),
      ...(settings !== undefined && { settings }),
    })
    .where('id', '=', id)
    .execute()
}

async function settingsWith(tx: Transactor, id: number, untaggedAfterDays: UntaggedAfterDays): Promise<string> {
  const { settings } = await tx.selectFrom('projects').select('settings').where('id', '=', id).executeTakeFirstOrThrow()
  return withUntaggedAfterDays(settings, untaggedAfterDays)
}

/** Removes the row; grants, robots and labels of the project go with it. No repository may belong to it any more. */
export async function deleteProjectRow(tx: Transactor, id: number): Promise<void> {
  await forgetUsage(tx, { scope: 'project', id })
  await tx.deleteFrom('projects').where('id', '=', id).execute()
}

/** A prefix that changes: `from` and all below it becomes `to`. */
export interface PrefixChange {
  readonly from: string
  readonly to: string
}

/** Renames the projects strictly below a prefix; gives how many. */
export async function renameProjectsBelow(tx: Transactor, change: PrefixChange & { readonly at: number }): Promise<number> {
  const result = await tx
    .updateTable('projects')
    .set({ name: replaced('name', change), updated_at: change.at, version: sql<number>`version + 1` })
    .where(belowPrefix('name', change.from))
    .executeTakeFirst()
  return Number(result.numUpdatedRows)
}

/** Renames the repositories below a prefix, in whatever project; gives how many. One statement: no one sees half of it. */
export async function renameRepositoriesBelow(tx: Transactor, change: PrefixChange): Promise<number> {
  const result = await tx
    .updateTable('repositories')
    .set({ name: replaced('name', change) })
    .where(belowPrefix('name', change.from))
    .executeTakeFirst()
  return Number(result.numUpdatedRows)
}

/** Repositories in the trash that belong to the project of the new name, or to one below it, come back below that name. */
export async function renameTrashedRepositories(tx: Transactor, change: PrefixChange): Promise<void> {
  if (change.from === change.to) return
  const owners = tx
    .selectFrom('projects')
    .select('id')
    .where((eb) => eb.or([eb('name', '=', change.to), belowPrefix('name', change.to)]))
  await tx
    .updateTable('repositories')
    .set({ trashed_name: replaced('trashed_name', change) })
    .where(belowPrefix('trashed_name', change.from))
    .where('project_id', 'in', owners)
    .execute()
}

/** What of a repository is in the trash belongs to the project that the repository is in. */
async function followRepositories(tx: Transactor, projectId: number): Promise<void> {
  const ofProject = sql`select id from repositories where project_id = ${projectId} and name >= '0'`
  await sql`update trash set project_id = ${projectId} where repository_id in (${ofProject}) and project_id <> ${projectId}`.execute(tx)
  await sql`update repositories set project_id = ${projectId} where trash_of in (${ofProject}) and project_id <> ${projectId}`.execute(tx)
}

/**
 * Rewrites the globs of grants, immutable tag rules and retention policies that begin with the prefix, so that they go on to mean the repositories they meant. `ofItself`: only
 * those of the project of the new name, and of projects below it: others mean what has the former name by now.
 */
export async function renameGlobsBelow(
  tx: Transactor,
  { ofItself = false, ...change }: PrefixChange & { readonly ofItself?: boolean },
): Promise<void> {
  const owners = tx
    .selectFrom('projects')
    .select('id')
    .where((eb) => eb.or([eb('name', '=', change.to), belowPrefix('name', change.to)]))
  for (const table of ['grants', 'immutable_rules'] as const) {
    await tx
      .updateTable(table)
      .set({ repositories: replaced('repositories', change), version: sql<number>`version + 1` })
      .where(belowPrefix('repositories', change.from))
      .$if(ofItself, (query) => query.where('project_id', 'in', owners))
      .execute()
  }
  // It decides what it did: its revision, by which a dry run is asked for, stays.
  await tx
    .updateTable('retention_policies')
    .set({ repositories: replaced('repositories', change), version: sql<number>`version + 1` })
    .where(belowPrefix('repositories', change.from))
    .$if(ofItself, (query) => query.where('project_id', 'in', owners))
    .execute()
}

function replaced(column: string, { from, to }: PrefixChange): RawBuilder<string> {
  return sql<string>`${to} || substr(${sql.ref(column)}, ${sql.lit(from.length + 1)})`
}

/** The length of the longest name strictly below a prefix; 0 when there is none. */
export async function longestNameBelow(tx: Transactor, table: 'projects' | 'repositories', prefix: string): Promise<number> {
  const row = await tx
    .selectFrom(table)
    .select(sql<number | null>`max(length(name))`.as('longest'))
    .where(belowPrefix('name', prefix))
    .executeTakeFirst()
  return row?.longest ?? 0
}

/** Whether a repository lies below the prefix; of one project only, where it is said. */
export async function hasRepositoriesBelow(reader: Reader | Transactor, prefix: string, projectId?: number): Promise<boolean> {
  const row = await reader
    .selectFrom('repositories')
    .select('id')
    .where(belowPrefix('name', prefix))
    .$if(projectId !== undefined, (query) => query.where('project_id', '=', projectId ?? 0))
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Gives the repositories below a prefix from one project to another; gives how many. */
export async function reassignRepositoriesBelow(
  tx: Transactor,
  prefix: string,
  change: { readonly fromProject: number; readonly toProject: number },
): Promise<number> {
  const result = await tx
    .updateTable('repositories')
    .set({ project_id: change.toProject })
    .where(belowPrefix('name', prefix))
    .where('project_id', '=', change.fromProject)
    .executeTakeFirst()
  if (result.numUpdatedRows > 0n) await followRepositories(tx, change.toProject)
  return Number(result.numUpdatedRows)
}

/** Gives repositories that are being deleted, which keep their project's row, to another project. */
export async function reassignBuriedRepositories(
  tx: Transactor,
  change: { readonly fromProject: number; readonly toProject: number; readonly before: string },
): Promise<void> {
  await tx
    .updateTable('repositories')
    .set({ project_id: change.toProject })
    .where('project_id', '=', change.fromProject)
    .where('name', '<', change.before)
    .execute()
}

/** Names of repositories of a project, in order; tombstones are not among them. */
export async function repositoriesOfProject(
  reader: Reader | Transactor,
  projectId: number,
  page: { readonly from: string; readonly limit: number },
): Promise<string[]> {
  const rows = await reader
    .selectFrom('repositories')
    .select('name')
    .where('project_id', '=', projectId)
    .where('name', '>=', page.from)
    .orderBy('name')
    .limit(page.limit)
    .execute()
  return rows.map((row) => row.name)
}

/** How many repositories a project has, those of projects below it not counted. An index alone tells. */
export async function countRepositories(reader: Reader | Transactor, projectId: number, from: string): Promise<number> {
  const row = await reader
    .selectFrom('repositories')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('project_id', '=', projectId)
    .where('name', '>=', from)
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

/** Gives a repository another name, and the project that goes with it. `'taken'`: there is one of that name. */
export async function placeRepository(
  tx: Transactor,
  repositoryId: number,
  place: { readonly name: string; readonly projectId: number; readonly at: number },
): Promise<'placed' | 'taken'> {
  const other = await tx.selectFrom('repositories').select('id').where('name', '=', place.name).executeTakeFirst()
  if (other !== undefined) return 'taken'
  await tx
    .updateTable('repositories')
    .set({ name: place.name, project_id: place.projectId, updated_at: place.at })
    .where('id', '=', repositoryId)
    .execute()
  await tx.updateTable('repositories').set({ project_id: place.projectId }).where('trash_of', '=', repositoryId).execute()
  await tx.updateTable('trash').set({ project_id: place.projectId }).where('repository_id', '=', repositoryId).execute()
  return 'placed'
}
