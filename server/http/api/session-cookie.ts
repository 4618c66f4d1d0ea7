/**
 * The cookies of sessions.
 *
 * Over TLS they have the `__Host-` prefix: a browser takes such a cookie from this very host over TLS only, so no other host of the domain and nobody on the
 * way can plant one. Without TLS there is no such protection; that is fine on the machine itself (`http://localhost:5000`) and refused elsewhere, unless
 * `http.insecuresessions` says otherwise.
 */
import { RegistryError } from '#oci/errors.ts'
import { exchangeCaller, type Exchange } from '#http/exchange.ts'

/** `session`: who is signed in. `sign-in`: what the way back from an identity provider is bound to. */
export type CookieUse = 'session' | 'sign-in'

const headerMax = 8_192
const signInSeconds = 600

/** Whether there may be cookies at all, and under which names. */
function modeOf(exchange: Exchange): 'host' | 'plain' | undefined {
  const { scheme, host = '' } = exchangeCaller(exchange)
  if (scheme === 'https') return 'host'
  const isHere = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i.test(host)
  return isHere || exchange.site.parts.config.http.insecureSessions ? 'plain' : undefined
}

function nameOf(mode: 'host' | 'plain', use: CookieUse): string {
  return `${mode === 'host' ? '__Host-' : ''}berth-${use}`
}

/** The value that the browser sent; undefined without one, and where cookies are not taken. */
export function readCookie(exchange: Exchange, use: CookieUse): string | undefined {
  const header = exchange.request.headers.cookie
  if (header === undefined) return undefined
  if (header.length > headerMax) throw new RegistryError('REQUEST_INVALID', undefined, { message: 'the cookies are too long' })
  const mode = modeOf(exchange)
  return mode === undefined ? undefined : valueIn(header, nameOf(mode, use))
}

/** A name that stands twice was planted by somebody: neither counts. */
function valueIn(header: string, name: string): string | undefined {
  const values = header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
  return values.length === 1 ? values[0]?.slice(name.length + 1) : undefined
}

/** The value of Set-Cookie. Throws DENIED over plain HTTP from elsewhere. */
export function cookieOf(exchange: Exchange, use: CookieUse, value: string): string {
  const mode = modeOf(exchange)
  if (mode === undefined) {
    throw new RegistryError('DENIED', undefined, {
      message: 'signing in with a browser needs https: set up TLS here or in the proxy in front, or allow it by http.insecuresessions',
    })
  }
  return `${nameOf(mode, use)}=${value}; Path=/; HttpOnly; SameSite=Lax${mode === 'host' ? '; Secure' : ''}${use === 'sign-in' ? `; Max-Age=${signInSeconds}` : ''}`
}

/** The value of Set-Cookie that removes it; undefined where there can be none. */
export function noCookie(exchange: Exchange, use: CookieUse): string | undefined {
  const mode = modeOf(exchange)
  return mode && `${nameOf(mode, use)}=; Path=/; HttpOnly; SameSite=Lax${mode === 'host' ? '; Secure' : ''}; Max-Age=0`
}
