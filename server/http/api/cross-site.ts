/**
 * Requests that another site makes a browser send (CSRF).
 *
 * A browser adds cookies and client certificates by itself, whoever wrote the page. It also says, in headers that no page can set, where a request comes
 * from: Sec-Fetch-Site, or Origin in browsers that lack it. What shows neither and has a cookie is refused; what has none of the three is a program.
 * A password that somebody once typed into a browser's own dialog is added like a cookie, so Basic is judged in the same way; no page can make a browser add a token.
 */
import { RegistryError } from '#oci/errors.ts'
import type { Exchange } from '#http/exchange.ts'
import { originOf } from '#http/locations.ts'
import { readCookie } from './session-cookie.ts'

/** Throws DENIED for a change that a page of another site asks for. */
export function refuseCrossSite(exchange: Exchange): void {
  const { method, headers } = exchange.request
  if (method === 'GET' || method === 'HEAD') return
  const { authorization } = headers
  if (authorization !== undefined && !/^basic\b/i.test(authorization)) return
  const site = headers['sec-fetch-site']
  const { origin } = headers
  const isOwn =
    site !== undefined
      ? site === 'same-origin' || site === 'none'
      : origin !== undefined
        ? origin === originOf(exchange)
        : authorization !== undefined || readCookie(exchange, 'session') === undefined
  if (isOwn) return
  throw new RegistryError('DENIED', undefined, {
    message: 'this request comes from a page of another site: open the registry itself; programs use Authorization, not cookies',
  })
}
