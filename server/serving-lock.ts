/** The right to be the one server on a database that is a file; several workers of one server have it through the process that keeps them. */
import { dirname } from 'node:path'
import { makeDirectory } from '#blobs/directories.ts'
import type { Config } from '#config/config.ts'
import { databaseFileOf } from '#config/database-place.ts'
import { requireAddress } from '#http/announce-start.ts'
import type { Ports } from '#lib/ports.ts'
import { refuseNetworkFileSystem } from '#metadata/network-file-system.ts'
import { lockForServing, servingFileOf } from '#metadata/sqlite-lock.ts'
import { RegistryError } from '#oci/errors.ts'
import { meetStore } from './open-store.ts'

/** Throws one sentence for what several processes cannot share. */
export function refuseMemory(config: Config): void {
  if (config.storage.driver === 'memory' || (config.database.driver === 'sqlite' && config.database.file === ':memory:'))
    throw new Error(
      'several workers cannot share what is in memory: name a data directory (storage.filesystem), or serve without --workers',
    )
}

/** Makes the directory and takes the lock: one server on a file; on PostgreSQL there is nothing to take. A first start that is refused leaves nothing. */
export async function reserve(config: Config, ports: Ports): Promise<Disposable> {
  const file = databaseFileOf(config.database)
  if (file === undefined) return { [Symbol.dispose]: () => undefined }
  await meetStore(config, ports)
  const { files } = ports
  // Only where nobody has served yet: elsewhere the port may be that of a server which is just ending, and whose lock is waited for.
  const hasServed = await files.stat(servingFileOf(file)).then(
    () => true,
    () => false,
  )
  if (!hasServed) await requireAddress(config)
  await makeDirectory(files, dirname(file))
  await refuseNetworkFileSystem(file, files)
  return lockDatabase(file)
}

function tryLock(file: string): Disposable | undefined {
  try {
    return lockForServing(file)
  } catch (cause) {
    throw new Error(`the database ${file} cannot be opened`, { cause })
  }
}

/** Throws CONFLICT, one sentence, when another process serves the database. */
export function lockDatabase(file: string): Disposable {
  const lock = tryLock(file)
  if (lock !== undefined) return lock
  throw new RegistryError('CONFLICT', undefined, {
    message: `another Berth serves the database ${file}: stop it first, or give this one a database and a data directory of its own`,
  })
}
