/**
 * A proxy that nobody named: what it says of clients counts for nothing, and its operator should hear why.
 *
 * The problem: such a proxy seems to work, while the record, address lists and back-off take all clients for one, and URLs begin with `http:`. The way: the
 * first request of each range of private addresses that comes with a forwarding header and is not believed is worth a line of the log; more are
 * not, for anybody in such a network could fill it.
 */
import type { IncomingMessage } from 'node:http'
import { addressGroups } from '#config/keys-http.ts'
import type { Logger } from '#lib/logger.ts'
import { peerOf } from './connection-source.ts'
import { isTrustedPeer, parseTrustedProxies, type TrustedProxies } from './forwarded.ts'

const privateRanges = (addressGroups['private'] ?? []).map((range) => ({ range, addresses: parseTrustedProxies([range]) }))
const headerNames = ['forwarded', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host'] as const

/** Looks at each request of one server. */
export function watchForUntrustedProxies(proxies: TrustedProxies, log: Pick<Logger, 'warn'>): (request: IncomingMessage) => void {
  const told = new Set<string>()
  return (request) => {
    if (told.size === privateRanges.length) return
    const header = headerNames.find((name) => request.headers[name] !== undefined)
    const peer = header === undefined ? '' : peerOf(request.socket)
    if (peer === '' || isTrustedPeer(peer, proxies)) return
    const range = privateRanges.find(({ addresses }) => isTrustedPeer(peer, addresses))?.range
    if (range === undefined || told.has(range)) return
    told.add(range)
    log.warn(
      { peer, range, header },
      'a private address that http.trustedproxies does not name says for whom it asks, and is not believed: if it is your proxy, add it to http.trustedproxies',
    )
  }
}
