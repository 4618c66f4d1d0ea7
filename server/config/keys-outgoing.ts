/** The keys of `outgoing`: where requests of the registry itself may go. */
import { isNetworkRange } from '#lib/address-guard.ts'
import { acts, type Section } from './key.ts'
import { listOf, textLike } from './value-types.ts'

/** Every map that the keys of this file stand in, by dotted path. */
export const outgoingSections = {
  outgoing: {
    doc: 'Berth’s own. Requests that the registry itself makes to servers which administrators name: identity providers.',
    own: true,
  },
} as const satisfies Record<string, Section>

const range = textLike('an IP address, a CIDR range, loopback or private', isNetworkRange)

/** Every key of `outgoing`. */
export const allOutgoingKeys = {
  'outgoing.allowednetworks': acts(
    listOf(range),
    ['private'],
    'Which addresses beside public ones may be asked: addresses, CIDR ranges, `loopback`, `private` (10/8, 172.16/12, 192.168/16, fc00::/7). An identity provider within the company is often private, so that is the default; `[]` allows public addresses only. Loopback, link-local, carrier-grade NAT, NAT64, multicast and reserved addresses are refused unless listed. Metadata services of clouds (such as 169.254.169.254) need an entry of their very address: a wide range does not open them.',
  ),
}
