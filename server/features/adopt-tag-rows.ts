/** The transaction that points tags, and the rule that what was said last in Berth counts more than what the directory says. */
import { digestFromBytes, digestToBytes, type Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { inChunks } from '#metadata/in-chunks.ts'
import { manifestsOfRepository } from '#metadata/manifests.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { transaction } from '#metadata/transaction.ts'
import { tagsChanged } from '#metadata/usage.ts'
import { importActor, repositoryOf } from './adopt-rows.ts'

/** A tag of the directory: where it points, since when (milliseconds), and where it pointed before. */
export interface FoundTag {
  readonly name: Tag
  readonly digest: Digest
  readonly modifiedAt: number
  /** Earlier values, oldest first; empty when their order is not known. */
  readonly earlier: readonly { readonly digest: Digest; readonly at: number }[]
}

interface LastChange {
  readonly actor: string
  readonly isDeletion: boolean
}

/** The last entry in the history of each tag that has one. */
async function lastChanges(tx: Transactor, repositoryId: number, names: readonly Tag[]): Promise<Map<string, LastChange>> {
  const changes = new Map<string, LastChange>()
  for (const chunk of inChunks(names)) {
    const rows = await tx
      .selectFrom('tag_history as h')
      .innerJoin(
        (eb) =>
          eb
            .selectFrom('tag_history')
            .select((of) => of.fn.max('id').as('last_id'))
            .where('repository_id', '=', repositoryId)
            .where('name', 'in', chunk)
            .groupBy('name')
            .as('latest'),
        (join) => join.onRef('latest.last_id', '=', 'h.id'),
      )
      .select(['h.name', 'h.actor', 'h.digest'])
      .execute()
    for (const row of rows) changes.set(row.name, { actor: row.actor, isDeletion: row.digest === null })
  }
  return changes
}

async function currentTags(
  tx: Transactor,
  repositoryId: number,
  names: readonly Tag[],
): Promise<Map<string, { id: number; digest: Digest }>> {
  const tags = new Map<string, { id: number; digest: Digest }>()
  for (const chunk of inChunks(names)) {
    const rows = await tx
      .selectFrom('tags as t')
      .innerJoin('manifests as m', 'm.id', 't.manifest_id')
      .select(['t.id', 't.name', 'm.digest'])
      .where('t.repository_id', '=', repositoryId)
      .where('t.name', 'in', chunk)
      .execute()
    for (const row of rows) tags.set(row.name, { id: row.id, digest: digestFromBytes(row.digest) })
  }
  return tags
}

/** One batch of tags for one repository. `now` is in milliseconds. */
export interface TagsInput {
  readonly repository: RepositoryName
  readonly now: number
  readonly tags: readonly FoundTag[]
}

/** How many tags were new, moved, or left as Berth has them; `dangling` names those whose manifest is not in the repository. */
export interface TagsOutput {
  readonly added: number
  readonly moved: number
  readonly kept: number
  readonly dangling: readonly Tag[]
}

type HistoryRow = { name: string; digest: Buffer; previous_digest: Buffer | null; at: number }

/** The values of the tag that its history lacks, oldest first. */
function historyOf(tag: FoundTag, previous: Digest | undefined): HistoryRow[] {
  const values = [...(previous === undefined ? tag.earlier : []), { digest: tag.digest, at: tag.modifiedAt }]
  return values.map(({ digest, at }, index) => {
    const before = index === 0 ? previous : values[index - 1]?.digest
    return { name: tag.name, digest: digestToBytes(digest), previous_digest: before === undefined ? null : digestToBytes(before), at }
  })
}

interface TagRow {
  readonly name: string
  readonly manifest_id: number
  readonly created_at: number
  readonly updated_at: number
}

interface TagPlan {
  readonly rows: TagRow[]
  readonly moves: { readonly tagId: number; readonly manifestId: number; readonly at: number }[]
  readonly history: HistoryRow[]
  readonly dangling: Tag[]
  kept: number
}

interface TagState {
  readonly manifestIds: ReadonlyMap<Digest, number>
  readonly current: ReadonlyMap<string, { readonly id: number; readonly digest: Digest }>
  readonly changes: ReadonlyMap<string, LastChange>
}

/** Whether Berth, and not an import, said last where the tag points, or that it is deleted. */
function isBerthsOwn(here: unknown, change: LastChange | undefined): boolean {
  return change === undefined ? here !== undefined : change.actor !== importActor || change.isDeletion
}

function planTag(plan: TagPlan, tag: FoundTag, state: TagState): void {
  const here = state.current.get(tag.name)
  if (here?.digest === tag.digest) return
  if (isBerthsOwn(here, state.changes.get(tag.name))) {
    plan.kept++
    return
  }
  const manifestId = state.manifestIds.get(tag.digest)
  if (manifestId === undefined) {
    plan.dangling.push(tag.name)
    return
  }
  plan.history.push(...historyOf(tag, here?.digest))
  if (here !== undefined) plan.moves.push({ tagId: here.id, manifestId, at: tag.modifiedAt })
  else
    plan.rows.push({
      name: tag.name,
      manifest_id: manifestId,
      created_at: tag.earlier[0]?.at ?? tag.modifiedAt,
      updated_at: tag.modifiedAt,
    })
}

/**
 * Points tags at manifests that are there. A tag that was set or deleted in Berth since is Berth's own and stays: its history says who changed it
 * last.
 */
export const addTags = transaction(
  import.meta.url,
  'adopt-rows/add-tags',
  async (tx, { repository, now, tags }: TagsInput): Promise<TagsOutput> => {
    const repositoryId = await repositoryOf(tx, repository, now)
    const names = tags.map((tag) => tag.name)
    const state: TagState = {
      manifestIds: await manifestsOfRepository(tx, repositoryId, [...new Set(tags.map((tag) => tag.digest))]),
      current: await currentTags(tx, repositoryId, names),
      changes: await lastChanges(tx, repositoryId, names),
    }
    const plan: TagPlan = { rows: [], moves: [], history: [], dangling: [], kept: 0 }
    for (const tag of tags) planTag(plan, tag, state)
    for (const { tagId, manifestId, at } of plan.moves) {
      await tx.updateTable('tags').set({ manifest_id: manifestId, updated_at: at }).where('id', '=', tagId).execute()
    }
    for (const chunk of inChunks(plan.rows)) {
      await tx
        .insertInto('tags')
        .values(chunk.map((row) => ({ repository_id: repositoryId, ...row })))
        .execute()
    }
    await tagsChanged(tx, repositoryId, plan.rows.length)
    for (const chunk of inChunks(plan.history)) {
      await tx
        .insertInto('tag_history')
        .values(chunk.map((row) => ({ repository_id: repositoryId, ...row, actor: importActor })))
        .execute()
    }
    return { added: plan.rows.length, moved: plan.moves.length, kept: plan.kept, dangling: plan.dangling }
  },
)
