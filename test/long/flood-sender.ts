/** Sends wrong passwords until it is told to stop: a process behind password-flood.test.ts. */
import { constants, setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { LeanConnection, requestText } from './lean-connection.ts'

/** Where a wrong password can be shown. */
export type Door = 'basic' | 'token-get' | 'token-post' | 'session'

/**
 * What to send. `connections`: each sends as soon as it was answered; `perSecond`: so many, whether answers came or not, each over a connection that is free or a
 * new one. `address`: from that one, or (undefined) from as many as there are requests.
 */
export interface FloodOrder {
  readonly port: number
  readonly door: Door
  readonly path: string
  readonly address: string | undefined
  readonly load: { readonly connections: number } | { readonly perSecond: number }
}

export interface FloodReport {
  readonly sent: number
  readonly statuses: Readonly<Record<string, number>>
  /** CPU time of the sender. */
  readonly cpuMs: number
}

/** Of an open loop: more than a single machine would hold open against one server. */
const connectionsMax = 2_000

const form = { 'Content-Type': 'application/x-www-form-urlencoded' }
const json = { 'Content-Type': 'application/json' }

/** Names that are there and names that are not. */
function requestOf({ door, path, address }: FloodOrder, number: number): Buffer {
  const sender = address ?? `198.${18 + ((number >> 16) & 1)}.${(number >> 8) & 255}.${number & 255}`
  const name = number % 2 === 0 ? 'admin' : `user-${number}`
  const password = `wrong-${number}`
  const from = { 'X-Forwarded-For': sender }
  const basic = { ...from, Authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` }
  switch (door) {
    case 'basic':
      return requestText('GET', path, basic)
    case 'token-get':
      return requestText('GET', '/token?service=berth&scope=repository:flooded/app:pull', basic)
    case 'token-post':
      return requestText(
        'POST',
        '/token',
        { ...from, ...form },
        `grant_type=password&service=berth&client_id=x&username=${name}&password=${password}`,
      )
    case 'session':
      return requestText('POST', '/api/v1/session', { ...from, ...json }, JSON.stringify({ name, password }))
  }
}

class Flood {
  readonly #order: FloodOrder
  readonly #signal: AbortSignal
  readonly #statuses: Record<string, number> = {}
  readonly #idle: LeanConnection[] = []
  readonly #open = new Set<LeanConnection>()
  #sent = 0

  constructor(order: FloodOrder, signal: AbortSignal) {
    this.#order = order
    this.#signal = signal
  }

  async run(): Promise<FloodReport> {
    const { load } = this.#order
    const before = process.cpuUsage()
    if ('connections' in load) await Promise.all(Array.from({ length: load.connections }, () => this.#closedLoop()))
    else await this.#openLoop(load.perSecond)
    for (const connection of this.#open) connection.close()
    const { user, system } = process.cpuUsage(before)
    return { sent: this.#sent, statuses: this.#statuses, cpuMs: Math.round((user + system) / 1000) }
  }

  async #closedLoop(): Promise<void> {
    while (!this.#signal.aborted) await this.#one()
  }

  async #openLoop(perSecond: number): Promise<void> {
    const startedAt = performance.now()
    while (!this.#signal.aborted) {
      const due = Math.floor(((performance.now() - startedAt) / 1000) * perSecond)
      while (this.#sent < due && this.#open.size - this.#idle.length < connectionsMax) void this.#one()
      await sleep(2)
    }
  }

  /** A connection that breaks counts as an answer 0. */
  async #one(): Promise<void> {
    const request = requestOf(this.#order, this.#sent++)
    const status = await this.#ask(request).catch(() => 0)
    if (!this.#signal.aborted) this.#statuses[status] = (this.#statuses[status] ?? 0) + 1
  }

  async #ask(request: Buffer): Promise<number> {
    let connection = this.#idle.pop()
    while (connection?.isOpen === false) connection = this.#idle.pop()
    connection ??= await LeanConnection.open(this.#order.port)
    this.#open.add(connection)
    try {
      const { status } = await Promise.race([connection.send(request), aborted(this.#signal)])
      return status
    } finally {
      if (connection.isOpen) this.#idle.push(connection)
      else this.#open.delete(connection)
    }
  }
}

const aborts = new WeakMap<AbortSignal, Promise<never>>()

function aborted(signal: AbortSignal): Promise<never> {
  const known = aborts.get(signal)
  if (known !== undefined) return known
  const { promise, reject } = Promise.withResolvers<never>()
  signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true })
  promise.catch(() => undefined)
  aborts.set(signal, promise)
  return promise
}

if (process.send !== undefined) {
  // Who sends wrong passwords is elsewhere, and takes no core from server and puller.
  setPriority(constants.priority.PRIORITY_LOW)
  let stop = new AbortController()
  process.on('message', (order: FloodOrder | 'stop') => {
    if (order === 'stop') {
      stop.abort()
      return
    }
    stop = new AbortController()
    void new Flood(order, stop.signal).run().then((report) => process.send?.(report))
  })
}
