/** Manifests as the management API shows them: pages of rows, and what stands around one of them. */
import { sql, type SqlBool } from 'kysely'
import { digestFromBytes, digestToBytes, type Digest } from '#oci/digest.ts'
import { whereLabelled } from './labels.ts'
import type { Reader } from './metadata.ts'
import { paged, pageFrom, type Page, type PageAfter, type PageRequest } from './page.ts'
import { scannedPage } from './scan.ts'

/** A manifest without its bytes. */
export interface ManifestRow {
  readonly id: number
  readonly digest: Digest
  readonly mediaType: string
  readonly artifactType: string | undefined
  /** What it refers to. */
  readonly subject: Digest | undefined
  /** Of the document alone. */
  readonly sizeBytes: number
  readonly createdAt: number
  /** An index of the repository lists it. */
  readonly isChild: boolean
}

/** By what a list of manifests can be sorted. */
export type ManifestSort = 'createdAt' | 'sizeBytes'

/** What a list of manifests is narrowed to. */
export interface ManifestFilter {
  readonly mediaType?: string | undefined
  readonly artifactType?: string | undefined
  /** True: only those that a tag points at; false: only the others. */
  readonly isTagged?: boolean | undefined
  /** True: only those that an index of the repository lists; false: only the others. */
  readonly isChild?: boolean | undefined
  readonly labelId?: number | undefined
}

interface Row {
  readonly id: number
  readonly digest: Buffer
  readonly media_type: string
  readonly artifact_type: string | null
  readonly subject_digest: Buffer | null
  readonly size_bytes: number
  readonly created_at: number
  readonly is_child: number
}

/** Whether an index of its repository lists `m`. */
const listedByIndex = sql<SqlBool>`exists (select 1 from manifest_children mc join manifests parent on parent.id = mc.manifest_id
  where mc.child_digest = m.digest and parent.repository_id = m.repository_id)`
const isChild = sql<number>`case when ${listedByIndex} then 1 else 0 end`.as('is_child')
const columns = [
  'm.id',
  'm.digest',
  'm.media_type',
  'm.artifact_type',
  'm.subject_digest',
  'm.size_bytes',
  'm.created_at',
  isChild,
] as const
const sortColumns = { createdAt: 'created_at', sizeBytes: 'size_bytes' } as const

function rowOf(row: Row): ManifestRow {
  return {
    id: row.id,
    digest: digestFromBytes(row.digest),
    mediaType: row.media_type,
    artifactType: row.artifact_type ?? undefined,
    subject: row.subject_digest === null ? undefined : digestFromBytes(row.subject_digest),
    sizeBytes: row.size_bytes,
    createdAt: row.created_at,
    isChild: row.is_child === 1,
  }
}

interface ManifestList {
  readonly repositoryId: number
  readonly filter: ManifestFilter
  readonly page: PageRequest<ManifestSort>
}

/** So many manifests are looked at for a page that is narrowed. */
const scannedManifests = 4_000

/** A page of the repository's manifests. One that is narrowed may be short although there is more. */
export async function listManifestPage(reader: Reader, list: ManifestList): Promise<Page<ManifestRow>> {
  const { filter, page } = list
  const valueOf = (row: ManifestRow) => row[page.column]
  const isNarrowed = Object.values(filter).some((value) => value !== undefined)
  const rows = await readRows(reader, list, isNarrowed ? scannedManifests - 1 : page.limit)
  return isNarrowed ? await scannedPage(rows, page, { valueOf, lastSeen: () => lastScanned(reader, list) }) : pageFrom(rows, page, valueOf)
}

/** The next manifests in the list's order, read from the index of that order alone. */
function pagedIds(reader: Reader, { repositoryId, page }: ManifestList, limit: number) {
  const column = sortColumns[page.column]
  const query = reader
    .selectFrom('manifests')
    .select(['id', sql.ref<number>(column).as('value')])
    .where('repository_id', '=', repositoryId)
  return paged(query, { ...page, limit }, { column, id: 'id' })
}

async function readRows(reader: Reader, list: ManifestList, scanned: number): Promise<ManifestRow[]> {
  const { filter, page } = list
  const query = reader
    .selectFrom(pagedIds(reader, list, scanned).as('s'))
    .innerJoin('manifests as m', 'm.id', 's.id')
    .select(columns)
    .$if(filter.mediaType !== undefined, (next) => next.where('m.media_type', '=', filter.mediaType ?? ''))
    .$if(filter.artifactType !== undefined, (next) => next.where('m.artifact_type', '=', filter.artifactType ?? ''))
    .$if(filter.isTagged === true, (next) => next.where(sql<SqlBool>`exists (select 1 from tags where tags.manifest_id = s.id)`))
    .$if(filter.isTagged === false, (next) => next.where(sql<SqlBool>`not exists (select 1 from tags where tags.manifest_id = s.id)`))
    .$if(filter.isChild === true, (next) => next.where(listedByIndex))
    .$if(filter.isChild === false, (next) => next.where(sql<SqlBool>`not ${listedByIndex}`))
    .$if(filter.labelId !== undefined, (next) => next.where(whereLabelled('s.id', filter.labelId ?? 0)))
  const ordered = paged(query, { ...page, after: undefined }, { column: 's.value', id: 's.id' })
  return (await ordered.execute()).map(rowOf)
}

async function lastScanned(reader: Reader, list: ManifestList): Promise<PageAfter | undefined> {
  return await pagedIds(reader, list, 0)
    .limit(1)
    .offset(scannedManifests - 1)
    .executeTakeFirst()
}

/** The manifest of that digest. */
export async function findManifestRow(reader: Reader, repositoryId: number, digest: Digest): Promise<ManifestRow | undefined> {
  const row = await reader
    .selectFrom('manifests as m')
    .select(columns)
    .where('m.repository_id', '=', repositoryId)
    .where('m.digest', '=', digestToBytes(digest))
    .executeTakeFirst()
  return row && rowOf(row)
}
