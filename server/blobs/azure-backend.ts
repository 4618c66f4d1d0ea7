/**
 * The requests of Azure Blob Storage, as object-backend.ts asks for them.
 *
 * A multipart upload is what the service calls uncommitted blocks of a blob: it needs no request to begin, and none to end, for the service forgets
 * blocks that nobody committed within a week. The id of a block is its part's etag: it names the upload, the number and the attempt, so that a commit takes
 * the very bytes that its writer sent, whatever another node stored under the same number.
 */
import { Readable } from 'node:stream'
import type { BlockBlobClient, ContainerClient } from '@azure/storage-blob'
import type { Random } from '#lib/ports.ts'
import { faultOfAzure } from './azure-error.ts'
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
import { eachOf } from './each-of.ts'

/** A container, opened when it is first asked for, and how a URL of one of its blobs is signed; see azure-container.ts. */
export interface AzureContainer {
  client(): Promise<ContainerClient>
  /** The query of a URL that lets whoever has it read the blob; undefined where the credentials cannot. */
  sign(blobName: string, lifetimeMs: number): Promise<string | undefined>
}

export interface AzureBackendOptions {
  readonly container: AzureContainer
  readonly random: Pick<Random, 'bytes'>
  /** Before each name, with `/` at its end; empty for none. */
  readonly prefix: string
}

const mebibyte = 1024 ** 2
const blob = { blobHTTPHeaders: { blobContentType: 'application/octet-stream' } } as const

/** Sends nothing yet, and loads nothing. */
export function createAzureBackend(options: AzureBackendOptions): ObjectBackend {
  return new AzureBackend(options)
}

class AzureBackend implements ObjectBackend {
  readonly name = 'azure'
  readonly parts = { minimumBytes: mebibyte, maximumBytes: 4_000 * mebibyte, maximumParts: 50_000, usualBytes: 16 * mebibyte }
  readonly #options: AzureBackendOptions

  constructor(options: AzureBackendOptions) {
    this.#options = options
  }

  async put(name: string, body: ObjectBytes, { condition, signal }: { condition?: PutCondition; signal: AbortSignal }): Promise<string> {
    const options = { ...blob, abortSignal: signal, ...(condition === undefined ? {} : { conditions: conditionsOf(condition) }) }
    const { etag } = await this.#ask(signal, name, (client) => client.upload(() => streamOf(body), body.sizeBytes, options))
    return required(etag)
  }

  async get(
    name: string,
    { range, etag, signal }: { range?: { start: number; end: number }; etag?: string; signal: AbortSignal },
  ): Promise<ReadObject | undefined> {
    const count = range === undefined ? undefined : range.end - range.start + 1
    const options = { abortSignal: signal, maxRetryRequests: 0, ...(etag === undefined ? {} : { conditions: { ifMatch: etag } }) }
    const found = await this.#unlessAbsent(signal, name, (client) => client.download(range?.start ?? 0, count, options))
    if (found === undefined) return undefined
    const body = found.readableStreamBody
    if (!(body instanceof Readable)) throw new ObjectError('passing', 'the answer has no body')
    try {
      return { body, sizeBytes: sizeOf(found, range), etag: required(found.etag) }
    } catch (error) {
      body.destroy()
      throw error
    }
  }

  async head(name: string, signal: AbortSignal): Promise<ObjectFacts | undefined> {
    const found = await this.#unlessAbsent(signal, name, (client) => client.getProperties({ abortSignal: signal }))
    return found && { sizeBytes: found.contentLength ?? Number.NaN, etag: required(found.etag) }
  }

  /** A request each, some at once: the service's batches take as long, and hide which of theirs failed. */
  async remove(names: readonly string[], signal: AbortSignal): Promise<void> {
    await eachOf(names, (name) =>
      this.#unlessAbsent(signal, name, (client) => client.delete({ abortSignal: signal, deleteSnapshots: 'include' })),
    )
  }

  async list(page: { prefix: string; after?: string | undefined; limit: number }, signal: AbortSignal) {
    const client = await this.#client()
    const prefix = `${this.#options.prefix}${page.prefix}`
    try {
      const pages = client.listBlobsFlat({ prefix, abortSignal: signal }).byPage({
        maxPageSize: page.limit,
        ...(page.after === undefined ? {} : { continuationToken: page.after }),
      })
      for await (const { segment, continuationToken } of pages) {
        const objects = segment.blobItems.map(({ name, properties }) => ({
          name: name.slice(this.#options.prefix.length),
          sizeBytes: properties.contentLength ?? 0,
          modifiedAt: properties.lastModified.getTime(),
        }))
        // Names do not say where the service's listing goes on: its own word does.
        return { objects, next: continuationToken === '' ? undefined : continuationToken }
      }
      return { objects: [], next: undefined }
    } catch (error) {
      throw translatedBy(signal, error)
    }
  }

  /** No request: the blocks make the upload. */
  async startMultipart(): Promise<string> {
    return this.#options.random.bytes(8).toString('hex')
  }

  async putPart({ name, multipartId, number }: Multipart & { number: number }, body: ObjectBytes, signal: AbortSignal): Promise<string> {
    const attempt = this.#options.random.bytes(8).toString('hex')
    // All ids of a blob have one length, as the service wants it.
    const id = Buffer.from(`${multipartId.slice(0, 16)}-${String(number).padStart(5, '0')}-${attempt}`).toString('base64')
    await this.#ask(signal, name, (client) => client.stageBlock(id, () => streamOf(body), body.sizeBytes, { abortSignal: signal }))
    return id
  }

  /** Never in place of a blob that is there: bytes under a key stay what they are, and their etag with them. */
  async completeMultipart({ name }: Multipart, parts: readonly ObjectPart[], signal: AbortSignal): Promise<void> {
    const ids = parts.map(({ etag }) => etag)
    const options = { ...blob, abortSignal: signal, conditions: { ifNoneMatch: '*' } }
    await this.#ask(signal, name, (client) => client.commitBlockList(ids, options))
  }

  /** Nothing to do: blocks that are not committed are no object, and the service removes them. */
  async abortMultipart(): Promise<void> {}

  /** None: the service ends them a week after their last block. */
  async *listMultiparts(): AsyncGenerator<Multipart & { readonly startedAt: number }> {}

  async presign(name: string, lifetimeMs: number): Promise<string | undefined> {
    const blobName = `${this.#options.prefix}${name}`
    const query = await this.#options.container.sign(blobName, lifetimeMs)
    if (query === undefined) return undefined
    const url = new URL((await this.#client()).getBlobClient(blobName).url)
    // What the client itself is allowed to do is nobody else's.
    url.search = query
    return url.href
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #client(): Promise<ContainerClient> {
    try {
      return await this.#options.container.client()
    } catch (cause) {
      throw new ObjectError('refused', 'the client of the object store cannot be made', { code: 'NoClient', cause })
    }
  }

  async #ask<T>(signal: AbortSignal, name: string, send: (client: BlockBlobClient) => Promise<T>): Promise<T> {
    const client = (await this.#client()).getBlockBlobClient(`${this.#options.prefix}${name}`)
    try {
      return await send(client)
    } catch (error) {
      throw translatedBy(signal, error)
    }
  }

  async #unlessAbsent<T>(signal: AbortSignal, name: string, send: (client: BlockBlobClient) => Promise<T>): Promise<T | undefined> {
    try {
      return await this.#ask(signal, name, send)
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
  }
}

function conditionsOf(condition: PutCondition) {
  return 'etag' in condition ? { ifMatch: condition.etag } : { ifNoneMatch: '*' }
}

function streamOf({ pieces }: ObjectBytes): Readable {
  return Readable.from(pieces, { objectMode: false })
}

function required(etag: string | undefined): string {
  if (etag === undefined) throw new ObjectError('passing', 'the object store gave no etag')
  return etag
}

/** Of the whole object, from an answer for a part of it. */
function sizeOf(
  { contentLength, contentRange }: { readonly contentLength?: number; readonly contentRange?: string },
  range: { readonly start: number } | undefined,
): number {
  if (range === undefined) return contentLength ?? Number.NaN
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(contentRange ?? '') ?? []
  if (Number(start) === range.start) return Number(total)
  throw new ObjectError('refused', 'the object store gave another range than was asked for')
}

function translatedBy(signal: AbortSignal, error: unknown): unknown {
  return signal.aborted ? signal.reason : faultOfAzure(error)
}
