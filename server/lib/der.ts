/** ASN.1 values in DER (ITU-T X.690), as far as certificates and requests for them need it. Writing only: reading is Node's `X509Certificate`. */

const classContext = 0x80
const constructed = 0x20

function tagged(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents)
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content])
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  const digits = bytesOf(BigInt(length))
  return Buffer.concat([Buffer.from([0x80 | digits.length]), digits])
}

function bytesOf(value: bigint): Buffer {
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
}

/** SEQUENCE. */
export function sequence(...items: readonly Uint8Array[]): Buffer {
  return tagged(0x30, ...items)
}

/** SET OF, in the order that DER demands. */
export function setOf(...items: readonly Uint8Array[]): Buffer {
  return tagged(0x31, ...items.toSorted((a, b) => Buffer.compare(a, b)))
}

/** INTEGER that is not negative; bytes are big-endian. */
export function integer(value: number | Uint8Array): Buffer {
  const raw = typeof value === 'number' ? bytesOf(BigInt(value)) : Buffer.from(value)
  const first = raw.findIndex((byte) => byte !== 0)
  const digits = first < 0 ? Buffer.from([0]) : raw.subarray(first)
  return tagged(0x02, ...((digits[0] ?? 0) >= 0x80 ? [Buffer.from([0]), digits] : [digits]))
}

/** BOOLEAN. */
export function boolean(value: boolean): Buffer {
  return tagged(0x01, Buffer.from([value ? 0xff : 0]))
}

/** OCTET STRING. */
export function octets(value: Uint8Array): Buffer {
  return tagged(0x04, value)
}

/** BIT STRING; `unused` bits of its last byte do not count. */
export function bits(value: Uint8Array, unused = 0): Buffer {
  return tagged(0x03, Buffer.from([unused]), value)
}

/** UTF8String. */
export function utf8(text: string): Buffer {
  return tagged(0x0c, Buffer.from(text, 'utf8'))
}

/** OBJECT IDENTIFIER, written with dots. */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

function base128(value: number): number[] {
  const digits = [value & 0x7f]
  for (let left = value >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80)
  return digits
}

/** An instant, in milliseconds, to the second: UTCTime until 2049, GeneralizedTime from then on (RFC 5280 §4.1.2.5). */
export function time(at: number): Buffer {
  const text = new Date(at).toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  const isEarly = Number(text.slice(0, 4)) < 2050
  return tagged(isEarly ? 0x17 : 0x18, Buffer.from(isEarly ? text.slice(2) : text, 'latin1'))
}

/** `[number]` around whole values (EXPLICIT), or around what is within a SEQUENCE or SET (IMPLICIT). */
export function context(number: number, ...items: readonly Uint8Array[]): Buffer {
  return tagged(classContext | constructed | number, ...items)
}

/** `[number] IMPLICIT` of a string. */
export function contextString(number: number, value: Uint8Array): Buffer {
  return tagged(classContext | number, value)
}
