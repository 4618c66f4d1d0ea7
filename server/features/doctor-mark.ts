/** The mark of the store: is it there, and is it that of the rows. */
import { markOf } from '#blobs/open-mark.ts'
import { isMarkAway, type StoreMark, type StoreTrace } from '#blobs/store-mark.ts'
import { isObjectStore } from '#config/storage-place.ts'
import { sampleBlobs } from '#metadata/doctor-reads.ts'
import { hasRows, knownStore } from '#metadata/known-store.ts'
import type { Reader } from '#metadata/metadata.ts'
import { fine, problem, warning, type Diagnosis } from './doctor-check.ts'
import type { DoctorParts } from './doctor-files.ts'

const mountAdvice = 'mount the disk of the blobs'

/** What was found of a directory in which the blobs are not: all but that says something of another disk. */
export function withoutWrongDisk(found: readonly Diagnosis[], { config }: Pick<DoctorParts, 'config'>): Diagnosis[] {
  const isAway = found.some(({ check, message }) => check === 'store' && message.includes(mountAdvice))
  if (!isAway) return [...found]
  const unknown = warning(
    'storage',
    `${config.storage.rootDirectory ?? ''} is not where the blobs are, see store: how their disk is, and what is free there, could not be looked at`,
  )
  const kept = found.filter(({ check, verdict }) => check !== 'free space' && !(['storage', 'clock'].includes(check) && verdict === 'ok'))
  return [...kept, unknown]
}

function ofAnother(what: string, how: 'is empty' | 'is not there'): Diagnosis {
  return problem(
    'store',
    `${what} of another database, and the database here ${how}: was it lost, or its path changed? No start until then; berth recover makes a lost one from the journal in the store, and berth store accept takes the blobs for this one`,
  )
}

/** Where there is no database yet. */
export async function checkMarkAlone({ config, ports }: DoctorParts): Promise<readonly Diagnosis[]> {
  const mark = markOf(config, ports)
  if (mark === undefined) return []
  const what = await unlessAway(async () => ((await mark.read()) === undefined ? describeTrace(mark, await mark.trace()) : markIs(mark)))
  return what === 'away' || what === undefined ? [] : [ofAnother(what, 'is not there')]
}

function nextStart({ path }: StoreMark, found: string | undefined): string {
  if (found === undefined) return 'the blobs have no mark yet: the next start makes it'
  // As after a copy of the database (database-copy.ts).
  return `${path} is still that of the database before this one: the next start here takes the blobs over, and no start with that one does then`
}

function markIs({ path }: StoreMark): string {
  return `${path} is the mark`
}

function describeTrace({ path }: StoreMark, trace: StoreTrace | undefined): string | undefined {
  if (trace === undefined) return undefined
  return `${path} is not there, but ${trace === 'journal' ? 'the journal' : 'blobs'}`
}

/** A store elsewhere that does not answer is told of by the look at it. */
async function unlessAway<T>(look: () => Promise<T>): Promise<T | 'away'> {
  try {
    return await look()
  } catch (error) {
    if (isMarkAway(error)) return 'away'
    throw error
  }
}

/** Nothing where the blobs are in memory. */
export async function checkMark({ config, ports }: DoctorParts, reader: Reader): Promise<readonly Diagnosis[]> {
  const mark = markOf(config, ports)
  if (mark === undefined) return []
  const { storage } = config
  const [known, found] = [await knownStore(reader, storage.name), await unlessAway(() => mark.read())]
  if (found === 'away') return []
  if (known === undefined) {
    const what = await unlessAway(() => foreignIn(mark, { found, reader, store: storage.name }))
    if (what !== undefined && what !== 'away') return [ofAnother(what, 'is empty')]
  }
  if (known?.isMade !== true) return [fine('store', nextStart(mark, found))]
  if (found === known.id) return [fine('store', `${mark.path} is the mark of these blobs`)]
  const how = found === undefined ? 'is not there' : 'is that of another store'
  const advice = isObjectStore(storage) ? 'look whether bucket and prefix are the right ones' : mountAdvice
  const until = isObjectStore(storage) ? 'No start until then' : 'Until then no push is taken'
  return [problem('store', `${mark.path} ${how}: ${advice}; where they were restored without this file, run berth store accept. ${until}`)]
}

interface Foreign {
  readonly found: string | undefined
  readonly reader: Reader
  readonly store: string
}

/** What the next start refuses. */
async function foreignIn(mark: StoreMark, { found, reader, store }: Foreign): Promise<string | undefined> {
  if ((await sampleBlobs(reader, store, 1)).length > 0) return undefined
  if (found !== undefined) return markIs(mark)
  return (await hasRows(reader)) ? undefined : describeTrace(mark, await mark.trace())
}
