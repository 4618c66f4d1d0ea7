/** What the operator's settings allow: asked by every verb that writes, so that no end point can forget it. */
import { RegistryError } from '#oci/errors.ts'
import { readOnlyRefusal } from '#oci/read-only.ts'
import type { Registry } from './registry.ts'

/** Throws `UNSUPPORTED` while the registry is read-only. */
export function requireWritable(registry: Registry): void {
  if (registry.options.readOnly) throw readOnlyRefusal()
}

/** Throws `UNSUPPORTED` where deletes are switched off, whatever is to be deleted and however it is named. */
export function requireDeletes(registry: Registry): void {
  requireWritable(registry)
  if (!registry.options.deleteEnabled)
    throw new RegistryError('UNSUPPORTED', undefined, { message: 'deletes are switched off in this registry' })
}

/** Throws `STORAGE_FULL` for an upload that takes so many bytes more when what is left is the database's. */
export async function requireReserve({ memory, options }: Registry, bytes: number): Promise<void> {
  const isSpent = memory.space.isSpent(bytes, options.minimumFreeBytes)
  if (isSpent !== false && (await isSpent)) throw new RegistryError('STORAGE_FULL')
}

/** Throws `STORAGE_FULL` for what is to begin while the store is below its low-water mark; what has begun goes on. */
export async function requireSpace(registry: Registry): Promise<void> {
  if (await registry.memory.space.isBelow(registry.options.minimumFreeBytes)) throw new RegistryError('STORAGE_FULL')
}
