/** Tags as the management API shows them: pages of rows with the manifest that each points at, one tag, and what a tag pointed at before. */
import { sql, type RawBuilder, type SqlBool } from 'kysely'
import { digestFromBytes, type Digest } from '#oci/digest.ts'
import type { Tag } from '#oci/reference.ts'
import { whereLabelled } from './labels.ts'
import type { Reader } from './metadata.ts'
import { paged, pageFrom, type Page, type PageAfter, type PageRequest } from './page.ts'
import { prepare } from './prepared.ts'
import { scannedPage } from './scan.ts'

/** A tag and what it points at. Instants are milliseconds. */
export interface TagRow {
  readonly id: number
  readonly name: Tag
  readonly manifestId: number
  readonly digest: Digest
  readonly mediaType: string
  readonly artifactType: string | undefined
  readonly sizeBytes: number
  readonly createdAt: number
  /** When it was last pointed somewhere else. */
  readonly updatedAt: number
  /** When it is deleted by itself; undefined: never. */
  readonly expiresAt: number | undefined
}

/** By what a list of tags can be sorted. */
export type TagSort = 'name' | 'updatedAt'

/** What a list of tags is narrowed to. */
export interface TagFilter {
  readonly namePrefix?: string | undefined
  /** Only tags of manifests with this label. */
  readonly labelId?: number | undefined
}

interface Row {
  readonly id: number
  readonly name: string
  readonly manifest_id: number
  readonly digest: Buffer
  readonly media_type: string
  readonly artifact_type: string | null
  readonly size_bytes: number
  readonly created_at: number
  readonly updated_at: number
  readonly expires_at: number | null
}

function rowOf(row: Row): TagRow {
  return {
    id: row.id,
    name: row.name as Tag,
    manifestId: row.manifest_id,
    digest: digestFromBytes(row.digest),
    mediaType: row.media_type,
    artifactType: row.artifact_type ?? undefined,
    sizeBytes: row.size_bytes,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    expiresAt: row.expires_at ?? undefined,
  }
}

interface TagList {
  readonly repositoryId: number
  readonly filter: TagFilter
  readonly page: PageRequest<TagSort>
}

const sortColumns = { name: 'name', updatedAt: 'updated_at' } as const

/** So many tags that a prefix fits are gathered by name and sorted; when it fits more, reading them by time finds enough of them soon. */
const fewTags = 5_000
/** So many tags are looked at for a page by label. */
const scannedTags = 6_000

/** A page of the repository's tags. One that is narrowed by label may be short although there is more. */
export async function listTagPage(reader: Reader, list: TagList): Promise<Page<TagRow>> {
  const { filter, page } = list
  const isByTime = page.column === 'updatedAt'
  if (filter.labelId === undefined && (filter.namePrefix === undefined || !isByTime)) {
    return pageFrom(await readRows(reader, list, pagedTags(reader, list, page.limit)), page, (row) => row[page.column])
  }
  if (filter.namePrefix !== undefined && isByTime && (await isFew(reader, list))) {
    const few = tagsOf(reader, list.repositoryId).where(nameBegins(filter.namePrefix)).limit(fewTags)
    return pageFrom(await readRows(reader, list, few, page.after), page, (row) => row[page.column])
  }
  const rows = await readRows(reader, list, pagedTags(reader, list, scannedTags - 1))
  return await scannedPage(rows, page, { valueOf: (row) => row[page.column], lastSeen: () => lastScanned(reader, list) })
}

const tagColumns = ['id', 'name', 'manifest_id', 'created_at', 'updated_at', 'expires_at'] as const

function tagsOf(reader: Reader, repositoryId: number) {
  return reader.selectFrom('tags').select(tagColumns).where('repository_id', '=', repositoryId)
}

/** The next tags in the list's order; by name only those of the prefix, by time all. */
function pagedTags(reader: Reader, { repositoryId, filter, page }: TagList, limit: number) {
  const { namePrefix } = filter
  const query = tagsOf(reader, repositoryId).$if(namePrefix !== undefined && page.column === 'name', (next) =>
    next.where(nameBegins(namePrefix ?? '')),
  )
  return paged(query, { ...page, limit }, { column: sortColumns[page.column], id: 'id' })
}

/** Of the picked tags those that fit, with what they point at. */
async function readRows(
  reader: Reader,
  { filter, page }: TagList,
  picked: ReturnType<typeof tagsOf>,
  after?: PageAfter,
): Promise<TagRow[]> {
  const query = reader
    .selectFrom(picked.as('t'))
    .innerJoin('manifests as m', 'm.id', 't.manifest_id')
    .select(['t.id', 't.name', 't.manifest_id', 't.created_at', 't.updated_at', 't.expires_at'])
    .select(['m.digest', 'm.media_type', 'm.artifact_type', 'm.size_bytes'])
    .$if(filter.namePrefix !== undefined, (next) => next.where(nameBegins(filter.namePrefix ?? '', 't.name')))
    .$if(filter.labelId !== undefined, (next) => next.where(whereLabelled('t.manifest_id', filter.labelId ?? 0)))
  const ordered = paged(query, { ...page, after }, { column: `t.${sortColumns[page.column]}`, id: 't.id' })
  return (await ordered.execute()).map(rowOf)
}

/** Tags are ASCII and compare bytewise; `~` sorts after all that one can have. */
function nameBegins(prefix: string, column = 'name'): RawBuilder<SqlBool> {
  const name = sql.ref(column)
  return sql<SqlBool>`(${name} >= ${prefix} and ${name} < ${`${prefix}~`})`
}

async function isFew(reader: Reader, { repositoryId, filter }: TagList): Promise<boolean> {
  const row = await reader
    .selectFrom('tags')
    .select('id')
    .where('repository_id', '=', repositoryId)
    .where(nameBegins(filter.namePrefix ?? ''))
    .orderBy('name')
    .limit(1)
    .offset(fewTags)
    .executeTakeFirst()
  return row === undefined
}

/** The last tag that a scan of {@link scannedTags} looks at; undefined when there are fewer. */
async function lastScanned(reader: Reader, list: TagList): Promise<PageAfter | undefined> {
  const column = sortColumns[list.page.column]
  const row = await pagedTags(reader, list, 0)
    .clearSelect()
    .select(['id', column])
    .limit(1)
    .offset(scannedTags - 1)
    .executeTakeFirst()
  const value = (row as { readonly name?: string; readonly updated_at?: number } | undefined)?.[column]
  return row === undefined || value === undefined ? undefined : { value, id: row.id }
}

/** The tag of that name, undefined when there is none. */
export async function findTagRow(reader: Reader, repositoryId: number, name: Tag): Promise<TagRow | undefined> {
  const row = await reader
    .selectFrom('tags as t')
    .innerJoin('manifests as m', 'm.id', 't.manifest_id')
    .select(['t.id', 't.name', 't.manifest_id', 't.created_at', 't.updated_at', 't.expires_at'])
    .select(['m.digest', 'm.media_type', 'm.artifact_type', 'm.size_bytes'])
    .where('t.repository_id', '=', repositoryId)
    .where('t.name', '=', name)
    .executeTakeFirst()
  return row && rowOf(row)
}

const namesOfManifest = prepare<{ manifestId: number; limit: number }, { name: string }>((db, param) =>
  db.selectFrom('tags').select('name').where('manifest_id', '=', param('manifestId')).orderBy('id').limit(param('limit')),
)

/** Up to `limit` tags that point at the manifest, oldest first. */
export async function tagsOfManifest(reader: Reader, manifestId: number, limit: number): Promise<Tag[]> {
  return (await namesOfManifest(reader, { manifestId, limit })).map(({ name }) => name as Tag)
}

/** One change of a tag. */
export interface TagHistoryRow {
  readonly id: number
  /** Undefined: it was deleted. */
  readonly digest: Digest | undefined
  /** Undefined: it was not there. */
  readonly previousDigest: Digest | undefined
  readonly at: number
  /** By name; empty for anonymous. */
  readonly actor: string
  /** `restored`, or why it was deleted where nobody asked for it; else empty. */
  readonly reason: string
}

/** A page of what happened to the tag, which need not be there any more, in the order of commits. */
export async function listTagHistory(
  reader: Reader,
  tag: { readonly repositoryId: number; readonly name: Tag },
  page: PageRequest<'id'>,
): Promise<Page<TagHistoryRow>> {
  const query = reader
    .selectFrom('tag_history')
    .select(['id', 'digest', 'previous_digest', 'at', 'actor', 'reason'])
    .where('repository_id', '=', tag.repositoryId)
    .where('name', '=', tag.name)
  const rows = await paged(query, page, { column: 'id', id: 'id' }).execute()
  const items = rows.map((row) => ({
    id: row.id,
    digest: row.digest === null ? undefined : digestFromBytes(row.digest),
    previousDigest: row.previous_digest === null ? undefined : digestFromBytes(row.previous_digest),
    at: row.at,
    actor: row.actor,
    reason: row.reason,
  }))
  return pageFrom(items, page, (row) => row.id)
}
