/**
 * What happens to every request, in order: its target is parsed, its end point found, its sender recognised, their right checked, the verb run;
 * then the line in the access log and the metrics. Whatever is thrown on the way is answered by `respondError`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { RegistryError } from '#oci/errors.ts'
import { clientClosedRequest } from './access-log.ts'
import { answerApi, isApiPath } from './api-endpoint.ts'
import { authenticate, refuseSwitchedOff, type Admitted, type Demand } from './authenticate.ts'
import type { Endpoint, Method, Operation } from './endpoint.ts'
import { openExchange, type Exchange, type Site, type TargetedExchange } from './exchange.ts'
import { chargeWrongCredential, gateAddress, gateAdmitted, gateWrite } from './gate.ts'
import { noteQuotaRefusal, noteRefusal } from './note-refusal.ts'
import { answerPortal, takesPortal } from './portal.ts'
import { respondError } from './respond-error.ts'
import { parseRoute, type Route } from './router.ts'
import { answerSignIn, isSignInPath } from './sign-in-endpoint.ts'
import type { StatusEndpoint } from './status-endpoints.ts'
import { parseTarget } from './target.ts'
import { tokenEndpointAt } from './token/token-endpoint.ts'
import { base } from './v2/base.ts'
import { blob } from './v2/blobs.ts'
import { catalog } from './v2/catalog.ts'
import { manifest } from './v2/manifests.ts'
import { referrers } from './v2/referrers.ts'
import { repository } from './v2/repositories.ts'
import { tags } from './v2/tags.ts'
import { upload, uploads } from './v2/uploads.ts'

/** What one listener serves: end points by exact path, and the registry's API unless it is the debug listener. */
export interface Listener {
  readonly site: Site
  readonly statusEndpoints: ReadonlyMap<string, StatusEndpoint>
  readonly hasApi: boolean
}

/** Takes up a request. `awaitsContinue`: the client sends its body only after it has been told to. */
export function handleRequest(listener: Listener, request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void {
  const exchange = openExchange(listener.site, request, response)
  exchange.notes.awaitsContinue = awaitsContinue
  response.once('close', () => complete(exchange))
  // What fails after the connection is gone has nobody left to hear of it.
  response.on('error', () => undefined)
  answer(listener, exchange)
    .catch((error: unknown) => respondError(exchange, error))
    .catch((error: unknown) => {
      listener.site.parts.log.error({ err: error, requestId: exchange.requestId }, 'an answer could not be sent')
      response.destroy()
    })
}

/** What a drain still answers on the data port: the questions of balancers and supervisors. */
const probes = new Set(['/healthz', '/readyz', '/startupz'])

async function answer(listener: Listener, exchange: Exchange): Promise<void> {
  requireHost(exchange)
  const target = parseTarget(exchange.request.url ?? '')
  if (listener.site.state.isDraining && listener.hasApi && !probes.has(target.path)) {
    throw new RegistryError('UNAVAILABLE', undefined, { message: 'this server is shutting down' })
  }
  const targeted: TargetedExchange = { ...exchange, target }
  const status = listener.statusEndpoints.get(target.path)
  if (status !== undefined) {
    enter(exchange, 'status')
    if (isRead(exchange)) await status(targeted)
    else refuseMethod(exchange, ['GET', 'HEAD'])
    return
  }
  if (!listener.hasApi) throw new RegistryError('NOT_FOUND')
  await answerData(targeted)
}

/** What the data port alone serves, for whose address is let in. */
async function answerData(exchange: TargetedExchange): Promise<void> {
  const { site, target } = exchange
  await gateAddress(exchange)
  if (isApiPath(site, target.path)) {
    enter(exchange, 'api')
    await answerApi(exchange)
    return
  }
  if (isSignInPath(site, target.path)) {
    enter(exchange, 'sign-in')
    await answerSignIn(exchange)
    return
  }
  const tokens = tokenEndpointAt(site, target.path)
  if (tokens !== undefined) {
    enter(exchange, tokens.name)
    await tokens.answer(exchange)
    return
  }
  if (takesPortal(exchange)) {
    enter(exchange, 'portal')
    answerPortal(exchange)
    return
  }
  const route = parseRoute(target.path, site.parts.config.http.prefix)
  // A path of a repository exists for deleting it alone: anyone else has mistaken the path, not the method.
  if (route === undefined || (route.kind === 'repository' && exchange.request.method !== 'DELETE')) throw new RegistryError('NOT_FOUND')
  await answerRoute(exchange, endpointOf(route))
}

async function answerRoute(exchange: TargetedExchange, endpoint: BoundEndpoint): Promise<void> {
  enter(exchange, endpoint.name)
  if (exchange.site.health.failing().size > 0) {
    throw new RegistryError('UNAVAILABLE', undefined, { message: 'health check failed: please see /debug/health' })
  }
  const operation = endpoint.operation(exchange.request.method ?? '')
  if (operation === undefined) {
    refuseMethod(exchange, endpoint.methods)
    return
  }
  const admitted = await authenticate(exchange, operation.demand)
  await gateAdmitted(exchange, admitted)
  try {
    refuseSwitchedOff(exchange, operation.kind)
    if (operation.kind !== 'read') await gateWrite(exchange)
  } catch (error) {
    if (!(error instanceof RegistryError) || error.status !== 405) throw error
    noteRefusal(exchange, operation.demand, 'UNSUPPORTED')
    // RFC 9110 §15.5.6: a 405 names what is left.
    respondError(exchange, error, ['Allow', endpoint.methods.filter((method) => method === 'GET' || method === 'HEAD').join(', ')])
    return
  }
  try {
    await operation.run(exchange, admitted)
  } catch (error) {
    noteQuotaRefusal(exchange, error)
    throw error
  }
}

/** RFC 9112 §3.2. Node is told not to look, because its own answer is bare. */
function requireHost({ request }: Exchange): void {
  if (request.headers.host === undefined && request.httpVersion !== '1.0')
    throw new RegistryError('REQUEST_INVALID', 'a Host header is required')
}

function isRead({ request }: Exchange): boolean {
  return request.method === 'GET' || request.method === 'HEAD'
}

function refuseMethod(exchange: Exchange, methods: readonly string[]): void {
  respondError(exchange, new RegistryError('UNSUPPORTED'), ['Allow', methods.join(', ')])
}

/** An end point together with the route that was parsed for it. */
interface BoundEndpoint {
  readonly name: string
  readonly methods: readonly string[]
  operation(method: string): BoundOperation | undefined
}

interface BoundOperation {
  readonly demand: Demand
  readonly kind: Operation<Route>['kind']
  readonly run: (exchange: TargetedExchange, admitted: Admitted) => Promise<void> | void
}

function endpointOf(route: Route): BoundEndpoint {
  switch (route.kind) {
    case 'base':
      return bind(base, route)
    case 'catalog':
      return bind(catalog, route)
    case 'tags':
      return bind(tags, route)
    case 'manifest':
      return bind(manifest, route)
    case 'blob':
      return bind(blob, route)
    case 'uploads':
      return bind(uploads, route)
    case 'upload':
      return bind(upload, route)
    case 'referrers':
      return bind(referrers, route)
    case 'repository':
      return bind(repository, route)
  }
}

function bind<R extends Route>(endpoint: Endpoint<R>, route: R): BoundEndpoint {
  const methods = Object.keys(endpoint.operations)
  return {
    name: endpoint.name,
    methods,
    operation(method) {
      const found = methods.includes(method) ? endpoint.operations[method as Method] : undefined
      if (found === undefined) return undefined
      const repository = 'repository' in route ? route.repository : undefined
      const permission = typeof found.demand === 'function' ? found.demand(route) : found.demand
      const createsRepository = permission === 'repository:push' && (route.kind === 'uploads' || route.kind === 'manifest')
      const uploadId = route.kind === 'upload' ? route.uploadId : undefined
      return {
        demand: { permission, repository, createsRepository, uploadId },
        kind: found.kind,
        run: (exchange, admitted) => run(found, { exchange, route }, admitted),
      }
    },
  }
}

/** Under the repository's present name: a former one is as good. */
function run<R extends Route>(
  operation: Operation<R>,
  { exchange, route }: { readonly exchange: TargetedExchange; readonly route: R },
  { principal, repository, isAbsent }: Admitted,
): Promise<void> | void {
  if (repository === undefined) return operation.run(exchange, route, principal)
  const present = { ...route, repository }
  if (!isAbsent) return operation.run(exchange, present, principal)
  if (operation.runAbsent !== undefined) return operation.runAbsent(exchange, present)
  throw new RegistryError('NAME_UNKNOWN', { name: repository })
}

function enter(exchange: Exchange, handler: string): void {
  exchange.notes.handler = handler
  exchange.site.parts.metrics.http.begin(handler)
}

/** Verbs that stand in metrics by their names; any other word that Node's parser lets through counts as one. */
const knownMethods = new Set(['get', 'head', 'post', 'put', 'patch', 'delete', 'options'])

/** Handlers whose answers take as long as a blob does. */
const ofBlobs = new Set(['blob', 'blob_upload', 'blob_upload_chunk'])

/** For the statistics over time. Probes and scrapes are of those who watch, not of those who use the registry. */
function countAnswer({ site, notes }: Exchange, { status, durationMs }: { readonly status: number; readonly durationMs: number }): void {
  if (notes.handler === 'status') return
  const isTimed = !notes.isStreamed && !ofBlobs.has(notes.handler)
  site.parts.traffic?.answered({ status, durationMs: isTimed ? durationMs : undefined, projectId: notes.project?.id })
}

function complete(exchange: Exchange): void {
  const { request, response, notes, site, startedAt } = exchange
  const status = response.writableFinished ? response.statusCode : clientClosedRequest
  if (notes.handler === 'none') enter(exchange, 'none')
  const method = request.method?.toLowerCase() ?? ''
  const durationMs = site.parts.ports.clock.monotonic() - startedAt
  countAnswer(exchange, { status, durationMs })
  site.parts.metrics.http.end({
    handler: notes.handler,
    method: knownMethods.has(method) ? method : 'other',
    status,
    durationSeconds: durationMs / 1_000,
    receivedBytes: notes.receivedBytes,
    sentBytes: notes.sentBytes,
  })
  site.accessLog.record(exchange, status)
  if (status === 401 && request.headers.authorization !== undefined) chargeWrongCredential(exchange)
}
