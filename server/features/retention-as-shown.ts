/**
 * A run that removes no more than a dry run showed.
 *
 * Between what somebody looked at and what they then order, tags grow old and others are pushed: the same policy removes more by then. Who names the dry run gets what they saw
 * and nothing else: a tag that it did not show as going, or that was moved since, stays.
 */
import type { Reader, Transactor } from '#metadata/metadata.ts'
import type { RetentionPolicyRecord } from '#metadata/retention-policies.ts'
import { findRun, removalsOf, runsBeyond, type RetentionRunRecord } from '#metadata/retention-runs.ts'
import type { RepositoryInReach } from '#metadata/retention-tags.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Verdict } from './retention-judge.ts'
import type { Pause } from './retention.ts'

const pageSize = 500

/** Throws CONFLICT when it is no dry run of the policy as it is, that ended, and whose decisions are kept, as those of so many of the latest runs are. */
export async function requireShownBy(
  tx: Transactor,
  policy: RetentionPolicyRecord,
  { runId, runsWithDecisions }: { readonly runId: number; readonly runsWithDecisions: number },
): Promise<void> {
  const [oldest = 0] = await runsBeyond(tx, policy.id, { skip: runsWithDecisions - 1, limit: 1 })
  const why = whyNotShown(policy, await findRun(tx, runId), { runId, oldest })
  if (why === undefined) return
  throw new RegistryError('CONFLICT', { run: runId }, { message: `${why}: run it dry again, and look at what it would remove` })
}

function whyNotShown(
  policy: RetentionPolicyRecord,
  run: RetentionRunRecord | undefined,
  { runId, oldest }: { readonly runId: number; readonly oldest: number },
): string | undefined {
  if (run?.policyId !== policy.id || !run.isDry) return `the policy has no dry run ${runId}`
  if (run.state !== 'done') return `run ${runId} has not done its work: it is ${run.state}`
  if (run.revision !== policy.revision) return `the policy, or what kept tags from it, was changed since run ${runId}`
  return runId < oldest ? `what run ${runId} showed is forgotten by now` : undefined
}

/** The verdicts, without removals that the run did not show of the same tag as it was then; all of them where no run is named. */
export async function asShown(
  reader: Reader,
  verdicts: readonly Verdict[],
  { shownBy, repository, pause }: { readonly shownBy: number | undefined; readonly repository: RepositoryInReach; readonly pause: Pause },
): Promise<readonly Verdict[]> {
  if (shownBy === undefined || !verdicts.some(({ action }) => action === 'remove')) return verdicts
  const shown = new Map<string, { readonly tagId: number; readonly digest: string; readonly pushedAt: number }>()
  for (let afterId = 0; ;) {
    const page = await removalsOf(reader, { runId: shownBy, repository: repository.name, afterId, limit: pageSize })
    for (const { tag, tagId, digest, pushedAt } of page) shown.set(tag, { tagId, digest, pushedAt })
    const last = page.at(-1)
    if (last === undefined || page.length < pageSize) break
    afterId = last.id
    if (pause.isDue()) await pause.take()
  }
  const isShown = ({ tag }: Verdict) => {
    const then = shown.get(tag.name)
    return then !== undefined && then.tagId === tag.id && then.digest === tag.digest && then.pushedAt === tag.pushedAt
  }
  const reason = `run ${shownBy} did not show that it goes`
  return verdicts.map((verdict) =>
    verdict.action === 'keep' || isShown(verdict) ? verdict : { ...verdict, action: 'keep', rule: '', reason },
  )
}
