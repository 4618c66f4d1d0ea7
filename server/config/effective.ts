/** The configuration in force, for a person: every key that acts, its value, and where that comes from. */
import { maskCredentials } from '#lib/log-text.ts'
import type { Config, EffectiveKey } from './config.ts'
import { keys, statusOf, type KeyPath } from './schema.ts'
import type { Values } from './validate.ts'

type Built = Omit<Config, 'effective'>

/** One `key: value  # origin` a line. Secrets are masked; keys that are not given and have no default are left out. */
export function effectiveConfiguration(config: Built, values: Values): string {
  const lines = effectiveKeys(config, values).map(({ key, value, source }) => `${key}: ${value}  # ${source}`)
  return lines.join('\n')
}

/** Every key that acts and has a value, secrets masked. */
export function effectiveKeys(config: Built, values: Values): readonly EffectiveKey[] {
  const derived = derivedValues(config)
  const found: EffectiveKey[] = []
  const add = (key: string, value: string) => void found.push({ key, value, source: values.origin(key) ?? 'default' })
  add('storage', config.storage.driver)
  add('auth', config.auth.kind)
  for (const [path, key] of keys) {
    if (statusOf(path) !== 'acts') continue
    const value = values.get(path as KeyPath) as unknown
    const shown = value === undefined ? derived.get(path) : key.type.show(value as NonNullable<unknown>)
    if (shown === undefined || isElsewhere(path, config)) continue
    add(path, key.secret === true ? '…' : masked(shown))
  }
  return found
}

/** Passwords in URLs, and credentials in lists of headers. */
function masked(shown: string): string {
  return maskCredentials(shown.replaceAll(/\/\/[^/@\s]*@/g, '//…@'))
}

/** Defaults that depend on other keys. */
function derivedValues({ log, storage, database, health }: Built): ReadonlyMap<string, string> {
  const derived = new Map([
    ['log.level', log.level],
    ['storage.delete.enabled', String(storage.deleteEnabled)],
    ...(database.driver === 'sqlite' ? ([['database.file', database.file]] as const) : []),
    ['database.driver', database.driver],
    ['health.storagedriver.enabled', String(health.storageDriver.enabled)],
    ['health.storagedriver.threshold', String(health.storageDriver.threshold)],
  ])
  if (storage.rootDirectory !== undefined) derived.set('storage.filesystem.rootdirectory', storage.rootDirectory)
  return derived
}

/** Keys of a kind of authentication that is not the one chosen. */
function isElsewhere(path: string, { auth }: Built): boolean {
  return path.startsWith('auth.') && path.split('.')[1] !== auth.kind
}
