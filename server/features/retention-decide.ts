/**
 * The first part of a run: all repositories are judged, and the decisions written, some hundred a transaction with the cursor. A process that dies in the
 * middle of a repository begins that one anew.
 */
import { advanceJob } from '#jobs/advance-job.ts'
import type { JobClaim, JobProgress, JobRun } from '#jobs/jobs.ts'
import { deleteDecisions, insertDecisions, type NewDecision } from '#metadata/retention-runs.ts'
import { repositoriesInReach, type RepositoryInReach } from '#metadata/retention-tags.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Registry } from '#registry/registry.ts'
import { asShown } from './retention-as-shown.ts'
import type { Verdict } from './retention-judge.ts'
import { createNeighbours, createPauses, judgeRepository, type UsablePolicy } from './retention.ts'

/** All repositories up to that name are judged; so many tags stay, and so many are to go. */
export interface DecideCursor {
  readonly phase: 'judge'
  readonly after: string
  readonly kept: number
  readonly toRemove: number
}

/** How much at once. */
export interface RetentionPages {
  /** Repositories that are read. */
  readonly repositories: number
  /** Decisions that are written. */
  readonly decisions: number
}

/** A transaction of so many decisions takes some 5 ms. */
export const usualPages: RetentionPages = { repositories: 500, decisions: 500 }

interface Batch {
  readonly job: JobClaim
  readonly runId: number
  readonly decisions: readonly NewDecision[]
  readonly cursor: DecideCursor
  readonly progress: JobProgress
}

const writeDecisions = transaction(import.meta.url, 'retention-decide/write', async (tx, input: Batch) => {
  await advanceJob(tx, input.job, input.cursor, input.progress)
  await insertDecisions(tx, input.runId, input.decisions)
})

const forgetDecisions = transaction(
  import.meta.url,
  'retention-decide/forget',
  async (tx, input: { readonly job: JobClaim; readonly cursor: DecideCursor; readonly runId: number }) => {
    await advanceJob(tx, input.job, input.cursor)
    return await deleteDecisions(tx, { runId: input.runId, after: input.cursor.after, limit: 2_000 })
  },
)

/** What is to be decided. */
export interface Deciding {
  readonly policy: UsablePolicy
  readonly runId: number
  /** The dry run beyond which nothing goes. */
  readonly shownBy: number | undefined
  /** The instant for which all is judged, whenever that is. */
  readonly now: number
  readonly cursor: DecideCursor
  readonly pages: RetentionPages
}

/** Gives how many tags stay, and how many are to go. */
export async function decideAll(
  registry: Registry,
  run: JobRun,
  { policy, runId, shownBy, now, cursor, pages }: Deciding,
): Promise<Pick<DecideCursor, 'kept' | 'toRemove'>> {
  const { metadata, context } = registry
  const { job, signal } = run
  const parts = { metadata, ports: context.ports }
  const neighbours = createNeighbours(metadata.reader)
  const pause = createPauses(parts, signal)
  while ((await metadata.write(forgetDecisions, { job, cursor, runId })) > 0) signal.throwIfAborted()
  const writer = createWriter(registry, { job, runId, cursor, batchSize: pages.decisions })
  let reached = cursor
  for (;;) {
    const page = await repositoriesInReach(metadata.reader, policy.project, { after: reached.after, limit: pages.repositories })
    for (const repository of page) {
      signal.throwIfAborted()
      if (pause.isDue()) await pause.take()
      if (!policy.reaches(repository.name)) continue
      const judged = await judgeRepository(parts, { policy, repository, neighbours, now, pause })
      const verdicts = judged && (await asShown(metadata.reader, judged, { shownBy, repository, pause }))
      if (verdicts === undefined) run.log('warn', `${repository.name} has too many tags to be judged: all of them stay`)
      else {
        await writer.add(repository, verdicts, reached)
        reached = countVerdicts(reached, repository, verdicts)
      }
    }
    const last = page.at(-1)
    reached = { ...reached, after: last?.name ?? reached.after }
    await writer.flush(reached)
    if (last === undefined || page.length < pages.repositories) return reached
  }
}

interface Writer {
  flush(cursor: DecideCursor): Promise<void>
  /** `before`: the cursor before this repository. Of whatever came before it, all is in the first transaction that holds some of it. */
  add(repository: RepositoryInReach, verdicts: readonly Verdict[], before: DecideCursor): Promise<void>
}

/** Gathers decisions for a transaction. */
function createWriter(
  { metadata }: Registry,
  { job, runId, cursor, batchSize }: Pick<Batch, 'job' | 'runId' | 'cursor'> & { readonly batchSize: number },
): Writer {
  let waiting: NewDecision[] = []
  let done = cursor.kept + cursor.toRemove
  const flush = async (reached: DecideCursor) => {
    const decisions = waiting
    waiting = []
    done += decisions.length
    await metadata.write(writeDecisions, { job, runId, decisions, cursor: reached, progress: { done, unit: 'tags judged' } })
  }
  return {
    flush,
    async add(repository, verdicts, before) {
      for (const verdict of verdicts) {
        waiting.push(decisionOf(repository, verdict))
        if (waiting.length >= batchSize) await flush(before)
      }
    },
  }
}

function countVerdicts(cursor: DecideCursor, { name }: RepositoryInReach, verdicts: readonly Verdict[]): DecideCursor {
  const toRemove = verdicts.filter(({ action }) => action === 'remove').length
  return { ...cursor, after: name, kept: cursor.kept + verdicts.length - toRemove, toRemove: cursor.toRemove + toRemove }
}

function decisionOf({ id: repositoryId, name: repository }: RepositoryInReach, { tag, action, rule, reason }: Verdict): NewDecision {
  const { name, digest, id: tagId, pushedAt } = tag
  return { repositoryId, repository, tag: name, digest, action, rule, reason, tagId, pushedAt }
}
