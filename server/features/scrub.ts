/**
 * Scrub: holds the store against the rows, bytes against digests, and rows against each other, slowly.
 *
 * Bits rot and files get lost while nobody reads them. The problem: a pass over terabytes takes days beside pulls and pushes, is stopped in between, and
 * must neither cry wolf nor hurt. The way: a job with a cursor, a rate, and a window of the blobs whose bytes are read (the others are looked at by their
 * size); what is wrong is quarantined at once, so that the next push heals it, and what is in quarantine and right again leaves it. What is found is a row
 * of `scrub_findings` until a pass no longer meets it. Nothing is deleted here. To look at one more thing, add a phase.
 */
import { recordEvent } from '#events/record.ts'
import { advanceJob } from '#jobs/advance-job.ts'
import type { JobClaim, JobKind, JobRun } from '#jobs/jobs.ts'
import { countFindings, pruneFindings, resolveUnseen, type Finding, type FindingCount, type FindingKind } from '#metadata/scrub-findings.ts'
import { countRowsAfter } from '#metadata/scrub-reads.ts'
import { findSetting, putSetting } from '#metadata/settings.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Registry } from '#registry/registry.ts'
import { scrubBlobs } from './scrub-blobs.ts'
import { scrubKeys, scrubUploads } from './scrub-keys.ts'
import { firstCursor, keep, phases, type Pass, type Phase, type ScrubCounts, type ScrubCursor } from './scrub-pass.ts'
import { scrubManifests, scrubTags } from './scrub-rows.ts'

/** Of a full pass, kept in the settings for the next one and for whoever asks. */
export interface LastScrub {
  readonly startedAt: number
  readonly endedAt: number
  readonly counts: ScrubCounts
  /** Where the next window begins. */
  readonly nextFrom: number
  /** Of a hundred blobs, so many were read. */
  readonly sample: number
}

/** What an operator decides: `scrub.*` of the configuration. */
export interface ScrubOptions {
  /** Average rate of reading; 0: as fast as it goes. */
  readonly bytesPerSecond: number
  /** Of a hundred blobs, the bytes of so many are read in a pass. */
  readonly sample: number
  /** Undefined: never by itself. */
  readonly schedule: string | undefined
}

/** What whoever starts a pass may want of it. */
export interface ScrubPayload {
  readonly sample?: number | undefined
}

export const lastScrubSetting = 'scrub.last'
export const scrubKind = 'scrub'

const work: Readonly<Record<Phase, { readonly run: (pass: Pass) => Promise<void>; readonly kinds: readonly FindingKind[] }>> = {
  blobs: { run: scrubBlobs, kinds: ['missing', 'damaged'] },
  manifests: { run: scrubManifests, kinds: ['manifest'] },
  tags: { run: scrubTags, kinds: ['tag'] },
  keys: { run: scrubKeys, kinds: ['orphan', 'stranger'] },
  uploads: { run: scrubUploads, kinds: ['upload'] },
}

/** Whatever can be found. */
export const findingKinds: readonly FindingKind[] = phases.flatMap((phase) => work[phase].kinds)

const batchRows = 500
/** How long what is gone can still be looked up. */
const resolvedKeptMs = 92 * 24 * 60 * 60 * 1_000

const resolve = transaction(
  import.meta.url,
  'scrub/resolve',
  (tx, input: { readonly kinds: readonly FindingKind[]; readonly seenSince: number; readonly now: number; readonly limit: number }) =>
    resolveUnseen(tx, input),
)

const prune = transaction(import.meta.url, 'scrub/prune', (tx, input: { readonly before: number; readonly limit: number }) =>
  pruneFindings(tx, input),
)

interface End {
  readonly job: JobClaim
  readonly cursor: ScrubCursor
  readonly now: number
}

const finish = transaction(import.meta.url, 'scrub/finish', async (tx, { job, cursor, now }: End) => {
  const { startedAt, window, counts, isPartial } = cursor
  const last: LastScrub = {
    startedAt,
    endedAt: now,
    counts,
    nextFrom: (window.from + window.width) % 100,
    sample: window.width,
  }
  if (!isPartial) await putSetting(tx, lastScrubSetting, last)
  if (Object.keys(counts.found).length > 0) {
    await recordEvent(tx, { action: 'scrub.found', target: 'system:scrub', detail: counts.found, at: now, actor: '', requestId: '' })
  }
  await advanceJob(tx, job, { ...cursor, phase: 'done' } satisfies ScrubCursor)
  return last
})

/** The last full pass, undefined before there was one. */
export async function lastScrub({ metadata }: Pick<Registry, 'metadata'>): Promise<LastScrub | undefined> {
  return (await findSetting(metadata.reader, lastScrubSetting)) as LastScrub | undefined
}

/** Who listens to a pass. */
interface Listeners {
  readonly onFinding?: ((finding: Finding, isNew: boolean) => void) | undefined
  readonly onRead?: ((bytes: number) => void) | undefined
}

interface PassOptions extends Listeners {
  readonly bytesPerSecond: number
  readonly run: Pass['run']
}

/** Between two pages of a pass that has a rate. */
const restMs = 20

function openPass(registry: Registry, cursor: ScrubCursor, { bytesPerSecond, run, ...listeners }: PassOptions): Pass {
  const { clock, timers } = registry.context.ports
  const startedAt = clock.monotonic()
  let read = 0
  return {
    registry,
    run,
    cursor,
    async pace(bytes) {
      read += bytes
      listeners.onRead?.(bytes)
      if (bytesPerSecond <= 0) return
      const aheadMs = (read / bytesPerSecond) * 1_000 - (clock.monotonic() - startedAt)
      if (aheadMs > 0) await timers.sleep(aheadMs, run.signal)
    },
    rest: () => (bytesPerSecond > 0 ? timers.sleep(restMs, run.signal) : Promise.resolve()),
    onFinding: (finding, isNew) => listeners.onFinding?.(finding, isNew),
    keptAt: startedAt,
  }
}

async function runPass(pass: Pass): Promise<void> {
  for (;;) {
    const { phase } = pass.cursor
    if (phase === 'finish' || phase === 'done') break
    await countRows(pass, phase)
    await work[phase].run(pass)
    await endPhase(pass, phase)
  }
  const { registry, run, cursor } = pass
  if (cursor.phase === 'done') return
  const now = registry.context.ports.clock.now()
  await untilFew(pass, () => registry.metadata.write(prune, { before: now - resolvedKeptMs, limit: batchRows }))
  await registry.metadata.write(finish, { job: run.job, cursor, now })
}

/** So that whoever watches sees how much is left; once a phase, however often it is stopped. */
async function countRows(pass: Pass, phase: Phase): Promise<void> {
  const { cursor, registry } = pass
  if (phase === 'keys' || phase === 'uploads' || cursor.total !== undefined) return
  const left = await countRowsAfter(registry.metadata.reader, phase, cursor.afterId)
  pass.cursor = { ...cursor, total: cursor.counts[phase] + left }
}

async function endPhase(pass: Pass, phase: Phase): Promise<void> {
  const { metadata, context } = pass.registry
  const { startedAt, isPartial } = pass.cursor
  // Of blobs that it began behind it knows nothing.
  if (!(isPartial && phase === 'blobs')) {
    const unseen = { kinds: work[phase].kinds, seenSince: startedAt, now: context.ports.clock.now(), limit: batchRows }
    await untilFew(pass, () => metadata.write(resolve, unseen))
  }
  pass.cursor = { ...pass.cursor, phase: phases[phases.indexOf(phase) + 1] ?? 'finish', afterId: 0, afterKey: null, total: undefined }
  await keep(pass, [], { isTurn: true })
}

async function untilFew(pass: Pass, step: () => Promise<number>): Promise<void> {
  for (;;) {
    pass.run.signal.throwIfAborted()
    if ((await step()) < batchRows) return
  }
}

async function windowOf(registry: Registry, sample: number): Promise<ScrubCursor['window']> {
  return sample >= 100 ? { from: 0, width: 100 } : { from: (await lastScrub(registry))?.nextFrom ?? 0, width: Math.max(0, sample) }
}

/** The job. Its result is what the pass has counted. */
export function scrubJob(
  registry: Registry,
  options: ScrubOptions,
  listeners: Pick<Listeners, 'onRead'> = {},
): JobKind<ScrubPayload | null, ScrubCounts> {
  const { bytesPerSecond, schedule } = options
  return {
    name: scrubKind,
    title: 'Check the store against the rows, and bytes against digests',
    schedule,
    async run(run: JobRun, payload) {
      const begun = run.cursor as ScrubCursor | undefined
      const cursor = begun ?? firstCursor(registry.context.ports.clock.now(), await windowOf(registry, payload?.sample ?? options.sample))
      const pass = openPass(registry, cursor, { bytesPerSecond, run, ...listeners })
      await runPass(pass)
      return pass.cursor.counts
    },
  }
}

/** How a pass without a job goes: how fast, from where, and what stops it. */
export interface Scrub {
  readonly signal: AbortSignal
  /** Average rate of reading; undefined or 0: as fast as it goes. */
  readonly bytesPerSecond?: number | undefined
  /** Goes on behind this blob (a report's `lastId`). */
  readonly afterId?: number | undefined
  readonly onProgress?: (report: ScrubReport) => void
  /** Told of all that is wrong; `isNew` when that was not known before. */
  readonly onFinding?: ((finding: Finding, isNew: boolean) => void) | undefined
}

/** What a pass has counted so far; also given while it runs. */
export interface ScrubReport extends ScrubCounts {
  /** The blob looked at last; pass it as `afterId` to go on. Undefined when all blobs were. */
  readonly lastId: number | undefined
}

/** What a pass has counted, and all that is known to be wrong when it has ended. */
export interface ScrubResult extends ScrubReport {
  readonly findings: readonly FindingCount[]
}

/** A full pass here and now, for commands; beside a running server too. Rejects with the signal's reason when it aborts; `onProgress` was told how far it came. */
export async function scrub(registry: Registry, { signal, bytesPerSecond = 0, afterId = 0, ...listeners }: Scrub): Promise<ScrubResult> {
  const reportOf = ({ phase, afterId: lastId, counts }: ScrubCursor): ScrubReport => ({
    ...counts,
    lastId: phase === 'blobs' ? lastId : undefined,
  })
  const cursor = firstCursor(registry.context.ports.clock.now(), { from: 0, width: 100 }, afterId)
  const run: Pass['run'] = {
    job: { id: 0, fence: 0 },
    signal,
    report: () => listeners.onProgress?.(reportOf(pass.cursor)),
    log: () => undefined,
  }
  const pass = openPass(registry, cursor, { bytesPerSecond, run, onFinding: listeners.onFinding })
  await runPass(pass)
  return { ...reportOf(pass.cursor), findings: await countFindings(registry.metadata.reader) }
}
