/**
 * The management API below /api/v1: Fastify on the same listener as /v2.
 *
 * The problem: each route needs validation, rights, paging, ETags, errors and documentation, and forgetting one of them is a hole. The way: a route is
 * a contract (api/contract.ts); here it gets all of that from the contract, in one order, and its handler sees only calls that fit it, of somebody who
 * may make them. Loaded at the first request to it, so that a registry whose API nobody uses starts as fast and stays as small as before. To add a
 * route, see api/contract.ts; handlers are in the file of their resource here, listed in all-routes.ts.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import fastifySwagger from '@fastify/swagger'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { requireElevation } from '#access/elevation.ts'
import type { RouteContract } from '#api/contract.ts'
import { RegistryError } from '#oci/errors.ts'
import { exchangeCaller, type Exchange, type Site } from '#http/exchange.ts'
import { gateCall } from '#http/gate.ts'
import { respondError } from '#http/respond-error.ts'
import { authenticateCaller } from './authenticate-caller.ts'
import { allRoutes } from './all-routes.ts'
import { methodsByPath } from './allowed-methods.ts'
import { serveDocsPage } from './docs-page.ts'
import { guard } from './guard.ts'
import { attemptEach, expectedOf } from './if-match.ts'
import { finishOpenApi } from './openapi-finish.ts'
import { openApiDocument, openApiOf } from './openapi.ts'
import { nameUnknown } from './name-unknown.ts'
import { noteRefusedCall } from './note-refusal.ts'
import { writeCursor, pageWanted } from './pages.ts'
import { problemPage } from './problem-page.ts'
import { problemBody, registryErrorOf } from './problem.ts'
import { setStandardHeaders } from './standard-headers.ts'
import type { ApiCall, PageBody, ServedRoute } from './serve-route.ts'
import { onlyContracted, validated } from './validate.ts'

/** Answers requests below the API's path. */
export interface ApiApp {
  /** Takes over the request; what it answers is written by the time the response closes. */
  handle(exchange: Exchange): void
  close(): Promise<void>
}

const bodyBytesMax = 1024 * 1024
/** Names have at most 255 characters, each of which may be written as three. */
const paramLengthMax = 1024

const methodsOf = methodsByPath(allRoutes.map(({ contract }) => contract))

type Admitted = Omit<ApiCall<RouteContract>, 'ifMatch'>
type Answered = NonNullable<Awaited<ReturnType<ServedRoute['handle']>>>

const exchanges = new WeakMap<IncomingMessage, Exchange>()

/** Builds the app with all routes; resolves when it can answer. */
export async function createApiApp(site: Site): Promise<ApiApp> {
  const base = `${site.parts.config.http.prefix}api/v1`
  const app = fastify({
    logger: false,
    bodyLimit: bodyBytesMax,
    forceCloseConnections: false,
    // A path that makes no sense is found before there is a route, and past all hooks.
    frameworkErrors: (error, request, reply) => {
      setStandardHeaders(exchangeOf(request as FastifyRequest), reply as FastifyReply)
      void sendProblem(request as FastifyRequest, reply as FastifyReply, error)
    },
    routerOptions: { maxParamLength: paramLengthMax, querystringParser: parseQuery, ignoreTrailingSlash: false },
  })
  useContracts(app, base)
  await app.register(fastifySwagger, {
    openapi: openApiDocument(base),
    transformObject: (made) =>
      'openapiObject' in made
        ? finishOpenApi(
            made.openapiObject,
            base,
            allRoutes.map(({ contract }) => contract),
          )
        : made.swaggerObject,
  })
  if (site.parts.config.http.prefix === '/') {
    await serveDocsPage(app, { path: `${base}/docs`, isSecure: (request) => exchangeCaller(exchangeOf(request)).scheme === 'https' })
  }
  for (const route of allRoutes) register(app, base, route)
  app.get(`${base}/openapi.json`, { schema: { hide: true } }, () => app.swagger())
  await app.ready()
  return {
    handle(exchange) {
      exchanges.set(exchange.request, exchange)
      app.routing(exchange.request, exchange.response as ServerResponse)
    },
    close: () => app.close(),
  }
}

/** Validation and filtering are ours (validate.ts); Fastify's own would convert bodies too. */
function useContracts(app: FastifyInstance, base: string): void {
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
  app.addHook('onRequest', (request, reply, done) => {
    setStandardHeaders(exchangeOf(request), reply)
    done()
  })
  app.addHook('onSend', (request, _reply, payload, done) => {
    const { notes } = exchangeOf(request)
    if (typeof payload === 'string') notes.sentBytes += Buffer.byteLength(payload)
    done(null, payload)
  })
  // Identity providers send logout tokens as forms, and nobody else sends forms.
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (request, body, done) => {
    const isAwaited = request.routeOptions.url?.endsWith('/backchannel-logout') === true
    if (isAwaited) done(null, Object.fromEntries(new URLSearchParams(String(body))))
    else done(new RegistryError('REQUEST_INVALID', undefined, { status: 415, message: 'the body must be application/json' }))
  })
  // Whoever serves such a route reads the body as it comes.
  const streamed = [...new Set(allRoutes.flatMap(({ contract }) => contract.consumes ?? []))]
  app.addContentTypeParser(streamed, (request, _payload, done) => {
    if (isReading(request)) done(null, undefined)
    else done(new RegistryError('REQUEST_INVALID', undefined, { status: 415, message: 'the body must be application/json' }))
  })
  app.setErrorHandler((error, request, reply) => sendProblem(request, reply, error))
  app.setNotFoundHandler((request, reply) => {
    const [path = ''] = request.url.split('?', 1)
    const allowed = path.startsWith(`${base}/`) ? methodsOf(path.slice(base.length)) : []
    if (allowed.length === 0) return sendProblem(request, reply, new RegistryError('NOT_FOUND'))
    return sendProblem(request, reply.header('Allow', allowed.join(', ')), new RegistryError('UNSUPPORTED'))
  })
}

function register(app: FastifyInstance, base: string, route: ServedRoute): void {
  const { contract } = route
  app.route({
    method: contract.method,
    url: base + contract.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    schema: openApiOf(contract),
    config: { consumes: contract.consumes ?? [] },
    handler: async (request, reply) => {
      try {
        return await answer(route, request, reply)
      } catch (error) {
        throw nameUnknown(error, contract, request.params)
      }
    },
  })
}

async function answer({ contract, handle }: ServedRoute, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const exchange = exchangeOf(request)
  const call = await admit(contract, exchange, request)
  const expected = expectedOf(contract, request.headers['if-match'])
  const answered = await attemptEach(expected, async (ifMatch) => {
    const made = await handle({ ...call, ifMatch: ifMatch as number | undefined })
    // What is read is compared when it is known; what is changed was compared before.
    if (contract.method === 'GET' && ifMatch !== undefined && made?.version !== ifMatch) throw new RegistryError('PRECONDITION_FAILED')
    return made
  })
  const status = answered?.status ?? contract.status
  if (answered === undefined) return await reply.code(status ?? 204).send()
  setAnswerHeaders(reply, answered, `${exchange.site.parts.config.http.prefix}api/v1`)
  exchange.notes.isStreamed = answered.stream !== undefined
  if (answered.stream !== undefined) return await reply.code(status ?? 200).send(answered.stream)
  if (contract.response === undefined) return await reply.code(status ?? 204).send()
  const body = withCursor(contract, call.query, answered.body)
  return await reply
    .code(status ?? 200)
    .type('application/json; charset=utf-8')
    .send(onlyContracted(contract.response, body))
}

function setAnswerHeaders(reply: FastifyReply, { version, location, headers }: Answered, base: string): void {
  if (version !== undefined) reply.header('ETag', `"${version}"`)
  if (location !== undefined) reply.header('Location', base + location)
  for (const [name, value] of Object.entries(headers ?? {})) reply.header(name, value)
}

/** Everything that stands between a request and its handler: form, sender, right. In this order nobody learns of a project by a malformed request. */
async function admit(contract: RouteContract, exchange: Exchange, request: FastifyRequest): Promise<Admitted> {
  const { parts } = exchange.site
  const { principal, who } = await authenticateCaller(exchange, contract)
  const { project, repository } = await guard(exchange, principal, contract.demand, request.params as Record<string, unknown>)
  await gateCall(exchange, contract, { principal, project })
  if (contract.needsElevation === true) await requireElevation(parts.directory, principal, permissionOf(contract))
  const params = validated(contract.params, request.params, 'path')
  const query = validated(contract.query, request.query, 'query') as Record<string, unknown>
  const given = contract.isBodyOptional === true && request.body === undefined ? {} : request.body
  const body = validated(contract.body, given, 'body')
  const page = pageWanted(contract, query)
  const call = { parts, exchange, principal, who, params, query, body, project, repository, page }
  // Project and repository are there where the demand is about one, which is all that a handler of the contract reads.
  return call as unknown as Admitted
}

/** What a token must name to do this. */
function permissionOf({ demand }: RouteContract) {
  return 'permission' in demand ? demand.permission : undefined
}

/** A handler of a list gives where the next page begins; the caller gets that as text. */
function withCursor(contract: RouteContract, query: unknown, body: unknown): unknown {
  if (typeof body !== 'object' || body === null || !('items' in body) || !('next' in body)) return body
  const { next, ...rest } = body as PageBody<unknown>
  if (next === undefined) return rest
  return { ...rest, next: writeCursor(contract, query as Record<string, unknown>, next) }
}

/** A name that stands twice becomes a list, which fits no schema but a list's. */
function parseQuery(text: string): Record<string, unknown> {
  const query: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const [name, value] of new URLSearchParams(text)) {
    const before = query[name]
    query[name] = before === undefined ? value : [...(Array.isArray(before) ? (before as unknown[]) : [before]), value]
  }
  return query
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, thrown: unknown): FastifyReply {
  const exchange = exchangeOf(request)
  const error = inOpenRegistry(exchange, registryErrorOf(thrown))
  exchange.notes.errorCode = error.code
  noteRefusedCall(exchange, error, { route: routeOf(request), params: request.params })
  if (error.status >= 500) {
    exchange.site.parts.log.error(
      { err: error.cause ?? error, requestId: exchange.requestId, url: request.routeOptions.url },
      'request failed',
    )
  }
  if (error.retryAfterSeconds !== undefined) reply.header('Retry-After', String(error.retryAfterSeconds))
  // What would change something is refused while the registry is read-only.
  if (error.status === 405 && !reply.hasHeader('Allow')) reply.header('Allow', readsOf(request).join(', '))
  if (error.status === 401) reply.header('WWW-Authenticate', challengeFor(reply.request.headers['sec-fetch-dest']))
  // More of a body may come than anybody wants to read: how such an answer ends is known elsewhere.
  if (isReading(request) && !request.raw.complete) {
    reply.hijack()
    respondError(exchange, error)
    return reply
  }
  const page = problemPage(exchange, reply, { error, route: routeOf(request) })
  if (page !== undefined) return reply.code(error.status).serializer(String).send(page)
  const body = JSON.stringify(problemBody(error, exchange.requestId))
  return reply.code(error.status).type('application/problem+json; charset=utf-8').serializer(String).send(body)
}

/** Whether the route's handler reads the body by itself. */
function isReading(request: FastifyRequest): boolean {
  return ((request.routeOptions.config as { readonly consumes?: readonly string[] } | undefined)?.consumes?.length ?? 0) > 0
}

/** Where nobody can log in, nobody is asked to. */
function inOpenRegistry({ site }: Exchange, error: RegistryError): RegistryError {
  if (error.code !== 'UNAUTHORIZED' || site.parts.config.auth.kind !== 'open') return error
  const message =
    'this registry has no accounts, so that nobody can log in: it is managed on the machine that it runs on, by commands on its data such as berth trash list config.yml'
  return new RegistryError('UNAUTHORIZED', { reason: 'NO_ACCOUNTS' }, { message, cause: error })
}

function readsOf(request: FastifyRequest): readonly string[] {
  const [, path = ''] = routeOf(request).split(' ')
  return methodsOf(path).filter((method) => method === 'GET' || method === 'HEAD')
}

/** As the contract writes it: below the API's path, parameters in braces. */
function routeOf(request: FastifyRequest): string {
  const path = request.routeOptions.url?.replace(/^.*?\/api\/v1/, '').replaceAll(/:(\w+)/g, '{$1}')
  return `${request.method} ${path ?? ''}`
}

function exchangeOf(request: FastifyRequest): Exchange {
  const exchange = exchanges.get(request.raw)
  if (exchange === undefined) throw new Error('a request came past the listener')
  return exchange
}

/** To a script of a page, no scheme that a browser knows: at `Basic` it would ask for a password itself, in front of the page, and keep it. */
function challengeFor(destination: string | readonly string[] | undefined): string {
  return destination === 'empty' ? 'Session realm="berth"' : 'Basic realm="berth"'
}
