/** The second listener (`http.debug.addr`): health, variables and metrics, for eyes inside. */
import * as http from 'node:http'
import type { Site } from './exchange.ts'
import { handleRequest, type Listener } from './handle-request.ts'
import { listeningUrl } from './listening-url.ts'
import { withoutStrictTransportSecurity } from './strict-transport-security.ts'
import {
  answerAlive,
  answerDebugHealth,
  answerDebugVars,
  answerMetrics,
  answerReady,
  answerStarted,
  type StatusEndpoint,
} from './status-endpoints.ts'

export interface DebugServer extends AsyncDisposable {
  readonly url: string
}

const headersTimeoutMs = 10_000

/** Listens if the configuration names an address; undefined otherwise. Rejects with what the system says. */
export async function openDebugServer(site: Site): Promise<DebugServer | undefined> {
  const { debug } = site.parts.config.http
  if (debug === undefined) return undefined
  const server = http.createServer({
    headersTimeout: headersTimeoutMs,
    requestTimeout: headersTimeoutMs,
    keepAliveTimeout: headersTimeoutMs,
    requireHostHeader: false,
  })
  const listener = debugListener(site, debug.metricsPath)
  server.on('request', (request, response) => handleRequest(listener, request, response, false))
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject).listen({ port: debug.port, host: debug.host }, resolve)
  await promise
  server.on('error', (error) => site.parts.log.error({ err: error }, 'a debug connection could not be accepted'))
  return { url: listeningUrl(server, 'http'), [Symbol.asyncDispose]: () => closed(server) }
}

/** Its requests stand in no access log and carry nothing but what is asked for. */
function debugListener(site: Site, metricsPath: string | undefined): Listener {
  const endpoints = new Map<string, StatusEndpoint>([
    ['/debug/health', answerDebugHealth],
    ['/debug/vars', answerDebugVars],
    ['/healthz', answerAlive],
    ['/readyz', answerReady],
    ['/startupz', answerStarted],
  ])
  if (metricsPath !== undefined) endpoints.set(metricsPath, answerMetrics)
  const standardHeaders = withoutStrictTransportSecurity(site.standardHeaders)
  return { site: { ...site, standardHeaders, accessLog: { record: () => undefined } }, statusEndpoints: endpoints, hasApi: false }
}

function closed(server: http.Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  server.closeAllConnections()
  return promise
}
