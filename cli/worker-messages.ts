/** What the process that keeps workers and its workers say to each other. */
import type { MetricsPart } from '#lib/merged-metrics.ts'
import type { RunningBerth } from '#main.ts'

/** From a worker: it answers; it wants the figures of all; here are its own. */
export type FromWorker =
  | { readonly kind: 'ready'; readonly running: Pick<RunningBerth, 'url' | 'administrator'> }
  | { readonly kind: 'gather'; readonly id: number }
  | { readonly kind: 'figures'; readonly id: number; readonly part: MetricsPart }

/** To a worker: end in order; tell the figures; here are those of all. */
export type ToWorker =
  | { readonly kind: 'end'; readonly isReplaced: boolean }
  | { readonly kind: 'tell'; readonly id: number }
  | { readonly kind: 'all'; readonly id: number; readonly parts: readonly MetricsPart[] }
