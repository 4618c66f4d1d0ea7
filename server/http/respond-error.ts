/**
 * The one place that writes `{"errors":[{"code","message","detail"}]}` (distribution-spec "Error Codes"). What is refused of the management API before it is
 * reached (too many requests, a forbidden address, a server that ends) gets the form that its clients read.
 */
import { RegistryError } from '#oci/errors.ts'
import { isApiPath } from './api-endpoint.ts'
import { problemBody } from './api/problem.ts'
import { ClientGone, type Exchange } from './exchange.ts'
import { originOf, tokenUrl } from './locations.ts'
import { respond, type HeaderList } from './respond.ts'

const errorHeaders: HeaderList = ['Content-Type', 'application/json; charset=utf-8', 'Cache-Control', 'no-store']
const problemHeaders: HeaderList = [
  'Content-Type',
  'application/problem+json; charset=utf-8',
  'Cache-Control',
  'no-store',
  'X-Content-Type-Options',
  'nosniff',
]

/** For answers that ask to come back without saying when. */
const retryAfterSeconds: Partial<Record<RegistryError['code'], number>> = { UNAVAILABLE: 5, TOOMANYREQUESTS: 1 }

/**
 * Answers with what was thrown. What is no {@link RegistryError} is a fault of ours: 500 with nothing but the request id, and a logged stack.
 * When the answer has begun already the connection is cut, so that a broken body never looks whole. `headers` come in addition.
 */
export function respondError(exchange: Exchange, error: unknown, headers: HeaderList = []): void {
  const { response, notes } = exchange
  if (isClientGone(exchange, error)) {
    response.destroy()
    return
  }
  const known = error instanceof RegistryError ? error : new RegistryError('UNKNOWN', undefined, { cause: error })
  notes.errorCode = known.code
  if (known.status >= 500 || response.headersSent) logFault(exchange, known, error)
  if (response.headersSent) {
    response.destroy()
    return
  }
  const retryAfter = known.retryAfterSeconds ?? retryAfterSeconds[known.code]
  const retry = retryAfter === undefined ? [] : ['Retry-After', String(retryAfter)]
  const login = known.status === 401 ? challengeHeaders(exchange) : []
  const { form, body } = formOf(exchange, known)
  respond(exchange, known.status, [...form, ...login, ...retry, ...headers], body)
}

function formOf({ site, request, requestId }: Exchange, error: RegistryError): { readonly form: HeaderList; readonly body: string } {
  if (!isApiPath(site, request.url ?? '')) return { form: errorHeaders, body: errorBody(error, requestId) }
  return { form: problemHeaders, body: JSON.stringify(problemBody(error, requestId)) }
}

/** RFC 7235 §4.1: how to prove who asks. Clients of Docker's token protocol read scheme, realm, service and scope. */
function challengeHeaders(exchange: Exchange): HeaderList {
  const origin = originOf(exchange)
  const { error, scope } = exchange.notes.challenge
  const sent = schemeOf(exchange.request.headers.authorization)
  const challenges = exchange.site.parts.access.challenge({
    sent,
    origin,
    tokenUrl: tokenUrl(exchange),
    scope,
    error: sent === 'bearer' ? error : undefined,
  })
  return challenges.flatMap((challenge) => ['WWW-Authenticate', challenge])
}

function schemeOf(authorization: string | undefined): 'none' | 'basic' | 'bearer' | 'other' {
  if (authorization === undefined) return 'none'
  const scheme = /^(basic|bearer) /i.exec(authorization)?.[1]?.toLowerCase()
  return scheme === 'basic' || scheme === 'bearer' ? scheme : 'other'
}

/** The JSON of an error. A 5xx tells no more than where to look. */
export function errorBody(error: RegistryError, requestId: string): string {
  const detail = error.status >= 500 ? { requestId } : error.detail
  return JSON.stringify({ errors: [{ code: error.code, message: error.message, detail: detail ?? null }] })
}

function isClientGone(exchange: Exchange, error: unknown): boolean {
  return error instanceof ClientGone || (exchange.response.destroyed && !(error instanceof RegistryError && error.status >= 500))
}

function logFault(exchange: Exchange, known: RegistryError, error: unknown): void {
  const { request, requestId, notes, site } = exchange
  site.parts.log.error(
    { err: error, code: known.code, requestId, method: request.method, handler: notes.handler },
    known.status >= 500 ? 'request failed' : 'request failed while its answer was on the way',
  )
}
