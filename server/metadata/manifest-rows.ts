/** Manifests as the management API shows them: pages of rows, and what stands around one of them. */
import { sql, type SqlBool } from 'kysely'
import { digestFromBytes, digestToBytes, type Digest } from '#oci/digest.ts'
import { inChunks } from './in-chunks.ts'
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
}

/** By what a list of manifests can be sorted. */
export type ManifestSort = 'createdAt' | 'sizeBytes'

/** What a list of manifests is narrowed to. */
export interface ManifestFilter {
  readonly mediaType?: string | undefined
  readonly artifactType?: string | undefined
  /** True: only those that a tag points at; false: only the others. */
  readonly isTagged?: boolean | undefined
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
}

const columns = ['m.id', 'm.digest', 'm.media_type', 'm.artifact_type', 'm.subject_digest', 'm.size_bytes', 'm.created_at'] as const
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

/** Which of the digests are manifests of the repository, with their ids. */
export async function presentManifests(reader: Reader, repositoryId: number, digests: readonly Digest[]): Promise<Map<Digest, number>> {
  const found = new Map<Digest, number>()
  for (const chunk of inChunks(digests)) {
    const rows = await reader
      .selectFrom('manifests')
      .select(['id', 'digest'])
      .where('repository_id', '=', repositoryId)
      .where('digest', 'in', chunk.map(digestToBytes))
      .execute()
    for (const row of rows) found.set(digestFromBytes(row.digest), row.id)
  }
  return found
}

/** Bounds of {@link contentSize}: manifests below an index, and links from manifests to blobs that are read. */
const sizedManifests = 1_000
const sizedLinks = 20_000
const nestingMax = 8

/** Bytes of a manifest with all that it needs, each blob counted once: its children of the same repository, their configs and layers. */
export async function contentSize(
  reader: Reader,
  manifest: { readonly id: number; readonly sizeBytes: number },
): Promise<{ readonly sizeBytes: number; readonly isExact: boolean }> {
  const { documents, isExact: isWholeTree } = await documentsBelow(reader, manifest)
  const blobs = new Map<number, number>()
  let linksLeft = sizedLinks
  for (const chunk of inChunks([...documents.keys()])) {
    if (linksLeft === 0) break
    const rows = await reader
      .selectFrom(reader.selectFrom('manifest_blobs').select('blob_id').where('manifest_id', 'in', chunk).limit(linksLeft).as('link'))
      .innerJoin('blobs as b', 'b.id', 'link.blob_id')
      .select(['b.id', 'b.size_bytes'])
      .execute()
    linksLeft -= rows.length
    for (const row of rows) blobs.set(row.id, row.size_bytes)
  }
  return { sizeBytes: sum(documents.values()) + sum(blobs.values()), isExact: isWholeTree && linksLeft > 0 }
}

/** The manifest and those below it that are here, with the sizes of the documents. */
async function documentsBelow(
  reader: Reader,
  manifest: { readonly id: number; readonly sizeBytes: number },
): Promise<{ readonly documents: Map<number, number>; readonly isExact: boolean }> {
  const documents = new Map([[manifest.id, manifest.sizeBytes]])
  let level = [manifest.id]
  for (let depth = 0; level.length > 0 && depth < nestingMax; depth++) {
    const found = (await childrenWithSizes(reader, level)).filter(({ id }) => !documents.has(id))
    level = []
    for (const { id, sizeBytes } of found) {
      if (documents.size >= sizedManifests) return { documents, isExact: false }
      if (!documents.has(id)) level.push(id)
      documents.set(id, sizeBytes)
    }
  }
  return { documents, isExact: true }
}

/** One step down, as far as the children are in the same repository; no more than are sized. */
async function childrenWithSizes(
  reader: Reader,
  parents: readonly number[],
): Promise<{ readonly id: number; readonly sizeBytes: number }[]> {
  const found: { readonly id: number; readonly sizeBytes: number }[] = []
  for (const chunk of inChunks(parents)) {
    const rows = await reader
      .selectFrom('manifest_children as mc')
      .innerJoin('manifests as parent', 'parent.id', 'mc.manifest_id')
      .innerJoin('manifests as child', (join) =>
        join.onRef('child.repository_id', '=', 'parent.repository_id').onRef('child.digest', '=', 'mc.child_digest'),
      )
      .select(['child.id', 'child.size_bytes as sizeBytes'])
      .where('mc.manifest_id', 'in', chunk)
      .limit(sizedManifests + 1)
      .execute()
    for (const row of rows) found.push(row)
    if (found.length > sizedManifests) return found
  }
  return found
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}
