/** The listener for plain HTTP (`http.redirect.addr`): sends everybody to HTTPS, and answers an ACME authority that looks whether a host is ours. */
import * as http from 'node:http'
import type { Site } from './exchange.ts'
import { callerOf } from './forwarded.ts'
import { listeningUrl } from './listening-url.ts'
import { readProxyHeaders } from './proxy-protocol.ts'

/** Listens until it is disposed. */
export interface RedirectServer extends AsyncDisposable {
  readonly url: string
}

const timeoutMs = 10_000

/** RFC 8555 §8.3: base64url. */
const challengePath = /^\/\.well-known\/acme-challenge\/([A-Za-z0-9_-]{1,256})$/

/** Listens if the configuration names an address; `securePort` is where HTTPS is. Rejects with what the system says. */
export async function openRedirectServer(site: Site, securePort: number | undefined): Promise<RedirectServer | undefined> {
  const { config, ports, log } = site.parts
  const { redirect, proxyProtocol } = config.http
  if (redirect === undefined) return undefined
  const server = http.createServer({
    headersTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    keepAliveTimeout: timeoutMs,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: config.limits.headerBytes,
    requireHostHeader: false,
  })
  server.on('request', (request, response) => {
    void answer(site, request, { securePort })
      .catch((error: unknown): Answer => {
        log.error({ err: error }, 'a challenge of ACME cannot be answered')
        return { status: 503, headers: { 'Retry-After': '5' }, body: 'try again' }
      })
      .then((answered) => send(request, response, answered))
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject).listen({ port: redirect.port, host: redirect.host }, resolve)
  const headers = proxyProtocol ? readProxyHeaders(server, { proxies: site.proxies, timeoutMs, timers: ports.timers, log }) : undefined
  await promise
  server.on('error', (error) => log.error({ err: error }, 'a connection could not be accepted'))
  return {
    url: listeningUrl(server, 'http'),
    async [Symbol.asyncDispose]() {
      headers?.[Symbol.dispose]()
      await closed(server)
    },
  }
}

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
}

async function answer(
  site: Site,
  request: http.IncomingMessage,
  { securePort }: { readonly securePort: number | undefined },
): Promise<Answer> {
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  const token = challengePath.exec(request.url ?? '')?.[1]
  if (isRead && token !== undefined) return await answerChallenge(site, token)
  const { host } = site.parts.config.http
  const origin = host === undefined ? secureOrigin(callerOf(request, site.proxies).host, securePort) : `https://${new URL(host).host}`
  if (origin === undefined) return { status: 400, body: 'this is plain HTTP: use https://' }
  // What is read is asked for again by every client; a body is sent again only where the method must stay (RFC 9110 §15.4.9).
  const status = isRead ? 301 : 308
  return { status, headers: { Location: origin + pathOf(request.url ?? '/') }, body: `this registry speaks HTTPS: ${origin}` }
}

async function answerChallenge({ parts }: Site, token: string): Promise<Answer> {
  const proof = await parts.acme?.httpChallenge(token)
  if (proof === undefined) return { status: 404, body: 'no such challenge' }
  return { status: 200, headers: { 'Content-Type': 'application/octet-stream', 'Cache-Control': 'no-store' }, body: proof }
}

/** `host` is what the client calls this server, with the port of plain HTTP. */
function secureOrigin(host: string | undefined, securePort: number | undefined): string | undefined {
  const text = `http://${host ?? ''}/`
  if (host === undefined || !URL.canParse(text)) return undefined
  const { hostname } = new URL(text)
  return `https://${hostname}${securePort === undefined || securePort === 443 ? '' : `:${securePort}`}`
}

/** Of a request line: `/path`, or a whole URL as clients write it to proxies. */
function pathOf(target: string): string {
  if (target.startsWith('/')) return target
  if (!URL.canParse(target)) return '/'
  const { pathname, search } = new URL(target)
  return pathname.startsWith('/') ? pathname + search : '/'
}

function send(request: http.IncomingMessage, response: http.ServerResponse, { status, headers, body }: Answer): void {
  // A body that nobody reads would keep the connection busy.
  const ending = request.complete ? {} : { Connection: 'close' }
  const text = `${body}\n`
  const isProof = status === 200
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    ...headers,
    ...ending,
    'Content-Length': Buffer.byteLength(isProof ? body : text),
  })
  response.end(request.method === 'HEAD' ? undefined : isProof ? body : text)
}

function closed(server: http.Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  server.closeAllConnections()
  return promise
}
