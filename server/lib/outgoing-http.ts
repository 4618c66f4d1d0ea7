/**
 * HTTP requests that this server makes to URLs which people configure or other servers name: identity providers, webhooks, scanners.
 *
 * The problem: such a URL may lead inside (address-guard.ts), its answer may be endless, never come, or redirect somewhere else. The way: a function in
 * the form of `fetch`, so that client libraries take it, which checks the URL, connects to judged addresses only, follows few redirects and each only
 * after the same checks, and reads the whole answer within limits of time and size. undici is loaded at the first request.
 * Errors tell the host and what went wrong, never what the other side sent.
 */
import { isIPv4 } from 'node:net'
import type { Agent, Dispatcher } from 'undici'
import { AddressRefused, type AddressGuard } from './address-guard.ts'
import type { Timers } from './ports.ts'

/** Made once for each set of trust settings; disposing closes its connections. */
export interface OutgoingHttp extends AsyncDisposable {
  /** As `fetch`, with the answer's body read already. Rejects with {@link OutgoingRefused}, `AddressRefused` or {@link OutgoingFailed}. */
  fetch(url: string | URL, init?: OutgoingInit): Promise<Response>
}

/** What of `fetch`'s options there is. `redirect` is `follow` unless said: three at most, of requests without a body. */
export interface OutgoingInit {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>> | Headers
  readonly body?: string | Uint8Array | URLSearchParams | ArrayBuffer | ReadableStream | null | undefined
  readonly redirect?: 'follow' | 'manual' | 'error'
  readonly signal?: AbortSignal | null | undefined
}

export interface OutgoingHttpOptions {
  readonly guard: AddressGuard
  readonly timers: Pick<Timers, 'after'>
  /** PEM; in place of the certificate authorities that Node knows. */
  readonly authorities?: string | undefined
  /** Whether `http:` URLs are fine; never after a redirect from `https:`. False unless said. */
  readonly allowHttp?: boolean
  /** For everything together, redirects included. Ten seconds unless said. */
  readonly timeoutMs?: number
  /** Of an answer's body. 1 MiB unless said. */
  readonly bodyBytesMax?: number
}

/** The URL is not one that this server asks. */
export class OutgoingRefused extends Error {
  override readonly name = 'OutgoingRefused'
}

/** The other side could not be reached, was too slow, or sent too much. */
export class OutgoingFailed extends Error {
  override readonly name = 'OutgoingFailed'
}

const redirectsMax = 3
const defaultTimeoutMs = 10_000
const defaultBodyBytesMax = 1024 * 1024
const headerBytesMax = 32 * 1024
const connectionsPerOrigin = 8

/** Connects to nothing yet. */
export function createOutgoingHttp(options: OutgoingHttpOptions): OutgoingHttp {
  let agent: Promise<Agent> | undefined
  const connected = () => (agent ??= createAgent(options))
  return {
    fetch: async (url, init = {}) => {
      const timeoutMs = options.timeoutMs ?? defaultTimeoutMs
      const aborter = new AbortController()
      const onAbort = () => aborter.abort(init.signal?.reason)
      if (init.signal?.aborted === true) onAbort()
      init.signal?.addEventListener('abort', onAbort, { once: true })
      const late = new OutgoingFailed(`${hostOf(url)} did not answer within ${timeoutMs} ms`)
      using _timer = options.timers.after(timeoutMs, () => aborter.abort(late))
      try {
        return await follow(await connected(), options, { url: checkedUrl(url, options), init, signal: aborter.signal })
      } finally {
        init.signal?.removeEventListener('abort', onAbort)
      }
    },
    [Symbol.asyncDispose]: async () => {
      const made = agent
      agent = undefined
      await (await made)?.destroy()
    },
  }
}

/** Whether the URL leads to this very machine: the only place that is spoken to without TLS. */
export function isThisMachine({ hostname }: URL): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname)
}

/** `http:` or `https:`, without a user's name and password, to a host that is not an odd form of an address. Throws {@link OutgoingRefused}. */
export function checkedUrl(written: string | URL, { allowHttp = false }: { readonly allowHttp?: boolean }): URL {
  const text = String(written)
  // Characters that URL drops silently would make what was checked differ from what was written.
  if (/[\s\\\p{Cc}]/u.test(text) || !URL.canParse(text)) throw new OutgoingRefused('the URL is not one')
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new OutgoingRefused(`${url.protocol} URLs are not fetched`)
  if (url.protocol === 'http:' && !allowHttp) throw new OutgoingRefused('http: URLs are not fetched here, only https:')
  if (url.username !== '' || url.password !== '') throw new OutgoingRefused('the URL has a user name or password in it')
  // URL turns 2130706433 and 0x7f.1 into 127.0.0.1; whoever writes so hides something.
  if (isIPv4(url.hostname) && hostWrittenIn(text) !== url.hostname) throw new OutgoingRefused('the URL has an address in an unusual form')
  url.hash = ''
  return url
}

function hostWrittenIn(text: string): string | undefined {
  return /^[a-z]+:\/\/([^/?#:]*)/i.exec(text)?.[1]
}

interface Hop {
  readonly url: URL
  readonly init: OutgoingInit
  readonly signal: AbortSignal
}

async function follow(agent: Agent, options: OutgoingHttpOptions, first: Hop): Promise<Response> {
  const request = new Request(first.url.href, { ...requestInit(first.init), redirect: 'manual' })
  const body = request.body === null ? undefined : new Uint8Array(await request.arrayBuffer())
  let url = first.url
  for (let redirects = 0; ; redirects++) {
    if (url.origin !== first.url.origin) forgetCredentials(request.headers)
    const answer = await send(agent, options, { url, method: request.method, headers: request.headers, body, signal: first.signal })
    const next = redirectOf(answer, first.init)
    if (next === undefined) return answer
    if (first.init.redirect === 'error' || redirects >= redirectsMax) throw new OutgoingFailed(`${url.host} redirects too often`)
    if (request.method !== 'GET' && request.method !== 'HEAD')
      throw new OutgoingFailed(`${url.host} redirects a ${request.method}, which is not followed`)
    const allowHttp = options.allowHttp === true && url.protocol === 'http:'
    // An absolute one is judged as it is written, not as URL understands it.
    url = checkedUrl(!URL.canParse(next) && URL.canParse(next, url.href) ? new URL(next, url) : next, { allowHttp })
  }
}

function forgetCredentials(headers: Headers): void {
  for (const name of ['authorization', 'cookie', 'proxy-authorization']) headers.delete(name)
}

function requestInit({ method, headers, body }: OutgoingInit): RequestInit {
  return {
    ...(method === undefined ? {} : { method }),
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined || body === null ? {} : { body: body as NonNullable<RequestInit['body']>, duplex: 'half' }),
  }
}

function redirectOf(answer: Response, { redirect }: OutgoingInit): string | undefined {
  if (redirect === 'manual' || ![301, 302, 303, 307, 308].includes(answer.status)) return undefined
  return answer.headers.get('location') ?? undefined
}

interface Sending {
  readonly url: URL
  readonly method: string
  readonly headers: Headers
  readonly body: Uint8Array | undefined
  readonly signal: AbortSignal
}

async function send(agent: Agent, { guard, bodyBytesMax = defaultBodyBytesMax }: OutgoingHttpOptions, sending: Sending): Promise<Response> {
  const { url, method, headers, body, signal } = sending
  try {
    // A host that is an address is connected to without a lookup, so it is judged here.
    if (isIPv4(url.hostname) || url.hostname.startsWith('[')) await guard.resolve(url.hostname)
    const answer = await agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: method as Dispatcher.HttpMethod,
      headers: { ...Object.fromEntries(headers), 'accept-encoding': 'identity' },
      body: body ?? null,
      signal,
    })
    const bytes = await readBody(answer.body, { bodyBytesMax, host: url.host })
    const isEmpty = [101, 204, 205, 304].includes(answer.statusCode) || method === 'HEAD'
    return new Response(isEmpty ? null : bytes, { status: answer.statusCode, headers: headersOf(answer.headers) })
  } catch (error) {
    throw translated(error, sending)
  }
}

async function readBody(
  body: AsyncIterable<Buffer>,
  limit: { readonly bodyBytesMax: number; readonly host: string },
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of body) {
    sizeBytes += chunk.length
    // Leaving the loop destroys the stream and with it the connection.
    if (sizeBytes > limit.bodyBytesMax) throw new OutgoingFailed(`${limit.host} sends more than ${limit.bodyBytesMax} bytes`)
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

function headersOf(fields: Readonly<Record<string, string | string[] | undefined>>): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(fields)) for (const one of [value ?? []].flat()) headers.append(name, one)
  return headers
}

/** Codes of undici and Node are told; texts of what was received are not. */
function translated(error: unknown, { url, signal }: Sending): unknown {
  if (error instanceof AddressRefused || error instanceof OutgoingFailed || error instanceof OutgoingRefused) return error
  if (signal.aborted) return signal.reason
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
  return new OutgoingFailed(`${url.host} cannot be asked${code === '' ? '' : ` (${code})`}`, { cause: error })
}

async function createAgent({ guard, authorities, timeoutMs = defaultTimeoutMs }: OutgoingHttpOptions): Promise<Agent> {
  const undici = await import('undici')
  return new undici.Agent({
    connections: connectionsPerOrigin,
    pipelining: 1,
    maxHeaderSize: headerBytesMax,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connect: {
      lookup: guard.lookup,
      timeout: timeoutMs,
      allowH2: false,
      autoSelectFamily: true,
      ...(authorities === undefined || authorities === '' ? {} : { ca: authorities }),
    },
  })
}

function hostOf(url: string | URL): string {
  const text = String(url)
  return URL.canParse(text) ? new URL(text).host : 'the server'
}
