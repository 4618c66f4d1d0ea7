/** Which project an event about a repository belongs to. */
import type { Reader, Transactor } from './metadata.ts'
import { prefixesOf } from './name-prefixes.ts'
import { prepare } from './prepared.ts'
import { projectsNamedOrDefault } from './projects.ts'

const ofRepository = prepare<{ name: string }, { name: string }>((db, param) =>
  db
    .selectFrom('repositories')
    .innerJoin('projects', 'projects.id', 'repositories.project_id')
    .select('projects.name')
    .where('repositories.name', '=', param('name')),
)

/** The name of the project that owns the repository, or that would if it were there (one that was just deleted, one that somebody made up). */
export async function projectNameOf(reader: Reader | Transactor, repository: string): Promise<string> {
  const [row] = await ofRepository(reader, { name: repository })
  if (row !== undefined) return row.name
  const prefixes = prefixesOf(repository)
  const projects = await projectsNamedOrDefault(reader, prefixes)
  const owner = prefixes.find((prefix) => projects.some(({ name }) => name === prefix))
  return owner ?? projects.find(({ isDefault }) => isDefault)?.name ?? ''
}
