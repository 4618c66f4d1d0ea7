/**
 * A strict S3 service for tests, with faults on demand. It does what Amazon documents and no more: signatures are checked, parts but the last have 5 MiB,
 * conditions hold, and a completion names parts that are there. Buckets are in memory; a path-style endpoint on the loopback interface.
 */
import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { signatureFault } from './s3-signature.ts'

const account = { accessKeyId: 'DOUBLEKEY', secretAccessKey: 'double/secret+key' }
const minimumPartBytes = 5 * 1024 ** 2

interface StoredObject {
  readonly bytes: Buffer
  readonly etag: string
  readonly modifiedAt: number
}

interface Upload {
  readonly key: string
  readonly startedAt: number
  readonly parts: Map<number, { readonly bytes: Buffer; readonly etag: string }>
}

interface Bucket {
  readonly objects: Map<string, StoredObject>
  readonly uploads: Map<string, Upload>
}

/** What the double does wrong. Each function is asked for each request that is well signed; what it says is done. */
export interface Faults {
  /** Percent of requests that are answered 503 SlowDown (or 500 InternalError, each other one). */
  busyPercent?: number
  /** `refuse`: 503; `deny`: 403; `hang`: headers, then nothing; `cut`: half of the body; `lose`: the work is done, the answer is not sent; `error in 200`: of a completion. */
  once?: (request: SeenRequest) => 'refuse' | 'deny' | 'hang' | 'cut' | 'lose' | 'quota' | 'error in 200' | undefined
}

/** A request as a test may judge it: `PUT part`, `POST complete`, `GET object`, … */
export interface SeenRequest {
  readonly operation: string
  readonly key: string
  readonly headers: IncomingMessage['headers']
}

/** A running double. */
export interface S3Double extends AsyncDisposable {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly faults: Faults
  /** Every request that was well signed, in order. */
  readonly seen: SeenRequest[]
  /** Codes of requests that were refused for their form or signature: a client of ours has none. */
  readonly refused: string[]
  readonly buckets: ReadonlyMap<string, Bucket>
}

class Refusal extends Error {
  readonly status: number
  readonly code: string
  constructor(status: number, code: string) {
    super(code)
    this.status = status
    this.code = code
  }
}

/** Starts a double on a port of its own. */
export async function startS3Double(): Promise<S3Double> {
  const state = { buckets: new Map<string, Bucket>(), faults: {} as Faults, seen: [] as SeenRequest[], refused: [] as string[] }
  const server = createServer((request, response) => void handle(state, request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    ...account,
    ...state,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

type State = Pick<S3Double, 'faults' | 'seen' | 'refused'> & { readonly buckets: Map<string, Bucket> }

interface Call {
  readonly bucketName: string
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

interface Answer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: string | Uint8Array
}

let busyCounter = 0

async function handle(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const { call, operation } = await readCall(state, request)
    const seen = { operation, key: call.key, headers: request.headers }
    state.seen.push(seen)
    const wrong = state.faults.once?.(seen)
    failAsAsked(state.faults, wrong)
    send(request, response, { answer: perform(state, operation, call), wrong })
  } catch (error) {
    refuse(state, error, { request, response })
  }
}

async function readCall(state: State, request: IncomingMessage): Promise<{ readonly call: Call; readonly operation: string }> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks)
  const fault = signatureFault(request, body, account)
  if (fault !== undefined) {
    state.refused.push(fault)
    throw new Refusal(statuses[fault] ?? 403, fault)
  }
  const url = new URL(request.url ?? '/', 'http://double')
  const [, bucketName = '', ...rest] = decodeURIComponent(url.pathname).split('/')
  const call = { bucketName, key: rest.join('/'), query: url.searchParams, headers: request.headers, body }
  return { call, operation: operationOf(request.method ?? '', call) }
}

const statuses: Readonly<Record<string, number>> = { NotImplemented: 501, XAmzContentSHA256Mismatch: 400 }

/** Not drawn: a run that failed can be run again. */
function failAsAsked({ busyPercent = 0 }: Faults, wrong: ReturnType<NonNullable<Faults['once']>>): void {
  if ((busyCounter++ * 37) % 100 < busyPercent)
    throw busyCounter % 2 === 0 ? new Refusal(503, 'SlowDown') : new Refusal(500, 'InternalError')
  if (wrong === 'refuse') throw new Refusal(503, 'SlowDown')
  if (wrong === 'deny') throw new Refusal(403, 'AccessDenied')
  if (wrong === 'quota') throw new Refusal(403, 'QuotaExceeded')
}

function refuse(
  { refused }: State,
  error: unknown,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
): void {
  const { status, code } = error instanceof Refusal ? error : { status: 500, code: String(error) }
  if (status === 400 && code !== 'XAmzContentSHA256Mismatch') refused.push(code)
  const text = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>double</Message></Error>`
  response.writeHead(status, { 'content-type': 'application/xml' }).end(request.method === 'HEAD' ? undefined : text)
}

function send(request: IncomingMessage, response: ServerResponse, { answer, wrong }: { answer: Answer; wrong: string | undefined }): void {
  const body = Buffer.from(answer.body ?? '')
  if (wrong === 'lose') {
    request.socket.destroy()
    return
  }
  if (wrong === 'error in 200') {
    response.writeHead(200, { 'content-type': 'application/xml' }).end(' <Error><Code>InternalError</Code></Error>')
    return
  }
  response.writeHead(answer.status, { 'content-length': String(body.length), ...answer.headers })
  if (wrong === 'hang') response.flushHeaders()
  else if (wrong === 'cut') response.write(body.subarray(0, body.length >> 1), () => request.socket.destroy())
  else response.end(request.method === 'HEAD' ? undefined : body)
}

function operationOf(method: string, { key, query }: Call): string {
  const what = ['uploads', 'delete', 'list-type', 'partNumber', 'uploadId'].find((name) => query.has(name))
  const names: Record<string, string> = {
    uploads: 'uploads',
    delete: 'delete',
    'list-type': 'list',
    partNumber: 'part',
    uploadId: 'upload',
  }
  const plain = key === '' ? 'bucket' : 'object'
  return `${method} ${what === undefined ? plain : (names[what] ?? '')}`
}

const actions: Record<string, (bucket: Bucket, call: Call) => Answer> = {
  'PUT object': putObject,
  'GET object': getObject,
  'HEAD object': (bucket, call) => getObject(bucket, call),
  'DELETE object': (bucket, { key }) => (bucket.objects.delete(key), { status: 204 }),
  'GET list': listObjects,
  'POST delete': deleteObjects,
  'POST uploads': (bucket, { key }) => {
    const id = randomUUID()
    bucket.uploads.set(id, { key, startedAt: Date.now(), parts: new Map() })
    return xml(`<InitiateMultipartUploadResult><Key>${key}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
  },
  'GET uploads': listUploads,
  'PUT part': putPart,
  'GET upload': (bucket, call) => {
    const { parts } = uploadOf(bucket, call)
    const items = [...parts].toSorted(([one], [other]) => one - other)
    return xml(
      `<ListPartsResult>${items.map(([number, { etag, bytes }]) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag><Size>${bytes.length}</Size></Part>`).join('')}</ListPartsResult>`,
    )
  },
  'POST upload': complete,
  'DELETE upload': (bucket, call) => {
    uploadOf(bucket, call)
    bucket.uploads.delete(call.query.get('uploadId') ?? '')
    return { status: 204 }
  },
}

function perform({ buckets }: State, operation: string, call: Call): Answer {
  const { bucketName } = call
  if (operation === 'PUT bucket') {
    buckets.set(bucketName, { objects: new Map(), uploads: new Map() })
    return { status: 200 }
  }
  const bucket = buckets.get(bucketName)
  if (bucket === undefined) throw new Refusal(404, 'NoSuchBucket')
  if (operation === 'DELETE bucket') {
    if (bucket.objects.size > 0) throw new Refusal(409, 'BucketNotEmpty')
    buckets.delete(bucketName)
    return { status: 204 }
  }
  const action = actions[operation]
  if (action === undefined) throw new Refusal(501, 'NotImplemented')
  return action(bucket, call)
}

function putObject({ objects }: Bucket, { key, headers, body }: Call): Answer {
  const before = objects.get(key)
  if (headers['if-none-match'] === '*' && before !== undefined) throw new Refusal(412, 'PreconditionFailed')
  const wanted = headers['if-match']
  if (wanted !== undefined && before === undefined) throw new Refusal(404, 'NoSuchKey')
  if (wanted !== undefined && wanted !== before?.etag) throw new Refusal(412, 'PreconditionFailed')
  if (headers['content-length'] === undefined) throw new Refusal(411, 'MissingContentLength')
  const etag = etagOf(body)
  objects.set(key, { bytes: body, etag, modifiedAt: Date.now() })
  return { status: 200, headers: { etag } }
}

function getObject({ objects }: Bucket, { key, headers }: Call): Answer {
  const found = objects.get(key)
  if (found === undefined) throw new Refusal(404, 'NoSuchKey')
  if (headers['if-match'] !== undefined && headers['if-match'] !== found.etag) throw new Refusal(412, 'PreconditionFailed')
  const { bytes, etag } = found
  const common = { etag, 'accept-ranges': 'bytes', 'last-modified': new Date(found.modifiedAt).toUTCString() }
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? []
  if (from === undefined) return { status: 200, headers: { ...common, 'content-length': String(bytes.length) }, body: bytes }
  if (Number(from) >= bytes.length) throw new Refusal(416, 'InvalidRange')
  const end = to === undefined || to === '' ? bytes.length - 1 : Math.min(Number(to), bytes.length - 1)
  return {
    status: 206,
    headers: { ...common, 'content-range': `bytes ${from}-${end}/${bytes.length}` },
    body: bytes.subarray(Number(from), end + 1),
  }
}

function listObjects({ objects }: Bucket, { query }: Call): Answer {
  const [prefix, after] = [query.get('prefix') ?? '', query.get('start-after') ?? '']
  const limit = Math.min(1_000, Number(query.get('max-keys') ?? 1_000))
  const names = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).toSorted()
  const entries = names.slice(0, limit).map((name) => {
    const { bytes, etag, modifiedAt } = objects.get(name) ?? { bytes: '', etag: '', modifiedAt: 0 }
    const shown = query.get('encoding-type') === 'url' ? encodeURIComponent(name) : name
    return `<Contents><Key>${shown}</Key><LastModified>${new Date(modifiedAt).toISOString()}</LastModified><ETag>${etag}</ETag><Size>${bytes.length}</Size></Contents>`
  })
  return xml(`<ListBucketResult><IsTruncated>${names.length > limit}</IsTruncated>${entries.join('')}</ListBucketResult>`)
}

function listUploads({ uploads }: Bucket, { query }: Call): Answer {
  const found = [...uploads].filter(([, { key }]) => key.startsWith(query.get('prefix') ?? ''))
  const entries = found.map(
    ([id, { key, startedAt }]) =>
      `<Upload><Key>${encodeURIComponent(key)}</Key><UploadId>${id}</UploadId><Initiated>${new Date(startedAt).toISOString()}</Initiated></Upload>`,
  )
  return xml(`<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${entries.join('')}</ListMultipartUploadsResult>`)
}

function deleteObjects({ objects }: Bucket, { headers, body }: Call): Answer {
  if (headers['content-md5'] !== createHash('md5').update(body).digest('base64')) throw new Refusal(400, 'InvalidDigest')
  const keys = [...body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => key)
  if (keys.length > 1_000) throw new Refusal(400, 'MalformedXML')
  for (const key of keys) objects.delete(key)
  return xml('<DeleteResult></DeleteResult>')
}

function putPart(bucket: Bucket, call: Call): Answer {
  const number = Number(call.query.get('partNumber'))
  if (!(number >= 1 && number <= 10_000)) throw new Refusal(400, 'InvalidArgument')
  const etag = etagOf(call.body)
  uploadOf(bucket, call).parts.set(number, { bytes: call.body, etag })
  return { status: 200, headers: { etag } }
}

function complete(bucket: Bucket, call: Call): Answer {
  const upload = uploadOf(bucket, call)
  const named = [...call.body.toString().matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = '']) => part)
  const asked = named.map((part) => [part, /<PartNumber>(\d+)</.exec(part)?.[1], /<ETag>([^<]*)</.exec(part)?.[1]] as const)
  if (asked.length === 0) throw new Refusal(400, 'MalformedXML')
  const parts = asked.map(([, number, etag]) => {
    const part = upload.parts.get(Number(number))
    if (part === undefined || part.etag !== etag?.replaceAll(/&#34;|&quot;/g, '"')) throw new Refusal(400, 'InvalidPart')
    return part
  })
  const numbers = asked.map(([, number]) => Number(number))
  if (numbers.some((number, at) => at > 0 && number <= (numbers[at - 1] ?? 0))) throw new Refusal(400, 'InvalidPartOrder')
  if (parts.slice(0, -1).some(({ bytes }) => bytes.length < minimumPartBytes)) throw new Refusal(400, 'EntityTooSmall')
  const bytes = Buffer.concat(parts.map((part) => part.bytes))
  bucket.objects.set(call.key, { bytes, etag: `"${etagOf(bytes).slice(1, -1)}-${parts.length}"`, modifiedAt: Date.now() })
  bucket.uploads.delete(call.query.get('uploadId') ?? '')
  return xml('<CompleteMultipartUploadResult></CompleteMultipartUploadResult>')
}

function uploadOf({ uploads }: Bucket, { key, query }: Call): Upload {
  const upload = uploads.get(query.get('uploadId') ?? '')
  if (upload === undefined || upload.key !== key) throw new Refusal(404, 'NoSuchUpload')
  return upload
}

function etagOf(bytes: Uint8Array): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`
}

function xml(text: string): Answer {
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: `<?xml version="1.0" encoding="UTF-8"?>${text}` }
}
