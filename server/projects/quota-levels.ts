/** Says, once each time that it comes to that, that a project uses so much of a limit that its people should know. */
import { recordEvent } from '#events/record.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { findQuota, setWarned, type Quota } from '#metadata/quotas.ts'
import { usageIn, type Usage } from '#metadata/usage-counters.ts'
import type { QuotaUnit } from '#oci/quota-exceeded.ts'

const units = ['bytes', 'repositories', 'tags'] as const

/** A limit and what is used of it. */
export interface QuotaLevel {
  readonly unit: QuotaUnit
  readonly limit: number
  readonly used: number
}

/** The limits that there are, with what is used of each. */
export function levelsOf(quota: Pick<Quota, 'bytesMax' | 'repositoriesMax' | 'tagsMax'>, usage: Usage): QuotaLevel[] {
  const all = [
    { unit: 'bytes', limit: quota.bytesMax },
    { unit: 'repositories', limit: quota.repositoriesMax },
    { unit: 'tags', limit: quota.tagsMax },
  ] as const
  return all.flatMap(({ unit, limit }) => (limit === null ? [] : [{ unit, limit, used: usage[unit] }]))
}

/** Whether people are to be warned. A limit of 0 is reached by what is there alone. */
export function isNear({ limit, used }: QuotaLevel, warnPercent: number): boolean {
  return used > 0 && used * 100 >= limit * warnPercent
}

/** Records `quota.warned` for each limit that a project came near to since it was last looked at; for one that it is below again, the next time counts anew. */
export async function noteLevels(tx: Transactor, projectIds: readonly number[], now: number): Promise<void> {
  for (const projectId of projectIds) {
    const quota = await findQuota(tx, projectId)
    if (quota === undefined) continue
    const { warnPercent, warnedAt: before } = quota
    const near = levelsOf(quota, await usageIn(tx, { scope: 'project', id: projectId })).filter((level) => isNear(level, warnPercent))
    const at = (unit: QuotaUnit) => (near.some((level) => level.unit === unit) ? (before[unit] ?? now) : undefined)
    const after = { bytes: at('bytes'), repositories: at('repositories'), tags: at('tags') }
    if (units.some((unit) => before[unit] !== after[unit])) await setWarned(tx, projectId, after)
    for (const level of near) if (before[level.unit] === undefined) await recordWarning(tx, { projectId, warnPercent, level, now })
  }
}

async function recordWarning(
  tx: Transactor,
  warning: { readonly projectId: number; readonly warnPercent: number; readonly level: QuotaLevel; readonly now: number },
): Promise<void> {
  const { name } = await tx.selectFrom('projects').select('name').where('id', '=', warning.projectId).executeTakeFirstOrThrow()
  const detail = { ...warning.level, warnPercent: warning.warnPercent }
  await recordEvent(tx, {
    action: 'quota.warned',
    target: `project:${name}`,
    project: name,
    detail,
    at: warning.now,
    actor: 'system',
    requestId: '',
  })
}
