/**
 * What the one process that leads does for the statistics: it notes how much there is, makes days of hours that are two weeks old, and forgets days after
 * two years. Each step is small and can be repeated: who dies in between leaves what the next one takes up.
 */
import type { Usage } from '#metadata/usage-counters.ts'
import { systemScope, usageIn, usagesIn } from '#metadata/usage-counters.ts'
import { projectIdsAfter } from '#metadata/projects.ts'
import {
  allProjects,
  dayMs,
  forgetDays,
  hoursToRoll,
  lastStates,
  noteStates,
  rollHours,
  type HourState,
  type StatisticsState,
} from '#metadata/statistics.ts'
import { transaction } from '#metadata/transaction.ts'
import { readGarbageStatus } from '#registry/garbage-status.ts'
import type { Registry } from '#registry/registry.ts'

/** How long hours are kept as such, and days. Milliseconds. */
export const hoursKeptMs = 14 * dayMs
const daysKeptMs = 731 * dayMs
const noteIntervalMs = 5 * 60_000
const hourMs = 3_600_000
/** Projects of one page, and of one transaction: some milliseconds of the writer. */
const batchProjects = 200
const rolledProjects = 50
const forgottenRows = 1_000

const note = transaction(import.meta.url, 'statistics/note', (tx, states: readonly HourState[]) => noteStates(tx, states))
const roll = transaction(
  import.meta.url,
  'statistics/roll',
  (tx, hours: { readonly day: number; readonly projectIds: readonly number[] }) => rollHours(tx, hours),
)
const forget = transaction(import.meta.url, 'statistics/forget', (tx, days: { readonly before: number; readonly limit: number }) =>
  forgetDays(tx, days),
)

/** Begins; disposing waits for what it does just then. */
export async function keepStatistics(registry: Registry): Promise<AsyncDisposable> {
  const { ports, log } = registry.context
  const stop = new AbortController()
  let known: Map<number, StatisticsState> | undefined
  let current: Promise<void> | undefined
  const turn = async () => {
    known ??= new Map(await lastStates(registry.metadata.reader))
    await noteUsage(registry, known, stop.signal)
    await rollAndForget(registry, stop.signal)
  }
  const begin = () => {
    current ??= turn()
      .catch((error: unknown) => {
        if (!stop.signal.aborted) log.warn({ err: error }, 'statistics are not up to date: the next turn tries again')
      })
      .finally(() => (current = undefined))
  }
  begin()
  const timer = ports.timers.every(noteIntervalMs, begin)
  return {
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]()
      stop.abort(new Error('statistics end'))
      await current
    },
  }
}

/** Notes what changed since it was noted last; `known` is brought up to date. */
export async function noteUsage(registry: Registry, known: Map<number, StatisticsState>, signal: AbortSignal): Promise<void> {
  const { metadata, context } = registry
  const now = context.ports.clock.now()
  const at = now - (now % hourMs)
  const system = await usageIn(metadata.reader, systemScope)
  const { reclaimable } = await readGarbageStatus(registry)
  await noteChanged(registry, known, [{ projectId: allProjects, at, ...stateOf(system, reclaimable.now.bytes) }])
  for (let last = 0; !signal.aborted;) {
    const ids = await projectIdsAfter(metadata.reader, last, batchProjects)
    if (ids.length === 0) return
    const usages = await usagesIn(metadata.reader, 'project', ids)
    const states = ids.map((projectId) => ({ projectId, at, ...stateOf(usages.get(projectId), null) }))
    await noteChanged(registry, known, states)
    last = ids.at(-1) ?? last
  }
}

function stateOf(usage: Usage | undefined, reclaimableBytes: number | null): StatisticsState {
  return { bytes: usage?.bytes ?? 0, logicalBytes: usage?.logicalBytes ?? 0, reclaimableBytes }
}

async function noteChanged({ metadata }: Registry, known: Map<number, StatisticsState>, states: readonly HourState[]): Promise<void> {
  const isNews = ({ projectId, bytes, logicalBytes, reclaimableBytes }: HourState) => {
    const before = known.get(projectId)
    // Of a project that never had anything nothing is noted.
    if (before === undefined) return bytes !== 0 || logicalBytes !== 0 || projectId === allProjects
    return before.bytes !== bytes || before.logicalBytes !== logicalBytes || before.reclaimableBytes !== reclaimableBytes
  }
  const changed = states.filter(isNews)
  if (changed.length === 0) return
  await metadata.write(note, changed)
  for (const { projectId, bytes, logicalBytes, reclaimableBytes } of changed)
    known.set(projectId, { bytes, logicalBytes, reclaimableBytes })
}

/** Hours that are old enough become days, and old days go. */
export async function rollAndForget({ metadata, context }: Registry, signal: AbortSignal): Promise<void> {
  const now = context.ports.clock.now()
  const before = now - (now % dayMs) - hoursKeptMs
  while (!signal.aborted) {
    const hours = await hoursToRoll(metadata.reader, { before, dayOf: (at) => at - (at % dayMs), limit: rolledProjects })
    if (hours === undefined) break
    await metadata.write(roll, hours)
  }
  while (!signal.aborted && (await metadata.write(forget, { before: now - daysKeptMs, limit: forgottenRows })) === forgottenRows);
}
