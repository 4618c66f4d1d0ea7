/** The configuration in force, for a person: every key that acts, its value, and where that comes from. */
import type { Config } from './config.ts'
import { keys, statusOf, type KeyPath } from './schema.ts'
import type { Values } from './validate.ts'

/** One `key: value  # origin` a line. Secrets are masked; keys that are not given and have no default are left out. */
export function effectiveConfiguration(config: Config, values: Values): string {
  const derived = derivedValues(config)
  const lines = [
    `storage: ${config.storage.driver}  # ${values.origin('storage') ?? 'default'}`,
    `auth: ${config.auth.kind}  # ${values.origin('auth') ?? 'default'}`,
  ]
  for (const [path, key] of keys) {
    if (statusOf(path) !== 'acts') continue
    const value = values.get(path as KeyPath) as unknown
    const shown = value === undefined ? derived.get(path) : key.type.show(value as NonNullable<unknown>)
    if (shown === undefined || isElsewhere(path, config)) continue
    lines.push(`${path}: ${key.secret === true ? '…' : shown}  # ${values.origin(path) ?? 'default'}`)
  }
  return lines.join('\n').replaceAll(/\/\/[^/@\s]*@/g, '//…@')
}

/** Defaults that depend on other keys. */
function derivedValues({ log, storage, database, health }: Config): ReadonlyMap<string, string> {
  const derived = new Map([
    ['log.level', log.level],
    ['storage.delete.enabled', String(storage.deleteEnabled)],
    ['database.file', database.file],
    ['health.storagedriver.enabled', String(health.storageDriver.enabled)],
    ['health.storagedriver.threshold', String(health.storageDriver.threshold)],
  ])
  if (storage.rootDirectory !== undefined) derived.set('storage.filesystem.rootdirectory', storage.rootDirectory)
  return derived
}

/** Keys of a kind of authentication that is not the one chosen. */
function isElsewhere(path: string, { auth }: Config): boolean {
  return path.startsWith('auth.') && path.split('.')[1] !== auth.kind
}
