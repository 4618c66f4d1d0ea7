/** What is written of a backup beside its rows and blobs: the file whose being there makes it a backup. */
import { createHash } from 'node:crypto'
import type { RowCounts } from './backup-rows.ts'
import { BackupBroken } from './backup-seal.ts'
import { BackupRefused, putSealed, readSealed, type BackupRepository, type TextParts } from './backup-repository.ts'

/** A backup as its file tells of it. Instants are milliseconds. */
export interface BackupRecord {
  readonly id: string
  readonly startedAt: number
  readonly endedAt: number
  /** The version of Berth that made it. */
  readonly berth: string
  readonly database: 'sqlite' | 'postgres'
  /** Names of migrations. */
  readonly schema: readonly string[]
  readonly rows: TextParts & { readonly counts: RowCounts }
  /** Lines of `[digest, size, whether its bytes are here]`, in the order of digests. */
  readonly digests: TextParts
  readonly blobs: {
    readonly count: number
    readonly bytes: number
    /** Those that were not in the place before. */
    readonly addedCount: number
    readonly addedBytes: number
    /** Their bytes could not be had: they were damaged, or missing. */
    readonly missingCount: number
  }
  /** What is sealed in rows, and ids of the keys that it needs (`berth key` shows none of them: they are in secrets.keyfile). */
  readonly secrets: { readonly count: number; readonly keyIds: readonly string[]; readonly isKeyIncluded: boolean }
}

const recordBytesMax = 16 * 1024 * 1024
const idPattern = /^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$/

/** Sorts as time does. */
export function newBackupId(now: number, random: { bytes(count: number): Buffer }): string {
  const instant = new Date(now).toISOString().replace(/[-:]|\.[0-9]{3}/g, '')
  return `${instant}-${random.bytes(4).toString('hex')}`
}

/** The directory of a backup. */
export function backupDirectory(id: string): string {
  return `backups/${id}`
}

function recordName(id: string): string {
  return `${backupDirectory(id)}/backup.json`
}

/** Makes it a backup. */
export async function putRecord(repository: BackupRepository, record: BackupRecord): Promise<void> {
  const text = JSON.stringify(record)
  const sha256 = createHash('sha256').update(text).digest('hex')
  await putSealed(
    repository,
    recordName(record.id),
    Buffer.from(`${JSON.stringify({ format: 'berth-backup-record', version: 1, sha256, record })}\n`),
  )
}

/** Throws {@link BackupBroken} for one that was changed, {@link BackupRefused} for one that there is not. */
export async function readRecord(repository: BackupRepository, id: string, signal: AbortSignal): Promise<BackupRecord> {
  if (!idPattern.test(id) || (await repository.files.stat(recordName(id))) === undefined)
    throw new BackupRefused(`there is no backup ${id} at ${repository.files.place}`)
  const bytes = await readSealed(repository, recordName(id), { maximumBytes: recordBytesMax, signal })
  const written = parsed(bytes, id)
  if (createHash('sha256').update(JSON.stringify(written.record)).digest('hex') !== written.sha256)
    throw new BackupBroken(`the record of backup ${id} is not what was written`)
  return written.record
}

interface Written {
  readonly sha256: string
  readonly record: BackupRecord
}

function parsed(bytes: Buffer, id: string): Written {
  try {
    const written = JSON.parse(bytes.toString('utf8')) as Written & { readonly version: number }
    if (written.version === 1) return written
  } catch (cause) {
    throw new BackupBroken(`the record of backup ${id} is no JSON`, { cause })
  }
  throw new BackupBroken(`the record of backup ${id} is of a later version of Berth`)
}

/** What lies in a place: backups, oldest first, and directories that never became one. */
export interface BackupIds {
  readonly ids: readonly string[]
  readonly unfinished: readonly string[]
}

/** Looks at names alone. */
export async function listBackupIds({ files }: BackupRepository): Promise<BackupIds> {
  const [all, finished] = [new Set<string>(), new Set<string>()]
  for await (const { name } of files.list('backups/')) {
    const [, id = '', file] = name.split('/')
    if (!idPattern.test(id)) continue
    all.add(id)
    if (file === 'backup.json') finished.add(id)
  }
  const ids = [...finished].toSorted()
  return { ids, unfinished: [...all].filter((id) => !finished.has(id)) }
}

/** The backup of that id, or the newest. */
export async function findRecord(repository: BackupRepository, id: string | undefined, signal: AbortSignal): Promise<BackupRecord> {
  const wanted = id ?? (await listBackupIds(repository)).ids.at(-1)
  if (wanted === undefined) throw new BackupRefused(`there is no backup at ${repository.files.place} yet`)
  return await readRecord(repository, wanted, signal)
}
