/** One visit of a browser to a page for signing in, and what such a page may answer. */
import type { OpenSession } from '#access/sessions.ts'
import type { Caller } from '#http/api/serve-route.ts'
import type { TargetedExchange } from '#http/exchange.ts'
import { originOf } from '#http/locations.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Page } from './page.ts'
import type { Spoken } from './words.ts'

/** A request for a page, its sender recognised by the cookie alone. */
export interface Visit {
  readonly exchange: TargetedExchange
  readonly spoken: Spoken
  /** The session of the browser, or the sign-in that it has under way. */
  readonly session: OpenSession | undefined
  readonly who: Caller
  /** The query, or the form that was sent. */
  readonly given: URLSearchParams
  /** A path of this site, where the browser goes in the end. */
  readonly returnTo: string | undefined
}

/** A page, or where to go. */
export type VisitAnswer =
  | { readonly page: Page; readonly status?: number; readonly headers?: Readonly<Record<string, string>> }
  | { readonly location: string; readonly headers?: Readonly<Record<string, string>> }

/** Answers one method of one page. */
export type Step = (visit: Visit) => Promise<VisitAnswer> | VisitAnswer

/** `/sign-in`, or a page below it, with the way on. */
export function signInPath({ exchange }: Pick<Visit, 'exchange'>, page = '', returnTo?: string): string {
  const path = `${exchange.site.parts.config.http.prefix}sign-in${page === '' ? '' : `/${page}`}`
  return returnTo === undefined ? path : `${path}?${new URLSearchParams({ returnTo }).toString()}`
}

/**
 * Throws DENIED unless the form was sent by a page of this site. Stricter than for the API: a browser may add a remembered Authorization to what any page
 * sends, so that is no sign here; and a form was always sent by some page.
 */
export function requireOwnPage(exchange: TargetedExchange): void {
  const { 'sec-fetch-site': from, origin } = exchange.request.headers
  const isOwn = from === undefined ? origin !== undefined && origin === originOf(exchange) : from === 'same-origin'
  if (isOwn) return
  throw new RegistryError('DENIED', undefined, { message: 'this was sent by a page of another site: open the page of the registry itself' })
}
