/**
 * Where audit lines go: a file or the standard output.
 *
 * Every record of the table goes there after its commit, at least once: the place in the table is kept in the database after the lines are on the disk, so
 * what a crash cuts off is written again. Pulls go there alone; they are in no table, wait a second in memory and may be lost by a crash.
 * Of several processes on one database one writes the lines of records, the one that leads, so that each stands once among all of theirs.
 */
import type { AuditConfig } from '#config/config.ts'
import type { ActivityStream } from '#events/dispatch.ts'
import type { Logger } from '#lib/logger.ts'
import { logLines } from '#lib/logging.ts'
import type { Ports } from '#lib/ports.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { findSetting, putSetting } from '#metadata/settings.ts'
import { transaction } from '#metadata/transaction.ts'
import { createLineFile, type LineFile } from './audit-file.ts'
import { eventLine, pullLine, type LineSource, type Pull } from './audit-lines.ts'

/** The lines of this process. Disposing writes what waits. */
export interface AuditStream extends AsyncDisposable {
  /** Writes a line for the pull, where the configuration asks for that. Returns at once. */
  pulled(pull: Pull): void
  /** Whether {@link pulled} does anything: for callers that would have to gather what it takes. */
  readonly hasPulls: boolean
  /** Pulls whose lines had no room, since the start. */
  readonly dropped: number
  /** Resolves when what was handed over is written or has failed. */
  flush(): Promise<void>
}

/** What the stream is made of. */
export interface AuditStreamParts {
  readonly config: AuditConfig
  readonly activity: ActivityStream
  readonly metadata: Metadata
  readonly ports: Pick<Ports, 'clock' | 'timers' | 'files'>
  readonly log: Logger
  readonly source: LineSource
  /** Runs what one process does for all, in the one whose turn it is. Absent: there is one process. */
  readonly inTurn?: (name: string, start: () => Promise<AsyncDisposable>) => Promise<AsyncDisposable>
}

const settingName = 'audit-lines'
const flushIntervalMs = 1_000
/** How often the place in the table is kept: so many records may be written twice after a crash. */
const placeIntervalMs = 5_000
const retryMs = 5_000
/** Beyond it records wait in the table and pulls are dropped. */
const waitingCharactersMax = 4 * 1024 * 1024

const keepPlace = transaction(import.meta.url, 'audit-stream/keep-place', (tx, lastId: number) => putSetting(tx, settingName, { lastId }))

/** Begins where the process before ended; the first of all begins with the oldest record. */
export async function createAuditStream(parts: AuditStreamParts): Promise<AuditStream> {
  const { config, activity, metadata, source } = parts
  const output = outputOf(parts)
  if (output === undefined)
    return {
      pulled: () => undefined,
      hasPulls: false,
      dropped: 0,
      flush: async () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
    }
  const writer = new LineWriter(parts, output)
  const subscribe = async () =>
    activity.subscribe(
      async (event, signal) => {
        await writer.room(signal)
        writer.add(eventLine(event, source), event.id)
      },
      { name: 'audit-lines', after: await placeIn(metadata) },
    )
  const { inTurn = (_name, start) => start() } = parts
  const subscription = config.hasRecords ? await inTurn('audit-lines', subscribe) : undefined
  return {
    pulled(pull) {
      if (config.hasPulls) writer.addPull(pullLine(pull, source))
    },
    hasPulls: config.hasPulls,
    get dropped() {
      return writer.dropped
    },
    flush: () => writer.flush(),
    async [Symbol.asyncDispose]() {
      await subscription?.[Symbol.asyncDispose]()
      await writer[Symbol.asyncDispose]()
    },
  }
}

async function placeIn({ reader }: Metadata): Promise<number> {
  const place = (await findSetting(reader, settingName)) as { readonly lastId?: unknown } | undefined
  return Number.isSafeInteger(place?.lastId) ? (place?.lastId as number) : 0
}

function outputOf({ config, ports, log }: AuditStreamParts): LineFile | undefined {
  if (config.output === undefined) return undefined
  if (config.output !== 'standard-output') return createLineFile(config.output.file, ports.files)
  const lines = logLines(log)
  return { append: async (text) => void lines?.sink.write(text), [Symbol.asyncDispose]: async () => undefined }
}

/** Lines that wait for the output, and the id of the last record among them. */
class LineWriter implements AsyncDisposable {
  readonly #parts: AuditStreamParts
  readonly #output: LineFile
  readonly #timer: Disposable
  #waiting: string[] = []
  #characters = 0
  #lastId: number | undefined
  #writing: Promise<void> | undefined
  #hasFailed = false
  #placeKeptAt = Number.NEGATIVE_INFINITY
  #keptId: number | undefined
  dropped = 0

  constructor(parts: AuditStreamParts, output: LineFile) {
    this.#parts = parts
    this.#output = output
    this.#timer = parts.ports.timers.every(flushIntervalMs, () => void this.flush())
  }

  add(line: string, id: number): void {
    this.#waiting.push(line)
    this.#characters += line.length
    this.#lastId = id
  }

  addPull(line: string): void {
    if (this.#characters + line.length > waitingCharactersMax) {
      this.dropped += 1
      return
    }
    this.#waiting.push(line)
    this.#characters += line.length
  }

  /** Resolves when there is room for another record: after a write that failed, at the earliest when it is tried again. Rejects when aborted. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#characters > waitingCharactersMax / 2) {
      await this.flush()
      if (this.#hasFailed) await this.#parts.ports.timers.sleep(retryMs, signal)
    }
  }

  async flush(): Promise<void> {
    await this.#writing
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined))
    await this.#writing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer[Symbol.dispose]()
    this.#placeKeptAt = Number.NEGATIVE_INFINITY
    await this.flush()
    await this.#output[Symbol.asyncDispose]()
  }

  async #write(): Promise<void> {
    const lines = [...this.#waiting]
    const lastId = this.#lastId
    try {
      if (lines.length > 0) await this.#output.append(lines.join(''))
      this.#waiting = this.#waiting.slice(lines.length)
      this.#characters = this.#waiting.reduce((sum, line) => sum + line.length, 0)
      if (this.#hasFailed) this.#parts.log.info('audit lines are written again')
      this.#hasFailed = false
      await this.#keepPlace(lastId)
    } catch (error) {
      if (!this.#hasFailed)
        this.#parts.log.error({ err: error }, 'audit lines cannot be written: records wait in the database, pulls in memory')
      this.#hasFailed = true
    }
  }

  async #keepPlace(lastId: number | undefined): Promise<void> {
    const { ports, metadata } = this.#parts
    const now = ports.clock.monotonic()
    if (lastId === undefined || lastId === this.#keptId || now - this.#placeKeptAt < placeIntervalMs) return
    await metadata.write(keepPlace, lastId)
    this.#keptId = lastId
    this.#placeKeptAt = now
  }
}
