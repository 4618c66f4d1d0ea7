/** HTTP to an object store: kept connections, one request a call, and what goes wrong on the way as an {@link ObjectError}. */
import { Readable } from 'node:stream'
import type { Agent, Dispatcher } from 'undici'
import { ObjectError, type ObjectBytes } from './object-backend.ts'

export type ObjectAnswer = Dispatcher.ResponseData

/** One request; path, query and headers as they go over the wire. */
export interface HttpRequest {
  readonly origin: string
  readonly path: string
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  readonly headers: Record<string, string>
  readonly body?: ObjectBytes | undefined
  readonly signal: AbortSignal
}

/** Enough for all uploads and pulls of a process; more wait in line. */
const connectionsMax = 128
const errorBytesMax = 64 * 1024
const restMs = 30_000

/** Connections to one service. Makes none before the first request. */
export class ObjectHttp implements AsyncDisposable {
  readonly #skipVerify: boolean
  #agent: Promise<Agent> | undefined

  constructor({ skipVerify = false }: { readonly skipVerify?: boolean | undefined } = {}) {
    this.#skipVerify = skipVerify
  }

  /** The answer, whatever its status; whoever gets it reads its body. Throws `passing` where there is none. */
  async request({ body, signal, ...request }: HttpRequest): Promise<ObjectAnswer> {
    const agent = await (this.#agent ??= this.#connect())
    try {
      return await agent.request({ ...request, body: bodyOf(body), signal })
    } catch (cause) {
      signal.throwIfAborted()
      throw new ObjectError('passing', 'the object store did not answer', { code: codeOf(cause), cause })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const agent = await this.#agent
    this.#agent = undefined
    await agent?.destroy()
  }

  async #connect(): Promise<Agent> {
    const undici = await import('undici')
    return new undici.Agent({
      connections: connectionsMax,
      keepAliveTimeout: 15_000,
      // What is too late is for object-retry.ts to say; these end what nobody waits for any more.
      headersTimeout: 0,
      bodyTimeout: restMs,
      connect: { timeout: 5_000, rejectUnauthorized: !this.#skipVerify },
    })
  }
}

/** What an answer says in its text; one that is an error is read as far as it comes. Throws `passing` where a good one is cut. */
export async function readText({ body, statusCode }: ObjectAnswer): Promise<string> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  const limit = statusCode < 300 ? Infinity : errorBytesMax
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

/** The first value of a header. */
export function headerOf(headers: ObjectAnswer['headers'], name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
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
