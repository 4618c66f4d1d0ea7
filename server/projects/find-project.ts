/**
 * Projects: a project is a name prefix at a `/`, and the longest one that fits owns a repository; names that none fits belong to the default project.
 * To give projects a rule (members, quotas, immutable tags), add a file here.
 */
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { prefixesOf } from '#metadata/name-prefixes.ts'
import { projectsNamedOrDefault, type ProjectRow } from '#metadata/projects.ts'
import type { RepositoryName } from '#oci/reference.ts'

/** Id of the project that owns repositories of this name. */
export async function projectOf(tx: Reader | Transactor, repositoryName: RepositoryName): Promise<number> {
  return (await ownerOf(tx, repositoryName)).id
}

/** The project that owns repositories of this name; for the name of a project, the one above it. Redirects are not followed. */
export async function ownerOf(tx: Reader | Transactor, name: string): Promise<ProjectRow> {
  const prefixes = prefixesOf(name)
  const projects = await projectsNamedOrDefault(tx, prefixes)
  // Longest prefix first.
  for (const prefix of prefixes) {
    const project = projects.find(({ name }) => name === prefix)
    if (project !== undefined) return project
  }
  const fallback = projects.find((project) => project.isDefault)
  if (fallback === undefined) throw new Error('the default project is missing')
  return fallback
}
