/** The request target as it stands on the request line, taken apart without normalising: what is odd stays odd and finds no route. */
import { RegistryError } from '#oci/errors.ts'

/** Nothing is decoded here: `path` may hold anything that Node's parser lets through. */
export interface Target {
  readonly path: string
  readonly query: URLSearchParams
}

const noQuery = new URLSearchParams()

/** Throws REQUEST_INVALID for all but the origin form (RFC 9112 §3.2.1): Berth is no proxy. */
export function parseTarget(raw: string): Target {
  if (!raw.startsWith('/')) throw new RegistryError('REQUEST_INVALID', 'the request target must start with /')
  const queryAt = raw.indexOf('?')
  if (queryAt < 0) return { path: raw, query: noQuery }
  return { path: raw.slice(0, queryAt), query: new URLSearchParams(raw.slice(queryAt + 1)) }
}

const wholeNumber = /^\d{1,9}$/

/** The `n` of a list: undefined when it is not there. Throws PAGINATION_NUMBER_INVALID for all but a whole number below a milliard. */
export function parsePageSize(query: URLSearchParams): number | undefined {
  const text = query.get('n')
  if (text === null) return undefined
  if (!wholeNumber.test(text)) throw new RegistryError('PAGINATION_NUMBER_INVALID', { n: text.slice(0, 32) })
  return Number(text)
}

/** The `last` of a list: names and tags sort by their bytes, so any text will do, but no database takes a NUL. */
export function parseLast(query: URLSearchParams): string | undefined {
  const text = query.get('last')
  if (text === null || text === '') return undefined
  if (text.includes('\0') || text.length > 1024) throw new RegistryError('REQUEST_INVALID', 'last is not a name from a list')
  return text
}
