/**
 * Who really asks, and by which address the registry is known to them.
 *
 * Behind a proxy the socket names the proxy. Its word (`Forwarded`, RFC 7239, or `X-Forwarded-*`) counts only when it is trusted, because these
 * headers end up in Location, where a forged one would lead clients and caches astray. A chain of proxies is read from the nearest on.
 */
import { BlockList, isIP, isIPv6 } from 'node:net'
import type { IncomingMessage } from 'node:http'
import { peerOf } from './connection-source.ts'

export interface Caller {
  /** IP address without port; empty on a unix socket. */
  readonly address: string
  readonly scheme: 'http' | 'https'
  /** What the client calls this server, host and port; undefined when it did not say, or nothing that could be a host. */
  readonly host: string | undefined
  /** Whether the next hop is a trusted proxy, so that its headers count. */
  readonly isProxied: boolean
}

/** Addresses and CIDR ranges, ready to be asked. */
export type TrustedProxies = BlockList

/** Entries that are neither an address nor a range are left out: the configuration has refused them. */
export function parseTrustedProxies(entries: readonly string[]): TrustedProxies {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/')
    const version = isIP(address)
    if (version === 0) continue
    const family = version === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}

/** Whether the other end of a connection is one of them, by its address as Node writes it. */
export function isTrustedPeer(address: string, proxies: TrustedProxies): boolean {
  return isTrusted(plainAddress(address), proxies)
}

/** The caller as the nearest hop that is not a trusted proxy reports it. A peer on a unix socket is a proxy by nature. */
export function callerOf(request: IncomingMessage, proxies: TrustedProxies): Caller {
  const peer = plainAddress(peerOf(request.socket))
  const scheme = 'encrypted' in request.socket ? 'https' : 'http'
  const direct: Caller = { address: peer, scheme, host: validHost(request.headers.host), isProxied: false }
  if (peer !== '' && !isTrusted(peer, proxies)) return direct
  const { forwarded } = request.headers
  const said = forwarded === undefined || speaksX(request) ? readXForwarded(request, proxies) : readForwarded(forwarded, proxies)
  return {
    address: said.address ?? peer,
    scheme: validScheme(said.scheme) ?? scheme,
    host: validHost(said.host) ?? direct.host,
    isProxied: true,
  }
}

/**
 * Whether the proxy speaks X-Forwarded-*. Nearly all do, and pass the client's own Forwarded on as it is: where there are both, the latter is a stranger's
 * word.
 */
function speaksX({ headers }: IncomingMessage): boolean {
  return ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host'].some((name) => headers[name] !== undefined)
}

interface Said {
  readonly address: string | undefined
  readonly scheme: string | undefined
  readonly host: string | undefined
}

/** More hops than this are not a chain of proxies. */
const hopsMax = 32

function readXForwarded(request: IncomingMessage, proxies: TrustedProxies): Said {
  const addresses = listOf(request.headers['x-forwarded-for']).map(addressOf)
  const hops = trustedHops(addresses, proxies)
  // A proxy that appends writes one value per hop; most overwrite, and there is one.
  const atHop = (values: readonly string[]) => values[Math.max(0, values.length - hops)]
  return {
    address: addresses[addresses.length - hops],
    scheme: atHop(listOf(request.headers['x-forwarded-proto'])),
    host: atHop(listOf(request.headers['x-forwarded-host'])),
  }
}

function readForwarded(header: string, proxies: TrustedProxies): Said {
  const elements = header.split(',').slice(-hopsMax).map(parseElement)
  const addresses = elements.map((element) => addressOf(element.get('for') ?? ''))
  const element = elements[elements.length - trustedHops(addresses, proxies)] ?? elements[0]
  const address = addressOf(element?.get('for') ?? '')
  return { address, scheme: element?.get('proto'), host: element?.get('host') }
}

/** How many entries from the right to believe: each was added by a trusted hop, up to and including the first that names somebody else. */
function trustedHops(addresses: readonly (string | undefined)[], proxies: TrustedProxies): number {
  let hops = 1
  for (let at = addresses.length - 1; at > 0; at--) {
    const address = addresses[at]
    if (address === undefined || !isTrusted(address, proxies)) break
    hops++
  }
  return hops
}

function parseElement(text: string): ReadonlyMap<string, string> {
  const pairs = text.split(';').map((pair): [string, string] => {
    const [name = '', ...value] = pair.split('=')
    return [
      name.trim().toLowerCase(),
      value
        .join('=')
        .trim()
        .replace(/^"(.*)"$/, '$1'),
    ]
  })
  return new Map(pairs)
}

function listOf(header: string | string[] | undefined): string[] {
  if (header === undefined) return []
  const text = typeof header === 'string' ? header : header.join(',')
  return text
    .split(',')
    .slice(-hopsMax)
    .map((value) => value.trim())
}

/** The address of a node identifier: `192.0.2.1`, `192.0.2.1:47011`, `[2001:db8::1]:80`, `2001:db8::1`; undefined for `unknown` and `_hidden`. */
function addressOf(node: string): string | undefined {
  const bracketed = /^\[([0-9a-f:.]+)\](?::\d+)?$/i.exec(node)?.[1]
  const address = bracketed ?? (isIPv6(node) ? node : node.replace(/:\d{1,5}$/, ''))
  return isIP(address) === 0 ? undefined : plainAddress(address)
}

/** IPv4 in IPv6's clothes (`::ffff:192.0.2.1`) as IPv4. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address
}

function isTrusted(address: string, proxies: TrustedProxies): boolean {
  return proxies.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

function validScheme(text: string | undefined): 'http' | 'https' | undefined {
  const scheme = text?.toLowerCase()
  return scheme === 'http' || scheme === 'https' ? scheme : undefined
}

// RFC 3986 host: a name or IPv4 address, or an IPv6 address in brackets; then a port.
const hostPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/

function validHost(text: string | undefined): string | undefined {
  return text !== undefined && hostPattern.test(text) ? text : undefined
}
