import { request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'

export interface HttpRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Bytes are sent with Content-Length; an iterable is sent with Transfer-Encoding: chunked. */
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array>
  /** The certificate authority to trust, in PEM. */
  readonly ca?: string
  readonly timeoutMs?: number
}

export interface HttpResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/**
 * One request on a connection of its own, with nothing added that the caller did not say: no redirects, no Accept,
 * no decompression. `fetch` hides these, and cannot trust a test's certificate authority.
 */
export function sendRequest(url: string | URL, request: HttpRequest = {}): Promise<HttpResponse> {
  const target = new URL(url)
  const send = target.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const outgoing = send(
      target,
      {
        method: request.method ?? 'GET',
        headers: { ...request.headers, ...lengthOf(request.body) },
        agent: false,
        ...(request.ca === undefined ? {} : { ca: request.ca }),
      },
      (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.once('error', reject)
        // An answer of events has no end: how it begins must do.
        if (incoming.headers['content-type']?.startsWith('text/event-stream') === true)
          incoming.once('data', () => {
            resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(chunks) })
            incoming.destroy()
          })
        incoming.once('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(chunks) }))
      },
    )
    outgoing.setTimeout(request.timeoutMs ?? 30_000, () =>
      outgoing.destroy(new Error(`${request.method ?? 'GET'} ${target.href}: no answer`)),
    )
    outgoing.once('error', reject)
    void writeBody(outgoing, request.body).catch((error: unknown) => outgoing.destroy(error as Error))
  })
}

function lengthOf(body: HttpRequest['body']): Record<string, string> {
  if (typeof body === 'string' || body instanceof Uint8Array) return { 'content-length': String(Buffer.byteLength(body)) }
  return {}
}

async function writeBody(outgoing: NodeJS.WritableStream, body: HttpRequest['body']) {
  if (body === undefined) return void outgoing.end()
  if (typeof body === 'string' || body instanceof Uint8Array) return void outgoing.end(body)
  for await (const chunk of body) {
    if (!outgoing.write(chunk)) await new Promise((resolve) => outgoing.once('drain', resolve))
  }
  outgoing.end()
}

/** The Authorization header of HTTP Basic. */
export function basicAuthorization(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}
