/** Opens places for files beside the blob store: for backups, and for the journal in the store itself. */
import { join } from 'node:path'
import { createDirectoryFiles } from '#blobs/directory-files.ts'
import type { NamedFiles } from '#blobs/named-files.ts'
import { createObjectFiles } from '#blobs/object-files.ts'
import { openObjectBackend } from '#blobs/open-backend.ts'
import { systemCode } from '#blobs/storage-error.ts'
import { openTarFiles } from '#blobs/tar-files.ts'
import type { NamedStoreConfig, StorageConfig } from '#config/config.ts'
import type { Ports } from '#lib/ports.ts'

type Place = Pick<NamedStoreConfig, 'driver' | 's3' | 'azure' | 'gcs' | 'rootDirectory'>

/** Files of `backup.store`. Asks nothing of it yet. */
export function openPlaceFiles(place: Place, ports: Ports): NamedFiles {
  return openFiles(place, ports, { below: '' })
}

/** Files in that directory. */
export function openDirectory(path: string, ports: Ports): NamedFiles {
  return createDirectoryFiles({ path, ...ports })
}

/** Files of an archive. Rejects for what is none. */
export async function openArchive(path: string, { files }: Ports): Promise<NamedFiles> {
  const handle = await files.open(path, 'r').catch((error: unknown) => {
    throw systemCode(error) === 'ENOENT' ? new Error(`there is no archive ${path}`) : error
  })
  try {
    return await openTarFiles(handle, path)
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Files below `journal/` of the store of the blobs; undefined where that is in memory. `require` throws where that store is not there, or another's. */
export function openJournalFiles(storage: StorageConfig, ports: Ports, require?: () => Promise<void>): NamedFiles | undefined {
  if (storage.driver === 'memory') return undefined
  return openFiles(storage, ports, { below: 'journal', require })
}

interface Below {
  /** A directory of the place, or empty. */
  readonly below: string
  readonly require?: (() => Promise<void>) | undefined
}

function openFiles(place: Place, ports: Ports, { below, require }: Below): NamedFiles {
  const object = openObjectBackend({ storage: place }, ports)
  if (object === undefined) return createDirectoryFiles({ path: join(place.rootDirectory ?? '', below), ...ports, require })
  const { backend } = object
  return createObjectFiles({ backend, ports, prefix: below === '' ? '' : `${below}/`, place: describe(place, below), require })
}

function describe({ s3, azure, gcs }: Place, below: string): string {
  const [scheme, bucket] = s3 ? ['s3', s3.bucket] : azure ? ['azure', azure.container] : ['gs', gcs?.bucket ?? '']
  return `${scheme}://${bucket}/${(s3 ?? azure ?? gcs)?.prefix ?? ''}${below}`
}
