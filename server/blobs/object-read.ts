/**
 * Reads a range of an object to its end, over as many requests as that takes: a body that is cut, or that sends nothing for a while, is asked for again from
 * where it ended, of the same object (If-Match).
 */
import { Readable } from 'node:stream'
import type { Timers } from '#lib/ports.ts'
import { ObjectError, type ObjectBackend, type ReadObject } from './object-backend.ts'
import { registryErrorOf } from './object-error.ts'

const idleMs = 20_000
/** Cuts in a row without a byte in between. */
const cutsMax = 5

/** What is read: bytes `start` to `end` inclusive, while the object is the one with that etag. */
export interface ObjectRange {
  readonly name: string
  readonly etag: string | undefined
  readonly start: number
  readonly end: number
}

/** A request of a store, and the time that its body may rest. */
export interface ObjectSource {
  readonly backend: ObjectBackend
  readonly timers: Pick<Timers, 'after'>
}

/** Asks for the first byte, so that what is not there is told before anybody gets the stream. */
export async function readObject(source: ObjectSource, range: ObjectRange, signal: AbortSignal): Promise<Readable> {
  // No range of HTTP says "nothing".
  if (range.end < range.start) return Readable.from([], { objectMode: false })
  const first = await request(source, range, signal)
  return Readable.from(pieces(source, range, { first, signal }), { objectMode: false, signal, highWaterMark: 256 * 1024 })
}

/** A whole object in memory; undefined when absent, or `'too long'` without having read it. */
export async function readWhole(
  { backend, timers }: ObjectSource,
  { name, maximumBytes }: { readonly name: string; readonly maximumBytes: number },
  signal: AbortSignal,
): Promise<{ readonly bytes: Buffer; readonly etag: string } | 'too long' | undefined> {
  for (let cuts = 1; ; cuts++) {
    const found = await backend.get(name, { signal })
    if (found === undefined) return undefined
    const { body, sizeBytes, etag } = found
    try {
      if (sizeBytes > maximumBytes) return 'too long'
      const chunks: Uint8Array[] = []
      for await (const chunk of untilIdle(body, timers)) chunks.push(chunk)
      const bytes = Buffer.concat(chunks)
      if (bytes.length === sizeBytes) return { bytes, etag }
      throw new ObjectError('passing', 'the body ended early')
    } catch (error) {
      if (signal.aborted || cuts === cutsMax) throw error instanceof ObjectError ? error : cutBy(error)
    } finally {
      body.destroy()
    }
  }
}

async function request({ backend }: ObjectSource, { name, etag, start, end }: ObjectRange, signal: AbortSignal): Promise<ReadObject> {
  const found = await backend.get(name, { range: { start, end }, ...(etag === undefined ? {} : { etag }), signal })
  if (found === undefined) throw new ObjectError('absent', 'the object is gone')
  return found
}

async function* pieces(
  source: ObjectSource,
  range: ObjectRange,
  { first, signal }: { readonly first: ReadObject; readonly signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  let at = range.start
  let cuts = 0
  for (let opened: ReadObject | undefined = first; at <= range.end; opened = undefined) {
    try {
      opened ??= await request(source, { ...range, etag: range.etag ?? first.etag, start: at }, signal)
      for await (const piece of untilIdle(opened.body, source.timers)) {
        at += piece.length
        cuts = 0
        yield checkedPiece(piece, at, range)
      }
      if (at <= range.end) throw new ObjectError('passing', 'the body ended early')
    } catch (error) {
      if (++cuts >= cutsMax || !isCut(error, signal)) throw registryErrorOf(error instanceof ObjectError ? error : cutBy(error))
    } finally {
      opened?.body.destroy()
    }
  }
}

/** Nothing beyond the range is passed on. */
function checkedPiece(piece: Uint8Array, at: number, { end }: ObjectRange): Uint8Array {
  if (at > end + 1) throw new ObjectError('refused', 'the store sent more than it was asked for')
  return piece
}

/** Whether another request may go on where this one ended. */
function isCut(error: unknown, signal: AbortSignal): boolean {
  if (signal.aborted) return false
  return !(error instanceof ObjectError) || error.fault === 'passing' || error.fault === 'busy'
}

function cutBy(cause: unknown): ObjectError {
  return new ObjectError('passing', 'the body was cut', { cause })
}

/** The body, which fails when nothing comes for a while. */
async function* untilIdle(body: Readable, timers: Pick<Timers, 'after'>): AsyncGenerator<Uint8Array> {
  const iterator = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
  for (;;) {
    const timer = timers.after(idleMs, () => body.destroy(new ObjectError('passing', 'the body stopped', { code: 'Idle' })))
    let next: IteratorResult<Uint8Array>
    try {
      next = await iterator.next()
    } finally {
      timer[Symbol.dispose]()
    }
    if (next.done === true) return
    yield next.value
  }
}
