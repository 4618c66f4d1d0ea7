/** Headers of tar archives as Berth writes them (POSIX.1-2001, pax): of files with a name and a size, no more. */
import { tarBlockBytes, tarPaddingOf } from './tar-header.ts'

const nameMax = 100
/** Eleven octal digits. */
const sizeMax = 8 ** 11 - 1

/** A file in an archive. */
interface TarFile {
  readonly name: string
  readonly sizeBytes: number
}

/** What stands before the bytes of a file; a long name or a large size has a header of its own before it. */
export function tarHeader({ name, sizeBytes }: TarFile, modifiedAt: number): Buffer {
  const records = [
    ...(name.length > nameMax ? [paxRecord('path', name)] : []),
    ...(sizeBytes > sizeMax ? [paxRecord('size', String(sizeBytes))] : []),
  ].join('')
  const own = headerBlock({ name: name.slice(0, nameMax), sizeBytes: Math.min(sizeBytes, sizeMax), type: '0', modifiedAt })
  if (records === '') return own
  const body = Buffer.from(records)
  const before = headerBlock({ name: 'pax', sizeBytes: body.length, type: 'x', modifiedAt })
  return Buffer.concat([before, body, Buffer.alloc(tarPaddingOf(body.length)), own])
}

/** The length of a record counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = rest.length
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return `${length}${rest}`
}

interface Block extends TarFile {
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
