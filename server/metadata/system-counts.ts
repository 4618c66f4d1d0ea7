/** How much there is, for operators. */
import type { Reader } from './metadata.ts'
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

/** As it is now; each number by itself. */
export async function countSystem(reader: Reader): Promise<SystemCounts> {
  const { bytes } = await reader
    .selectFrom('blobs')
    .select((eb) => eb.fn.sum<number | bigint | string | null>('size_bytes').as('bytes'))
    .executeTakeFirstOrThrow()
  return {
    projects: await count(reader, 'projects'),
    repositories: await count(reader, 'repositories'),
    manifests: await count(reader, 'manifests'),
    tags: await count(reader, 'tags'),
    blobs: await count(reader, 'blobs'),
    blobBytes: Number(bytes ?? 0),
    users: await count(reader, 'users'),
    robots: await count(reader, 'robots'),
    openUploads: await count(reader, 'upload_sessions'),
  }
}
