/**
 * The activity stream of this process: tells subscribers what happened, after the commit, in id order.
 *
 * Each subscriber has its own place in the table and reads on when it is done with what it has. So a slow one holds nobody up and nothing piles
 * up in memory, and one that throws loses only that event. A subscriber that must not lose anything over a restart keeps the last id itself and
 * passes it as `after`.
 *
 * With several writers (PostgreSQL) ids are not committed in order: nobody is told an event before all with smaller ids are decided (settled-events.ts).
 */
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import { eventReader, newestEventId } from '#metadata/events.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { SettledEvents } from '#metadata/settled-events.ts'
import { eventFromRow, type Event, type RecordedEvent } from './event.ts'

/**
 * Gets one event at a time, in id order. When it throws, that is logged and the event is lost to it; `signal` aborts when the subscription is
 * disposed.
 */
export type EventHandler = (event: RecordedEvent, signal: AbortSignal) => Promise<void> | void

/** Who subscribes, and from which event on. */
export interface SubscribeOptions {
  /** For the log. */
  readonly name: string
  /** Events with larger ids are told; without it those that come from now on. */
  readonly after?: number
  /** Those alone are told, and read: a flood of others costs nothing. All, unless said. */
  readonly actions?: readonly Event['action'][]
}

/** Fans committed events out to the subscribers of this process. Disposing ends all of them. */
export interface ActivityStream extends AsyncDisposable {
  /** Resolves when the subscriber has its place. Disposing waits for the call that runs, whose signal is aborted. */
  subscribe(handler: EventHandler, options: SubscribeOptions): Promise<AsyncDisposable>
  /** The id of the newest event such that all before it are decided: where one begins who wants what comes from now on. */
  newest(): Promise<number>
  /** Something was committed: look now. */
  wake(): void
  /** The same database, whose every write wakes the stream. */
  watch(metadata: Metadata): Metadata
}

const pageRows = 100
/** How soon events are seen that another process wrote. */
const pollMs = 2000
/** How soon it is asked again whether a transaction ended that may have drawn a smaller id. */
const undecidedMs = 20

/** What the stream reads from, and the timer by which it sees what other processes wrote. */
export interface ActivityOptions {
  readonly metadata: Metadata
  readonly ports: Pick<Ports, 'timers'>
  readonly log: Logger
}

/** Begins to poll at once. Writes of this process are seen without waiting when they go through {@link ActivityStream.watch}. */
export function createActivityStream({ metadata, ports, log }: ActivityOptions): ActivityStream {
  const subscribers = new Set<Subscriber>()
  const wake = () => {
    for (const subscriber of subscribers) subscriber.wake()
  }
  const poll = ports.timers.every(pollMs, wake)
  const settled = new SettledEvents(metadata.reader)
  return {
    wake,
    newest: () => newestDecided(metadata, settled),
    async subscribe(handler, { name, after, actions }) {
      const start = after ?? (await newestDecided(metadata, settled))
      const subscriber = new Subscriber({
        metadata,
        settled,
        timers: ports.timers,
        log: log.child({ subscriber: name }),
        handler,
        after: start,
        actions,
      })
      subscribers.add(subscriber)
      subscriber.wake()
      return {
        async [Symbol.asyncDispose]() {
          subscribers.delete(subscriber)
          await subscriber[Symbol.asyncDispose]()
        },
      }
    },
    watch: (watched) => watchWrites(watched, wake),
    async [Symbol.asyncDispose]() {
      poll[Symbol.dispose]()
      const all = [...subscribers]
      subscribers.clear()
      await Promise.all(all.map((subscriber) => subscriber[Symbol.asyncDispose]()))
    },
  }
}

/** Where one begins who wants what comes from now on: of two that are under way the smaller id may still come. */
async function newestDecided({ reader }: Metadata, settled: SettledEvents): Promise<number> {
  const newest = await newestEventId(reader)
  return Math.min(newest, await settled.through())
}

function watchWrites(metadata: Metadata, wake: () => void): Metadata {
  return {
    dialect: metadata.dialect,
    reader: metadata.reader,
    ...(metadata.away !== undefined && { away: metadata.away }),
    async write(definition, input) {
      const output = await metadata.write(definition, input)
      wake()
      return output
    },
    preload: () => metadata.preload?.(),
    ping: () => metadata.ping(),
    [Symbol.asyncDispose]: () => metadata[Symbol.asyncDispose](),
  }
}

interface SubscriberParts {
  readonly metadata: Metadata
  readonly settled: SettledEvents
  readonly timers: ActivityOptions['ports']['timers']
  readonly log: Logger
  readonly handler: EventHandler
  readonly after: number
  readonly actions: SubscribeOptions['actions']
}

/** One reader of the table with its place in it. */
class Subscriber implements AsyncDisposable {
  readonly #parts: SubscriberParts
  readonly #abort = new AbortController()
  readonly #next: ReturnType<typeof eventReader>
  #lastId: number
  #reading: Promise<void> | undefined
  #wokenAgain = false

  constructor(parts: SubscriberParts) {
    this.#parts = parts
    this.#next = eventReader(parts.actions)
    this.#lastId = parts.after
  }

  /** Reads on unless it does already. Many wakes while it reads are one. */
  wake(): void {
    if (this.#abort.signal.aborted) return
    this.#wokenAgain = true
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
      if (this.#wokenAgain) this.wake()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    await this.#reading
  }

  async #read(): Promise<void> {
    while (this.#wokenAgain && !this.#abort.signal.aborted) {
      this.#wokenAgain = false
      // The writes that woke this are answered first, and a long way to catch up leaves turns to others.
      await new Promise((resolve) => setImmediate(resolve))
      if (await this.#readPage()) this.#wokenAgain = true
    }
  }

  /** True when there may be more. */
  async #readPage(): Promise<boolean> {
    const { metadata, settled, timers, log, actions } = this.#parts
    try {
      const through = await settled.through()
      const newest = actions === undefined ? 0 : Math.min(through, await newestEventId(metadata.reader))
      const rows = await this.#next(metadata.reader, { id: this.#lastId, limit: pageRows })
      for (const row of rows) {
        if (this.#abort.signal.aborted) return false
        if (row.id > through) {
          await timers.sleep(undecidedMs)
          return true
        }
        const event = eventFromRow(row)
        if (event !== undefined) await this.#tell(event)
        this.#lastId = row.id
      }
      if (rows.length === pageRows) return true
      // What was there before the look and is not wanted is not looked at again.
      this.#lastId = Math.max(this.#lastId, newest)
      return false
    } catch (error) {
      if (!this.#abort.signal.aborted) log.error({ err: error }, 'events cannot be read: the next wake tries again')
      return false
    }
  }

  async #tell(event: RecordedEvent): Promise<void> {
    const { log, handler } = this.#parts
    try {
      await handler(event, this.#abort.signal)
    } catch (error) {
      if (!this.#abort.signal.aborted) log.error({ err: error, event: event.id, action: event.action }, 'a subscriber failed on an event')
    }
  }
}
