/** Projects for tests: a database in memory with accounts, repositories and a clock. */
import { systemPorts } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import type { ProjectRecord } from '#metadata/projects.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { addRepositories, addUser, changeSetting } from '#metadata/test-transactions.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { createProject, type NewProject } from './create-project.ts'
import { projectOf } from './find-project.ts'
import type { ProjectParts } from './projects.ts'

export const testWho = { actor: 'alice', requestId: 'r1', actorKey: 'user:1' }

export interface TestProjects extends AsyncDisposable, ProjectParts {
  readonly aliceId: number
}

export async function openTestProjects(): Promise<TestProjects> {
  const metadata = await openTestDatabase(':memory:')
  const aliceId = await metadata.write(addUser, 'alice')
  if (typeof aliceId !== 'number') throw new Error('alice is there already')
  return { metadata, ports: systemPorts, aliceId, [Symbol.asyncDispose]: () => metadata[Symbol.asyncDispose]() }
}

/** Makes a project of that name. */
export function make(parts: TestProjects, name: string, rest: Partial<NewProject> = {}): Promise<ProjectRecord> {
  return createProject(parts, { name, ...rest }, testWho)
}

/** Makes repositories as pushes do: in the project that owns their name. */
export async function addRepositoriesNamed({ metadata }: { readonly metadata: Metadata }, ...names: readonly string[]): Promise<void> {
  const repositories = []
  for (const name of names) repositories.push({ name, projectId: await projectOf(metadata.reader, name as RepositoryName) })
  await metadata.write(addRepositories, repositories)
}

/** Repository → project, by names. */
export async function placesOf({ metadata }: { readonly metadata: Metadata }): Promise<Readonly<Record<string, string>>> {
  const rows = await metadata.reader
    .selectFrom('repositories')
    .innerJoin('projects', 'projects.id', 'repositories.project_id')
    .select(['repositories.name', 'projects.name as project'])
    .orderBy('repositories.name')
    .execute()
  return Object.fromEntries(rows.map((row) => [row.name, row.project]))
}

/** Sets the document `system`. */
export async function setSystem({ metadata }: { readonly metadata: Metadata }, value: unknown): Promise<void> {
  await metadata.write(changeSetting, { name: 'system', value })
}

/** The actions recorded, oldest first, with what they are about. */
export async function eventsOf({ metadata }: { readonly metadata: Metadata }): Promise<readonly string[]> {
  const rows = await metadata.reader.selectFrom('events').select(['action', 'target', 'repository']).orderBy('id').execute()
  return rows.map((row) => `${row.action} ${row.target === '' ? row.repository : row.target}`)
}
