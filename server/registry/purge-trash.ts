/**
 * Deleting for good: what somebody asks to be gone at once, and what was in the trash until its time was over.
 *
 * The rows go in the commit; what is large (a repository, a project) gets a name that nobody can restore and is emptied in batches, and garbage collection
 * frees the bytes when nothing else holds them. Who asks for it leaves no name behind in rows, but the record says who did it, and to what.
 */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { advanceJob } from '#jobs/advance-job.ts'
import { enqueueJob } from '#jobs/enqueue-job.ts'
import type { JobClaim, JobKind, JobRun } from '#jobs/jobs.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { inChunks } from '#metadata/in-chunks.ts'
import { forgetDecisionsOf } from '#metadata/forget-decisions.ts'
import { forgetDigest, forgetHistory, tagsOnceAt, type ForgottenTag, type HistoricDigest } from '#metadata/forget-history.ts'
import { buryRepository } from '#metadata/hidden-repositories.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { findProjectById, projectsBelow } from '#metadata/projects.ts'
import {
  deleteTrashRow,
  expiredTrash,
  findTrash,
  tagsInTrash,
  trashedTagsOf,
  type ExpiredTrash,
  type TrashRecord,
} from '#metadata/trash.ts'
import { manifestPlace, placesOfDigests } from '#metadata/trashed-manifests.ts'
import { transaction } from '#metadata/transaction.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { removeProject } from '#projects/delete-project.ts'
import { finishDeletions } from './delete-repository.ts'
import type { Registry } from './registry.ts'
import { purgeManifest } from './remove-manifest.ts'
import { requireDeletes } from './require.ts'
import { trashTarget, trashUnknown } from './trash-words.ts'

interface Purge {
  readonly now: number
  readonly safeUntil: number
  /** Undefined: its time is over. */
  readonly who: Who | undefined
}

/** Repositories alone are emptied later: everything else is gone when this commits. */
async function purgeRow(tx: Transactor, row: TrashRecord, purge: Purge): Promise<void> {
  const going = await namesGoing(tx, row)
  if (row.kind === 'manifest') await purgeTrashedManifest(tx, row, purge)
  if (row.kind === 'repository' && row.repositoryId !== undefined) await buryRepository(tx, row.repositoryId)
  if (purge.who !== undefined && row.repositoryId !== undefined && row.kind !== 'repository') {
    await forgetDecisions(tx, row, Number.MAX_SAFE_INTEGER)
    await forgetHistory(tx, row.repositoryId, going)
    await forgetInThoseHere(tx, row, going)
  }
  await deleteTrashRow(tx, row.id)
  await note(
    tx,
    row,
    going.map(({ tag }) => tag),
    purge,
  )
}

/** Tags that went with it, and for a manifest those that went before it and can no longer be restored. */
async function namesGoing(tx: Reader | Transactor, { id, kind, manifestId, deletedAt }: TrashRecord): Promise<readonly ForgottenTag[]> {
  const own = (await tagsInTrash(tx, id)).map((tag) => ({ tag, until: deletedAt }))
  if (kind !== 'manifest' || manifestId === undefined) return own
  const names = new Set(own.map(({ tag }) => tag))
  const earlier = (await trashedTagsOf(tx, manifestId)).filter(({ tag }) => !names.has(tag))
  return [...own, ...earlier.map(({ tag, at }) => ({ tag, until: at }))]
}

/** Of a manifest or a tag; while its row and the history say what it was. Gives how many there were. */
async function forgetDecisions(tx: Transactor, row: TrashRecord, limit: number): Promise<number> {
  const { repositoryId, kind, digest } = row
  if (repositoryId === undefined || digest === undefined || (kind !== 'tag' && kind !== 'manifest')) return 0
  return await forgetDecisionsOf(tx, { repositoryId, kind, digest, tags: await namesGoing(tx, row) }, limit)
}

async function purgeTrashedManifest(tx: Transactor, row: TrashRecord, { now, safeUntil }: Purge): Promise<void> {
  const place = row.manifestId === undefined ? undefined : await manifestPlace(tx, row.manifestId)
  if (place !== undefined) await purgeManifest(tx, { ...place, actor: '', now, safeUntil })
}

/** That a tag can no longer be restored is no event: its deletion was one. */
async function note(tx: Transactor, row: TrashRecord, tags: readonly Tag[], { who, now: at }: Purge): Promise<void> {
  if (who === undefined && row.kind === 'tag') return
  const { kind, project, repository, digest, deletedBy, deletedAt } = row
  const reason = who === undefined ? 'expired' : 'request'
  const detail = { kind, digest, tags: tags.slice(0, 20), reason, deletedBy, deletedAt: new Date(deletedAt).toISOString() }
  await recordEvent(tx, {
    action: 'trash.purged',
    target: trashTarget(row, tags[0]),
    project,
    ...(repository !== '' && { repository: repository as RepositoryName }),
    detail,
    at,
    ...(who ?? { actor: '', requestId: '' }),
  })
}

const projectsMax = 100_000

async function purgeProject(tx: Transactor, row: TrashRecord, purge: Purge): Promise<void> {
  const project = await findProjectById(tx, row.projectId)
  if (project === undefined) return
  await note(tx, row, [], purge)
  // While its row of the trash says what was above it.
  for (const each of [...(await projectsBelow(tx, project.name, projectsMax))].toReversed()) await removeProject(tx, each)
  await removeProject(tx, project)
  await deleteTrashRow(tx, row.id)
}

interface PurgeOne extends Purge {
  readonly id: number
}

async function requireRow(tx: Transactor, id: number): Promise<TrashRecord> {
  const row = await findTrash(tx, id)
  if (row === undefined) throw trashUnknown(id)
  return row
}

const purgeAsked = transaction(import.meta.url, 'purge-trash/purge', async (tx, purge: PurgeOne): Promise<void> => {
  const row = await requireRow(tx, purge.id)
  await purgeRow(tx, row, purge)
  if (row.kind === 'repository') await emptySoon(tx, purge)
})

const purgeProjectAsked = accessTransaction(import.meta.url, 'purge-trash/purge-project', async (tx, purge: PurgeOne): Promise<void> => {
  await purgeProject(tx, await requireRow(tx, purge.id), purge)
  await emptySoon(tx, purge)
})

/** Some of what the purge would otherwise forget at once: a manifest may have had a hundred thousand tags, and each run decided about all of them. */
const forgetSome = transaction(import.meta.url, 'purge-trash/forget-some', async (tx, id: number): Promise<number> =>
  forgetDecisions(tx, await requireRow(tx, id), decisionsMax),
)
const decisionsMax = 2_000

/** Where the digest of a manifest was, which no tag leads to any more. Undefined: it was pushed again, and is here. */
async function historicDigest(
  reader: Reader | Transactor,
  { kind, repositoryId, digest }: TrashRecord,
): Promise<HistoricDigest | undefined> {
  if (kind !== 'manifest' || repositoryId === undefined || digest === undefined) return undefined
  const places = await placesOfDigests(reader, { repositoryId, twinId: undefined }, [digest])
  return places.has(digest) ? undefined : { repositoryId, digest }
}

const forgetDigests = transaction(
  import.meta.url,
  'purge-trash/forget-digests',
  async (tx, { id, tags }: { readonly id: number; readonly tags: readonly Tag[] }): Promise<void> => {
    const historic = await historicDigest(tx, await requireRow(tx, id))
    if (historic !== undefined) for (const tag of tags) await forgetDigest(tx, historic, tag)
  },
)
const tagsMax = 200

/** Tags that were moved away from the manifest before it was deleted: their names stay, what they pointed at does not. Those that go are left to the purge. */
async function forgetFormerTags({ metadata }: Registry, row: TrashRecord): Promise<void> {
  const historic = await historicDigest(metadata.reader, row)
  if (historic === undefined) return
  const going = new Set((await namesGoing(metadata.reader, row)).map(({ tag }) => tag))
  for (let after = '', isMore = true; isMore;) {
    const found = await tagsOnceAt(metadata.reader, historic, { after, limit: tagsMax })
    const tags = found.filter((tag) => !going.has(tag))
    if (tags.length > 0) await metadata.write(forgetDigests, { id: row.id, tags })
    after = found.at(-1) ?? ''
    isMore = found.length === tagsMax
  }
}

/** The same of tags that went and are here again: they may have pointed at it since, and been moved away. */
async function forgetInThoseHere(tx: Transactor, row: TrashRecord, going: readonly ForgottenTag[]): Promise<void> {
  const historic = await historicDigest(tx, row)
  if (historic === undefined) return
  for (const names of inChunks(going.map(({ tag }) => tag))) {
    const here = await tx
      .selectFrom('tags')
      .select('name')
      .where('repository_id', '=', historic.repositoryId)
      .where('name', 'in', names)
      .execute()
    for (const { name } of here) await forgetDigest(tx, historic, name as Tag)
  }
}

/** Rows that are many go in batches, at once where somebody asked for it. */
async function emptySoon(tx: Transactor, { now, who }: Purge): Promise<void> {
  await enqueueJob(tx, { kind: kindName, uniqueKey: kindName, createdBy: who?.actor ?? '', now })
}

/** Throws RESOURCE_UNKNOWN when it is not in the trash any more, UNSUPPORTED where deletes are switched off. */
export async function purgeTrash(registry: Registry, row: TrashRecord, who: Who): Promise<void> {
  requireDeletes(registry)
  const { metadata } = registry
  while ((await metadata.write(forgetSome, row.id)) === decisionsMax);
  await forgetFormerTags(registry, row)
  await metadata.write(row.kind === 'project' ? purgeProjectAsked : purgeAsked, { id: row.id, ...purgeOf(registry, who) })
}

function purgeOf({ context, options }: Registry, who: Who | undefined): Purge {
  const now = context.ports.clock.now()
  return { now, safeUntil: now + options.garbageDelayMs, who }
}

/** What {@link trashPurge} saves: the last row that it looked at. */
type Cursor = Pick<ExpiredTrash, 'expiresAt' | 'id'>

interface Batch extends Purge {
  readonly ids: readonly number[]
  readonly job: JobClaim
  readonly cursor: Cursor
}

/** Gives how many were still there, and over. */
async function purgeBatch(tx: Transactor, batch: Batch): Promise<number> {
  let purged = 0
  for (const id of batch.ids) {
    const row = await findTrash(tx, id)
    // Restored meanwhile, or in a project that is in the trash itself: it goes with that.
    if (row === undefined || row.expiresAt > batch.now) continue
    await (row.kind === 'project' ? purgeProject(tx, row, batch) : purgeRow(tx, row, batch))
    purged++
  }
  await advanceJob(tx, batch.job, batch.cursor)
  return purged
}

const purgeExpired = transaction(import.meta.url, 'purge-trash/expired', purgeBatch)
const purgeExpiredProject = accessTransaction(import.meta.url, 'purge-trash/expired-project', purgeBatch)

/** Each manifest takes a handful of statements; a batch holds the writer for some 20 ms. */
const batchRows = 100

const kindName = 'trash-purge'

/** The job that ends what was in the trash until its time was over. */
export function trashPurge(registry: Registry): JobKind<unknown, { readonly purged: number }> {
  return {
    name: kindName,
    title: 'Delete what was in the trash for its time',
    schedule: 'every 10m',
    run: (run) => purgeAll(registry, run),
  }
}

async function purgeAll(registry: Registry, run: JobRun): Promise<{ readonly purged: number }> {
  const { metadata } = registry
  let after = (run.cursor as Cursor | undefined) ?? { expiresAt: 0, id: 0 }
  let purged = 0
  for (;;) {
    run.signal.throwIfAborted()
    const purge = purgeOf(registry, undefined)
    const rows = alike(await expiredTrash(metadata.reader, { now: purge.now, after, limit: batchRows }))
    const last = rows.at(-1)
    if (last === undefined) break
    after = { expiresAt: last.expiresAt, id: last.id }
    const batch = { ...purge, ids: rows.map(({ id }) => id), job: run.job, cursor: after }
    purged += await metadata.write(last.kind === 'project' ? purgeExpiredProject : purgeExpired, batch)
    run.report({ done: purged })
  }
  await finishDeletions(registry, run.signal)
  return { purged }
}

/** The first of them that one transaction takes: projects, which change who may do what, one by one. */
function alike(rows: readonly ExpiredTrash[]): readonly ExpiredTrash[] {
  const at = rows.findIndex(({ kind }) => kind === 'project')
  return at === -1 ? rows : rows.slice(0, Math.max(1, at))
}
