/** The table `upload_sessions`. */
import { digestFromBytes, digestToBytes, parseDigestAlgorithm, type Digest, type DigestAlgorithm } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { sql, type RawBuilder } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'
import { prepare } from './prepared.ts'
import { lockUploadsOf } from './push-locks.ts'
import { later } from './together.ts'

/** An upload under way, as its row says: the first `offsetBytes` bytes are durable. Instants are milliseconds. */
export interface UploadSession {
  readonly uploadId: string
  readonly repositoryId: number
  /** Who started it, by name. */
  readonly actor: string
  /** Who started it, as `Principal.key`; empty for anonymous, and in rows from before there were keys. */
  readonly actorKey: string
  readonly algorithm: DigestAlgorithm
  readonly offsetBytes: number
  /** Undefined: unknown, the bytes must be read again to tell. */
  readonly digestSoFar: Digest | undefined
  readonly startedAt: number
  readonly updatedAt: number
  /** Counts the processes that held it; see registry/upload-holds.ts. */
  readonly fence: number
  /** The store that has its bytes. */
  readonly store: string
}

interface SessionRow {
  readonly upload_id: string
  readonly repository_id: number
  readonly actor: string
  readonly actor_key: string
  readonly algorithm: string
  readonly offset_bytes: number
  readonly digest_so_far: Buffer
  readonly started_at: number
  readonly updated_at: number
  readonly fence: number
  readonly store: string
}

const columns = [
  's.upload_id',
  's.repository_id',
  's.actor',
  's.actor_key',
  's.algorithm',
  's.offset_bytes',
  's.digest_so_far',
  's.started_at',
  's.updated_at',
  's.fence',
  's.store',
] as const

const byId = prepare<{ uploadId: string; repository: string }, SessionRow>((db, param) =>
  db
    .selectFrom('upload_sessions as s')
    .innerJoin('repositories as r', 'r.id', 's.repository_id')
    .select(columns)
    .where('s.upload_id', '=', param('uploadId'))
    .where('r.name', '=', param('repository')),
)

function sessionOf(row: SessionRow): UploadSession {
  return {
    uploadId: row.upload_id,
    repositoryId: row.repository_id,
    actor: row.actor,
    actorKey: row.actor_key,
    algorithm: parseDigestAlgorithm(row.algorithm) ?? 'sha256',
    offsetBytes: row.offset_bytes,
    digestSoFar: row.digest_so_far.length === 0 ? undefined : digestFromBytes(row.digest_so_far),
    startedAt: row.started_at,
    updatedAt: row.updated_at,
    fence: row.fence,
    store: row.store,
  }
}

function digestColumn(digest: Digest | undefined): Buffer {
  return digest === undefined ? Buffer.alloc(0) : digestToBytes(digest)
}

/** The session if it belongs to this repository. */
export async function findUpload(reader: Reader, repository: RepositoryName, uploadId: string): Promise<UploadSession | undefined> {
  const [row] = await byId(reader, { uploadId, repository })
  return row && sessionOf(row)
}

const startById = prepare<{ uploadId: string }, { actorKey: string; startedAt: number }>((db, param) =>
  db.selectFrom('upload_sessions').select(['actor_key as actorKey', 'started_at as startedAt']).where('upload_id', '=', param('uploadId')),
)

/** Who began the session and when, whatever repository it belongs to. */
export async function findUploadStart(
  reader: Reader,
  uploadId: string,
): Promise<{ readonly actorKey: string; readonly startedAt: number } | undefined> {
  return (await startById(reader, { uploadId }))[0]
}

/** Begins a session at offset 0. Throws when the id is taken. `now` is in milliseconds. */
export async function insertUpload(
  tx: Transactor,
  session: {
    readonly uploadId: string
    readonly repositoryId: number
    readonly actor: string
    readonly actorKey: string
    readonly algorithm: DigestAlgorithm
    readonly digestOfNothing: Digest
    readonly store: string
    readonly now: number
  },
): Promise<void> {
  const insert = tx.insertInto('upload_sessions').values({
    upload_id: session.uploadId,
    repository_id: session.repositoryId,
    actor: session.actor,
    actor_key: session.actorKey,
    algorithm: session.algorithm,
    offset_bytes: 0,
    digest_so_far: digestToBytes(session.digestOfNothing),
    store: session.store,
    started_at: session.now,
    updated_at: session.now,
  })
  await later(tx, insert.execute())
}

/** Whether the actor has `limit` open uploads or more. */
export async function hasUploads(tx: Transactor, actor: { readonly name: string; readonly key: string }, limit: number): Promise<boolean> {
  if (limit <= 0) return true
  const row = await tx
    .selectFrom('upload_sessions')
    .select('id')
    .where('actor', '=', actor.name)
    .where('actor_key', '=', actor.key)
    .limit(1)
    .offset(limit - 1)
    .executeTakeFirst()
  return row !== undefined
}

/** After one was inserted: has the transaction fail where there are more than `limit` now (together.ts). */
export async function failAboveUploads(
  tx: Transactor,
  actor: { readonly name: string; readonly key: string },
  limit: number,
): Promise<void> {
  await later(tx, lockUploadsOf(tx, actor))
  await later(
    tx,
    sql`select cast(concat('over ', id) as bigint) from (select id from upload_sessions
      where actor = ${actor.name} and actor_key = ${actor.key} limit 1 offset ${Math.max(0, limit)}) as beyond`.execute(tx),
  )
}

/** What one request added: the offset it found, the offset it leaves, and the digest of all bytes up to there. */
export interface UploadAdvance {
  readonly uploadId: string
  readonly fromBytes: number
  readonly toBytes: number
  readonly digestSoFar: Digest | undefined
  readonly now: number
  /** Under which the caller found it. */
  readonly fence: number
  /** Whether whoever holds it gives it back with this. */
  readonly releases?: boolean
}

/** Moves the offset if it is still where the caller found it, and nobody else took the upload since. */
export async function advanceUpload(tx: Transactor, advance: UploadAdvance): Promise<boolean> {
  const result = await tx
    .updateTable('upload_sessions')
    .set({
      offset_bytes: advance.toBytes,
      digest_so_far: digestColumn(advance.digestSoFar),
      updated_at: advance.now,
      ...(advance.releases === true && { holder: '', holder_until: 0 }),
    })
    .where('upload_id', '=', advance.uploadId)
    .where('offset_bytes', '=', advance.fromBytes)
    .where('fence', '=', advance.fence)
    .executeTakeFirst()
  return result.numUpdatedRows > 0n
}

/** Of which sessions one speaks: any, those that nothing happened to since and that nobody holds now, or that of one taking. */
export interface UploadMeant {
  readonly unchangedSince?: number | undefined
  readonly fence?: number | undefined
}

/** False when there is no such session (any more). */
export async function deleteUpload(tx: Transactor, uploadId: string, { unchangedSince, fence }: UploadMeant = {}): Promise<boolean> {
  const result = await tx
    .deleteFrom('upload_sessions')
    .where('upload_id', '=', uploadId)
    .$if(unchangedSince !== undefined, (query) =>
      query.where('updated_at', '<=', unchangedSince ?? 0).where('holder_until', '<=', unchangedSince ?? 0),
    )
    .$if(fence !== undefined, (query) => query.where('fence', '=', fence ?? 0))
    .executeTakeFirst()
  return result.numDeletedRows > 0n
}

/** Sessions whose last change is not after `before`, oldest first, starting after `afterId`. */
export async function staleUploads(
  reader: Reader,
  before: number,
  page: { readonly afterId: number; readonly limit: number },
): Promise<readonly { readonly id: number; readonly uploadId: string; readonly repositoryId: number; readonly store: string }[]> {
  return reader
    .selectFrom('upload_sessions')
    .select(['id', 'upload_id as uploadId', 'repository_id as repositoryId', 'store'])
    .where('updated_at', '<=', before)
    .where('id', '>', page.afterId)
    .orderBy('id')
    .limit(page.limit)
    .execute()
}

const storedIn = prepare<{ id: number; from: string; to: string }, { bytes: number | string }>((db, param) => ({
  // From the few uploads that have stored something to their projects, not the other way.
  compile: () =>
    sql<{ bytes: number | string }>`
    select coalesce(sum(s.offset_bytes), 0) as bytes from upload_sessions s cross join repositories r cross join projects p
      where s.offset_bytes > 0 and r.id = s.repository_id and p.id = r.project_id
        and (p.id = ${param('id')} or (p.name > ${param('from')} and p.name < ${param('to')}))`.compile(db),
}))

/** What uploads under way have stored for a project and those below it. */
export async function uploadingBytesIn(
  reader: Reader | Transactor,
  { id, name }: { readonly id: number; readonly name: string },
): Promise<number> {
  // `0` is the character after `/`.
  const [row] = await storedIn(reader, { id, from: `${name}/`, to: `${name}0` })
  return Number(row?.bytes ?? 0)
}

/** The same sum, for a larger statement. */
export function uploadsWithin({ id, name }: { readonly id: number; readonly name: string }): RawBuilder<number> {
  return sql<number>`select coalesce(sum(s.offset_bytes), 0) from upload_sessions s cross join repositories r cross join projects p
    where s.offset_bytes > 0 and r.id = s.repository_id and p.id = r.project_id
      and (p.id = ${id} or (p.name > ${`${name}/`} and p.name < ${`${name}0`}))`
}

/** Ids of the sessions of one repository. */
export async function uploadsOfRepository(tx: Transactor, repositoryId: number): Promise<Pick<UploadSession, 'uploadId' | 'store'>[]> {
  return await tx
    .selectFrom('upload_sessions')
    .select(['upload_id as uploadId', 'store'])
    .where('repository_id', '=', repositoryId)
    .execute()
}

/** Whether a row stands for this upload, in whatever repository. */
export async function uploadExists(reader: Reader, uploadId: string): Promise<boolean> {
  return (await reader.selectFrom('upload_sessions').select('id').where('upload_id', '=', uploadId).executeTakeFirst()) !== undefined
}
