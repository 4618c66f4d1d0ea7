/**
 * Whether projects stay within their limits, asked inside the transaction that made them grow, after what it added: what it throws undoes that.
 * It is asked under a lock of the project (push-locks.ts), so that none misses what another adds at the same time.
 */
import { sql } from 'kysely'
import { quotaExceeded } from '#oci/quota-exceeded.ts'
import type { Transactor } from './metadata.ts'
import { lockQuota } from './push-locks.ts'
import { usageIn, type UsageDelta } from './usage-counters.ts'
import { isHasty, later } from './together.ts'
import { uploadingBytesIn, uploadsWithin } from './uploads.ts'
import { placeOfRepository, type CountingProject } from './usage-place.ts'

/** The limit of each unit. */
const limitOf = { bytes: 'bytesMax', repositories: 'repositoriesMax', tags: 'tagsMax' } as const
const units = ['bytes', 'repositories', 'tags'] as const

/** A project and what it grew by. */
export interface GrownProject {
  readonly project: CountingProject
  readonly delta: UsageDelta
}

/** Throws DENIED when one of the projects grew above a limit. Reads nothing where there is no limit, or nothing grew. */
export async function requireWithinQuota(tx: Transactor, grown: readonly GrownProject[]): Promise<void> {
  for (const { project, delta } of grown) {
    const { id, name, quota } = project
    if (quota === undefined) continue
    const limited = units.filter((unit) => quota[limitOf[unit]] !== undefined && (delta[unit] ?? 0) > 0)
    if (limited.length === 0) continue
    if (isHasty(tx)) {
      await failAbove(tx, id, Object.fromEntries(limited.map((unit) => [unit, quota[limitOf[unit]]])))
      continue
    }
    await lockQuota(tx, id)
    const usage = await usageIn(tx, { scope: 'project', id })
    for (const unit of limited) {
      const limit = quota[limitOf[unit]] ?? Number.MAX_SAFE_INTEGER
      const more = delta[unit] ?? 0
      if (usage[unit] > limit) throw quotaExceeded({ project: name, unit, limit, used: usage[unit] - more, more })
    }
  }
}

const usedIn = (
  projectId: number,
) => sql`(select bytes, repositories, tags from usage_totals where scope = 'project' and scope_id = ${projectId}
  union all select bytes, repositories, tags from usage_changes where scope = 'project' and scope_id = ${projectId}) as counted`

/** PostgreSQL's: a statement that fails where the sum is no number, which it is where there is more than fits. Nobody waits for it but the commit. */
async function failAbove(
  tx: Transactor,
  projectId: number,
  limits: Partial<Record<(typeof units)[number], number | undefined>>,
): Promise<void> {
  const { bytes = null, repositories = null, tags = null } = limits
  await later(tx, lockQuota(tx, projectId))
  await later(
    tx,
    sql`select cast(concat('over ', sum(bytes)) as bigint) from ${usedIn(projectId)}
      having sum(bytes) > cast(${bytes} as bigint) or sum(repositories) > cast(${repositories} as bigint) or sum(tags) > cast(${tags} as bigint)`.execute(
      tx,
    ),
  )
}

async function failAboveWithUploads(tx: Transactor, project: CountingProject, bytesMax: number): Promise<void> {
  await later(tx, lockQuota(tx, project.id))
  await later(
    tx,
    sql`select cast(concat('over ', bytes) as bigint) from (
        select coalesce((select sum(bytes) from ${usedIn(project.id)}), 0) + (${uploadsWithin(project)}) as bytes) as held
      where bytes > ${bytesMax}`.execute(tx),
  )
}

/** Throws DENIED when uploads under way have stored more, with what is used, than a project of this one's may hold. */
export async function requireUploadsWithinQuota(
  tx: Transactor,
  upload: { readonly repositoryId: number; readonly sizeBytes: number },
): Promise<void> {
  for (const project of (await placeOfRepository(tx, upload.repositoryId)).projects) {
    const limit = project.quota?.bytesMax
    if (limit === undefined) continue
    if (isHasty(tx)) {
      await failAboveWithUploads(tx, project, limit)
      continue
    }
    await lockQuota(tx, project.id)
    const { bytes: used } = await usageIn(tx, { scope: 'project', id: project.id })
    const stored = await uploadingBytesIn(tx, project)
    const facts = { project: project.name, limit, used, uploading: stored - upload.sizeBytes, more: upload.sizeBytes }
    if (used + stored > limit) throw quotaExceeded({ ...facts, unit: 'bytes' })
  }
}
