/** Carries out decisions of a run that remove: each tag only if it still is what was judged, the policy still says so, and nothing else keeps it by now. */
import { advanceJob } from '#jobs/advance-job.ts'
import type { JobClaim, JobProgress } from '#jobs/jobs.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { findPolicy } from '#metadata/retention-policies.ts'
import { countInRun, isToCarryOut, settleDecision, type RetentionDecisionRecord } from '#metadata/retention-runs.ts'
import { hasOtherTag, tagNow } from '#metadata/retention-tags.ts'
import { repositoryIdIn } from '#metadata/repositories.ts'
import { transaction } from '#metadata/transaction.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { tagGuardOf } from '#projects/immutable-tags.ts'
import { removeByTag } from '#registry/delete-manifest.ts'
import type { Actor } from '#registry/registry.ts'

/** Decisions in one transaction: few, for pushes wait for it. */
export const removalsMax = 25

/** What is to be removed, on whose account. All decisions are of one repository. */
export interface Removals {
  readonly job: JobClaim
  readonly progress: JobProgress
  readonly runId: number
  readonly policyId: number
  readonly revision: number
  readonly repository: RepositoryName
  readonly decisions: readonly RetentionDecisionRecord[]
  readonly mayEmpty: boolean
  /** The rules look at pulls: what was pulled after that instant stays. */
  readonly unlessPulledAfter: number | undefined
  readonly actor: Actor
  readonly now: number
  readonly safeUntil: number
  readonly trashUntil: number | undefined
}

/** `changed`: the policy does not say so any more; nothing was done. */
export type Removed = { readonly removed: number; readonly kept: number; readonly failed: number } | 'changed'

/** The fence of the job is checked first: a process that lost the run removes nothing. */
export const carryOut = transaction(import.meta.url, 'retention-remove/carry-out', async (tx, input: Removals): Promise<Removed> => {
  const { runId, decisions } = input
  await advanceJob(tx, input.job, { phase: 'remove' }, input.progress)
  const policy = await findPolicy(tx, input.policyId)
  if (policy === undefined || !policy.isEnabled || policy.revision !== input.revision) return 'changed'
  const counts = { kept: 0, removed: 0, failed: 0 }
  for (const [index, decision] of decisions.entries()) {
    // A process that was killed after its commit, or another one, may have been here.
    if (!(await isToCarryOut(tx, decision.id))) continue
    const why = await whyNot(tx, input, decisions.slice(index))
    if (why !== undefined) {
      await settleDecision(tx, decision.id, { action: 'keep', reason: why })
      counts.kept++
      continue
    }
    await removeByTag.run(tx, { ...deletionOf(input), name: decision.tag as Tag, expectedDigest: decision.digest })
    await settleDecision(tx, decision.id, { action: 'removed' })
    counts.removed++
  }
  await countInRun(tx, runId, counts)
  return counts
})

function deletionOf({ repository, actor, now, safeUntil, trashUntil }: Removals) {
  return { repository, actor, reason: 'retention' as const, now, safeUntil, trashUntil }
}

/** Why the first of these stays after all; undefined: it goes. */
async function whyNot(tx: Transactor, removals: Removals, decisions: readonly RetentionDecisionRecord[]): Promise<string | undefined> {
  const { repository, unlessPulledAfter, mayEmpty } = removals
  const [decision] = decisions
  if (decision === undefined) return undefined
  const tag = await tagNow(tx, decision.tagId)
  const repositoryId = await repositoryIdIn(tx, repository)
  if (tag === undefined || repositoryId !== tag.repositoryId) return 'was not there any more when its turn came'
  if (tag.digest !== decision.digest || tag.pushedAt !== decision.pushedAt) return 'was pushed while the policy ran'
  if (unlessPulledAfter !== undefined && (tag.pulledAt ?? 0) > unlessPulledAfter) return 'was pulled while the policy ran'
  // It may have become immutable since it was judged.
  const guard = await tagGuardOf(tx, { name: repository })
  if (guard.ruleOf(decision.tag, 'delete') !== undefined) return 'immutable by now'
  const isLast = !mayEmpty && !(await hasOtherTag(tx, repositoryId, [decision.tagId]))
  return isLast ? 'the last tag of the repository by now, which this policy may not empty' : undefined
}

/** Notes that a decision could not be carried out. */
export const noteFailure = transaction(
  import.meta.url,
  'retention-remove/note-failure',
  async (tx, input: Pick<Removals, 'job' | 'runId'> & { readonly decisionId: number; readonly reason: string }) => {
    await advanceJob(tx, input.job, { phase: 'remove' })
    if (!(await isToCarryOut(tx, input.decisionId))) return
    await settleDecision(tx, input.decisionId, { action: 'failed', reason: input.reason })
    await countInRun(tx, input.runId, { kept: 0, removed: 0, failed: 1 })
  },
)
