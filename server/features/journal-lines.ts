/** The lines of the journal: each says how one thing is now, so that who reads them in order ends with what is. */
import type { Reader } from '#metadata/metadata.ts'
import { firstRepositoryName } from '#metadata/repositories.ts'
import { digestFromBytes, digestToBytes, type Digest } from '#oci/digest.ts'

/** Where the bytes of a blob are: digest, size, store, key. */
export type JournalBlob = readonly [digest: Digest, sizeBytes: number, store: string, key: string]

/** A manifest with its bytes, and the blobs of its repository that it needs. Instants are milliseconds. */
export interface ManifestLine {
  readonly k: 'manifest'
  readonly r: string
  readonly d: Digest
  readonly m: string
  readonly at: number
  /** Base64. */
  readonly p: string
  readonly b: readonly JournalBlob[]
}

/** A tag and what it points at; `x`: when it expires. */
export interface TagLine {
  readonly k: 'tag'
  readonly r: string
  readonly t: string
  readonly d: Digest
  readonly at: number
  readonly x?: number | undefined
}

/** What is there, and what is not (any more). */
export type JournalLine =
  | ManifestLine
  | TagLine
  | { readonly k: 'no-manifest'; readonly r: string; readonly d: Digest }
  | { readonly k: 'no-tag'; readonly r: string; readonly t: string }
  | { readonly k: 'repository'; readonly r: string }
  /** Nothing of it that was said before holds: what it has follows, if it is there. */
  | { readonly k: 'no-repository'; readonly r: string }
  | { readonly k: 'project'; readonly n: string }

/** A manifest's row with its repository. */
interface ManifestRow {
  readonly id: number
  readonly repository: string
  readonly digest: Buffer
  readonly media_type: string
  readonly created_at: number
  readonly payload: Buffer
}

/** Few: a payload may have megabytes. */
const manifestsAtOnce = 50

function manifests(reader: Reader) {
  return reader
    .selectFrom('manifests as m')
    .innerJoin('repositories as r', 'r.id', 'm.repository_id')
    .select(['m.id', 'r.name as repository', 'm.digest', 'm.media_type', 'm.created_at', 'm.payload'])
    .where('r.name', '>=', firstRepositoryName)
}

async function withBlobs(reader: Reader, rows: readonly ManifestRow[]): Promise<ManifestLine[]> {
  const blobs = new Map<number, JournalBlob[]>()
  const ids = rows.map(({ id }) => id)
  const found =
    ids.length === 0
      ? []
      : await reader
          .selectFrom('manifest_blobs as mb')
          .innerJoin('blobs as b', 'b.id', 'mb.blob_id')
          .select(['mb.manifest_id', 'b.digest', 'b.size_bytes', 'b.store', 'b.key'])
          .where('mb.manifest_id', 'in', ids)
          .execute()
  for (const row of found) {
    const blob: JournalBlob = [digestFromBytes(row.digest), row.size_bytes, row.store, row.key]
    blobs.set(row.manifest_id, [...(blobs.get(row.manifest_id) ?? []), blob])
  }
  return rows.map((row) => ({
    k: 'manifest',
    r: row.repository,
    d: digestFromBytes(row.digest),
    m: row.media_type,
    at: row.created_at,
    p: Buffer.from(row.payload).toString('base64'),
    b: blobs.get(row.id) ?? [],
  }))
}

/** How a manifest is now. */
export async function manifestLine(reader: Reader, repository: string, digest: Digest): Promise<JournalLine> {
  const rows = await manifests(reader).where('r.name', '=', repository).where('m.digest', '=', digestToBytes(digest)).execute()
  const [line] = await withBlobs(reader, rows)
  return line ?? { k: 'no-manifest', r: repository, d: digest }
}

/** Manifests by id, in pages; of one repository, or of all that are not in the trash. */
export async function* manifestLines(
  reader: Reader,
  { after = 0, repository }: { readonly after?: number | undefined; readonly repository?: string | undefined },
): AsyncGenerator<{ readonly lines: readonly JournalLine[]; readonly lastId: number }> {
  for (let last = after; ;) {
    const rows = await manifests(reader)
      .where('m.id', '>', last)
      .$if(repository !== undefined, (query) => query.where('r.name', '=', repository ?? ''))
      .orderBy('m.id')
      .limit(manifestsAtOnce)
      .execute()
    last = rows.at(-1)?.id ?? last
    if (rows.length > 0) yield { lines: await withBlobs(reader, rows), lastId: last }
    if (rows.length < manifestsAtOnce) return
  }
}

function tags(reader: Reader) {
  return reader
    .selectFrom('tags as t')
    .innerJoin('repositories as r', 'r.id', 't.repository_id')
    .innerJoin('manifests as m', 'm.id', 't.manifest_id')
    .select(['t.id', 'r.name as repository', 't.name', 'm.digest', 't.updated_at', 't.expires_at'])
    .where('r.name', '>=', firstRepositoryName)
}

type TagRow = Awaited<ReturnType<ReturnType<typeof tags>['execute']>>[number]

function lineOfTag({ repository, name, digest, updated_at: at, expires_at: expiresAt }: TagRow): TagLine {
  return { k: 'tag', r: repository, t: name, d: digestFromBytes(digest), at, ...(expiresAt !== null && { x: expiresAt }) }
}

/** How a tag is now. */
export async function tagLine(reader: Reader, repository: string, tag: string): Promise<JournalLine> {
  const row = await tags(reader).where('r.name', '=', repository).where('t.name', '=', tag).executeTakeFirst()
  return row === undefined ? { k: 'no-tag', r: repository, t: tag } : lineOfTag(row)
}

const rowsAtOnce = 500

/** Tags by id, as {@link manifestLines}. */
export async function* tagLines(
  reader: Reader,
  { after = 0, repository }: { readonly after?: number | undefined; readonly repository?: string | undefined },
): AsyncGenerator<{ readonly lines: readonly JournalLine[]; readonly lastId: number }> {
  for (let last = after; ;) {
    const rows = await tags(reader)
      .where('t.id', '>', last)
      .$if(repository !== undefined, (query) => query.where('r.name', '=', repository ?? ''))
      .orderBy('t.id')
      .limit(rowsAtOnce)
      .execute()
    last = rows.at(-1)?.id ?? last
    if (rows.length > 0) yield { lines: rows.map(lineOfTag), lastId: last }
    if (rows.length < rowsAtOnce) return
  }
}

/** How a repository is now, with all that it has. */
export async function* repositoryLines(reader: Reader, repository: string): AsyncGenerator<readonly JournalLine[]> {
  yield [{ k: 'no-repository', r: repository }]
  const row = await reader.selectFrom('repositories').select('id').where('name', '=', repository).executeTakeFirst()
  if (row === undefined) return
  yield [{ k: 'repository', r: repository }]
  for await (const { lines } of manifestLines(reader, { repository })) yield lines
  for await (const { lines } of tagLines(reader, { repository })) yield lines
}

/** All projects and repositories, by name. */
export async function* nameLines(reader: Reader): AsyncGenerator<readonly JournalLine[]> {
  for (const [table, lineOf] of [
    ['projects', (name: string): JournalLine => ({ k: 'project', n: name })],
    ['repositories', (name: string): JournalLine => ({ k: 'repository', r: name })],
  ] as const)
    for (let last = ''; ;) {
      const rows = await reader
        .selectFrom(table)
        .select('name')
        .where('name', '>=', firstRepositoryName)
        .where('name', '>', last)
        .orderBy('name')
        .limit(rowsAtOnce)
        .execute()
      yield rows.map(({ name }) => lineOf(name))
      last = rows.at(-1)?.name ?? last
      if (rows.length < rowsAtOnce) break
    }
}
