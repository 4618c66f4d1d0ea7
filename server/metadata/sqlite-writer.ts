/**
 * The writer thread: one connection, one group at a time. It gets {@link WriterMessage}s and answers each group with its answers in order.
 * Whatever goes wrong with its connection is an answer; a crash of the thread is for writer-thread.ts to notice.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { systemPorts } from '#lib/ports.ts'
import { SqliteConnection } from './sqlite-connection.ts'
import { kyselyOn } from './sqlite-dialect.ts'
import { runGroup } from './sqlite-group.ts'
import { closeWriter, openWriter, type OpenOptions } from './sqlite-open.ts'
import { WriteTurns } from './sqlite-turns.ts'
import { buffersOf, type WriterMessage } from './writer-messages.ts'

if (parentPort !== null && isWriter(workerData)) serve(parentPort, workerData.openWriter)

function isWriter(data: unknown): data is { readonly openWriter: OpenOptions } {
  return typeof data === 'object' && data !== null && 'openWriter' in data
}

function serve(port: NonNullable<typeof parentPort>, options: OpenOptions): void {
  const connection = new SqliteConnection(openWriter(options))
  const db = kyselyOn(connection)
  const turns = new WriteTurns(connection, options.busyTimeoutMs)
  const closing = new AbortController()
  port.on('message', (message: WriterMessage) => {
    if (message.kind === 'close') {
      closing.abort()
      closeWriter(connection.database)
      port.close()
      return
    }
    if (message.kind === 'preload') {
      void preload(message.moduleUrls, closing.signal)
      return
    }
    const { requests, aheadMs } = message
    const way = { now: () => systemPorts.clock.now() + aheadMs, begin: () => turns.begin() }
    void runGroup(connection, db, requests, way).then((answers) => port.postMessage(answers, buffersOf(answers)))
  })
}

/** One module at a time, so that groups which come meanwhile wait for one at most. One that cannot be loaded is told to the write that needs it. */
async function preload(moduleUrls: readonly string[], closing: AbortSignal): Promise<void> {
  for (const moduleUrl of moduleUrls) {
    if (closing.aborted) return
    await import(moduleUrl).catch(() => undefined)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
