/** Where something counts: its repository, the project of that and those above it. Read with what limits them, so that a push asks once. */
import type { RepositoryName } from '#oci/reference.ts'
import type { Reader, Transactor } from './metadata.ts'
import { prefixesOf } from './name-prefixes.ts'
import { prepare } from './prepared.ts'
import { firstRepositoryName } from './repositories.ts'
import { together } from './together.ts'

/** Limits; undefined: none. */
export interface QuotaLimits {
  readonly bytesMax: number | undefined
  readonly repositoriesMax: number | undefined
  readonly tagsMax: number | undefined
}

/** A project in which something counts. */
export interface CountingProject {
  readonly id: number
  readonly name: string
  readonly quota: QuotaLimits | undefined
}

/** Where what is in a repository counts. */
export interface UsagePlace {
  readonly repositoryId: number
  readonly repository: string
  /** Of the repository's row. */
  readonly updatedAt: number
  /** False for one that is in the trash or going: then it counts for itself alone. */
  readonly isLive: boolean
  /** Its project first, then those above. */
  readonly projects: readonly CountingProject[]
}

interface ProjectColumns {
  readonly id: number
  readonly name: string
  readonly quota_id: number | null
  readonly bytes_max: number | null
  readonly repositories_max: number | null
  readonly tags_max: number | null
}

const columns = ['p.id', 'p.name', 'q.id as quota_id', 'q.bytes_max', 'q.repositories_max', 'q.tags_max'] as const

interface PlaceRow extends ProjectColumns {
  readonly repository: string
  readonly repository_id: number
  readonly updated_at: number
}

const places = (db: Reader) =>
  db
    .selectFrom('repositories as r')
    .innerJoin('projects as p', 'p.id', 'r.project_id')
    .leftJoin('quotas as q', 'q.project_id', 'p.id')
    .select([...columns, 'r.name as repository', 'r.id as repository_id', 'r.updated_at'])

const byRepository = prepare<{ id: number }, PlaceRow>((db, param) => places(db).where('r.id', '=', param('id')))

const byRepositoryName = prepare<{ name: string }, PlaceRow>((db, param) => places(db).where('r.name', '=', param('name')))

const byName = prepare<{ name: string }, ProjectColumns>((db, param) =>
  db.selectFrom('projects as p').leftJoin('quotas as q', 'q.project_id', 'p.id').select(columns).where('p.name', '=', param('name')),
)

function projectOf(row: ProjectColumns): CountingProject {
  const { id, name, quota_id, bytes_max, repositories_max, tags_max } = row
  if (quota_id === null) return { id, name, quota: undefined }
  const quota = { bytesMax: bytes_max ?? undefined, repositoriesMax: repositories_max ?? undefined, tagsMax: tags_max ?? undefined }
  return { id, name, quota }
}

/** Those above a project, nearest first. */
export async function projectsAbove(reader: Reader | Transactor, name: string): Promise<CountingProject[]> {
  const rows = await together(...prefixesOf(name).map((prefix) => byName(reader, { name: prefix })))
  return rows.flat().map(projectOf)
}

/** The project of that name and those above it, nearest first; those above alone when there is none of the name. */
export async function projectAndAbove(reader: Reader | Transactor, name: string): Promise<CountingProject[]> {
  const [row] = await byName(reader, { name })
  return [...(row === undefined ? [] : [projectOf(row)]), ...(await projectsAbove(reader, name))]
}

/** Where what is in the repository counts. Throws when there is none of that id. */
export async function placeOfRepository(reader: Reader | Transactor, repositoryId: number): Promise<UsagePlace> {
  const [row] = await byRepository(reader, { id: repositoryId })
  if (row === undefined) throw new Error(`there is no repository ${repositoryId}`)
  return await placeOf(reader, row)
}

/** The same by the repository's name; undefined where there is none. */
export async function placeOfName(reader: Reader | Transactor, repository: RepositoryName): Promise<UsagePlace | undefined> {
  const [row] = await byRepositoryName(reader, { name: repository })
  return row && (await placeOf(reader, row))
}

async function placeOf(reader: Reader | Transactor, row: PlaceRow): Promise<UsagePlace> {
  const isLive = row.repository >= firstRepositoryName
  const projects = isLive ? [projectOf(row), ...(await projectsAbove(reader, row.name))] : []
  return { repositoryId: row.repository_id, repository: row.repository, updatedAt: row.updated_at, isLive, projects }
}
