/** What the commands that work on the data share: finding the configuration, opening the rooms, stopping in order, showing progress. */
import { access, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { loadConfig, type LoadedConfig } from '#config/load.ts'
import type { Config } from '#config/config.ts'
import { databaseFileOf, describeDatabase } from '#config/database-place.ts'
import { describeStorage } from '#config/storage-place.ts'
import { open, type Berth, type OpenOptions } from '#main.ts'
import { NothingThere } from './command-failure.ts'

const rootDirectoryVariable = 'REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY'
const progressIntervalMs = 1_000

/** Whether a command's argument names a data directory, and not a configuration. */
export async function isDirectory(path: string | undefined): Promise<boolean> {
  if (path === undefined) return false
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}

/** What a command needs of the data that it works on. */
export interface DataOptions {
  /** Leaves the database of the data and the key of its secrets alone: neither is read or written. */
  readonly withoutDatabase?: boolean
  /** The command is one of those that make a registry where none is; the others refuse such a place. */
  readonly mayMake?: boolean
  /** The same where a config.yml is named: in a directory that was mistyped nothing is made. */
  readonly mayMakeAsConfigured?: boolean
  /** Throws for a place that the command can do nothing with, before anything is made there. */
  readonly requirePlace?: (config: Config) => Promise<void>
  /** The command is about bytes that may have lost what tells them from another store's. */
  readonly acceptStore?: OpenOptions['acceptStore']
  /** The command gives up what is sealed under a key that is lost. */
  readonly startsSecretsAnew?: boolean
}

/** The configuration of a config.yml, or of a data directory with everything else at its default. */
export async function loadSource(source: string | undefined): Promise<LoadedConfig> {
  const cwd = process.cwd()
  const isData = source !== undefined && (await isDirectory(source))
  if (source !== undefined && !isData && !(await isThere(source)))
    throw noData(`${resolve(cwd, source)}: there is no such file or directory`)
  const environment = isData ? { ...process.env, [rootDirectoryVariable]: resolve(cwd, source) } : process.env
  return await loadConfig({ file: isData ? undefined : source, environment, cwd })
}

/** What a command looks at, for people who named nothing and wonder. */
export function describeSource({ file, storage, database }: Config): string {
  const place = describeStorage(storage)
  const data = place === undefined ? 'data in memory' : `data in ${place}`
  return `${file ?? 'no config.yml'}, ${data}, database ${describeDatabase(database)}`
}

/** The same where nothing is there to look at, neither data nor a database; undefined where there is. */
export async function describeAbsence({ storage, database }: Config): Promise<string | undefined> {
  const { rootDirectory } = storage
  const file = databaseFileOf(database)
  if (rootDirectory === undefined || file === undefined || (await isThere(rootDirectory)) || (await isThere(file))) return undefined
  return `there is no data directory ${rootDirectory}, and no database ${file}`
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}

/** Throws one sentence where there is no registry: opening the place would make an empty one, in which all is well. */
export async function requireData({ storage, database }: Config): Promise<void> {
  const { rootDirectory } = storage
  const file = databaseFileOf(database)
  const isLost = rootDirectory !== undefined && !(await isThere(rootDirectory))
  if (!isLost && (file === undefined || !(await isEmpty(file)))) return
  const place =
    isLost || file === undefined ? `${rootDirectory}: there is no such directory` : `${rootDirectory ?? file}: no database ${file}`
  throw noData(place)
}

function noData(place: string): NothingThere {
  return new NothingThere(
    `no Berth data at ${place}: name the config.yml of the registry, or its data directory; one of registry:2 is taken over by berth serve or berth import`,
  )
}

/** Not there, or of no byte, as a start leaves it that came to nothing. */
async function isEmpty(file: string): Promise<boolean> {
  return await stat(file).then(
    ({ size }) => size === 0,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT' || error.code === 'ENOTDIR',
  )
}

/** The configuration that a command works by; what is wrong with it goes to standard error. */
export async function configOf(source: string | undefined, { withoutDatabase = false }: DataOptions = {}): Promise<Config> {
  const { config, warnings } = await loadSource(source)
  for (const warning of warnings) console.error(`warning: ${warning}`)
  // What the command tells goes to its own output; the log has what went wrong besides.
  const log = { ...config.log, level: 'error' } as const
  if (!withoutDatabase) return { ...config, log }
  return { ...config, database: { driver: 'sqlite', file: ':memory:' }, secrets: { ...config.secrets, keyFile: undefined }, log }
}

/**
 * Opens what `source` names (a config.yml, or a data directory) and runs the command on it. SIGINT and SIGTERM abort the signal, and what was begun ends
 * in order.
 */
export async function withBerth(
  source: string | undefined,
  run: (berth: Berth, signal: AbortSignal) => Promise<void>,
  options: DataOptions = {},
): Promise<void> {
  await withSignal(async (signal) => {
    const config = await configOf(source, options)
    const mayMake = options.mayMake === true || (options.mayMakeAsConfigured === true && !(await isDirectory(source)))
    if (!mayMake && options.withoutDatabase !== true) await requireData(config)
    await options.requirePlace?.(config)
    await using berth = await open(config, undefined, options)
    await run(berth, signal)
  })
}

/** Runs with a signal that SIGINT and SIGTERM abort. */
export async function withSignal(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController()
  const stop = () => controller.abort(new Error('stopped; run the same command again to go on'))
  process.once('SIGINT', stop).once('SIGTERM', stop)
  try {
    await run(controller.signal)
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

/** A function that prints the line it is given to standard error, once a second at most. */
export function progressPrinter(): (line: () => string) => void {
  let printedAt = performance.now()
  return (line) => {
    if (performance.now() - printedAt < progressIntervalMs) return
    printedAt = performance.now()
    console.error(line())
  }
}

/** `1 blob`, `2,000 blobs`. */
export function plural(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}

/** `1 blob waits`, `2,000 blobs of 3 MiB wait`. */
export function waits(count: number, noun: string, more?: string): string {
  return `${[plural(count, noun), ...(more === undefined ? [] : [more])].join(' ')} ${count === 1 ? 'waits' : 'wait'}`
}

/** `12.3 MiB`. */
export function describeBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1)
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}
