/** One of several processes of `berth serve --workers`: serves until the one that keeps it says otherwise, whatever signals come. */
import { loadConfig } from '#config/load.ts'
import type { MetricsPart } from '#lib/merged-metrics.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'

/** Serves, and ends when it is told to. A keeper that is gone takes its workers along (node:cluster). */
export async function serveAsWorker(file: string | undefined, count: number): Promise<void> {
  // A terminal sends Ctrl-C to all processes at once; the keeper says when each is to end.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const) process.on(signal, () => undefined)
  const { config } = await loadConfig({ file, environment: process.env, cwd: process.cwd() })
  const { serve } = await import('#main.ts')
  const asked = new Map<number, (parts: readonly MetricsPart[]) => void>()
  const gather = () => {
    const { promise, resolve } = Promise.withResolvers<readonly MetricsPart[]>()
    const id = (lastId += 1)
    asked.set(id, resolve)
    tell({ kind: 'gather', id })
    return promise
  }
  let lastId = 0
  const running = await serve(config, undefined, { gather, count })
  const { promise: ended, resolve: end } = Promise.withResolvers<boolean>()
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'end') end(message.isReplaced)
    else if (message.kind === 'tell') void running.readMetrics().then((part) => tell({ kind: 'figures', id: message.id, part }))
    else {
      asked.get(message.id)?.(message.parts)
      asked.delete(message.id)
    }
  })
  const { url, administrator } = running
  tell({ kind: 'ready', running: { url, administrator } })
  await running.close({ isReplaced: await ended })
}

function tell(message: FromWorker): void {
  // The callback takes what would else be thrown: a keeper that is gone hears nothing.
  process.send?.(message, undefined, undefined, () => undefined)
}
