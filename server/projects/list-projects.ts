/** Projects that the caller may see, page by page. */
import type { Page, PageRequest } from '#metadata/page.ts'
import { listProjects as listRows, type ProjectFilter, type ProjectRecord, type ProjectSort } from '#metadata/projects.ts'
import type { Visibility } from '#metadata/visibility.ts'
import type { ProjectParts } from './projects.ts'

/** By what the list can be sorted; the first unless said. */
export const projectSorts = ['name', 'createdAt', 'updatedAt'] as const satisfies readonly ProjectSort[]

/** `visibility` is that of `project:list`; what is not in it takes no place on a page. */
export async function listProjects(
  { metadata }: Pick<ProjectParts, 'metadata'>,
  visibility: Visibility,
  request: { readonly filter: ProjectFilter; readonly page: PageRequest },
): Promise<Page<ProjectRecord>> {
  const column = projectSorts.find((sort) => sort === request.page.column) ?? projectSorts[0]
  return await listRows(metadata.reader, visibility, { filter: request.filter, page: { ...request.page, column } })
}
