/** Garbage collection as a job: by the clock, and when somebody asks for it. */
import type { Who } from '#events/event.ts'
import { advanceJob } from '#jobs/advance-job.ts'
import { startJob, type Enqueued } from '#jobs/enqueue-job.ts'
import type { JobKind, JobRun } from '#jobs/jobs.ts'
import { reasonOf } from '#lib/reason-of.ts'
import { queueUntagged, type UntaggedCursor } from '#metadata/garbage-sweep.ts'
import { reviewUntaggedKind } from '#metadata/project-untagged.ts'
import { transaction } from '#metadata/transaction.ts'
import { collectGarbage, nothingCollected, type GarbageReport } from './collect-garbage.ts'
import type { Registry } from './registry.ts'

/** Stands in rows. */
export const garbageJobName = 'collect-garbage'

/** What a run is asked to do; see `GarbageCollection`. */
export interface GarbageRequest {
  readonly dryRun?: boolean | undefined
  readonly deleteUntagged?: boolean | undefined
  readonly sweep?: boolean | undefined
}

/** What came of it. */
export type GarbageResult = GarbageReport & { readonly dryRun: boolean }

/** How often what a run did so far is kept, for the one that goes on after a crash: in batches. */
const savedBatches = 50
/** Files that could not be deleted, by name; the count has all. */
const toldFailures = 10

/** Collects what is due. What a run did is true at once, so one that is taken up again merely goes on. */
export function collectGarbageJob(registry: Registry): JobKind<GarbageRequest | null, GarbageResult> {
  return {
    name: garbageJobName,
    title: 'Delete what nothing references any more',
    schedule: 'every 10m',
    run: (run, payload) => collect(registry, run, payload ?? {}),
  }
}

async function collect(registry: Registry, run: JobRun, { dryRun = false, deleteUntagged, sweep }: GarbageRequest): Promise<GarbageResult> {
  const before = (run.cursor as GarbageReport | undefined) ?? nothingCollected
  let batches = 0
  const onProgress = async (report: GarbageReport) => {
    const soFar = sumOf(before, report)
    run.report({ done: soFar.manifests + soFar.links + soFar.blobs + soFar.keys, unit: 'rows and files' })
    if (++batches % savedBatches === 0) await run.save(soFar)
  }
  let told = 0
  const onFailed = (key: string, error: unknown) => {
    if (++told <= toldFailures) run.log('warn', `${key} could not be deleted: ${reasonOf(error)}`)
  }
  const report = await collectGarbage(registry, { signal: run.signal, dryRun, deleteUntagged, sweep, onProgress, onFailed })
  const result = { ...sumOf(before, report), dryRun }
  if (Object.values(report).some((count) => count > 0)) run.log('info', sentenceOf(result))
  return result
}

function sumOf(one: GarbageReport, other: GarbageReport): GarbageReport {
  return {
    manifests: one.manifests + other.manifests,
    links: one.links + other.links,
    blobs: one.blobs + other.blobs,
    keys: one.keys + other.keys,
    freedBytes: one.freedBytes + other.freedBytes,
    // Of the run that got to the end: what an earlier one could not delete it tried again.
    failedKeys: other.failedKeys,
  }
}

function sentenceOf({ dryRun, manifests, links, blobs, keys, freedBytes, failedKeys }: GarbageResult): string {
  const [deleted, took, freed] = dryRun ? ['would delete', 'would take', 'would free'] : ['deleted', 'took', 'freed']
  return (
    `${deleted} ${counted(manifests, 'untagged manifest')}, ${took} blobs out of repositories ${counted(links, 'time')}, ` +
    `${deleted} ${counted(blobs, 'blob')}; ${freed} ${counted(freedBytes, 'byte')} in ${counted(keys, 'file')}${failedKeys === 0 ? '' : `; ${counted(failedKeys, 'file')} could not be deleted`}`
  )
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

const start = transaction(
  import.meta.url,
  'collect-garbage-job/start',
  (tx, input: { readonly payload: GarbageRequest; readonly who: Who; readonly now: number }): Promise<Enqueued> => {
    const { payload, who, now } = input
    const uniqueKey = `${garbageJobName}:${JSON.stringify([payload.dryRun === true, payload.deleteUntagged === true, payload.sweep === true])}`
    return startJob(tx, { kind: garbageJobName, payload, uniqueKey, now, priority: 10 }, who)
  },
)

/** Makes the job of a collection; while one that was asked the same waits or runs, that one is the answer. */
export async function startGarbageRun({ metadata, context }: Registry, payload: GarbageRequest, who: Who): Promise<Enqueued> {
  return await metadata.write(start, { payload, who, now: context.ports.clock.now() })
}

interface ReviewUntagged {
  readonly projectId: number
  /** Untagged manifests that nobody noticed until now count from here. */
  readonly since: number
}

const queuePage = transaction(
  import.meta.url,
  'collect-garbage-job/queue-untagged',
  async (
    tx,
    input: ReviewUntagged & { readonly after: UntaggedCursor; readonly delayMs: number; readonly job: JobRun['job'] },
  ): Promise<UntaggedCursor | undefined> => {
    const next = await queueUntagged(tx, { ...input, limit: 500 })
    await advanceJob(tx, input.job, next ?? null)
    return next
  },
)

/** After a project said that untagged manifests go: has all that are there looked at. The collections that follow take them when their time is over. */
export function reviewUntaggedJob(registry: Registry): JobKind<ReviewUntagged, { readonly pages: number }> {
  return {
    name: reviewUntaggedKind,
    title: 'Look for untagged manifests of a project',
    async run(run, { projectId, since }) {
      let after: UntaggedCursor | undefined = (run.cursor as UntaggedCursor | undefined) ?? { repositoryId: 0, manifestId: 0 }
      const delayMs = registry.options.garbageDelayMs
      let pages = 0
      for (; after !== undefined; pages++) {
        run.signal.throwIfAborted()
        after = await registry.metadata.write(queuePage, { projectId, since, after, delayMs, job: run.job })
        run.report({ done: pages + 1, unit: 'pages' })
      }
      return { pages }
    },
  }
}
