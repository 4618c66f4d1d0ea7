/** AWS Signature Version 4 for S3, in headers and in the query of a presigned URL (docs: "Authenticating Requests (AWS Signature Version 4)"). */
import { createHash, createHmac } from 'node:crypto'

/** Who signs. */
export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

/** A request as it is signed. `path` and `query` are encoded already, by {@link encodePath} and {@link encodeQuery}. */
export interface SignedRequest {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly query: string
  /** Names in lower case. All are signed. */
  readonly headers: Readonly<Record<string, string>>
}

/** Said in place of the hash of a body that TLS guards. */
export const unsignedPayload = 'UNSIGNED-PAYLOAD'
const algorithm = 'AWS4-HMAC-SHA256'

/** RFC 3986: everything but letters, digits and `-._~`. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** A path with each of its parts encoded. */
export function encodePath(path: string): string {
  return path.split('/').map(encode).join('/')
}

/** The canonical query: sorted by name. */
export function encodeQuery(query: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(query).map(([name, value]) => `${encode(name)}=${encode(value)}`)
  return pairs.toSorted().join('&')
}

/** Signs for one region; the key of a day is made once. */
export class S3Signer {
  readonly #region: string
  #key: { readonly name: string; readonly bytes: Buffer } | undefined

  constructor(region: string) {
    this.#region = region
  }

  /** The headers to send: those given, and `x-amz-date`, `x-amz-security-token`, `authorization`. */
  sign(request: SignedRequest, credentials: S3Credentials, now: number): Record<string, string> {
    const time = timeText(now)
    const headers: Record<string, string> = { ...request.headers, host: request.host, 'x-amz-date': time }
    if (credentials.sessionToken !== undefined) headers['x-amz-security-token'] = credentials.sessionToken
    const names = Object.keys(headers).toSorted()
    const canonical = canonicalRequest({ ...request, headers }, names, headers['x-amz-content-sha256'] ?? unsignedPayload)
    const signature = this.#signature(canonical, credentials, time)
    headers['authorization'] =
      `${algorithm} Credential=${credentials.accessKeyId}/${this.#scope(time)}, SignedHeaders=${names.join(';')}, Signature=${signature}`
    return headers
  }

  /** The query of a URL that is good from now on for so many seconds, seven days at most. */
  presign(request: Omit<SignedRequest, 'headers' | 'query'>, credentials: S3Credentials, input: { now: number; seconds: number }): string {
    const time = timeText(input.now)
    const query = encodeQuery({
      'X-Amz-Algorithm': algorithm,
      'X-Amz-Credential': `${credentials.accessKeyId}/${this.#scope(time)}`,
      'X-Amz-Date': time,
      'X-Amz-Expires': String(input.seconds),
      'X-Amz-SignedHeaders': 'host',
      ...(credentials.sessionToken === undefined ? {} : { 'X-Amz-Security-Token': credentials.sessionToken }),
    })
    const canonical = canonicalRequest({ ...request, query, headers: { host: request.host } }, ['host'], unsignedPayload)
    return `${query}&X-Amz-Signature=${this.#signature(canonical, credentials, time)}`
  }

  #scope(time: string): string {
    return `${time.slice(0, 8)}/${this.#region}/s3/aws4_request`
  }

  #signature(canonical: string, credentials: S3Credentials, time: string): string {
    const hash = createHash('sha256').update(canonical).digest('hex')
    const text = `${algorithm}\n${time}\n${this.#scope(time)}\n${hash}`
    return createHmac('sha256', this.#keyOf(credentials, time.slice(0, 8)))
      .update(text)
      .digest('hex')
  }

  #keyOf({ accessKeyId, secretAccessKey }: S3Credentials, day: string): Buffer {
    const name = `${accessKeyId}/${day}/${secretAccessKey}`
    if (this.#key?.name === name) return this.#key.bytes
    const steps = [day, this.#region, 's3', 'aws4_request']
    let bytes = Buffer.from(`AWS4${secretAccessKey}`)
    for (const step of steps) bytes = createHmac('sha256', bytes).update(step).digest()
    this.#key = { name, bytes }
    return bytes
  }
}

function canonicalRequest({ method, path, query, headers }: SignedRequest, names: readonly string[], payload: string): string {
  const lines = names.map((name) => `${name}:${(headers[name] ?? '').trim().replace(/ +/g, ' ')}\n`)
  return `${method}\n${path}\n${query}\n${lines.join('')}\n${names.join(';')}\n${payload}`
}

function timeText(now: number): string {
  return new Date(now).toISOString().replace(/[-:]|\.\d{3}/g, '')
}
