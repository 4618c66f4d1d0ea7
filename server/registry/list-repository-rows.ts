/** Repositories for people: those that the caller may see, with what is known of each, page by page in the order asked for. */
import { projectNames } from '#metadata/project-names.ts'
import type { Page, PageRequest } from '#metadata/page.ts'
import {
  countTags,
  listRepositoryPage,
  type BoundedCount,
  type RepositoryFilter,
  type RepositoryRow,
  type RepositorySort,
} from '#metadata/repository-rows.ts'
import type { Visibility } from '#metadata/visibility.ts'
import type { Registry } from './registry.ts'

/** A repository in a list. */
export interface ListedRepository extends RepositoryRow {
  /** Name of the project that it belongs to. */
  readonly project: string
  readonly tags: BoundedCount
}

/** Tags of one repository are counted so far, and of all of a page together ten times as far. */
const countedTags = 1_000
const countedTagsOfPage = 100_000

/** Unlike the catalog's, these may be empty: whoever made one finds it. */
export async function listRepositoryRows(
  { metadata: { reader } }: Pick<Registry, 'metadata'>,
  visibility: Visibility,
  request: { readonly filter: RepositoryFilter; readonly page: PageRequest<RepositorySort> },
): Promise<Page<ListedRepository>> {
  const { items, ...rest } = await listRepositoryPage(reader, visibility, request)
  const bound = Math.min(countedTags, Math.max(100, Math.floor(countedTagsOfPage / Math.max(1, items.length))))
  const tags = await countTags(
    reader,
    items.map(({ id }) => id),
    bound,
  )
  const projects = await projectNames(
    reader,
    items.map(({ projectId }) => projectId),
  )
  const none: BoundedCount = { count: 0, isExact: true }
  return {
    items: items.map((row) => ({ ...row, project: projects.get(row.projectId) ?? '', tags: tags.get(row.id) ?? none })),
    ...rest,
  }
}
