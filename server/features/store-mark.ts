/**
 * Is the store that the configuration names the one that the rows speak of? Asked once when the rooms are opened; from then on the store asks itself (see
 * blobs/store-mark.ts).
 *
 * The id of the store is a row of `settings`, made at the first use. It is written before the file, as one that is still to be made, and then said to be
 * made: a crash in between leaves what the next start finishes, and of several processes that start at once all write the same.
 */
import type { BlobKey, BlobStore } from '#blobs/blob-store.ts'
import { createStoreMark, type StoreMark } from '#blobs/store-mark.ts'
import type { Config } from '#config/config.ts'
import type { Ports } from '#lib/ports.ts'
import { sampleBlobs } from '#metadata/doctor-reads.ts'
import { knownStore, knownStoreSetting, type KnownStore } from '#metadata/known-store.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { insertSetting, putSetting } from '#metadata/settings.ts'
import { transaction } from '#metadata/transaction.ts'

/** The store of a configuration, and the rows about it. */
interface SeenStore {
  readonly metadata: Pick<Metadata, 'reader'>
  readonly store: Pick<BlobStore, 'name' | 'stat'>
  readonly mark: StoreMark
}

/** One that may be marked. */
export interface MarkedStore extends SeenStore {
  readonly metadata: Pick<Metadata, 'reader' | 'write'>
  readonly ports: Pick<Ports, 'random'>
  /** Nothing is to be written to the store: one without a mark stays so. */
  readonly readOnly: boolean
  /** Given where what lies in the directory is to be the store of the rows, whatever its mark says. Throws when it is not, after a look. */
  readonly accept?: ((look: StoreLook) => Promise<void>) | undefined
}

/** What lies in the directory, as far as a few of the rows tell. */
export interface StoreLook {
  /** Of the mark. */
  readonly path: string
  readonly mark: 'own' | 'none' | 'another'
  /** Some of the oldest and of the newest blobs that rows name. */
  readonly looked: number
  /** So many of them are there. */
  readonly there: number
}

/** The mark of the store that the configuration names. Undefined where blobs are in no directory; a database in memory cannot know a store again. */
export function markOf({ storage, database }: Pick<Config, 'storage' | 'database'>, ports: Ports): StoreMark | undefined {
  if (storage.rootDirectory === undefined || (database.driver === 'sqlite' && database.file === ':memory:')) return undefined
  return createStoreMark(storage.rootDirectory, ports)
}

/** Of the oldest and of the newest blobs, so many are looked for in a store that never had a mark, or that is to be accepted. */
const sampled = 10

/** With the name that stands in rows. */
interface NamedStore extends KnownStore {
  readonly store: string
}

const proposeStore = transaction(import.meta.url, 'store-mark/propose', async (tx, { store, ...proposed }: NamedStore) => {
  await insertSetting(tx, knownStoreSetting(store), proposed)
})

const keepStore = transaction(import.meta.url, 'store-mark/keep', (tx, { store, ...known }: NamedStore) =>
  putSetting(tx, knownStoreSetting(store), known),
)

/** Makes the mark where it is to be made, and has the store ask for it. Throws one sentence when the store in the directory is not that of the rows. */
export async function settleStore(marked: MarkedStore): Promise<void> {
  const { metadata, store, mark, readOnly, accept } = marked
  const known = await knownStore(metadata.reader, store.name)
  const found = await mark.read()
  if (accept !== undefined) {
    await accept(await lookAt(marked, known, found))
    return await make(marked, known?.id)
  }
  if (known?.isMade === true && known.id === found) return mark.expect(known.id)
  await requireOwn(marked, known, found)
  if (!readOnly || found !== undefined) await make(marked, known?.id ?? found)
}

/** Throws one sentence when the store in the directory is not that of the rows. Changes nothing. */
export async function requireOwnStore(marked: SeenStore): Promise<void> {
  const known = await knownStore(marked.metadata.reader, marked.store.name)
  const found = await marked.mark.read()
  if (known?.isMade !== true || known.id !== found) await requireOwn(marked, known, found)
}

async function lookAt(marked: SeenStore, known: KnownStore | undefined, found: string | undefined): Promise<StoreLook> {
  const state = found === undefined ? 'none' : found === known?.id ? 'own' : 'another'
  return { path: marked.mark.path, mark: state, ...(await lookFor(marked)) }
}

async function requireOwn(marked: SeenStore, known: KnownStore | undefined, found: string | undefined): Promise<void> {
  if (known === undefined && found !== undefined && (await isOfNoRow(marked))) throw databaseMissing(marked)
  if (await isAnother(marked, known, found)) throw storeMissing(marked)
}

/** Whether the directory, whose mark is not the one that is known, is that of another store or no store at all. */
async function isAnother(marked: SeenStore, known: KnownStore | undefined, found: string | undefined): Promise<boolean> {
  if (known === undefined || !known.isMade) return await isEmptied(marked)
  return found !== undefined || (await hasBlobs(marked))
}

async function make({ metadata, store, mark, ports }: MarkedStore, wanted: string | undefined): Promise<void> {
  await metadata.write(proposeStore, { store: store.name, id: wanted ?? ports.random.uuid(), isMade: false })
  const { id } = (await knownStore(metadata.reader, store.name)) ?? { id: wanted ?? '' }
  if ((await mark.read()) !== id) await mark.write(id)
  await metadata.write(keepStore, { store: store.name, id, isMade: true })
  mark.expect(id)
}

async function hasBlobs({ metadata, store }: SeenStore): Promise<boolean> {
  return (await sampleBlobs(metadata.reader, store.name, 1)).length > 0
}

/** Whether the database knows neither a store nor a blob. The store is asked for anew: a process that starts at once may have made the mark. */
async function isOfNoRow(marked: SeenStore): Promise<boolean> {
  return (await knownStore(marked.metadata.reader, marked.store.name)) === undefined && !(await hasBlobs(marked))
}

/** Whether none of the blobs that are looked for is there. */
async function isEmptied(marked: SeenStore): Promise<boolean> {
  const { looked, there } = await lookFor(marked)
  return looked > 0 && there === 0
}

async function lookFor({ metadata, store }: SeenStore): Promise<Pick<StoreLook, 'looked' | 'there'>> {
  const blobs = (await sampleBlobs(metadata.reader, store.name, sampled)).filter(({ isQuarantined }) => !isQuarantined)
  const found = await Promise.all(blobs.map(({ key }) => store.stat(key as BlobKey)))
  return { looked: blobs.length, there: found.filter((facts) => facts !== undefined).length }
}

/** A store with a mark, and a database that knows none. */
export function databaseMissing({ mark }: Pick<SeenStore, 'mark'>): Error {
  return new Error(
    `this store has the mark of another database (${mark.path}), and the database here is empty: was the database lost, or its path changed? ` +
      'Where these blobs are to be its own: berth store accept',
  )
}

function storeMissing({ mark }: SeenStore): Error {
  return new Error(
    `the blobs that the database knows are not there: ${mark.path} is not, or is that of another store. Is the disk mounted? Where the blobs were restored ` +
      'without this file: berth store accept',
  )
}
