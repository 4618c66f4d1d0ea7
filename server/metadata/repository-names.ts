/** Names of repositories for the catalog. */
import { sql, type SqlBool } from 'kysely'
import type { Reader } from './metadata.ts'
import type { NamePage } from './repositories.ts'
import { nextVisibleNames } from './repository-order.ts'
import type { Visibility } from './visibility.ts'

const hasManifest = sql<SqlBool>`exists (select 1 from manifests where manifests.repository_id = repositories.id)`

/**
 * Names of the repositories that the caller may see and that have at least one manifest, in byte order. (A name where only blobs were pushed, or
 * that was emptied, is not listed; it is still usable.)
 */
export async function repositoryNames(reader: Reader, visibility: Visibility, { n, last }: NamePage): Promise<readonly string[]> {
  if (visibility.kind === 'nothing' || n === 0) return []
  return await nextVisibleNames(reader, visibility, { last, limit: n, also: hasManifest })
}
