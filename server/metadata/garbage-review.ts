/** How garbage collection judges what it has under review: is it needed, and who still relies on it. A few statements a batch, whatever its size. */
import { sql, type SqlBool } from 'kysely'
import { digestFromBytes, digestToBytes, type Digest } from '#oci/digest.ts'
import { subjectOfTag } from '#oci/subject-of-tag.ts'
import { numberList } from './dialect.ts'
import { isHiddenName, isTrashedName } from './hidden-repositories.ts'
import type { Reader, Transactor } from './metadata.ts'
import { untaggedAfterDaysIn, type UntaggedAfterDays } from './project-untagged.ts'
import { blobLeft, linksLeft } from './usage.ts'
import { afterWait } from './write-wait.ts'

/** A blob of a repository under review. */
export interface ReviewedLink {
  readonly linkId: number
  readonly repositoryId: number
  readonly blobId: number
  readonly leaseUntil: number
  /** A manifest of the repository needs it. */
  readonly isNeeded: boolean
}

/** The links of these ids that are still there. */
export async function reviewedLinks(reader: Reader | Transactor, linkIds: readonly number[]): Promise<ReviewedLink[]> {
  const rows = await reader
    .selectFrom('repository_blobs as rb')
    .innerJoin('blobs as b', 'b.id', 'rb.blob_id')
    .select(['rb.id as linkId', 'rb.repository_id as repositoryId', 'rb.blob_id as blobId', 'b.lease_until as leaseUntil'])
    .select(isNeededHere.as('isNeeded'))
    .where('rb.id', 'in', numberList(reader, linkIds))
    .execute()
  return rows.map((row) => ({ ...row, isNeeded: Boolean(row.isNeeded) }))
}

const isNeededHere = sql<SqlBool>`exists (select 1 from manifest_blobs mb where mb.blob_id = rb.blob_id and mb.repository_id = rb.repository_id)`

/** Takes blobs out of their repositories; those that nothing holds any more are reviewed next. */
export async function removeLinks(tx: Transactor, links: readonly ReviewedLink[], now: number): Promise<void> {
  if (links.length === 0) return
  for (const [repositoryId, own] of Map.groupBy(links, (link) => link.repositoryId)) {
    await linksLeft(
      tx,
      repositoryId,
      own.map(({ blobId }) => blobId),
    )
  }
  const linkIds = links.map(({ linkId }) => linkId)
  await sql`delete from repository_blobs where id in ${numberList(tx, linkIds)}`.execute(tx)
  const blobIds = [...new Set(links.map(({ blobId }) => blobId))]
  await sql`insert into garbage_reviews (kind, target_id, review_after)
    select 'blob', b.id, ${now} from blobs b where b.id in ${numberList(tx, blobIds)} and not ${isHeld}
    on conflict (kind, target_id) do update set review_after = excluded.review_after`.execute(tx)
}

/** Of a row `b` of blobs: a manifest needs it, of the trash too, or a repository has it. */
export const isHeld = sql<SqlBool>`(exists (select 1 from manifest_blobs mb where mb.blob_id = b.id)
  or exists (select 1 from repository_blobs rb where rb.blob_id = b.id))`

/** A blob under review. */
export interface ReviewedBlob {
  readonly blobId: number
  readonly leaseUntil: number
  readonly isHeld: boolean
}

/** The blobs of these ids that are still there. */
export async function reviewedBlobs(reader: Reader | Transactor, blobIds: readonly number[]): Promise<ReviewedBlob[]> {
  const rows = await reader
    .selectFrom('blobs as b')
    .select(['b.id as blobId', 'b.lease_until as leaseUntil', isHeld.as('isHeld')])
    .where('b.id', 'in', numberList(reader, blobIds))
    .execute()
  return rows.map((row) => ({ ...row, isHeld: Boolean(row.isHeld) }))
}

/**
 * From this commit on the blobs are missing for everyone. Their keys are noted, each once, unless a row that stays names the same one (an adopted blob
 * known by two digests). Gives how many rows went.
 */
export async function condemnBlobs(tx: Transactor, blobIds: readonly number[], deleteAfter: number): Promise<number> {
  if (blobIds.length === 0) return 0
  const ids = numberList(tx, blobIds)
  await sql`insert into blob_deletions (store, key, size_bytes, delete_after)
    select b.store, b.key, max(b.size_bytes), ${afterWait(tx, deleteAfter)} from blobs b where b.id in ${ids} and not exists (
      select 1 from blobs o where o.store = b.store and o.key = b.key and o.id not in ${ids})
    group by b.store, b.key`.execute(tx)
  const { rows } = await sql<{ size_bytes: number }>`delete from blobs where id in ${ids} returning size_bytes`.execute(tx)
  const bytes = rows.reduce((sum, { size_bytes }) => sum + size_bytes, 0)
  if (rows.length > 0) await blobLeft(tx, bytes, rows.length)
  return rows.length
}

/** A manifest under review. */
export interface ReviewedManifest {
  readonly manifestId: number
  readonly repositoryId: number
  readonly repository: string
  readonly digest: Digest
  readonly sizeBytes: number
  /** `hidden`: its repository is in the trash and may come back; `gone`: it is in the trash itself, or on its way out. */
  readonly place: 'live' | 'hidden' | 'gone'
  /** A tag points at it, an index that is here lists it, or it has a subject that is here. */
  readonly isKept: boolean
  /** Of its project. */
  readonly untaggedAfterDays: UntaggedAfterDays
}

/** Of a row `t` of tags: it is made of no digest, so it keeps what it points at. */
const isPlainTag = sql<SqlBool>`t.name not like 'sha256-%' and t.name not like 'sha512-%'`

/** Of a row `m` of manifests: tags and subjects aside, an index that is here lists it. */
const isListed = sql<SqlBool>`exists (select 1 from manifest_children mc join manifests p on p.id = mc.manifest_id
  where mc.child_digest = m.digest and p.repository_id = m.repository_id)`
const hasSubject = sql<SqlBool>`exists (select 1 from manifests s where s.repository_id = m.repository_id and s.digest = m.subject_digest)`

/** Of a row `m` of manifests: a tag, an index or a subject keeps it; what only tags made of digests keep is looked at more closely. */
export const isPlainlyKept = sql<SqlBool>`(exists (select 1 from tags t where t.manifest_id = m.id and ${isPlainTag}) or ${isListed} or ${hasSubject})`

/** The manifests of these ids that are still there. */
export async function reviewedManifests(reader: Reader | Transactor, manifestIds: readonly number[]): Promise<ReviewedManifest[]> {
  const rows = await reader
    .selectFrom('manifests as m')
    .innerJoin('repositories as r', 'r.id', 'm.repository_id')
    .innerJoin('projects as p', 'p.id', 'r.project_id')
    .select(['m.id', 'm.repository_id', 'm.digest', 'm.size_bytes', 'r.name', 'p.settings', isPlainlyKept.as('kept')])
    .where('m.id', 'in', numberList(reader, manifestIds))
    .execute()
  const manifests: ReviewedManifest[] = []
  for (const row of rows) {
    manifests.push({
      manifestId: row.id,
      repositoryId: row.repository_id,
      repository: row.name,
      digest: digestFromBytes(row.digest),
      sizeBytes: row.size_bytes,
      place: placeOf(row.name),
      isKept: Boolean(row.kept) || (await isKeptBySubject(reader, row.id, row.repository_id)),
      untaggedAfterDays: untaggedAfterDaysIn(row.settings),
    })
  }
  return manifests
}

function placeOf(repository: string): ReviewedManifest['place'] {
  if (!isHiddenName(repository)) return 'live'
  return isTrashedName(repository) ? 'hidden' : 'gone'
}

/** A manifest with more tags made of digests than this is none that a signing tool made: it is kept. */
const subjectTagsMax = 20

/** A tag keeps a signature as long as what it is about is here, or in the trash of the repository and may come back. */
async function isKeptBySubject(reader: Reader | Transactor, manifestId: number, repositoryId: number): Promise<boolean> {
  const tags = await reader.selectFrom('tags').select('name').where('manifest_id', '=', manifestId).limit(subjectTagsMax).execute()
  if (tags.length === 0) return false
  const subjects = tags.map(({ name }) => subjectOfTag(name))
  if (subjects.length === subjectTagsMax || subjects.includes(undefined)) return true
  const found = await reader
    .selectFrom('manifests as s')
    .innerJoin('repositories as r', 'r.id', 's.repository_id')
    .select('s.id')
    .where((eb) => eb.or([eb('r.id', '=', repositoryId), eb('r.trash_of', '=', repositoryId)]))
    .where(
      's.digest',
      'in',
      subjects.flatMap((subject) => (subject === undefined ? [] : [digestToBytes(subject)])),
    )
    .limit(1)
    .executeTakeFirst()
  return found !== undefined
}
