/** Uploads in flight for people: who sends what where, and how far it has come. */
import type { Page, PageRequest } from '#metadata/page.ts'
import { listUploadPage, type UploadRow, type UploadSort } from '#metadata/upload-rows.ts'
import type { Visibility } from '#metadata/visibility.ts'
import type { RepositoryName } from '#oci/reference.ts'
import type { Registry } from './registry.ts'

/** An upload; `isReceiving`: this process is receiving bytes of it right now, and then `offsetBytes` counts those that are not durable yet, too. */
export interface ListedUpload extends UploadRow {
  readonly isReceiving: boolean
}

/** Uploads to repositories that are visible, or to one of them. A push in one request is none: it has no session. */
export async function listUploads(
  { metadata, memory }: Pick<Registry, 'metadata' | 'memory'>,
  visibility: Visibility,
  request: { readonly repository?: RepositoryName | undefined; readonly page: PageRequest<UploadSort> },
): Promise<Page<ListedUpload>> {
  const { items, ...rest } = await listUploadPage(metadata.reader, visibility, request)
  return { items: items.map((row) => asReceived(row, memory)), ...rest }
}

function asReceived(row: UploadRow, { uploads }: Registry['memory']): ListedUpload {
  const offsetBytes = uploads.receivedBytes(row.uploadId) ?? row.offsetBytes
  return { ...row, offsetBytes, isReceiving: uploads.isClaimed(row.uploadId) }
}
