/**
 * Connections that stay open and get what happens as server-sent events (HTML standard, "Server-sent events").
 *
 * The problem: each holds a socket and memory for hours, and its reader may be slow, gone or no longer let in. The way: there are so many for an account
 * and for a process and no more; a comment each fifteen seconds finds out who is gone; what a reader leaves unread is bounded, and who exceeds that is
 * cut and comes back where they were; whoever opened one looks again and again whether its caller may still have it.
 */
import { Readable } from 'node:stream'
import type { LiveActivity } from '#features/audit-live.ts'
import type { JobWatch } from '#jobs/watch-jobs.ts'
import type { LiveEnd, LiveMetrics } from '#lib/live-metrics.ts'
import type { Ports } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'

/** Where updates come from, and how many may have them. */
export interface LiveParts {
  readonly activity: LiveActivity
  readonly jobs: JobWatch
  readonly metrics: LiveMetrics
  /** The usual ones unless a test says otherwise. */
  readonly limits?: LiveLimits | undefined
}

/** Connections, bytes and milliseconds. */
export interface LiveLimits {
  readonly perAccount: number
  readonly perProcess: number
  readonly unreadBytes: number
  readonly heartbeatMs: number
  readonly lookMs: number
}

/** What a process and its callers can bear; a browser opens one for each page. */
export const usualLiveLimits: LiveLimits = {
  perAccount: 16,
  perProcess: 500,
  unreadBytes: 1024 * 1024,
  heartbeatMs: 15_000,
  lookMs: 5_000,
}

/** When a client should try again, in milliseconds. */
const retryMs = 3_000
const retryAfterSeconds = 10

const counts = new WeakMap<LiveParts, Map<string, number>>()

/** One event. */
export interface LiveEvent {
  readonly event: string
  readonly id?: number | undefined
  /** JSON, so that it has no line ends. */
  readonly data: string
}

/** What a connection needs besides. */
export interface LiveSurroundings extends Pick<Ports, 'timers'> {
  readonly onSent?: ((bytes: number) => void) | undefined
}

/** One connection. Its stream is the answer's body. */
export class LiveConnection {
  readonly stream: Readable
  readonly #closed = new AbortController()
  readonly #limits: LiveLimits
  readonly #timers: Ports['timers']
  readonly #onSent: LiveSurroundings['onSent']
  #reason: LiveEnd = 'client'
  #onRoom: (() => void)[] = []
  #isFull = false

  /** Throws TOOMANYREQUESTS. `onSent` gets how many bytes are on their way. */
  constructor(parts: LiveParts, account: string, { timers, onSent }: LiveSurroundings) {
    const { limits = usualLiveLimits, metrics } = parts
    this.#limits = limits
    this.#timers = timers
    this.#onSent = onSent
    const leave = enter(parts, limits, account)
    this.stream = new Readable({ read: () => this.#makeRoom() })
    // An answer that breaks off says so by itself.
    this.stream.on('error', () => undefined)
    metrics.opened()
    const heart = timers.every(limits.heartbeatMs, () => this.#write(':\n\n'))
    this.stream.once('close', () => {
      heart[Symbol.dispose]()
      leave()
      metrics.ended(this.#reason)
      this.#closed.abort('closed')
      this.#makeRoom()
    })
    this.#write(`retry: ${retryMs}\n\n`)
  }

  /** Aborts when the connection is over. */
  get signal(): AbortSignal {
    return this.#closed.signal
  }

  send({ event, id, data }: LiveEvent): void {
    this.#write(`event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`)
  }

  /** Resolves when what was sent is on its way, or the connection is over. */
  async room(): Promise<void> {
    if (!this.#isFull || this.signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onRoom.push(resolve)
    await promise
  }

  /** Says why, and ends the answer; cuts it where that is not read either. */
  end(reason: LiveEnd): void {
    if (this.signal.aborted || this.stream.readableEnded) return
    this.#reason = reason
    this.send({ event: 'end', data: JSON.stringify({ reason }) })
    this.stream.push(null)
    this.#timers.after(this.#limits.lookMs, () => this.stream.destroy())
  }

  #write(text: string): void {
    if (this.signal.aborted || this.stream.destroyed) return
    const bytes = Buffer.from(text)
    this.#onSent?.(bytes.length)
    this.#isFull = !this.stream.push(bytes)
    if (this.stream.readableLength <= this.#limits.unreadBytes) return
    this.#reason = 'slow'
    this.stream.destroy()
  }

  #makeRoom(): void {
    this.#isFull = false
    const waiting = this.#onRoom
    this.#onRoom = []
    for (const resolve of waiting) resolve()
  }
}

function enter(parts: LiveParts, { perAccount, perProcess }: LiveLimits, account: string): () => void {
  const open = counts.get(parts) ?? new Map<string, number>()
  counts.set(parts, open)
  const own = open.get(account) ?? 0
  const all = [...open.values()].reduce((sum, count) => sum + count, 0)
  if (own >= perAccount || all >= perProcess) {
    const message = own >= perAccount ? `this account has ${own} live connections open` : 'too many live connections are open here'
    throw new RegistryError('TOOMANYREQUESTS', undefined, { message, retryAfterSeconds })
  }
  open.set(account, own + 1)
  return () => {
    const left = (open.get(account) ?? 1) - 1
    if (left > 0) open.set(account, left)
    else open.delete(account)
  }
}
