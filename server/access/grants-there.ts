/**
 * Who has a role in a project: by a grant on it, on one above it, on everything, or by a glob that can match a repository there.
 *
 * Globs are compared here, for a database cannot; so a page is filled from as many pages of grants without a project as it takes.
 */
import { listGrantRecords, type GrantFilter, type GrantRecord } from '#metadata/grants.ts'
import type { Page, PageAfter, PageRequest } from '#metadata/page.ts'
import { canMatchBelow, parseGlob } from '#metadata/repository-glob.ts'
import type { ProjectFacts } from './decide.ts'
import type { Directory } from './directory.ts'

/** Where a grant comes from that holds in a project: `above` is a project above it, `glob` a pattern of repositories without a project. */
export type GrantOrigin = 'project' | 'above' | 'everything' | 'glob'

/** A grant, seen from a project in which it holds. */
export interface GrantThere extends GrantRecord {
  readonly origin: GrantOrigin
}

type Project = Pick<ProjectFacts, 'id' | 'name' | 'isDefault' | 'lineage'>

function originOf({ projectId, repositories }: GrantRecord, project: Project): GrantOrigin {
  if (projectId === project.id) return 'project'
  if (projectId !== null) return 'above'
  return repositories === null ? 'everything' : 'glob'
}

/** What all names of the project's repositories begin with; those of the default project have nothing in common. */
export function nameStartOf({ name, isDefault }: Pick<Project, 'name' | 'isDefault'>): string {
  return isDefault ? '' : `${name}/`
}

function holdsIn({ projectId, repositories }: GrantRecord, project: Project): boolean {
  if (projectId === project.id || repositories === null) return true
  const glob = parseGlob(repositories)
  return glob !== undefined && canMatchBelow(glob, nameStartOf(project))
}

/** A page of them, in the order in which they were given; expired ones too. */
export async function listGrantsThere(
  { metadata: { reader } }: Pick<Directory, 'metadata'>,
  { project, filter }: { readonly project: Project; readonly filter: Omit<GrantFilter, 'projectId' | 'holdingIn'> },
  page: PageRequest<'createdAt'>,
): Promise<Page<GrantThere>> {
  const found: GrantThere[] = []
  let after: PageAfter | undefined = page.after
  for (;;) {
    const part = await listGrantRecords(reader, { ...filter, holdingIn: project.lineage }, { ...page, after })
    for (const [index, grant] of part.items.entries()) {
      if (holdsIn(grant, project)) found.push({ ...grant, origin: originOf(grant, project) })
      const isLast = index === part.items.length - 1 && part.next === undefined
      if (found.length === page.limit && !isLast) return { items: found, next: { value: grant.createdAt, id: grant.id } }
    }
    if (part.next === undefined) return { items: found }
    after = part.next
  }
}
