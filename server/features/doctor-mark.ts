/** The mark of the store in the data directory: is it there, and is it that of the rows. */
import { createStoreMark } from '#blobs/store-mark.ts'
import { sampleBlobs } from '#metadata/doctor-reads.ts'
import { knownStore } from '#metadata/known-store.ts'
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

function ofAnother(path: string, how: 'is empty' | 'is not there'): Diagnosis {
  return problem(
    'store',
    `${path} is the mark of another database, and the database here ${how}: was it lost, or its path changed? No start until then; berth store accept takes the blobs for this one`,
  )
}

/** Where there is no database yet. */
export async function checkMarkAlone({ config, ports }: DoctorParts): Promise<readonly Diagnosis[]> {
  const root = config.storage.rootDirectory
  const mark = root === undefined ? undefined : createStoreMark(root, ports)
  return mark === undefined || (await mark.read()) === undefined ? [] : [ofAnother(mark.path, 'is not there')]
}

/** Nothing where the blobs are in no directory. */
export async function checkMark({ config, ports }: DoctorParts, reader: Reader): Promise<readonly Diagnosis[]> {
  const root = config.storage.rootDirectory
  if (root === undefined) return []
  const mark = createStoreMark(root, ports)
  const [known, found] = [await knownStore(reader, config.storage.name), await mark.read()]
  if (known === undefined && found !== undefined && (await sampleBlobs(reader, config.storage.name, 1)).length === 0)
    return [ofAnother(mark.path, 'is empty')]
  if (known?.isMade !== true) return [fine('store', 'the blobs have no mark yet: the next start makes it')]
  if (found === known.id) return [fine('store', `${mark.path} is the mark of these blobs`)]
  const how = found === undefined ? 'is not there' : 'is that of another store'
  return [
    problem(
      'store',
      `${mark.path} ${how}: ${mountAdvice}; where they were restored without this file, run berth store accept. Until then no push is taken`,
    ),
  ]
}
