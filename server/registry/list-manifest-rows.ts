/** Manifests of a repository for people, page by page in the order asked for. */
import { contentSizes, type ContentSize } from '#metadata/content-size.ts'
import { labelsOfManifests, type LabelRecord } from '#metadata/labels.ts'
import { listManifestPage, type ManifestFilter, type ManifestRow, type ManifestSort } from '#metadata/manifest-rows.ts'
import type { Page, PageRequest } from '#metadata/page.ts'
import { manifestPullsOf, type PullCount } from '#metadata/tag-pulls.ts'
import { tagsOfManifest } from '#metadata/tag-rows.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { requireRepositoryId } from './list-tag-rows.ts'
import type { Registry } from './registry.ts'

/** A manifest in a list. */
export interface ListedManifest extends ManifestRow {
  /** The first of its tags. */
  readonly tags: readonly Tag[]
  readonly hasMoreTags: boolean
  readonly labels: readonly LabelRecord[]
  /** Of the document and all that it needs, each blob once. */
  readonly total: ContentSize
  /** How often it was pulled, by whatever reference, and when last; a minute behind. Undefined: never. */
  readonly pulled: PullCount | undefined
}

const shownTags = 10

/** A page that is narrowed may be short although there is more. Throws `NAME_UNKNOWN`. */
export async function listManifestRows(
  registry: Pick<Registry, 'metadata'>,
  repository: RepositoryName,
  request: { readonly filter: ManifestFilter; readonly page: PageRequest<ManifestSort> },
): Promise<Page<ListedManifest>> {
  const { reader } = registry.metadata
  const repositoryId = await requireRepositoryId(registry, repository)
  const { items, ...rest } = await listManifestPage(reader, { repositoryId, ...request })
  const ids = items.map(({ id }) => id)
  const labels = await labelsOfManifests(reader, ids)
  const pulls = await manifestPullsOf(reader, ids)
  const totals = await contentSizes(reader, items)
  const listed: ListedManifest[] = []
  for (const row of items) {
    const tags = await tagsOfManifest(reader, row.id, shownTags + 1)
    const hasMoreTags = tags.length > shownTags
    const total = totals.get(row.id) ?? { sizeBytes: row.sizeBytes, isExact: false }
    listed.push({ ...row, tags: tags.slice(0, shownTags), hasMoreTags, labels: labels.get(row.id) ?? [], total, pulled: pulls.get(row.id) })
  }
  return { items: listed, ...rest }
}
