/** A pass of scrub under way: where it is, what it has counted, and how both are kept together with what was found. */
import { advanceJob } from '#jobs/advance-job.ts'
import type { JobClaim, JobProgress, JobRun } from '#jobs/jobs.ts'
import { noteFindings, type Finding, type FindingKind } from '#metadata/scrub-findings.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Registry } from '#registry/registry.ts'

/** What a pass has looked at and found. `found` counts what was not known before. */
export interface ScrubCounts {
  readonly blobs: number
  /** Bytes of blobs that were read. */
  readonly bytes: number
  readonly quarantined: number
  /** Blobs that were in quarantine and are whole. */
  readonly released: number
  readonly manifests: number
  readonly tags: number
  readonly keys: number
  readonly uploads: number
  readonly found: Readonly<Partial<Record<FindingKind, number>>>
}

/** Of a hundred blobs those whose bytes are read: the part moves on from pass to pass, so that all are read in turn. */
export interface ScrubWindow {
  readonly from: number
  readonly width: number
}

/** In the order in which they are done. */
export const phases = ['blobs', 'manifests', 'tags', 'keys', 'uploads'] as const
export type Phase = (typeof phases)[number]

/** All that a pass needs to go on after a kill; JSON. */
export interface ScrubCursor {
  readonly startedAt: number
  readonly window: ScrubWindow
  readonly phase: Phase | 'finish' | 'done'
  /** The row looked at last in this phase. */
  readonly afterId: number
  /** The place in the store's listing; null at its beginning. */
  readonly afterKey: string | null
  /** The store whose keys are looked at. */
  readonly ofStore?: string | undefined
  /** How many rows this phase has to look at, counted when it begins; undefined before that, and where nobody knows. */
  readonly total?: number | undefined
  readonly counts: ScrubCounts
  /** It began in the middle, so what it has not seen of blobs may still be there. */
  readonly isPartial: boolean
}

/** What the phases work with. */
export interface Pass {
  readonly registry: Registry
  readonly run: Pick<JobRun, 'job' | 'signal' | 'report' | 'log'>
  cursor: ScrubCursor
  /** Waits until as many more bytes may have been read. */
  readonly pace: (bytes: number) => Promise<void>
  /** Waits a little between pages, where the pass is to be slow. */
  readonly rest: () => Promise<void>
  readonly onFinding: (finding: Finding, isNew: boolean) => void
  /** Monotonic. */
  keptAt: number
}

const noCounts: ScrubCounts = { blobs: 0, bytes: 0, quarantined: 0, released: 0, manifests: 0, tags: 0, keys: 0, uploads: 0, found: {} }

/** Where a pass begins. */
export function firstCursor(startedAt: number, window: ScrubWindow, afterId = 0): ScrubCursor {
  return { startedAt, window, phase: 'blobs', afterId, afterKey: null, counts: noCounts, isPartial: afterId > 0 }
}

/** Adds to the counts, and moves on. */
export function advance(
  pass: Pass,
  place: Partial<Pick<ScrubCursor, 'afterId' | 'afterKey' | 'ofStore'>>,
  counted: Partial<Omit<ScrubCounts, 'found'>>,
): void {
  const counts = { ...pass.cursor.counts }
  for (const [name, count] of Object.entries(counted)) counts[name as keyof typeof counted] += count
  pass.cursor = { ...pass.cursor, ...place, counts }
}

interface Note {
  readonly job: JobClaim
  readonly cursor: ScrubCursor
  readonly findings: readonly Finding[]
  readonly now: number
}

const note = transaction(import.meta.url, 'scrub-pass/note', async (tx, { job, cursor, findings, now }: Note) => {
  const fresh = await noteFindings(tx, findings, { now, since: cursor.startedAt })
  const found = { ...cursor.counts.found }
  for (const { kind } of fresh) found[kind] = (found[kind] ?? 0) + 1
  const next = { ...cursor, counts: { ...cursor.counts, found } }
  await advanceJob(tx, job, next, progressOf(next))
  return { cursor: next, fresh }
})

const units: Readonly<Partial<Record<ScrubCursor['phase'], string>>> = { keys: 'keys of the store' }

/** For people: how many of what the phase is about. */
export function progressOf({ phase, counts, total }: ScrubCursor): JobProgress {
  const about = phase === 'finish' || phase === 'done' ? 'uploads' : phase
  const done = counts[about]
  // Rows that came since they were counted are looked at as well.
  return { done, unit: units[about] ?? about, ...(total !== undefined && { total: Math.max(total, done) }) }
}

/** How long what is in memory alone may be: as much is looked at again after a kill. */
const keptEachMs = 5_000
/** Lines that one run writes of what it finds; the list of findings has all. */
const linesMax = 200

/** Keeps what was found and how far the pass is; where nothing was found, only from time to time, or when `isTurn`. */
export async function keep(pass: Pass, findings: readonly Finding[], { isTurn = false } = {}): Promise<void> {
  const { registry, run } = pass
  const { clock } = registry.context.ports
  run.report(progressOf(pass.cursor))
  if (findings.length === 0 && !isTurn && (run.job.id === 0 || clock.monotonic() - pass.keptAt < keptEachMs)) return
  const { cursor, fresh } = await registry.metadata.write(note, { job: run.job, cursor: pass.cursor, findings, now: clock.now() })
  pass.cursor = cursor
  pass.keptAt = clock.monotonic()
  for (const finding of findings)
    pass.onFinding(
      finding,
      fresh.some(({ kind, key }) => kind === finding.kind && key === finding.key),
    )
  for (const finding of fresh) {
    if (foundBefore(cursor) <= linesMax) run.log('warn', `${finding.kind}: ${finding.key}: ${finding.detail}`)
  }
}

function foundBefore({ counts }: ScrubCursor): number {
  return Object.values(counts.found).reduce((sum, count) => sum + count, 0)
}
