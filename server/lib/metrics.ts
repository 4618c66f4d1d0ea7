/**
 * What the process counts, under the names of registry:2 (docker/go-metrics), so that its dashboards and alerts keep working.
 *
 * The problem: a labelled metric of prom-client hashes its labels at every call, which a small GET would feel. The way: each series is looked
 * up once and kept ({@link HttpMetrics.request} by handler, method and status), so that a request costs a few additions. Labels are closed sets
 * (handler, method, status, driver, action): never a repository, tag or digest. To add a metric, make it here, with `registers: [registry]`.
 */
import { Counter, Gauge, Histogram, collectDefaultMetrics, type Registry as PrometheusRegistry } from 'prom-client'
import { watchEventLoop } from './event-loop-lag.ts'
import { SteadyRegistry } from './steady-registry.ts'

/** One answered request. `handler` is registry:2's name of the route (`manifest`, `blob_upload`, …), `method` is lower case. */
interface AnsweredRequest {
  readonly handler: string
  readonly method: string
  readonly status: number
  readonly durationSeconds: number
  readonly receivedBytes: number
  readonly sentBytes: number
}

interface HttpMetrics {
  /** Counts a request as being answered, until `end`. */
  begin(handler: string): void
  end(request: AnsweredRequest): void
}

/** What the audit tells of itself. */
interface AuditFigures {
  /** Records that wait in memory. */
  readonly pending: () => number
  /** Writes of them that failed, since the start. */
  readonly flushFailures: () => number
  /** Pulls whose lines had no room, since the start. */
  readonly droppedPulls: () => number
  /** How long ago the oldest record happened that no seal is over yet; some minutes where sealing works. */
  readonly unsealedSeconds: () => Promise<number>
}

/** What the room of jobs tells of itself. */
interface JobFigures {
  readonly counts: () => Promise<readonly { readonly kind: string; readonly state: string; readonly count: number }[]>
  /** For how long the oldest job that is due has waited. */
  readonly queueSeconds: () => Promise<number>
}

/** Every series of the process. Made once; rooms get the member that they count with. */
export interface Metrics {
  /** prom-client's registry: `metrics()` is the page that Prometheus reads. */
  readonly registry: SteadyRegistry
  readonly http: HttpMetrics
  /** Takes note of one action of a blob store (`GetContent`, `PutContent`, `Stat`, `Move`, `Delete`, …). */
  observeStorage(driver: string, action: string, seconds: number): void
  /** Upload sessions that this process is receiving. */
  readonly openUploads: Gauge
  /** Blobs that were found damaged since this process began. */
  readonly quarantinedBlobs: Counter
  /** Counts a run of a retention policy that came to its end; of a dry one `removed` is what would have gone. */
  countRetention(run: { readonly isDry: boolean; readonly removed: number; readonly failed: number }): void
  /** Counts a credential that was judged: its kind (`password`, `bearer`, …) and what came out (`success`, `failure`, `blocked`). */
  countAuthAttempt(kind: string, outcome: string): void
  /** Answers to wrong passwords that wait to leave. */
  readonly heldAnswers: Pick<Gauge, 'inc' | 'dec'>
  /** Counts a request that was refused with 429, by what limited it. */
  limited(by: 'address' | 'credential'): void
  /** Asks for these at each scrape. */
  watchAudit(audit: AuditFigures): void
  /** Counts a run of a job that ended here. */
  countJob(end: { readonly kind: string; readonly outcome: string; readonly durationMs: number }): void
  /** Asks for these at each scrape. */
  watchJobs(figures: JobFigures): void
  /** Asks for what the trash holds at each scrape. */
  watchTrash(read: () => Promise<{ readonly items: number; readonly sizeBytes: number }>): void
  /** Stops what measures in the background. */
  [Symbol.dispose](): void
}

/** OpenTelemetry's buckets for http.server.request.duration, with room for uploads. */
const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 60, 300]
/** 1 KiB to 4 GiB in steps of four. */
const sizeBuckets = Array.from({ length: 12 }, (_, step) => 1024 * 4 ** step)

/** Makes all series in a registry of their own (nothing global, so tests may have many) and begins to measure process and event loop. */
export function createMetrics(): Metrics {
  const registry = new SteadyRegistry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const storage = new Histogram({
    name: 'registry_storage_action_seconds',
    help: 'The number of seconds that the storage action takes',
    labelNames: ['driver', 'action'],
    registers,
  })
  const openUploads = new Gauge({ name: 'registry_storage_open_uploads', help: 'Blob uploads that this process is receiving', registers })
  const quarantinedBlobs = new Counter({
    name: 'registry_storage_quarantined_blobs_total',
    help: 'Blobs whose bytes were found missing, unreadable or wrong; the next push of each heals it',
    registers,
  })
  const limited = new Counter({
    name: 'registry_http_rate_limited_total',
    help: 'Requests refused with 429 by a rate limit, by what it counts',
    labelNames: ['limit'],
    registers,
  })
  const attempts = new Counter({
    name: 'registry_auth_attempts_total',
    help: 'Credentials that were judged, remembered ones too',
    labelNames: ['kind', 'outcome'],
    registers,
  })
  const heldAnswers = new Gauge({ name: 'registry_auth_held_answers', help: 'Answers to wrong passwords that are held back', registers })
  const attemptSeries = new Map<string, Counter.Internal>()
  const lag = createLagGauge(registry)
  const observers = new Map<string, (seconds: number) => void>()
  return {
    registry,
    http: createHttpMetrics(registry),
    observeStorage(driver, action, seconds) {
      const observe = cached(observers, `${driver} ${action}`, () => {
        const child = storage.labels(driver, action)
        return (value: number) => child.observe(value)
      })
      observe(seconds)
    },
    openUploads,
    quarantinedBlobs,
    countRetention: createRetentionCounter(registry),
    heldAnswers,
    countAuthAttempt: (kind, outcome) => cached(attemptSeries, `${kind} ${outcome}`, () => attempts.labels(kind, outcome)).inc(),
    limited: (limit) => limited.inc({ limit }),
    watchAudit: (audit) => createAuditMetrics(registry, audit),
    countJob: createJobCounter(registry),
    watchJobs: (figures) => createJobMetrics(registry, figures),
    watchTrash: (read) => createTrashMetrics(registry, read),
    [Symbol.dispose]: () => lag[Symbol.dispose](),
  }
}

function createAuditMetrics(registry: PrometheusRegistry, audit: AuditFigures): void {
  const registers = [registry]
  const watch = (name: string, help: string, read: () => number | Promise<number>) =>
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(await read())
      },
    })
  watch('registry_audit_pending', 'Audit records that wait in memory to be written', audit.pending)
  watch('registry_audit_flush_failures', 'Times that waiting audit records could not be written, since the start', audit.flushFailures)
  watch('registry_audit_dropped_pulls', 'Pulls whose audit lines had no room, since the start', audit.droppedPulls)
  watch('registry_audit_unsealed_seconds', 'Age of the oldest audit record that no seal is over yet; 0 without one', audit.unsealedSeconds)
}

function createTrashMetrics(registry: PrometheusRegistry, read: Parameters<Metrics['watchTrash']>[0]): void {
  const sizes = new Gauge({
    name: 'registry_trash_bytes',
    help: 'What the deletions in the trash stood for; shared blobs count in each',
    registers: [registry],
  })
  new Gauge({
    name: 'registry_trash_items',
    help: 'Deletions that can be undone',
    registers: [registry],
    async collect() {
      const { items, sizeBytes } = await read()
      this.set(items)
      sizes.set(sizeBytes)
    },
  })
}

/** A kind of job is of a closed set: those that the program knows. */
function createRetentionCounter(registry: PrometheusRegistry): Metrics['countRetention'] {
  const registers = [registry]
  const runs = new Counter({
    name: 'registry_retention_runs_total',
    help: 'Runs of retention policies that came to their end; dry: they removed nothing',
    labelNames: ['mode'],
    registers,
  })
  const tags = new Counter({
    name: 'registry_retention_tags_total',
    help: 'Tags that retention removed, and those that it could not',
    labelNames: ['outcome'],
    registers,
  })
  return ({ isDry, removed, failed }) => {
    runs.inc({ mode: isDry ? 'dry' : 'real' })
    if (isDry) return
    tags.inc({ outcome: 'removed' }, removed)
    tags.inc({ outcome: 'failed' }, failed)
  }
}

function createJobCounter(registry: PrometheusRegistry): Metrics['countJob'] {
  const duration = new Histogram({
    name: 'registry_job_duration_seconds',
    help: 'How long runs of jobs took in this process, by how they ended; failed: for good, retried: it is tried again',
    labelNames: ['kind', 'outcome'],
    buckets: [0.01, 0.1, 1, 10, 60, 600, 3600, 6 * 3600],
    registers: [registry],
  })
  return ({ kind, outcome, durationMs }) => duration.observe({ kind, outcome }, durationMs / 1000)
}

function createJobMetrics(registry: PrometheusRegistry, { counts, queueSeconds }: JobFigures): void {
  const registers = [registry]
  new Gauge({
    name: 'registry_jobs',
    help: 'Jobs that wait and run, of all processes on the database',
    labelNames: ['kind', 'state'],
    registers,
    async collect() {
      const found = await counts()
      this.reset()
      for (const { kind, state, count } of found) this.set({ kind, state }, count)
    },
  })
  new Gauge({
    name: 'registry_jobs_queue_seconds',
    help: 'For how long the oldest job that is due has waited; 0 when none waits',
    registers,
    async collect() {
      this.set(await queueSeconds())
    },
  })
}

function createLagGauge(registry: PrometheusRegistry): Disposable {
  const lag = watchEventLoop()
  const gauge = new Gauge({
    name: 'registry_event_loop_lag_seconds',
    help: 'How long the event loop was held, since the last scrape',
    labelNames: ['quantile'],
    registers: [registry],
    collect() {
      const { p50, p99, max } = lag.take()
      gauge.set({ quantile: '0.5' }, p50)
      gauge.set({ quantile: '0.99' }, p99)
      gauge.set({ quantile: '1' }, max)
    },
  })
  return lag
}

function createHttpMetrics(registry: PrometheusRegistry): HttpMetrics {
  const registers = [registry]
  const requests = new Counter({
    name: 'registry_http_requests_total',
    help: 'Total number of HTTP requests made',
    labelNames: ['code', 'handler', 'method'],
    registers,
  })
  const alias = new Counter({
    name: 'registry_requests_total',
    help: 'The same as registry_http_requests_total',
    labelNames: ['code', 'handler', 'method'],
    registers,
  })
  const inFlight = new Gauge({
    name: 'registry_http_in_flight_requests',
    help: 'The in-flight HTTP requests',
    labelNames: ['handler'],
    registers,
  })
  const sizes = createSizeMetrics(registry)
  const flying = new Map<string, Gauge.Internal<'handler'>>()
  const flyingOf = (handler: string) => cached(flying, handler, () => inFlight.labels(handler))
  const series = new Map<string, { count(): void }>()
  return {
    begin: (handler) => flyingOf(handler).inc(),
    end(request) {
      const { handler, method, status } = request
      const one = cached(series, `${status} ${handler} ${method}`, () => {
        const children = [requests, alias].map((counter) => counter.labels(String(status), handler, method))
        return { count: () => children.forEach((child) => child.inc()) }
      })
      one.count()
      flyingOf(handler).dec()
      sizes(request)
    },
  }
}

function createSizeMetrics(registry: PrometheusRegistry): (request: AnsweredRequest) => void {
  const registers = [registry]
  const duration = new Histogram({
    name: 'registry_http_request_duration_seconds',
    help: 'The HTTP request latencies in seconds',
    labelNames: ['handler', 'method'],
    buckets: durationBuckets,
    registers,
  })
  const requestSize = new Histogram({
    name: 'registry_http_request_size_bytes',
    help: 'The HTTP request sizes in bytes',
    labelNames: ['handler'],
    buckets: sizeBuckets,
    registers,
  })
  const responseSize = new Histogram({
    name: 'registry_http_response_size_bytes',
    help: 'The HTTP response sizes in bytes',
    labelNames: ['handler'],
    buckets: sizeBuckets,
    registers,
  })
  const received = new Counter({ name: 'registry_http_received_bytes_total', help: 'Bytes of request bodies', registers })
  const sent = new Counter({ name: 'registry_http_sent_bytes_total', help: 'Bytes of response bodies', registers })
  const durations = new Map<string, Histogram.Internal<'handler' | 'method'>>()
  const perHandler = new Map<string, readonly [Histogram.Internal<'handler'>, Histogram.Internal<'handler'>]>()
  return ({ handler, method, durationSeconds, receivedBytes, sentBytes }) => {
    cached(durations, `${handler} ${method}`, () => duration.labels(handler, method)).observe(durationSeconds)
    const [requestBytes, responseBytes] = cached(perHandler, handler, () => [requestSize.labels(handler), responseSize.labels(handler)])
    requestBytes.observe(receivedBytes)
    responseBytes.observe(sentBytes)
    received.inc(receivedBytes)
    sent.inc(sentBytes)
  }
}

function cached<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
