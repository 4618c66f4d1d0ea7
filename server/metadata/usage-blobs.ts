/** The table `project_blobs`: which blobs count in a project, each once however many repositories of it, or of projects below it, have it. */
import { sql, type RawBuilder, type SqlBool } from 'kysely'
import { digestToBytes, type Digest } from '#oci/digest.ts'
import { numberList } from './dialect.ts'
import type { Reader, Transactor } from './metadata.ts'
import { prepare } from './prepared.ts'
import { firstRepositoryName } from './repositories.ts'

/** A blob and its size, for what is counted of it. */
export interface CountedBlob {
  readonly blobId: number
  readonly sizeBytes: number
}

/** What these blobs hold together. */
export async function sumBlobSizes(tx: Transactor, blobIds: readonly number[]): Promise<number> {
  if (blobIds.length === 0) return 0
  const { rows } = await sql<{
    bytes: number | null
  }>`select sum(size_bytes) as bytes from blobs where id in ${numberList(tx, blobIds)}`.execute(tx)
  return Number(rows[0]?.bytes ?? 0)
}

const insertOne = prepare<{ project_id: number; blob_id: number }, { id: number }>((db, param) =>
  db
    .insertInto('project_blobs')
    .values({ project_id: param('project_id'), blob_id: param('blob_id') })
    .onConflict((conflict) => conflict.columns(['blob_id', 'project_id']).doNothing())
    .returning('id'),
)

/** {@link claimBlobs} for the common case: a push of one blob. */
export async function claimOneBlob(tx: Transactor, projectId: number, blob: CountedBlob): Promise<readonly CountedBlob[]> {
  const inserted = await insertOne(tx, { project_id: projectId, blob_id: blob.blobId })
  return inserted.length > 0 ? [blob] : []
}

/** Counts the blobs in the project and gives those that did not count in it before. */
export async function claimBlobs(tx: Transactor, projectId: number, blobs: readonly CountedBlob[]): Promise<readonly CountedBlob[]> {
  if (blobs.length === 0) return []
  const ids = numberList(
    tx,
    blobs.map(({ blobId }) => blobId),
  )
  const { rows } = await sql<{ blob_id: number }>`
    insert into project_blobs (project_id, blob_id) select ${projectId}, id from blobs where id in ${ids}
      on conflict (blob_id, project_id) do nothing returning blob_id`.execute(tx)
  const claimed = new Set(rows.map((row) => row.blob_id))
  return blobs.filter(({ blobId }) => claimed.has(blobId))
}

/** Repositories of the project and of those below it, live ones; `own` is the table `projects` of the repository `r`. */
export function isWithin(project: { readonly id: number; readonly name: string }): RawBuilder<SqlBool> {
  return sql<SqlBool>`(own.id = ${project.id} or (own.name > ${`${project.name}/`} and own.name < ${`${project.name}0`}))`
}

/** Ends the counting of those blobs that no live repository of the project counts any more, those that are about to go left out, and gives them. */
export async function releaseBlobs(
  tx: Transactor,
  project: { readonly id: number; readonly name: string },
  blobs: readonly CountedBlob[],
  goingRepositoryIds: readonly number[] = [],
): Promise<readonly CountedBlob[]> {
  if (blobs.length === 0) return []
  const ids = numberList(
    tx,
    blobs.map(({ blobId }) => blobId),
  )
  const { rows } = await sql<{ blob_id: number }>`
    delete from project_blobs where project_id = ${project.id} and blob_id in ${ids} and not exists (
      select 1 from repository_blobs rb join repositories r on r.id = rb.repository_id join projects own on own.id = r.project_id
        where rb.blob_id = project_blobs.blob_id and rb.is_counted = 1 and r.name >= ${firstRepositoryName} and ${isWithin(project)}
          and rb.repository_id not in ${numberList(tx, goingRepositoryIds)})
      returning blob_id`.execute(tx)
  const released = new Set(rows.map((row) => row.blob_id))
  return blobs.filter(({ blobId }) => released.has(blobId))
}

const withBlob = prepare<{ digest: Buffer }, { project_id: number }>((db, param) =>
  db
    .selectFrom('blobs as b')
    .innerJoin('project_blobs as pb', 'pb.blob_id', 'b.id')
    .select('pb.project_id')
    .where('b.digest', '=', param('digest')),
)

/** Ids of the projects in which the blob counts: another push of it makes none of them grow. */
export async function projectsWithBlob(reader: Reader, digest: Digest): Promise<Set<number>> {
  return new Set((await withBlob(reader, { digest: digestToBytes(digest) })).map((row) => row.project_id))
}
