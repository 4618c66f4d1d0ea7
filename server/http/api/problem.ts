/** Errors of the management API: application/problem+json (RFC 9457). */
import { errorTable, RegistryError } from '#oci/errors.ts'

/** One part of a request that does not fit its schema. */
export interface Misfit {
  readonly path: string
  readonly message: string
}

/**
 * The body of an error: `title` is the code's and never changes, `detail` the sentence about this very request, `facts` what a program can use. A 5xx tells
 * no more than where to look.
 */
export function problemBody(error: RegistryError, requestId: string): Readonly<Record<string, unknown>> {
  const sentence = sentenceOf(error)
  return {
    type: `urn:berth:error:${error.code.toLowerCase().replaceAll('_', '-')}`,
    title: errorTable[error.code].message,
    status: error.status,
    code: error.code,
    ...(sentence !== undefined && { detail: sentence }),
    ...(error.status >= 500 ? {} : factsOf(error.detail)),
    requestId,
  }
}

function sentenceOf({ code, message, detail, status }: RegistryError): string | undefined {
  const own = message === errorTable[code].message ? undefined : message
  const text = status < 500 && typeof detail === 'string' && detail !== '' && detail !== own ? detail : undefined
  return own === undefined || text === undefined ? (own ?? text) : `${own}: ${text}`
}

function factsOf(detail: unknown): { readonly facts?: object; readonly errors?: readonly Misfit[] } {
  if (typeof detail !== 'object' || detail === null) return {}
  if (isMisfits(detail)) return { errors: detail }
  return { facts: Array.isArray(detail) ? { list: detail as unknown[] } : detail }
}

function isMisfits(detail: unknown): detail is readonly Misfit[] {
  return (
    Array.isArray(detail) &&
    detail.every((each: unknown) => typeof each === 'object' && each !== null && 'path' in each && 'message' in each)
  )
}

/** What fastify itself refuses (a body that is no JSON, one that is too big), in our words. */
export function registryErrorOf(error: unknown): RegistryError {
  if (error instanceof RegistryError) return error
  const { statusCode, code } = error as { readonly statusCode?: unknown; readonly code?: unknown }
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499)
    return new RegistryError('UNKNOWN', undefined, { cause: error })
  const sentence = refusals[String(code)] ?? 'the request is malformed'
  return new RegistryError('REQUEST_INVALID', undefined, { cause: error, status: statusCode, message: sentence })
}

const refusals: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'the body must be application/json',
  FST_ERR_CTP_BODY_TOO_LARGE: 'the body is too large',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'the body is empty, and Content-Type says JSON',
  FST_ERR_CTP_INVALID_JSON_BODY: 'the body is not JSON',
  FST_ERR_BAD_URL: 'the path is not percent-encoded UTF-8',
  FST_ERR_MAX_PARAM_LENGTH: 'a part of the path is longer than any name',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'the body is not as long as Content-Length says',
}
