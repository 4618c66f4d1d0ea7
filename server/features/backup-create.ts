/**
 * Making a backup while pushes and pulls go on.
 *
 * The order is what makes it whole: first garbage collection is held back, then all rows are read in one snapshot, then the bytes of each blob that a row of
 * the snapshot names are copied, unless the place has them already, and whole as far as is known (backup-damage.ts). So every blob that the rows name is there. Each is proved by its digest on the way. The
 * record comes last: what dies before leaves blobs that the next backup need not copy, and nothing that looks like a backup.
 */
import type { BlobKey } from '#blobs/blob-store.ts'
import type { FileContent } from '#blobs/named-files.ts'
import { storeOf, type Stores } from '#blobs/stores.ts'
import type { Config } from '#config/config.ts'
import type { Logger } from '#lib/logger.ts'
import { mapLimited } from '#lib/map-limited.ts'
import type { Ports } from '#lib/ports.ts'
import { programVersion } from '#lib/version.ts'
import { findLiveBlob } from '#metadata/blobs.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { sealedValues } from '#metadata/sealed-values.ts'
import { openSnapshot, type Snapshot } from '#metadata/snapshot.ts'
import { createDigestHash, digestAlgorithm, digestFromBytes, digestOfHash } from '#oci/digest.ts'
import { holdGarbage } from '#registry/hold-garbage.ts'
import { readOpenBlob } from '#registry/read-open-blob.ts'
import { BackupBlobList, type BackupBlob } from './backup-blob-list.ts'
import { forgetDamaged, readDamaged } from './backup-damage.ts'
import { lockRepository } from './backup-locks.ts'
import { backupDirectory, newBackupId, putRecord, type BackupRecord } from './backup-record.ts'
import { BackupRefused, putSealed, putText, type BackupRepository } from './backup-repository.ts'
import { rowsText } from './backup-rows.ts'

/** What a backup is made of. */
export interface BackupSource {
  readonly config: Pick<Config, 'database' | 'secrets'>
  readonly metadata: Metadata
  readonly stores: Stores
  readonly ports: Ports
  readonly log: Logger
}

/** How far it is. */
export interface BackupProgress {
  readonly rows: number
  readonly blobs: number
  readonly blobsAll: number
  readonly bytes: number
}

/** How it is made. */
export interface BackupOptions {
  readonly signal: AbortSignal
  /** Writes the keys that seal secrets beside the rows. Only into encrypted places. */
  readonly includesKey?: boolean | undefined
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined
}

const blobsAtOnce = 4
const rowsAtOnce = 1_000

/** Makes a backup in the place, and gives what was written of it. */
export async function createBackup(source: BackupSource, repository: BackupRepository, options: BackupOptions): Promise<BackupRecord> {
  const { ports, config } = source
  if (options.includesKey === true && !repository.seal.isEncrypted)
    throw new BackupRefused(
      'the key that seals secrets goes into encrypted backups alone: give backup.keyfile, or leave backup.includekey out',
    )
  await using lock = await lockRepository(repository.files, 'adds', ports)
  await using hold = await holdGarbage(source, 'backup')
  const startedAt = ports.clock.now()
  const id = newBackupId(startedAt, ports.random)
  const run: Run = {
    ...source,
    repository,
    options,
    directory: backupDirectory(id),
    damaged: await readDamaged(repository),
    progress: { rows: 0, blobs: 0, blobsAll: 0, bytes: 0 },
  }
  const { list, ...written } = await writeRows(run)
  const copied = await copyBlobs(run, list)
  const digests = await putText(repository, `${run.directory}/digests`, digestLines(list, copied.missing))
  const isKeyIncluded = options.includesKey === true && (await writeKey(run))
  hold.requireHeld()
  lock.requireHeld()
  const { missing, ...counts } = copied
  const record: BackupRecord = {
    id,
    startedAt,
    endedAt: ports.clock.now(),
    berth: programVersion(),
    database: config.database.driver,
    schema: written.schema,
    rows: written.rows,
    digests,
    blobs: { ...counts, missingCount: missing.size },
    secrets: { ...written.secrets, isKeyIncluded },
  }
  await putRecord(repository, record)
  return record
}

interface Run extends BackupSource {
  readonly repository: BackupRepository
  readonly options: BackupOptions
  readonly directory: string
  /** Names of blobs that are to be written anew. */
  readonly damaged: ReadonlySet<string>
  progress: BackupProgress
}

function report(run: Run, more: Partial<BackupProgress>): void {
  run.progress = { ...run.progress, ...more }
  run.options.onProgress?.(run.progress)
}

interface WrittenRows {
  readonly schema: readonly string[]
  readonly rows: BackupRecord['rows']
  readonly secrets: Pick<BackupRecord['secrets'], 'count' | 'keyIds'>
  readonly list: BackupBlobList
}

/** Everything that is read from the snapshot. */
async function writeRows(run: Run): Promise<WrittenRows> {
  const { repository, directory, options } = run
  await using snapshot = await openSnapshot(run.config.database, run.ports)
  const counts: Record<string, number> = {}
  const text = counted(rowsText(snapshot, counts, options.signal), () => report(run, { rows: sumOf(counts) }))
  const parts = await putText(repository, `${directory}/rows`, text)
  const sealed = await sealedValues(snapshot.reader)
  // A sealed value begins with its version, one byte, and the id of its key (access/secret-box.ts).
  const keyIds = [...new Set(sealed.map(({ value }) => Buffer.from(value).subarray(1, 5).toString('hex')))]
  const list = await listBlobs(snapshot, options.signal)
  return { schema: snapshot.schema, rows: { ...parts, counts }, secrets: { count: sealed.length, keyIds }, list }
}

async function* counted(text: AsyncIterable<string>, onPiece: () => void): AsyncGenerator<string> {
  for await (const piece of text) {
    onPiece()
    yield piece
  }
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

async function listBlobs({ reader }: Snapshot, signal: AbortSignal): Promise<BackupBlobList> {
  const list = new BackupBlobList()
  for (let after = 0; ;) {
    signal.throwIfAborted()
    const rows = await reader
      .selectFrom('blobs')
      .select(['id', 'digest', 'size_bytes', 'store', 'key', 'state'])
      .where('id', '>', after)
      .orderBy('id')
      .limit(rowsAtOnce)
      .execute()
    for (const { digest, size_bytes: sizeBytes, store, key, state } of rows)
      list.add({ digest: digestFromBytes(digest), sizeBytes, store, key, isLive: state === 'live' })
    after = rows.at(-1)?.id ?? after
    if (rows.length < rowsAtOnce) return list
  }
}

interface Copied {
  readonly count: number
  readonly bytes: number
  readonly addedCount: number
  readonly addedBytes: number
  readonly missing: ReadonlySet<string>
}

async function copyBlobs(run: Run, list: BackupBlobList): Promise<Copied> {
  const sums = { count: 0, bytes: 0, addedCount: 0, addedBytes: 0 }
  const missing = new Set<string>()
  const { signal } = run.options
  for (const page of list.pages())
    await mapLimited(page, blobsAtOnce, async (blob) => {
      signal.throwIfAborted()
      const outcome = await copyBlob(run, blob)
      if (outcome === 'missing') missing.add(blob.digest)
      else {
        sums.count++
        sums.bytes += blob.sizeBytes
      }
      if (outcome === 'added') {
        sums.addedCount++
        sums.addedBytes += blob.sizeBytes
      }
      report(run, { blobs: run.progress.blobs + 1, blobsAll: list.count, bytes: sums.addedBytes })
    })
  return { ...sums, missing }
}

/** The bytes are not what the digest says. */
class WrongBytes extends Error {}

async function copyBlob(run: Run, blob: BackupBlob): Promise<'there' | 'added' | 'missing'> {
  const { files, seal } = run.repository
  const name = seal.blobName(blob.digest)
  const known = await files.stat(name)
  const isDamaged = run.damaged.has(name)
  if (known?.sizeBytes === seal.sizeOf(blob.sizeBytes) && !isDamaged) return 'there'
  if (!blob.isLive) return 'missing'
  const pieces = (await openBlob(run, blob)) ?? (await openMoved(run, blob))
  if (pieces === undefined) return wanting(run, blob, 'its bytes are not there')
  try {
    await files.put(name, seal.seal(name, { sizeBytes: blob.sizeBytes, pieces: proved(blob, pieces) }))
    if (isDamaged) await forgetDamaged(run.repository, name)
    return 'added'
  } catch (error) {
    if (error instanceof WrongBytes) return wanting(run, blob, 'its bytes are not its own')
    throw error
  }
}

function wanting({ log }: Run, { digest }: BackupBlob, why: string): 'missing' {
  log.error({ digest }, `a blob is not in the backup: ${why}`)
  return 'missing'
}

async function openBlob({ stores, options }: Run, { store, key, sizeBytes }: Pick<BackupBlob, 'store' | 'key' | 'sizeBytes'>) {
  const opened = await storeOf(stores, store).open(key as BlobKey, { direct: true, expectedBytes: sizeBytes })
  return opened && readOpenBlob(opened, options.signal)
}

/** It may be in another store by now, or healed by a push, at another key. */
async function openMoved(run: Run, { digest }: BackupBlob): ReturnType<typeof openBlob> {
  const found = await findLiveBlob(run.metadata.reader, digest)
  return found && (await openBlob(run, found))
}

/** The pieces as long as they are those of the blob: at their end they were. Pieces of a store are valid until the next one, so they are copied. */
async function* proved({ digest, sizeBytes }: BackupBlob, pieces: FileContent['pieces']): AsyncGenerator<Uint8Array> {
  const algorithm = digestAlgorithm(digest)
  const hash = createDigestHash(algorithm)
  let count = 0
  for await (const piece of pieces) {
    count += piece.length
    if (count > sizeBytes) throw new WrongBytes()
    hash.update(piece)
    yield Buffer.from(piece)
  }
  if (count !== sizeBytes || digestOfHash(algorithm, hash) !== digest) throw new WrongBytes()
}

async function* digestLines(list: BackupBlobList, missing: ReadonlySet<string>): AsyncGenerator<string> {
  for (const page of list.pages())
    yield page.map(({ digest, sizeBytes }) => `${JSON.stringify([digest, sizeBytes, missing.has(digest) ? 0 : 1])}\n`).join('')
}

/** The keys as they stand in their file, or in the configuration. */
async function writeKey({ repository, directory, config, ports }: Run): Promise<boolean> {
  const { keys, keyFile } = config.secrets
  const text =
    keyFile === undefined
      ? keys.map((key) => `${Buffer.from(key).toString('base64')}\n`).join('')
      : await ports.files.readFile(keyFile, 'utf8')
  if (text === '') return false
  await putSealed(repository, `${directory}/secrets.key`, Buffer.from(text))
  return true
}
