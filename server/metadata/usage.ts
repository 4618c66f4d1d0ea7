/**
 * Usage, counted by those who change it, in their transactions: what enters and leaves repositories, and with them their projects.
 *
 * A link (`repository_blobs`) counts from its push or mount until the last manifest of its repository that needed it goes, and again when one needs it
 * again. A project has a row in `project_blobs` for each blob that counts in a live repository of it or of a project below: what is shared counts once.
 * Every difference comes from rows that this transaction changed, so that counters and rows cannot drift apart. What grew is held against the quotas of
 * the project and of those above it, which may throw DENIED. What is in the trash counts in no project. Names, limits and moves: the files beside.
 */
import { sql } from 'kysely'
import { numberList } from './dialect.ts'
import type { Transactor } from './metadata.ts'
import { prepare } from './prepared.ts'
import { requireWithinQuota, type GrownProject } from './quota-check.ts'
import { addChange, addChanges, addUsage, negative, systemScope, type UsageChange, type UsageDelta } from './usage-counters.ts'
import { claimBlobs, claimOneBlob, releaseBlobs, type CountedBlob } from './usage-blobs.ts'
import { later, together } from './together.ts'
import { moveUsage } from './usage-moves.ts'
import { placeOfRepository, projectAndAbove, type UsagePlace } from './usage-place.ts'
import { insertRecount } from './usage-recounts.ts'

/** A manifest of a repository, by their rows. */
export interface CountedManifest {
  readonly repositoryId: number
  readonly manifestId: number
}

/** A blob of a repository, by their rows. */
export interface CountedLink {
  readonly repositoryId: number
  readonly blobId: number
}

const documentOf = prepare<{ id: number }, { size_bytes: number; blob_bytes: number | null }>((db, param) =>
  db
    .selectFrom('manifests as m')
    .select('m.size_bytes')
    .select((eb) =>
      eb
        .selectFrom('manifest_blobs as mb')
        .innerJoin('blobs as b', 'b.id', 'mb.blob_id')
        .select((of) => of.fn.sum<number | null>('b.size_bytes').as('bytes'))
        .whereRef('mb.manifest_id', '=', 'm.id')
        .as('blob_bytes'),
    )
    .where('m.id', '=', param('id')),
)

/** After the manifest's row and its references are in a live repository. */
export async function manifestEntered(tx: Transactor, { repositoryId, manifestId }: CountedManifest): Promise<void> {
  const place = await placeOfRepository(tx, repositoryId)
  const document = await documentDelta(tx, manifestId, 1)
  await countIn(tx, place, { common: document, blobs: await countLinksOf(tx, { repositoryId, manifestId }) })
}

/** A manifest that was here already: links that had stopped counting count again, and what it needs in addition is said by `more`. */
export async function manifestRepeated(tx: Transactor, manifest: CountedManifest, more: UsageDelta): Promise<void> {
  const blobs = await countLinksOf(tx, manifest)
  if (blobs.length === 0 && Object.values(more).every((each) => each === 0)) return
  await countIn(tx, await placeOfRepository(tx, manifest.repositoryId), { common: more, blobs })
}

/** Before the manifest leaves a live repository, to the trash or for good, while its rows are there. */
export async function manifestLeft(tx: Transactor, { repositoryId, manifestId }: CountedManifest): Promise<void> {
  const place = await placeOfRepository(tx, repositoryId)
  const document = await documentDelta(tx, manifestId, -1)
  const { rows } = await sql<CountedBlob>`
    update repository_blobs set is_counted = 0
      where repository_id = ${repositoryId} and is_counted = 1
        and blob_id in (select mb.blob_id from manifest_blobs mb where mb.manifest_id = ${manifestId}
          and not exists (select 1 from manifest_blobs other
            where other.blob_id = mb.blob_id and other.repository_id = ${repositoryId} and other.manifest_id <> ${manifestId}))
      returning blob_id as "blobId", (select size_bytes from blobs where blobs.id = blob_id) as "sizeBytes"`.execute(tx)
  await discountIn(tx, place, { common: document, blobs: rows })
}

/** Tags came (which a quota may refuse) or went. */
export async function tagsChanged(tx: Transactor, repositoryId: number, delta: number): Promise<void> {
  if (delta !== 0) await countIn(tx, await placeOfRepository(tx, repositoryId), { common: { tags: delta }, blobs: [] })
}

/** After a repository's row was made, which holds nothing yet. */
export async function repositoryMade(tx: Transactor, repositoryId: number): Promise<void> {
  await countIn(tx, await placeOfRepository(tx, repositoryId), { common: { repositories: 1 }, blobs: [] })
}

/** Before a repository's row goes that holds nothing any more. */
export async function repositoryUnmade(tx: Transactor, repositoryId: number): Promise<void> {
  await countIn(tx, await placeOfRepository(tx, repositoryId), { common: { repositories: -1 }, blobs: [] })
}

/** While the repository's name is still live: as a whole it leaves its projects, for the trash or for good. It keeps its own numbers. */
export async function repositoryLeft(tx: Transactor, repositoryId: number): Promise<void> {
  const { projects, isLive } = await placeOfRepository(tx, repositoryId)
  if (!isLive) return
  const gone = await moveUsage(tx, { repositoryIds: [repositoryId], lost: projects, gained: [] })
  await addChange(tx, systemScope, negative(gone))
}

/** As soon as the repository's name is live again: as a whole it comes back, which a quota may refuse. */
export async function repositoryEntered(tx: Transactor, repositoryId: number): Promise<void> {
  const { projects, isLive } = await placeOfRepository(tx, repositoryId)
  if (!isLive) return
  await addChange(tx, systemScope, await moveUsage(tx, { repositoryIds: [repositoryId], lost: [], gained: projects }))
}

/** Has the blobs of the project, and of those above it, compared with the links of its repositories, in the background. */
export async function requestRecount(tx: Transactor, projectId: number): Promise<void> {
  const project = await tx.selectFrom('projects').select('name').where('id', '=', projectId).executeTakeFirst()
  if (project === undefined) return
  for (const { id } of await projectAndAbove(tx, project.name)) await insertRecount(tx, id)
}

const countLink = prepare<{ repository_id: number; blob_id: number }, { size_bytes: number }>((db, param) =>
  db
    .updateTable('repository_blobs')
    .set({ is_counted: 1 })
    .where('repository_id', '=', param('repository_id'))
    .where('blob_id', '=', param('blob_id'))
    .where('is_counted', '=', 0)
    .returning((eb) => eb.selectFrom('blobs').select('size_bytes').where('blobs.id', '=', param('blob_id')).as('size_bytes'))
    .$castTo<{ size_bytes: number }>(),
)

/** After a link was made, or where one is needed that had stopped counting. */
export async function linkEntered(tx: Transactor, { repositoryId, blobId }: CountedLink): Promise<void> {
  const [link] = await countLink(tx, { repository_id: repositoryId, blob_id: blobId })
  if (link !== undefined) await linkCounts(tx, { repositoryId, blobs: [{ blobId, sizeBytes: link.size_bytes }], logicalBytes: 0 })
}

/** Links whose rows say that they count, since this transaction; `logicalBytes`: of manifests that waited for their blobs. */
export async function linkCounts(
  tx: Transactor,
  links: { readonly repositoryId: number; readonly blobs: readonly CountedBlob[]; readonly logicalBytes: number },
): Promise<void> {
  const { repositoryId, blobs, logicalBytes } = links
  await countIn(tx, await placeOfRepository(tx, repositoryId), { common: { logicalBytes }, blobs })
}

/** Manifests that were here need blobs that came now: `logicalBytes` in all. The links counted already. */
export async function logicalBytesChanged(tx: Transactor, repositoryId: number, logicalBytes: number): Promise<void> {
  if (logicalBytes !== 0) await countIn(tx, await placeOfRepository(tx, repositoryId), { common: { logicalBytes }, blobs: [] })
}

/** Before a link goes. */
export async function linkLeft(tx: Transactor, { repositoryId, blobId }: CountedLink): Promise<void> {
  await linksLeft(tx, repositoryId, [blobId])
}

/** Before links of a repository go, however many. */
export async function linksLeft(tx: Transactor, repositoryId: number, blobIds: readonly number[]): Promise<void> {
  const { rows } = await sql<CountedBlob>`
    update repository_blobs set is_counted = 0
      where repository_id = ${repositoryId} and blob_id in ${numberList(tx, blobIds)} and is_counted = 1
      returning blob_id as "blobId", (select size_bytes from blobs where blobs.id = blob_id) as "sizeBytes"`.execute(tx)
  if (rows.length > 0) await discountIn(tx, await placeOfRepository(tx, repositoryId), { common: {}, blobs: rows })
}

/** After a blob's row was made, or `blobs` of them: the bytes that the store holds, each once. */
export async function blobEntered(tx: Transactor, sizeBytes: number, blobs = 1): Promise<void> {
  await addChange(tx, systemScope, { bytes: sizeBytes, blobs })
}

/** After a blob's row went, or `blobs` of them, of so many bytes in all. */
export async function blobLeft(tx: Transactor, sizeBytes: number, blobs = 1): Promise<void> {
  await addChange(tx, systemScope, { bytes: -sizeBytes, blobs: -blobs })
}

/**
 * After a blob's row got another size: bytes that were found to be others than those of its digest gave way to the right ones, or the other way. Nobody is
 * refused for it.
 */
export async function blobResized(tx: Transactor, blobId: number, deltaBytes: number): Promise<void> {
  if (deltaBytes === 0) return
  await addChange(tx, systemScope, { bytes: deltaBytes })
  const links = await tx
    .selectFrom('repository_blobs')
    .select('repository_id')
    .where('blob_id', '=', blobId)
    .where('is_counted', '=', 1)
    .execute()
  for (const link of links) await addChange(tx, { scope: 'repository', id: link.repository_id }, { bytes: deltaBytes })
  const projects = await tx.selectFrom('project_blobs').select('project_id').where('blob_id', '=', blobId).execute()
  for (const project of projects) await addChange(tx, { scope: 'project', id: project.project_id }, { bytes: deltaBytes })
  const manifests = await tx
    .selectFrom('manifest_blobs')
    .select(['repository_id', (eb) => eb.fn.countAll<number>().as('count')])
    .where('blob_id', '=', blobId)
    .groupBy('repository_id')
    .execute()
  for (const { repository_id, count } of manifests) await logicalBytesChanged(tx, repository_id, deltaBytes * Number(count))
}

interface Difference {
  /** The same for the repository, its projects and the system. */
  readonly common: UsageDelta
  /** Of the repository: whether they are new in a project as well depends on what it has. */
  readonly blobs: readonly CountedBlob[]
  /** Nobody had them before, so they are new everywhere. */
  readonly areNew?: boolean
  readonly system?: UsageDelta
}

/** Adds, and holds what grew against the quotas: throws DENIED. `system`: what all there is grew by beside that. */
export async function countIn(
  tx: Transactor,
  place: UsagePlace,
  { common, blobs, areNew = false, system = {} }: Difference,
): Promise<void> {
  const changes: UsageChange[] = [{ scope: { scope: 'repository', id: place.repositoryId }, delta: withBlobs(common, blobs, 1) }]
  const grown: GrownProject[] = []
  if (place.isLive) {
    const [first] = blobs
    const claim = (projectId: number) =>
      blobs.length === 1 && first !== undefined ? claimOneBlob(tx, projectId, first) : claimBlobs(tx, projectId, blobs)
    const claims = areNew ? [] : await together(...place.projects.map(({ id }) => claim(id)))
    for (const [index, project] of place.projects.entries()) {
      if (areNew) await later(tx, claim(project.id))
      grown.push({ project, delta: withBlobs(common, areNew ? blobs : (claims[index] ?? []), 1) })
    }
    changes.push(...grown.map(({ project: { id }, delta }) => ({ scope: { scope: 'project', id } as const, delta })))
    changes.push({ scope: systemScope, delta: addUsage(common, system) })
  } else changes.push({ scope: systemScope, delta: system })
  await addChanges(tx, changes)
  await requireWithinQuota(tx, grown)
}

async function discountIn(tx: Transactor, place: UsagePlace, { common, blobs }: Difference): Promise<void> {
  await addChange(tx, { scope: 'repository', id: place.repositoryId }, withBlobs(common, blobs, -1))
  if (!place.isLive) return
  for (const project of place.projects) {
    const released = await releaseBlobs(tx, project, blobs)
    await addChange(tx, { scope: 'project', id: project.id }, withBlobs(common, released, -1))
  }
  await addChange(tx, systemScope, common)
}

function withBlobs(common: UsageDelta, blobs: readonly CountedBlob[], sign: 1 | -1): UsageDelta {
  if (blobs.length === 0) return common
  const bytes = blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  return addUsage(common, { bytes: sign * bytes, blobs: sign * blobs.length })
}

async function documentDelta(tx: Transactor, manifestId: number, sign: 1 | -1): Promise<UsageDelta> {
  const [row] = await documentOf(tx, { id: manifestId })
  if (row === undefined) throw new Error(`there is no manifest ${manifestId}`)
  const bytes = sign * row.size_bytes
  return { bytes, manifestBytes: bytes, logicalBytes: bytes + sign * Number(row.blob_bytes ?? 0), manifests: sign }
}

const uncountedLinksOf = prepare<{ manifest_id: number; repository_id: number }, CountedBlob>((db, param) =>
  db
    .selectFrom('manifest_blobs as mb')
    .innerJoin('repository_blobs as rb', (join) =>
      join.onRef('rb.blob_id', '=', 'mb.blob_id').on((eb) => eb('rb.repository_id', '=', param('repository_id'))),
    )
    .innerJoin('blobs as b', 'b.id', 'mb.blob_id')
    .select(['mb.blob_id as blobId', 'b.size_bytes as sizeBytes'])
    .where('mb.manifest_id', '=', param('manifest_id'))
    .where('rb.is_counted', '=', 0),
)

/** Links that the manifest needs and that did not count. Nearly always none: a push brought them just now. */
async function countLinksOf(tx: Transactor, { repositoryId, manifestId }: CountedManifest): Promise<readonly CountedBlob[]> {
  return await countLinks(tx, repositoryId, await uncountedLinksOf(tx, { manifest_id: manifestId, repository_id: repositoryId }))
}

/** Links of a repository that had stopped counting count from now on; gives those that did not count until now. */
export async function countLinks(tx: Transactor, repositoryId: number, blobs: readonly CountedBlob[]): Promise<readonly CountedBlob[]> {
  if (blobs.length === 0) return []
  const ids = numberList(
    tx,
    blobs.map(({ blobId }) => blobId),
  )
  const { rows } = await sql<{ blob_id: number }>`
    update repository_blobs set is_counted = 1 where repository_id = ${repositoryId} and blob_id in ${ids} and is_counted = 0
      returning blob_id`.execute(tx)
  const counted = new Set(rows.map((row) => row.blob_id))
  return blobs.filter(({ blobId }) => counted.has(blobId))
}
