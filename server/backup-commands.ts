/** What `berth backup` and `berth restore` do without a server: each a few lines that open a place and call the feature. */
import type { FileHandle } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { NamedFiles } from '#blobs/named-files.ts'
import { createTarWriter, openTarFiles, type TarSink } from '#blobs/tar-files.ts'
import type { Config } from '#config/config.ts'
import { listBackups, makeBackup, type BackupParts, type ListedBackup } from '#features/backup.ts'
import type { BackupProgress } from '#features/backup-create.ts'
import type { BackupPruning } from '#features/backup-prune.ts'
import type { BackupRecord } from '#features/backup-record.ts'
import { BackupRefused, type BackupRepository } from '#features/backup-repository.ts'
import { verifyBackups, type BackupVerification } from '#features/backup-verify.ts'
import { pruneBackups } from '#features/backup-prune.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { operator } from '#access/user-passwords.ts'
import { requireDirectoryPlace, requirePlaceElsewhere } from './backup-place.ts'
import { repositoryOf } from './backup-work.ts'
import type { Berth } from './main.ts'
import { openArchive, openDirectory, openPlaceFiles } from './open-files.ts'
import { recoverStore, type RecoverOptions } from './recover-work.ts'
import { restoreBackup, type RestoreOptions, type RestoreReport } from './restore-work.ts'

/** Where backups are, for a command. */
export interface BackupTarget {
  readonly config: Config
  /** A directory, or an archive (`.tar`); undefined: `backup.store`. */
  readonly path?: string | undefined
  /** An opened archive, in place of `path`; reading closes it. */
  readonly input?: { readonly name: string; readonly handle: FileHandle } | undefined
  /** Instead of `backup.keyfile`. */
  readonly keyFile?: string | undefined
  readonly signal: AbortSignal
}

function keysOf({ config, keyFile }: BackupTarget): Pick<Config['backup'], 'keys' | 'keyFile'> {
  return keyFile === undefined ? config.backup : { keys: [], keyFile: resolve(keyFile) }
}

async function openTarget({ config, path, input }: BackupTarget, ports: Ports): Promise<NamedFiles> {
  if (input !== undefined) return await openTarFiles(input.handle, input.name)
  if (path?.endsWith('.tar') === true) return await openArchive(resolve(path), ports)
  if (path !== undefined) {
    await requireDirectoryPlace(resolve(path), ports)
    return openDirectory(resolve(path), ports)
  }
  const { place } = config.backup
  if (place === undefined) throw new BackupRefused('no place for backups is named: give a directory, or backup.store in the configuration')
  return openPlaceFiles(place, ports)
}

/** Disposing closes the files. */
async function openRepositoryAt(target: BackupTarget, makes: boolean): Promise<BackupRepository & AsyncDisposable> {
  const files = await openTarget(target, systemPorts)
  try {
    const repository = await repositoryOf(files, keysOf(target), { ports: systemPorts, makes, signal: target.signal })
    return { ...repository, [Symbol.asyncDispose]: () => files[Symbol.asyncDispose]() }
  } catch (error) {
    await files[Symbol.asyncDispose]()
    throw error
  }
}

/** How a command makes a backup. */
export interface MakeBackup extends Omit<BackupTarget, 'config'> {
  /** Writes one archive there, whole, in place of a place. */
  readonly archive?: { readonly sink: TarSink; readonly name: string; readonly path?: string | undefined } | undefined
  readonly includesKey?: boolean | undefined
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined
}

/** Where on this machine the backup goes; undefined for other places. */
function directoryOf({ backup }: Config, { path, archive }: MakeBackup): string | undefined {
  return path ?? (archive === undefined ? backup.place?.rootDirectory : archive.path)
}

/** Makes a backup of an opened Berth, beside a running server too. */
export async function makeBackupAt({ config, registry, context }: Berth, options: MakeBackup): Promise<BackupRecord> {
  const { signal, archive, onProgress } = options
  const target = { ...options, config }
  const named = directoryOf(config, options)
  if (named !== undefined) await requirePlaceElsewhere(resolve(named), config, context.ports)
  const writer = archive && createTarWriter(archive.sink, { place: archive.name, clock: context.ports.clock })
  const { includesKey = config.backup.includesKey } = options
  const parts: BackupParts = {
    config,
    metadata: registry.metadata,
    stores: registry.stores,
    ...context,
    place: archive?.name ?? options.path ?? 'backup.store',
    includesKey,
    keep: config.backup.keep,
    open: async ({ makes }) =>
      writer === undefined
        ? await openRepositoryAt(target, makes)
        : await repositoryOf(writer, keysOf(target), { ...context, makes, signal }),
  }
  const record = await makeBackup(parts, { signal, onProgress, who: operator })
  await writer?.finish()
  return record
}

/** Backups, newest first. */
export async function readBackupsAt(target: BackupTarget, limit: number): Promise<readonly ListedBackup[]> {
  await using repository = await openRepositoryAt(target, false)
  return await listBackups(repository, limit, target.signal)
}

/** Proves backups. */
export async function verifyBackupsAt(
  target: BackupTarget,
  wanted: { readonly id?: string | undefined; readonly isQuick?: boolean | undefined },
  onProgress?: (done: { readonly blobs: number; readonly bytes: number }) => void,
): Promise<BackupVerification> {
  await using repository = await openRepositoryAt(target, false)
  return await verifyBackups(repository, { ...wanted, signal: target.signal, onProgress }, systemPorts)
}

/** Removes what is not to be kept. */
export async function pruneBackupsAt(
  target: BackupTarget,
  { keep, isDry }: { readonly keep: Partial<Config['backup']['keep']>; readonly isDry: boolean },
): Promise<BackupPruning> {
  await using repository = await openRepositoryAt(target, false)
  return await pruneBackups(repository, { keep: { ...target.config.backup.keep, ...keep }, isDry, signal: target.signal }, systemPorts)
}

/** How a command restores. */
export interface RestoreFrom extends BackupTarget {
  readonly id?: string | undefined
  readonly mayHaveBlobs?: boolean | undefined
  readonly restoresKey?: boolean | undefined
  readonly skipsDamaged?: boolean | undefined
  readonly onStep?: ((text: string) => void) | undefined
  readonly onLost?: RestoreOptions['onLost']
}

/** Restores into what the configuration names. */
export async function restoreFrom(options: RestoreFrom): Promise<RestoreReport> {
  await using repository = await openRepositoryAt(options, false)
  const { config, id, mayHaveBlobs, restoresKey, skipsDamaged, onStep, onLost, signal } = options
  const how = { id, mayHaveBlobs, restoresKey, skipsDamaged, onStep, onLost }
  return await restoreBackup(config, { ...how, repository, signal, ports: systemPorts })
}

/** Makes a database again from the journal of its store. */
export function recoverFrom(config: Config, options: Omit<RecoverOptions, 'ports'>): ReturnType<typeof recoverStore> {
  return recoverStore(config, { ...options, ports: systemPorts })
}
