/**
 * Keeps the writer thread: starts it, hands it groups, starts it again after a crash.
 *
 * What a dying thread had under way is refused with UNAVAILABLE: it may or may not be committed. Restarts wait longer each time; after
 * {@link patientRestarts} in a row writes are refused at once until the next attempt is due, and the first group that is answered clears the count.
 */
import { Worker } from 'node:worker_threads'
import type { Logger } from '#lib/logger.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { unavailable } from './sqlite-errors.ts'
import type { GroupRunner, WriteAnswer, WriteRequest } from './sqlite-group.ts'
import type { OpenOptions } from './sqlite-open.ts'
import { buffersOf, type WriterMessage } from './writer-messages.ts'

const firstRestartDelayMs = 100
const longestRestartDelayMs = 10_000
const patientRestarts = 4

/** How the thread opens the database; clock and timers space its restarts. */
export interface WriterThreadOptions extends OpenOptions {
  readonly ports: Pick<Ports, 'clock' | 'timers'>
  readonly log: Logger
}

/** The writing connection in a thread of its own. One group at a time; an idle thread does not keep the process alive. */
export class WriterThread implements GroupRunner {
  readonly #options: WriterThreadOptions
  #worker: Worker | undefined
  #crashes = 0
  #restartAt = 0
  #closed = false
  #underWay: { readonly resolve: (answers: readonly WriteAnswer[]) => void; readonly reject: (error: Error) => void } | undefined

  constructor(options: WriterThreadOptions) {
    this.#options = options
    this.#worker = this.#start()
  }

  async run(requests: readonly WriteRequest[]): Promise<readonly WriteAnswer[]> {
    const worker = this.#worker ?? (await this.#restart())
    const { promise, resolve, reject } = Promise.withResolvers<readonly WriteAnswer[]>()
    this.#underWay = { resolve, reject }
    // Only work under way keeps the process alive, not the idle thread.
    worker.ref()
    const aheadMs = this.#options.ports.clock.now() - systemPorts.clock.now()
    worker.postMessage({ kind: 'group', requests, aheadMs } satisfies WriterMessage, buffersOf(requests))
    try {
      return await promise
    } finally {
      worker.unref()
    }
  }

  /** Has the thread load these modules now, so that the first write that needs one does not wait for it. */
  preload(moduleUrls: readonly string[]): void {
    if (!this.#closed) this.#worker?.postMessage({ kind: 'preload', moduleUrls } satisfies WriterMessage)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    const worker = this.#worker
    if (worker === undefined) return
    const { promise, resolve } = Promise.withResolvers<void>()
    worker.once('exit', () => resolve())
    worker.ref()
    worker.postMessage({ kind: 'close' } satisfies WriterMessage)
    await promise
  }

  #start(): Worker {
    const { file, busyTimeoutMs } = this.#options
    const openWriter: OpenOptions = { file, busyTimeoutMs }
    const worker = new Worker(new URL('sqlite-writer.ts', import.meta.url), { name: 'database writer', workerData: { openWriter } })
    worker.unref()
    let cause: unknown
    worker.on('message', (answers: readonly WriteAnswer[]) => this.#answered(answers))
    worker.on('error', (error) => (cause = error))
    worker.on('exit', (code) => this.#exited(cause ?? new Error(`the thread ended with code ${code}`)))
    return worker
  }

  async #restart(): Promise<Worker> {
    const { clock, timers } = this.#options.ports
    const waitMs = this.#restartAt - clock.monotonic()
    if (waitMs > 0) {
      if (this.#crashes > patientRestarts) throw unavailable(new Error('the writer thread does not stay up'))
      await timers.sleep(waitMs)
    }
    return (this.#worker = this.#start())
  }

  #answered(answers: readonly WriteAnswer[]): void {
    this.#crashes = 0
    this.#underWay?.resolve(answers)
    this.#underWay = undefined
  }

  #exited(cause: unknown): void {
    this.#worker = undefined
    if (this.#closed && this.#underWay === undefined) return
    const { log, ports } = this.#options
    const delayMs = Math.min(longestRestartDelayMs, firstRestartDelayMs * 2 ** this.#crashes)
    this.#crashes++
    this.#restartAt = ports.clock.monotonic() + delayMs
    log.error({ err: cause, crashes: this.#crashes, delayMs }, 'the database writer thread ended by itself')
    this.#underWay?.reject(unavailable(cause))
    this.#underWay = undefined
  }
}
