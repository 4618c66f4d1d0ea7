/** Which project an event belongs to. */
import type { Reader, Transactor } from './metadata.ts'
import { prefixesOf } from './name-prefixes.ts'
import { prepare } from './prepared.ts'
import { projectsNamedOrDefault } from './projects.ts'

/** A project's row, as an event names it. */
export interface EventProject {
  readonly id: number
  readonly name: string
}

const ofName = prepare<{ name: string }, EventProject>((db, param) =>
  db.selectFrom('projects').select(['id', 'name']).where('name', '=', param('name')),
)

/** The project of exactly that name; undefined when there is none. */
export async function projectOfName(reader: Reader | Transactor, name: string): Promise<EventProject | undefined> {
  const [row] = await ofName(reader, { name })
  return row
}

const ofRepository = prepare<{ name: string }, EventProject>((db, param) =>
  db
    .selectFrom('repositories')
    .innerJoin('projects', 'projects.id', 'repositories.project_id')
    .select(['projects.id', 'projects.name'])
    .where('repositories.name', '=', param('name')),
)

/** The project that owns the repository, or that would if it were there (one that was just deleted, one that somebody made up). */
export async function projectOfRepository(reader: Reader | Transactor, repository: string): Promise<EventProject | undefined> {
  const [row] = await ofRepository(reader, { name: repository })
  if (row !== undefined) return row
  const prefixes = prefixesOf(repository)
  const projects = await projectsNamedOrDefault(reader, prefixes)
  for (const prefix of prefixes) {
    const owner = projects.find(({ name }) => name === prefix)
    if (owner !== undefined) return owner
  }
  return projects.find(({ isDefault }) => isDefault)
}
