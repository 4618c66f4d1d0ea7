/**
 * Whether projects stay within their limits, asked inside the transaction that made them grow, after what it added: what it throws undoes that.
 *
 * NOTE: SQLite runs one transaction after the other, so none misses what another added. A database whose transactions overlap asks under a lock of the
 * project once what is left is less than what can be under way.
 */
import { quotaExceeded } from '#oci/quota-exceeded.ts'
import type { Reader, Transactor } from './metadata.ts'
import { usageIn, type UsageDelta } from './usage-counters.ts'
import { uploadingBytesIn } from './uploads.ts'
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
export async function requireWithinQuota(tx: Reader | Transactor, grown: readonly GrownProject[]): Promise<void> {
  for (const { project, delta } of grown) {
    const { id, name, quota } = project
    if (quota === undefined) continue
    const limited = units.filter((unit) => quota[limitOf[unit]] !== undefined && (delta[unit] ?? 0) > 0)
    if (limited.length === 0) continue
    const usage = await usageIn(tx, { scope: 'project', id })
    for (const unit of limited) {
      const limit = quota[limitOf[unit]] ?? Number.MAX_SAFE_INTEGER
      const more = delta[unit] ?? 0
      if (usage[unit] > limit) throw quotaExceeded({ project: name, unit, limit, used: usage[unit] - more, more })
    }
  }
}

/** Throws DENIED when uploads under way have stored more, with what is used, than a project of this one's may hold. */
export async function requireUploadsWithinQuota(
  tx: Transactor,
  upload: { readonly repositoryId: number; readonly sizeBytes: number },
): Promise<void> {
  for (const project of (await placeOfRepository(tx, upload.repositoryId)).projects) {
    const limit = project.quota?.bytesMax
    if (limit === undefined) continue
    const { bytes: used } = await usageIn(tx, { scope: 'project', id: project.id })
    const stored = await uploadingBytesIn(tx, project)
    const facts = { project: project.name, limit, used, uploading: stored - upload.sizeBytes, more: upload.sizeBytes }
    if (used + stored > limit) throw quotaExceeded({ ...facts, unit: 'bytes' })
  }
}
