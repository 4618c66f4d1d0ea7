/** What retention reads: repositories of a project and those below it, and their tags with when they were pushed and pulled. */
import { sql, type SqlBool } from 'kysely'
import { digestFromBytes, type Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import type { Reader, Transactor } from './metadata.ts'
import { belowPrefix, isBelow } from './name-prefixes.ts'
import { prepare } from './prepared.ts'
import { firstRepositoryName } from './repositories.ts'

/** A repository within a policy's reach. */
export interface RepositoryInReach {
  readonly id: number
  readonly name: RepositoryName
  /** The project that owns it. */
  readonly projectId: number
}

/** The next repositories of a project and of those below it, by name. */
export async function repositoriesInReach(
  reader: Reader,
  project: { readonly id: number; readonly name: string; readonly isDefault: boolean },
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<RepositoryInReach[]> {
  const below = belowPrefix('name', project.name)
  // All below the name of a project is its own or of projects below it; the default one also owns what nobody else does.
  const isInReach = project.isDefault ? sql<SqlBool>`(project_id = ${project.id} or ${below})` : below
  const rows = await reader
    .selectFrom('repositories')
    .select(['id', 'name', 'project_id as projectId'])
    .where(isInReach)
    .where('name', '>', after)
    .where('name', '>=', firstRepositoryName)
    .orderBy('name')
    .limit(limit)
    .execute()
  return rows.map((row) => ({ ...row, name: row.name as RepositoryName }))
}

/** The repository of that name within the reach of a policy of the project. */
export async function findInReach(
  reader: Reader,
  project: { readonly id: number; readonly name: string },
  name: RepositoryName,
): Promise<RepositoryInReach | undefined> {
  const row = await reader.selectFrom('repositories').select(['id', 'project_id as projectId']).where('name', '=', name).executeTakeFirst()
  if (row === undefined || (row.projectId !== project.id && !isBelow(name, project.name))) return undefined
  return { ...row, name }
}

/** A tag as retention sees it. Instants are milliseconds. */
export interface RetentionTag {
  readonly id: number
  readonly name: Tag
  readonly digest: Digest
  /** When it was last moved. */
  readonly pushedAt: number
  /** When the tag, or its manifest by whatever reference, was last pulled. */
  readonly pulledAt: number | undefined
  readonly expiresAt: number | undefined
}

interface TagRow {
  readonly id: number
  readonly name: string
  readonly digest: Buffer
  readonly updated_at: number
  readonly expires_at: number | null
  readonly tag_pulled_at: number | null
  readonly manifest_pulled_at: number | null
}

const tagsAfter = prepare<{ repositoryId: number; after: string; limit: number }, TagRow>((db, param) =>
  db
    .selectFrom('tags as t')
    .innerJoin('manifests as m', 'm.id', 't.manifest_id')
    .leftJoin('tag_pulls as tp', 'tp.tag_id', 't.id')
    .leftJoin('manifest_pulls as mp', 'mp.manifest_id', 't.manifest_id')
    .select(['t.id', 't.name', 'm.digest', 't.updated_at', 't.expires_at'])
    .select(['tp.last_pulled_at as tag_pulled_at', 'mp.last_pulled_at as manifest_pulled_at'])
    .where('t.repository_id', '=', param('repositoryId'))
    .where('t.name', '>', param('after'))
    .orderBy('t.name')
    .limit(param('limit')),
)

/** The next tags of a repository, by name. */
export async function retentionTags(
  reader: Reader,
  page: { readonly repositoryId: number; readonly after: string; readonly limit: number },
): Promise<RetentionTag[]> {
  const rows = await tagsAfter(reader, page)
  return rows.map((row) => ({
    id: row.id,
    name: row.name as Tag,
    digest: digestFromBytes(row.digest),
    pushedAt: row.updated_at,
    pulledAt: latestOf(row.tag_pulled_at, row.manifest_pulled_at),
    expiresAt: row.expires_at ?? undefined,
  }))
}

function latestOf(first: number | null, second: number | null): number | undefined {
  const latest = Math.max(first ?? 0, second ?? 0)
  return latest === 0 ? undefined : latest
}

/** The tag as it is now; undefined when its row is gone. */
export async function tagNow(
  tx: Transactor,
  id: number,
): Promise<(Pick<RetentionTag, 'digest' | 'pushedAt' | 'pulledAt'> & { readonly repositoryId: number }) | undefined> {
  const row = await tx
    .selectFrom('tags as t')
    .innerJoin('manifests as m', 'm.id', 't.manifest_id')
    .leftJoin('tag_pulls as tp', 'tp.tag_id', 't.id')
    .leftJoin('manifest_pulls as mp', 'mp.manifest_id', 't.manifest_id')
    .select([
      't.repository_id as repositoryId',
      'm.digest',
      't.updated_at',
      'tp.last_pulled_at as tag_pulled_at',
      'mp.last_pulled_at as manifest_pulled_at',
    ])
    .where('t.id', '=', id)
    .executeTakeFirst()
  if (row === undefined) return undefined
  const pulledAt = latestOf(row.tag_pulled_at, row.manifest_pulled_at)
  return { repositoryId: row.repositoryId, digest: digestFromBytes(row.digest), pushedAt: row.updated_at, pulledAt }
}

/** Whether the repository has a tag beside these. Tags of signatures and the like (`sha256-…`), which go with what they belong to, do not count. */
export async function hasOtherTag(tx: Transactor, repositoryId: number, tagIds: readonly number[]): Promise<boolean> {
  const row = await tx
    .selectFrom('tags')
    .select('id')
    .where('repository_id', '=', repositoryId)
    .$if(tagIds.length > 0, (query) => query.where('id', 'not in', tagIds))
    .where('name', 'not like', 'sha256-%')
    .where('name', 'not like', 'sha512-%')
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}
