/** RESOURCE_UNKNOWN says which of the things that a path names it is about; a repository that is missing is one of them, whoever asks. */
import type { RouteContract } from '#api/contract.ts'
import { RegistryError } from '#oci/errors.ts'
import { resourceUnknown } from '#oci/resource-unknown.ts'

/** Parameters that are not called after what they name. */
const kinds: Readonly<Record<string, string>> = { digest: 'manifest', reference: 'manifest' }

/**
 * The same error, with the kind and the given name of what the path's last parameter names, where nothing else was named: what stands before it is looked
 * for first, and named by who misses it.
 */
export function nameUnknown(error: unknown, { path }: Pick<RouteContract, 'path'>, params: unknown): unknown {
  const { repository } = params as Readonly<Record<string, unknown>>
  // Whoever may not see it is told the same by the guard.
  if (error instanceof RegistryError && error.code === 'NAME_UNKNOWN' && typeof repository === 'string')
    return resourceUnknown('repository', repository)
  if (!(error instanceof RegistryError) || error.code !== 'RESOURCE_UNKNOWN' || error.detail !== undefined) return error
  const last = [...path.matchAll(/\{(\w+)\}/g)].at(-1)?.[1]
  const given = last === undefined ? undefined : (params as Readonly<Record<string, unknown>>)[last]
  return last === undefined || typeof given !== 'string' ? error : resourceUnknown(kinds[last] ?? last, given)
}
