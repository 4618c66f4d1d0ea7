/** Headers of tar archives (POSIX.1-2001, pax): what a file of a backup needs, no more. */

/** Everything in an archive stands at multiples of it. */
export const tarBlockBytes = 512

const nameMax = 100
/** Eleven octal digits. */
const sizeMax = 8 ** 11 - 1

/** A file in an archive. */
export interface TarEntry {
  readonly name: string
  readonly sizeBytes: number
}

/** How many bytes fill up the last block. */
export function tarPadding(sizeBytes: number): number {
  return (tarBlockBytes - (sizeBytes % tarBlockBytes)) % tarBlockBytes
}

/** What stands before the bytes of a file; a long name or a large size has a header of its own before it. */
export function tarHeader({ name, sizeBytes }: TarEntry, modifiedAt: number): Buffer {
  const records = [
    ...(name.length > nameMax ? [paxRecord('path', name)] : []),
    ...(sizeBytes > sizeMax ? [paxRecord('size', String(sizeBytes))] : []),
  ].join('')
  const own = headerBlock({ name: name.slice(0, nameMax), sizeBytes: Math.min(sizeBytes, sizeMax), type: '0', modifiedAt })
  if (records === '') return own
  const body = Buffer.from(records)
  const before = headerBlock({ name: 'pax', sizeBytes: body.length, type: 'x', modifiedAt })
  return Buffer.concat([before, body, Buffer.alloc(tarPadding(body.length)), own])
}

/** The length of a record counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = rest.length
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return `${length}${rest}`
}

interface Block extends TarEntry {
  readonly type: string
  readonly modifiedAt: number
}

function headerBlock({ name, sizeBytes, type, modifiedAt }: Block): Buffer {
  const block = Buffer.alloc(tarBlockBytes)
  const octal = (value: number, at: number, digits: number) => block.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1')
  block.write(name, 0, nameMax, 'latin1')
  octal(0o600, 100, 7)
  octal(0, 108, 7)
  octal(0, 116, 7)
  octal(sizeBytes, 124, 11)
  octal(Math.floor(modifiedAt / 1000), 136, 11)
  block.write(`        ${type}`, 148, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  const checksum = block.reduce((sum, byte) => sum + byte, 0)
  block.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

/** A header as it is read. `type` is `0` for a file, `x` for a pax header. */
export interface ReadHeader extends TarEntry {
  readonly type: string
}

/** Undefined for a block of zeros, which ends an archive. Throws for what is no header. */
export function readTarHeader(block: Buffer): ReadHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined
  const text = (start: number, length: number) => block.toString('latin1', start, start + length).replace(/\0.*$/s, '')
  const sum = block.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 0x20 : byte), 0)
  if (Number.parseInt(text(148, 8).trim(), 8) !== sum) throw new Error('this is no tar archive, or one that was changed')
  return { name: text(0, nameMax), sizeBytes: Number.parseInt(text(124, 12).trim(), 8), type: text(156, 1) || '0' }
}

/** What a pax header says of the next file. */
export function readPaxRecords(body: Buffer): Partial<TarEntry> {
  const records = new Map<string, string>()
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(' ', at)
    const length = Number(body.toString('latin1', at, space))
    if (!(length > 0)) break
    const [key = '', value = ''] = body.toString('utf8', space + 1, at + length - 1).split(/=(.*)/s)
    records.set(key, value)
    at += length
  }
  const [name, size] = [records.get('path'), records.get('size')]
  return { ...(name !== undefined && { name }), ...(size !== undefined && { sizeBytes: Number(size) }) }
}
