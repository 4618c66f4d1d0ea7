/** How long the event loop was held: the longest and the usual delay since somebody last asked. */
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** A running measurement; disposing ends it. */
export interface EventLoopLag extends Disposable {
  /** Seconds since the last call, or since the start; the next call begins anew. */
  take(): { readonly p50: number; readonly p99: number; readonly max: number }
}

/** The timer's own period: what is measured beyond it is lag. */
const resolutionMs = 10

/** Measures from now on, by Node's own histogram of a timer's delays. */
export function watchEventLoop(): EventLoopLag {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  histogram.enable()
  return {
    take() {
      const lag = { p50: seconds(histogram.percentile(50)), p99: seconds(histogram.percentile(99)), max: seconds(histogram.max) }
      histogram.reset()
      return lag
    },
    [Symbol.dispose]: () => void histogram.disable(),
  }
}

/** An empty histogram reports 2^63 as its smallest and 0 as its largest value: clamped to no lag. */
function seconds(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e9 - resolutionMs / 1e3)
}
