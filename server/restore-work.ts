/**
 * `berth restore`: a backup becomes an installation, of the kind that the configuration names.
 *
 * The rows go into an empty database, then the bytes into the store, then all bytes are read back; until that is done a mark in the database keeps everything
 * else away, and a restore that died is run again.
 */
import { dirname } from 'node:path'
import { secretKeyId } from '#access/secret-box.ts'
import { isKeyFileThere, parseKeyFile, restoreKeyFile } from '#access/secret-keys.ts'
import type { BlobStore } from '#blobs/blob-store.ts'
import { makeDirectory } from '#blobs/directories.ts'
import type { Config } from '#config/config.ts'
import { databaseFileOf, describeDatabase } from '#config/database-place.ts'
import { recordEvent } from '#events/record.ts'
import { backupDirectory, findRecord, type BackupRecord } from '#features/backup-record.ts'
import { BackupRefused, readSealed, readText, type BackupRepository } from '#features/backup-repository.ts'
import { readRowsText } from '#features/backup-rows.ts'
import { proveBlobs, restoreBlobs, restoredKey, type DamagedInBackup, type RestoredBlobs } from '#features/backup-restore-blobs.ts'
import { blobsOfRows, describeLost, settleLost, type LostBlob } from '#features/backup-restore-lost.ts'
import { findRestore, finishRestore, restoreRows, settleSequences, tableInUse } from '#features/backup-restore-rows.ts'
import { BackupBroken } from '#features/backup-seal.ts'
import { backupBlobs, brokenAs, type ListedBlob } from '#features/backup-verify.ts'
import { settleStore } from '#features/store-mark.ts'
import { createLogger, flushLog } from '#lib/logging.ts'
import { createMetrics } from '#lib/metrics.ts'
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { refuseNetworkFileSystem } from '#metadata/network-file-system.ts'
import { allMigrations, type Migrations } from '#metadata/migrations/all.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Digest } from '#oci/digest.ts'
import { operator } from '#access/user-passwords.ts'
import type { QuarantineReason } from '#registry/quarantine-blob.ts'
import { inspectDatabase, openMetadata } from './open-database.ts'
import { meetStore } from './open-store.ts'
import { openStores } from './open-stores.ts'
import { lockDatabase, refuseMemory } from './serving-lock.ts'

/** How it is done. */
export interface RestoreOptions {
  readonly repository: BackupRepository
  /** Undefined: the newest. */
  readonly id?: string | undefined
  readonly ports: Ports
  readonly signal: AbortSignal
  /** The store may have blobs: they stay, as bytes that no row names. */
  readonly mayHaveBlobs?: boolean | undefined
  /** Writes the keys of secrets, where the backup has them and there is no file yet. */
  readonly restoresKey?: boolean | undefined
  /** Goes on without blobs that the backup has no good bytes of. */
  readonly skipsDamaged?: boolean | undefined
  readonly onStep?: ((text: string) => void) | undefined
  /** Told of each blob that cannot be given back, as it is met. */
  readonly onLost?: ((lost: LostBlob) => void) | undefined
}

/** What was done. */
export interface RestoreReport {
  readonly id: string
  readonly madeAt: number
  readonly rows: number
  readonly textsChanged: number
  readonly blobs: {
    readonly count: number
    readonly bytes: number
    readonly copied: number
    readonly there: number
    readonly missing: number
  }
  /** Those that are damaged in the backup, or gone from it; they are missing until they are pushed. */
  readonly lostCount: number
  /** The first of these. */
  readonly lost: readonly LostBlob[]
  readonly proved: number
  readonly secrets: RestoredSecrets
}

/** What is sealed in the rows, and whether this configuration opens it. */
export interface RestoredSecrets {
  readonly count: number
  readonly opens: boolean
  readonly isKeyRestored: boolean
}

interface Run extends RestoreOptions {
  readonly config: Config
  readonly record: BackupRecord
  readonly say: (text: string) => void
  readonly lost: Map<Digest, LostBlob>
}

/** Restores into what the configuration names, which must be empty, or what a restore left that died. */
export async function restoreBackup(config: Config, options: RestoreOptions): Promise<RestoreReport> {
  const { repository, id, signal, ports } = options
  refuseMemory(config)
  const record = await findRecord(repository, id, signal)
  refuseNewerSchema(record)
  const run: Run = { ...options, config, record, say: options.onStep ?? (() => undefined), lost: new Map() }
  using _lock = await reserveEmpty(run)
  const log = createLogger(config.log)
  await using stack = new AsyncDisposableStack()
  stack.defer(() => flushLog(log))
  const met = await meetStore(config, ports, async () => undefined)
  const metrics = stack.use(createMetrics())
  const stores = stack.use(await openStores(config, { ports, metrics, log, mark: met?.mark, cacheParts: undefined }))
  const store = stores.primary
  const isBegun = await requireEmpty(run, store)
  if (config.storage.rootDirectory !== undefined) await makeDirectory(ports.files, config.storage.rootDirectory)
  const { rows, textsChanged } = isBegun ? { rows: 0, textsChanged: 0 } : await restoreAllRows(run, store)
  const metadata = stack.use(await openMetadata(config, { ports, log }))
  await settleSequences(metadata)
  if (met !== undefined) await settleStore({ metadata, store, ports, readOnly: false, mark: met.mark, accept: async () => undefined })
  const copied = await restoreAllBlobs(run, metadata, store)
  if (isBegun || copied.absent.size > 0) await settleLost(metadata, copied.absent, ports.clock.now())
  const proved = await proveAll(run, metadata, store)
  const secrets = await restoreSecrets(run)
  await metadata.write(recordRestore, {
    id: record.id,
    now: ports.clock.now(),
    detail: { blobs: record.blobs.count, proved, lost: copied.damaged.size, database: record.database },
  })
  await finishRestore(metadata)
  const { count, bytes, missingCount: missing } = record.blobs
  const blobs = { count, bytes, copied: copied.copied, there: copied.there, missing }
  return {
    id: record.id,
    madeAt: record.startedAt,
    rows,
    textsChanged,
    blobs,
    lostCount: copied.damaged.size,
    lost: [...run.lost.values()],
    proved,
    secrets,
  }
}

const recordRestore = transaction(
  import.meta.url,
  'restore-work/record',
  async (tx, { id, now, detail }: { readonly id: string; readonly now: number; readonly detail: Readonly<Record<string, unknown>> }) => {
    await recordEvent(tx, { action: 'backup.restored', target: `backup:${id}`, detail, at: now, ...operator })
  },
)

function refuseNewerSchema({ schema, berth, id }: BackupRecord): void {
  const unknown = schema.find((name) => !Object.hasOwn(allMigrations, name))
  if (unknown !== undefined)
    throw new BackupRefused(`backup ${id} is of Berth ${berth}, whose database has ${unknown}: restore it with that version or a newer one`)
}

/** No server may run on the database. One that lost its store, or the other way round, is what restores are for. */
async function reserveEmpty({ config, ports }: Run): Promise<Disposable> {
  const file = databaseFileOf(config.database)
  if (file === undefined) return { [Symbol.dispose]: () => undefined }
  await makeDirectory(ports.files, dirname(file))
  await refuseNetworkFileSystem(file, ports.files)
  return lockDatabase(file)
}

/** Whether a restore of this backup got as far as its blobs. Throws where there is something in the database or the store. */
async function requireEmpty(run: Run, store: BlobStore): Promise<boolean> {
  const found = await lookAtDatabase(run)
  if (found === 'nothing') await requireEmptyStore(store, run.mayHaveBlobs === true)
  return found === 'rows'
}

/** `begun`: a restore died among the rows; `rows`: one of this backup has them all. Throws for a database that cannot be restored into. */
async function lookAtDatabase({ config, ports, record }: Run): Promise<'nothing' | 'begun' | 'rows'> {
  await using database = await inspectDatabase(config, ports)
  if (database === undefined || database.applied.length === 0) return 'nothing'
  const place = describeDatabase(config.database)
  const marker = await findRestore(database.reader)
  if (marker?.backup === record.id && marker.phase === 'blobs') return 'rows'
  const table = marker === undefined ? await tableInUse(database.reader) : undefined
  if (table !== undefined) throw new BackupRefused(`the database ${place} is not empty (${table}): a restore takes an empty one`)
  const beyond = database.applied.find((name) => !record.schema.includes(name))
  if (beyond !== undefined)
    throw new BackupRefused(
      `the database ${place} has a newer schema (${beyond}) than backup ${record.id}: give a restore one that was never used`,
    )
  return marker === undefined ? 'nothing' : 'begun'
}

async function requireEmptyStore(store: BlobStore, mayHaveBlobs: boolean): Promise<void> {
  const { keys } = await store.list({ limit: 1_000 })
  const [first] = keys
  if (first !== undefined && !mayHaveBlobs)
    throw new BackupRefused(
      `the store is not empty (${first.key}): a restore takes an empty one; --keep-blobs leaves what is there as it is`,
    )
}

/** With the migrations of that schema alone. */
async function openAtLevel({ config, ports }: Pick<Run, 'config' | 'ports'>, schema: readonly string[]): Promise<Metadata> {
  const migrations: Migrations = Object.fromEntries(Object.entries(allMigrations).filter(([name]) => schema.includes(name)))
  return await openMetadata(config, { ports, log: createLogger({ ...config.log, level: 'error' }), migrations })
}

/** Those that the backup never had the bytes of. */
async function missingBlobs({ repository, record, signal, skipsDamaged = false }: Run): Promise<Set<Digest>> {
  const missing = new Set<Digest>()
  if (record.blobs.missingCount === 0) return missing
  try {
    for await (const { digest, isThere } of listedBlobs({ repository, record, signal })) if (!isThere) missing.add(digest)
  } catch (error) {
    // Then they are met as missing when their bytes are looked for.
    if (!(error instanceof BackupBroken) || !skipsDamaged) throw explained(error)
  }
  return missing
}

function listedBlobs({ repository, record, signal }: Pick<Run, 'repository' | 'record' | 'signal'>): AsyncIterable<ListedBlob> {
  return brokenAs(backupBlobs(repository, record, signal), 'the list of blobs')
}

function explained(error: unknown): unknown {
  if (!(error instanceof BackupBroken)) return error
  return new BackupBroken(`${error.message}: the backup's list of blobs is damaged; --skip-damaged takes the blobs that its rows name`, {
    cause: error.cause,
  })
}

async function restoreAllRows(run: Run, store: BlobStore): ReturnType<typeof restoreRows> {
  const { repository, record, signal, say } = run
  await using metadata = await openAtLevel(run, record.schema)
  const pieces = readRowsText(readText(repository, `${backupDirectory(record.id)}/rows`, record.rows, signal))
  const keyOf = (digest: Digest) => restoredKey({ store, backup: record.id }, digest)
  const missing = await missingBlobs(run)
  const restored = await restoreRows(metadata, { backup: record.id, pieces }, { storeName: store.name, keyOf, missing }).catch(
    (error: unknown) => {
      if (!(error instanceof BackupBroken)) throw error
      throw new BackupBroken(`${error.message}: without its rows backup ${record.id} is nothing, restore another one (--id)`, {
        cause: error.cause,
      })
    },
  )
  say(`${restored.rows} rows are in the database`)
  return restored
}

interface AllBlobs extends RestoredBlobs {
  /** All that no bytes could be had of, now or when the backup was made. */
  readonly absent: ReadonlyMap<Digest, QuarantineReason>
}

/** Throws {@link BackupRefused} where some cannot be given back, once all the others are copied: who runs it again is told the same, and goes on from there. */
async function restoreAllBlobs(run: Run, metadata: Metadata, store: BlobStore): Promise<AllBlobs> {
  const { record, skipsDamaged = false } = run
  const found = await copyBlobs(run, { metadata, store }, listedBlobs(run)).catch(async (error: unknown) => {
    if (!(error instanceof BackupBroken) || !skipsDamaged) throw explained(error)
    run.say(`${error.message}: the blobs that the rows name are looked for instead`)
    return await copyBlobs(run, { metadata, store }, blobsOfRows(metadata.reader))
  })
  const { size } = found.damaged
  if (size > 0 && !skipsDamaged)
    throw new BackupRefused(
      `${size} of the ${record.blobs.count} blobs of backup ${record.id} cannot be given back, all others are copied: another copy of the backup, or an older one, may have ${size === 1 ? 'it' : 'them'}; the same command with --skip-damaged ends the restore without ${size === 1 ? 'it' : 'them'}`,
    )
  const missing = [...(await missingBlobs(run))].map((digest) => [digest, 'missing'] as const)
  return { ...found, absent: new Map([...missing, ...found.damaged]) }
}

const describedMax = 10_000

async function copyBlobs(
  { repository, record, signal, say, lost, onLost }: Run,
  { metadata, store }: { readonly metadata: Metadata; readonly store: BlobStore },
  blobs: AsyncIterable<ListedBlob>,
): Promise<RestoredBlobs> {
  let count = 0
  const onDamaged = async (damage: DamagedInBackup) => {
    if (lost.has(damage.digest)) return
    const { digest, detail } = damage
    // Of more, who needs them is too much to ask and to keep.
    if (lost.size >= describedMax) return onLost?.({ digest, detail, neededBy: undefined, areMore: false })
    const described = await describeLost(metadata.reader, damage)
    lost.set(digest, described)
    onLost?.(described)
  }
  return await restoreBlobs({ store, backup: record.id }, { repository, blobs, signal, onDamaged }, () => {
    if (++count % 1_000 === 0) say(`${count} of ${record.blobs.count} blobs copied`)
  })
}

async function proveAll({ signal, say, record }: Run, metadata: Metadata, store: BlobStore): Promise<number> {
  let count = 0
  return await proveBlobs(metadata.reader, store, signal, () => {
    if (++count % 1_000 === 0) say(`${count} of ${record.blobs.count} blobs read back`)
  })
}

async function restoreSecrets({ config, record, repository, ports, signal, restoresKey = false }: Run): Promise<RestoredSecrets> {
  const { keys, keyFile } = config.secrets
  const { count, keyIds, isKeyIncluded } = record.secrets
  const name = `${backupDirectory(record.id)}/secrets.key`
  let isKeyRestored = false
  if (restoresKey && isKeyIncluded && keyFile !== undefined) {
    const text = await readSealed(repository, name, { maximumBytes: 64 * 1024, signal })
    isKeyRestored = await restoreKeyFile(keyFile, text.toString('utf8'), ports)
  }
  const isThere = keyFile !== undefined && (await isKeyFileThere(keyFile, ports.files))
  const known = isThere ? parseKeyFile(await ports.files.readFile(keyFile, 'utf8')) : keys
  const ids = new Set(known.map((key) => secretKeyId(key).toString('hex')))
  return { count, opens: keyIds.every((id) => ids.has(id)), isKeyRestored }
}
