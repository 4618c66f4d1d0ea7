/**
 * Removing old backups, and the blobs that none of the others needs.
 *
 * What the backups that stay need is read first: where that cannot be known nothing is removed. A backup that goes loses its record before anything else, so that
 * half of one never looks like a backup.
 */
import type { Ports } from '#lib/ports.ts'
import { chooseKept, type BackupKeep, type KeptBackup } from './backup-keep.ts'
import { forgetDamaged, readDamaged } from './backup-damage.ts'
import { lockRepository } from './backup-locks.ts'
import { backupDirectory, listBackupIds, readRecord, type BackupRecord } from './backup-record.ts'
import type { BackupRepository } from './backup-repository.ts'
import { BackupBroken } from './backup-seal.ts'
import { backupBlobs } from './backup-verify.ts'

/** What went, or would go. */
export interface BackupPruning {
  readonly kept: readonly KeptBackup[]
  readonly removed: readonly string[]
  /** Of which the record could not be read: they stay, and so do all blobs. */
  readonly broken: readonly string[]
  readonly blobs: number
  readonly bytes: number
}

/** How it is done. */
export interface PruneOptions {
  readonly signal: AbortSignal
  readonly keep: BackupKeep
  /** Only looks. */
  readonly isDry?: boolean | undefined
}

const removedAtOnce = 500
/** What is written in one piece, by a process that may be at it now. */
const unfinishedMs = 24 * 3_600_000

/** Removes what `keep` does not keep. Nobody else may work in the place meanwhile. */
export async function pruneBackups(
  repository: BackupRepository,
  { signal, keep, isDry = false }: PruneOptions,
  ports: Pick<Ports, 'clock' | 'random' | 'timers'>,
): Promise<BackupPruning> {
  await using lock = await lockRepository(repository.files, 'removes', ports)
  const { ids, unfinished } = await listBackupIds(repository)
  const { records, broken } = await readRecords(repository, ids, signal)
  const kept = chooseKept(records, keep)
  const stays = new Set(kept.map(({ id }) => id))
  const removed = records.filter(({ id }) => !stays.has(id)).map(({ id }) => id)
  const needed =
    broken.length > 0
      ? undefined
      : await blobsOf(
          repository,
          records.filter(({ id }) => stays.has(id)),
          signal,
        )
  if (!isDry) for (const id of removed) await removeBackup(repository, id)
  if (!isDry) for (const id of unfinished) await removeBackup(repository, id)
  const act = async (names: readonly string[]) => {
    signal.throwIfAborted()
    lock.requireHeld()
    if (!isDry) await repository.files.remove(names)
  }
  const sums = needed === undefined ? { blobs: 0, bytes: 0 } : await removeBlobs(repository, needed, act)
  if (!isDry && needed !== undefined) await removeNotes(repository, needed)
  if (!isDry) await removeUnfinished(repository, ports.clock.now())
  return { kept, removed, broken, ...sums }
}

async function readRecords(
  repository: BackupRepository,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly records: readonly BackupRecord[]; readonly broken: readonly string[] }> {
  const [records, broken]: [BackupRecord[], string[]] = [[], []]
  for (const id of ids) {
    const record = await readRecord(repository, id, signal).catch((error: unknown) => {
      if (error instanceof BackupBroken) return undefined
      throw error
    })
    if (record === undefined) broken.push(id)
    else records.push(record)
  }
  return { records, broken }
}

/** Names of files. Throws {@link BackupBroken} where a list is not what was written. */
async function blobsOf(repository: BackupRepository, records: readonly BackupRecord[], signal: AbortSignal): Promise<ReadonlySet<string>> {
  const names = new Set<string>()
  for (const record of records)
    for await (const { digest } of backupBlobs(repository, record, signal)) names.add(repository.seal.blobName(digest))
  return names
}

async function removeBackup({ files }: BackupRepository, id: string): Promise<void> {
  const directory = backupDirectory(id)
  await files.remove([`${directory}/backup.json`])
  const names: string[] = []
  for await (const { name } of files.list(`${directory}/`)) names.push(name)
  await files.remove(names)
}

async function removeBlobs(
  { files }: BackupRepository,
  needed: ReadonlySet<string>,
  remove: (names: readonly string[]) => Promise<void>,
): Promise<{ readonly blobs: number; readonly bytes: number }> {
  const sums = { blobs: 0, bytes: 0 }
  let waiting: string[] = []
  for await (const { name, sizeBytes } of files.list('blobs/')) {
    if (needed.has(name)) continue
    sums.blobs++
    sums.bytes += sizeBytes
    waiting.push(name)
    if (waiting.length < removedAtOnce) continue
    await remove(waiting)
    waiting = []
  }
  await remove(waiting)
  return sums
}

/** Of damaged blobs that no backup needs any more. */
async function removeNotes(repository: BackupRepository, needed: ReadonlySet<string>): Promise<void> {
  for (const name of await readDamaged(repository)) if (!needed.has(name)) await forgetDamaged(repository, name)
}

async function removeUnfinished({ files }: BackupRepository, now: number): Promise<void> {
  const names: string[] = []
  for await (const { name, modifiedAt } of files.list('unfinished/')) if (now - modifiedAt > unfinishedMs) names.push(name)
  await files.remove(names)
}
