/** How much there is, for operators. */
import { sql } from 'kysely'
import type { Reader } from './metadata.ts'
import { firstRepositoryName } from './repositories.ts'
import type { Database } from './schema.ts'

/** Counted by walking an index each: milliseconds for a hundred thousand rows. */
export interface SystemCounts {
  readonly projects: number
  readonly repositories: number
  readonly manifests: number
  readonly tags: number
  readonly blobs: number
  readonly blobBytes: number
  readonly users: number
  readonly robots: number
  readonly openUploads: number
}

async function count(reader: Reader, table: keyof Database): Promise<number> {
  const { rows } = await reader
    .selectFrom(table)
    .select((eb) => eb.fn.countAll<number | bigint | string>().as('rows'))
    .executeTakeFirstOrThrow()
  return Number(rows)
}

/** Of what nobody can name: in the trash, or on its way out. */
async function countHidden(reader: Reader, table: 'manifests' | 'tags'): Promise<number> {
  const { rows } = await sql<{ count: number | bigint | string }>`
    select count(*) as count from repositories r join ${sql.table(table)} t on t.repository_id = r.id
      where r.name < ${firstRepositoryName}`.execute(reader)
  return Number(rows[0]?.count ?? 0)
}

async function countNamed(reader: Reader, table: 'projects' | 'repositories'): Promise<number> {
  const { rows } = await sql<{ count: number | bigint | string }>`
    select count(*) as count from ${sql.table(table)} where name >= ${firstRepositoryName}`.execute(reader)
  return Number(rows[0]?.count ?? 0)
}

/** As it is now, without what is in the trash but for its bytes; each number by itself. */
export async function countSystem(reader: Reader): Promise<SystemCounts> {
  const { bytes } = await reader
    .selectFrom('blobs')
    .select((eb) => eb.fn.sum<number | bigint | string | null>('size_bytes').as('bytes'))
    .executeTakeFirstOrThrow()
  return {
    projects: await countNamed(reader, 'projects'),
    repositories: await countNamed(reader, 'repositories'),
    manifests: (await count(reader, 'manifests')) - (await countHidden(reader, 'manifests')),
    tags: (await count(reader, 'tags')) - (await countHidden(reader, 'tags')),
    blobs: await count(reader, 'blobs'),
    blobBytes: Number(bytes ?? 0),
    users: await count(reader, 'users'),
    robots: await count(reader, 'robots'),
    openUploads: await count(reader, 'upload_sessions'),
  }
}
