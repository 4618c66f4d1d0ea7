/**
 * What keeps usage in order in the background: changes are folded into totals, and projects whose blobs came or went in one large step are recounted.
 *
 * Neither decides what is used: that is exact after every push (metadata/usage.ts). Without these jobs reading it would cost more and more, and numbers that
 * are too large after a large move would stay so.
 */
import type { JobKind, JobRun } from '#jobs/jobs.ts'
import type { Clock } from '#lib/ports.ts'
import type { Metadata, Reader } from '#metadata/metadata.ts'
import { countPendingRecounts, nextRecount, recountStep, type RecountCursor } from '#metadata/usage-recounts.ts'
import { systemScope, usageIn, type Usage } from '#metadata/usage-counters.ts'
import { limitedUsage, type LimitedUsage } from '#metadata/quotas.ts'
import { foldUsage } from '#projects/fold-usage.ts'

/** What the jobs work with. */
export interface UsageJobParts {
  readonly metadata: Metadata
  readonly clock: Pick<Clock, 'now'>
}

/** Rows of links in one transaction: some 10 ms. */
const batchRows = 1_000

/** Folds what was counted since. */
export function foldUsageJob({ metadata, clock }: UsageJobParts): JobKind<unknown, { readonly changes: number }> {
  return {
    name: 'fold-usage',
    title: 'Bring the counters of usage together',
    schedule: 'every 1m',
    run: async (run) => ({ changes: await foldUsage(metadata, { now: () => clock.now(), signal: run.signal }) }),
  }
}

/** Counts the blobs of projects anew that wait for it. */
export function recountUsageJob({ metadata }: UsageJobParts): JobKind<unknown, { readonly projects: number }> {
  return {
    name: 'recount-usage',
    title: 'Count the blobs of projects anew whose contents moved in one step',
    schedule: 'every 1m',
    run: async (run) => ({ projects: await recountUsage(metadata, run) }),
  }
}

/** Recounts what waits; a batch that runs twice finds nothing more to do, so the cursor may be a step behind. Gives how many projects that were. */
export async function recountUsage(
  metadata: Pick<Metadata, 'reader' | 'write'>,
  run: Pick<JobRun, 'cursor' | 'save' | 'signal'>,
): Promise<number> {
  let projects = 0
  let cursor = (run.cursor as RecountCursor | undefined) ?? (await nextRecount(metadata.reader))
  while (cursor !== undefined) {
    run.signal.throwIfAborted()
    const next: RecountCursor | undefined = await metadata.write(recountStep, { cursor, limit: batchRows })
    if (next === undefined) projects++
    cursor = next ?? (await nextRecount(metadata.reader))
    await run.save(cursor ?? null, { done: projects, unit: 'projects' })
  }
  return projects
}

/** What the metrics show. */
export interface UsageFigures {
  readonly system: Usage
  /** Of the projects with a limit of bytes that use most, `projectsMax` at most. */
  readonly projects: readonly LimitedUsage[]
  readonly pendingRecounts: number
}

/** Series by project: more than this are not exposed. */
const projectsMax = 100

/** Reads what the metrics show: a few indexed reads for each project with a limit. */
export async function readUsageFigures(reader: Reader): Promise<UsageFigures> {
  return {
    system: await usageIn(reader, systemScope),
    projects: await limitedUsage(reader, projectsMax),
    pendingRecounts: await countPendingRecounts(reader),
  }
}
