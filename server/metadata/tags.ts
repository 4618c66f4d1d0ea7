/** The tables `tags` and `tag_history`. */
import { digestFromBytes, digestToBytes, type Digest } from '#oci/digest.ts'
import type { Tag } from '#oci/reference.ts'
import type { Reader, Transactor } from './metadata.ts'
import { prepare } from './prepared.ts'
import type { NamePage } from './repositories.ts'
import { later } from './together.ts'

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
  /** Kept in the history: `restored`, or why it goes where nobody asked for it. */
  readonly reason?: string | undefined
}

/** What a tag points at. */
export interface TagTarget {
  readonly tagId: number
  readonly manifestId: number
  readonly digest: Digest
}

/** Why a tag is pointed that somebody took out of the trash, or back from its history. */
export const restored = 'restored'

/**
 * Points the tag at the manifest and keeps its history; an expiry that was set goes. Gives what it pointed at until now. One that comes back and was not there
 * is as old as it was: what goes by age would else keep it for its deletion.
 */
export async function pointTag(
  tx: Transactor,
  change: TagChange,
  to: { readonly manifestId: number; readonly digest: Digest },
): Promise<'new' | 'unchanged' | TagTarget> {
  const current = await tagTarget(tx, change.repositoryId, change.tag)
  if (current?.manifestId === to.manifestId) return 'unchanged'
  await moveTag(tx, change, { current, to })
  if (current === undefined && change.reason === restored) await keepTimes(tx, change, to.digest)
  return current ?? 'new'
}

/** When it was last pushed with that digest, and when it came to be before that; history that was forgotten leaves it as it is. */
async function keepTimes(tx: Transactor, { repositoryId, tag }: TagChange, digest: Digest): Promise<void> {
  const changes = tx
    .selectFrom('tag_history')
    .select(['id', 'at'])
    .where('repository_id', '=', repositoryId)
    .where('name', '=', tag)
    .where('reason', '!=', restored)
    .orderBy('id', 'desc')
    .limit(1)
  const pushed = await changes.where('digest', '=', digestToBytes(digest)).executeTakeFirst()
  if (pushed === undefined) return
  const made = await changes
    .where('digest', 'is not', null)
    .where('previous_digest', 'is', null)
    .where('id', '<=', pushed.id)
    .executeTakeFirst()
  await tx
    .updateTable('tags')
    .set({ created_at: made?.at ?? pushed.at, updated_at: pushed.at })
    .where('repository_id', '=', repositoryId)
    .where('name', '=', tag)
    .execute()
}

const insertTag = prepare<{ repository_id: number; name: string; manifest_id: number; now: number }, never>((db, param) =>
  db.insertInto('tags').values({
    repository_id: param('repository_id'),
    name: param('name'),
    manifest_id: param('manifest_id'),
    created_at: param('now'),
    updated_at: param('now'),
  }),
)

/** The same where it is known what the tag points at: something else, or nothing (`current` undefined). */
export async function moveTag(
  tx: Transactor,
  change: TagChange,
  { current, to }: { readonly current: TagTarget | undefined; readonly to: { readonly manifestId: number; readonly digest: Digest } },
): Promise<void> {
  const { repositoryId, tag, now } = change
  if (current === undefined) await later(tx, insertTag(tx, { repository_id: repositoryId, name: tag, manifest_id: to.manifestId, now }))
  else {
    const moved = tx
      .updateTable('tags')
      .set({ manifest_id: to.manifestId, updated_at: now, expires_at: null })
      .where('id', '=', current.tagId)
    await later(tx, moved.execute())
  }
  await insertHistory(tx, change, to.digest, current?.digest)
}

const targetOf = prepare<{ repository_id: number; name: string }, { tagId: number; manifestId: number; digest: Buffer }>((db, param) =>
  db
    .selectFrom('tags as t')
    .innerJoin('manifests as m', 'm.id', 't.manifest_id')
    .select(['t.id as tagId', 't.manifest_id as manifestId', 'm.digest'])
    .where('t.repository_id', '=', param('repository_id'))
    .where('t.name', '=', param('name')),
)

/** What the tag points at; undefined when there is no such tag. */
export async function tagTarget(tx: Reader | Transactor, repositoryId: number, tag: Tag): Promise<TagTarget | undefined> {
  const [row] = await targetOf(tx, { repository_id: repositoryId, name: tag })
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

/** Removes all tags of one manifest, in three statements whatever their number; gives which they were. */
export async function removeTagsOf(
  tx: Transactor,
  manifest: {
    readonly manifestId: number
    readonly digest: Digest
    readonly now: number
    readonly actor: string
    readonly reason?: string | undefined
  },
): Promise<readonly Tag[]> {
  const { manifestId } = manifest
  const tags = await tx.selectFrom('tags').select('name').where('manifest_id', '=', manifestId).orderBy('id').execute()
  if (tags.length === 0) return []
  await tx
    .insertInto('tag_history')
    .columns(['repository_id', 'name', 'digest', 'previous_digest', 'at', 'actor', 'reason'])
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
          of.val(manifest.reason ?? '').as('reason'),
        ])
        .where('manifest_id', '=', manifestId),
    )
    .execute()
  await tx.deleteFrom('tags').where('manifest_id', '=', manifestId).execute()
  return tags.map(({ name }) => name as Tag)
}

interface HistoryParams extends Record<string, unknown> {
  readonly repository_id: number
  readonly name: string
  readonly digest: Buffer | null
  readonly previous_digest: Buffer | null
  readonly at: number
  readonly actor: string
  readonly reason: string
}

const historyColumns = ['repository_id', 'name', 'digest', 'previous_digest', 'at', 'actor', 'reason'] as const

const insertHistoryRow = prepare<HistoryParams, never>((db, param) =>
  db
    .insertInto('tag_history')
    .values(Object.fromEntries(historyColumns.map((column) => [column, param(column)])) as unknown as HistoryParams),
)

async function insertHistory(tx: Transactor, change: TagChange, digest: Digest | undefined, previous: Digest | undefined): Promise<void> {
  const row = {
    repository_id: change.repositoryId,
    name: change.tag,
    digest: digest === undefined ? null : digestToBytes(digest),
    previous_digest: previous === undefined ? null : digestToBytes(previous),
    at: change.now,
    actor: change.actor,
    reason: change.reason ?? '',
  }
  await later(tx, insertHistoryRow(tx, row))
}
