/**
 * Sends the body of a blob: whole, one range (206), or several as `multipart/byteranges` (RFC 9110 §14.6).
 *
 * Nothing is held in memory but what is on its way. Every answer announces its length first; a store that delivers less cuts the connection, because a
 * complete answer with a wrong body is the one thing that must not happen.
 */
import type { Readable } from 'node:stream'
import { sendFile, type Receiver } from '#lib/pooled-read.ts'
import { RegistryError } from '#oci/errors.ts'
import { parseRange, type ByteRange } from '#oci/range.ts'
import { createProof } from '#oci/damaged-blob.ts'
import type { BlobContent } from '#registry/registry.ts'
import { matchesRange } from './conditions.ts'
import { closeSignal, ClientGone, type Exchange } from './exchange.ts'
import { callerOf } from './forwarded.ts'
import { respondError } from './respond-error.ts'
import { beginResponse, endResponse, respond, writeBody, type HeaderList } from './respond.ts'

const blobType = 'application/octet-stream'

/** What is to be sent of a blob: pieces of it, with text before each and at the end where there are several. */
interface Plan {
  readonly status: 200 | 206
  readonly headers: HeaderList
  readonly lengthBytes: number
  readonly parts: readonly { readonly head: string; readonly range: ByteRange }[]
  readonly tail: string
  /** All of it, front to back: it can be proved on its way. */
  readonly isWhole: boolean
}

/** Sees each piece before it is written, and throws to stop the answer short of it. */
type Inspect = (piece: Uint8Array) => void

/** Answers GET with the blob, or the parts of it that Range asks for. `headers` are those of the blob itself. The caller closes `content`. */
export async function sendBlob(exchange: Exchange, content: BlobContent, headers: HeaderList): Promise<void> {
  const { sizeBytes, digest, body } = content
  const place = placeForProxy(exchange, content)
  if (place !== undefined) {
    respond(exchange, 200, [...headers, 'Content-Type', blobType, 'X-Accel-Redirect', place])
    return
  }
  const { range, 'if-range': condition } = exchange.request.headers
  const asked = range === undefined || !matchesRange(textOf(condition), digest) ? 'ignored' : parseRange(range, sizeBytes)
  if (asked === 'too-many') throw new RegistryError('RANGE_TOO_MANY')
  if (asked === 'unsatisfiable') {
    sendUnsatisfiable(exchange, sizeBytes)
    return
  }
  const plan = planOf(exchange, asked, sizeBytes)
  const all = [...headers, ...plan.headers]
  const [first] = plan.parts
  if (body.kind === 'bytes' && plan.tail === '') {
    respond(exchange, plan.status, all, first === undefined ? '' : body.bytes.subarray(first.range.start, first.range.end + 1))
    return
  }
  beginResponse(exchange, plan.status, [...all, 'Content-Length', String(plan.lengthBytes)])
  await sendParts(exchange, content, plan)
}

/**
 * Where nginx finds the file, when it is to send it itself (https://nginx.org/en/docs/http/ngx_http_proxy_module.html, X-Accel-Redirect; it looks after
 * Range too). Only a trusted proxy that says it can: anybody else would get an answer without a body. Bytes that are to be proved on their way pass through here.
 */
function placeForProxy({ site, request }: Exchange, { body, key }: BlobContent): string | undefined {
  const { http, validation } = site.parts.config
  if (http.accelPath === undefined || body.kind !== 'file' || key === undefined || validation.verifyBlobsOnRead) return undefined
  if (request.headers['x-sendfile-type'] !== 'X-Accel-Redirect' || !callerOf(request, site.proxies).isProxied) return undefined
  return `${http.accelPath}${key.split('/').map(encodeURIComponent).join('/')}`
}

function sendUnsatisfiable(exchange: Exchange, sizeBytes: number): void {
  const error = new RegistryError('RANGE_INVALID', { sizeBytes }, { message: 'requested range not satisfiable' })
  respondError(exchange, error, ['Content-Range', `bytes */${sizeBytes}`])
}

function planOf(exchange: Exchange, asked: readonly ByteRange[] | 'ignored', sizeBytes: number): Plan {
  if (asked === 'ignored') return planWhole(sizeBytes)
  const [first, ...others] = asked
  return first !== undefined && others.length === 0 ? planOne(first, sizeBytes) : planMany(exchange, asked, sizeBytes)
}

function planWhole(sizeBytes: number): Plan {
  const parts = sizeBytes === 0 ? [] : [{ head: '', range: { start: 0, end: sizeBytes - 1 } }]
  return { status: 200, headers: ['Content-Type', blobType], lengthBytes: sizeBytes, parts, tail: '', isWhole: true }
}

function planOne(range: ByteRange, sizeBytes: number): Plan {
  const headers = ['Content-Type', blobType, 'Content-Range', contentRange(range, sizeBytes)]
  return { status: 206, headers, lengthBytes: range.end - range.start + 1, parts: [{ head: '', range }], tail: '', isWhole: false }
}

function planMany(exchange: Exchange, ranges: readonly ByteRange[], sizeBytes: number): Plan {
  const boundary = exchange.site.parts.ports.random.bytes(15).toString('hex')
  const parts = ranges.map((range, at) => ({
    head: `${at === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${blobType}\r\nContent-Range: ${contentRange(range, sizeBytes)}\r\n\r\n`,
    range,
  }))
  const tail = `\r\n--${boundary}--\r\n`
  const lengthBytes = parts.reduce((sum, { head, range }) => sum + head.length + range.end - range.start + 1, tail.length)
  return { status: 206, headers: ['Content-Type', `multipart/byteranges; boundary=${boundary}`], lengthBytes, parts, tail, isWhole: false }
}

function contentRange({ start, end }: ByteRange, sizeBytes: number): string {
  return `bytes ${start}-${end}/${sizeBytes}`
}

async function sendParts(exchange: Exchange, content: BlobContent, plan: Plan): Promise<void> {
  const { response, notes, site } = exchange
  // A client that takes nothing for so long is gone: it would hold a descriptor and buffers for ever.
  const { bodyIdleTimeoutMs } = site.parts.config.limits
  if (bodyIdleTimeoutMs > 0) response.setTimeout(bodyIdleTimeoutMs, () => response.destroy())
  const inspect = plan.isWhole && site.parts.config.validation.verifyBlobsOnRead ? createProof(content) : undefined
  for (const { head, range } of plan.parts) {
    if (head !== '') await writeBody(exchange, head)
    await sendPart(exchange, content, { range, inspect })
  }
  notes.sentBytes += plan.tail.length
  if (plan.tail === '') endResponse(exchange)
  else endResponse(exchange, plan.tail)
}

interface Part {
  readonly range: ByteRange
  readonly inspect: Inspect | undefined
}

async function sendPart(exchange: Exchange, { body }: BlobContent, { range, inspect }: Part): Promise<void> {
  const { response, notes } = exchange
  switch (body.kind) {
    case 'bytes':
      await writeBody(exchange, body.bytes.subarray(range.start, range.end + 1))
      return
    case 'file':
      if ((await sendFile(inspect === undefined ? response : inspecting(response, inspect), body.handle, range)) === 'gone')
        throw new ClientGone()
      notes.sentBytes += range.end - range.start + 1
      return
    case 'stream': {
      const signal = closeSignal(exchange)
      await passOn(exchange, await body.read(range.start, range.end, signal), { range, inspect })
      return
    }
    case 'redirect':
      throw new Error('a redirect has no body to send')
  }
}

/** The same receiver behind an inspection. */
function inspecting(response: Receiver, inspect: Inspect): Receiver {
  return {
    get destroyed() {
      return response.destroyed
    },
    write(piece, callback) {
      inspect(piece)
      return response.write(piece, callback)
    },
    on: (event, listener) => response.on(event, listener),
    off: (event, listener) => response.off(event, listener),
  }
}

/** Passes a stream on, and fails unless it is exactly as long as the range: nothing beyond it is written, nothing short of it ends well. */
async function passOn(exchange: Exchange, source: Readable, { range: { start, end }, inspect }: Part): Promise<void> {
  let remaining = end - start + 1
  for await (const chunk of source as AsyncIterable<Uint8Array>) {
    remaining -= chunk.byteLength
    if (remaining < 0) throw new Error('the store sent more than it was asked for')
    inspect?.(chunk)
    await writeBody(exchange, chunk)
  }
  if (remaining > 0) throw new Error(`the store sent ${remaining} bytes too few`)
}

function textOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(',') : header
}
