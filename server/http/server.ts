/**
 * The listener: raw `node:http` with limits that suit a registry.
 *
 * The problem: an upload may take hours, a slow attacker must not take a minute; a stop must not cut what is under way; repository names contain slashes, which
 * routers dislike. The way: no limit on the length of a request, a short one on its head, one on silence and rate in its body (`request-body.ts`), and a
 * drain that lets requests finish. A request goes through `handle-request.ts`; to add an end point, add a route to `router.ts` and a file to v2/.
 */
import * as http from 'node:http'
import * as https from 'node:https'
import { connect, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { TlsConfig } from '#config/config.ts'
import { createAccessLog } from './access-log.ts'
import { createConnections, type Connections } from './connections.ts'
import { openDebugServer } from './debug-server.ts'
import { drain, type CloseOptions } from './drain.ts'
import type { HttpParts, Site } from './exchange.ts'
import { parseTrustedProxies } from './forwarded.ts'
import { handleRequest, type Listener } from './handle-request.ts'
import { createHealth, type HealthCheck } from './health.ts'
import { listeningUrl } from './listening-url.ts'
import { refuseConnection } from './refuse-connection.ts'
import { answerAlive, answerGuardedMetrics, answerReady, answerRoot, answerStarted, type StatusEndpoint } from './status-endpoints.ts'
import { readProxyHeaders } from './proxy-protocol.ts'
import { openRedirectServer } from './redirect-server.ts'
import { strictTransportSecurity } from './strict-transport-security.ts'
import { openCertificates, type Certificates } from './tls-certificates.ts'
import { ensureSelfSigned } from './tls-self-signed.ts'
import { challengeProtocol, handshakeOptions } from './tls-handshake.ts'
import { isClientWelcome, tlsServerOptions } from './tls.ts'
import { warnOfClaimedAddresses } from './warn-of-claimed-addresses.ts'
import { watchForUntrustedProxies } from './warn-of-untrusted-proxy.ts'

/** A server that can be started once and stopped once. */
export interface HttpServer extends AsyncDisposable {
  /** Begins to listen. Rejects with what the system says (`EADDRINUSE`, a certificate that cannot be read). */
  listen(): Promise<void>
  /** Where it listens, for people: `http://127.0.0.1:5000/`, `unix:/run/berth.sock`. Only after `listen`. */
  readonly url: string
  /** Where the debug listener is; undefined without one. */
  readonly debugUrl: string | undefined
  /**
   * Orderly end: `/readyz` says 503 at once, so that balancers turn away; for `http.draindelay` all else is served as before. Then idle connections are
   * closed, requests under way finish within `http.draintimeout` (without limit when it is 0), and every other new request is refused with 503 until they
   * have; then the listener closes. Resolves when the last connection is closed.
   */
  close(options?: CloseOptions): Promise<void>
}

/** Builds the server without listening. `checks` are this process's own faults, for `/readyz`. */
export function createHttpServer(parts: HttpParts, checks: readonly HealthCheck[] = []): HttpServer {
  const site = createSite(parts, checks)
  const connections = createConnections()
  const server = createNodeServer({ site, connections })
  const running = new AsyncDisposableStack()
  let debugUrl: string | undefined
  let closing: Promise<void> | undefined
  const close = (options?: CloseOptions) => (closing ??= stop({ site, connections, server }, running, options))
  return {
    async listen() {
      running.use(site.health)
      if (server instanceof https.Server) running.use(await loadCertificates(parts, server, connections))
      await warnOfClaimedAddresses(parts)
      if (parts.config.http.proxyProtocol) running.use(awaitProxyHeaders(server, site))
      await listen(server, parts)
      site.health.start()
      running.use(await openRedirectServer(site, securePortOf(server)))
      const debug = await openDebugServer(site)
      if (debug === undefined) return
      running.use(debug)
      debugUrl = debug.url
    },
    get url() {
      return listeningUrl(server, server instanceof https.Server ? 'https' : 'http')
    },
    get debugUrl() {
      return debugUrl
    },
    close,
    [Symbol.asyncDispose]: () => close(),
  }
}

function createSite(parts: HttpParts, checks: readonly HealthCheck[]): Site {
  const proxies = parseTrustedProxies(parts.config.http.trustedProxies)
  const configured = Object.entries(parts.config.http.headers).flatMap(([name, values]) => values.flatMap((value) => [name, value]))
  return {
    parts,
    standardHeaders: ['Docker-Distribution-Api-Version', 'registry/2.0', ...configured, ...strictTransportSecurity(parts.config.http)],
    proxies,
    watchProxy: watchForUntrustedProxies(proxies, parts.log),
    health: createHealth(parts, checks),
    accessLog: createAccessLog(parts),
    state: { isLeaving: false, isDraining: false },
    held: new Set(),
  }
}

interface Wiring {
  readonly site: Site
  readonly connections: Connections
}

type NodeServer = http.Server | https.Server

function createNodeServer(wiring: Wiring): NodeServer {
  const { tls } = wiring.site.parts.config.http
  const server = tls === undefined ? http.createServer(nodeOptions(wiring.site)) : createSecureServer(wiring.site, tls)
  const listener = dataListener(wiring.site)
  const handle = (awaitsContinue: boolean) => (request: http.IncomingMessage, response: http.ServerResponse) => {
    const { socket } = request
    wiring.connections.begin(socket, response)
    response.once('close', () => wiring.connections.end(socket, response))
    handleRequest(listener, request, response, awaitsContinue)
  }
  server.on('request', handle(false))
  server.on('checkContinue', handle(true))
  // RFC 9110 §10.1.1 lets a server pass over an expectation that it does not know.
  server.on('checkExpectation', handle(false))
  server.on('clientError', (error, socket) => onClientError(wiring, error, socket as Socket))
  if (tls === undefined) {
    server.on('connection', (socket: Socket) => wiring.connections.track(socket))
  } else {
    server.on('secureConnection', (socket: TLSSocket) => {
      wiring.connections.track(socket)
      if (!isClientWelcome(socket, tls)) socket.destroy()
      // All that an authority wanted was the certificate.
      else if (socket.alpnProtocol === challengeProtocol) socket.destroySoon()
    })
  }
  return server
}

function createSecureServer(site: Site, tls: TlsConfig): https.Server {
  const { config, acme, log } = site.parts
  const server: https.Server = https.createServer({
    ...nodeOptions(site),
    ...tlsServerOptions(tls),
    ...handshakeOptions(() => loaded.get(server), acme, log),
    handshakeTimeout: config.limits.headersTimeoutMs,
  })
  return server
}

function awaitProxyHeaders(server: NodeServer, { parts, proxies }: Site): Disposable {
  const { config, ports, log } = parts
  return readProxyHeaders(server, { proxies, timeoutMs: config.limits.headersTimeoutMs, timers: ports.timers, log })
}

function securePortOf(server: NodeServer): number | undefined {
  const address = server.address()
  return address === null || typeof address === 'string' ? undefined : address.port
}

/** See operations.md "Node defaults to override": each default of Node that is wrong for a registry is set here. */
function nodeOptions({ parts }: Site): http.ServerOptions {
  const { headerBytes, headersTimeoutMs } = parts.config.limits
  // Node looks at its connections in intervals: with both together a slow head is cut within the limit.
  const connectionsCheckingInterval = Math.max(50, Math.min(1_000, Math.floor(headersTimeoutMs / 5)))
  return {
    maxHeaderSize: headerBytes,
    headersTimeout: Math.max(1, headersTimeoutMs - connectionsCheckingInterval),
    connectionsCheckingInterval,
    // Uploads of hours are fine; request-body.ts watches for clients that stall.
    requestTimeout: 0,
    // Above the idle time of usual balancers (60 s), or they meet a connection that has just been closed.
    keepAliveTimeout: 75_000,
    noDelay: true,
    highWaterMark: 64 * 1024,
    insecureHTTPParser: false,
    // handle-request.ts refuses such a request in the form of all errors.
    requireHostHeader: false,
  }
}

function dataListener(site: Site): Listener {
  const { prefix, debug } = site.parts.config.http
  const endpoints = new Map<string, StatusEndpoint>([
    ['/', answerRoot],
    [prefix, answerRoot],
    ['/healthz', answerAlive],
    ['/readyz', answerReady],
    ['/startupz', answerStarted],
  ])
  if (debug?.metricsPath === undefined) endpoints.set('/metrics', answerGuardedMetrics)
  return { site, statusEndpoints: endpoints, hasApi: true }
}

const refused = new WeakSet<Socket>()

function onClientError({ site, connections }: Wiring, error: NodeJS.ErrnoException, socket: Socket): void {
  if (refused.has(socket)) return
  const answers = connections.answering(socket)
  const [only] = answers
  // With an answer on its way, another one would be taken for a part of it.
  const isOrderly = answers.length === 0 || (answers.length === 1 && only?.headersSent === false && !only.req.complete)
  if (error.code === 'ECONNRESET' || !socket.writable || !isOrderly) {
    socket.destroy()
    return
  }
  refused.add(socket)
  refuseConnection(site, socket, error)
}

const loaded = new WeakMap<https.Server, Certificates>()

async function loadCertificates(parts: HttpParts, server: https.Server, connections: Connections): Promise<Disposable> {
  const { tls } = parts.config.http
  if (tls === undefined) throw new Error('no TLS configuration')
  await ensureSelfSigned(parts, tls)
  const certificates = await openCertificates(parts, tls, {
    setDefault: (options) => server.setSecureContext(options),
    // Authorities and revocation lists are asked in handshakes alone.
    changed: () => tls.clientCas.length > 0 && connections.retire(),
  })
  loaded.set(server, certificates)
  return certificates
}

async function listen(server: NodeServer, { config, ports, log }: HttpParts): Promise<void> {
  const target = config.http.listen
  try {
    await listening(server, target)
  } catch (error) {
    if (!('path' in target) || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || (await answers(target.path))) throw error
    // The socket of a process that is gone.
    await ports.files.unlink(target.path)
    await listening(server, target)
  }
  // A connection that could not be taken (descriptors or buffers ran out) must not end the process.
  server.on('error', (error) => log.error({ err: error }, 'a connection could not be accepted'))
}

function listening(server: NodeServer, target: HttpParts['config']['http']['listen']): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen('path' in target ? { path: target.path } : { port: target.port, host: target.host, backlog: 1024 }, () => {
    server.off('error', reject)
    resolve()
  })
  return promise
}

function answers(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect({ path })
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  return promise.finally(() => socket.destroy())
}

async function stop(
  wiring: Wiring & { readonly server: NodeServer },
  running: AsyncDisposableStack,
  options?: CloseOptions,
): Promise<void> {
  await using _running = running
  await drain(wiring, options)
}
