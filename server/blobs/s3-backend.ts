/** The requests of S3 and what speaks as S3 does, as object-backend.ts asks for them. */
import { createHash } from 'node:crypto'
import {
  ObjectError,
  type Multipart,
  type ObjectBackend,
  type ObjectBytes,
  type ObjectFacts,
  type ObjectPart,
  type PutCondition,
  type ReadObject,
} from './object-backend.ts'
import { isAbsent } from './object-error.ts'
import { headerOf, type ObjectAnswer } from './object-http.ts'
import { refusalOf, S3Connection, type S3ConnectionOptions, type S3Place } from './s3-requests.ts'
import { elements, escapeXml, textOf } from './s3-xml.ts'

export interface S3BackendOptions extends S3ConnectionOptions {
  /** Before each name, with `/` at its end; empty for none. */
  readonly prefix: string
  readonly usualPartBytes: number
  /** Sent when an object is made: storage class, encryption, access. */
  readonly objectHeaders: Readonly<Record<string, string>>
  /** Where clients reach the store, for presigned URLs. */
  readonly publicPlace?: S3Place | undefined
}

const minimumPartBytes = 5 * 1024 ** 2
const maximumPartBytes = 5 * 1024 ** 3

/** Sends nothing yet. */
export function createS3Backend(options: S3BackendOptions): ObjectBackend {
  return new S3Backend(options)
}

class S3Backend implements ObjectBackend {
  readonly name = 's3'
  readonly parts
  readonly #options: S3BackendOptions
  readonly #connection: S3Connection
  /** The service knows `If-Match` on writes; one that does not says so once. */
  #knowsConditions = true
  /** Ceph RGW compares `If-Match` of a write with an etag without quotes, which it gives with quotes. */
  #wantsBareEtags = false

  constructor(options: S3BackendOptions) {
    this.#options = options
    this.#connection = new S3Connection(options)
    const { usualPartBytes: usualBytes } = options
    this.parts = { minimumBytes: minimumPartBytes, maximumBytes: maximumPartBytes, maximumParts: 10_000, usualBytes }
  }

  async put(name: string, body: ObjectBytes, { condition, signal }: { condition?: PutCondition; signal: AbortSignal }): Promise<string> {
    try {
      return await this.#putIf(name, body, { headers: this.#conditionOf(condition), signal })
    } catch (error) {
      if (!(error instanceof ObjectError) || condition === undefined) throw error
      if (error.fault === 'unsupported' && this.#knowsConditions) {
        this.#knowsConditions = false
        return this.#putIf(name, body, { headers: {}, signal })
      }
      if (error.fault !== 'conflict' || this.#wantsBareEtags || !('etag' in condition)) throw error
      return this.#putIfBare(name, body, { etag: condition.etag, signal, refusal: error })
    }
  }

  async get(
    name: string,
    { range, etag, signal }: { range?: { start: number; end: number }; etag?: string; signal: AbortSignal },
  ): Promise<ReadObject | undefined> {
    const headers: Record<string, string> = {}
    if (range !== undefined) headers['range'] = `bytes=${range.start}-${range.end}`
    if (etag !== undefined) headers['if-match'] = etag
    const answer = await this.#unlessAbsent(() => this.#connection.send({ method: 'GET', key: this.#key(name), headers, signal }))
    if (answer === undefined) return undefined
    try {
      return { body: answer.body, sizeBytes: sizeOf(answer, range), etag: etagOf(answer.headers) }
    } catch (error) {
      answer.body.destroy()
      throw error
    }
  }

  async head(name: string, signal: AbortSignal): Promise<ObjectFacts | undefined> {
    const found = await this.#unlessAbsent(() => this.#connection.ask({ method: 'HEAD', key: this.#key(name), signal }))
    return found && { sizeBytes: Number(headerOf(found.headers, 'content-length')), etag: etagOf(found.headers) }
  }

  async remove(names: readonly string[], signal: AbortSignal): Promise<void> {
    const [first, ...others] = names
    if (first === undefined) return
    if (others.length > 0) return this.#removeMany(names, signal)
    await this.#unlessAbsent(() => this.#connection.ask({ method: 'DELETE', key: this.#key(first), signal }))
  }

  async list(page: { prefix: string; after?: string | undefined; limit: number }, signal: AbortSignal) {
    const query = {
      'list-type': '2',
      'encoding-type': 'url',
      prefix: this.#key(page.prefix),
      'max-keys': String(page.limit),
      ...(page.after === undefined ? {} : { 'start-after': this.#key(page.after) }),
    }
    const { text } = await this.#connection.ask({ method: 'GET', query, signal })
    const objects = elements(text, 'Contents').map((entry) => ({
      name: this.#nameOf(entry),
      sizeBytes: Number(textOf(entry, 'Size')),
      modifiedAt: Date.parse(textOf(entry, 'LastModified') ?? ''),
    }))
    return { objects, next: textOf(text, 'IsTruncated') === 'true' ? objects.at(-1)?.name : undefined }
  }

  async startMultipart(name: string, signal: AbortSignal): Promise<string> {
    const headers = { ...this.#options.objectHeaders, 'content-type': 'application/octet-stream' }
    const { text } = await this.#connection.ask({ method: 'POST', key: this.#key(name), query: { uploads: '' }, headers, signal })
    const multipartId = textOf(text, 'UploadId')
    if (multipartId === undefined) throw new ObjectError('passing', 'a multipart upload has no id')
    return multipartId
  }

  async putPart({ name, multipartId, number }: Multipart & { number: number }, body: ObjectBytes, signal: AbortSignal): Promise<string> {
    const query = { partNumber: String(number), uploadId: multipartId }
    const { headers } = await this.#connection.ask({ method: 'PUT', key: this.#key(name), query, body, signal })
    return etagOf(headers)
  }

  async completeMultipart({ name, multipartId }: Multipart, parts: readonly ObjectPart[], signal: AbortSignal): Promise<void> {
    const items = parts.map(({ number, etag }) => `<Part><PartNumber>${number}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`)
    const xml = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${items.join('')}</CompleteMultipartUpload>`
    const request = { method: 'POST', key: this.#key(name), query: { uploadId: multipartId }, body: bytesOf(xml), signal } as const
    const { text } = await this.#connection.ask({ ...request, headers: { 'content-type': 'application/xml' } })
    // The answer begins before the work is done: an error of it comes with status 200.
    const code = text.includes('<Error>') ? (textOf(text, 'Code') ?? 'InternalError') : undefined
    if (code !== undefined) throw refusalOf(code === 'NoSuchUpload' ? 404 : 500, { code })
    if (!text.includes('CompleteMultipartUploadResult')) throw new ObjectError('passing', 'the answer to a completion says nothing')
  }

  async abortMultipart({ name, multipartId }: Multipart, signal: AbortSignal): Promise<void> {
    await this.#unlessAbsent(() =>
      this.#connection.ask({ method: 'DELETE', key: this.#key(name), query: { uploadId: multipartId }, signal }),
    )
  }

  async *listMultiparts(prefix: string, signal: AbortSignal): AsyncGenerator<Multipart & { readonly startedAt: number }> {
    let marker: Record<string, string> = {}
    for (;;) {
      const query = { uploads: '', 'encoding-type': 'url', 'max-uploads': '1000', prefix: this.#key(prefix), ...marker }
      const { text } = await this.#connection.ask({ method: 'GET', query, signal })
      for (const entry of elements(text, 'Upload')) {
        const multipartId = textOf(entry, 'UploadId')
        if (multipartId !== undefined)
          yield { name: this.#nameOf(entry), multipartId, startedAt: Date.parse(textOf(entry, 'Initiated') ?? '') }
      }
      const [keyMarker, idMarker] = [textOf(text, 'NextKeyMarker'), textOf(text, 'NextUploadIdMarker')]
      if (textOf(text, 'IsTruncated') !== 'true' || keyMarker === undefined || keyMarker === '') return
      marker = { 'key-marker': decodeName(keyMarker), ...(idMarker === undefined ? {} : { 'upload-id-marker': idMarker }) }
    }
  }

  presign(name: string, lifetimeMs: number): Promise<string> {
    return this.#connection.presign(this.#options.publicPlace ?? this.#options.place, this.#key(name), lifetimeMs)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection[Symbol.asyncDispose]()
  }

  #key(name: string): string {
    return `${this.#options.prefix}${name}`
  }

  #conditionOf(condition: PutCondition | undefined): Record<string, string> {
    if (condition === undefined || !this.#knowsConditions) return {}
    if (!('etag' in condition)) return { 'if-none-match': '*' }
    return { 'if-match': this.#wantsBareEtags ? bare(condition.etag) : condition.etag }
  }

  async #putIf(
    name: string,
    body: ObjectBytes,
    { headers: conditions, signal }: { readonly headers: Record<string, string>; readonly signal: AbortSignal },
  ): Promise<string> {
    const own = { ...this.#options.objectHeaders, 'content-type': 'application/octet-stream', ...conditions }
    const { headers } = await this.#connection.ask({ method: 'PUT', key: this.#key(name), headers: own, body, signal })
    return etagOf(headers)
  }

  async #putIfBare(
    name: string,
    body: ObjectBytes,
    { etag, signal, refusal }: { readonly etag: string; readonly signal: AbortSignal; readonly refusal: ObjectError },
  ): Promise<string> {
    try {
      const written = await this.#putIf(name, body, { headers: { 'if-match': bare(etag) }, signal })
      this.#wantsBareEtags = true
      return written
    } catch (error) {
      throw error instanceof ObjectError && error.fault === 'refused' ? refusal : error
    }
  }

  #nameOf(entry: string): string {
    return decodeName(textOf(entry, 'Key') ?? '').slice(this.#options.prefix.length)
  }

  async #unlessAbsent<T>(ask: () => Promise<T>): Promise<T | undefined> {
    try {
      return await ask()
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
  }

  async #removeMany(names: readonly string[], signal: AbortSignal): Promise<void> {
    const items = names.map((name) => `<Object><Key>${escapeXml(this.#key(name))}</Key></Object>`)
    const body = bytesOf(`<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>${items.join('')}</Delete>`)
    // The only request for which S3 insists on a checksum; all services know this one.
    const headers = {
      'content-type': 'application/xml',
      'content-md5': createHash('md5')
        .update(body.pieces[0] ?? '')
        .digest('base64'),
    }
    let text: string
    try {
      ;({ text } = await this.#connection.ask({ method: 'POST', query: { delete: '' }, headers, body, signal }))
    } catch (error) {
      if (!(error instanceof ObjectError) || error.fault !== 'unsupported') throw error
      for (const name of names) await this.remove([name], signal)
      return
    }
    const code = elements(text, 'Error')
      .map((entry) => textOf(entry, 'Code') ?? 'InternalError')
      .find((each) => each !== 'NoSuchKey')
    if (code !== undefined) throw refusalOf(code === 'AccessDenied' ? 403 : 500, { code })
  }
}

function bare(etag: string): string {
  return etag.replace(/^"(.*)"$/, '$1')
}

function bytesOf(xml: string): ObjectBytes {
  const bytes = Buffer.from(xml)
  return { pieces: [bytes], sizeBytes: bytes.length }
}

function etagOf(headers: ObjectAnswer['headers']): string {
  const etag = headerOf(headers, 'etag')
  if (etag === undefined) throw new ObjectError('passing', 'the object store gave no etag')
  return etag
}

/** Of the whole object, from an answer for a part of it; what was not asked for is refused. */
function sizeOf({ statusCode, headers }: ObjectAnswer, range: { start: number; end: number } | undefined): number {
  if (range === undefined) return Number(headerOf(headers, 'content-length'))
  const [, start, , total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headerOf(headers, 'content-range') ?? '') ?? []
  if (statusCode === 206 && Number(start) === range.start) return Number(total)
  throw new ObjectError('refused', 'the object store gave another range than was asked for')
}

function decodeName(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '))
}
