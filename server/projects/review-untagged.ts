/** Has a job look for what is untagged in a project: after it said that such manifests go, and when a repository came to it that had others keep them. */
import { insertJob } from '#metadata/jobs.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { reviewUntaggedKind } from '#metadata/project-untagged.ts'
import { findProjectById } from '#metadata/projects.ts'

const attemptsMax = 5

/** In the transaction that makes it necessary. What is untagged already counts from `now`. Nothing happens where the project keeps such manifests. */
export async function reviewUntagged(tx: Transactor, projectId: number, now: number): Promise<void> {
  const project = await findProjectById(tx, projectId)
  if (project === undefined || project.untaggedAfterDays === null) return
  const payload = JSON.stringify({ projectId, since: now })
  const job = { kind: reviewUntaggedKind, payload, uniqueKey: null, priority: 0, attemptsMax, runAfter: now, projectId, createdBy: '', now }
  await insertJob(tx, job)
}
