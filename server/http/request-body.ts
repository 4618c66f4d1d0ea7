/**
 * A request body as chunks, with the patience that a server can afford.
 *
 * The problem: an upload may take hours and must not be cut, but a client that sends a byte a second must not hold a descriptor for ever; and what did
 * arrive of a torn upload must reach the disk, because it is resumable. The way: no limit on the whole, one on silence and one on the average
 * rate, both counted only while Berth is the one that waits. Chunks come as the socket gave them, without copying; a reader that lags pauses
 * the socket.
 */
import type { IncomingMessage } from 'node:http'
import { RegistryError } from '#oci/errors.ts'
import { bodyLength, ClientGone, hasBody, type Exchange } from './exchange.ts'

/** Chunks that wait for the reader: the socket is paused above the first, and let go again below the second. */
const pauseAboveBytes = 256 * 1024
const resumeBelowBytes = 64 * 1024
/** The rate is judged only after this much waiting: short bodies and slow starts pass. */
const graceMs = 10_000
const checkIntervalMs = 1_000

/**
 * The body, to be read once. Throws `ClientGone` when the connection ends first (after every chunk that came was handed out), and
 * REQUEST_TIMEOUT when the client is too slow. Gives leave to send it if the client asked (`Expect: 100-continue`).
 */
export function readBody(exchange: Exchange): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => (hasBody(exchange.request) ? openReader(exchange) : emptyReader) }
}

const emptyReader: AsyncIterator<Uint8Array> = { next: () => Promise.resolve({ done: true, value: undefined }) }

/** The whole body in memory. Throws `tooLarge` without reading on once it is longer than `limitBytes`. */
export async function readWholeBody(exchange: Exchange, limitBytes: number, tooLarge: RegistryError): Promise<Buffer> {
  const announced = bodyLength(exchange.request)
  if (announced !== undefined && announced > limitBytes) throw tooLarge
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of readBody(exchange)) {
    sizeBytes += chunk.byteLength
    if (sizeBytes > limitBytes) throw tooLarge
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, sizeBytes)
}

/** Refuses bodies in a coding: digests are of the bytes as sent, and unpacking what a client sends is not a registry's work. */
export function refuseEncodedBody(request: IncomingMessage): void {
  const coding = request.headers['content-encoding']
  if (coding === undefined || coding === '' || coding.toLowerCase() === 'identity') return
  throw new RegistryError('REQUEST_INVALID', 'send the body without Content-Encoding')
}

function openReader(exchange: Exchange): AsyncIterator<Uint8Array> {
  const { request, response, notes } = exchange
  const queue: Buffer[] = []
  let queuedBytes = 0
  let failure: Error | undefined
  let isEnded = false
  let wake: (() => void) | undefined

  const onData = (chunk: Buffer) => {
    notes.receivedBytes += chunk.length
    queuedBytes += chunk.length
    queue.push(chunk)
    if (queuedBytes > pauseAboveBytes) request.pause()
    wake?.()
  }
  const onEnd = () => {
    isEnded = true
    wake?.()
  }
  const fail = (reason: Error) => {
    failure ??= reason
    wake?.()
  }
  const onClose = () => {
    if (!isEnded) fail(new ClientGone())
  }
  const patience = watchPatience(exchange, fail)
  const release = () => {
    patience.stop()
    request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose).pause()
  }

  request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
  if (request.destroyed) onClose()
  if (notes.awaitsContinue) {
    notes.awaitsContinue = false
    response.writeContinue()
  }

  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    while (queue.length === 0 && failure === undefined && !isEnded) {
      const { promise, resolve } = Promise.withResolvers<void>()
      wake = resolve
      patience.begin()
      await promise
      patience.end()
      wake = undefined
    }
    const value = queue.shift()
    if (value !== undefined) {
      queuedBytes -= value.length
      if (queuedBytes < resumeBelowBytes && request.isPaused()) request.resume()
      return { done: false, value }
    }
    release()
    if (failure !== undefined) throw failure
    return { done: true, value: undefined }
  }
  return {
    next,
    return: () => {
      release()
      return Promise.resolve({ done: true, value: undefined })
    },
  }
}

interface Patience {
  begin(): void
  end(): void
  stop(): void
}

/** Calls `fail` when the time that the reader spent waiting shows a client that is silent or too slow. */
function watchPatience(exchange: Exchange, fail: (reason: Error) => void): Patience {
  const { config, ports } = exchange.site.parts
  const { bodyIdleTimeoutMs, bodyBytesPerSecond } = config.limits
  let waitedMs = 0
  let waitingSince: number | undefined
  const check = () => {
    if (waitingSince === undefined) return
    const silentMs = ports.clock.monotonic() - waitingSince
    if (bodyIdleTimeoutMs > 0 && silentMs >= bodyIdleTimeoutMs) fail(tooSlow('nothing was sent for too long'))
    const totalMs = waitedMs + silentMs
    // Before its first byte a client may still be preparing what it sends: that is for the limit on silence.
    if (exchange.notes.receivedBytes > 0 && totalMs > graceMs && (exchange.notes.receivedBytes / totalMs) * 1_000 < bodyBytesPerSecond)
      fail(tooSlow('the body comes too slowly'))
  }
  const intervalMs = bodyIdleTimeoutMs > 0 ? Math.max(10, Math.min(checkIntervalMs, bodyIdleTimeoutMs / 4)) : checkIntervalMs
  const timer = ports.timers.every(intervalMs, check)
  return {
    begin: () => {
      waitingSince = ports.clock.monotonic()
    },
    end: () => {
      if (waitingSince !== undefined) waitedMs += ports.clock.monotonic() - waitingSince
      waitingSince = undefined
    },
    stop: () => timer[Symbol.dispose](),
  }
}

function tooSlow(detail: string): RegistryError {
  return new RegistryError('REQUEST_TIMEOUT', detail)
}
