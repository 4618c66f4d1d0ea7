/**
 * Ending somebody's upload: the session and its bytes go, and it is recorded who ended it. Its sender meets an upload that is unknown; a request that is
 * sending to it just now is answered so in the middle, if it is in this process, and at its end if it is in another.
 */
import { storeOf } from '#blobs/stores.ts'
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { repositoryIdIn } from '#metadata/repositories.ts'
import { transaction } from '#metadata/transaction.ts'
import { deleteUpload, findUpload } from '#metadata/uploads.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { dropUnusedRepository } from './drop-unused-repository.ts'
import type { Registry } from './registry.ts'
import { requireWritable } from './require.ts'
import { dropBytes } from './upload-session.ts'

interface Cancellation {
  readonly repository: RepositoryName
  readonly uploadId: string
  readonly who: Who
  readonly now: number
}

/** False when it ended meanwhile. */
const cancel = transaction(import.meta.url, 'cancel-upload/cancel', async (tx, input: Cancellation): Promise<boolean> => {
  const { repository, uploadId, now, who } = input
  const repositoryId = await repositoryIdIn(tx, repository)
  if (repositoryId === undefined || !(await deleteUpload(tx, uploadId))) return false
  await dropUnusedRepository(tx, repositoryId)
  await recordEvent(tx, { action: 'upload.cancelled', repository, detail: { uploadId }, at: now, ...who })
  return true
})

/** Throws `BLOB_UPLOAD_UNKNOWN` when the repository has no such upload, or it became a blob meanwhile. */
export async function cancelUpload(registry: Registry, repository: RepositoryName, uploadId: string, who: Who): Promise<void> {
  requireWritable(registry)
  const unknown = () => new RegistryError('BLOB_UPLOAD_UNKNOWN', { uploadId })
  const session = await findUpload(registry.metadata.reader, repository, uploadId)
  if (session === undefined) throw unknown()
  await storeOf(registry.stores, session.store).requireThere()
  using _claim = await registry.memory.uploads.takeOver(uploadId, new RegistryError('BLOB_UPLOAD_UNKNOWN', 'the upload was cancelled'))
  const now = registry.context.ports.clock.now()
  if (!(await registry.metadata.write(cancel, { repository, uploadId, who, now }))) throw unknown()
  registry.memory.uploads.drop(uploadId)
  await dropBytes(registry, uploadId, session.store)
}
