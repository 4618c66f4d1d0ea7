/** Sends requests to Google Cloud Storage with a token, and reads its refusals. */
import { Readable } from 'node:stream'
import type { Agent } from 'undici'
import { gcsRefusal } from './gcs-error.ts'
import { ObjectError, type ObjectBytes } from './object-backend.ts'
import { headerOf, type S3Answer } from './s3-requests.ts'
import { encodeQuery } from './s3-sign.ts'

/** Who Berth is for Google; see gcs-credentials.ts. */
export interface GcsIdentity {
  /** The header of a request; undefined where none is sent. */
  authorization(): Promise<string | undefined>
  /** What was given before is refused. */
  renew(): void
  /** Whose signatures {@link sign} makes; undefined where it makes none. */
  email(): Promise<string | undefined>
  /** RSA-SHA256 of the text; undefined where there is none to have. */
  sign(text: string): Promise<Buffer | undefined>
}

/** One request; the path is encoded already. */
export interface GcsRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: ObjectBytes
  readonly signal: AbortSignal
}

const connectionsMax = 128
const errorBytesMax = 64 * 1024
const restMs = 30_000

/** Connections to one service. */
export class GcsConnection implements AsyncDisposable {
  readonly #endpoint: URL
  readonly #identity: GcsIdentity
  #agent: Promise<Agent> | undefined

  constructor(endpoint: string, identity: GcsIdentity) {
    this.#endpoint = new URL(endpoint)
    this.#identity = identity
  }

  /** The answer, with a status below 300; others are thrown as {@link ObjectError}. Whoever gets it reads its body. */
  async send({ method, path, query = {}, headers = {}, body, signal }: GcsRequest): Promise<S3Answer> {
    const authorization = await this.#authorization()
    const encoded = encodeQuery(query)
    const sent: Record<string, string> = { 'user-agent': 'berth', ...headers }
    if (authorization !== undefined) sent['authorization'] = authorization
    if (method !== 'GET') sent['content-length'] = String(body?.sizeBytes ?? 0)
    const agent = await (this.#agent ??= connect())
    const base = this.#endpoint.pathname.replace(/\/+$/, '')
    let answer: S3Answer
    try {
      answer = await agent.request({
        origin: this.#endpoint.origin,
        path: `${base}${path}${encoded === '' ? '' : `?${encoded}`}`,
        method,
        headers: sent,
        body: bodyOf(body),
        signal,
      })
    } catch (cause) {
      signal.throwIfAborted()
      throw new ObjectError('passing', 'the object store did not answer', { code: codeOf(cause), cause })
    }
    if (answer.statusCode < 300) return answer
    if (answer.statusCode === 401) this.#identity.renew()
    throw gcsRefusal(answer.statusCode, await readText(answer, errorBytesMax), headerOf(answer.headers, 'retry-after'))
  }

  /** As {@link send}, for answers that say everything in their text. */
  async ask(request: GcsRequest): Promise<{ readonly text: string; readonly headers: S3Answer['headers'] }> {
    const answer = await this.send(request)
    return { text: await readText(answer, Infinity), headers: answer.headers }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const agent = await this.#agent
    this.#agent = undefined
    await agent?.destroy()
  }

  async #authorization(): Promise<string | undefined> {
    try {
      return await this.#identity.authorization()
    } catch (cause) {
      throw new ObjectError('refused', 'there are no credentials for the object store', { code: 'NoCredentials', cause })
    }
  }
}

async function connect(): Promise<Agent> {
  const undici = await import('undici')
  // What is too late is for object-retry.ts to say; these end what nobody waits for any more.
  return new undici.Agent({
    connections: connectionsMax,
    keepAliveTimeout: 15_000,
    headersTimeout: 0,
    bodyTimeout: restMs,
    connect: { timeout: 5_000 },
  })
}

/** An answer that is an error is read as far as it comes. */
async function readText({ body, statusCode }: S3Answer, limit: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      chunks.push(chunk)
      sizeBytes += chunk.length
      if (sizeBytes > limit) break
    }
  } catch (cause) {
    if (statusCode < 300) throw new ObjectError('passing', 'the answer was cut', { cause })
  }
  return Buffer.concat(chunks).toString('utf8')
}

function bodyOf(body: ObjectBytes | undefined): Uint8Array | Readable | null {
  if (body === undefined) return null
  const [first, ...others] = body.pieces
  if (first === undefined) return new Uint8Array()
  return others.length === 0 ? first : Readable.from(body.pieces, { objectMode: false })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'passing'
}
