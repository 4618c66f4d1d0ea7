/** Cursors of lists: where a page begins, opaque to the caller, and good for the order in which it was given only. */
import { RegistryError } from '#oci/errors.ts'
import type { RouteContract } from '#api/contract.ts'

/** The sort value and the id of the last row before a page. */
export interface PagePlace {
  readonly value: string | number
  readonly id: number
}

/** What a list is asked for; `column` is one of the contract's own words. */
export interface PageWanted {
  readonly limit: number
  readonly column: string
  readonly isDescending: boolean
  readonly after: PagePlace | undefined
}

const defaultLimit = 100

/** Reads `limit`, `cursor` and `sort` of a validated query. Throws REQUEST_INVALID for a cursor of another list or order. */
export function pageWanted(contract: RouteContract, query: Readonly<Record<string, unknown>>): PageWanted {
  const { limit, cursor } = query
  const sort = sortOf(contract, query)
  return {
    limit: typeof limit === 'number' ? limit : defaultLimit,
    column: sort.replace(/^-/, ''),
    isDescending: sort.startsWith('-'),
    after: typeof cursor === 'string' ? readCursor(cursor, sort) : undefined,
  }
}

/** The cursor of the page that begins after `place`. */
export function writeCursor(contract: RouteContract, query: Readonly<Record<string, unknown>>, { value, id }: PagePlace): string {
  return Buffer.from(JSON.stringify([sortOf(contract, query), value, id])).toString('base64url')
}

/** The first order that the contract names is what a caller gets who asks for none. */
function sortOf({ query: schema }: RouteContract, query: Readonly<Record<string, unknown>>): string {
  if (typeof query['sort'] === 'string') return query['sort']
  const known = schema?.properties['sort'] as { readonly enum?: readonly string[] } | undefined
  return known?.enum?.[0] ?? 'id'
}

function readCursor(text: string, sort: string): PagePlace {
  const parsed = parseJson(Buffer.from(text, 'base64url').toString('utf8'))
  const [of, value, id] = Array.isArray(parsed) ? (parsed as unknown[]) : []
  const isValue = (typeof value === 'string' && !value.includes('\0') && value.length <= 1024) || Number.isFinite(value)
  if (of !== sort || !isValue || !Number.isSafeInteger(id)) {
    throw new RegistryError(
      'REQUEST_INVALID',
      { cursor: 'not of this list and order' },
      { message: 'the cursor is not one of this list in this order' },
    )
  }
  return { value: value as string | number, id: id as number }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
