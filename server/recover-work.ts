/** `berth recover`: a store whose database is lost gets another one. */
import { operator } from '#access/user-passwords.ts'
import type { NamedFiles } from '#blobs/named-files.ts'
import type { Config } from '#config/config.ts'
import { describeDatabase } from '#config/database-place.ts'
import { recordEvent } from '#events/record.ts'
import { addBlobs, addManifests, markBlob } from '#features/adopt-rows.ts'
import { BackupRefused } from '#features/backup-repository.ts'
import { tableInUse } from '#features/backup-restore-rows.ts'
import { chooseEpochs, NoSuchEpoch } from '#features/journal-epochs.ts'
import { isRecovering, readJournal, recover, type RecoverParts, type Recovery } from '#features/journal-recover.ts'
import type { Ports } from '#lib/ports.ts'
import { transaction } from '#metadata/transaction.ts'
import { RegistryError } from '#oci/errors.ts'
import { createProject } from '#projects/create-project.ts'
import type { Berth, OpenOptions } from './main.ts'
import { inspectDatabase } from './open-database.ts'
import { openJournalFiles } from './open-files.ts'
import { refuseMemory } from './serving-lock.ts'

/** How it is done. */
export interface RecoverOptions {
  readonly ports: Ports
  /** Of main.ts. */
  readonly open: (config: Config, ports: Ports, options: OpenOptions) => Promise<Berth>
  readonly signal: AbortSignal
  /** Epochs of the journal to read; undefined: all whose place no other one took. */
  readonly epochs?: readonly number[] | undefined
  /** Files of the journal that are missing or cannot be read are left out, and told. */
  readonly skipsDamaged?: boolean | undefined
  readonly onStep?: ((text: string) => void) | undefined
  /** The store has the mark of another database: the one that was lost, or one with which somebody still runs. Throws where that is not to be. */
  readonly onTakeOver?: ((other: OtherDatabase) => Promise<void>) | undefined
}

/** What is seen of the database whose mark a store has. */
export interface OtherDatabase {
  /** Of the mark. */
  readonly path: string
  /** When it wrote to its journal last, in milliseconds since the epoch. */
  readonly writtenAt: number
}

/** Makes the database that the configuration names, which must be empty, from the journal in its store. */
export async function recoverStore(
  config: Config,
  { open, ports, epochs, skipsDamaged, signal, onStep = () => undefined, onTakeOver }: RecoverOptions,
): Promise<Recovery> {
  refuseMemory(config)
  await requireEmptyDatabase(config, ports)
  await using files = openJournalFiles(config.storage, ports)
  const chosen = files === undefined ? [] : await choose(files, { wanted: epochs, signal })
  if (files === undefined || !chosen.some(({ use }) => use === 'read'))
    throw new BackupRefused(`there is no journal in the store (${files?.place ?? 'memory'}): restore a backup, or push the images again`)
  const journal = await readJournal(files, chosen, { signal, skipsDamaged })
  const acceptStore: OpenOptions['acceptStore'] = async ({ mark, path }) => {
    if (mark === 'another') await onTakeOver?.({ path, writtenAt: await writtenAt(files) })
  }
  await using berth = await open(config, ports, { acceptStore, isRecovering: true })
  const recovery = await recover(partsOf(berth, { files, signal, onStep }), journal)
  const { repositories, manifests, tags, blobs, missing } = recovery
  const read = recovery.epochs.filter(({ use }) => use === 'read').map(({ epoch }) => epoch)
  const detail = { epoch: read.at(-1), epochs: read, repositories, manifests, tags, blobs, missing: missing.length }
  await berth.registry.metadata.write(recordRecovery, { now: ports.clock.now(), detail })
  return recovery
}

async function choose(...[files, choice]: Parameters<typeof chooseEpochs>): ReturnType<typeof chooseEpochs> {
  try {
    return await chooseEpochs(files, choice)
  } catch (error) {
    throw error instanceof NoSuchEpoch ? new BackupRefused(error.message) : error
  }
}

async function writtenAt(files: NamedFiles): Promise<number> {
  let latest = 0
  for await (const { modifiedAt } of files.list('')) latest = Math.max(latest, modifiedAt)
  return latest
}

async function requireEmptyDatabase(config: Config, ports: Ports): Promise<void> {
  await using database = await inspectDatabase(config, ports)
  if (database === undefined || database.applied.length === 0 || (await isRecovering(database.reader))) return
  const table = await tableInUse(database.reader)
  if (table !== undefined)
    throw new RegistryError('CONFLICT', undefined, {
      message: `the database ${describeDatabase(config.database)} is not empty (${table}): a recovery makes one where there is none`,
    })
}

const recordRecovery = transaction(
  import.meta.url,
  'recover-work/record',
  async (tx, { now, detail }: { readonly now: number; readonly detail: Readonly<Record<string, unknown>> }) => {
    await recordEvent(tx, { action: 'store.recovered', target: 'store', detail, at: now, ...operator })
  },
)

function partsOf({ registry, context }: Berth, own: Pick<RecoverParts, 'files' | 'signal' | 'onStep'>): RecoverParts {
  const { metadata, stores, options } = registry
  const now = context.ports.clock.now()
  const leaseUntil = now + options.garbageDelayMs
  return {
    ...own,
    metadata,
    stores,
    now,
    async addBlobs(repository, store, blobs) {
      const found = blobs.map(([digest, sizeBytes, , key]) => ({ digest, key, sizeBytes, state: 'live', isChecked: false }) as const)
      await metadata.write(addBlobs, { repository, store, now, leaseUntil, blobs: found })
    },
    async addManifests(repository, manifests) {
      await metadata.write(addManifests, { repository, now, manifests })
    },
    async addProject(name) {
      const known = await metadata.reader.selectFrom('projects').select('id').where('name', '=', name).executeTakeFirst()
      if (known === undefined) await createProject({ metadata, ports: context.ports }, { name }, operator)
    },
    async moveBlob(blobId, place) {
      const row = await metadata.reader.selectFrom('blobs').select(['key', 'size_bytes']).where('id', '=', blobId).executeTakeFirstOrThrow()
      if (place === undefined)
        await metadata.write(markBlob, { blobId, key: row.key, state: 'quarantined', sizeBytes: row.size_bytes, now })
      else await metadata.write(setPlace, { blobId, ...place })
    },
  }
}

const setPlace = transaction(
  import.meta.url,
  'recover-work/set-place',
  async (tx, { blobId, store, key }: { readonly blobId: number; readonly store: string; readonly key: string }) => {
    await tx.updateTable('blobs').set({ store, key }).where('id', '=', blobId).execute()
  },
)
