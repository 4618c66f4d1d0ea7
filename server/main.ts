/**
 * The composition root: builds each room by hand from a {@link Config} and wires them. With its neighbours it alone names concrete drivers.
 *
 * {@link open} gives the rooms without a listener, for commands that work on the data; {@link serve} adds the listener, the periodic work and
 * the orderly end; what commands do with the data is data-work.ts. To add a store or a database, add it to open-store.ts or open-database.ts; to let a
 * feature have a say in pushes and pulls, add it to the lists of {@link hooksOf}.
 */
import { join } from 'node:path'
import type { Access } from '#access/access.ts'
import { ensureAdministrator, type NewAdministrator } from '#access/administrator.ts'
import type { Directory } from '#access/directory.ts'
import type { TokenDesk } from '#access/token-desk.ts'
import { watchAccess } from '#metadata/watch-access.ts'
import { makeDirectory } from '#blobs/directories.ts'
import type { Config } from '#config/config.ts'
import { createActivityStream, type ActivityStream } from '#events/dispatch.ts'
import { createAudit, type Audit } from '#features/audit.ts'
import { adoptIfNeeded } from '#features/adopt.ts'
import { scrubFigures } from '#features/scrub-status.ts'
import { settleStore, type StoreLook } from '#features/store-mark.ts'
import { createTierReturns, type TierReturns } from '#features/storage-return.ts'
import { readUsageFigures } from '#features/usage-jobs.ts'
import type { BackupParts } from '#features/backup.ts'
import { createPullStatistics, type PullStatistics } from '#features/pull-statistics.ts'
import { createSystemRules, type SystemRules } from '#features/system-rules.ts'
import { announceStart } from '#http/announce-start.ts'
import type { CloseOptions } from '#http/drain.ts'
import { openPortal } from '#http/portal-files.ts'
import { createHttpServer } from '#http/server.ts'
import type { Jobs } from '#jobs/jobs.ts'
import type { Logger } from '#lib/logger.ts'
import { createLogger, flushLog } from '#lib/logging.ts'
import { mergeMetrics, type MetricsPart } from '#lib/merged-metrics.ts'
import { createMetrics, type Metrics } from '#lib/metrics.ts'
import { watchScrub } from '#lib/scrub-metrics.ts'
import { watchSpace } from '#lib/space-metrics.ts'
import { createTierMetrics } from '#lib/tier-metrics.ts'
import { watchUsage } from '#lib/usage-metrics.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { watchPulls } from '#lib/pull-metrics.ts'
import { checkLayerUrls } from '#registry/check-layer-urls.ts'
import { closeRegistry, openRegistry } from '#registry/open-registry.ts'
import { recheckQuarantine } from '#registry/recheck-quarantine.ts'
import type { Registry } from '#registry/registry.ts'
import { openJobs } from './job-kinds.ts'
import { createLocalChecks } from './local-checks.ts'
import { followActivity, startWork } from './start-work.ts'
import { lookAtStores } from './store-look.ts'
import { countDamage } from './watch-figures.ts'
import { refuseMemory, reserve } from './serving-lock.ts'
import { certificateHook, openAcmeCertificates } from './open-certificates.ts'
import { openAccess } from './open-access.ts'
import { openLive, openTraffic } from './open-live.ts'
import { openNode } from './open-node.ts'
import { meetStore } from './open-store.ts'
import { openStores } from './open-stores.ts'
import { openMetadata } from './open-database.ts'
import { requireBackupsElsewhere } from './backup-place.ts'
import { refuseHalfMade, watchBackups } from './backup-work.ts'
import { adoptionParts } from './data-work.ts'

export {
  collectGarbage,
  createAccount,
  describeGarbage,
  examineHtpasswd,
  examineInstallation,
  exportRegistry2,
  importRegistry2,
  migrateStorage,
  moveToCold,
  readGarbageStatus,
  readStorage,
  readWaitingUntagged,
  requireRegistry2,
  resealSecrets,
  scrub,
  setAccountPassword,
  startSecretsAnew,
  verifyUsage,
} from './data-work.ts'
export { openTrashDesk } from './data-trash.ts'
export { requireBackupsElsewhere } from './backup-place.ts'
export { adviceOnCopy, copyDatabase } from './copy-database.ts'
export { migrateDatabase, readMigrationState } from './open-database.ts'
export { makeBackupAt, pruneBackupsAt, readBackupsAt, recoverFrom, restoreFrom, verifyBackupsAt } from './backup-commands.ts'
export { examineCdnKey, isStoreUsed, refuseForeignStore } from './open-store.ts'

/** Where scripts/build-web.mjs leaves the portal. */
const portalDirectory = join(import.meta.dirname, '../web/dist')

/** The wired rooms of one process. Disposing closes them in the order in which they lean on each other. */
export interface Berth extends AsyncDisposable {
  readonly config: Config
  readonly registry: Registry
  readonly access: Access
  readonly directory: Directory
  /** Issues bearer tokens; see {@link openAccess}. */
  readonly tokens: TokenDesk | undefined
  /** What happens, in order, after it is true. */
  readonly activity: ActivityStream
  readonly metrics: Metrics
  /** Where logins and refusals are noted. */
  readonly audit: Audit
  /** What administrators decide while the registry runs. */
  readonly system: SystemRules
  /** How often images are pulled; what it counted is written when it is disposed. */
  readonly pullStatistics: PullStatistics
  /** Work in the background; {@link serve} begins it. */
  readonly jobs: Jobs
  /** Undefined where the configuration names no place for them. */
  readonly backups: BackupParts | undefined
  readonly context: { readonly ports: Ports; readonly log: Logger }
}

/** How {@link open} treats what it finds. */
export interface OpenOptions {
  /** What lies in the data directory is the store of the database, whatever its mark says; throws when it is not to be, after a look. */
  readonly acceptStore?: ((look: StoreLook) => Promise<void>) | undefined
  /** What is sealed under a key that is lost is given up. */
  readonly startsSecretsAnew?: boolean | undefined
  /** Whether other processes serve on the same data; on PostgreSQL they always may. */
  readonly isShared?: boolean | undefined
  /** A database that a recovery left unfinished is opened, to finish it. */
  readonly isRecovering?: boolean | undefined
  /** Processes of this machine that may serve at once; undefined: none of them, and no cache is needed. */
  readonly cacheParts?: number | undefined
}

/** Opens stores and rooms without listening. Rejects when a directory cannot be made, a database cannot be read, or the store is not that of the rows. */
export async function open(
  config: Config,
  ports: Ports = systemPorts,
  { acceptStore, startsSecretsAnew, isShared = false, cacheParts, isRecovering }: OpenOptions = {},
): Promise<Berth> {
  await using stack = new AsyncDisposableStack()
  const log = createLogger(config.log)
  stack.defer(() => flushLog(log))
  const metrics = stack.use(createMetrics())
  const met = await meetStore(config, ports, acceptStore)
  const stores = stack.use(await openStores(config, { ports, metrics, log, mark: met?.mark, cacheParts }))
  const store = stores.primary
  const bare = stack.use(await openMetadata(config, { ports, log, metrics }))
  if (bare.away !== undefined) metrics.registry.follow(bare.away, ports.timers)
  await refuseHalfMade(bare.reader, { isRecovering })
  const { readOnly, rootDirectory } = config.storage
  if (met !== undefined) await settleStore({ metadata: bare, store, ports, readOnly, log, ...met })
  // Not before: an empty directory in the place of a disk that is not mounted would only hide that.
  if (rootDirectory !== undefined) await makeDirectory(ports.files, rootDirectory)
  await stores.settleOthers(bare, acceptStore)
  const activity = stack.use(createActivityStream({ metadata: bare, ports, log }))
  const watched = watchAccess(activity.watch(bare), ports.clock)
  const { metadata } = watched
  const returns = config.storage.tiers && createTierReturns(config.storage.tiers, createTierMetrics(metrics.registry))
  const hooks = hooksOf(config, { metadata, stores, context: { ports, log } }, returns)
  const registry = openRegistry({
    ...watched,
    store,
    stores,
    options: optionsOf(config),
    hooks,
    ports,
    log,
    cacheBytes: config.limits.cacheBytes,
    isShared: isShared || metadata.dialect === 'postgres',
  })
  stack.defer(() => closeRegistry(registry))
  if (returns !== undefined) stack.use(returns)
  const audit = stack.use(createAudit({ metadata, ports, log }))
  const { access, directory, tokens, passwords, issuers } = await openAccess(config, { watched, metrics, ports, log, startsSecretsAnew })
  stack.use(passwords)
  stack.use(issuers)
  const system = createSystemRules({ reader: metadata.reader, epoch: watched.epoch, log })
  const pullStatistics = stack.use(countPulls({ registry, metrics, context: { ports, log } }))
  watchSpace(metrics.registry, () => registry.store.space())
  const scrubbed = watchScrub(metrics.registry, scrubFigures(registry))
  const backups = watchBackups({ config, metadata, stores, ports, log }, metrics)
  const jobs = openJobs(registry, config, {
    flushPulls: () => pullStatistics.flush(),
    onScrubRead: (bytes) => scrubbed.countBytes(bytes),
    certificates: certificateHook(config, { directory, metrics }),
    backups,
  })
  const opened = stack.move()
  return {
    config,
    registry,
    access,
    directory,
    tokens,
    activity,
    metrics,
    audit,
    system,
    pullStatistics,
    jobs,
    backups,
    context: { ports, log },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

function optionsOf({ storage, database, limits, validation }: Config): Registry['options'] {
  return {
    deleteEnabled: storage.deleteEnabled,
    readOnly: storage.readOnly,
    minimumFreeBytes: storage.minimumFreeBytes,
    garbageDelayMs: storage.garbageDelayMs,
    readersDelayMs: storage.readersDelayMs,
    trashWindowMs: storage.trashWindowMs,
    manifestBytes: limits.manifestBytes,
    uploadsPerActor: limits.uploadsPerActor,
    indexPlatforms: validation.indexPlatforms,
    referrersMayPrecedeBlobs: validation.referrersMayPrecedeBlobs,
    staleTags: database.driver === 'postgres' && database.staleTags,
  }
}

/** Who has a say in a push or a pull, and who may supply what a pull does not find, in the order in which they are asked. */
function hooksOf(
  { validation }: Config,
  parts: Parameters<typeof recheckQuarantine>[0],
  returns: TierReturns | undefined,
): Registry['hooks'] {
  return {
    admission: [checkLayerUrls({ allow: validation.urlsAllow, deny: validation.urlsDeny })],
    missingContent: [recheckQuarantine(parts)],
    pulledElsewhere: returns?.hook,
  }
}

/** A registry that answers. */
export interface RunningBerth extends AsyncDisposable {
  /** Where it listens, for people. */
  readonly url: string
  /** The account that this start made: its password is shown now or never. */
  readonly administrator: NewAdministrator | undefined
  /** What this process counts, for {@link WorkerPlace.gather} of another. */
  readMetrics(): Promise<MetricsPart>
  /** Lets requests under way finish, then closes everything. */
  close(options?: CloseOptions): Promise<void>
}

/** What a process of several on one machine has of the one that keeps them: that one holds the lock of the database. */
export interface WorkerPlace {
  /** The series of all of them, this one's among them. */
  gather(): Promise<readonly MetricsPart[]>
  /** How many there are; while they are replaced there is one more. */
  readonly count: number
}

/** Takes what {@link serve} takes for itself when it is alone, for several that serve in other processes. Throws one sentence where that cannot work. */
export async function reserveForWorkers(config: Config, ports: Ports = systemPorts): Promise<Disposable> {
  refuseMemory(config)
  return await reserve(config, ports)
}

/** Opens, adopts a data directory of registry:2 when there is one, and listens. `worker`: as one of several processes, each of which is a writer. */
export async function serve(config: Config, ports: Ports = systemPorts, worker?: WorkerPlace): Promise<RunningBerth> {
  await using stack = new AsyncDisposableStack()
  if (worker === undefined) stack.use(await reserve(config, ports))
  using starting = worker === undefined ? await announceStart(config) : undefined
  await requireBackupsElsewhere(config, ports)
  const berth = stack.use(
    await open(config, ports, { isShared: worker !== undefined, cacheParts: worker === undefined ? 1 : worker.count + 1 }),
  )
  const { registry, access, directory, tokens, metrics, audit, system, pullStatistics, jobs } = berth
  const { log } = berth.context
  const adoption = adoptionParts(berth)
  if (adoption !== undefined) await adoptIfNeeded(adoption)
  const isAlone = worker === undefined && registry.metadata.dialect === 'sqlite'
  startWork(berth, stack, isAlone)
  stack.use(await countDamage(berth))
  const pulls = await followActivity(berth, stack, isAlone)
  watchUsage(metrics.registry, () => readUsageFigures(registry.metadata.reader))
  const acme = stack.use(await openAcmeCertificates(berth))
  const metricsPage = worker && (async () => mergeMetrics(await worker.gather()))
  const server = stack.use(
    createHttpServer(
      {
        config,
        registry,
        access,
        directory,
        tokens,
        metrics,
        log,
        ports,
        audit,
        pulls,
        pullStatistics,
        traffic: openTraffic(berth, stack),
        system,
        jobs,
        backups: berth.backups,
        live: openLive(berth, stack),
        metricsPage,
        acme,
        portal: config.http.hasPortal ? await openPortal(ports.files, portalDirectory, config.http.prefix) : undefined,
      },
      stack.use(createLocalChecks(config, registry, ports)).checks,
    ),
  )
  await lookAtStores(config, registry.stores, { ports, log })
  starting?.[Symbol.dispose]()
  await server.listen()
  const node = stack.use(openNode(berth, server.url, worker === undefined))
  registry.metadata.preload?.()
  // Last of all that can fail: its password is told to the caller now or to nobody.
  const administrator = config.auth.kind === 'accounts' ? await ensureAdministrator(registry.metadata, ports) : undefined
  const running = stack.move()
  let closing: Promise<void> | undefined
  const end = async (options?: CloseOptions) => {
    await using _running = running
    node.leave()
    await server.close(options)
  }
  const close = (options?: CloseOptions) => (closing ??= end(options))
  const readMetrics = () => {
    metrics.openUploads.set(registry.memory.uploads.size)
    return metrics.registry.getMetricsAsJSON()
  }
  return { url: server.url, administrator, readMetrics, close, [Symbol.asyncDispose]: () => close() }
}

function countPulls({ registry, metrics, context }: Pick<Berth, 'registry' | 'metrics' | 'context'>): PullStatistics {
  const statistics = createPullStatistics({ metadata: registry.metadata, ...context })
  watchPulls(metrics.registry, statistics)
  return statistics
}
