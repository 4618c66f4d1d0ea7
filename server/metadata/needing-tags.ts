/** Who needs a blob, told by the names that people know: tags. */
import { digestFromBytes, digestToBytes, type Digest } from '#oci/digest.ts'
import type { Reader } from './metadata.ts'
import { firstRepositoryName } from './repositories.ts'

/**
 * Some of the tags whose image has the blob, as `repository:tag`, by themselves or through an index; a manifest without one stands as `repository@digest`.
 * What is in the trash does not count. Three indexed reads, and two for each manifest.
 */
export async function needingTags(reader: Reader, blob: Digest, limit: number): Promise<string[]> {
  const manifests = await reader
    .selectFrom('blobs as b')
    .innerJoin('manifest_blobs as mb', 'mb.blob_id', 'b.id')
    .innerJoin('manifests as m', 'm.id', 'mb.manifest_id')
    .innerJoin('repositories as r', 'r.id', 'm.repository_id')
    .select(['m.id', 'm.digest', 'm.repository_id as repositoryId', 'r.name as repository'])
    .where('b.digest', '=', digestToBytes(blob))
    .where('r.name', '>=', firstRepositoryName)
    .orderBy('mb.id')
    .limit(limit)
    .execute()
  const found = new Set<string>()
  for (const { id, digest, repositoryId, repository } of manifests) {
    const own = await tagsOf(reader, [id], limit)
    const tags = own.length > 0 ? own : await tagsOf(reader, await parentsOf(reader, { repositoryId, digest }, limit), limit)
    for (const tag of tags) found.add(`${repository}:${tag}`)
    if (tags.length === 0) found.add(`${repository}@${digestFromBytes(digest)}`)
    if (found.size >= limit) break
  }
  return [...found].slice(0, limit)
}

async function tagsOf(reader: Reader, manifestIds: readonly number[], limit: number): Promise<string[]> {
  if (manifestIds.length === 0) return []
  const rows = await reader.selectFrom('tags').select('name').where('manifest_id', 'in', manifestIds).orderBy('name').limit(limit).execute()
  return rows.map(({ name }) => name)
}

interface Child {
  readonly repositoryId: number
  readonly digest: Buffer
}

async function parentsOf(reader: Reader, { repositoryId, digest }: Child, limit: number): Promise<number[]> {
  const rows = await reader
    .selectFrom('manifest_children as mc')
    .innerJoin('manifests as p', (join) => join.onRef('p.id', '=', 'mc.manifest_id').on('p.repository_id', '=', repositoryId))
    .select('p.id')
    .where('mc.child_digest', '=', digest)
    .orderBy('p.id')
    .limit(limit)
    .execute()
  return rows.map(({ id }) => id)
}
