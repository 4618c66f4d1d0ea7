/**
 * `berth storage migrate`: empties one store into another while pushes and pulls go on.
 *
 * The way: a job goes over the blobs of the store that is to be emptied, in the order of their ids, until there is none left but what is damaged; what is
 * pushed meanwhile goes to the primary store. At its end it says what is left, and whether the store may leave the configuration.
 */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { advanceJob } from '#jobs/advance-job.ts'
import { startJob, type Enqueued } from '#jobs/enqueue-job.ts'
import { FinalFailure } from '#jobs/final-failure.ts'
import type { JobClaim, JobKind, JobRun } from '#jobs/jobs.ts'
import { blobsIn, dropQuarantined, hasLiveBlob } from '#metadata/blob-places.ts'
import { findJob, jobOfKey } from '#metadata/jobs.ts'
import { contentsOfStores, type StoreContents } from '#metadata/store-rows.ts'
import { transaction } from '#metadata/transaction.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Registry } from '#registry/registry.ts'
import { firstMove, moveAll, nextPage, type MoveCounts, type MoveCursor } from './storage-move.ts'

/** Stands in rows. */
export const migrateStorageKind = 'migrate-storage'

/** What is asked for. */
export interface StorageMigration {
  readonly from: string
  readonly to: string
  /** 0: as fast as it goes. */
  readonly bytesPerSecond: number
  /** Blobs in quarantine leave the store as well, and what it has of their bytes goes: they are missing until they are pushed again. */
  readonly dropDamaged: boolean
}

/** What is left in a store. */
export type StoreLeft = Pick<StoreContents, 'blobs' | 'bytes' | 'quarantined' | 'uploads' | 'leaving'> & {
  readonly leavingUntil: number | null
}

/** What came of a migration. */
export interface MigrationResult extends MoveCounts {
  readonly from: string
  readonly to: string
  readonly left: StoreLeft
  /** Nothing names the store any more: it may leave the configuration. */
  readonly isEmpty: boolean
  /** Pushes go there still. */
  readonly isPrimary: boolean
}

/** Damaged blobs that are dropped at once. */
const pageBlobs = 200
/** Tries without a blob that moved, before the job gives up: an hour or so, in which a store may come back. */
const attemptsMax = 12
/** Passes over what came meanwhile: uploads that began in the store end in it. */
const passesMax = 3

interface Ending {
  readonly job: JobClaim
  readonly cursor: MoveCursor
  readonly result: MigrationResult
  readonly actor: string
  readonly now: number
}

const end = transaction(import.meta.url, 'storage-migrate/end', async (tx, { job, cursor, result, actor, now }: Ending) => {
  await advanceJob(tx, job, cursor)
  const { from, to, moved, bytes, damaged, left, isEmpty } = result
  const detail = { from, to, moved, bytes, damaged, leftBlobs: left.blobs, isEmpty }
  await recordEvent(tx, { action: 'storage.migrated', target: `store:${from}`, detail, at: now, actor, requestId: '' })
})

const drop = transaction(
  import.meta.url,
  'storage-migrate/drop-quarantined',
  async (
    tx,
    { job, cursor, ...input }: Parameters<typeof dropQuarantined>[1] & { readonly job: JobClaim; readonly cursor: MoveCursor },
  ) => {
    const dropped = await dropQuarantined(tx, input)
    await advanceJob(tx, job, cursor)
    return dropped
  },
)

/** The job. */
export function migrateStorageJob(registry: Registry): JobKind<StorageMigration & { readonly actor: string }, MigrationResult> {
  return {
    name: migrateStorageKind,
    title: 'Move all blobs of a store to another one',
    attemptsMax,
    run: (run, payload) => migrate(registry, run, payload),
  }
}

async function migrate(
  registry: Registry,
  run: JobRun,
  { actor, ...migration }: StorageMigration & { readonly actor: string },
): Promise<MigrationResult> {
  const { metadata, stores, store: primary } = registry
  const { from, to, bytesPerSecond, dropDamaged } = migration
  const target = stores.all.get(to)
  if (!stores.all.has(from) || target === undefined)
    throw new FinalFailure(`the configuration of this server does not name ${stores.all.has(from) ? to : from} any more`)
  const page = (after: number) => nextPage(registry, after, (range) => blobsIn(metadata.reader, { store: from, ...range }))
  let cursor = (run.cursor as MoveCursor | undefined) ?? firstMove
  if (cursor.totalBytes === undefined) cursor = { ...cursor, totalBytes: (await contentsOf(registry, from)).liveBytes }
  for (let pass = 1; ; pass++) {
    cursor = await moveAll(registry, run, { plan: { to: target, bytesPerSecond, page }, cursor })
    // What was healed or finished behind the cursor.
    if (!(await hasLiveBlob(metadata.reader, from)) || from === primary.name || pass === passesMax) break
    cursor = { ...cursor, afterId: 0 }
  }
  if (dropDamaged) await dropAll(registry, run, { from, to, cursor })
  const result = await resultOf(registry, migration, cursor)
  await metadata.write(end, { job: run.job, cursor, result, actor, now: registry.context.ports.clock.now() })
  run.log(result.isEmpty ? 'info' : 'warn', sentenceOf(result))
  return result
}

async function dropAll(
  { metadata, options, context }: Registry,
  run: JobRun,
  { from, to, cursor }: Pick<StorageMigration, 'from' | 'to'> & { readonly cursor: MoveCursor },
): Promise<void> {
  for (;;) {
    run.signal.throwIfAborted()
    const now = context.ports.clock.now()
    const dropped = await metadata.write(drop, {
      from,
      to,
      now,
      readersUntil: now + options.readersDelayMs,
      limit: pageBlobs,
      job: run.job,
      cursor,
    })
    if (dropped < pageBlobs) return
  }
}

async function contentsOf({ metadata, context }: Registry, store: string): Promise<Omit<StoreContents, 'store'>> {
  const contents = await contentsOfStores(metadata.reader, () => context.ports.timers.sleep(0))
  const nothing = { blobs: 0, bytes: 0, liveBytes: 0, quarantined: 0, uploads: 0, leaving: 0, leavingUntil: undefined }
  return contents.find((each) => each.store === store) ?? nothing
}

async function resultOf(
  registry: Registry,
  { from, to }: Pick<StorageMigration, 'from' | 'to'>,
  { moved, bytes, changed, damaged }: MoveCounts,
): Promise<MigrationResult> {
  const { blobs, bytes: leftBytes, quarantined, uploads, leaving, leavingUntil } = await contentsOf(registry, from)
  const isPrimary = from === registry.store.name
  const left = { blobs, bytes: leftBytes, quarantined, uploads, leaving, leavingUntil: leavingUntil ?? null }
  return { from, to, moved, bytes, changed, damaged, left, isPrimary, isEmpty: blobs + uploads + leaving === 0 && !isPrimary }
}

/** What an operator does next. */
export function sentenceOf({
  from,
  to,
  isPrimary,
  isEmpty,
  left,
}: Pick<MigrationResult, 'from' | 'to' | 'isPrimary' | 'isEmpty' | 'left'>): string {
  if (isEmpty) return `nothing is left in ${from}: you may remove it from the configuration`
  const found: string[] = []
  const live = left.blobs - left.quarantined
  if (isPrimary)
    found.push(`pushes go to ${from} still: make ${to} the primary store, name ${from} below storage.stores, and run this again`)
  if (live > 0) found.push(`${live} blobs came meanwhile: run this again`)
  if (left.quarantined > 0)
    found.push(
      `${left.quarantined} damaged blobs are there (berth scrub findings): pushes heal them, or drop what is left of them with --drop-damaged`,
    )
  if (left.uploads > 0)
    found.push(`${left.uploads} uploads are under way there: they end by themselves, or with upload purging; then run this again`)
  if (left.leaving > 0) {
    const until = left.leavingUntil === null ? '' : ` until ${new Date(left.leavingUntil).toISOString()}`
    found.push(`the former bytes of ${left.leaving} blobs stay for pulls under way${until}, then garbage collection takes them`)
  }
  const blocking = isPrimary || left.blobs + left.uploads > 0
  return `${found.join('; ')}${blocking ? '' : `; then you may remove ${from} from the configuration`}`
}

/** What a migration would do. */
export interface MigrationPlan {
  readonly blobs: number
  readonly bytes: number
  readonly quarantined: number
}

/** Throws REQUEST_INVALID where there is no such pair of stores. */
export async function planMigration(registry: Registry, { from, to }: Pick<StorageMigration, 'from' | 'to'>): Promise<MigrationPlan> {
  const { all } = registry.stores
  for (const [member, name] of Object.entries({ from, to })) {
    if (all.has(name)) continue
    const message = `${member}: there is no store ${name}; those of the configuration are ${[...all.keys()].join(', ')}`
    throw new RegistryError('REQUEST_INVALID', { [member]: name }, { message })
  }
  if (from === to) throw new RegistryError('REQUEST_INVALID', { from, to }, { message: 'a store cannot be emptied into itself' })
  const { blobs, liveBytes: bytes, quarantined } = await contentsOf(registry, from)
  return { blobs: blobs - quarantined, bytes, quarantined }
}

interface Start {
  readonly migration: StorageMigration
  readonly who: Who
  readonly now: number
}

const start = transaction(import.meta.url, 'storage-migrate/start', async (tx, { migration, who, now }: Start): Promise<Enqueued> => {
  const runs = await jobOfKey(tx, migrateStorageKind)
  const job = runs === undefined ? undefined : await findJob(tx, runs)
  const asked = job === undefined ? undefined : (JSON.parse(job.payload) as StorageMigration)
  if (job !== undefined && (asked?.from !== migration.from || asked.to !== migration.to)) {
    const message = `job ${job.id} moves ${asked?.from} to ${asked?.to}: wait for it, or stop it (berth job stop ${job.id})`
    throw new RegistryError('CONFLICT', { job: job.id }, { message })
  }
  const payload = { ...migration, actor: who.actor }
  return await startJob(tx, { kind: migrateStorageKind, payload, uniqueKey: migrateStorageKind, now, attemptsMax }, who)
})

/** Begins the migration; while the same one waits or runs, that one is the answer. Throws CONFLICT while another does, and what {@link planMigration} throws. */
export async function startMigration(
  registry: Registry,
  migration: StorageMigration,
  who: Who,
): Promise<{ readonly started: Enqueued; readonly plan: MigrationPlan }> {
  const plan = await planMigration(registry, migration)
  const now = registry.context.ports.clock.now()
  return { plan, started: await registry.metadata.write(start, { migration, who, now }) }
}
