/**
 * The table `usage_recounts`: projects whose blobs are to be compared with the links of their repositories, because many came or went in one step.
 *
 * A recount brings the rows of `project_blobs` into agreement, batch by batch, each with the difference that it makes; pushes and deletes go on meanwhile and
 * do the same for theirs. First what is missing is added, then what nothing counts any more goes, last what was counted provisionally is taken
 * back. So the number is never too small and, in the end, exact. One that was asked for again meanwhile begins again.
 */
import { sql } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'
import { firstRepositoryName } from './repositories.ts'
import { claimBlobs, isWithin, releaseBlobs, type CountedBlob } from './usage-blobs.ts'
import { addChange, negative, type UsageDelta } from './usage-counters.ts'
import { transaction } from './transaction.ts'

/** Asks for a recount of the project; `provisional` was counted for it until that is done. */
export async function insertRecount(
  tx: Transactor,
  projectId: number,
  provisional: { readonly bytes: number; readonly blobs: number } = { bytes: 0, blobs: 0 },
): Promise<void> {
  await sql`insert into usage_recounts (project_id, requests, provisional_bytes, provisional_blobs)
    values (${projectId}, 1, ${provisional.bytes}, ${provisional.blobs})
    on conflict (project_id) do update set requests = usage_recounts.requests + 1,
      provisional_bytes = usage_recounts.provisional_bytes + excluded.provisional_bytes,
      provisional_blobs = usage_recounts.provisional_blobs + excluded.provisional_blobs`.execute(tx)
}

/** Whether the project waits for a recount. */
export async function isRecounting(reader: Reader | Transactor, projectId: number): Promise<boolean> {
  return (await reader.selectFrom('usage_recounts').select('id').where('project_id', '=', projectId).executeTakeFirst()) !== undefined
}

/** Where a recount stands. */
export interface RecountCursor {
  readonly projectId: number
  /** As asked for when it began. */
  readonly requests: number
  readonly phase: 'add' | 'remove'
  /** Links of this repository up to that blob were looked at; for `remove`, rows of `project_blobs` up to that id. */
  readonly repositoryId: number
  readonly afterId: number
}

/** The next project that waits for a recount; undefined when none does. */
export async function nextRecount(reader: Reader | Transactor): Promise<RecountCursor | undefined> {
  const row = await reader.selectFrom('usage_recounts').select(['project_id', 'requests']).orderBy('id').limit(1).executeTakeFirst()
  return row && { projectId: row.project_id, requests: row.requests, phase: 'add', repositoryId: 0, afterId: 0 }
}

/** One step: what is next, or undefined when the project's numbers are exact. */
export const recountStep = transaction(
  import.meta.url,
  'usage-recounts/step',
  async (tx, input: { readonly cursor: RecountCursor; readonly limit: number }): Promise<RecountCursor | undefined> =>
    recountBatch(tx, input),
)

/** {@link recountStep} inside a transaction of the caller's. */
export async function recountBatch(
  tx: Transactor,
  { cursor, limit }: { readonly cursor: RecountCursor; readonly limit: number },
): Promise<RecountCursor | undefined> {
  const project = await tx.selectFrom('projects').select(['id', 'name']).where('id', '=', cursor.projectId).executeTakeFirst()
  const asked = await tx.selectFrom('usage_recounts').selectAll().where('project_id', '=', cursor.projectId).executeTakeFirst()
  if (project === undefined || asked === undefined) return undefined
  if (asked.requests !== cursor.requests)
    return { projectId: project.id, requests: asked.requests, phase: 'add', repositoryId: 0, afterId: 0 }
  if (cursor.phase === 'add') return await addMissing(tx, { project, cursor, limit })
  const next = await removeUncounted(tx, { project, cursor, limit })
  if (next !== undefined) return next
  const provisional: UsageDelta = { bytes: asked.provisional_bytes, blobs: asked.provisional_blobs }
  await addChange(tx, { scope: 'project', id: project.id }, negative(provisional))
  await tx.deleteFrom('usage_recounts').where('id', '=', asked.id).execute()
  return undefined
}

interface Step {
  readonly project: { readonly id: number; readonly name: string }
  readonly cursor: RecountCursor
  readonly limit: number
}

async function addMissing(tx: Transactor, { project, cursor, limit }: Step): Promise<RecountCursor> {
  const { rows } = await sql<CountedBlob & { repositoryId: number }>`
    select rb.repository_id as "repositoryId", rb.blob_id as "blobId", b.size_bytes as "sizeBytes"
      from (select r.id from projects own join repositories r on r.project_id = own.id
          where ${isWithin(project)} and r.name >= ${firstRepositoryName} and r.id >= ${cursor.repositoryId} order by r.id limit ${limit}) as listed
        join repository_blobs rb on rb.repository_id = listed.id join blobs b on b.id = rb.blob_id
      where rb.is_counted = 1 and (rb.repository_id > ${cursor.repositoryId} or rb.blob_id > ${cursor.afterId})
      order by rb.repository_id, rb.blob_id limit ${limit}`.execute(tx)
  const unique = [...new Map(rows.map((row) => [row.blobId, row])).values()]
  await change(tx, project.id, { blobs: await claimBlobs(tx, project.id, unique), sign: 1 })
  const last = rows.at(-1)
  if (last !== undefined && rows.length === limit) return { ...cursor, repositoryId: last.repositoryId, afterId: last.blobId }
  const beyond = await nextRepositories(tx, { project, cursor, limit })
  return beyond === undefined
    ? { ...cursor, phase: 'remove', repositoryId: 0, afterId: 0 }
    : { ...cursor, repositoryId: beyond, afterId: 0 }
}

/** The first repository behind those that one step looks at; undefined when they were the last. */
async function nextRepositories(tx: Transactor, { project, cursor, limit }: Step): Promise<number | undefined> {
  const { rows } = await sql<{ id: number }>`
    select r.id from projects own join repositories r on r.project_id = own.id
      where ${isWithin(project)} and r.name >= ${firstRepositoryName} and r.id >= ${cursor.repositoryId}
      order by r.id limit 1 offset ${limit}`.execute(tx)
  return rows[0]?.id
}

async function removeUncounted(tx: Transactor, { project, cursor, limit }: Step): Promise<RecountCursor | undefined> {
  const { rows } = await sql<CountedBlob & { id: number }>`
    select pb.id, pb.blob_id as "blobId", b.size_bytes as "sizeBytes" from project_blobs pb join blobs b on b.id = pb.blob_id
      where pb.project_id = ${project.id} and pb.id > ${cursor.afterId} order by pb.id limit ${limit}`.execute(tx)
  await change(tx, project.id, { blobs: await releaseBlobs(tx, project, rows), sign: -1 })
  const last = rows.at(-1)
  return last !== undefined && rows.length === limit ? { ...cursor, afterId: last.id } : undefined
}

async function change(
  tx: Transactor,
  projectId: number,
  { blobs, sign }: { readonly blobs: readonly CountedBlob[]; readonly sign: 1 | -1 },
): Promise<void> {
  const bytes = sign * blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  await addChange(tx, { scope: 'project', id: projectId }, { bytes, blobs: sign * blobs.length })
}

/** How many projects wait. */
export async function countPendingRecounts(reader: Reader): Promise<number> {
  const row = await reader
    .selectFrom('usage_recounts')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return Number(row.count)
}
