/**
 * The one way out: every answer is begun here, so that each carries registry:2's headers, the operator's and the request id.
 *
 * Headers are flat lists (name, value, name, value, …), which Node writes as they are: the cheapest form, and the one that can repeat a name.
 */
import { bodyLength, ClientGone, hasBody, type Exchange } from './exchange.ts'

export type HeaderList = readonly string[]

const noHeaders: HeaderList = []
const json: HeaderList = ['Content-Type', 'application/json; charset=utf-8']

/** Sends status line and headers. The caller sends the body, of the length it announced. */
export function beginResponse(exchange: Exchange, status: number, headers: HeaderList): void {
  const { site, response, requestId } = exchange
  const all = [...site.standardHeaders, 'X-Request-Id', requestId, ...headers]
  if (site.state.isLeaving || mustClose(exchange)) all.push('Connection', 'close')
  response.writeHead(status, all)
}

/** Sends a whole answer. The length is announced, also to HEAD, whose body Node leaves out. */
export function respond(exchange: Exchange, status: number, headers: HeaderList, body?: string | Uint8Array): void {
  if (body === undefined) {
    beginResponse(exchange, status, status === 204 || status === 304 ? headers : [...headers, 'Content-Length', '0'])
    endResponse(exchange)
    return
  }
  const lengthBytes = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength
  beginResponse(exchange, status, [...headers, 'Content-Length', String(lengthBytes)])
  endResponse(exchange, body)
  if (exchange.request.method !== 'HEAD') exchange.notes.sentBytes += lengthBytes
}

export function respondJson(exchange: Exchange, value: unknown, headers: HeaderList = noHeaders): void {
  respond(exchange, 200, [...json, ...headers], JSON.stringify(value))
}

/** Sends a piece of the body; resolves when there is room for the next. Throws `ClientGone` when the connection closes first. */
export async function writeBody(exchange: Exchange, piece: string | Uint8Array): Promise<void> {
  const { response, notes } = exchange
  if (response.destroyed) throw new ClientGone()
  notes.sentBytes += piece.length
  if (response.write(piece)) return
  const { promise, resolve } = Promise.withResolvers<void>()
  response.once('drain', resolve).once('close', resolve)
  await promise
  response.off('drain', resolve).off('close', resolve)
  if (response.destroyed) throw new ClientGone()
}

/** A body left unread up to this size is read away after the answer, so that the connection lives on. */
const keptBodyBytes = 256 * 1024
/** What is read of a larger one before the connection is cut: a client that still writes sees its answer only when its bytes are taken. */
const drainedBytesMax = 16 * 1024 * 1024
const drainMs = 5_000

function isUnread(exchange: Exchange): boolean {
  return !exchange.request.complete && hasBody(exchange.request)
}

function mustClose(exchange: Exchange): boolean {
  if (!isUnread(exchange)) return false
  const length = bodyLength(exchange.request)
  return exchange.notes.awaitsContinue || length === undefined || length > keptBodyBytes
}

/**
 * Ends the answer; `body` is its last piece. A request body that nobody read is taken in for a bounded while first: closing a socket with unread bytes
 * sends a reset, which makes many clients throw away the answer that explains it.
 */
export function endResponse(exchange: Exchange, body?: string | Uint8Array): void {
  const { request, response } = exchange
  if (!isUnread(exchange) || exchange.notes.awaitsContinue) {
    response.end(body)
    return
  }
  const { timers } = exchange.site.parts.ports
  if (!mustClose(exchange)) {
    const timer = timers.after(drainMs, () => request.complete || request.destroy())
    request.once('close', () => timer[Symbol.dispose]())
    response.end(body)
    return
  }
  if (body === undefined || request.method === 'HEAD') response.flushHeaders()
  else response.write(body)
  let drainedBytes = 0
  const finish = () => {
    timer[Symbol.dispose]()
    request.off('data', count).off('end', finish).off('close', finish)
    response.end()
  }
  const count = (chunk: Buffer) => {
    drainedBytes += chunk.length
    if (drainedBytes > drainedBytesMax) finish()
  }
  const timer = timers.after(drainMs, finish)
  request.on('data', count).once('end', finish).once('close', finish).resume()
}
