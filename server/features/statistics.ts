/**
 * How it went: pulls, pushes, errors, latency and how much there is, hour by hour or day by day.
 *
 * What is counted is statistics-count.ts's, what is noted and thrown together statistics-keep.ts's; here rows become points, one for each hour or day of the
 * time that is asked for, with nothing left out.
 */
import { addStatistics, dayMs, stateBefore, statisticsIn, type StatisticsCounts, type StatisticsState } from '#metadata/statistics.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { RegistryError } from '#oci/errors.ts'
import { hoursKeptMs } from './statistics-keep.ts'
import { quantile } from './statistics-latencies.ts'

/** One hour or day, by when it began. Sizes in bytes; null: not known. */
export interface StatisticsPoint extends Omit<StatisticsCounts, 'latencies'>, StatisticsState {
  readonly at: number
  /** Half of the answers, and all but a hundredth, took no longer. */
  readonly latencyMs: { readonly p50: number | undefined; readonly p99: number | undefined }
}

/** The series; `from` and `to` as they are, on whole hours or days. */
export interface StatisticsSeries {
  readonly step: 'hour' | 'day'
  readonly from: number
  readonly to: number
  readonly points: readonly StatisticsPoint[]
}

/** What is asked for. Instants are milliseconds. */
export interface StatisticsRequest {
  /** 0: everything. */
  readonly projectId: number
  readonly step: 'hour' | 'day'
  readonly from: number | undefined
  readonly to: number | undefined
  readonly now: number
}

const stepMs = { hour: 3_600_000, day: dayMs } as const
const usualPoints = { hour: 24, day: 30 } as const
/** Two years of days. */
const pointsMax = 750

const noState: StatisticsState = { bytes: null, logicalBytes: null, reclaimableBytes: null }
const nothing: StatisticsCounts & StatisticsState = { pulls: 0, pushes: 0, requests: 0, errors: 0, latencies: [], ...noState }

/** Throws REQUEST_INVALID for a time that ends before it begins, or has too many points. */
export async function readStatistics(
  { metadata: { reader } }: { readonly metadata: Pick<Metadata, 'reader'> },
  request: StatisticsRequest,
): Promise<StatisticsSeries> {
  const { projectId, step, now } = request
  const length = stepMs[step]
  const { from, to } = boundsOf(request)
  const sums = new Map<number, typeof nothing>()
  for (const row of await statisticsIn(reader, { projectId, from, to })) {
    const at = wholeSteps(row.at, step)
    sums.set(at, addStatistics(sums.get(at) ?? nothing, row))
  }
  let state = await stateBefore(reader, projectId, from)
  const points: StatisticsPoint[] = []
  for (let at = from; at < to; at += length) {
    const { latencies, bytes, logicalBytes, reclaimableBytes, ...counts } = sums.get(at) ?? nothing
    // What was not noted anew is as it was.
    if (bytes !== null) state = { bytes, logicalBytes, reclaimableBytes: reclaimableBytes ?? state.reclaimableBytes }
    const latencyMs = { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) }
    points.push({ at, ...counts, ...(at > now ? noState : state), latencyMs })
  }
  return { step, from, to, points }
}

function boundsOf({ step, now, ...asked }: StatisticsRequest): { readonly from: number; readonly to: number } {
  const length = stepMs[step]
  // The hour or day that an instant is in belongs to what is asked for.
  const to = wholeSteps((asked.to ?? now + 1) - 1, step) + length
  const from = wholeSteps(asked.from ?? to - usualPoints[step] * length, step)
  if (from >= to) throw invalid('from must be before to')
  if ((to - from) / length > pointsMax) throw invalid(`from and to are more than ${pointsMax} ${step}s apart`)
  if (step === 'day') return { from, to }
  // Of what is older there are days alone.
  return { from: Math.max(from, Math.min(to, wholeSteps(now - hoursKeptMs, 'day'))), to }
}

/** When the hour or day began that the instant is in. */
function wholeSteps(at: number, step: 'hour' | 'day'): number {
  return Math.floor(at / stepMs[step]) * stepMs[step]
}

function invalid(message: string): RegistryError {
  return new RegistryError('REQUEST_INVALID', [{ path: 'query/from', message }], { message })
}
