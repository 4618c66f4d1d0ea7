import type { Command } from 'commander'
import type { Config } from '#config/config.ts'
import { loadConfig } from '#config/load.ts'
import { createLogger, flushLog } from '#lib/logging.ts'
import { greeting } from './greeting.ts'
import { versionText } from './version-text.ts'

/** `berth serve [FILE]`: the registry itself. */
export function registerServe(program: Command): void {
  program
    .command('serve')
    .description('start the registry, until SIGTERM or SIGINT')
    .argument('[file]', 'config.yml of Berth or of registry:2; without it REGISTRY_CONFIGURATION_PATH names one, or the defaults count')
    .action(runServe)
}

async function runServe(file: string | undefined): Promise<void> {
  const end = watchForEnd()
  const { config, warnings } = await loadConfig({ file, environment: process.env, cwd: process.cwd() })
  logWarnings(config, warnings)
  const { serve } = await import('#main.ts')
  const running = await serve(config)
  end.isReady()
  // Lines for machines stay parseable: what is for people goes beside them.
  const stream = config.log.formatter === 'text' ? process.stdout : process.stderr
  stream.write(greeting(config, running, versionText()))
  await end.asked
  await running.close()
}

function logWarnings(config: Config, warnings: readonly string[]): void {
  const log = createLogger(config.log)
  for (const warning of warnings) log.warn(warning)
  flushLog(log)
}

/** npm, a terminal and the launcher may each pass on the same Ctrl-C. */
const sameSignalMs = 1000

/**
 * The first signal asks for an orderly end, a second one, a second later, forces it. Before the registry is ready any signal ends the process at once:
 * there is nothing to drain, and what was begun is safe to repeat. (In a container the default action of a signal does not reach the first process.)
 */
function watchForEnd(): { readonly asked: Promise<void>; isReady(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  let isReady = false
  let askedAt: number | undefined
  const onSignal = (signal: NodeJS.Signals, code: number) => {
    if (!isReady || (askedAt !== undefined && performance.now() - askedAt > sameSignalMs)) process.exit(128 + code)
    if (askedAt === undefined) process.stderr.write(`${signal}: requests in flight may finish; again to end at once\n`)
    askedAt ??= performance.now()
    resolve()
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, onSignal)
  // The launcher of an older Node is gone: killed, since it passes signals on.
  process.on('disconnect', () => onSignal('SIGTERM', 15))
  process.channel?.unref()
  return { asked: promise, isReady: () => (isReady = true) }
}
