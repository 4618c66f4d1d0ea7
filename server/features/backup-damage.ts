/**
 * Notes in a place for backups of blobs whose bytes are not their own: an empty file `damaged/<name of the blob>` each.
 *
 * The problem: a backup copies what the place has not yet, and sees by the size alone that it has a blob; one that was damaged there would stay so for ever. The
 * way: verify, which reads, notes what it finds, and the next backup writes what is noted anew from the registry. Nothing goes before good bytes take its place:
 * what is damaged may be all that is left.
 */
import { contentOf } from '#blobs/named-files.ts'
import type { BackupRepository } from './backup-repository.ts'

const directory = 'damaged/'

/** The names of blobs that are noted. */
export async function readDamaged({ files }: Pick<BackupRepository, 'files'>): Promise<ReadonlySet<string>> {
  const names = new Set<string>()
  for await (const { name } of files.list(directory)) names.add(name.slice(directory.length))
  return names
}

/** False where nothing can be written: an archive, a place that may only be read. */
export async function noteDamaged({ files }: Pick<BackupRepository, 'files'>, blobName: string): Promise<boolean> {
  return await files.put(`${directory}${blobName}`, contentOf(new Uint8Array(0))).then(
    () => true,
    () => false,
  )
}

/** Its bytes are good. A note that stays costs one copy more. */
export async function forgetDamaged({ files }: Pick<BackupRepository, 'files'>, blobName: string): Promise<void> {
  await files.remove([`${directory}${blobName}`]).catch(() => undefined)
}
