/** The trash for people. */
import type { Page, PageRequest } from '#metadata/page.ts'
import { listTrash as listRows, type ListedTrash, type TrashFilter } from '#metadata/trash.ts'
import type { Visibility } from '#metadata/visibility.ts'
import type { Registry } from './registry.ts'

export type { ListedTrash } from '#metadata/trash.ts'

/** A page of what the caller may see. */
export async function listTrash(
  { metadata }: Pick<Registry, 'metadata'>,
  visibility: Visibility,
  request: { readonly filter: TrashFilter; readonly page: PageRequest<'deletedAt'> },
): Promise<Page<ListedTrash>> {
  return await listRows(metadata.reader, visibility, request)
}
