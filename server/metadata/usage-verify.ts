/**
 * Counts everything again from links, manifests and tags, and compares it with what is kept. Reads all of it: for tests, for `berth usage verify`, and for
 * an operator who wonders. Its transaction sees one state of everything; on SQLite other writes wait for it.
 */
import { sql } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'
import { firstRepositoryName } from './repositories.ts'
import { transaction } from './transaction.ts'
import { isWithin } from './usage-blobs.ts'
import { addChange, addUsage, counters, noUsage, systemScope, usageIn, type Usage, type UsageScope } from './usage-counters.ts'

/** A number that is kept and is not what there is. */
export interface UsageFault extends UsageScope {
  /** A counter; `links`: blobs of manifests that do not count; `projectBlobs`: blobs that count in a project and should not, or the other way. */
  readonly counter: keyof Usage | 'links' | 'projectBlobs'
  readonly counted: number
  readonly actual: number
}

/** What {@link verifyUsage} found, and how much it looked at. */
export interface UsageVerification {
  readonly faults: readonly UsageFault[]
  readonly repositories: number
  readonly projects: number
  /** Projects that wait for a recount: their bytes may be too many until then. */
  readonly pending: readonly number[]
}

/** Compares in one transaction; `repair` sets right what is wrong, and the faults say what it was. */
export const verifyUsageNow = transaction(
  import.meta.url,
  'usage-verify/verify',
  async (tx, { repair }: { readonly repair: boolean }): Promise<UsageVerification> => verifyUsage(tx, repair ? tx : undefined),
)

/** Compares in one transaction that nobody waits for where writes may go on beside it. */
export const lookAtUsage = transaction(
  import.meta.url,
  'usage-verify/look',
  async (tx): Promise<UsageVerification> => verifyUsage(tx),
  'snapshot',
)

/** {@link verifyUsageNow} on a reader, where nothing writes, or in a transaction; `repairIn`: sets right what is wrong. */
export async function verifyUsage(reader: Reader | Transactor, repairIn?: Transactor): Promise<UsageVerification> {
  const faults: UsageFault[] = [...(await wrongLinks(reader, repairIn))]
  const repositories = await countRepositories(reader)
  for (const [id, { usage }] of repositories) faults.push(...(await compare(reader, { scope: 'repository', id }, { usage, repairIn })))
  // Those in the trash keep their own numbers, and come back with them.
  const projects = await reader.selectFrom('projects').select(['id', 'name']).where('name', '>=', firstRepositoryName).execute()
  const recounts = await reader.selectFrom('usage_recounts').select('project_id').execute()
  const pending = new Set(recounts.map((row) => row.project_id))
  for (const project of projects) {
    const isPending = pending.has(project.id)
    if (!isPending) faults.push(...(await wrongProjectBlobs(reader, project, repairIn)))
    const usage = await usageOfProject(reader, project, repositories)
    const found = await compare(reader, { scope: 'project', id: project.id }, { usage, repairIn: isPending ? undefined : repairIn })
    // Until a recount is done the larger number holds.
    faults.push(...found.filter((fault) => !isPending || !isOfBlobs(fault) || fault.counted < fault.actual))
  }
  const usage = await usageOfAll(reader, repositories)
  faults.push(...(await compare(reader, systemScope, { usage, repairIn })))
  return { faults, repositories: repositories.size, projects: projects.length, pending: [...pending] }
}

function isOfBlobs({ counter }: UsageFault): boolean {
  return counter === 'bytes' || counter === 'blobs'
}

async function compare(
  reader: Reader | Transactor,
  scope: UsageScope,
  { usage, repairIn }: { readonly usage: Usage; readonly repairIn: Transactor | undefined },
): Promise<UsageFault[]> {
  const counted = await usageIn(reader, scope)
  const wrong = counters.map(([counter]) => counter).filter((counter) => counted[counter] !== usage[counter])
  if (repairIn !== undefined && wrong.length > 0)
    await addChange(repairIn, scope, Object.fromEntries(wrong.map((counter) => [counter, usage[counter] - counted[counter]])))
  return wrong.map((counter) => ({ ...scope, counter, counted: counted[counter], actual: usage[counter] }))
}

interface CountedRepository {
  readonly projectId: number
  readonly isLive: boolean
  readonly usage: Usage
}

/** Live ones and those in the trash as a whole; not those that hold the trash of another, or that are going. */
async function countRepositories(reader: Reader | Transactor): Promise<Map<number, CountedRepository>> {
  const { rows } = await sql<Record<string, number | string | null> & { id: number; project_id: number; name: string }>`
    select r.id, r.project_id, r.name, l.bytes, l.blobs, m.bytes as manifest_bytes, m.manifests, n.bytes as needed_bytes, t.tags
      from repositories r
        left join (select rb.repository_id, sum(b.size_bytes) as bytes, count(*) as blobs from repository_blobs rb join blobs b on b.id = rb.blob_id
          where rb.is_counted = 1 group by rb.repository_id) as l on l.repository_id = r.id
        left join (select repository_id, sum(size_bytes) as bytes, count(*) as manifests from manifests group by repository_id) as m
          on m.repository_id = r.id
        left join (select m.repository_id, sum(b.size_bytes) as bytes from manifest_blobs mb join manifests m on m.id = mb.manifest_id
          join blobs b on b.id = mb.blob_id group by m.repository_id) as n on n.repository_id = r.id
        left join (select repository_id, count(*) as tags from tags group by repository_id) as t on t.repository_id = r.id
      where r.name >= ${firstRepositoryName} or r.name >= '$' and r.name < '%'`.execute(reader)
  return new Map(
    rows.map((row) => {
      const manifestBytes = Number(row['manifest_bytes'] ?? 0)
      const usage: Usage = {
        bytes: Number(row['bytes'] ?? 0) + manifestBytes,
        manifestBytes,
        logicalBytes: Number(row['needed_bytes'] ?? 0) + manifestBytes,
        blobs: Number(row['blobs'] ?? 0),
        manifests: Number(row['manifests'] ?? 0),
        tags: Number(row['tags'] ?? 0),
        repositories: 1,
      }
      return [row.id, { projectId: row.project_id, isLive: row.name >= firstRepositoryName, usage }]
    }),
  )
}

function withoutBlobs(usage: Usage): Usage {
  return { ...usage, bytes: usage.manifestBytes, blobs: 0 }
}

function plainSum(repositories: Iterable<CountedRepository>): Usage {
  let sum = noUsage
  for (const { usage, isLive } of repositories) if (isLive) sum = addUsage(sum, withoutBlobs(usage))
  return sum
}

async function usageOfProject(
  reader: Reader | Transactor,
  project: { readonly id: number; readonly name: string },
  repositories: ReadonlyMap<number, CountedRepository>,
): Promise<Usage> {
  const within = await sql<{ id: number }>`select own.id from projects own where ${isWithin(project)}`.execute(reader)
  const ids = new Set(within.rows.map(({ id }) => id))
  const plain = plainSum([...repositories.values()].filter(({ projectId }) => ids.has(projectId)))
  const { rows } = await sql<{ bytes: number | null; blobs: number }>`
    select sum(size_bytes) as bytes, count(*) as blobs from blobs where id in (${linkedWithin(project)})`.execute(reader)
  return addUsage(plain, { bytes: Number(rows[0]?.bytes ?? 0), blobs: Number(rows[0]?.blobs ?? 0) })
}

function linkedWithin(project: { readonly id: number; readonly name: string }) {
  return sql`select rb.blob_id from projects own join repositories r on r.project_id = own.id join repository_blobs rb on rb.repository_id = r.id
    where ${isWithin(project)} and r.name >= ${firstRepositoryName} and rb.is_counted = 1`
}

async function usageOfAll(reader: Reader | Transactor, repositories: ReadonlyMap<number, CountedRepository>): Promise<Usage> {
  const { rows } = await sql<{
    bytes: number | null
    blobs: number
  }>`select sum(size_bytes) as bytes, count(*) as blobs from blobs`.execute(reader)
  return addUsage(plainSum(repositories.values()), { bytes: Number(rows[0]?.bytes ?? 0), blobs: Number(rows[0]?.blobs ?? 0) })
}

/** Links that a manifest of their repository needs and that do not count. */
async function wrongLinks(reader: Reader | Transactor, repairIn: Transactor | undefined): Promise<UsageFault[]> {
  const needed = sql`select 1 from manifest_blobs mb join manifests m on m.id = mb.manifest_id
    where mb.blob_id = repository_blobs.blob_id and m.repository_id = repository_blobs.repository_id`
  const { rows } = await sql<{ id: number; links: number }>`
    select repository_id as id, count(*) as links from repository_blobs join repositories r on r.id = repository_blobs.repository_id
      where is_counted = 0 and r.trash_of is null and r.name >= '$' and exists (${needed}) group by repository_id`.execute(reader)
  if (repairIn !== undefined && rows.length > 0) {
    await sql`update repository_blobs set is_counted = 1 where is_counted = 0 and exists (${needed}) and repository_id in (
      select id from repositories where trash_of is null and name >= '$')`.execute(repairIn)
  }
  return rows.map(({ id, links }) => ({ scope: 'repository', id, counter: 'links', counted: 0, actual: Number(links) }))
}

async function wrongProjectBlobs(
  reader: Reader | Transactor,
  project: { readonly id: number; readonly name: string },
  repairIn: Transactor | undefined,
): Promise<UsageFault[]> {
  const { rows } = await sql<{ excess: number; missing: number }>`select
    (select count(*) from project_blobs where project_id = ${project.id} and blob_id not in (${linkedWithin(project)})) as excess,
    (select count(*) from blobs where id in (${linkedWithin(project)})
      and not exists (select 1 from project_blobs pb where pb.blob_id = blobs.id and pb.project_id = ${project.id})) as missing`.execute(
    reader,
  )
  const [excess, missing] = [Number(rows[0]?.excess ?? 0), Number(rows[0]?.missing ?? 0)]
  if (excess === 0 && missing === 0) return []
  if (repairIn !== undefined) {
    await sql`delete from project_blobs where project_id = ${project.id} and blob_id not in (${linkedWithin(project)})`.execute(repairIn)
    await sql`insert into project_blobs (project_id, blob_id) select ${project.id}, id from blobs where id in (${linkedWithin(project)})
      on conflict (blob_id, project_id) do nothing`.execute(repairIn)
  }
  return [{ scope: 'project', id: project.id, counter: 'projectBlobs', counted: excess, actual: missing }]
}
