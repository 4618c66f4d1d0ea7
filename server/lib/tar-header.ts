/** Headers of tar archives as the world writes them (POSIX.1-2001 ustar and pax; GNU's long names, base-256 numbers and sparse files), read with mistrust. */
import { isUtf8 } from 'node:buffer'

/** Everything in an archive stands at multiples of it. */
export const tarBlockBytes = 512

/** The bytes are no tar archive, or one that was cut or is hostile. Its message says where, without a name from the archive. */
export class TarError extends Error {
  override readonly name = 'TarError'
}

/** A header block, before what pax and GNU records say instead. */
export interface TarHeader {
  /** One character; `0` for a file. */
  readonly typeFlag: string
  readonly path: string
  readonly linkPath: string
  readonly sizeBytes: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since the epoch. */
  readonly modifiedAt: number
  /** Of GNU's sparse files: their size when they are whole, and whether more blocks of their map follow. */
  readonly sparse: { readonly realBytes: number; readonly hasMoreMap: boolean } | undefined
}

/** How many bytes fill up the last block. */
export function tarPaddingOf(sizeBytes: number): number {
  return (tarBlockBytes - (sizeBytes % tarBlockBytes)) % tarBlockBytes
}

/** Undefined for a block of zeros. Throws {@link TarError} for what is no header. `at`: its place in the archive, for the message. */
export function parseTarHeader(block: Buffer, at: number): TarHeader | undefined {
  if (isZeros(block)) return undefined
  if (!hasChecksum(block)) throw new TarError(`there is no header of a tar archive at byte ${at}`)
  const typeFlag = String.fromCharCode(block[156] ?? 0).replace('\0', '0')
  const isGnu = block.toString('latin1', 257, 265) === 'ustar  \0'
  const isPosix = !isGnu && block.toString('latin1', 257, 262) === 'ustar'
  const name = textAt(block, 0, 100)
  const prefix = isPosix ? textAt(block, 345, 155) : ''
  return {
    typeFlag,
    path: prefix === '' ? name : `${prefix}/${name}`,
    linkPath: textAt(block, 157, 100),
    sizeBytes: sizeAt(block, 124, at),
    mode: (numberAt(block, 100, 8) ?? 0) & 0o7777,
    uid: idOf(numberAt(block, 108, 8)),
    gid: idOf(numberAt(block, 116, 8)),
    modifiedAt: numberAt(block, 136, 12) ?? 0,
    sparse: isGnu && typeFlag === 'S' ? { realBytes: sizeAt(block, 483, at), hasMoreMap: block[482] !== 0 } : undefined,
  }
}

/** Text to the first NUL. What is no UTF-8 is taken byte by byte, so that two names never become one. */
export function tarText(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  const own = end === -1 ? bytes : bytes.subarray(0, end)
  return own.toString(isUtf8(own) ? 'utf8' : 'latin1')
}

/** The records of a pax header. Throws {@link TarError} for what is none. */
export function parsePaxRecords(body: Buffer): ReadonlyMap<string, string> {
  const records = new Map<string, string>()
  for (let at = 0; at < body.length;) {
    // Some writers fill up with zeros.
    if (body[at] === 0) break
    const space = body.indexOf(0x20, at)
    const digits = space === -1 || space - at > 10 ? '' : body.toString('latin1', at, space)
    const length = /^\d+$/.test(digits) ? Number(digits) : 0
    const equals = body.indexOf(0x3d, space)
    if (length === 0 || at + length > body.length || equals === -1 || equals >= at + length || body[at + length - 1] !== 0x0a)
      throw new TarError('a pax header of the archive cannot be read')
    const value = body.subarray(equals + 1, at + length - 1)
    records.set(body.toString('latin1', space + 1, equals), value.toString(isUtf8(value) ? 'utf8' : 'latin1'))
    at += length
  }
  return records
}

function isZeros(block: Buffer): boolean {
  for (const byte of block) if (byte !== 0) return false
  return true
}

/** Old writers summed signed characters. */
function hasChecksum(block: Buffer): boolean {
  const stated = numberAt(block, 148, 8)
  let unsigned = 0
  let signed = 0
  for (let index = 0; index < tarBlockBytes; index++) {
    const byte = index >= 148 && index < 156 ? 0x20 : (block[index] ?? 0)
    unsigned += byte
    signed += byte < 128 ? byte : byte - 256
  }
  return stated === unsigned || stated === signed
}

function textAt(block: Buffer, start: number, length: number): string {
  return tarText(block.subarray(start, start + length))
}

/** Octal digits between blanks, or GNU's big-endian binary. Undefined for anything else. */
function numberAt(block: Buffer, start: number, length: number): number | undefined {
  const first = block[start] ?? 0
  if ((first & 0x80) !== 0) return binaryAt(block, start, length)
  const text = block.toString('latin1', start, start + length).replaceAll(/^[ \0]+|[ \0].*$/gs, '')
  if (text === '') return 0
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined
}

function binaryAt(block: Buffer, start: number, length: number): number | undefined {
  const isNegative = (block[start] ?? 0) === 0xff
  let value = isNegative ? -1 : (block[start] ?? 0) & 0x7f
  for (let index = start + 1; index < start + length; index++) value = value * 256 + (block[index] ?? 0)
  return Number.isSafeInteger(value) ? value : undefined
}

function sizeAt(block: Buffer, start: number, at: number): number {
  const size = numberAt(block, start, 12)
  if (size === undefined || size < 0) throw new TarError(`the header at byte ${at} of the archive states no size that could be one`)
  return size
}

function idOf(value: number | undefined): number {
  return value === undefined || value < 0 ? 0 : value
}
