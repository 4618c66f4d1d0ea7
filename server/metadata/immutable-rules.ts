/** The table `immutable_rules`: which tags of which repositories of a project, and of projects below it, stay as they are. */
import { sql } from 'kysely'
import type { PatternSyntax } from '#lib/tag-pattern.ts'
import type { RepositoryName } from '#oci/reference.ts'
import type { Reader, Transactor } from './metadata.ts'
import { belowPrefix, prefixesOf } from './name-prefixes.ts'
import { paged, pageFrom, type Page, type PageRequest } from './page.ts'

/** What a rule is made of. */
export interface NewImmutableRule {
  /** Glob of whole repository names (repository-glob.ts). */
  readonly repositories: string
  readonly tagSyntax: PatternSyntax
  readonly tags: string
  readonly description: string
  readonly isEnabled: boolean
}

/** A rule, with the name of its project. Instants are milliseconds. */
export interface ImmutableRule extends NewImmutableRule {
  readonly id: number
  readonly projectId: number
  readonly project: string
  readonly version: number
  readonly createdBy: string
  readonly createdAt: number
  readonly updatedAt: number
}

function selectRules(reader: Reader | Transactor) {
  return reader
    .selectFrom('immutable_rules as r')
    .innerJoin('projects as p', 'p.id', 'r.project_id')
    .select(['r.id', 'r.project_id', 'p.name as project', 'r.repositories', 'r.tag_syntax', 'r.tags', 'r.description', 'r.is_enabled'])
    .select(['r.version', 'r.created_by', 'r.created_at', 'r.updated_at'])
}

type Row = Awaited<ReturnType<ReturnType<typeof selectRules>['executeTakeFirstOrThrow']>>

function ruleOf(row: Row): ImmutableRule {
  return {
    id: row.id,
    projectId: row.project_id,
    project: row.project,
    repositories: row.repositories,
    tagSyntax: row.tag_syntax,
    tags: row.tags,
    description: row.description,
    isEnabled: row.is_enabled === 1,
    version: row.version,
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

/** The rule of that id. */
export async function findImmutableRule(reader: Reader | Transactor, id: number): Promise<ImmutableRule | undefined> {
  const row = await selectRules(reader).where('r.id', '=', id).executeTakeFirst()
  return row && ruleOf(row)
}

/** A page of the rules of one project, by age. */
export async function listImmutableRules(reader: Reader, projectId: number, page: PageRequest<'createdAt'>): Promise<Page<ImmutableRule>> {
  const query = selectRules(reader).where('r.project_id', '=', projectId)
  const rows = await paged(query, page, { column: 'r.created_at', id: 'r.id' }).execute()
  return pageFrom(rows.map(ruleOf), page, (rule) => rule.createdAt)
}

/** The enabled rules of the repository's project (looked up where it is not said) and of those above it, in the order of their ids. One read by indexes. */
export async function immutableRulesOver(
  reader: Reader | Transactor,
  { name, projectId }: { readonly name: RepositoryName; readonly projectId?: number | undefined },
): Promise<ImmutableRule[]> {
  const names = prefixesOf(name)
  const rows = await selectRules(reader)
    .where((eb) =>
      eb.or([
        eb('p.id', '=', projectId ?? eb.selectFrom('repositories as own').select('own.project_id').where('own.name', '=', name)),
        ...(names.length > 0 ? [eb('p.name', 'in', names)] : []),
      ]),
    )
    .where('r.is_enabled', '=', 1)
    .orderBy('r.id')
    .execute()
  return rows.map(ruleOf)
}

/** The enabled rules that may say something of what is in the project or below it: its own, those above, those below. */
export async function immutableRulesAround(
  reader: Reader | Transactor,
  project: { readonly id: number; readonly name: string },
): Promise<ImmutableRule[]> {
  const names = prefixesOf(project.name)
  const rows = await selectRules(reader)
    .where((eb) =>
      eb.or([eb('p.id', '=', project.id), belowPrefix('p.name', project.name), ...(names.length > 0 ? [eb('p.name', 'in', names)] : [])]),
    )
    .where('r.is_enabled', '=', 1)
    .orderBy('r.id')
    .execute()
  return rows.map(ruleOf)
}

/** How many rules the project has, those that are switched off too. */
export async function countImmutableRules(tx: Transactor, projectId: number): Promise<number> {
  const row = await tx
    .selectFrom('immutable_rules')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('project_id', '=', projectId)
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

/** Adds a rule and gives its id. */
export async function insertImmutableRule(
  tx: Transactor,
  rule: NewImmutableRule & { readonly projectId: number; readonly createdBy: string; readonly at: number },
): Promise<number> {
  const { id } = await tx
    .insertInto('immutable_rules')
    .values({
      project_id: rule.projectId,
      ...columnsOf(rule),
      version: 1,
      created_by: rule.createdBy,
      created_at: rule.at,
      updated_at: rule.at,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** Sets all of the rule and raises its version. */
export async function updateImmutableRule(tx: Transactor, id: number, rule: NewImmutableRule & { readonly at: number }): Promise<void> {
  await tx
    .updateTable('immutable_rules')
    .set({ ...columnsOf(rule), version: sql<number>`version + 1`, updated_at: rule.at })
    .where('id', '=', id)
    .execute()
}

function columnsOf({ repositories, tagSyntax, tags, description, isEnabled }: NewImmutableRule) {
  return { repositories, tag_syntax: tagSyntax, tags, description, is_enabled: isEnabled ? 1 : 0 }
}

/** Removes the row. */
export async function deleteImmutableRule(tx: Transactor, id: number): Promise<void> {
  await tx.deleteFrom('immutable_rules').where('id', '=', id).execute()
}
