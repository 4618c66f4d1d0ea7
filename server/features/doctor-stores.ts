/** Looks at more than one store: those beside the primary one, and whether all that rows name are in the configuration. */
import type { Config } from '#config/config.ts'
import type { Reader } from '#metadata/metadata.ts'
import { isStoreNamed, storesOfBlobs, storesOfDeletions, storesOfUploads } from '#metadata/store-rows.ts'
import { fine, problem, warning, type Diagnosis } from './doctor-check.ts'
import { checkStore, type DoctorParts } from './doctor-files.ts'

/** The other stores of the configuration, each as if it were the only one. */
export async function checkOtherStores({ config, ports }: DoctorParts): Promise<readonly Diagnosis[]> {
  const { storage } = config
  const found: Diagnosis[] = []
  for (const other of storage.others) {
    const redirects = storage.redirects && { ...storage.redirects, cdn: undefined }
    const alone: Config = { ...config, storage: { ...storage, ...other, others: [], redirects } }
    const own = await checkStore({ config: alone, ports })
    found.push(...own.map(({ verdict, message }) => ({ check: 'stores', verdict, message: `${other.name}: ${message}` })))
  }
  return found
}

/** Rows against the configuration. */
export async function checkStoresOfRows({ config }: DoctorParts, reader: Reader): Promise<readonly Diagnosis[]> {
  const { storage } = config
  const known = new Set([storage.name, ...storage.others.map(({ name }) => name)])
  const missing = (names: readonly string[]) => names.filter((name) => !known.has(name))
  const found: Diagnosis[] = []
  const lost = missing(await storesOfBlobs(reader))
  for (const name of lost) {
    const message = `blobs are in the store ${name}, which the configuration does not name: no start until it is among storage.stores again`
    found.push(problem('stores', message))
  }
  for (const name of new Set(missing([...(await storesOfUploads(reader)), ...(await storesOfDeletions(reader))]))) {
    if (lost.includes(name)) continue
    const message = `uploads or bytes that were to be deleted are in the store ${name}, which the configuration does not name: they stay there until it does`
    found.push(warning('stores', message))
  }
  for (const { name } of storage.others) {
    if (name === storage.tiers?.cold || (await isStoreNamed(reader, name))) continue
    found.push(fine('stores', `nothing is in ${name}: you may remove it from the configuration`))
  }
  return found
}
