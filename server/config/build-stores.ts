/** Values → the parts of Config about more than one store. Each named store is read with the keys of its driver, as if it stood directly below `storage`. */
import { resolve } from 'node:path'
import { buildAzure, buildGcs } from './build-cloud-stores.ts'
import { buildS3 } from './build-object-stores.ts'
import type { NamedStoreConfig, ReadThroughConfig, StorageConfig, TiersConfig } from './config.ts'
import type { Listener } from './environment.ts'
import { describeFound, rawMap, type RawMap } from './raw-value.ts'
import { validate, type Values } from './validate.ts'
import { isObjectStore } from './storage-place.ts'

const drivers = ['filesystem', 's3', 'azure', 'gcs'] as const
const driverNames: ReadonlySet<string> = new Set([...drivers, 'memory', 'inmemory', 'database'])

/** What the primary store is, as far as the others depend on it. */
type Primary = Pick<StorageConfig, 'driver' | 'rootDirectory'>

/** The part of {@link StorageConfig} that this file builds. */
export type StoresConfig = Pick<StorageConfig, 'name' | 'others' | 'readThrough' | 'tiers'>

/** Names, the other stores, the cache and the tiers; what is wrong goes to the listener. */
export function buildStores(values: Values, cwd: string, { primary, listener }: { primary: Primary; listener: Listener }): StoresConfig {
  const name = values.get('storage.name') ?? primary.driver
  checkName(name, primary.driver, { path: 'storage.name', listener })
  const others: NamedStoreConfig[] = []
  for (const [otherName, written] of values.get('storage.stores').byName) {
    const path = `storage.stores.${otherName}`
    const { origin } = written
    if (otherName === name)
      listener.problem({ path, expected: `another name than that of the store above it, ${name} (see storage.name)`, origin })
    const other = buildStore(otherName, written, { cwd, path, listener })
    if (other === undefined) continue
    checkName(otherName, other.driver, { path, listener })
    const twin = [primary, ...others].find(({ rootDirectory }) => rootDirectory !== undefined && rootDirectory === other.rootDirectory)
    if (twin !== undefined) listener.problem({ path, expected: 'a directory of its own', found: other.rootDirectory ?? '', origin })
    others.push(other)
  }
  return {
    name,
    others,
    readThrough: buildReadThrough(values, cwd, { stores: [primary, ...others], listener }),
    tiers: buildTiers(values, others, listener),
  }
}

interface At {
  readonly path: string
  readonly listener: Listener
}

/** A driver's name speaks of that driver: rows of before there were names have it. */
function checkName(name: string, driver: StorageConfig['driver'], { path, listener }: At): void {
  if (driverNames.has(name) && name !== driver)
    listener.problem({ path, expected: `another name: ${name} is that of a store of another kind`, found: name })
}

/** A store as it is written in a map of its own; undefined where it is none, which the listener hears. */
export function buildStore(
  name: string,
  written: RawMap,
  { cwd, path, listener }: At & { readonly cwd: string },
): NamedStoreConfig | undefined {
  const chosen = drivers.filter((driver) => written.entries.has(driver))
  const strangers = [...written.entries.keys()].filter((key) => !chosen.some((driver) => driver === key))
  const [driver] = chosen
  if (driver === undefined || chosen.length > 1 || strangers.length > 0) {
    const found = [...written.entries.keys()].join(', ')
    listener.problem({
      path,
      expected: `exactly one of ${drivers.join(', ')}`,
      found: found === '' ? 'nothing' : found,
      origin: written.origin,
    })
    return undefined
  }
  const own = within(path, listener)
  const values = validate(rawMap(written.origin, [['storage', rawMap(written.origin, written.entries)]]), own)
  const root = values.get('storage.filesystem.rootdirectory') ?? ''
  if (driver === 'filesystem' && root === '')
    listener.problem({ path: `${path}.filesystem.rootdirectory`, expected: 'a directory', origin: written.origin })
  return {
    name,
    driver,
    rootDirectory: driver === 'filesystem' ? resolve(cwd, root) : undefined,
    s3: driver === 's3' ? buildS3(values, own) : undefined,
    azure: driver === 'azure' ? buildAzure(values, own) : undefined,
    gcs: driver === 'gcs' ? buildGcs(values, cwd, own) : undefined,
  }
}

/** Tells of `storage.s3.bucket` as of `storage.stores.<name>.s3.bucket`. */
function within(path: string, { problem, warn }: Listener): Listener {
  const placed = (told: string) => told.replace(/^storage(?=[.:])/, path)
  return { problem: (found) => problem({ ...found, path: placed(found.path) }), warn: (told) => warn(placed(told)) }
}

function buildReadThrough(
  values: Values,
  cwd: string,
  { stores, listener }: { readonly stores: readonly Pick<StorageConfig, 'driver'>[]; readonly listener: Listener },
): ReadThroughConfig | undefined {
  const section = 'storage.readthrough'
  const hasSize = values.has(`${section}.size`)
  const directory = values.get(`${section}.directory`) ?? ''
  if (directory === '' && !hasSize) return undefined
  const { problem } = listener
  const sizeBytes = values.get(`${section}.size`) ?? 0
  if (directory === '') problem({ path: `${section}.directory`, expected: 'a directory' })
  if (!hasSize) problem({ path: `${section}.size`, expected: 'a size such as 200GiB' })
  if (!stores.some(isObjectStore))
    problem({ path: section, expected: 'an object store to stand before', found: 'stores of this machine alone' })
  const maximumBytes = values.get(`${section}.maximumblob`) ?? Math.floor(sizeBytes / 4)
  if (maximumBytes > sizeBytes && sizeBytes > 0)
    problem({ path: `${section}.maximumblob`, expected: 'no more than storage.readthrough.size' })
  return { directory: resolve(cwd, directory), sizeBytes, maximumBytes, redirects: values.get(`${section}.redirect`) }
}

const leastColdBytes = 128 * 1024

function buildTiers(values: Values, others: readonly NamedStoreConfig[], { problem }: Listener): TiersConfig | undefined {
  const cold = values.get('storage.tiers.cold')
  const rules = values.get('storage.tiers.rules')
  if (cold === undefined) {
    if (rules.length > 0 && !values.has('storage.tiers.cold'))
      problem({ path: 'storage.tiers.cold', expected: 'the name of a store of storage.stores' })
    return undefined
  }
  if (!others.some(({ name }) => name === cold) && values.get('storage.stores').byName.get(cold) === undefined) {
    const found = describeFound({ kind: 'scalar', value: cold, text: cold, origin: '' }, false)
    problem({ path: 'storage.tiers.cold', expected: 'the name of a store of storage.stores', found })
  }
  const schedule = values.get('storage.tiers.schedule')
  return {
    cold,
    rules: rules.map(({ notpulledfor, minimumsize, projects }) => ({
      notPulledForMs: notpulledfor,
      minimumBytes: minimumsize ?? leastColdBytes,
      projects: projects === undefined || projects.length === 0 ? undefined : projects,
    })),
    schedule: schedule === 'off' || rules.length === 0 ? undefined : schedule,
    returns: values.get('storage.tiers.return'),
    bytesPerSecond: values.get('storage.tiers.rate'),
  }
}
