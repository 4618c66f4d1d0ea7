/** The end points beside /v2: `/`, `/healthz`, `/readyz`, `/startupz`, `/metrics`, and those of the debug listener. */
import { RegistryError } from '#oci/errors.ts'
import { authenticate } from './authenticate.ts'
import { gateAddress } from './gate.ts'
import { answerPortal, takesPortal } from './portal.ts'
import type { TargetedExchange } from './exchange.ts'
import { respond, respondJson, type HeaderList } from './respond.ts'

export type StatusEndpoint = (exchange: TargetedExchange) => Promise<void> | void

const plain: HeaderList = ['Content-Type', 'text/plain; charset=utf-8', 'Cache-Control', 'no-store']
const noStore: HeaderList = ['Cache-Control', 'no-store']

/** `/`: the portal for the person with a browser; a line for programs, and where there is none. */
export async function answerRoot(exchange: TargetedExchange): Promise<void> {
  if (takesPortal(exchange)) {
    await gateAddress(exchange)
    answerPortal(exchange)
    return
  }
  const { config, portal } = exchange.site.parts
  const isMissing = config.http.hasPortal && portal === undefined
  respond(
    exchange,
    200,
    [...plain, 'Vary', 'Accept'],
    `Berth, a container image registry. Its API is below /v2/.\n${isMissing ? portalIsMissing : ''}`,
  )
}

const portalIsMissing = 'Its portal is not built: run npm run build:web where Berth is installed, and start it again.\n'

/** `/healthz`: the process lives and its event loop turns. Depends on nothing. */
export function answerAlive(exchange: TargetedExchange): void {
  respond(exchange, 200, plain, 'ok\n')
}

/** `/startupz`: this process has opened all that it needs. Before that nothing, or `announce-start.ts`, answers here. */
export function answerStarted(exchange: TargetedExchange): void {
  respond(exchange, 200, plain, 'ok\n')
}

/**
 * `/readyz`: 503 from the moment that the end is asked for, and while a local check fails. `?verbose` tells which, by name, and how what is shared with other nodes
 * does, which counts for nothing here, with the codes of faults; the whole reasons are in the log.
 */
export async function answerReady(exchange: TargetedExchange): Promise<void> {
  const { health, state } = exchange.site
  const { isReady, ...found } = state.isLeaving ? { isReady: false, checks: { drain: 'failed' } } : await health.readiness()
  const status = isReady ? 200 : 503
  if (exchange.target.query.has('verbose')) {
    const headers = ['Content-Type', 'application/json; charset=utf-8', ...noStore]
    respond(exchange, status, headers, JSON.stringify({ status: isReady ? 'ready' : 'not ready', ...found }))
    return
  }
  respond(exchange, status, plain, isReady ? 'ok\n' : 'not ready\n')
}

/** `/debug/health` as registry:2 has it: `{}`, or 503 with the reasons by name. */
export function answerDebugHealth(exchange: TargetedExchange): void {
  const failing = exchange.site.health.failing()
  const status = failing.size === 0 ? 200 : 503
  respond(exchange, status, ['Content-Type', 'application/json; charset=utf-8', ...noStore], JSON.stringify(Object.fromEntries(failing)))
}

/** `/debug/vars`: what Go's expvar shows, as far as it means something here. No command line: it may hold secrets. */
export function answerDebugVars(exchange: TargetedExchange): void {
  const memory = process.memoryUsage()
  const value = { memstats: memory, uptimeSeconds: process.uptime(), version: process.version, resourceUsage: process.resourceUsage() }
  respondJson(exchange, value, noStore)
}

/** The page that Prometheus reads. */
export async function answerMetrics(exchange: TargetedExchange): Promise<void> {
  const { metrics, registry, metricsPage = () => metrics.registry.metrics() } = exchange.site.parts
  metrics.openUploads.set(registry.memory.uploads.size)
  respond(exchange, 200, ['Content-Type', metrics.registry.contentType, ...noStore], await metricsPage())
}

/** Metrics on the data port: for anyone where the registry is open, else for whoever has credentials. */
export async function answerGuardedMetrics(exchange: TargetedExchange): Promise<void> {
  const { principal } = await authenticate(exchange, { permission: 'identity', repository: undefined })
  if (principal.isAnonymous && exchange.site.parts.config.auth.kind !== 'open') throw new RegistryError('UNAUTHORIZED')
  await answerMetrics(exchange)
}
