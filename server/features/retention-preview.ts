/** What rules would do with one repository, without a policy and without a trace: for those who write rules. */
import { findInReach } from '#metadata/retention-tags.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseRepositoryName } from '#oci/reference.ts'
import { resourceUnknown } from '#oci/resource-unknown.ts'
import type { Verdict } from './retention-judge.ts'
import { requireUsableRules } from './retention-policies.ts'
import { compileRules, type RetentionRule } from './retention-rules.ts'
import { createNeighbours, createPauses, judgeRepository, type RetentionParts } from './retention.ts'

/** A larger repository is judged by a dry run, which is a job. */
const tagsMax = 20_000
/** How long a preview may take: rules may be slow. */
const timeMaxMs = 10_000

/** What is to be tried. */
export interface Preview {
  readonly project: { readonly id: number; readonly name: string; readonly isDefault: boolean }
  readonly repository: string
  readonly rules: readonly RetentionRule[]
  readonly unmatched: 'keep' | 'remove'
  readonly mayEmpty: boolean
  /** Whose place it takes: what that policy keeps does not count. */
  readonly policyId: number
  /** Decisions that are given. */
  readonly limit: number
}

/** What would become of the repository. `verdicts`: those that remove first, each part by name. */
export interface Previewed {
  readonly kept: number
  readonly removed: number
  readonly verdicts: readonly Verdict[]
}

/** Throws REQUEST_INVALID for rules that cannot be used, RESOURCE_UNKNOWN for a repository elsewhere, CONFLICT for one that is too large. */
export async function previewRetention(parts: RetentionParts, preview: Preview): Promise<Previewed> {
  const { project, rules, unmatched, mayEmpty, policyId } = preview
  requireUsableRules(rules)
  const name = parseRepositoryName(preview.repository)
  const { reader } = parts.metadata
  const repository = name && (await findInReach(reader, project, name))
  if (repository === undefined) throw resourceUnknown('repository', preview.repository)
  const compiled = compileRules(rules)
  if ('error' in compiled) throw new Error('rules are neither usable nor refused')
  const timeout = new AbortController()
  using _timer = parts.ports.timers.after(timeMaxMs, () => timeout.abort(tooLarge('these rules take too long')))
  const policy = { id: policyId, project, rules: compiled, unmatched, mayEmpty, reaches: () => true }
  const pause = createPauses(parts, timeout.signal)
  const now = parts.ports.clock.now()
  const verdicts = await judgeRepository(parts, { policy, repository, neighbours: createNeighbours(reader), now, pause, tagsMax })
  if (verdicts === undefined) throw tooLarge(`the repository has more than ${tagsMax} tags`)
  const removed = verdicts.filter(({ action }) => action === 'remove')
  const kept = verdicts.filter(({ action }) => action === 'keep')
  return { kept: kept.length, removed: removed.length, verdicts: [...removed, ...kept].slice(0, preview.limit) }
}

function tooLarge(why: string): RegistryError {
  return new RegistryError('CONFLICT', undefined, { message: `${why}: make a policy, and run it dry` })
}
