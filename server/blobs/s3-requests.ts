/** Sends signed requests to an S3 service, and says what its answers mean. */
import { createHash } from 'node:crypto'
import type { Clock } from '#lib/ports.ts'
import { ObjectError, type ObjectBytes, type ObjectFault } from './object-backend.ts'
import { headerOf, ObjectHttp, readText, type ObjectAnswer } from './object-http.ts'
import { encodePath, encodeQuery, S3Signer, unsignedPayload, type S3Credentials } from './s3-sign.ts'
import { textOf } from './s3-xml.ts'

/** Where a bucket is. */
export interface S3Place {
  readonly region: string
  readonly bucket: string
  /** `https://s3.eu-central-1.amazonaws.com`, without the bucket. */
  readonly endpoint: URL
  readonly isPathStyle: boolean
}

/** Gives credentials that are good now; `refresh`: those given before are refused. */
export type S3CredentialSource = (options: { readonly refresh: boolean }) => Promise<S3Credentials>

export interface S3ConnectionOptions {
  readonly place: S3Place
  readonly credentials: S3CredentialSource
  readonly clock: Pick<Clock, 'now'>
  readonly skipVerify?: boolean
  readonly userAgent?: string | undefined
}

/** One request; `key` is the whole key in the bucket, none for the bucket itself. */
export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  readonly key?: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: ObjectBytes
  readonly signal: AbortSignal
}

/** The URL of a key. */
export function placeOf(
  { endpoint, bucket, isPathStyle }: S3Place,
  key: string | undefined,
): { readonly host: string; readonly path: string } {
  const base = endpoint.pathname.replace(/\/+$/, '')
  const name = key === undefined ? '' : encodePath(key)
  if (isPathStyle) return { host: endpoint.host, path: `${base}/${encodePath(bucket)}${key === undefined ? '' : `/${name}`}` }
  return { host: `${bucket}.${endpoint.host}`, path: `${base}/${name}` }
}

/** Connections to one service. */
export class S3Connection implements AsyncDisposable {
  readonly #options: S3ConnectionOptions
  readonly #signer: S3Signer
  readonly #http: ObjectHttp
  /** What the service's clock is ahead of ours, once it refused us for it. */
  #skewMs = 0
  #mustRefresh = false

  constructor(options: S3ConnectionOptions) {
    this.#options = options
    this.#signer = new S3Signer(options.place.region)
    this.#http = new ObjectHttp({ skipVerify: options.skipVerify })
  }

  /** The answer, with a status below 300; others are thrown as {@link ObjectError}. Whoever gets it reads its body. */
  async send(request: S3Request): Promise<ObjectAnswer> {
    const answer = await this.#sendOnce(request)
    if (answer.statusCode < 300) return answer
    throw this.#refusal(answer, await readText(answer))
  }

  /** As {@link send}, for answers that say everything in their text. */
  async ask(request: S3Request): Promise<{ readonly text: string; readonly headers: ObjectAnswer['headers'] }> {
    const answer = await this.send(request)
    return { text: await readText(answer), headers: answer.headers }
  }

  async presign(place: S3Place, key: string, lifetimeMs: number): Promise<string> {
    const credentials = await this.#credentials()
    const { host, path } = placeOf(place, key)
    const seconds = Math.min(Math.max(1, Math.ceil(lifetimeMs / 1_000)), 7 * 24 * 3_600)
    const query = this.#signer.presign({ method: 'GET', host, path }, credentials, { now: this.#now(), seconds })
    return `${place.endpoint.protocol}//${host}${path}?${query}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]()
  }

  #now(): number {
    return this.#options.clock.now() + this.#skewMs
  }

  async #credentials(): Promise<S3Credentials> {
    try {
      const credentials = await this.#options.credentials({ refresh: this.#mustRefresh })
      this.#mustRefresh = false
      return credentials
    } catch (cause) {
      throw new ObjectError('refused', 'there are no credentials for the object store', { code: 'NoCredentials', cause })
    }
  }

  async #sendOnce({ method, key, query = {}, headers = {}, body, signal }: S3Request): Promise<ObjectAnswer> {
    const { place, userAgent } = this.#options
    const { host, path } = placeOf(place, key)
    const encodedQuery = encodeQuery(query)
    const plain: Record<string, string> = { ...headers, 'x-amz-content-sha256': this.#payloadHash(body) }
    if (body !== undefined || method === 'PUT') plain['content-length'] = String(body?.sizeBytes ?? 0)
    if (userAgent !== undefined) plain['user-agent'] = userAgent
    const signed = this.#signer.sign({ method, host, path, query: encodedQuery, headers: plain }, await this.#credentials(), this.#now())
    return await this.#http.request({
      origin: `${place.endpoint.protocol}//${host}`,
      path: encodedQuery === '' ? path : `${path}?${encodedQuery}`,
      method,
      headers: signed,
      body,
      signal,
    })
  }

  /** Over TLS the body is guarded already; without it the store checks that what came is what was signed. */
  #payloadHash(body: ObjectBytes | undefined): string {
    if (this.#options.place.endpoint.protocol === 'https:') return unsignedPayload
    const hash = createHash('sha256')
    for (const piece of body?.pieces ?? []) hash.update(piece)
    return hash.digest('hex')
  }

  #refusal(answer: ObjectAnswer, text: string): ObjectError {
    const { statusCode, headers } = answer
    const code = textOf(text, 'Code') ?? String(statusCode)
    if (code === 'RequestTimeTooSkewed') this.#skewMs = Date.parse(headerOf(headers, 'date') ?? '') - this.#options.clock.now() || 0
    if (refreshing.has(code)) this.#mustRefresh = true
    return refusalOf(statusCode, { code, headers })
  }
}

const refreshing = new Set(['ExpiredToken', 'ExpiredTokenException', 'InvalidToken', 'TokenRefreshRequired'])
/** The same request, made anew, may do better. */
const passing = new Set([
  'RequestTimeTooSkewed',
  'RequestTimeout',
  'BadDigest',
  'XAmzContentSHA256Mismatch',
  'IncompleteBody',
  'ConditionalRequestConflict',
  'OperationAborted',
  ...refreshing,
])
const full = new Set([
  'QuotaExceeded',
  'QuotaExceededException',
  'InsufficientCapacity',
  'XMinioStorageFull',
  'XMinioAdminBucketQuotaExceeded',
  'StorageFull',
])
const busy = new Set([
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'TooManyRequests',
  'ServiceUnavailable',
  'RequestLimitExceeded',
  'InternalError',
])

/** What an answer above 299, or an error in one of 200, means. */
export function refusalOf(
  status: number,
  { code, headers = {} }: { readonly code: string; readonly headers?: ObjectAnswer['headers'] },
): ObjectError {
  const region = headerOf(headers, 'x-amz-bucket-region')
  const seconds = Number(headerOf(headers, 'retry-after'))
  const more = { code, retryAfterMs: seconds > 0 ? seconds * 1_000 : undefined }
  const where = status >= 300 && status < 400 && region !== undefined ? `: the bucket is in the region ${region}` : ''
  return new ObjectError(faultOf(status, code), `the object store answered ${status} ${code}${where}`, more)
}

const faultsByStatus: Readonly<Record<number, ObjectFault>> = {
  304: 'conflict',
  404: 'absent',
  412: 'conflict',
  429: 'busy',
  501: 'unsupported',
  507: 'full',
}

/** The code says more than the status, where it is one that is known. */
function faultOf(status: number, code: string): ObjectFault {
  if (full.has(code)) return 'full'
  if (busy.has(code)) return 'busy'
  if (passing.has(code)) return 'passing'
  if (code === 'NoSuchBucket') return 'refused'
  return faultsByStatus[status] ?? (status >= 500 ? 'busy' : 'refused')
}
