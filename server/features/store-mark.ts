/**
 * Is the store that the configuration names the one that the rows speak of? Asked once when the rooms are opened; from then on a store in a directory asks itself
 * (blobs/store-mark.ts), and one in a bucket only where it was away at the start (blobs/object-mark.ts).
 *
 * Who has rows takes a store without a mark for its own: it is from before there were marks. A database without any does not where a journal or blobs are there,
 * for what it would begin there hides what is: it was lost, or another one is meant.
 *
 * The id of the store is a row of `settings`, made at the first use. It is written before the file, as one that is still to be made, and then said to be
 * made: a crash in between leaves what the next start finishes, and of several processes that start at once all write the same.
 */
import type { BlobKey, BlobStore } from '#blobs/blob-store.ts'
import { isMarkAway, isStoreLost, type StoreMark, type StoreTrace } from '#blobs/store-mark.ts'
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import { sampleBlobs } from '#metadata/doctor-reads.ts'
import { hasRows, knownStore, knownStoreSetting, type KnownStore } from '#metadata/known-store.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { insertSetting, putSetting } from '#metadata/settings.ts'
import { transaction } from '#metadata/transaction.ts'
import { RegistryError } from '#oci/errors.ts'

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
  /** Told of a store that was away, and is another's when it is back. */
  readonly log?: Pick<Logger, 'info' | 'error'> | undefined
}

/** With what was known when the store was away. */
interface SettlingStore extends MarkedStore {
  /** Nothing was in the database then: what is in it now is of this start. */
  readonly wasUnused?: boolean
}

/** What lies in the store, as far as a few of the rows tell. */
export interface StoreLook {
  /** Of the mark. */
  readonly path: string
  readonly mark: 'own' | 'none' | 'another'
  /** Of somebody else, as the database has no row. */
  readonly holds?: StoreTrace | undefined
  /** Some of the oldest and of the newest blobs that rows name. */
  readonly looked: number
  /** So many of them are there. */
  readonly there: number
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

/**
 * Makes the mark where it is to be made, and has the store ask for it. Throws one sentence when the store is not that of the rows. One elsewhere that is away is
 * looked at when it is back, and takes nothing before.
 */
export async function settleStore(marked: MarkedStore): Promise<void> {
  const { mark, accept, log, store } = marked
  try {
    await settleNow(marked)
  } catch (error) {
    if (accept !== undefined || mark.settleLater === undefined || !isAway(error)) throw error
    let told = ''
    const wasUnused = !(await hasRows(marked.metadata.reader))
    mark.settleLater(async () => {
      try {
        await settleNow({ ...marked, wasUnused })
        log?.info({ store: store.name }, `the store is back, and ${mark.path} is the mark of these blobs`)
      } catch (later) {
        if (!isAway(later) && later instanceof Error && later.message !== told) {
          told = later.message
          log?.error({ store: store.name }, `nothing is written to the store: ${told}`)
        }
        throw later
      }
    })
  }
}

/** Says nothing of whose the store is. */
function isAway(error: unknown): boolean {
  return isMarkAway(error) || (error instanceof RegistryError && error.code === 'UNAVAILABLE' && !isStoreLost(error))
}

async function settleNow(marked: SettlingStore): Promise<void> {
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
  const holds = known === undefined && found === undefined ? await foreignTrace(marked) : undefined
  return { path: marked.mark.path, mark: state, ...(holds !== undefined && { holds }), ...(await lookFor(marked)) }
}

async function requireOwn(
  marked: SeenStore & Pick<SettlingStore, 'wasUnused'>,
  known: KnownStore | undefined,
  found: string | undefined,
): Promise<void> {
  const { mark } = marked
  if (known === undefined && found !== undefined && (await isOfNoRow(marked)))
    throw (await isInUse(marked)) ? unknownStore(marked) : databaseMissing({ mark })
  const trace = known === undefined && found === undefined ? await foreignTrace(marked) : undefined
  if (trace !== undefined) throw databaseMissing({ mark, trace })
  if (await isAnother(marked, known, found)) throw storeMissing(marked)
}

/** What an empty database finds in a store without a mark. The rows are asked last: a process that starts at once may have made them, and then the rest. */
async function foreignTrace(marked: SeenStore & Pick<SettlingStore, 'wasUnused'>): Promise<StoreTrace | undefined> {
  if (await isInUse(marked)) return undefined
  const trace = await marked.mark.trace()
  return trace !== undefined && (await isOfNoRow(marked)) && !(await isInUse(marked)) ? trace : undefined
}

async function isInUse({ metadata, wasUnused = false }: SeenStore & Pick<SettlingStore, 'wasUnused'>): Promise<boolean> {
  return !wasUnused && (await hasRows(metadata.reader))
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

/** A store with a mark, or without one and in use, and a database in which nothing is. */
export function databaseMissing({ mark, trace }: Pick<SeenStore, 'mark'> & { readonly trace?: StoreTrace | undefined }): Error {
  const what =
    trace === undefined
      ? `this store has the mark of another database (${mark.path})`
      : `in this store there ${trace === 'journal' ? 'is the journal' : 'are blobs'} of another database, without a mark (${mark.path})`
  return new Error(
    `${what}, and the database here is empty: was the database lost, or its path changed? berth recover makes a lost one again from the journal in the store, ` +
      'berth restore from a backup. Only where the blobs are to be those of an empty database: berth store accept',
  )
}

/** A further store, with the mark of another database. */
function unknownStore({ mark, store }: SeenStore): Error {
  return new Error(
    `the store ${store.name} has the mark of another database (${mark.path}), and the database here knows of nothing in it: is it the right place? ` +
      'Where it is to be this one’s: berth store accept',
  )
}

function storeMissing({ mark, store }: SeenStore): Error {
  const question =
    mark.settleLater === undefined ? 'Is the disk mounted?' : `Are bucket and prefix of the store ${store.name} the right ones?`
  return new Error(
    `the blobs that the database knows are not there: ${mark.path} is not, or is that of another store. ${question} Was the database copied to another one, ` +
      'which has them by now? Where the blobs were restored without this file: berth store accept',
  )
}
