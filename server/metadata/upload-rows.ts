/** Uploads in flight as the management API shows them. */
import type { RepositoryName } from '#oci/reference.ts'
import type { Reader } from './metadata.ts'
import { paged, pageFrom, type Page, type PageRequest } from './page.ts'
import { firstRepositoryName } from './repositories.ts'
import { whereVisible, type Visibility } from './visibility.ts'

/** An upload under way. Instants are milliseconds. */
export interface UploadRow {
  readonly id: number
  readonly uploadId: string
  readonly repository: RepositoryName
  /** Who began it, by name; empty for anonymous. */
  readonly actor: string
  /** Bytes that are durable. */
  readonly offsetBytes: number
  readonly startedAt: number
  readonly updatedAt: number
}

/** By what a list of uploads can be sorted. */
export type UploadSort = 'updatedAt'

/** A page of the uploads to repositories that the caller may see, or to one of them. */
export async function listUploadPage(
  reader: Reader,
  visibility: Visibility,
  request: { readonly repository?: RepositoryName | undefined; readonly page: PageRequest<UploadSort> },
): Promise<Page<UploadRow>> {
  const { repository, page } = request
  if (visibility.kind === 'nothing') return { items: [] }
  const query = reader
    .selectFrom('upload_sessions')
    .innerJoin('repositories', 'repositories.id', 'upload_sessions.repository_id')
    .select(['upload_sessions.id', 'upload_id', 'repositories.name', 'actor', 'offset_bytes', 'started_at'])
    .select('upload_sessions.updated_at')
    .where('repositories.name', '>=', firstRepositoryName)
    .$if(repository !== undefined, (next) => next.where('repositories.name', '=', repository ?? ''))
  const rows = await paged(whereVisible(query, visibility), page, {
    column: 'upload_sessions.updated_at',
    id: 'upload_sessions.id',
  }).execute()
  const items = rows.map((row) => ({
    id: row.id,
    uploadId: row.upload_id,
    repository: row.name as RepositoryName,
    actor: row.actor,
    offsetBytes: row.offset_bytes,
    startedAt: row.started_at,
    updatedAt: row.updated_at,
  }))
  return pageFrom(items, page, (row) => row.updatedAt)
}
