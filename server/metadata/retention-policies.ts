/** The table `retention_policies`: which tags of a project's repositories stay. One that is being deleted has a name that no client can write. */
import { sql } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'
import { belowPrefix, prefixesOf } from './name-prefixes.ts'
import { paged, pageFrom, type Page, type PageRequest } from './page.ts'

/** A policy. Instants are milliseconds. */
export interface RetentionPolicyRecord {
  readonly id: number
  readonly projectId: number
  /** Name of that project. */
  readonly project: string
  readonly isDefaultProject: boolean
  readonly name: string
  readonly description: string
  readonly isEnabled: boolean
  /** Glob of repository names. */
  readonly repositories: string
  /** JSON array. */
  readonly rules: string
  readonly unmatched: 'keep' | 'remove'
  readonly mayEmpty: boolean
  /** Empty: by hand. */
  readonly schedule: string
  readonly timeZone: string
  readonly nextAt: number | null
  readonly revision: number
  readonly shownRevision: number
  readonly createdBy: string
  readonly createdAt: number
  readonly updatedAt: number
  readonly version: number
}

function selectPolicies(reader: Reader | Transactor) {
  return (
    reader
      .selectFrom('retention_policies as rp')
      .innerJoin('projects as p', 'p.id', 'rp.project_id')
      .select(['rp.id', 'rp.project_id', 'p.name as project', 'p.is_default', 'rp.name', 'rp.description', 'rp.is_enabled'])
      .select(['rp.repositories', 'rp.rules', 'rp.unmatched', 'rp.may_empty', 'rp.schedule', 'rp.time_zone', 'rp.next_at'])
      .select(['rp.revision', 'rp.shown_revision', 'rp.created_by', 'rp.created_at', 'rp.updated_at', 'rp.version'])
      .where('rp.name', '>=', '0')
      // Projects in the trash have names that sort before all others.
      .where('p.name', '>=', '0')
  )
}

type Row = Awaited<ReturnType<ReturnType<typeof selectPolicies>['executeTakeFirstOrThrow']>>

function recordOf(row: Row): RetentionPolicyRecord {
  const { project_id: projectId, is_default, is_enabled, may_empty, time_zone: timeZone, next_at: nextAt, ...rest } = row
  const { shown_revision: shownRevision, created_by: createdBy, created_at: createdAt, updated_at: updatedAt, ...same } = rest
  const flags = { isDefaultProject: is_default === 1, isEnabled: is_enabled === 1, mayEmpty: may_empty === 1 }
  return { ...same, ...flags, projectId, timeZone, nextAt, shownRevision, createdBy, createdAt, updatedAt }
}

/** The policy of that id, unless it is being deleted. */
export async function findPolicy(reader: Reader | Transactor, id: number): Promise<RetentionPolicyRecord | undefined> {
  const row = await selectPolicies(reader).where('rp.id', '=', id).executeTakeFirst()
  return row && recordOf(row)
}

/** The policy of that name in the project. */
export async function findPolicyByName(
  reader: Reader | Transactor,
  projectId: number,
  name: string,
): Promise<RetentionPolicyRecord | undefined> {
  const row = await selectPolicies(reader).where('rp.project_id', '=', projectId).where('rp.name', '=', name).executeTakeFirst()
  return row && recordOf(row)
}

/** By what a list of policies can be sorted. */
export type RetentionPolicySort = 'name' | 'createdAt'

const sortColumns = { name: 'rp.name', createdAt: 'rp.created_at' } as const

/** A page of the policies of a project. */
export async function listPolicies(
  reader: Reader,
  projectId: number,
  page: PageRequest<RetentionPolicySort>,
): Promise<Page<RetentionPolicyRecord>> {
  const query = selectPolicies(reader).where('rp.project_id', '=', projectId)
  const rows = await paged(query, page, { column: sortColumns[page.column], id: 'rp.id' }).execute()
  return pageFrom(rows.map(recordOf), page, (record) => record[page.column])
}

/** Policies that are on in any of these projects. */
export async function enabledPolicies(reader: Reader, projectIds: readonly number[]): Promise<RetentionPolicyRecord[]> {
  if (projectIds.length === 0) return []
  const query = selectPolicies(reader).where('rp.project_id', 'in', projectIds).where('rp.is_enabled', '=', 1)
  return (await query.orderBy('rp.id').execute()).map(recordOf)
}

/** Policies whose time has come, those that wait longest first. */
export async function duePolicies(reader: Reader, now: number, limit: number): Promise<RetentionPolicyRecord[]> {
  const query = selectPolicies(reader).where('rp.next_at', 'is not', null).where('rp.next_at', '<=', now)
  return (await query.orderBy('rp.next_at').limit(limit).execute()).map(recordOf)
}

/** How many policies the project has. */
export async function countPolicies(tx: Transactor, projectId: number): Promise<number> {
  const row = await tx
    .selectFrom('retention_policies')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('project_id', '=', projectId)
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

/** What a policy is made of. */
export interface PolicyMembers {
  readonly description: string
  readonly isEnabled: boolean
  readonly repositories: string
  readonly rules: string
  readonly unmatched: 'keep' | 'remove'
  readonly mayEmpty: boolean
  readonly schedule: string
  readonly timeZone: string
  readonly nextAt: number | null
}

function columnsOf(members: PolicyMembers) {
  const { description, repositories, rules, unmatched, schedule } = members
  const flags = { is_enabled: members.isEnabled ? 1 : 0, may_empty: members.mayEmpty ? 1 : 0 }
  return { description, repositories, rules, unmatched, schedule, ...flags, time_zone: members.timeZone, next_at: members.nextAt }
}

/** Adds a policy that nobody has seen the effect of, and gives its id; that its name is free is the caller's to see to. */
export async function insertPolicy(
  tx: Transactor,
  policy: PolicyMembers & { readonly projectId: number; readonly name: string; readonly createdBy: string; readonly at: number },
): Promise<number> {
  const { id } = await tx
    .insertInto('retention_policies')
    .values({
      ...columnsOf(policy),
      project_id: policy.projectId,
      name: policy.name,
      revision: 1,
      shown_revision: 0,
      version: 1,
      created_by: policy.createdBy,
      created_at: policy.at,
      updated_at: policy.at,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** Writes all members and raises the version; `decidesOtherwise` raises the revision, too. */
export async function updatePolicyRow(
  tx: Transactor,
  id: number,
  { at, decidesOtherwise, ...members }: PolicyMembers & { readonly at: number; readonly decidesOtherwise: boolean },
): Promise<void> {
  await tx
    .updateTable('retention_policies')
    .set({
      ...columnsOf(members),
      version: sql<number>`version + 1`,
      updated_at: at,
      ...(decidesOtherwise && { revision: sql<number>`revision + 1` }),
    })
    .where('id', '=', id)
    .execute()
}

/**
 * What kept tags in the project or below it keeps fewer: what any policy that reaches them was shown to do is out of date. Those are its own, those of
 * projects below, and those of projects above; of policies that are off, too, for they may be switched on as they are.
 */
export async function outdatePolicies(
  tx: Transactor,
  project: { readonly id: number; readonly name: string },
  exceptPolicy?: number,
): Promise<void> {
  const names = prefixesOf(project.name)
  await tx
    .updateTable('retention_policies')
    .set({ revision: sql<number>`revision + 1` })
    .where('project_id', 'in', (eb) =>
      eb
        .selectFrom('projects as p')
        .select('p.id')
        .where((is) =>
          is.or([
            is('p.id', '=', project.id),
            belowPrefix('p.name', project.name),
            ...(names.length > 0 ? [is('p.name', 'in', names)] : []),
          ]),
        ),
    )
    .$if(exceptPolicy !== undefined, (query) => query.where('id', '!=', exceptPolicy ?? 0))
    .execute()
}

/** When its schedule comes next. */
export async function setNextAt(tx: Transactor, id: number, nextAt: number | null): Promise<void> {
  await tx.updateTable('retention_policies').set({ next_at: nextAt }).where('id', '=', id).execute()
}

/** A dry run has shown what this revision would do. */
export async function setShown(tx: Transactor, id: number, revision: number): Promise<void> {
  await tx
    .updateTable('retention_policies')
    .set({ shown_revision: revision })
    .where('id', '=', id)
    .where('shown_revision', '<', revision)
    .execute()
}

/** Gives it a name that no client can write, so that it is gone for all; what it decided goes in steps (deleteHiddenPolicies). */
export async function hidePolicy(tx: Transactor, id: number): Promise<void> {
  await tx
    .updateTable('retention_policies')
    .set({ name: `!${id}`, is_enabled: 0, next_at: null })
    .where('id', '=', id)
    .execute()
}

/** {@link hidePolicy} for all of a project that goes at once: another one keeps the rows until what they decided is gone, step by step. */
export async function hidePoliciesOf(
  tx: Transactor,
  { fromProject, toProject }: { readonly fromProject: number; readonly toProject: number },
): Promise<void> {
  await tx
    .updateTable('retention_policies')
    .set({ name: sql<string>`'!' || id`, is_enabled: 0, next_at: null, project_id: toProject })
    .where('project_id', '=', fromProject)
    .execute()
}

/** Ids of policies that are being deleted. */
export async function hiddenPolicies(reader: Reader, limit: number): Promise<number[]> {
  const rows = await reader.selectFrom('retention_policies').select('id').where('name', '<', '0').orderBy('id').limit(limit).execute()
  return rows.map(({ id }) => id)
}

/** Removes the row with its runs, whose decisions are gone already. */
export async function deletePolicyRow(tx: Transactor, id: number): Promise<void> {
  await tx.deleteFrom('retention_policies').where('id', '=', id).where('name', '<', '0').execute()
}
