/** Tags of a repository in byte order, page by page (distribution-spec "Listing tags"). */
import { findRepositoryId } from '#metadata/repositories.ts'
import { tagNames } from '#metadata/tags.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import type { Registry } from './registry.ts'

const pageRows = 1_000

/** A page of a repository's tags. */
export interface TagPage {
  readonly tags: readonly string[]
  /** There are tags after the last of these. */
  readonly more: boolean
}

/** end-8b; without `n` a page of 1,000. Throws `NAME_UNKNOWN`. */
export async function listTags(
  registry: Registry,
  repository: RepositoryName,
  page: { readonly n?: number | undefined; readonly last?: string | undefined } = {},
): Promise<TagPage> {
  return pageOf(registry, await requireId(registry, repository), { n: page.n ?? pageRows, last: page.last })
}

/** end-8a: all tags, as pages that are read one after the other, so that a hundred thousand neither wait in memory nor hold the event loop. */
export async function* allTags(
  registry: Registry,
  repository: RepositoryName,
  page: { readonly last?: string | undefined } = {},
): AsyncIterable<readonly string[]> {
  const repositoryId = await requireId(registry, repository)
  for (let { last } = page; ;) {
    const { tags, more } = await pageOf(registry, repositoryId, { n: pageRows, last })
    if (tags.length > 0) yield tags
    if (!more) return
    // A read from SQLite resolves in the same turn: without this a long list would hold the event loop until its end.
    await new Promise((resolve) => setImmediate(resolve))
    last = tags.at(-1)
  }
}

async function requireId(registry: Registry, repository: RepositoryName): Promise<number> {
  const id = await findRepositoryId(registry.metadata.reader, repository)
  if (id === undefined) throw new RegistryError('NAME_UNKNOWN', { name: repository })
  return id
}

async function pageOf(
  registry: Registry,
  repositoryId: number,
  page: { readonly n: number; readonly last: string | undefined },
): Promise<TagPage> {
  if (page.n === 0) return { tags: [], more: false }
  const names = await tagNames(registry.metadata.reader, repositoryId, { n: page.n + 1, last: page.last })
  return { tags: names.slice(0, page.n), more: names.length > page.n }
}
