/**
 * Backups as a registry makes them: to the place that the configuration names, by the clock or because somebody wants one, and what became of them.
 *
 * backup-create.ts makes one, backup-verify.ts and backup-prune.ts look after them, backup-restore-*.ts bring them back; a place, and the form of what lies in
 * it, is backup-repository.ts. Here is what happens around that: the row that says when it last went well, the events, the jobs.
 */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import type { JobKind, JobRun } from '#jobs/jobs.ts'
import { startJob, type Enqueued } from '#jobs/enqueue-job.ts'
import { keyOfSchedule } from '#jobs/schedules.ts'
import { backupJob, putBackupStatus, readBackupStatus, type BackupStatus } from '#metadata/backup-status.ts'
import { transaction } from '#metadata/transaction.ts'
import { RegistryError } from '#oci/errors.ts'
import { readDamaged } from './backup-damage.ts'
import { createBackup, type BackupProgress, type BackupSource } from './backup-create.ts'
import type { BackupKeep } from './backup-keep.ts'
import { pruneBackups, type BackupPruning } from './backup-prune.ts'
import { listBackupIds, readRecord, type BackupRecord } from './backup-record.ts'
import { BackupRefused, type BackupRepository } from './backup-repository.ts'
import { BackupBroken } from './backup-seal.ts'
import { backupBlobs, brokenAs, verifyBackups, type BackupVerification } from './backup-verify.ts'

/** Where a registry's backups go, and how. */
export interface BackupParts extends BackupSource {
  /** For people. */
  readonly place: string
  /** Opens the place; `makes`: also where nothing is yet. Whoever gets it disposes its files. */
  readonly open: (options: { readonly makes: boolean; readonly signal: AbortSignal }) => Promise<BackupRepository>
  readonly includesKey: boolean
  readonly keep: BackupKeep
}

/** Kinds of jobs; they stand in rows. */
export const backupKinds = { create: backupJob, verify: 'verify-backups', prune: 'prune-backups' } as const

interface Note {
  readonly action: 'backup.created' | 'backup.failed' | 'backup.verified' | 'backup.pruned'
  readonly target: string
  readonly detail: Readonly<Record<string, unknown>>
  readonly change: Partial<BackupStatus>
  readonly isFailure: boolean
  readonly who: Who
  readonly now: number
}

const note = transaction(import.meta.url, 'backup/note', async (tx, { action, target, detail, change, isFailure, who, now }: Note) => {
  const before = await readBackupStatus(tx)
  await putBackupStatus(tx, { ...before, ...change, failures: before.failures + (isFailure ? 1 : 0) })
  await recordEvent(tx, { action, target, detail, at: now, outcome: isFailure ? 'failure' : 'success', ...who })
})

const nobody: Who = { actor: '', requestId: '' }

/** Who wants it, and what stops it. */
export interface BackupCall {
  readonly signal: AbortSignal
  readonly who?: Who | undefined
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined
}

/** Makes a backup, and keeps how it went. */
export async function makeBackup(parts: BackupParts, { signal, who = nobody, onProgress }: BackupCall): Promise<BackupRecord> {
  const { metadata, includesKey } = parts
  try {
    const repository = await parts.open({ makes: true, signal })
    await using _files = repository.files
    const record = await createBackup(parts, repository, { signal, includesKey, onProgress })
    const { id, blobs, rows, startedAt, endedAt } = record
    const [bytes, addedBytes] = [blobs.bytes + rows.sizeBytes, blobs.addedBytes + rows.sizeBytes]
    const facts = { id, durationMs: endedAt - startedAt, bytes, addedBytes, missingBlobs: blobs.missingCount }
    const detail = { place: parts.place, ...facts, blobs: blobs.count }
    const change = { ...facts, successAt: endedAt, error: undefined, failedAt: undefined }
    await metadata.write(note, { action: 'backup.created', target: `backup:${id}`, detail, change, isFailure: false, who, now: endedAt })
    return record
  } catch (error) {
    if (!signal.aborted) await noteFailure(parts, error, who)
    throw error
  }
}

/** What cannot be written down now is in the log, and in what is thrown. */
async function noteFailure({ metadata, ports, log, place }: BackupParts, error: unknown, who: Who): Promise<void> {
  const [now, text] = [ports.clock.now(), error instanceof Error ? error.message : String(error)]
  const [detail, change] = [
    { place, error: text },
    { failedAt: now, error: text },
  ]
  await metadata
    .write(note, { action: 'backup.failed', target: 'backup', detail, change, isFailure: true, who, now })
    .catch((cause: unknown) => log.warn({ err: cause }, 'the failure of a backup could not be recorded'))
}

/** Proves backups, and keeps what was found. */
export async function verifyPlace(
  parts: BackupParts,
  wanted: { readonly id?: string | undefined; readonly isQuick?: boolean | undefined },
  {
    signal,
    who = nobody,
    onProgress,
  }: Omit<BackupCall, 'onProgress'> & { readonly onProgress?: (done: { blobs: number; bytes: number }) => void },
): Promise<BackupVerification> {
  const repository = await parts.open({ makes: false, signal })
  await using _files = repository.files
  const found = await verifyBackups(repository, { ...wanted, signal, onProgress }, parts.ports)
  const { backups, blobs, bytes, broken, problems } = found
  const now = parts.ports.clock.now()
  const detail = { place: parts.place, backups, blobs, bytes, broken, problems: problems.length }
  // One backup that is well says nothing of the others.
  const change = wanted.id === undefined ? { verifiedAt: now, brokenBackups: broken.length } : {}
  const target = wanted.id === undefined ? 'backup' : `backup:${wanted.id}`
  await parts.metadata.write(note, { action: 'backup.verified', target, detail, change, isFailure: broken.length > 0, who, now })
  return found
}

/** Removes what is not to be kept, and says so. */
export async function prunePlace(
  parts: BackupParts,
  { keep = parts.keep, isDry = false }: { readonly keep?: BackupKeep | undefined; readonly isDry?: boolean | undefined },
  { signal, who = nobody }: BackupCall,
): Promise<BackupPruning> {
  const repository = await parts.open({ makes: false, signal })
  await using _files = repository.files
  const pruned = await pruneBackups(repository, { signal, keep, isDry }, parts.ports)
  if (isDry) return pruned
  const { removed, blobs, bytes } = pruned
  const detail = { place: parts.place, removed, blobs, bytes }
  const now = parts.ports.clock.now()
  await parts.metadata.write(note, { action: 'backup.pruned', target: 'backup', detail, change: {}, isFailure: false, who, now })
  return pruned
}

/** The backups of the configured place; none where it was never used. Throws CONFLICT for a place that cannot be used. */
export async function listPlace(parts: BackupParts, limit: number, signal: AbortSignal): Promise<readonly ListedBackup[]> {
  try {
    const repository = await parts.open({ makes: false, signal })
    await using _files = repository.files
    return await listBackups(repository, limit, signal)
  } catch (error) {
    if (!(error instanceof BackupRefused)) throw error
    const { successAt } = await readBackupStatus(parts.metadata.reader)
    if (successAt === undefined) return []
    throw new RegistryError('CONFLICT', undefined, { message: error.message, cause: error })
  }
}

/** A backup in a list, with times in ISO 8601. `addedBytes`: what it brought to the place. */
export interface DescribedBackup {
  readonly id: string
  readonly madeAt: string
  readonly endedAt: string
  readonly version: string
  readonly database: BackupRecord['database']
  readonly rows: number
  readonly blobs: number
  readonly bytes: number
  readonly addedBytes: number
  readonly missingBlobs: number
  /** Of those in it, how many a verification found damaged in the place, or gone from it, and no backup has written anew. */
  readonly damagedBlobs: number
}

/** One that cannot be read has an id, and why. */
export type ListedBackup = DescribedBackup | { readonly id: string; readonly fault: string }

function describeBackup({ id, startedAt, endedAt, berth, database, rows, blobs }: BackupRecord, damagedBlobs: number): DescribedBackup {
  return {
    id,
    madeAt: new Date(startedAt).toISOString(),
    endedAt: new Date(endedAt).toISOString(),
    version: berth,
    database,
    rows: Object.values(rows.counts).reduce((sum, count) => sum + count, 0),
    blobs: blobs.count,
    bytes: blobs.bytes + rows.sizeBytes,
    addedBytes: blobs.addedBytes + rows.sizeBytes,
    missingBlobs: blobs.missingCount,
    damagedBlobs,
  }
}

/** All backups of a place, newest first, at most so many. */
export async function listBackups(repository: BackupRepository, limit: number, signal: AbortSignal): Promise<readonly ListedBackup[]> {
  const { ids } = await listBackupIds(repository)
  const damaged = await readDamaged(repository)
  const describe = async (id: string): Promise<ListedBackup> => {
    const record = await readRecord(repository, id, signal)
    return describeBackup(record, await countDamaged(repository, { record, damaged, signal }))
  }
  const listed: ListedBackup[] = []
  for (const id of ids.toReversed().slice(0, limit))
    listed.push(
      await describe(id).catch((error: unknown) => {
        if (error instanceof BackupBroken) return { id, fault: error.message }
        throw error
      }),
    )
  return listed
}

/** Reads the list of a backup's blobs only where the place has notes of damaged ones. */
async function countDamaged(
  repository: BackupRepository,
  { record, damaged, signal }: { readonly record: BackupRecord; readonly damaged: ReadonlySet<string>; readonly signal: AbortSignal },
): Promise<number> {
  if (damaged.size === 0) return 0
  let count = 0
  for await (const { digest, isThere } of brokenAs(backupBlobs(repository, record, signal), 'the list of blobs'))
    if (isThere && damaged.has(repository.seal.blobName(digest))) count++
  return count
}

function toldBy(run: JobRun): (progress: BackupProgress) => void {
  return ({ rows, blobs, blobsAll }) =>
    run.report(blobsAll === 0 ? { done: rows, unit: 'rows' } : { done: blobs, total: blobsAll, unit: 'blobs' })
}

/** What a job of a backup says of it. */
export interface BackupResult {
  readonly id: string
  readonly blobs: number
  readonly addedBlobs: number
  readonly addedBytes: number
  readonly missingBlobs: number
  readonly removed: readonly string[]
}

/** Makes a backup by the clock or when somebody wants one; those that are not kept go after it. What a try before it copied is not copied again. */
export function createBackupJob(parts: BackupParts, schedule: string | undefined): JobKind<null, BackupResult> {
  return {
    name: backupKinds.create,
    title: 'Make a backup',
    schedule,
    attemptsMax: 3,
    async run(run) {
      const { id, blobs } = await makeBackup(parts, { signal: run.signal, onProgress: toldBy(run) })
      run.log('info', `backup ${id}: ${blobs.count} blobs, ${blobs.addedCount} of them new (${blobs.addedBytes} bytes)`)
      if (blobs.missingCount > 0) run.log('warn', `${blobs.missingCount} blobs are not in it: their bytes are missing or damaged`)
      const { removed } = await prunePlace(parts, {}, { signal: run.signal })
      return {
        id,
        blobs: blobs.count,
        addedBlobs: blobs.addedCount,
        addedBytes: blobs.addedBytes,
        missingBlobs: blobs.missingCount,
        removed,
      }
    },
  }
}

/** Proves all backups, or one. */
export function verifyBackupsJob(
  parts: BackupParts,
): JobKind<{ readonly id?: string; readonly quick?: boolean } | null, BackupVerification> {
  return {
    name: backupKinds.verify,
    title: 'Prove backups',
    attemptsMax: 2,
    async run(run, payload) {
      const onProgress = ({ blobs }: { readonly blobs: number }) => run.report({ done: blobs, unit: 'blobs' })
      const wanted = { id: payload?.id, isQuick: payload?.quick }
      const found = await verifyPlace(parts, wanted, { signal: run.signal, onProgress })
      for (const problem of found.problems) run.log('error', problem)
      return found
    },
  }
}

/** Removes what `backup.keep` does not keep. */
export function pruneBackupsJob(parts: BackupParts): JobKind<null, BackupPruning> {
  return {
    name: backupKinds.prune,
    title: 'Remove old backups',
    attemptsMax: 2,
    run: ({ signal }) => prunePlace(parts, {}, { signal }),
  }
}

interface Start {
  readonly kind: string
  readonly payload: unknown
  readonly key: string
  readonly who: Who
  readonly now: number
}

const start = transaction(import.meta.url, 'backup/start', (tx, { kind, payload, key, who, now }: Start) =>
  startJob(tx, { kind, payload, uniqueKey: key, now }, who),
)

/** Begins one of {@link backupKinds}; while one of that kind waits or runs, that one is the answer. */
export function startBackupWork(
  { metadata, ports }: Pick<BackupParts, 'metadata' | 'ports'>,
  work: { readonly kind: keyof typeof backupKinds; readonly payload?: unknown },
  who: Who,
): Promise<Enqueued> {
  const kind = backupKinds[work.kind]
  return metadata.write(start, { kind, payload: work.payload ?? null, key: keyOfSchedule(kind), who, now: ports.clock.now() })
}

/** Thrown where the configuration names no place. */
export function noBackupPlace(): RegistryError {
  return new RegistryError('UNSUPPORTED', undefined, {
    message: 'this registry has no place for backups: backup.store of its configuration names one',
  })
}
