/** Starts the policies whose time has come. A policy whose effect nobody has seen runs dry; the run after that acts. */
import type { JobKind } from '#jobs/jobs.ts'
import { nextTime } from '#jobs/next-time.ts'
import { duePolicies, findPolicy, setNextAt } from '#metadata/retention-policies.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Registry } from '#registry/registry.ts'
import { pruneDeletedPolicies } from './retention-prune.ts'
import { insertRunWithJob } from './retention-runs.ts'

/** Policies that are looked at in one turn. */
const dueMax = 1_000

interface Due {
  readonly policyId: number
  /** The time that it is for: of two who look at once one starts it. */
  readonly expectedAt: number
  readonly now: number
  /** Nothing may be deleted here. */
  readonly mustBeDry: boolean
}

const startDue = transaction(import.meta.url, 'retention-schedule/start', async (tx, input: Due): Promise<boolean> => {
  const { policyId, expectedAt, now, mustBeDry } = input
  const policy = await findPolicy(tx, policyId)
  if (policy === undefined || policy.nextAt !== expectedAt) return false
  // A time that was missed runs once: the next one is counted from now.
  await setNextAt(tx, policyId, nextTime({ cron: policy.schedule, timeZone: policy.timeZone }, now) ?? null)
  const isDry = mustBeDry || policy.revision !== policy.shownRevision
  const started = await insertRunWithJob(tx, { policy, isDry, now, who: undefined })
  return typeof started === 'number'
})

/** Looks each minute which policies are due, and ends those that were deleted. */
export function retentionScheduleJob(registry: Registry): JobKind<null, { readonly started: number; readonly deleted: number }> {
  return {
    name: 'retention-schedule',
    title: 'Start the retention policies whose time has come',
    schedule: 'every 1m',
    run: async ({ signal }) => {
      const deleted = await pruneDeletedPolicies(registry.metadata, signal)
      return { started: await startDuePolicies(registry, signal), deleted }
    },
  }
}

/** How many runs it started. */
export async function startDuePolicies({ metadata, options, context }: Registry, signal: AbortSignal): Promise<number> {
  const now = context.ports.clock.now()
  const mustBeDry = options.readOnly || !options.deleteEnabled
  let started = 0
  for (const { id: policyId, nextAt } of await duePolicies(metadata.reader, now, dueMax)) {
    signal.throwIfAborted()
    if (nextAt !== null && (await metadata.write(startDue, { policyId, expectedAt: nextAt, now, mustBeDry }))) started++
  }
  return started
}
