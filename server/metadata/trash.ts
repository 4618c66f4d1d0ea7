/**
 * The table `trash`: what was deleted and can be restored until a time. What the rows speak of is kept where hidden-repositories.ts says; what goes for good
 * takes its row along. One row a deletion: a digest or a tag that is deleted again while it is here has its latest alone.
 */
import { sql, type SqlBool } from 'kysely'
import { digestFromBytes, digestToBytes, type Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import type { Reader, Transactor } from './metadata.ts'
import { paged, pageFrom, type Page, type PageRequest } from './page.ts'
import { firstRepositoryName } from './repositories.ts'
import { whereTrashVisible, type Visibility } from './visibility.ts'

export type TrashKind = 'tag' | 'manifest' | 'repository' | 'project'

/** Why something was deleted: somebody asked for it, a retention rule, its own end, or a clean-up of what no tag points at. */
export type TrashReason = 'request' | 'retention' | 'expiry' | 'untagged'

/** What {@link insertTrash} notes. Instants are milliseconds. */
export interface NewTrash {
  readonly kind: TrashKind
  readonly projectId: number
  /** Of a project: the one above it, whose members keep their rights on it. */
  readonly parentId?: number | undefined
  readonly repositoryId: number | null
  readonly manifestId: number | null
  readonly project: string
  readonly repository: string
  readonly digest: Digest | undefined
  readonly tags: readonly string[]
  readonly sizeBytes: number
  readonly reason: TrashReason
  readonly deletedBy: string
  readonly deletedAt: number
  readonly expiresAt: number
}

/** Notes a deletion. A tag's own takes the place of the one before. */
export async function insertTrash(tx: Transactor, row: NewTrash): Promise<void> {
  const tags = JSON.stringify(row.tags)
  if (row.kind === 'tag')
    await tx.deleteFrom('trash').where('repository_id', '=', row.repositoryId).where('tags', '=', tags).where('kind', '=', 'tag').execute()
  await tx
    .insertInto('trash')
    .values({
      kind: row.kind,
      project_id: row.projectId,
      parent_id: row.parentId ?? null,
      repository_id: row.repositoryId,
      manifest_id: row.manifestId,
      project: row.project,
      repository: row.repository,
      digest: row.digest === undefined ? null : digestToBytes(row.digest),
      tags,
      size_bytes: row.sizeBytes,
      reason: row.reason,
      deleted_by: row.deletedBy,
      deleted_at: row.deletedAt,
      expires_at: row.expiresAt,
    })
    .execute()
}

/** What is in the trash. Names are present ones where what it was in is there, under whatever name. */
export interface TrashRecord {
  readonly id: number
  readonly kind: TrashKind
  readonly projectId: number
  /** Of a project: the one that was above it, by its present name. */
  readonly parent: { readonly id: number; readonly name: string } | undefined
  readonly repositoryId: number | undefined
  readonly manifestId: number | undefined
  readonly project: string
  /** Empty for a project. */
  readonly repository: string
  readonly digest: Digest | undefined
  readonly sizeBytes: number
  readonly reason: TrashReason
  readonly deletedBy: string
  readonly deletedAt: number
  readonly expiresAt: number
}

/** The same in a list, with the first of its tags. */
export interface ListedTrash extends TrashRecord {
  readonly tags: readonly Tag[]
  readonly hasMoreTags: boolean
}

/** Its tags of a list's row are read so far: a manifest may have had a hundred thousand. */
const shownTagText = 2_000

function selectTrash(reader: Reader | Transactor) {
  return (
    reader
      .selectFrom('trash')
      .innerJoin('projects', 'projects.id', 'trash.project_id')
      .leftJoin('repositories', 'repositories.id', 'trash.repository_id')
      .select('trash.parent_id')
      .select(sql<string | null>`(select parents.name from projects parents where parents.id = trash.parent_id)`.as('parent_name'))
      .select([
        'trash.id',
        'trash.kind',
        'trash.project_id',
        'trash.repository_id',
        'trash.manifest_id',
        'trash.digest',
        'trash.size_bytes',
      ])
      .select(['trash.reason', 'trash.deleted_by', 'trash.deleted_at', 'trash.expires_at'])
      .select(sql<string>`case when projects.trashed_name <> '' then projects.trashed_name else projects.name end`.as('project'))
      .select(
        sql<string>`coalesce(case when repositories.trashed_name <> '' then repositories.trashed_name else repositories.name end, '')`.as(
          'repository',
        ),
      )
      // What is in a project of the trash comes back with it alone, and what is being emptied does not.
      .where(sql<SqlBool>`(trash.kind = 'project' or projects.name >= ${firstRepositoryName})`)
      .where(sql<SqlBool>`(repositories.name is null or repositories.name >= '#')`)
  )
}

type Row = Awaited<ReturnType<ReturnType<typeof selectTrash>['executeTakeFirstOrThrow']>>

function recordOf(row: Row): TrashRecord {
  return {
    id: row.id,
    kind: row.kind,
    projectId: row.project_id ?? 0,
    parent: row.parent_id === null || row.parent_name === null ? undefined : { id: row.parent_id, name: row.parent_name },
    repositoryId: row.repository_id ?? undefined,
    manifestId: row.manifest_id ?? undefined,
    project: row.project,
    repository: row.repository,
    digest: row.digest === null ? undefined : digestFromBytes(row.digest),
    sizeBytes: row.size_bytes,
    reason: row.reason as TrashReason,
    deletedBy: row.deleted_by,
    deletedAt: row.deleted_at,
    expiresAt: row.expires_at,
  }
}

/** The row of that id; undefined when there is none, and for what can be neither restored nor deleted by itself. */
export async function findTrash(reader: Reader | Transactor, id: number): Promise<TrashRecord | undefined> {
  const row = await selectTrash(reader).where('trash.id', '=', id).executeTakeFirst()
  return row && recordOf(row)
}

/** The project that was above one of the trash; undefined for none. */
export async function parentOfTrashed(reader: Reader | Transactor, projectId: number): Promise<TrashRecord['parent']> {
  return await reader
    .selectFrom('trash')
    .innerJoin('projects as parents', 'parents.id', 'trash.parent_id')
    .select(['parents.id', 'parents.name'])
    .where('trash.project_id', '=', projectId)
    .where('trash.kind', '=', 'project')
    .executeTakeFirst()
}

/** A project goes for good: what was below it was below the one around it, if there is one. */
export async function handTrashOn(tx: Transactor, change: { readonly from: number; readonly to: number | undefined }): Promise<void> {
  await tx
    .updateTable('trash')
    .set({ parent_id: change.to ?? null })
    .where('parent_id', '=', change.from)
    .execute()
}

/** The row of a manifest that is in the trash itself. */
export async function trashOfManifest(tx: Transactor, manifestId: number): Promise<TrashRecord | undefined> {
  const row = await selectTrash(tx).where('trash.manifest_id', '=', manifestId).where('trash.kind', '=', 'manifest').executeTakeFirst()
  return row && recordOf(row)
}

/** All tags that went. */
export async function tagsInTrash(tx: Reader | Transactor, id: number): Promise<readonly Tag[]> {
  const row = await tx.selectFrom('trash').select('tags').where('id', '=', id).executeTakeFirst()
  return row === undefined ? [] : (JSON.parse(row.tags) as Tag[])
}

/** Tags that are in the trash by themselves and pointed at the manifest, and when they were deleted. */
export async function trashedTagsOf(
  tx: Reader | Transactor,
  manifestId: number,
): Promise<readonly { readonly tag: Tag; readonly at: number }[]> {
  const rows = await tx
    .selectFrom('trash')
    .select(['tags', 'deleted_at as at'])
    .where('manifest_id', '=', manifestId)
    .where('kind', '=', 'tag')
    .execute()
  return rows.flatMap(({ tags, at }) => (JSON.parse(tags) as Tag[]).map((tag) => ({ tag, at })))
}

/** What a list of the trash is narrowed to. */
export interface TrashFilter {
  readonly kind?: TrashKind | undefined
  /** What was in the project of that id, and projects of the trash that were called so. */
  readonly project?: { readonly id: number | undefined; readonly name: string } | undefined
  /** By the name that it has, or had. */
  readonly repository?: RepositoryName | undefined
  readonly reason?: TrashReason | undefined
  /** What this run of a retention policy removed, as far as it is still known. */
  readonly run?: number | undefined
}

/**
 * Rows of the trash that a run made. No row names its run: the run's decisions do, by tag and digest, and by the repository unless that was renamed since.
 */
function isOfRun(run: number) {
  return sql<SqlBool>`trash.reason = 'retention' and exists (
    select 1 from retention_decisions d join retention_runs rr on rr.id = d.run_id
      where d.run_id = ${run} and d.action = 'removed' and d.digest = trash.digest
        and replace(trash.tags, '"' || d.tag || '"', '') <> trash.tags
        and trash.deleted_at >= rr.started_at and trash.deleted_at <= coalesce(rr.ended_at, trash.deleted_at)
        and (d.repository in (repositories.name, repositories.trashed_name) or not exists (select 1 from repositories o where o.name = d.repository)))`
}

/** The next of what a run removed, latest first, which has manifests before the tags that they lost earlier. */
export async function trashOfRun(
  reader: Reader,
  { run, before, limit }: { readonly run: number; readonly before: number; readonly limit: number },
): Promise<readonly (TrashRecord & { readonly tags: readonly Tag[] })[]> {
  const rows = await selectTrash(reader)
    .select('trash.tags')
    .where(isOfRun(run))
    .where('trash.id', '<', before)
    .orderBy('trash.id', 'desc')
    .limit(limit)
    .execute()
  return rows.map((row) => ({ ...recordOf(row), tags: JSON.parse(row.tags) as Tag[] }))
}

/** A page of what may be seen of the trash. */
export async function listTrash(
  reader: Reader,
  visibility: Visibility,
  { filter, page }: { readonly filter: TrashFilter; readonly page: PageRequest<'deletedAt'> },
): Promise<Page<ListedTrash>> {
  if (visibility.kind === 'nothing') return { items: [] }
  const { kind, project, repository, reason, run } = filter
  const query = selectTrash(reader)
    .select([sql<string>`substr(trash.tags, 1, ${sql.lit(shownTagText)})`.as('tagText'), sql<number>`length(trash.tags)`.as('tagLength')])
    .$if(kind !== undefined, (next) => next.where('trash.kind', '=', kind ?? 'tag'))
    .$if(reason !== undefined, (next) => next.where('trash.reason', '=', reason ?? 'request'))
    .$if(run !== undefined, (next) => next.where(isOfRun(run ?? 0)))
    .$if(project !== undefined, (next) =>
      next.where((eb) => eb.or([eb('trash.project_id', '=', project?.id ?? 0), eb('projects.trashed_name', '=', project?.name ?? '')])),
    )
    .$if(repository !== undefined, (next) =>
      next.where((eb) => eb.or([eb('repositories.name', '=', repository ?? ''), eb('repositories.trashed_name', '=', repository ?? '')])),
    )
  const seen = whereTrashVisible(query, visibility)
  const rows = await paged(seen, page, { column: 'trash.deleted_at', id: 'trash.id' }).execute()
  const items = rows.map((row) => ({ ...recordOf(row), ...shownTags(row.tagText, Number(row.tagLength)) }))
  return pageFrom(items, page, ({ deletedAt }) => deletedAt)
}

/** Tags have neither quotes nor backslashes: a text that was cut ends after the last one that is whole. */
function shownTags(text: string, length: number): { readonly tags: readonly Tag[]; readonly hasMoreTags: boolean } {
  if (length <= shownTagText) return { tags: JSON.parse(text) as Tag[], hasMoreTags: false }
  return { tags: JSON.parse(`${text.slice(0, text.lastIndexOf('","') + 1)}]`) as Tag[], hasMoreTags: true }
}

/** Takes the row away and nothing else. False when it was gone. */
export async function deleteTrashRow(tx: Transactor, id: number): Promise<boolean> {
  return (await tx.deleteFrom('trash').where('id', '=', id).executeTakeFirst()).numDeletedRows > 0n
}

/** The tag is there again: what the trash says of it is over. */
export async function forgetTrashedTag(tx: Transactor, repositoryId: number, tag: Tag): Promise<void> {
  await tx
    .deleteFrom('trash')
    .where('repository_id', '=', repositoryId)
    .where('tags', '=', JSON.stringify([tag]))
    .where('kind', '=', 'tag')
    .execute()
}

/** Rows of tags speak of another row of the same digest from now on. */
export async function retargetTrashedTags(tx: Transactor, manifest: { readonly from: number; readonly to: number }): Promise<void> {
  await tx
    .updateTable('trash')
    .set({ manifest_id: manifest.to })
    .where('manifest_id', '=', manifest.from)
    .where('kind', '=', 'tag')
    .execute()
}

/** Rows of a repository follow it into another project. */
export async function moveTrash(tx: Transactor, repositoryId: number, projectId: number): Promise<void> {
  await tx.updateTable('trash').set({ project_id: projectId }).where('repository_id', '=', repositoryId).execute()
}

/** A row whose time is over. */
export interface ExpiredTrash {
  readonly id: number
  readonly kind: TrashKind
  readonly expiresAt: number
}

/** Rows whose time is over, those that waited longest first, from (`expiresAt`, `id`) on. */
export async function expiredTrash(
  reader: Reader,
  page: { readonly now: number; readonly after: Pick<ExpiredTrash, 'expiresAt' | 'id'>; readonly limit: number },
): Promise<readonly ExpiredTrash[]> {
  return await reader
    .selectFrom('trash')
    .select(['id', 'kind', 'expires_at as expiresAt'])
    .where('expires_at', '<=', page.now)
    .where(sql<SqlBool>`(expires_at, id) > (${page.after.expiresAt}, ${page.after.id})`)
    .orderBy('expires_at')
    .orderBy('id')
    .limit(page.limit)
    .execute()
}

/** How much the trash holds: deletions, and what they stood for (blobs that several share, or that are in use, are counted each time). */
export async function sumTrash(reader: Reader): Promise<{ readonly items: number; readonly sizeBytes: number }> {
  const row = await reader
    .selectFrom('trash')
    .select((eb) => [eb.fn.countAll<number>().as('items'), eb.fn.coalesce(eb.fn.sum<number>('size_bytes'), eb.lit(0)).as('sizeBytes')])
    .executeTakeFirstOrThrow()
  return { items: Number(row.items), sizeBytes: Number(row.sizeBytes) }
}
