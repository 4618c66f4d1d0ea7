/**
 * Where a tag, a manifest or a blob is, in all repositories that the caller may see.
 *
 * The problem: `latest` is in each of a hundred thousand repositories, and somebody sees three of them. The way: whoever sees few repositories has these
 * looked through one by one, each at its place of an index; for whoever sees many, the index over all of them is read from the first that fits, so many
 * entries and no more, and what of them is not visible is left out.
 */
import { sql, type RawBuilder, type SqlBool } from 'kysely'
import { digestFromBytes, type Digest } from '#oci/digest.ts'
import { numberList } from './dialect.ts'
import type { Reader } from './metadata.ts'
import { firstRepositoryName } from './repositories.ts'
import { nextRepositories } from './repository-order.ts'
import { visibleRepository, type Visibility } from './visibility.ts'

/** The repositories that are looked through. */
export interface SearchPlace {
  /** Few; undefined: all that are visible. */
  readonly repositoryIds: readonly number[] | undefined
  readonly visibility: Visibility
  /** False: there may be more than these. */
  readonly isWhole: boolean
}

/** Something found, and where. */
export interface FoundContent {
  readonly repository: string
  readonly projectId: number
  readonly tag?: string
  readonly digest: Digest
}

/** What was found. */
export interface FoundContents {
  readonly items: readonly FoundContent[]
  /** False: there is more, or may be. */
  readonly isComplete: boolean
}

/** What one search may cost; the usual one unless a test says otherwise. */
export interface ContentBounds {
  /** Repositories that are looked through one by one: some milliseconds. */
  readonly repositories: number
  /** Entries of an index that are read where more are visible. */
  readonly entries: number
}

const usualBounds: ContentBounds = { repositories: 1_000, entries: 3_000 }
/** Of repositories whose names only have something in them, fewer say enough. */
const namedRepositories = 200
/** Blobs of one beginning: six digits of it are shared by one in sixteen million. */
const blobsMax = 10

/** The repositories that are visible, those with `nameHas` in their names alone where that is said. */
export async function searchPlace(
  reader: Reader,
  visibility: Visibility,
  { nameHas, bounds = usualBounds }: { readonly nameHas?: string | undefined; readonly bounds?: ContentBounds | undefined } = {},
): Promise<SearchPlace> {
  if (visibility.kind === 'nothing') return { repositoryIds: [], visibility, isWhole: true }
  if (visibility.kind === 'everything' && nameHas === undefined) return { repositoryIds: undefined, visibility, isWhole: true }
  const limit = nameHas === undefined ? bounds.repositories : namedRepositories
  const page = { column: 'name', isDescending: false, limit } as const
  const { keys, endedAt } = await nextRepositories(reader, visibility, { filter: { nameHas }, page })
  const isWhole = keys.length <= limit && endedAt === undefined
  if (!isWhole && nameHas === undefined) return { repositoryIds: undefined, visibility, isWhole: true }
  return { repositoryIds: keys.slice(0, limit).map(({ id }) => id), visibility, isWhole }
}

/** Tags that begin so, in the order of their names. */
export async function searchTags(
  reader: Reader,
  place: SearchPlace,
  { prefix, limit, bounds = usualBounds }: { readonly prefix: string; readonly limit: number; readonly bounds?: ContentBounds | undefined },
): Promise<FoundContents> {
  // Tags are ASCII and compare bytewise; `~` sorts after all that one can have.
  const fits = sql<SqlBool>`tags.name >= ${prefix} and tags.name < ${`${prefix}~`}`
  const columns = sql`tags.name as tag, tags.repository_id as repository_id, tags.manifest_id as manifest_id`
  const entries =
    place.repositoryIds === undefined
      ? sql`select ${columns} from tags where ${fits} order by tags.name, tags.repository_id limit ${sql.lit(bounds.entries + 1)}`
      : sql`select ${columns} from ${listed(reader, place)} cross join tags where tags.repository_id = listed.value and ${fits}`
  const query = sql<Row>`
    select repositories.name as repository, repositories.project_id as project_id, entries.tag as tag, manifests.digest as digest
    from (${entries}) as entries
    join repositories on repositories.id = entries.repository_id
    join manifests on manifests.id = entries.manifest_id
    where ${seen(place)} order by entries.tag, repositories.name limit ${sql.lit(limit + 1)}`
  return await found(reader, { place, entries, query, limit, bounds })
}

/** Digests in the database's form, from the one to the other, both included. */
export interface DigestRange {
  readonly from: Buffer
  readonly to: Buffer
}

interface DigestSearch {
  readonly range: DigestRange
  readonly limit: number
  readonly bounds?: ContentBounds | undefined
}

/** Of digests, the bytes that the index of manifests has. */
const indexedBytes = 9

/** Manifests of such digests. */
export async function searchManifests(
  reader: Reader,
  place: SearchPlace,
  { range: { from, to }, limit, bounds = usualBounds }: DigestSearch,
): Promise<FoundContents> {
  const fits = sql<SqlBool>`manifests.digest >= ${from} and manifests.digest <= ${to}`
  const beginning = sql`substr(manifests.digest, 1, ${sql.lit(indexedBytes)})`
  const isNear = sql<SqlBool>`${beginning} >= ${from.subarray(0, indexedBytes)} and ${beginning} <= ${to.subarray(0, indexedBytes)}`
  const columns = sql`manifests.digest as digest, manifests.repository_id as repository_id`
  const entries =
    place.repositoryIds === undefined
      ? sql`select ${columns} from manifests where ${isNear} and ${fits} order by ${beginning} limit ${sql.lit(bounds.entries + 1)}`
      : sql`select ${columns} from ${listed(reader, place)} cross join manifests where manifests.repository_id = listed.value and ${fits}`
  return await found(reader, { place, entries, query: digestsIn(entries, place, limit), limit, bounds })
}

/** Blobs of such digests, in each repository that they may be pulled from. */
export async function searchBlobs(
  reader: Reader,
  place: SearchPlace,
  { range: { from, to }, limit, bounds = usualBounds }: DigestSearch,
): Promise<FoundContents> {
  const blobs = sql`select id, digest from blobs where digest >= ${from} and digest <= ${to} and state = 'live'
    order by digest limit ${sql.lit(blobsMax)}`
  const columns = sql`found.digest as digest, repository_blobs.repository_id as repository_id`
  const links = sql`(${blobs}) as found cross join repository_blobs`
  const entries =
    place.repositoryIds === undefined
      ? sql`select ${columns} from ${links} where repository_blobs.blob_id = found.id limit ${sql.lit(bounds.entries + 1)}`
      : sql`select ${columns} from ${listed(reader, place)} cross join ${links}
          where repository_blobs.repository_id = listed.value and repository_blobs.blob_id = found.id`
  return await found(reader, { place, entries, query: digestsIn(entries, place, limit), limit, bounds })
}

function digestsIn(entries: RawBuilder<unknown>, place: SearchPlace, limit: number): RawBuilder<Row> {
  return sql<Row>`
    select repositories.name as repository, repositories.project_id as project_id, entries.digest as digest
    from (${entries}) as entries join repositories on repositories.id = entries.repository_id
    where ${seen(place)} order by entries.digest, repositories.name limit ${sql.lit(limit + 1)}`
}

/** The repositories of the place as a table; on SQLite a cross join reads from left to right. */
function listed(reader: Reader, { repositoryIds = [] }: SearchPlace): RawBuilder<unknown> {
  return sql`${numberList(reader, repositoryIds)} as listed`
}

function seen({ repositoryIds, visibility }: SearchPlace): RawBuilder<SqlBool> {
  const isNamed = sql<SqlBool>`repositories.name >= ${firstRepositoryName}`
  // Those that are listed were looked for among what is visible.
  return repositoryIds !== undefined ? isNamed : sql<SqlBool>`${isNamed} and ${visibleRepository(visibility)}`
}

interface Row {
  readonly repository: string
  readonly project_id: number
  readonly tag?: string
  readonly digest: Buffer
}

interface Search {
  readonly place: SearchPlace
  /** What is looked at. */
  readonly entries: RawBuilder<unknown>
  /** What of it is shown. */
  readonly query: RawBuilder<Row>
  readonly limit: number
  readonly bounds: ContentBounds
}

async function found(reader: Reader, { place, entries, query, limit, bounds }: Search): Promise<FoundContents> {
  if (place.repositoryIds?.length === 0) return { items: [], isComplete: place.isWhole }
  const { rows } = await query.execute(reader)
  const items = rows.slice(0, limit).map(({ repository, project_id: projectId, tag, digest }) => ({
    repository,
    projectId,
    ...(tag !== undefined && { tag }),
    digest: digestFromBytes(digest),
  }))
  if (rows.length > limit) return { items, isComplete: false }
  return { items, isComplete: place.isWhole && (place.repositoryIds !== undefined || !(await isCutOff(reader, entries, bounds))) }
}

async function isCutOff(reader: Reader, entries: RawBuilder<unknown>, bounds: ContentBounds): Promise<boolean> {
  const { rows } = await sql<{ count: number }>`select count(*) as count from (${entries}) as entries`.execute(reader)
  return Number(rows[0]?.count ?? 0) > bounds.entries
}
