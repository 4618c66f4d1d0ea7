import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Access } from '#access/access.ts'
import type { Directory } from '#access/directory.ts'
import { watchAccess } from '#metadata/watch-access.ts'
import { createFilesystemStore } from '#blobs/filesystem.ts'
import { createMemoryStore } from '#blobs/memory.ts'
import type { Config } from '#config/config.ts'
import { loadConfig } from '#config/load.ts'
import { createActivityStream } from '#events/dispatch.ts'
import { createAudit } from '#features/audit.ts'
import { createLiveActivity } from '#features/audit-live.ts'
import { createPullStatistics, type PullStatistics } from '#features/pull-statistics.ts'
import { createTraffic, type Traffic } from '#features/statistics-count.ts'
import { createSystemRules } from '#features/system-rules.ts'
import type { HealthCheck } from '#http/health.ts'
import type { LiveLimits } from '#http/live-connections.ts'
import { createHttpServer, type HttpServer } from '#http/server.ts'
import { jobKindsOf } from '../../server/job-kinds.ts'
import { openAccess } from '../../server/open-access.ts'
import { createJobs } from '#jobs/create-jobs.ts'
import { createJobWatch } from '#jobs/watch-jobs.ts'
import type { JobKind, Jobs } from '#jobs/jobs.ts'
import { createLiveMetrics } from '#lib/live-metrics.ts'
import { createLogger } from '#lib/logging.ts'
import { createMetrics, type Metrics } from '#lib/metrics.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { closeRegistry, openRegistry } from '#registry/open-registry.ts'
import type { Registry } from '#registry/registry.ts'

export interface ServedRooms extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly server: HttpServer
  readonly registry: Registry
  /** Nothing works until a test starts it. */
  readonly jobs: Jobs
  readonly access: Access
  /** What the verbs of accounts, rights and projects take. */
  readonly accounts: Directory
  readonly pullStatistics: PullStatistics
  readonly traffic: Traffic
  readonly metrics: Metrics
  readonly directory: string
  /** Every line that was logged, access log included. */
  readonly lines: readonly string[]
}

type Sections = { readonly [Section in keyof Config]?: Partial<Config[Section]> }

/** A kind of job for tests: says something, and fails when it is asked to. */
const talk: JobKind<{ readonly fails?: boolean }> = {
  name: 'test-talk',
  title: 'Talk',
  async run({ log, report }, { fails }) {
    log('info', 'half way')
    report({ done: 1, total: 2, unit: 'steps' })
    if (fails === true) throw new Error('it was asked to')
  },
}

/** The rooms of one process, wired as main.ts does, listening on port 0: fast, and with a configuration that no file could say. Open, unless it says otherwise. */
export async function serveRooms(
  sections: Sections = {},
  options: { readonly checks?: readonly HealthCheck[]; readonly memory?: boolean; readonly ports?: Ports; readonly live?: LiveLimits } = {},
): Promise<ServedRooms> {
  await using stack = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'berth-rooms-'))
  stack.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }))
  const { config: base } = await loadConfig({ environment: {}, cwd: directory })
  const open = { ...base, auth: { kind: 'open' }, http: { ...base.http, listen: { host: '127.0.0.1', port: 0 } } } as const
  const merged: Config = { ...open, ...overlay(open, sections) }
  const lines: string[] = []
  const log = createLogger(merged.log, { write: (line) => void lines.push(line) })
  const ports = options.ports ?? systemPorts
  const bare = stack.use(await openTestDatabase(':memory:', { ports, log }))
  const activity = stack.use(createActivityStream({ metadata: bare, ports, log }))
  const watched = watchAccess(activity.watch(bare), ports.clock)
  const { metadata } = watched
  const rootDirectory = join(directory, 'data')
  const store = stack.use(
    options.memory === true ? createMemoryStore({ clock: ports.clock }) : createFilesystemStore({ rootDirectory, files: ports.files }),
  )
  const registry = openRegistry({
    ...watched,
    store,
    ports,
    log,
    cacheBytes: merged.limits.cacheBytes,
    hooks: { admission: [], missingContent: [] },
    options: { ...merged.storage, ...merged.limits, ...merged.validation },
  })
  stack.defer(() => closeRegistry(registry))
  const metrics = stack.use(createMetrics())
  const { access, directory: accounts, tokens, passwords, issuers } = await openAccess(merged, { watched, metrics, ports, log })
  stack.use(passwords)
  stack.use(issuers)
  const audit = stack.use(createAudit({ metadata, ports, log }))
  const pullStatistics = stack.use(createPullStatistics({ metadata, ports, log }))
  const traffic = stack.use(createTraffic({ metadata, ports, log }))
  const system = createSystemRules({ reader: metadata.reader, epoch: watched.epoch, log })
  const jobs = createJobs({
    metadata,
    ports,
    log,
    kinds: [...jobKindsOf(registry, merged, { flushPulls: () => pullStatistics.flush(), certificates: { parts: accounts } }), talk],
  })
  const live = {
    activity: stack.use(createLiveActivity({ activity, metadata })),
    jobs: stack.use(createJobWatch({ metadata, ports, log })),
    metrics: createLiveMetrics(metrics.registry),
    limits: options.live,
  }
  const server = stack.use(
    createHttpServer(
      {
        config: merged,
        registry,
        access,
        directory: accounts,
        tokens,
        metrics,
        log,
        ports,
        audit,
        pullStatistics,
        traffic,
        system,
        jobs,
        backups: undefined,
        live,
      },
      options.checks,
    ),
  )
  await server.listen()
  const { url } = server
  const running = stack.move()
  return {
    url,
    port: Number(url.startsWith('unix:') ? 0 : new URL(url).port),
    server,
    registry,
    jobs,
    access,
    accounts,
    pullStatistics,
    traffic,
    metrics,
    directory,
    lines,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** The sections that are laid over, each with its own keys kept where nothing is said. */
function overlay(config: Config, sections: Sections): Partial<Config> {
  const pairs = Object.entries(sections).map(([name, section]) => [name, Object.assign({}, config[name as keyof Config], section)])
  return Object.fromEntries(pairs) as Partial<Config>
}
