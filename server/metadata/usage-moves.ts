/**
 * Usage when repositories come under other projects, or leave and come back as a whole.
 *
 * What can be added up (documents, manifests, tags, repositories) moves at once, however much it is. Which blobs a project has in common with what comes or
 * goes is looked up for each: at once for few, by a recount in the background (usage-recounts.ts) for many. Until that is done the larger number
 * holds: what goes still counts, and what comes counts as if nothing of it had been there.
 */
import { sql } from 'kysely'
import { numberList } from './dialect.ts'
import type { Transactor } from './metadata.ts'
import { requireWithinQuota, type GrownProject } from './quota-check.ts'
import { firstRepositoryName } from './repositories.ts'
import { claimBlobs, isWithin, releaseBlobs, type CountedBlob } from './usage-blobs.ts'
import { addChange, addUsage, negative, noUsage, usageOf, type CounterColumns, type Usage } from './usage-counters.ts'
import type { CountingProject } from './usage-place.ts'
import { insertRecount } from './usage-recounts.ts'

/** So many links are looked up one by one in the transaction itself: some 10 ms. */
const linksAtOnce = 2_000

/** Which repositories count elsewhere from now on. Their rows say so already, or do in the same transaction. */
export interface UsageMove {
  readonly repositoryIds: readonly number[]
  readonly lost: readonly CountingProject[]
  readonly gained: readonly CountingProject[]
}

/** Moves what the repositories use from some projects to others; gives what can be added up of it. Throws DENIED for a quota. */
export async function moveUsage(tx: Transactor, { repositoryIds, lost, gained }: UsageMove): Promise<Usage> {
  if (repositoryIds.length === 0) return noUsage
  const whole = await sumOf(tx, repositoryIds)
  const blobBytes = whole.bytes - whole.manifestBytes
  const plain: Usage = { ...whole, bytes: whole.manifestBytes, blobs: 0 }
  const blobs = whole.blobs <= linksAtOnce ? await countedBlobsOf(tx, repositoryIds) : 'many'
  for (const project of lost) {
    if (blobs === 'many') await insertRecount(tx, project.id)
    const released = blobs === 'many' ? noUsage : sizesOf(await releaseBlobs(tx, project, blobs, repositoryIds))
    await addChange(tx, { scope: 'project', id: project.id }, negative(addUsage(plain, released)))
  }
  const grown: GrownProject[] = []
  for (const project of gained) {
    const provisional = { ...noUsage, bytes: blobBytes, blobs: whole.blobs }
    if (blobs === 'many') await insertRecount(tx, project.id, provisional)
    const claimed = blobs === 'many' ? provisional : sizesOf(await claimBlobs(tx, project.id, blobs))
    const delta = addUsage(plain, claimed)
    await addChange(tx, { scope: 'project', id: project.id }, delta)
    grown.push({ project, delta })
  }
  await requireWithinQuota(tx, grown)
  return plain
}

/** Live repositories of a project and of those below it. */
export async function repositoriesWithin(tx: Transactor, project: { readonly id: number; readonly name: string }): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    select r.id from projects own join repositories r on r.project_id = own.id
      where ${isWithin(project)} and r.name >= ${firstRepositoryName}`.execute(tx)
  return rows.map(({ id }) => id)
}

/** Live repositories of one project, those of projects below left out. */
export async function repositoriesDirectlyIn(tx: Transactor, projectId: number): Promise<number[]> {
  const rows = await tx
    .selectFrom('repositories')
    .select('id')
    .where('project_id', '=', projectId)
    .where('name', '>=', firstRepositoryName)
    .execute()
  return rows.map(({ id }) => id)
}

/** Those of the one list that are not in the other. */
export function without(projects: readonly CountingProject[], others: readonly CountingProject[]): CountingProject[] {
  return projects.filter(({ id }) => others.every((other) => other.id !== id))
}

async function sumOf(tx: Transactor, repositoryIds: readonly number[]): Promise<Usage> {
  const ids = numberList(tx, repositoryIds)
  const columns = sql`bytes, manifest_bytes, logical_bytes, blobs, manifests, tags, repositories`
  const { rows } = await sql<CounterColumns>`
    select sum(bytes) as bytes, sum(manifest_bytes) as manifest_bytes, sum(logical_bytes) as logical_bytes, sum(blobs) as blobs,
        sum(manifests) as manifests, sum(tags) as tags, sum(repositories) as repositories from (
      select ${columns} from usage_totals where scope = 'repository' and scope_id in ${ids}
      union all select ${columns} from usage_changes where scope = 'repository' and scope_id in ${ids}) as counted`.execute(tx)
  return rows[0] === undefined ? noUsage : usageOf(rows[0])
}

async function countedBlobsOf(tx: Transactor, repositoryIds: readonly number[]): Promise<CountedBlob[]> {
  const { rows } = await sql<CountedBlob>`
    select distinct b.id as "blobId", b.size_bytes as "sizeBytes" from repository_blobs rb join blobs b on b.id = rb.blob_id
      where rb.repository_id in ${numberList(tx, repositoryIds)} and rb.is_counted = 1`.execute(tx)
  return rows
}

function sizesOf(blobs: readonly CountedBlob[]): Usage {
  return { ...noUsage, bytes: blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0), blobs: blobs.length }
}
