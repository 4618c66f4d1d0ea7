/** The tables `tags` and `tag_history`. */
import { digestFromBytes, digestToBytes, type Digest } from '#oci/digest.ts'
import type { Tag } from '#oci/reference.ts'
import type { Reader, Transactor } from './metadata.ts'
import { prepare } from './prepared.ts'
import type { NamePage } from './repositories.ts'

const namesAfter = prepare<{ repositoryId: number; last: string; n: number }, { name: string }>((db, param) =>
  db
    .selectFrom('tags')
    .select('name')
    .where('repository_id', '=', param('repositoryId'))
    .where('name', '>', param('last'))
    .orderBy('name')
    .limit(param('n')),
)

/** Names of the repository's tags in byte order. */
export async function tagNames(reader: Reader, repositoryId: number, page: NamePage): Promise<string[]> {
  const rows = await namesAfter(reader, { repositoryId, last: page.last ?? '', n: page.n })
  return rows.map((row) => row.name)
}

/** One change of one tag. */
export interface TagChange {
  readonly repositoryId: number
  readonly tag: Tag
  readonly now: number
  readonly actor: string
}

/** Points the tag at the manifest and keeps its history; gives what it pointed at until now. */
export async function pointTag(
  tx: Transactor,
  change: TagChange,
  to: { readonly manifestId: number; readonly digest: Digest },
): Promise<'new' | 'unchanged' | { readonly manifestId: number; readonly digest: Digest }> {
  const current = await tagTarget(tx, change.repositoryId, change.tag)
  if (current?.manifestId === to.manifestId) return 'unchanged'
  if (current === undefined) {
    await tx
      .insertInto('tags')
      .values({
        repository_id: change.repositoryId,
        name: change.tag,
        manifest_id: to.manifestId,
        created_at: change.now,
        updated_at: change.now,
      })
      .execute()
  } else {
    await tx.updateTable('tags').set({ manifest_id: to.manifestId, updated_at: change.now }).where('id', '=', current.tagId).execute()
  }
  await insertHistory(tx, change, to.digest, current?.digest)
  return current ?? 'new'
}

/** What the tag points at. */
async function tagTarget(
  tx: Transactor,
  repositoryId: number,
  tag: Tag,
): Promise<{ readonly tagId: number; readonly manifestId: number; readonly digest: Digest } | undefined> {
  const row = await tx
    .selectFrom('tags as t')
    .innerJoin('manifests as m', 'm.id', 't.manifest_id')
    .select(['t.id as tagId', 't.manifest_id as manifestId', 'm.digest'])
    .where('t.repository_id', '=', repositoryId)
    .where('t.name', '=', tag)
    .executeTakeFirst()
  return row && { tagId: row.tagId, manifestId: row.manifestId, digest: digestFromBytes(row.digest) }
}

/** Removes the tag and notes it in the history. Undefined when there is no such tag. */
export async function removeTag(
  tx: Transactor,
  change: TagChange,
): Promise<{ readonly manifestId: number; readonly digest: Digest } | undefined> {
  const current = await tagTarget(tx, change.repositoryId, change.tag)
  if (current === undefined) return undefined
  await tx.deleteFrom('tags').where('id', '=', current.tagId).execute()
  await insertHistory(tx, change, undefined, current.digest)
  return current
}

/** Removes all tags of one manifest, in two statements whatever their number; gives how many there were. */
export async function removeTagsOf(
  tx: Transactor,
  manifest: { readonly manifestId: number; readonly digest: Digest; readonly now: number; readonly actor: string },
): Promise<number> {
  await tx
    .insertInto('tag_history')
    .columns(['repository_id', 'name', 'digest', 'previous_digest', 'at', 'actor'])
    .expression((eb) =>
      eb
        .selectFrom('tags')
        .select((of) => [
          'repository_id',
          'name',
          of.lit(null).as('digest'),
          of.val(digestToBytes(manifest.digest)).as('previous_digest'),
          of.val(manifest.now).as('at'),
          of.val(manifest.actor).as('actor'),
        ])
        .where('manifest_id', '=', manifest.manifestId),
    )
    .execute()
  const result = await tx.deleteFrom('tags').where('manifest_id', '=', manifest.manifestId).executeTakeFirst()
  return Number(result.numDeletedRows)
}

async function insertHistory(tx: Transactor, change: TagChange, digest: Digest | undefined, previous: Digest | undefined): Promise<void> {
  await tx
    .insertInto('tag_history')
    .values({
      repository_id: change.repositoryId,
      name: change.tag,
      digest: digest === undefined ? null : digestToBytes(digest),
      previous_digest: previous === undefined ? null : digestToBytes(previous),
      at: change.now,
      actor: change.actor,
    })
    .execute()
}
