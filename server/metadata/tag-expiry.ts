/** When tags expire: `tags.expires_at`. Milliseconds. */
import { sql, type SqlBool } from 'kysely'
import { digestFromBytes, type Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import type { Reader, Transactor } from './metadata.ts'

/** Sets when the tag expires; undefined: never. */
export async function setTagExpiry(tx: Transactor, tagId: number, expiresAt: number | undefined): Promise<void> {
  await tx
    .updateTable('tags')
    .set({ expires_at: expiresAt ?? null })
    .where('id', '=', tagId)
    .execute()
}

/** When the tag of that id expires; undefined: never, or it is gone. */
export async function tagExpiry(reader: Reader | Transactor, tagId: number): Promise<number | undefined> {
  const row = await reader.selectFrom('tags').select('expires_at').where('id', '=', tagId).executeTakeFirst()
  return row?.expires_at ?? undefined
}

/** A tag whose time is over. */
export interface DueTag {
  readonly id: number
  readonly repository: RepositoryName
  readonly projectId: number
  readonly tag: Tag
  readonly digest: Digest
  readonly expiresAt: number
}

/** Where a page of due tags begins: after this one. */
export interface DueAfter {
  readonly expiresAt: number
  readonly id: number
}

/** The next tags that expired until `now`, longest over first; those of repositories in the trash are not among them. */
export async function dueTags(
  reader: Reader,
  { now, after, limit }: { readonly now: number; readonly after: DueAfter; readonly limit: number },
): Promise<DueTag[]> {
  const rows = await reader
    .selectFrom('tags as t')
    .innerJoin('repositories as r', 'r.id', 't.repository_id')
    .innerJoin('manifests as m', 'm.id', 't.manifest_id')
    .select(['t.id', 'r.name as repository', 'r.project_id', 't.name as tag', 'm.digest', 't.expires_at'])
    .where('t.expires_at', 'is not', null)
    .where('t.expires_at', '<=', now)
    .where(sql<SqlBool>`(t.expires_at, t.id) > (${after.expiresAt}, ${after.id})`)
    // Names of what is in the trash sort before all others.
    .where('r.name', '>=', '0')
    .orderBy('t.expires_at')
    .orderBy('t.id')
    .limit(limit)
    .execute()
  return rows.map((row) => ({
    id: row.id,
    repository: row.repository as RepositoryName,
    projectId: row.project_id,
    tag: row.tag as Tag,
    digest: digestFromBytes(row.digest),
    expiresAt: row.expires_at ?? 0,
  }))
}

/** The id of the tag if it was pointed at the manifest just then, and stayed there since. */
export async function tagPointedAt(
  reader: Reader | Transactor,
  {
    repository,
    tag,
    manifest,
    at,
  }: { readonly repository: RepositoryName; readonly tag: Tag; readonly manifest: Buffer; readonly at: number },
): Promise<number | undefined> {
  const row = await reader
    .selectFrom('tags as t')
    .innerJoin('repositories as r', 'r.id', 't.repository_id')
    .innerJoin('manifests as m', 'm.id', 't.manifest_id')
    .select('t.id')
    .where('r.name', '=', repository)
    .where('t.name', '=', tag)
    .where('m.digest', '=', manifest)
    .where('t.updated_at', '=', at)
    .executeTakeFirst()
  return row?.id
}
