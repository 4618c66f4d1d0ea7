/** Looks at the directory of `storage.readthrough`: what is wrong with it stops nothing, so nobody else would notice. */
import { dirname } from 'node:path'
import { codeOf, describe, fine, problem, type Diagnosis } from './doctor-check.ts'
import { statOf, type DoctorParts } from './doctor-files.ts'

const check = 'cache'
/** Of `access(2)`: write, and look up. */
const writable = 0o3

/** Whether the cache before the object stores can be written to. Makes nothing. */
export async function checkCache({ config, ports }: DoctorParts): Promise<readonly Diagnosis[]> {
  const { readThrough } = config.storage
  if (readThrough === undefined) return []
  const { directory } = readThrough
  const unusable = (why: string) => [
    problem(check, `${directory} ${why}: pulls pass the cache by until storage.readthrough.directory is one that the server may write to`),
  ]
  try {
    let at = directory
    while ((await statOf({ files: ports.files }, at)) === undefined && at !== dirname(at)) at = dirname(at)
    const facts = await statOf({ files: ports.files }, at)
    if (facts?.isDirectory() !== true) return unusable(at === directory ? 'is a file, and no directory' : `cannot be made, ${at} is a file`)
    await ports.files.access(at, writable)
    return [fine(check, at === directory ? `${directory} can be written to` : `${directory} is not there yet: the first start makes it`)]
  } catch (error) {
    return unusable(`cannot be used (${codeOf(error) ?? describe(error)})`)
  }
}
