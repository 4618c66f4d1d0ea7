/** Names of projects by id, for what holds on to a project through its renames. */
import { inChunks } from './in-chunks.ts'
import type { Reader } from './metadata.ts'

/** Ids of projects that are gone are absent. */
export async function projectNames(reader: Reader, ids: readonly number[]): Promise<ReadonlyMap<number, string>> {
  const names = new Map<number, string>()
  for (const some of inChunks([...new Set(ids)])) {
    const rows = await reader.selectFrom('projects').select(['id', 'name']).where('id', 'in', some).execute()
    for (const { id, name } of rows) names.set(id, name)
  }
  return names
}
