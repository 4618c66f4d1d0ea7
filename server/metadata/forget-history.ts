/** What the history of tags says of what is deleted for good is forgotten with it: the names of its tags, and its digest in the history of others. */
import { digestToBytes, type Digest } from '#oci/digest.ts'
import type { Tag } from '#oci/reference.ts'
import { inChunks } from './in-chunks.ts'
import type { Reader, Transactor } from './metadata.ts'

/** A tag that is to leave no name behind, and until when what was noted of it is about what is deleted for good. */
export interface ForgottenTag {
  readonly tag: Tag
  readonly until: number
}

/** Forgets all that was noted of a tag that is not there any more; of one that was pushed again, what was before. */
export async function forgetHistory(tx: Transactor, repositoryId: number, tags: readonly ForgottenTag[]): Promise<void> {
  for (const { tag, until } of tags) {
    await tx
      .deleteFrom('tag_history')
      .where('repository_id', '=', repositoryId)
      .where('name', '=', tag)
      .where((eb) => {
        const live = eb.selectFrom('tags').select('tags.id').where('tags.repository_id', '=', repositoryId).where('tags.name', '=', tag)
        return eb.or([eb('at', '<=', until), eb.not(eb.exists(live))])
      })
      .execute()
  }
}

/** A manifest of a repository, whether it is there or not. */
export interface HistoricDigest {
  readonly repositoryId: number
  readonly digest: Digest
}

/** The next tags, by name, whose history has the digest. Reads the whole history of the repository, which no index leads into by digest: outside of transactions. */
export async function tagsOnceAt(
  reader: Reader,
  { repositoryId, digest }: HistoricDigest,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<readonly Tag[]> {
  const bytes = digestToBytes(digest)
  const rows = await reader
    .selectFrom('tag_history')
    .select('name')
    .distinct()
    .where('repository_id', '=', repositoryId)
    .where('name', '>', after)
    .where((eb) => eb.or([eb('digest', '=', bytes), eb('previous_digest', '=', bytes)]))
    .orderBy('name')
    .limit(limit)
    .execute()
  return rows.map(({ name }) => name as Tag)
}

/** The history of the tag then reads as if it had never pointed there: what came after came from what was before. */
export async function forgetDigest(tx: Transactor, { repositoryId, digest }: HistoricDigest, tag: Tag): Promise<void> {
  const bytes = digestToBytes(digest)
  const rows = await tx
    .selectFrom('tag_history')
    .select(['id', 'digest', 'previous_digest as previous'])
    .where('repository_id', '=', repositoryId)
    .where('name', '=', tag)
    .where((eb) => eb.or([eb('digest', '=', bytes), eb('previous_digest', '=', bytes)]))
    .orderBy('id')
    .execute()
  const going: number[] = []
  let before: Buffer | null = null
  for (const { id, digest: to, previous } of rows) {
    const from: Buffer | null = isSame(previous, bytes) ? before : previous
    if (isSame(to, bytes)) before = from
    // What remains of it would be no change.
    if (isSame(to, bytes) || isSame(to, from)) going.push(id)
    else await tx.updateTable('tag_history').set({ previous_digest: from }).where('id', '=', id).execute()
  }
  for (const ids of inChunks(going)) await tx.deleteFrom('tag_history').where('id', 'in', ids).execute()
}

function isSame(one: Buffer | null, other: Buffer | null): boolean {
  return one === null || other === null ? one === other : one.equals(other)
}
