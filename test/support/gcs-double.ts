/**
 * A strict double of Google Cloud Storage for tests, with faults on demand: of its JSON API what objects need, of its XML API multipart uploads and signed URLs.
 * It does what Google documents and no more: tokens and signatures are checked against the key of its service account, parts but the last have 5 MiB, conditions
 * go by generations, and a completion names parts that are there. Buckets are in memory.
 */
import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { makeAccount, tokenFault, urlFault, type ServiceAccount } from './gcs-identity.ts'

const minimumPartBytes = 5 * 1024 ** 2

interface StoredObject {
  readonly bytes: Buffer
  readonly generation: string
  readonly updated: string
}

interface Upload {
  readonly name: string
  readonly startedAt: string
  readonly parts: Map<number, { readonly bytes: Buffer; readonly etag: string }>
}

interface Bucket {
  readonly objects: Map<string, StoredObject>
  readonly uploads: Map<string, Upload>
}

/** What the double does wrong. */
export interface GcsFaults {
  /** Percent of requests that are answered 429 or 503. */
  busyPercent?: number
  /** `lose`: the work is done, the answer is not sent; `cut`: half of the body; `expired`: 401. */
  once?: (operation: string) => 'lose' | 'cut' | 'expired' | undefined
}

/** A running double. */
export interface GcsDouble extends AsyncDisposable {
  readonly endpoint: string
  /** As Google's JSON file has it. */
  readonly account: ServiceAccount
  readonly faults: GcsFaults
  /** `GET object`, `PUT part`, …, of every request that was allowed, in order. */
  readonly seen: string[]
  /** Why requests were refused for their form or their signature: a client of ours has none. */
  readonly refused: string[]
  readonly buckets: ReadonlyMap<string, Bucket>
}

interface Answer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: Buffer | string
}

interface Asked {
  readonly method: string
  readonly path: readonly string[]
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

type State = Omit<GcsDouble, 'endpoint' | typeof Symbol.asyncDispose> & { readonly buckets: Map<string, Bucket>; generation: number }

class Refusal extends Error {
  readonly status: number
  readonly reason: string
  constructor(status: number, reason: string, message = reason) {
    super(message)
    this.status = status
    this.reason = reason
  }
}

/** Starts a double on a port of its own. */
export async function startGcsDouble(): Promise<GcsDouble> {
  const state: State = { account: makeAccount(), faults: {}, seen: [], refused: [], buckets: new Map(), generation: Date.now() * 1_000 }
  const server = createServer((request, response) => void handle(state, request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const stop = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { ...state, endpoint: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: stop }
}

async function handle(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const asked = await read(request).catch(() => undefined)
  if (asked === undefined) return
  const operation = operationOf(asked)
  try {
    checkSigned(state, asked, request)
    const what = state.faults.once?.(operation)
    if (what === 'expired') return send(response, errorAnswer(new Refusal(401, 'authError'), asked))
    if (Math.random() * 100 < (state.faults.busyPercent ?? 0))
      throw new Refusal(state.seen.length % 2 === 0 ? 503 : 429, 'rateLimitExceeded')
    state.seen.push(operation)
    const answer = answerTo(state, operation, asked)
    if (what === 'lose') return void request.socket.destroy()
    send(response, answer, what === 'cut')
  } catch (error) {
    const refusal = error instanceof Refusal ? error : new Refusal(500, 'bug', String(error))
    if ([400, 401, 403, 405, 500].includes(refusal.status)) state.refused.push(`${operation}: ${refusal.message}`)
    send(response, errorAnswer(refusal, asked))
  }
}

async function read(request: IncomingMessage): Promise<Asked> {
  const { method = '', headers } = request
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const { pathname, searchParams: query } = new URL(request.url ?? '', 'http://double')
  return { method, path: pathname.split('/').slice(1), query, headers, body: Buffer.concat(chunks) }
}

function checkSigned({ account }: State, { query, headers }: Asked, request: IncomingMessage): void {
  const isSigned = query.has('X-Goog-Signature')
  const fault = isSigned ? urlFault(account, request) : tokenFault(account, headers.authorization)
  if (fault !== undefined) throw new Refusal(isSigned ? 403 : 401, 'authError', fault)
}

function send(response: ServerResponse, { status, headers = {}, body = '' }: Answer, isCut = false): void {
  const bytes = Buffer.from(body as Buffer)
  response.writeHead(status, { 'content-length': bytes.length, date: new Date().toUTCString(), ...headers })
  if (!isCut) return void response.end(bytes)
  response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy())
}

function errorAnswer({ status, reason, message }: Refusal, { path }: Asked): Answer {
  const isXml = path[0] !== 'storage' && path[0] !== 'upload'
  const codes: Record<string, string> = { conditionNotMet: 'PreconditionFailed', rateLimitExceeded: 'SlowDown', notFound: 'NoSuchKey' }
  const body = isXml
    ? `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${codes[reason] ?? reason}</Code><Message>${message}</Message></Error>`
    : JSON.stringify({ error: { code: status, message, errors: [{ message, domain: 'global', reason }] } }, undefined, 1)
  return { status, body }
}

/** Which of the service's operations a request is. */
function operationOf({ method, path, query }: Asked): string {
  const [first, , , bucket, , name] = path
  if (first === 'upload') return `${method} insert`
  if (first === 'storage')
    return `${method} ${bucket === undefined ? 'buckets' : path.length === 4 ? 'bucket' : name === undefined ? 'list' : 'object'}`
  if (query.has('partNumber')) return `${method} part`
  if (query.has('uploadId')) return `${method} upload`
  return query.has('uploads') ? `${method} uploads` : `${method} xml`
}

function answerTo(state: State, operation: string, asked: Asked): Answer {
  const handler = handlers[operation]
  if (handler === undefined) throw new Refusal(405, 'methodNotAllowed', `no such operation: ${operation}`)
  return handler(state, asked)
}

const handlers: Readonly<Record<string, (state: State, asked: Asked) => Answer>> = {
  'POST buckets': ({ buckets }, { body }) => {
    const { name } = JSON.parse(body.toString()) as { name: string }
    buckets.set(name, { objects: new Map(), uploads: new Map() })
    return json({ name })
  },
  'POST insert': (state, { path, query, body }) => {
    const { objects } = bucketOf(state, path[4])
    const name = query.get('name') ?? ''
    if (query.get('uploadType') !== 'media' || name === '') throw new Refusal(400, 'required')
    checkGeneration(query, objects.get(name))
    return json({ generation: store(state, objects, name, body).generation })
  },
  'GET object': (state, { path, query, headers }) => {
    const object = objectOf(state, path)
    checkGeneration(query, object)
    if (query.get('alt') === 'media') return bytesAnswer(object, headers.range)
    return json({ name: nameOf(path), size: String(object.bytes.length), generation: object.generation, updated: object.updated })
  },
  'DELETE object': (state, { path }) => {
    objectOf(state, path)
    bucketOf(state, path[3]).objects.delete(nameOf(path))
    return { status: 204 }
  },
  'GET list': (state, { path, query }) => {
    const [prefix, token] = [query.get('prefix') ?? '', query.get('pageToken')]
    const limit = Math.min(Number(query.get('maxResults') ?? 1_000), 1_000)
    if (!(limit > 0)) throw new Refusal(400, 'invalid')
    const after = token === null ? '' : Buffer.from(token, 'base64').toString()
    const found = [...bucketOf(state, path[3]).objects]
      .filter(([name]) => name.startsWith(prefix) && name > after)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
    const items = found.slice(0, limit).map(([name, { bytes, updated }]) => ({ name, size: String(bytes.length), updated }))
    const last = Buffer.from(items.at(-1)?.name ?? '').toString('base64')
    // Without objects the member is not there at all.
    return json({ ...(items.length > 0 ? { items } : {}), ...(found.length > limit ? { nextPageToken: last } : {}) })
  },
  'GET xml': (state, { path, headers }) => {
    const object = bucketOf(state, path[0]).objects.get(xmlName(path))
    if (object === undefined) throw new Refusal(404, 'notFound')
    return bytesAnswer(object, headers.range)
  },
  'POST uploads': (state, { path, body }) => {
    if (body.length > 0) throw new Refusal(400, 'InvalidArgument')
    const uploadId = randomUUID()
    bucketOf(state, path[0]).uploads.set(uploadId, { name: xmlName(path), startedAt: new Date().toISOString(), parts: new Map() })
    return xml(`<InitiateMultipartUploadResult><UploadId>${uploadId}</UploadId></InitiateMultipartUploadResult>`)
  },
  'PUT part': (state, asked) => {
    const { parts } = uploadOf(state, asked)
    const number = Number(asked.query.get('partNumber'))
    if (!Number.isInteger(number) || number < 1 || number > 10_000) throw new Refusal(400, 'InvalidArgument')
    const etag = `"${createHash('md5').update(asked.body).digest('hex')}"`
    parts.set(number, { bytes: asked.body, etag })
    return { status: 200, headers: { etag } }
  },
  'POST upload': (state, asked) => {
    const { name, parts } = uploadOf(state, asked)
    const named = [...asked.body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>(.*?)<\/ETag>/g)]
    const { objects, uploads } = bucketOf(state, asked.path[0])
    const bytes = named.map(([, number, etag = ''], index) => {
      const part = parts.get(Number(number))
      if (part === undefined || part.etag !== etag.replaceAll('&#34;', '"')) throw new Refusal(400, 'InvalidPart')
      if (index > 0 && Number(named[index - 1]?.[1]) >= Number(number)) throw new Refusal(400, 'InvalidPartOrder')
      if (index < named.length - 1 && part.bytes.length < minimumPartBytes) throw new Refusal(400, 'EntityTooSmall')
      return part.bytes
    })
    if (bytes.length === 0) throw new Refusal(400, 'MalformedXML')
    store(state, objects, name, Buffer.concat(bytes))
    uploads.delete(asked.query.get('uploadId') ?? '')
    return xml('<CompleteMultipartUploadResult></CompleteMultipartUploadResult>')
  },
  'DELETE upload': (state, asked) => {
    uploadOf(state, asked)
    bucketOf(state, asked.path[0]).uploads.delete(asked.query.get('uploadId') ?? '')
    return { status: 204 }
  },
  'GET uploads': (state, { path, query }) => {
    const found = [...bucketOf(state, path[0]).uploads].filter(([, { name }]) => name.startsWith(query.get('prefix') ?? ''))
    const entries = found.map(
      ([id, { name, startedAt }]) => `<Upload><Key>${name}</Key><UploadId>${id}</UploadId><Initiated>${startedAt}</Initiated></Upload>`,
    )
    return xml(`<ListMultipartUploadsResult>${entries.join('')}<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>`)
  },
}

function bucketOf({ buckets }: State, name = ''): Bucket {
  const bucket = buckets.get(decodeURIComponent(name))
  if (bucket === undefined) throw new Refusal(404, 'notFound', 'The specified bucket does not exist.')
  return bucket
}

/** The name is one segment. */
function nameOf(path: readonly string[]): string {
  if (path.length !== 6) throw new Refusal(400, 'invalid', 'a name has slashes that are not encoded')
  return decodeURIComponent(path[5] ?? '')
}

function xmlName(path: readonly string[]): string {
  return decodeURIComponent(path.slice(1).join('/'))
}

function objectOf(state: State, path: readonly string[]): StoredObject {
  const object = bucketOf(state, path[3]).objects.get(nameOf(path))
  if (object === undefined) throw new Refusal(404, 'notFound', `No such object: ${nameOf(path)}`)
  return object
}

function uploadOf(state: State, { path, query }: Asked): Upload {
  const upload = bucketOf(state, path[0]).uploads.get(query.get('uploadId') ?? '')
  if (upload?.name !== xmlName(path)) throw new Refusal(404, 'NoSuchUpload')
  return upload
}

function checkGeneration(query: URLSearchParams, object: StoredObject | undefined): void {
  const wanted = query.get('ifGenerationMatch')
  if (wanted !== null && wanted !== (object?.generation ?? '0')) throw new Refusal(412, 'conditionNotMet')
}

function store(state: State, objects: Map<string, StoredObject>, name: string, bytes: Buffer): StoredObject {
  const object = { bytes, generation: String(++state.generation), updated: new Date().toISOString() }
  objects.set(name, object)
  return object
}

function bytesAnswer({ bytes, generation }: StoredObject, range: string | undefined): Answer {
  const headers = { 'x-goog-generation': generation, 'x-goog-stored-content-length': String(bytes.length) }
  if (range === undefined) return { status: 200, headers, body: bytes }
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? []
  if (!(Number(start) < bytes.length)) throw new Refusal(416, 'requestedRangeNotSatisfiable')
  const part = bytes.subarray(Number(start), Number(end) + 1)
  const last = Number(start) + part.length - 1
  return { status: 206, headers: { ...headers, 'content-range': `bytes ${start}-${last}/${bytes.length}` }, body: part }
}

function json(value: object): Answer {
  return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) }
}

function xml(text: string): Answer {
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: `<?xml version='1.0' encoding='UTF-8'?>${text}` }
}
