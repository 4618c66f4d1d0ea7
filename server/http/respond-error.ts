/** The one place that writes `{"errors":[{"code","message","detail"}]}` (distribution-spec "Error Codes"). */
import { RegistryError } from '#oci/errors.ts'
import { ClientGone, type Exchange } from './exchange.ts'
import { respond, type HeaderList } from './respond.ts'

const errorHeaders: HeaderList = ['Content-Type', 'application/json; charset=utf-8', 'Cache-Control', 'no-store']

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
  const { challenge } = exchange.site.parts.access
  const login = known.status === 401 && challenge !== undefined ? ['WWW-Authenticate', challenge] : []
  respond(exchange, known.status, [...errorHeaders, ...login, ...retry, ...headers], errorBody(known, exchange.requestId))
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
