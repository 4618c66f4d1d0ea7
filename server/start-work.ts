/** What a serving Berth does beside answering: jobs, chores, and following what happens. */
import { hostname } from 'node:os'
import { createAuditStream, type AuditStream } from '#features/audit-stream.ts'
import { startHousekeeping } from '#features/housekeeping.ts'
import { journalLagMs, readJournalState, startJournal } from '#features/journal.ts'
import { keepStatistics } from '#features/statistics-keep.ts'
import { startTagExpiry } from '#features/tag-expiry.ts'
import type { JobEnd } from '#jobs/jobs.ts'
import { jobCounts, queueSeconds } from '#jobs/list-jobs.ts'
import { alone, inTurns, type InTurn } from '#jobs/while-leading.ts'
import { createGarbageMetrics } from '#lib/garbage-metrics.ts'
import { watchJournal } from '#lib/journal-metrics.ts'
import { programVersion } from '#lib/version.ts'
import { sumTrash } from '#metadata/trash.ts'
import { garbageJobName } from '#registry/collect-garbage-job.ts'
import { readGarbageStatus } from '#registry/garbage-status.ts'
import type { Berth } from './main.ts'
import { openJournalFiles } from './open-files.ts'
import { watchAudit } from './watch-figures.ts'

/** Begins jobs and chores. Alone, which the lock sees to, a process takes up at once what a killed one left; one of several waits for its leases to end. */
export function startWork({ registry, metrics, jobs }: Berth, stack: AsyncDisposableStack, isAlone: boolean): void {
  metrics.watchTrash(() => sumTrash(registry.metadata.reader))
  metrics.watchJobs({ counts: () => jobCounts(jobs), queueSeconds: () => queueSeconds(jobs) })
  const garbage = createGarbageMetrics(metrics.registry, () => readGarbageStatus(registry))
  if (registry.options.readOnly) return
  stack.use(startHousekeeping(registry, { isAlone }))
  const onEnd = (end: JobEnd) => {
    metrics.countJob(end)
    if (end.kind === garbageJobName) garbage.countRun(end.outcome)
  }
  stack.use(jobs.start({ isAlone, onEnd }))
}

/** Begins what goes by events: the expiry of tags, and the stream of audit records, which is given. */
export async function followActivity(berth: Berth, stack: AsyncDisposableStack, isAlone: boolean): Promise<AuditStream> {
  const { registry, activity, context } = berth
  const inTurn = isAlone ? alone : inTurns({ metadata: registry.metadata, ...context })
  if (!registry.options.readOnly) stack.use(await inTurn('tag-expiry', () => startTagExpiry(registry, activity)))
  if (!registry.options.readOnly) stack.use(await inTurn('statistics', () => keepStatistics(registry)))
  await followJournal(berth, stack, inTurn)
  const pulls = stack.use(await openAuditStream(berth, inTurn))
  watchAudit(berth, pulls)
  return pulls
}

/** One process writes the journal for all; each can tell how late it is. */
async function followJournal({ config, registry, metrics, context }: Berth, stack: AsyncDisposableStack, inTurn: InTurn): Promise<void> {
  const { metadata, options } = registry
  const isKept = config.database.driver === 'postgres' || config.database.file !== ':memory:'
  if (!config.backup.hasJournal || options.readOnly || !isKept) return
  const files = openJournalFiles(config.storage, context.ports, () => registry.store.requireThere())
  if (files === undefined) return
  stack.use(files)
  stack.use(await inTurn('journal', async () => startJournal({ metadata, files, ...context })))
  watchJournal(metrics.registry, {
    lagMs: () => journalLagMs(metadata.reader, context.ports.clock.now()),
    bytes: async () => {
      const state = await readJournalState(metadata.reader)
      return state === undefined ? 0 : state.baseBytes + state.addedBytes
    },
  })
}

/** Goes on where the process before ended; what is recorded while this one stops is told by the next. */
function openAuditStream({ config, activity, registry, context }: Berth, inTurn: InTurn): Promise<AuditStream> {
  const source = { version: programVersion(), node: hostname() }
  return createAuditStream({ config: config.audit, activity, metadata: registry.metadata, ...context, source, inTurn })
}
