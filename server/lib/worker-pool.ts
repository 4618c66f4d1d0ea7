/**
 * Worker threads for work that would hold the event loop, or that hostile input could make hold it for ever.
 *
 * The problem: parsing 3.5 MB of JSON takes 0.2 s, in which no other request moves; and nothing can stop a loop in its own thread. The way:
 * up to `size` threads, started when first needed, one task at a time in each, with limits on memory, time and queue; what breaks a limit
 * loses its thread, and the next task gets a fresh one. To move work here, write a module that calls `serveTasks` of worker-task.ts, and
 * hand its URL to {@link createWorkerPool}.
 */
import { Worker, type ResourceLimits, type Transferable } from 'node:worker_threads'
import { systemPorts, type Timers } from './ports.ts'
import type { TaskAnswer, ThrownData } from './worker-task.ts'

/** Runs tasks in threads. Disposing rejects what waits or runs as 'closed' and ends the threads. */
export interface WorkerPool extends AsyncDisposable {
  /**
   * Hands `input` to a worker by structured clone (`transfer` moves instead) and resolves with its output; rejects with
   * {@link WorkerError}, or with the signal's reason. An abort frees the caller at once; a task that runs already ends by itself.
   */
  run<I, O>(input: I, signal?: AbortSignal, transfer?: readonly Transferable[]): Promise<O>
}

/** Limits of a pool; each has a default. */
export interface WorkerPoolOptions {
  readonly timers?: Timers
  /** From the hand-over to the thread, its start included. */
  readonly deadlineMs?: number
  /** Tasks that wait for a thread; more are refused as 'busy'. */
  readonly queueMax?: number
  /** A thread that has had nothing to do for so long ends, and gives back its memory. */
  readonly idleMs?: number
  readonly resourceLimits?: ResourceLimits
}

const defaults = {
  timers: systemPorts.timers,
  deadlineMs: 10_000,
  queueMax: 128,
  idleMs: 60_000,
  resourceLimits: { maxOldGenerationSizeMb: 256 },
}

/**
 * 'thrown': the task's own error; 'deadline': it took too long; 'crashed': its thread ended; 'busy': the queue is full; 'closed': the pool is.
 */
export type WorkerFailure = 'thrown' | 'deadline' | 'crashed' | 'busy' | 'closed'

/** Why a task has no output. `thrown` holds what the worker's code threw, for the caller to revive. */
export class WorkerError extends Error {
  override readonly name = 'WorkerError'
  readonly failure: WorkerFailure
  readonly thrown: ThrownData | undefined

  constructor(failure: WorkerFailure, message: string, options: { cause?: unknown; thrown?: ThrownData } = {}) {
    super(message, { cause: options.cause })
    this.failure = failure
    this.thrown = options.thrown
  }
}

/** A pool of at most `size` threads that run the module. Nothing starts before the first task; idle threads do not keep the process alive. */
export function createWorkerPool(moduleUrl: URL, size: number, options: WorkerPoolOptions = {}): WorkerPool {
  return new ThreadPool(moduleUrl, size, { ...defaults, ...options })
}

interface Task {
  readonly input: unknown
  readonly transfer: readonly Transferable[]
  readonly resolve: (output: unknown) => void
  readonly reject: (reason: unknown) => void
}

class ThreadPool implements WorkerPool {
  readonly #moduleUrl: URL
  readonly #size: number
  readonly #options: Required<WorkerPoolOptions>
  readonly #threads = new Set<Thread>()
  readonly #waiting = new Set<Task>()
  #closed = false

  constructor(moduleUrl: URL, size: number, options: Required<WorkerPoolOptions>) {
    this.#moduleUrl = moduleUrl
    this.#size = size
    this.#options = options
  }

  async run<I, O>(input: I, signal?: AbortSignal, transfer: readonly Transferable[] = []): Promise<O> {
    if (this.#closed) throw new WorkerError('closed', 'the worker pool is closed')
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const task: Task = { input, transfer, resolve, reject }
    const thread = this.#threadFor()
    if (thread === undefined && this.#waiting.size >= this.#options.queueMax)
      throw new WorkerError('busy', 'too many tasks wait for a worker')
    if (thread === undefined) this.#waiting.add(task)
    else thread.run(task)
    const onAbort = () => {
      this.#waiting.delete(task)
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    return (await promise.finally(() => signal?.removeEventListener('abort', onAbort))) as O
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    for (const task of this.#waiting) task.reject(new WorkerError('closed', 'the worker pool was closed'))
    this.#waiting.clear()
    await Promise.all([...this.#threads].map((thread) => thread.end(new WorkerError('closed', 'the worker pool was closed'))))
  }

  /** Undefined where the task has to wait. Throws when no thread can be started and there is none that would take it later. */
  #threadFor(): Thread | undefined {
    try {
      return this.#freeThread()
    } catch (cause) {
      if (this.#threads.size > 0) return undefined
      throw new WorkerError('crashed', 'a worker thread cannot be started', { cause })
    }
  }

  /** Undefined if all threads are busy. Throws what the start of a thread throws: the machine may be out of them. */
  #freeThread(): Thread | undefined {
    const idle = [...this.#threads].find((candidate) => candidate.isIdle)
    if (idle !== undefined || this.#threads.size >= this.#size) return idle
    const thread: Thread = new Thread(this.#moduleUrl, this.#options, {
      free: () => this.#runNext(),
      gone: () => {
        this.#threads.delete(thread)
        this.#runNext()
      },
    })
    this.#threads.add(thread)
    return thread
  }

  #runNext(): void {
    for (const task of this.#waiting) {
      try {
        const thread = this.#threadFor()
        if (thread === undefined) return
        this.#waiting.delete(task)
        thread.run(task)
      } catch (error) {
        // With no thread left nobody would ever call again.
        this.#waiting.delete(task)
        task.reject(error)
      }
    }
  }
}

interface ThreadEvents {
  /** The thread can take a task. */
  free(): void
  /** The thread has ended and will take none. */
  gone(): void
}

/** One worker and the task that it runs, if any. */
class Thread {
  readonly #worker: Worker
  readonly #options: Required<WorkerPoolOptions>
  readonly #events: ThreadEvents
  #task: Task | undefined
  /** The deadline of the task; without one, the end of the idle time. */
  #timer: Disposable | undefined
  #ended = false

  constructor(moduleUrl: URL, options: Required<WorkerPoolOptions>, events: ThreadEvents) {
    this.#options = options
    this.#events = events
    // Flags of the parent (a test runner's, an inspector's) are not meant for its threads.
    this.#worker = new Worker(moduleUrl, { execArgv: [], resourceLimits: options.resourceLimits })
    this.#worker.on('message', (answer: TaskAnswer) => this.#answered(answer))
    this.#worker.on('error', (cause) => this.#fail(new WorkerError('crashed', 'the worker crashed', { cause })))
    this.#worker.on('messageerror', (cause) => this.#fail(new WorkerError('crashed', 'the answer of the worker cannot be read', { cause })))
    this.#worker.on('exit', () => this.#fail(new WorkerError('crashed', 'the worker ended before its task')))
  }

  get isIdle(): boolean {
    return this.#task === undefined && !this.#ended
  }

  run(task: Task): void {
    this.#task = task
    this.#worker.ref()
    this.#setTimer(this.#options.deadlineMs, new WorkerError('deadline', `the task took longer than ${this.#options.deadlineMs} ms`))
    try {
      this.#worker.postMessage(task.input, task.transfer)
    } catch (error) {
      // The input cannot be cloned: the caller's mistake, and the thread is as good as before.
      task.reject(error)
      this.#rest()
      this.#events.free()
    }
  }

  /** Ends the thread; its task, if any, fails with the error. */
  async end(error: WorkerError): Promise<void> {
    this.#fail(error)
    await this.#worker.terminate()
  }

  #answered(answer: TaskAnswer): void {
    const task = this.#task
    if (this.#ended || task === undefined) return
    if (answer.kind === 'done') task.resolve(answer.output)
    else task.reject(new WorkerError('thrown', answer.thrown.message, { thrown: answer.thrown }))
    this.#rest()
    this.#events.free()
  }

  #rest(): void {
    this.#task = undefined
    this.#worker.unref()
    this.#setTimer(this.#options.idleMs, new WorkerError('closed', 'the worker was idle'))
  }

  #setTimer(delayMs: number, error: WorkerError): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = this.#options.timers.after(delayMs, () => void this.end(error))
  }

  #fail(error: WorkerError): void {
    if (this.#ended) return
    this.#ended = true
    this.#timer?.[Symbol.dispose]()
    this.#task?.reject(error)
    this.#task = undefined
    this.#events.gone()
  }
}
