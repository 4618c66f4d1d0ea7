/**
 * The header of the PROXY protocol, versions 1 and 2, as bytes → what it says. See https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt; the
 * section numbers are those of that text.
 */
import { isIPv4, isIPv6 } from 'node:net'

/** Where a connection comes from, as its balancer says. */
export interface ProxiedSource {
  readonly address: string
  readonly port: number
}

/** `source` is undefined where the balancer speaks for itself (health checks: LOCAL, UNKNOWN). */
export interface ProxyHeader {
  readonly sizeBytes: number
  readonly source: ProxiedSource | undefined
}

/** `more`: what is there could become a header; `invalid`: it never will. */
export type ProxyHeaderResult = ProxyHeader | 'more' | 'invalid'

/** §2.1: the longest line, with its CR LF. */
const lineBytesMax = 107
/** §2.2. */
const signature = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a])
const fixedBytes = 16
/** Addresses and what balancers add to them (TLVs: §2.2 names a handful, some hundred bytes). The length field allows 65,535. */
const variableBytesMax = 2_048

/** The most that {@link parseProxyHeader} wants to see. */
export const proxyHeaderBytesMax = fixedBytes + variableBytesMax

/** Reads the header at the beginning of `bytes`. */
export function parseProxyHeader(bytes: Buffer): ProxyHeaderResult {
  if (bytes.length === 0) return 'more'
  return bytes[0] === signature[0] ? parseBinary(bytes) : parseLine(bytes)
}

const lineStart = Buffer.from('PROXY ', 'latin1')

function parseLine(bytes: Buffer): ProxyHeaderResult {
  const known = Math.min(bytes.length, lineStart.length)
  if (!bytes.subarray(0, known).equals(lineStart.subarray(0, known))) return 'invalid'
  const end = bytes.subarray(0, lineBytesMax).indexOf('\r\n', 0, 'latin1')
  if (end < 0) return bytes.length >= lineBytesMax ? 'invalid' : 'more'
  const sizeBytes = end + 2
  const line = bytes.toString('latin1', lineStart.length, end)
  // Whatever else such a line says is not for us to look at.
  if (line === 'UNKNOWN' || line.startsWith('UNKNOWN ')) return { sizeBytes, source: undefined }
  const source = sourceOfLine(line)
  return source === undefined ? 'invalid' : { sizeBytes, source }
}

/** `TCP4 192.0.2.1 192.0.2.2 56324 443` */
function sourceOfLine(line: string): ProxiedSource | undefined {
  const [protocol, address = '', destination = '', ...ports] = line.split(' ')
  if (ports.length !== 2 || !ports.every(isPort) || address.includes('%')) return undefined
  const isAddress = protocol === 'TCP4' ? isIPv4 : isIPv6
  if ((protocol !== 'TCP4' && protocol !== 'TCP6') || !isAddress(address) || !isAddress(destination)) return undefined
  return { address: address.toLowerCase(), port: Number(ports[0]) }
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535
}

function parseBinary(bytes: Buffer): ProxyHeaderResult {
  const known = Math.min(bytes.length, signature.length)
  if (!bytes.subarray(0, known).equals(signature.subarray(0, known))) return 'invalid'
  if (bytes.length < fixedBytes) return 'more'
  const [version, command] = [bytes.readUInt8(12) >> 4, bytes.readUInt8(12) & 0x0f]
  const [family, transport] = [bytes.readUInt8(13) >> 4, bytes.readUInt8(13) & 0x0f]
  const variableBytes = bytes.readUInt16BE(14)
  if (version !== 2 || command > 1 || variableBytes > variableBytesMax) return 'invalid'
  const sizeBytes = fixedBytes + variableBytes
  if (bytes.length < sizeBytes) return 'more'
  if (command === 0) return { sizeBytes, source: undefined }
  const source = sourceOf(bytes.subarray(fixedBytes, sizeBytes), { family, transport })
  return source === 'invalid' ? 'invalid' : { sizeBytes, source }
}

/** §2.2: AF_UNSPEC is a proxy that will not say; a stream of IPv4 or IPv6 is all that can reach a registry. */
function sourceOf(
  addresses: Buffer,
  { family, transport }: { readonly family: number; readonly transport: number },
): ProxiedSource | undefined | 'invalid' {
  if (family === 0 && transport === 0) return undefined
  if (transport !== 1) return 'invalid'
  if (family === 1 && addresses.length >= 12) return { address: [...addresses.subarray(0, 4)].join('.'), port: addresses.readUInt16BE(8) }
  if (family === 2 && addresses.length >= 36) return { address: sixteenBytes(addresses), port: addresses.readUInt16BE(32) }
  return 'invalid'
}

function sixteenBytes(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16))
  // IPv4 in IPv6's clothes is the client's IPv4 address; URL writes the others in their one short form.
  const isMapped = groups.slice(0, 5).every((group) => group === '0') && groups[5] === 'ffff'
  return isMapped ? `::ffff:${[...bytes.subarray(12, 16)].join('.')}` : new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1)
}
