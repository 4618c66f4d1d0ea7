/** Whether a policy, or a rule, is about any repository that there is: who mistypes a glob waits in vain for something to go, or to be kept. */
import type { RetentionPolicyRecord } from '#metadata/retention-policies.ts'
import { repositoriesInReach } from '#metadata/retention-tags.ts'
import { createPauses, reachOf, type RetentionParts } from './retention.ts'

type Fitting = Pick<RetentionPolicyRecord, 'projectId' | 'project' | 'isDefaultProject' | 'repositories'>

const pageSize = 500
/** Repositories that somebody who waits for an answer has looked at; a dry run looks at all. */
const lookedAtMax = 20_000

/** A sentence for what is about no repository; undefined: there is one, or there are too many to tell in a moment. */
export async function misfitOf(parts: RetentionParts, policy: Fitting, signal?: AbortSignal): Promise<string | undefined> {
  const reaches = reachOf(policy.repositories)
  const project = { id: policy.projectId, name: policy.project, isDefault: policy.isDefaultProject }
  const pause = createPauses(parts, signal ?? new AbortController().signal)
  const max = signal === undefined ? lookedAtMax : Infinity
  let after = ''
  for (let seen = 0; seen < max; seen += pageSize) {
    const page = await repositoriesInReach(parts.metadata.reader, project, { after, limit: pageSize })
    if (page.some(({ name }) => reaches(name))) return undefined
    const last = page.at(-1)
    if (last === undefined || page.length < pageSize) return `no repository fits ${policy.repositories}`
    after = last.name
    if (pause.isDue()) await pause.take()
  }
  return undefined
}
