/** Answers to what Node's parser will not take for a request: there is no exchange yet, so the answer is written by hand. */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { RegistryError } from '#oci/errors.ts'
import type { Site } from './exchange.ts'
import { errorBody } from './respond-error.ts'

/** How long what is still coming is taken in and thrown away, so that a reset does not overtake the answer. */
const lingerMs = 1_000

/** Writes the answer to a broken request and closes. */
export function refuseConnection(site: Site, socket: Duplex, error: NodeJS.ErrnoException): void {
  const { ports, log, metrics } = site.parts
  const requestId = ports.random.uuid()
  const known = errorFor(error.code)
  const body = errorBody(known, requestId)
  const standard = []
  for (let at = 0; at + 1 < site.standardHeaders.length; at += 2)
    standard.push(`${site.standardHeaders[at]}: ${site.standardHeaders[at + 1]}`)
  const head = [
    `HTTP/1.1 ${known.status} ${STATUS_CODES[known.status]}`,
    ...standard,
    `X-Request-Id: ${requestId}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  log.info(
    { requestId, code: known.code, reason: error.code, address: 'remoteAddress' in socket ? socket.remoteAddress : undefined },
    'refused what is no request',
  )
  metrics.http.begin('none')
  metrics.http.end({ handler: 'none', method: 'other', status: known.status, durationSeconds: 0, receivedBytes: 0, sentBytes: body.length })
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, 'latin1')
  const timer = ports.timers.after(lingerMs, () => socket.destroy())
  socket.once('close', () => timer[Symbol.dispose]())
}

function errorFor(code: string | undefined): RegistryError {
  if (code === 'HPE_HEADER_OVERFLOW') return new RegistryError('HEADERS_TOO_LARGE')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new RegistryError('REQUEST_TIMEOUT')
  return new RegistryError('REQUEST_INVALID', 'this is no HTTP/1.1 request')
}
