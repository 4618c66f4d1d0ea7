/** Lists of networks (CIDR ranges and single addresses), asked about one address. */
import { BlockList, isIP } from 'node:net'

/** Ready to be asked. */
export interface Networks {
  /** False for what is no address: an empty one (a unix socket) is in no network. */
  includes(address: string): boolean
}

/** Undefined for a text that is neither an address nor a range. */
export function parseNetwork(
  text: string,
): { readonly address: string; readonly bits: number; readonly family: 'ipv4' | 'ipv6' } | undefined {
  const match = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(text)
  const address = match?.[1] ?? ''
  const version = isIP(address)
  if (version === 0) return undefined
  const widest = version === 6 ? 128 : 32
  const bits = match?.[2] === undefined ? widest : Number(match[2])
  return bits > widest ? undefined : { address, bits, family: version === 6 ? 'ipv6' : 'ipv4' }
}

/** Entries that are no networks are left out, so that a list of nothing else includes nobody. */
export function networksOf(entries: readonly string[]): Networks {
  const list = new BlockList()
  for (const network of entries.map(parseNetwork)) {
    if (network !== undefined) list.addSubnet(network.address, network.bits, network.family)
  }
  return {
    includes(address) {
      const version = isIP(address)
      return version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4')
    },
  }
}

/** What stands for one client: an IPv4 address, or the /64 that one household or machine has of IPv6. */
export function clientNetwork(address: string): string {
  if (isIP(address) !== 6) return address
  const [head = '', tail] = address.toLowerCase().split('%', 1).join('').split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  // A dotted tail stands for two groups.
  const groups = right.length + (right.at(-1)?.includes('.') === true ? 1 : 0)
  const filled =
    tail === undefined ? left : [...left, ...Array.from({ length: Math.max(0, 8 - left.length - groups) }, () => '0'), ...right]
  return `${filled
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`
}
