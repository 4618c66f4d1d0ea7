/** Which addresses may come in: lists of addresses and CIDR ranges, of IPv4 and IPv6. What is denied is denied whatever else is allowed. */
import { BlockList, isIP, isIPv4, SocketAddress } from 'node:net'

/** Ranges as people write them. Nothing in `allow`: whoever is not denied. */
export interface AddressLists {
  readonly allow: readonly string[]
  readonly deny: readonly string[]
}

/** Lists, ready to be asked. */
export interface AddressRules {
  /** An address that is none (a peer on a unix socket) is in no range. */
  admits(address: string): boolean
}

/** Allows everyone. */
export const noAddressRules: AddressRules = { admits: () => true }

interface Range {
  readonly address: string
  readonly bits: number
  readonly family: 'ipv4' | 'ipv6'
}

/** `10.0.0.0/8`, `2001:db8::/32`, a single address; IPv4 in IPv6's clothes (`::ffff:10.0.0.0/104`) is IPv4. Undefined for anything else. */
function parseRange(text: string): Range | undefined {
  const [, written = '', bitsText] = /^([0-9A-Fa-f:.]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? []
  const version = isIP(written)
  if (version === 0) return undefined
  const width = version === 4 ? 32 : 128
  const bits = bitsText === undefined ? width : Number(bitsText)
  if (bits > width) return undefined
  const address = plainAddress(written)
  if (version === 6 && isIPv4(address)) return bits < 96 ? undefined : { address, bits: bits - 96, family: 'ipv4' }
  return { address, bits, family: version === 4 ? 'ipv4' : 'ipv6' }
}

/** Whether the text is an address or a range. */
export function isAddressRange(text: string): boolean {
  return parseRange(text) !== undefined
}

/** How a range is to be written that has bits beyond its prefix, which nobody means: `10.0.0.0/8` for `10.0.0.5/8`. Undefined where there are none. */
export function withoutHostBits(text: string): string | undefined {
  const [address = '', prefix] = text.split('/')
  const version = isIP(address)
  if (version === 0 || prefix === undefined) return undefined
  const rest = BigInt((version === 4 ? 32 : 128) - Number(prefix))
  const bits = bitsOf(address)
  const network = (bits >> rest) << rest
  return network === bits ? undefined : `${version === 4 ? ipv4Of(network) : ipv6Of(network)}/${prefix}`
}

function bitsOf(address: string): bigint {
  if (isIP(address) === 4) return address.split('.').reduce((bits, part) => (bits << 8n) | BigInt(part), 0n)
  // A dotted tail stands for two groups.
  const plain = address.replace(/[^:]*\.[^:]*$/, (dotted) => bitsOf(dotted).toString(16).padStart(8, '0').replace(/^.{4}/, '$&:'))
  const [left = [], right = []] = plain.split('::').map((half) => half.split(':').filter((group) => group !== ''))
  const groups = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right]
  return groups.reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n)
}

function ipv4Of(bits: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 255n).join('.')
}

function ipv6Of(bits: bigint): string {
  const groups = bits.toString(16).padStart(32, '0').match(/.{4}/g) ?? []
  // URLs write addresses in the short form.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

/** Texts that are no range are left out of `deny`; one in `allow` allows nobody. */
export function createAddressRules({ allow, deny }: AddressLists): AddressRules {
  if (allow.length === 0 && deny.length === 0) return noAddressRules
  const allowed = blockListOf(allow)
  const denied = blockListOf(deny)
  return {
    admits(address) {
      const plain = plainAddress(address)
      const version = isIP(plain)
      if (version === 0) return allow.length === 0
      const family = version === 4 ? 'ipv4' : 'ipv6'
      return !denied.check(plain, family) && (allow.length === 0 || allowed.check(plain, family))
    },
  }
}

function blockListOf(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const text of ranges) {
    const range = parseRange(text)
    if (range !== undefined) list.addSubnet(range.address, range.bits, range.family)
  }
  return list
}

/** IPv4 in IPv6's clothes, however it is written, as IPv4; a zone (`%eth0`) is left out. */
function plainAddress(address: string): string {
  if (!address.includes(':')) return address
  const [zoneless = ''] = address.split('%')
  if (isIP(zoneless) === 0) return address
  // Node writes a mapped address as `::ffff:a.b.c.d`, whichever way it came.
  const written = new SocketAddress({ address: zoneless, family: 'ipv6' }).address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(written)?.[1]
  return mapped ?? written
}
