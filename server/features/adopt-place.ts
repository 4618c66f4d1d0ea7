/** Is there anything to adopt: asked by a start, and by `berth import` before it makes anything. */
import { join } from 'node:path'
import type { Ports } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import { repositoriesRoot } from './registry2-layout.ts'

/** Whether the directory holds data of registry:2. */
export async function hasRegistry2Layout(files: Ports['files'], rootDirectory: string): Promise<boolean> {
  try {
    return (await files.stat(join(rootDirectory, repositoriesRoot))).isDirectory()
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

/** Throws REQUEST_INVALID for a directory that does not hold data of registry:2, UNSUPPORTED for a store without a directory. */
export async function requireRegistry2Layout(files: Ports['files'], rootDirectory: string | undefined): Promise<void> {
  if (rootDirectory === undefined) throw nothingToAdopt()
  if (await hasRegistry2Layout(files, rootDirectory)) return
  const message = `there is no data of registry:2 to adopt: no ${repositoriesRoot} below the root directory ${rootDirectory}`
  throw new RegistryError('REQUEST_INVALID', { rootDirectory }, { message })
}

/** Of a store that is in no directory. */
export function nothingToAdopt(): RegistryError {
  return new RegistryError('UNSUPPORTED', undefined, { message: 'a registry in memory has no data directory to adopt' })
}
