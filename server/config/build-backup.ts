/** Values → the part of Config about backups. */
import { resolve, sep } from 'node:path'
import { buildStore } from './build-stores.ts'
import type { BackupConfig, StorageConfig } from './config.ts'
import type { Listener } from './environment.ts'
import { parseSecretKey, splitSecretKeys } from './keys-access.ts'
import type { Values } from './validate.ts'

/** What is wrong goes to the listener. */
export function buildBackup(
  values: Values,
  cwd: string,
  { storage, listener }: { readonly storage: Pick<StorageConfig, 'rootDirectory'>; readonly listener: Listener },
): BackupConfig {
  const written = values.get('backup.store')?.written
  const place = written && buildStore('backup', written, { cwd, path: 'backup.store', listener })
  const sealing = sealingOf(values, cwd, listener)
  const schedule = values.get('backup.schedule')
  // What takes the blobs would take their backups, too.
  const [own, root] = [place?.rootDirectory, storage.rootDirectory]
  if (own !== undefined && root !== undefined && (isWithin(own, root) || isWithin(root, own)))
    listener.problem({ path: 'backup.store', expected: 'another place than that of the blobs', found: own })
  return {
    place,
    ...sealing,
    schedule: schedule === 'off' || place === undefined ? undefined : schedule,
    keep: {
      last: values.get('backup.keep.last'),
      daily: values.get('backup.keep.daily'),
      weekly: values.get('backup.keep.weekly'),
      monthly: values.get('backup.keep.monthly'),
    },
    hasJournal: values.get('backup.journal'),
  }
}

function isWithin(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : `${root}${sep}`)
}

/** What backups are sealed with, and whether the keys of secrets go into them. */
function sealingOf(values: Values, cwd: string, listener: Listener): Pick<BackupConfig, 'keyFile' | 'keys' | 'includesKey'> {
  const keyFile = values.get('backup.keyfile')
  const keys = splitSecretKeys(values.get('backup.key') ?? '')
    .map(parseSecretKey)
    .filter((key) => key !== undefined)
  const includesKey = values.get('backup.includekey')
  if (keyFile !== undefined && keys.length > 0) listener.problem({ path: 'backup.key', expected: 'key or keyfile, not both' })
  if (includesKey && keyFile === undefined && keys.length === 0)
    listener.problem({ path: 'backup.includekey', expected: 'a backup.keyfile: the keys of secrets go into encrypted backups alone' })
  return { keyFile: keyFile === undefined ? undefined : resolve(cwd, keyFile), keys, includesKey }
}
