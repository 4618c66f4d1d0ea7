/** Files by name in an object store: small ones in one request, large ones in parts. */
import type { Clock, Random, Timers } from '#lib/ports.ts'
import { checkFileName, exactPieces, type FileContent, type NamedFile, type NamedFiles } from './named-files.ts'
import type { ObjectBackend, ObjectPart } from './object-backend.ts'
import { translated } from './object-error.ts'
import { readObject } from './object-read.ts'
import { retrying, RetryPolicy } from './object-retry.ts'

const listedAtOnce = 1_000

/** Of {@link createObjectFiles}, which ends the backend with itself. */
export interface ObjectFilesOptions {
  readonly backend: ObjectBackend
  /** Before each name: empty, or ends with `/`. */
  readonly prefix: string
  readonly place: string
  readonly ports: { readonly clock: Clock; readonly random: Random; readonly timers: Timers }
  /** Asked before something is written, listed or removed: throws where the store is not known to be the one that is meant. */
  readonly require?: (() => Promise<void>) | undefined
}

/** Files in that store. */
export function createObjectFiles(options: ObjectFilesOptions): NamedFiles {
  return new ObjectFiles(options)
}

class ObjectFiles implements NamedFiles {
  readonly place: string
  readonly #backend: ObjectBackend
  readonly #prefix: string
  readonly #timers: Timers
  readonly #require: () => Promise<void>
  readonly #closed = new AbortController()

  constructor({ backend, prefix, place, ports, require = async () => undefined }: ObjectFilesOptions) {
    this.#require = require
    this.place = place
    this.#backend = retrying(backend, new RetryPolicy(ports))
    this.#prefix = prefix
    this.#timers = ports.timers
  }

  put(name: string, content: FileContent): Promise<void> {
    return translated(async () => {
      const own = this.#own(name)
      await this.#require()
      const [limit, signal] = [this.#backend.parts.usualBytes, this.#closed.signal]
      if (content.sizeBytes > limit) return await this.#putParts(own, content)
      const pieces = await Array.fromAsync(exactPieces(content))
      await this.#backend.put(own, { pieces, sizeBytes: content.sizeBytes }, { signal })
    })
  }

  stat(name: string): Promise<{ readonly sizeBytes: number } | undefined> {
    return translated(async () => {
      const facts = await this.#backend.head(this.#own(name), this.#closed.signal)
      return facts && { sizeBytes: facts.sizeBytes }
    })
  }

  read(name: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    return translated(async () => {
      const own = this.#own(name)
      const facts = await this.#backend.head(own, signal)
      if (facts === undefined) return undefined
      const source = { backend: this.#backend, timers: this.#timers }
      return await readObject(source, { name: own, etag: facts.etag, start: 0, end: facts.sizeBytes - 1 }, signal)
    })
  }

  async *list(directory: string): AsyncGenerator<NamedFile> {
    const prefix = `${this.#prefix}${directory}`
    await this.#require()
    let after: string | undefined
    do {
      const page = await translated(() => this.#backend.list({ prefix, after, limit: listedAtOnce }, this.#closed.signal))
      for (const { name, ...facts } of page.objects) yield { ...facts, name: name.slice(this.#prefix.length) }
      after = page.next
    } while (after !== undefined)
  }

  remove(names: readonly string[]): Promise<void> {
    return translated(async () => {
      const own = names.map((name) => this.#own(name))
      await this.#require()
      for (let start = 0; start < own.length; start += listedAtOnce)
        await this.#backend.remove(own.slice(start, start + listedAtOnce), this.#closed.signal)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new Error('the files are closed'))
    await this.#backend[Symbol.asyncDispose]()
  }

  #own(name: string): string {
    checkFileName(name)
    return `${this.#prefix}${name}`
  }

  async #putParts(name: string, content: FileContent): Promise<void> {
    const { signal } = this.#closed
    const multipartId = await this.#backend.startMultipart(name, signal)
    const upload = { name, multipartId }
    try {
      const parts: ObjectPart[] = []
      for await (const { pieces, sizeBytes } of inParts(content, partBytesFor(content.sizeBytes, this.#backend))) {
        const number = parts.length + 1
        parts.push({ number, sizeBytes, etag: await this.#backend.putPart({ ...upload, number }, { pieces, sizeBytes }, signal) })
      }
      await this.#backend.completeMultipart(upload, parts, signal)
    } catch (error) {
      await this.#backend.abortMultipart(upload, signal).catch(() => undefined)
      throw error
    }
  }
}

/** So large that the file fits the number of parts. */
function partBytesFor(sizeBytes: number, { parts }: ObjectBackend): number {
  return Math.max(parts.usualBytes, Math.ceil(sizeBytes / parts.maximumParts))
}

async function* inParts(
  content: FileContent,
  partBytes: number,
): AsyncGenerator<{ readonly pieces: readonly Uint8Array[]; readonly sizeBytes: number }> {
  let [pieces, sizeBytes]: [Uint8Array[], number] = [[], 0]
  for await (const piece of exactPieces(content)) {
    for (let rest = piece; rest.length > 0;) {
      const fitting = rest.subarray(0, partBytes - sizeBytes)
      pieces.push(fitting)
      sizeBytes += fitting.length
      rest = rest.subarray(fitting.length)
      if (sizeBytes < partBytes) continue
      yield { pieces, sizeBytes }
      ;[pieces, sizeBytes] = [[], 0]
    }
  }
  if (sizeBytes > 0) yield { pieces, sizeBytes }
}
