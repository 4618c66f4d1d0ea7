/**
 * Whether a client is sent to the object store for a blob.
 *
 * The problem: some clients reach the registry and not the store (another network, a proxy that lets one host through), and all that they tell of it is that
 * they ask again. The way: networks and User-Agents that are excepted get the bytes from here; and so does whoever asks for the same blob again and again within
 * a minute, for that is how a client looks that followed a redirect in vain.
 */
import { createHash } from 'node:crypto'
import type { RedirectConfig } from '#config/config.ts'
import { isObjectStore } from '#config/storage-place.ts'
import { createAddressRules } from '#lib/address-rules.ts'
import type { Digest } from '#oci/digest.ts'
import { exchangeCaller, type Exchange, type Site } from './exchange.ts'

const askedAgainMs = 60_000
/** The first answer and the second were of no use. */
const redirectsInVain = 2
const rememberedMax = 20_000

/** What one server remembers of its redirects. */
interface Redirects {
  readonly isExceptedAddress: (address: string) => boolean
  readonly userAgents: readonly RegExp[]
  /** By client and blob; oldest first. */
  readonly sent: Map<string, { readonly at: number; readonly count: number }>
}

const perSite = new WeakMap<Site, Redirects>()

/** True also where the store redirects nobody; notes that the client is about to be sent away. */
export function mayRedirect(exchange: Exchange, digest: Digest): boolean {
  const { storage } = exchange.site.parts.config
  const { redirects } = storage
  // The stores of this machine redirect nobody.
  if (redirects === undefined || redirects.disabled || ![storage, ...storage.others].some(isObjectStore)) return true
  const known = redirectsOf(exchange.site, redirects)
  const { address } = exchangeCaller(exchange)
  const userAgent = exchange.request.headers['user-agent'] ?? ''
  if (known.isExceptedAddress(address) || known.userAgents.some((pattern) => pattern.test(userAgent))) return false
  return countRedirect(known, `${clientOf(exchange)} ${digest}`, exchange.site.parts.ports.clock.monotonic())
}

/** One client as far as can be told: many stand behind one address and pull the same. Its token, or else its connection. */
function clientOf(exchange: Exchange): string {
  const { authorization = '' } = exchange.request.headers
  if (/^bearer /i.test(authorization)) return createHash('sha256').update(authorization).digest('base64url')
  return `${exchangeCaller(exchange).address} ${exchange.request.socket.remotePort}`
}

function redirectsOf(site: Site, { exceptNetworks, exceptUserAgents }: RedirectConfig): Redirects {
  const found = perSite.get(site)
  if (found !== undefined) return found
  const rules = createAddressRules({ allow: [], deny: exceptNetworks })
  const made: Redirects = {
    isExceptedAddress: (address) => !rules.admits(address),
    userAgents: exceptUserAgents.map((source) => new RegExp(source)),
    sent: new Map(),
  }
  perSite.set(site, made)
  return made
}

function countRedirect({ sent }: Redirects, name: string, now: number): boolean {
  const before = sent.get(name)
  const isAgain = before !== undefined && now - before.at < askedAgainMs
  if (isAgain && before.count >= redirectsInVain) return false
  sent.delete(name)
  sent.set(name, { at: now, count: isAgain ? before.count + 1 : 1 })
  for (const [oldest, { at }] of sent) {
    if (sent.size <= rememberedMax && now - at < askedAgainMs) break
    sent.delete(oldest)
  }
  return true
}
