/**
 * Projects: a project is a name prefix at a `/`, and the longest one that fits owns a repository; names that none fits belong to the default project.
 * To give projects a rule (members, quotas, immutable tags), add a file here.
 */
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { projectsNamedOrDefault } from '#metadata/projects.ts'
import type { RepositoryName } from '#oci/reference.ts'

/** Id of the project that owns repositories of this name. */
export async function projectOf(tx: Reader | Transactor, repositoryName: RepositoryName): Promise<number> {
  const prefixes = prefixesOf(repositoryName)
  const projects = await projectsNamedOrDefault(tx, prefixes)
  // Longest prefix first.
  for (const prefix of prefixes) {
    const project = projects.find(({ name }) => name === prefix)
    if (project !== undefined) return project.id
  }
  const fallback = projects.find((project) => project.isDefault)
  if (fallback === undefined) throw new Error('the default project is missing')
  return fallback.id
}

/** `a/b/c` gives `a/b`, `a`. A name has 127 of them at most. */
function prefixesOf(name: string): string[] {
  const prefixes: string[] = []
  for (let end = name.lastIndexOf('/'); end > 0; end = name.lastIndexOf('/', end - 1)) prefixes.push(name.slice(0, end))
  return prefixes
}
