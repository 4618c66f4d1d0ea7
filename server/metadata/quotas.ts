/** The table `quotas`: limits of projects. Whether they are kept is quota-check.ts. */
import { sql } from 'kysely'
import type { QuotaUnit } from '#oci/quota-exceeded.ts'
import type { Reader, Transactor } from './metadata.ts'
import { paged, type PageRequest } from './page.ts'
import { prepare } from './prepared.ts'
import { findSetting, putSetting } from './settings.ts'

/** Limits; null: none. */
export interface NewLimits {
  readonly bytesMax: number | null
  readonly repositoriesMax: number | null
  readonly tagsMax: number | null
  /** From this part of a limit on people are warned: 1 to 100. */
  readonly warnPercent: number
}

/** When people were warned, of each unit. Instants are milliseconds. */
export type WarnedAt = Readonly<Record<QuotaUnit, number | undefined>>

/** The limits of a project. Instants are milliseconds. */
export interface Quota extends NewLimits {
  readonly projectId: number
  /** When it was said of each limit that it is near or reached; undefined while usage is below. */
  readonly warnedAt: WarnedAt
  /** Of the limits, for ETags: one that was is never again. */
  readonly version: number
  readonly updatedAt: number
}

interface Row {
  readonly project_id: number
  readonly bytes_max: number | null
  readonly repositories_max: number | null
  readonly tags_max: number | null
  readonly warn_percent: number
  readonly bytes_warned_at: number | null
  readonly repositories_warned_at: number | null
  readonly tags_warned_at: number | null
  readonly version: number
  readonly updated_at: number
}

const columns = [
  'project_id',
  'bytes_max',
  'repositories_max',
  'tags_max',
  'warn_percent',
  'bytes_warned_at',
  'repositories_warned_at',
  'tags_warned_at',
  'version',
  'updated_at',
] as const

const lastVersion = 'quotas.last-version'

/** One sequence for all: what is set after it was taken away has another version than before. */
async function nextVersion(tx: Transactor): Promise<number> {
  const version = Number((await findSetting(tx, lastVersion)) ?? 0) + 1
  await putSetting(tx, lastVersion, version)
  return version
}

function quotaOf(row: Row): Quota {
  return {
    projectId: row.project_id,
    bytesMax: row.bytes_max,
    repositoriesMax: row.repositories_max,
    tagsMax: row.tags_max,
    warnPercent: row.warn_percent,
    warnedAt: {
      bytes: row.bytes_warned_at ?? undefined,
      repositories: row.repositories_warned_at ?? undefined,
      tags: row.tags_warned_at ?? undefined,
    },
    version: row.version,
    updatedAt: row.updated_at,
  }
}

/** Sets limits where there are none. Throws when there are. */
export async function insertQuota(
  tx: Transactor,
  projectId: number,
  { limits, now }: { readonly limits: NewLimits; readonly now: number },
): Promise<void> {
  await tx
    .insertInto('quotas')
    .values({ project_id: projectId, ...columnsOf(limits), version: await nextVersion(tx), updated_at: now })
    .execute()
}

/** Sets other limits. Of what people were warned they stay warned. */
export async function updateQuota(
  tx: Transactor,
  projectId: number,
  { limits, now }: { readonly limits: NewLimits; readonly now: number },
): Promise<void> {
  await tx
    .updateTable('quotas')
    .set({ ...columnsOf(limits), version: await nextVersion(tx), updated_at: now })
    .where('project_id', '=', projectId)
    .execute()
}

function columnsOf({ bytesMax, repositoriesMax, tagsMax, warnPercent }: NewLimits) {
  return { bytes_max: bytesMax, repositories_max: repositoriesMax, tags_max: tagsMax, warn_percent: warnPercent }
}

/** Takes the limits away. */
export async function deleteQuota(tx: Transactor, projectId: number): Promise<void> {
  await tx.deleteFrom('quotas').where('project_id', '=', projectId).execute()
}

/** The limits of the project; undefined: it has none. */
export async function findQuota(reader: Reader | Transactor, projectId: number): Promise<Quota | undefined> {
  const row = await reader.selectFrom('quotas').select(columns).where('project_id', '=', projectId).executeTakeFirst()
  return row && quotaOf(row)
}

/** Notes when it was said of each limit that it is near; undefined: it is not any more. */
export async function setWarned(tx: Transactor, projectId: number, at: WarnedAt): Promise<void> {
  await tx
    .updateTable('quotas')
    .set({ bytes_warned_at: at.bytes ?? null, repositories_warned_at: at.repositories ?? null, tags_warned_at: at.tags ?? null })
    .where('project_id', '=', projectId)
    .execute()
}

/** Limits with the name of their project. */
export interface NamedQuota extends Quota {
  readonly project: string
}

/** A page of the projects with limits, by name; one row more where there is more. Those in the trash are not among them. */
export async function listQuotaRows(reader: Reader, page: PageRequest<'project'>): Promise<NamedQuota[]> {
  const query = reader
    .selectFrom('quotas')
    .innerJoin('projects', 'projects.id', 'quotas.project_id')
    .select(columns.map((column) => `quotas.${column}` as const))
    .select('projects.name')
    .where('projects.trashed_name', '=', '')
  const rows = await paged(query, page, { column: 'projects.name', id: 'projects.id' }).execute()
  return rows.map((row) => ({ ...quotaOf(row), project: row.name }))
}

/** Limits of bytes and repositories, and whose. */
export interface KnownLimit {
  readonly projectId: number
  readonly project: string
  readonly isDefault: boolean
  readonly bytesMax: number | undefined
  readonly repositoriesMax: number | undefined
}

interface KnownRow {
  readonly id: number
  readonly name: string
  readonly is_default: number
  readonly bytes_max: number | null
  readonly repositories_max: number | null
}

const knownLimits = prepare<Record<string, never>, KnownRow>((db) =>
  db
    .selectFrom('quotas as q')
    .innerJoin('projects as p', 'p.id', 'q.project_id')
    .select(['p.id', 'p.name', 'p.is_default', 'q.bytes_max', 'q.repositories_max'])
    .where((eb) => eb.or([eb('q.bytes_max', 'is not', null), eb('q.repositories_max', 'is not', null)])),
)

/** All limits of bytes and of repositories: what a process remembers. */
export async function allKnownLimits(reader: Reader): Promise<KnownLimit[]> {
  const rows = await knownLimits(reader, {})
  return rows.map((row) => ({
    projectId: row.id,
    project: row.name,
    isDefault: row.is_default === 1,
    bytesMax: row.bytes_max ?? undefined,
    repositoriesMax: row.repositories_max ?? undefined,
  }))
}

/** A limit of bytes and what is used of it. */
export interface LimitedUsage {
  readonly project: string
  readonly bytesMax: number
  readonly bytes: number
}

/** The projects with a limit of bytes that use most, by their totals, with what they use now. */
export async function limitedUsage(reader: Reader, limit: number): Promise<LimitedUsage[]> {
  const { rows } = await sql<LimitedUsage>`
    select p.name as project, q.bytes_max as "bytesMax",
        coalesce(t.bytes, 0) + coalesce((select sum(c.bytes) from usage_changes c where c.scope = 'project' and c.scope_id = p.id), 0) as bytes
      from quotas q join projects p on p.id = q.project_id left join usage_totals t on t.scope = 'project' and t.scope_id = p.id
      where q.bytes_max is not null and p.trashed_name = '' order by coalesce(t.bytes, 0) desc, p.id limit ${limit}`.execute(reader)
  return rows.map((row) => ({ ...row, bytes: Number(row.bytes) }))
}
