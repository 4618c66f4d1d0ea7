/** Backups of an opened Berth, and restores into what a configuration names: what the job and the commands share. */
import { parseKeyFile } from '#access/secret-keys.ts'
import type { NamedFiles } from '#blobs/named-files.ts'
import type { BackupConfig, Config } from '#config/config.ts'
import type { BackupParts } from '#features/backup.ts'
import type { BackupSource } from '#features/backup-create.ts'
import { makeRepository, openRepository, type BackupRepository } from '#features/backup-repository.ts'
import { refuseHalfRecovered } from '#features/journal-recover.ts'
import { refuseHalfRestored } from '#features/backup-restore-rows.ts'
import { createBackupMetrics } from '#lib/backup-metrics.ts'
import type { Metrics } from '#lib/metrics.ts'
import type { Ports } from '#lib/ports.ts'
import { readBackupStatus } from '#metadata/backup-status.ts'
import type { Reader } from '#metadata/metadata.ts'
import { requirePlaceElsewhere } from './backup-place.ts'
import { openPlaceFiles } from './open-files.ts'

/** The keys that backups are read with; the first seals. Rejects for a file that is missing or holds no key. */
async function backupKeysOf({ keys, keyFile }: Pick<BackupConfig, 'keys' | 'keyFile'>, { files }: Ports): Promise<readonly Uint8Array[]> {
  if (keyFile === undefined) return keys
  try {
    return parseKeyFile(await files.readFile(keyFile, 'utf8'))
  } catch (cause) {
    throw new Error(`the key of backups, ${keyFile}, cannot be used: ${(cause as Error).message}`, { cause })
  }
}

/** Files as backups. */
export async function repositoryOf(
  files: NamedFiles,
  backup: Pick<BackupConfig, 'keys' | 'keyFile'>,
  { ports, makes, signal }: { readonly ports: Ports; readonly makes: boolean; readonly signal: AbortSignal },
): Promise<BackupRepository> {
  const keys = { keys: await backupKeysOf(backup, ports), random: ports.random }
  return await (makes ? makeRepository : openRepository)(files, keys, signal)
}

/** The backups that the configuration names; undefined where it names no place. */
function backupPartsOf(
  { backup, storage, database }: Pick<Config, 'backup' | 'storage' | 'database'>,
  source: BackupSource,
): BackupParts | undefined {
  const { place, includesKey, keep } = backup
  if (place === undefined) return undefined
  const { ports } = source
  const describe = openPlaceFiles(place, ports)
  return {
    ...source,
    place: describe.place,
    includesKey,
    keep,
    async open({ makes, signal }) {
      // By another name it may lie there, too.
      if (makes && place.rootDirectory !== undefined) await requirePlaceElsewhere(place.rootDirectory, { storage, database }, ports)
      const files = openPlaceFiles(place, ports)
      try {
        return await repositoryOf(files, backup, { ports, makes, signal })
      } catch (error) {
        await files[Symbol.asyncDispose]()
        throw error
      }
    },
  }
}

/** The same for a registry that serves, with its metrics. */
export function watchBackups(source: BackupSource & { readonly config: Config }, metrics: Metrics): BackupParts | undefined {
  const parts = backupPartsOf(source.config, source)
  if (parts !== undefined) createBackupMetrics(metrics.registry, () => readBackupStatus(source.metadata.reader))
  return parts
}

/** Throws one sentence for a database that a restore, or a recovery other than the one that goes on here, left unfinished. */
export async function refuseHalfMade(
  reader: Reader,
  { isRecovering = false }: { readonly isRecovering?: boolean | undefined },
): Promise<void> {
  await refuseHalfRestored(reader)
  if (!isRecovering) await refuseHalfRecovered(reader)
}
