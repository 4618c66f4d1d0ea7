/** The catalog: repositories that the caller may see and that have a manifest, in byte order, page by page. */
import { repositoryNames } from '#metadata/repository-names.ts'
import type { Visibility } from '#metadata/visibility.ts'
import type { Registry } from './registry.ts'

/** A page of the catalog. */
export interface RepositoryPage {
  readonly names: readonly string[]
  /** There are repositories after the last of these. */
  readonly more: boolean
}

/** What the caller may not see takes no place on a page. A repository without a manifest is not listed. */
export async function listRepositories(
  registry: Registry,
  visibility: Visibility,
  page: { readonly n: number; readonly last?: string | undefined },
): Promise<RepositoryPage> {
  if (page.n === 0) return { names: [], more: false }
  const names = await repositoryNames(registry.metadata.reader, visibility, { n: page.n + 1, last: page.last })
  return { names: names.slice(0, page.n), more: names.length > page.n }
}
