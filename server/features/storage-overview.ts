/** The stores of an installation: what is in each, which one is for what, and whether all that rows name are in the configuration. */
import type { StorageConfig } from '#config/config.ts'
import type { Reader } from '#metadata/metadata.ts'
import { contentsOfStores, storesOfBlobs, type StoreContents } from '#metadata/store-rows.ts'
import type { Registry } from '#registry/registry.ts'

/** Throws one sentence when blobs are in a store that is not among these: they would look as if they were lost. */
export async function requireKnownStores(reader: Reader, stores: ReadonlyMap<string, unknown>): Promise<void> {
  const missing = (await storesOfBlobs(reader)).filter((name) => !stores.has(name))
  if (missing.length === 0) return
  const [names, verb] = [missing.join(' and '), missing.length === 1 ? 'store' : 'stores']
  throw new Error(
    `blobs are in the ${verb} ${names}, which the configuration does not name: add ${missing.length === 1 ? 'it' : 'them'} below storage.stores ` +
      `(as ${missing.map((name) => `storage.stores.${name}`).join(', ')}) until berth storage migrate has emptied ${missing.length === 1 ? 'it' : 'them'}`,
  )
}

/** One store. */
export interface StoreState extends Omit<StoreContents, 'store'> {
  readonly name: string
  /** Undefined: rows name it, and the configuration does not. */
  readonly driver: StorageConfig['driver'] | undefined
  readonly role: 'primary' | 'cold' | 'other'
}

/** What of the configuration tells about stores. */
export type StoresOfConfig = Pick<StorageConfig, 'name' | 'driver' | 'others' | 'tiers'>

const nothing = { blobs: 0, bytes: 0, liveBytes: 0, quarantined: 0, uploads: 0, leaving: 0, leavingUntil: undefined }

/** All stores that the configuration or a row names, the primary one first. Reads all rows of blobs. */
export async function readStores(
  { metadata, context }: Pick<Registry, 'metadata' | 'context'>,
  config: StoresOfConfig,
): Promise<StoreState[]> {
  const contents = new Map(
    (await contentsOfStores(metadata.reader, () => context.ports.timers.sleep(0))).map(({ store, ...rest }) => [store, rest]),
  )
  const drivers = new Map([[config.name, config.driver], ...config.others.map(({ name, driver }) => [name, driver] as const)])
  const names = [...drivers.keys(), ...[...contents.keys()].filter((name) => !drivers.has(name))]
  return names.map((name) => ({
    name,
    driver: drivers.get(name),
    role: name === config.name ? 'primary' : name === config.tiers?.cold ? 'cold' : 'other',
    ...(contents.get(name) ?? nothing),
  }))
}
