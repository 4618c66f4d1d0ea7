import type { Command } from 'commander'
import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'
import type { Config } from '#config/config.ts'
import { loadConfig } from '#config/load.ts'
import { createLogger, flushLog } from '#lib/logging.ts'
import type { RunningBerth } from '#main.ts'
import { CommandFailure } from './command-failure.ts'
import { greeting } from './greeting.ts'
import { versionText } from './version-text.ts'

/** `berth serve [FILE]`: the registry itself. */
export function registerServe(program: Command): void {
  program
    .command('serve')
    .description('start the registry, until SIGTERM or SIGINT')
    .argument('[file]', 'config.yml of Berth or of registry:2; without it REGISTRY_CONFIGURATION_PATH names one, or the defaults count')
    .option('--workers <count>', 'processes that serve behind the one port, or `auto`: one for each processor', parseCount)
    .option(
      '--tls-self-signed',
      'speak TLS with a certificate of its own, for a first try: makes it, and prints what clients need to trust it',
    )
    .action(runServe)
}

const workersMax = 256

function parseCount(text: string): number {
  const count = text === 'auto' ? Math.min(workersMax, availableParallelism()) : Number(text)
  if (/^(?:auto|\d{1,3})$/.test(text) && count >= 1 && count <= workersMax) return count
  throw new CommandFailure(`--workers: a number from 1 to ${workersMax} or auto was expected, found ${JSON.stringify(text)}`)
}

interface ServeFlags {
  readonly workers?: number
  readonly tlsSelfSigned?: boolean
}

async function runServe(file: string | undefined, { workers = 1, tlsSelfSigned = false }: ServeFlags): Promise<void> {
  // As the variable of the key, so that the processes of --workers read the same configuration.
  if (tlsSelfSigned) process.env['REGISTRY_HTTP_TLS_SELFSIGNED'] = 'true'
  if (cluster.isWorker) {
    const { serveAsWorker } = await import('./serve-worker.ts')
    await serveAsWorker(file, workers)
    return
  }
  const end = watchForEnd()
  const { config, warnings } = await loadConfig({ file, environment: process.env, cwd: process.cwd() })
  logWarnings(config, warnings)
  if (workers > 1) await serveByWorkers(workers, { file, config, end })
  else await serveHere(config, end)
}

async function serveHere(config: Config, end: End): Promise<void> {
  const { serve } = await import('#main.ts')
  const running = await serve(config)
  // Its default is to end the process.
  process.on('SIGUSR2', () => process.stderr.write('SIGUSR2: there are no workers to replace, see --workers\n'))
  end.isReady()
  greet(config, running)
  await end.asked
  await running.close()
}

async function serveByWorkers(
  count: number,
  { file, config, end }: { readonly file: string | undefined; readonly config: Config; readonly end: End },
): Promise<void> {
  const { reserveForWorkers } = await import('#main.ts')
  using _lock = await reserveForWorkers(config)
  const { startWorkers } = await import('./serve-workers.ts')
  const log = createLogger(config.log)
  const workers = await startWorkers(count, file, { log })
  end.isReady(() => workers.kill())
  greet(config, workers.greeted)
  let replacing: Promise<void> | undefined
  process.on('SIGUSR2', () => void (replacing ??= workers.replace().finally(() => (replacing = undefined))))
  await end.asked
  await workers.end()
  flushLog(log)
}

function greet(config: Config, running: Pick<RunningBerth, 'url' | 'administrator'>): void {
  // Lines for machines stay parseable: what is for people goes beside them.
  const stream = config.log.formatter === 'text' ? process.stdout : process.stderr
  stream.write(greeting(config, running, versionText()))
}

function logWarnings(config: Config, warnings: readonly string[]): void {
  const log = createLogger(config.log)
  for (const warning of warnings) log.warn(warning)
  flushLog(log)
}

/** npm, a terminal and the launcher may each pass on the same Ctrl-C. */
const sameSignalMs = 1000

interface End {
  readonly asked: Promise<void>
  /** From now on the first signal is an orderly end. `whenForced` runs before the process ends at once. */
  isReady(whenForced?: () => void): void
}

/**
 * The first signal asks for an orderly end, a second one, a second later, forces it. Before the registry is ready any signal ends the process at once:
 * there is nothing to drain, and what was begun is safe to repeat. (In a container the default action of a signal does not reach the first process.)
 */
function watchForEnd(): End {
  const { promise, resolve } = Promise.withResolvers<void>()
  let isReady = false
  let onForced: () => void = () => undefined
  let askedAt: number | undefined
  const onSignal = (signal: NodeJS.Signals, code: number) => {
    if (!isReady || (askedAt !== undefined && performance.now() - askedAt > sameSignalMs)) {
      onForced()
      process.exit(128 + code)
    }
    if (askedAt === undefined) process.stderr.write(`${signal}: requests in flight may finish; again to end at once\n`)
    askedAt ??= performance.now()
    resolve()
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, onSignal)
  // The launcher of an older Node is gone: killed, since it passes signals on.
  process.on('disconnect', () => onSignal('SIGTERM', 15))
  process.channel?.unref()
  return { asked: promise, isReady: (whenForced = onForced) => void ((isReady = true), (onForced = whenForced)) }
}
