/**
 * Which addresses this server may connect to when somebody else named the host (SSRF guard).
 *
 * The problem: administrators of providers, and what those providers answer, name URLs; one that leads to this machine, to a neighbour without a
 * password or to the cloud's metadata service would lend them the server's own place in the network. The way: a host is resolved once, each address is
 * judged, and the connection goes to the judged addresses only ({@link AddressGuard.lookup} has the form that `net.connect` takes), so that a name
 * which answers differently the second time gains nothing. What is not global unicast is refused unless a configured range has it.
 */
import { lookup as systemLookup } from 'node:dns/promises'
import { BlockList, isIP, isIPv4, SocketAddress, type LookupFunction } from 'node:net'

/** One address of a host. */
export interface ResolvedAddress {
  readonly address: string
  readonly family: 4 | 6
}

/** Finds the addresses of a name; rejects with an error that has a `code`, as `node:dns` does. */
export type Resolver = (host: string) => Promise<readonly ResolvedAddress[]>

/** Judges hosts. */
export interface AddressGuard {
  /** The addresses of a name, or the one that the host already is. Throws {@link AddressRefused}; what the resolver throws passes. */
  resolve(host: string): Promise<readonly ResolvedAddress[]>
  /** {@link resolve} for `net.connect` and `tls.connect`, which then connect to these addresses and no others. They do not ask it for hosts that are addresses. */
  readonly lookup: LookupFunction
}

/** The host leads to where this server does not go. The message names host and address, and the key that would allow it. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused'

  constructor(host: string, why: string) {
    super(`${host} is refused: ${why}. If it is meant, list it in outgoing.allowednetworks`)
  }
}

/** Names of ranges that `outgoing.allowednetworks` understands beside addresses and CIDR ranges. */
export const outgoingNetworkGroups: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
}

/** Special-purpose ranges of IPv4 (IANA's registry; RFC 6890), multicast and reserved ones included. */
const refusedIpv4 = rangeList([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
])

/** Of IPv6 only global unicast is fine: loopback, link-local, unique local, multicast, mapped, NAT64 and what else is outside of it need no list. */
const globalIpv6 = rangeList(['2000::/3'])

/** … without Teredo and other protocol assignments, documentation, and 6to4, which carries an IPv4 address. */
const refusedIpv6 = rangeList(['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'])

/** IPv6 that carries an IPv4 address in its last four bytes: mapped, compatible, NAT64 (RFC 6052). */
const embedding = rangeList(['::ffff:0:0/96', '::/96', '64:ff9b::/96'])

/** Where clouds keep the credentials of the machine; a wide range does not open them, only an entry that is this very address. */
const metadataServices: ReadonlySet<string> = new Set([
  '169.254.169.254',
  '169.254.170.2',
  '100.100.100.200',
  'fd00:ec2::254',
  'fd20:ce::254',
])

/** `allowedNetworks`: addresses, CIDR ranges and names of {@link outgoingNetworkGroups}; others are left out, the configuration has refused them. */
export function createAddressGuard(allowedNetworks: readonly string[], resolver: Resolver = resolveBySystem): AddressGuard {
  const entries = allowedNetworks.flatMap((entry) => outgoingNetworkGroups[entry] ?? [entry])
  const allowed = rangeList(entries)
  const exact = new Set(entries.filter((entry) => isIP(entry) !== 0).map(canonical))
  const judge = (host: string, address: string) => {
    const why = refusalOf(address, allowed, exact)
    if (why !== undefined)
      throw new AddressRefused(host, host === address ? why : `its address ${address} is ${why.replace(/^it is /, '')}`)
  }
  const resolve = async (host: string) => {
    const bare = host.replace(/^\[(.*)\]$/, '$1')
    const family = isIP(bare)
    if (family !== 0) {
      judge(bare, bare)
      return [{ address: bare, family: family as 4 | 6 }]
    }
    if (isNumeric(bare)) throw new AddressRefused(bare, 'it is a number that stands for an address: write the address as such')
    const addresses = await resolver(bare)
    for (const { address } of addresses) judge(bare, address)
    return addresses
  }
  // A callback that throws must not be taken for a failed resolution, hence the tick of its own.
  const lookup: LookupFunction = (host, options, callback) => {
    const tell = (...answer: Parameters<typeof callback>) => process.nextTick(callback, ...answer)
    void resolve(host).then(
      (addresses) => {
        const [first] = addresses
        if (first === undefined) tell(Object.assign(new Error(`${host} has no address`), { code: 'ENOTFOUND' }), '')
        else if (options.all === true) tell(null, [...addresses])
        else tell(null, first.address, first.family)
      },
      (error: Error) => tell(error, ''),
    )
  }
  return { resolve, lookup }
}

/** Whether the text is what `outgoing.allowednetworks` takes. */
export function isNetworkRange(text: string): boolean {
  if (Object.hasOwn(outgoingNetworkGroups, text)) return true
  const [address = '', bits, ...more] = text.split('/')
  const version = isIP(address)
  if (version === 0 || more.length > 0 || address.includes('%')) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
}

interface Ranges {
  has(address: string): boolean
}

// One list for each family: a list with both takes ::ffff:10.0.0.1 for 10.0.0.1, which is just what must not happen here.
function rangeList(entries: readonly string[]): Ranges {
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() }
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/')
    const version = isIP(address)
    if (version === 0) continue
    const family = version === 4 ? 'ipv4' : 'ipv6'
    lists[family].addSubnet(address, bits === undefined ? (version === 4 ? 32 : 128) : Number(bits), family)
  }
  return { has: (address) => (isIPv4(address) ? lists.ipv4.check(address, 'ipv4') : lists.ipv6.check(address, 'ipv6')) }
}

/** Undefined when the address is fine. */
function refusalOf(address: string, allowed: Ranges, exact: ReadonlySet<string>): string | undefined {
  if (isIP(address) === 0 || address.includes('%')) return 'it is not an address without a zone'
  const plain = canonical(address)
  if (exact.has(plain)) return undefined
  if (metadataServices.has(plain)) return 'it is the metadata service of a cloud, which only an entry of that very address allows'
  if (plain !== '::1' && !isIPv4(plain) && embedding.has(plain)) {
    // Allowed only where both are: the range that embeds, and the address that is embedded.
    const isFine = allowed.has(plain) && refusalOf(embeddedIpv4(plain), allowed, exact) === undefined
    return isFine ? undefined : 'it is an IPv4 address in IPv6'
  }
  return isPublic(plain) || allowed.has(plain) ? undefined : 'it is not a public address'
}

function isPublic(address: string): boolean {
  return isIPv4(address) ? !refusedIpv4.has(address) : globalIpv6.has(address) && !refusedIpv6.has(address)
}

function canonical(address: string): string {
  return new SocketAddress({ address, family: isIPv4(address) ? 'ipv4' : 'ipv6' }).address.toLowerCase()
}

/** The last four bytes of an IPv6 address, in dots. */
function embeddedIpv4(address: string): string {
  const dotted = /(?:^|:)((?:\d{1,3}\.){3}\d{1,3})$/.exec(address)?.[1]
  if (dotted !== undefined) return dotted
  const [high = '0', low = '0'] = address
    .split(':')
    .slice(-2)
    .map((group) => group || '0')
  const bytes = [high, low].flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255])
  return bytes.join('.')
}

/** `2130706433`, `0177.0.0.1`, `0x7f.1`, `127.1`: what a resolver takes for an address although it is not written as one. */
function isNumeric(host: string): boolean {
  const last = host.replace(/\.$/, '').split('.').at(-1) ?? ''
  return /^(?:\d+|0x[0-9a-f]*)$/i.test(last)
}

async function resolveBySystem(host: string): Promise<readonly ResolvedAddress[]> {
  const found = await systemLookup(host, { all: true, order: 'verbatim' })
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }))
}
