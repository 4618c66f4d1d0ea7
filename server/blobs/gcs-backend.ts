/**
 * The requests of Google Cloud Storage, as object-backend.ts asks for them.
 *
 * Objects go by the JSON API, multipart uploads by the XML API, for the JSON API has none: its resumable uploads take their bytes in order, one after another.
 * What stands for an etag is the object's generation, which is what the service's conditions go by.
 */
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
import { eachOf } from './each-of.ts'
import { gcsRefusal } from './gcs-error.ts'
import type { GcsConnection } from './gcs-requests.ts'
import type { GcsSigner } from './gcs-sign.ts'
import { isAbsent } from './object-error.ts'
import { headerOf, type ObjectAnswer } from './object-http.ts'
import { encodePath } from './s3-sign.ts'
import { elements, escapeXml, textOf } from './s3-xml.ts'

export interface GcsBackendOptions {
  readonly connection: GcsConnection
  readonly signer: GcsSigner
  readonly bucket: string
  /** Before each name, with `/` at its end; empty for none. */
  readonly prefix: string
  readonly usualPartBytes: number
}

const mebibyte = 1024 ** 2
const bytesType = { 'content-type': 'application/octet-stream' } as const

/** Sends nothing yet, and loads nothing. */
export function createGcsBackend(options: GcsBackendOptions): ObjectBackend {
  return new GcsBackend(options)
}

class GcsBackend implements ObjectBackend {
  readonly name = 'gcs'
  readonly parts
  readonly #options: GcsBackendOptions
  readonly #connection: GcsConnection
  readonly #objects: string

  constructor(options: GcsBackendOptions) {
    this.#options = options
    this.#connection = options.connection
    this.#objects = `/storage/v1/b/${encodeURIComponent(options.bucket)}/o`
    const { usualPartBytes: usualBytes } = options
    this.parts = { minimumBytes: 5 * mebibyte, maximumBytes: 5 * 1024 * mebibyte, maximumParts: 10_000, usualBytes }
  }

  async put(name: string, body: ObjectBytes, { condition, signal }: { condition?: PutCondition; signal: AbortSignal }): Promise<string> {
    const query = {
      uploadType: 'media',
      name: this.#key(name),
      fields: 'generation',
      ...(condition === undefined ? {} : { ifGenerationMatch: 'etag' in condition ? condition.etag : '0' }),
    }
    const { text } = await this.#connection.ask({
      method: 'POST',
      path: `/upload${this.#objects}`,
      query,
      headers: bytesType,
      body,
      signal,
    })
    return stringOf(jsonOf(text)['generation'])
  }

  async get(
    name: string,
    { range, etag, signal }: { range?: { start: number; end: number }; etag?: string; signal: AbortSignal },
  ): Promise<ReadObject | undefined> {
    const query = { alt: 'media', ...(etag === undefined ? {} : { ifGenerationMatch: etag }) }
    const headers: Record<string, string> = range === undefined ? {} : { range: `bytes=${range.start}-${range.end}` }
    const answer = await unlessAbsent(() => this.#connection.send({ method: 'GET', path: this.#object(name), query, headers, signal }))
    if (answer === undefined) return undefined
    try {
      return { body: answer.body, sizeBytes: sizeOf(answer, range), etag: stringOf(headerOf(answer.headers, 'x-goog-generation')) }
    } catch (error) {
      answer.body.destroy()
      throw error
    }
  }

  async head(name: string, signal: AbortSignal): Promise<ObjectFacts | undefined> {
    const query = { fields: 'size,generation' }
    const found = await unlessAbsent(() => this.#connection.ask({ method: 'GET', path: this.#object(name), query, signal }))
    if (found === undefined) return undefined
    const { size, generation } = jsonOf(found.text)
    return { sizeBytes: Number(size), etag: stringOf(generation) }
  }

  /** A request each, some at once: a batch of the service is counted, and takes its time, as the requests in it. */
  async remove(names: readonly string[], signal: AbortSignal): Promise<void> {
    await eachOf(names, (name) => unlessAbsent(() => this.#connection.ask({ method: 'DELETE', path: this.#object(name), signal })))
  }

  async list(page: { prefix: string; after?: string | undefined; limit: number }, signal: AbortSignal) {
    const query = {
      prefix: this.#key(page.prefix),
      maxResults: String(page.limit),
      fields: 'nextPageToken,items(name,size,updated)',
      ...(page.after === undefined ? {} : { pageToken: page.after }),
    }
    const { text } = await this.#connection.ask({ method: 'GET', path: this.#objects, query, signal })
    const { items = [], nextPageToken } = jsonOf(text)
    const objects = (items as readonly Record<string, unknown>[]).map(({ name, size, updated }) => ({
      name: stringOf(name).slice(this.#options.prefix.length),
      sizeBytes: Number(size),
      modifiedAt: Date.parse(stringOf(updated)),
    }))
    return { objects, next: typeof nextPageToken === 'string' && nextPageToken !== '' ? nextPageToken : undefined }
  }

  async startMultipart(name: string, signal: AbortSignal): Promise<string> {
    const request = { method: 'POST', path: this.#xml(name), query: { uploads: '' }, headers: bytesType, signal } as const
    const multipartId = textOf((await this.#connection.ask(request)).text, 'UploadId')
    if (multipartId === undefined) throw new ObjectError('passing', 'a multipart upload has no id')
    return multipartId
  }

  async putPart({ name, multipartId, number }: Multipart & { number: number }, body: ObjectBytes, signal: AbortSignal): Promise<string> {
    const query = { partNumber: String(number), uploadId: multipartId }
    const { headers } = await this.#connection.ask({ method: 'PUT', path: this.#xml(name), query, body, signal })
    return stringOf(headerOf(headers, 'etag'))
  }

  async completeMultipart({ name, multipartId }: Multipart, parts: readonly ObjectPart[], signal: AbortSignal): Promise<void> {
    const items = parts.map(({ number, etag }) => `<Part><PartNumber>${number}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`)
    const bytes = Buffer.from(`<CompleteMultipartUpload>${items.join('')}</CompleteMultipartUpload>`)
    const { text } = await this.#connection.ask({
      method: 'POST',
      path: this.#xml(name),
      query: { uploadId: multipartId },
      headers: { 'content-type': 'application/xml' },
      body: { pieces: [bytes], sizeBytes: bytes.length },
      signal,
    })
    const code = text.includes('<Error>') ? (textOf(text, 'Code') ?? 'InternalError') : undefined
    if (code !== undefined) throw gcsRefusal(code === 'NoSuchUpload' ? 404 : 500, text)
    if (!text.includes('CompleteMultipartUploadResult')) throw new ObjectError('passing', 'the answer to a completion says nothing')
  }

  async abortMultipart({ name, multipartId }: Multipart, signal: AbortSignal): Promise<void> {
    await unlessAbsent(() => this.#connection.ask({ method: 'DELETE', path: this.#xml(name), query: { uploadId: multipartId }, signal }))
  }

  async *listMultiparts(prefix: string, signal: AbortSignal): AsyncGenerator<Multipart & { readonly startedAt: number }> {
    let marker: Record<string, string> = {}
    for (;;) {
      const query = { uploads: '', 'max-uploads': '1000', prefix: this.#key(prefix), ...marker }
      const { text } = await this.#connection.ask({ method: 'GET', path: `/${encodePath(this.#options.bucket)}`, query, signal })
      for (const entry of elements(text, 'Upload')) {
        const [name = '', multipartId] = [textOf(entry, 'Key'), textOf(entry, 'UploadId')]
        if (multipartId === undefined) continue
        const startedAt = Date.parse(textOf(entry, 'Initiated') ?? '')
        yield { name: name.slice(this.#options.prefix.length), multipartId, startedAt }
      }
      const [keyMarker, idMarker] = [textOf(text, 'NextKeyMarker'), textOf(text, 'NextUploadIdMarker')]
      if (textOf(text, 'IsTruncated') !== 'true' || keyMarker === undefined || keyMarker === '') return
      marker = { 'key-marker': keyMarker, ...(idMarker === undefined ? {} : { 'upload-id-marker': idMarker }) }
    }
  }

  presign(name: string, lifetimeMs: number): Promise<string | undefined> {
    return this.#options.signer.url(this.#xml(name), lifetimeMs)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection[Symbol.asyncDispose]()
  }

  #key(name: string): string {
    return `${this.#options.prefix}${name}`
  }

  /** A name is one segment of the JSON API's paths. */
  #object(name: string): string {
    return `${this.#objects}/${encodeURIComponent(this.#key(name))}`
  }

  #xml(name: string): string {
    return `/${encodePath(this.#options.bucket)}/${encodePath(this.#key(name))}`
  }
}

async function unlessAbsent<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

function jsonOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return { ...value }
  } catch {
    // Told below.
  }
  throw new ObjectError('passing', 'the answer of the object store makes no sense')
}

function stringOf(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw new ObjectError('passing', 'the answer of the object store lacks what it must say')
}

/** Of the whole object, from an answer for a part of it. */
function sizeOf({ statusCode, headers }: ObjectAnswer, range: { readonly start: number } | undefined): number {
  if (range === undefined) return Number(headerOf(headers, 'content-length') ?? headerOf(headers, 'x-goog-stored-content-length'))
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headerOf(headers, 'content-range') ?? '') ?? []
  if (statusCode === 206 && Number(start) === range.start) return Number(total)
  throw new ObjectError('refused', 'the object store gave another range than was asked for')
}
