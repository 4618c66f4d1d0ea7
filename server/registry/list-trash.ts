/** The trash for people. */
import type { Page, PageRequest } from '#metadata/page.ts'
import type { Reader } from '#metadata/metadata.ts'
import { countTags } from '#metadata/repository-rows.ts'
import { listTrash as listRows, type ListedTrash as TrashRow, type TrashFilter } from '#metadata/trash.ts'
import type { Visibility } from '#metadata/visibility.ts'
import type { Registry } from './registry.ts'

/** Something in the trash, in a list. */
export interface ListedTrash extends TrashRow {
  /** Of a repository alone: how many tags it has, {@link countedTags} at most. */
  readonly tagCount: number | undefined
}

/** Tags of one repository are counted so far. */
export const countedTags = 1_000

/** The rows, with what is counted of repositories. */
export async function withTagCounts<Row extends TrashRow>(reader: Reader, rows: readonly Row[]): Promise<readonly (Row & ListedTrash)[]> {
  const ids = rows.flatMap(({ kind, repositoryId }) => (kind === 'repository' && repositoryId !== undefined ? [repositoryId] : []))
  const counts = await countTags(reader, ids, countedTags)
  return rows.map((row) => ({ ...row, tagCount: row.kind === 'repository' ? (counts.get(row.repositoryId ?? 0)?.count ?? 0) : undefined }))
}

/** A page of what the caller may see. */
export async function listTrash(
  { metadata }: Pick<Registry, 'metadata'>,
  visibility: Visibility,
  request: { readonly filter: TrashFilter; readonly page: PageRequest<'deletedAt'> },
): Promise<Page<ListedTrash>> {
  const { items, ...rest } = await listRows(metadata.reader, visibility, request)
  return { items: await withTagCounts(metadata.reader, items), ...rest }
}
