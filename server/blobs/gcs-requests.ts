/** Sends requests to Google Cloud Storage with a token, and reads its refusals. */
import { gcsRefusal } from './gcs-error.ts'
import { ObjectError, type ObjectBytes } from './object-backend.ts'
import { headerOf, ObjectHttp, readText, type ObjectAnswer } from './object-http.ts'
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

/** Connections to one service. */
export class GcsConnection implements AsyncDisposable {
  readonly #endpoint: URL
  readonly #identity: GcsIdentity
  readonly #http = new ObjectHttp()

  constructor(endpoint: string, identity: GcsIdentity) {
    this.#endpoint = new URL(endpoint)
    this.#identity = identity
  }

  /** The answer, with a status below 300; others are thrown as {@link ObjectError}. Whoever gets it reads its body. */
  async send({ method, path, query = {}, headers = {}, body, signal }: GcsRequest): Promise<ObjectAnswer> {
    const authorization = await this.#authorization()
    const encoded = encodeQuery(query)
    const sent: Record<string, string> = { 'user-agent': 'berth', ...headers }
    if (authorization !== undefined) sent['authorization'] = authorization
    if (method !== 'GET') sent['content-length'] = String(body?.sizeBytes ?? 0)
    const base = this.#endpoint.pathname.replace(/\/+$/, '')
    const answer = await this.#http.request({
      origin: this.#endpoint.origin,
      path: `${base}${path}${encoded === '' ? '' : `?${encoded}`}`,
      method,
      headers: sent,
      body,
      signal,
    })
    if (answer.statusCode < 300) return answer
    if (answer.statusCode === 401) this.#identity.renew()
    throw gcsRefusal(answer.statusCode, await readText(answer), headerOf(answer.headers, 'retry-after'))
  }

  /** As {@link send}, for answers that say everything in their text. */
  async ask(request: GcsRequest): Promise<{ readonly text: string; readonly headers: ObjectAnswer['headers'] }> {
    const answer = await this.send(request)
    return { text: await readText(answer), headers: answer.headers }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]()
  }

  async #authorization(): Promise<string | undefined> {
    try {
      return await this.#identity.authorization()
    } catch (cause) {
      throw new ObjectError('refused', 'there are no credentials for the object store', { code: 'NoCredentials', cause })
    }
  }
}
