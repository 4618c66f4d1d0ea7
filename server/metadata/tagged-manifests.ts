/** Which tags hold a manifest: those that point at it, and those that point at an index that it is part of. */
import type { Tag } from '#oci/reference.ts'
import { inChunks } from './in-chunks.ts'
import type { Reader, Transactor } from './metadata.ts'

/** No index is nested deeper. */
const levelsMax = 8

/** The indexes of the same repository that list the manifest, or list one that does, each once. */
export async function manifestsAbove(reader: Reader | Transactor, manifestId: number): Promise<number[]> {
  const above = new Set<number>()
  let level = [manifestId]
  for (let step = 0; step < levelsMax && level.length > 0; step++) {
    const found: number[] = []
    for (const ids of inChunks(level)) {
      const rows = await reader
        .selectFrom('manifests as child')
        .innerJoin('manifest_children as mc', 'mc.child_digest', 'child.digest')
        .innerJoin('manifests as parent', (join) =>
          join.onRef('parent.id', '=', 'mc.manifest_id').onRef('parent.repository_id', '=', 'child.repository_id'),
        )
        .select('parent.id')
        .distinct()
        .where('child.id', 'in', ids)
        .execute()
      found.push(...rows.map(({ id }) => id).filter((id) => !above.has(id)))
    }
    for (const id of found) above.add(id)
    level = found
  }
  return [...above]
}

/** The tags that point at one of the manifests. */
export async function tagNamesOf(reader: Reader | Transactor, manifestIds: readonly number[]): Promise<Tag[]> {
  const names: Tag[] = []
  for (const ids of inChunks(manifestIds)) {
    const rows = await reader.selectFrom('tags').select('name').where('manifest_id', 'in', ids).orderBy('id').execute()
    for (const { name } of rows) names.push(name as Tag)
  }
  return names
}
