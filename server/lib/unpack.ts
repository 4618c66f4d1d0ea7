/**
 * Bytes out of a compressed stream: gzip, zstd, or none, told by their first bytes and not by what somebody says of them.
 *
 * Node's own zstd decoder stops at the end of the first frame without a word, and layers of some builders have one frame for each file; so frames are told
 * apart here (RFC 8878 §3.1). How much may come out is for the reader to bound.
 */
import { pipeline } from 'node:stream/promises'
import type { Duplex } from 'node:stream'
import { constants, createGunzip, createZstdDecompress } from 'node:zlib'

/** How a stream is packed. `unknown`: in a form that is not read here. */
export type Packing = 'none' | 'gzip' | 'zstd' | 'unknown'

/** The packed bytes are damaged, cut, or not to be unpacked within reason. */
export class UnpackError extends Error {
  override readonly name = 'UnpackError'
}

const zstdMagic = 0xfd2fb528
/** A window of 128 MiB, as zstd's own command line takes without being told to. */
const windowLogMax = 27
const framesMax = 1_000_000
const outputBytes = 128 * 1024

/** By the first bytes; four tell. */
export function packingOf(head: Uint8Array): Packing {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength)
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return 'gzip'
  if (bytes.length >= 4 && (bytes.readUInt32LE(0) === zstdMagic || isSkippable(bytes.readUInt32LE(0)))) return 'zstd'
  if (bytes.toString('latin1', 0, 3) === 'BZh' || bytes.toString('latin1', 0, 5) === '\xfd7zXZ') return 'unknown'
  return 'none'
}

/** The stream with its first bytes looked at. */
export interface Peeked {
  readonly head: Buffer
  /** All of it, what was looked at included. */
  readonly source: AsyncGenerator<Uint8Array, void, void>
}

/** Looks at the first bytes, or at all where there are fewer. */
export async function peek(source: AsyncIterable<Uint8Array>, count: number): Promise<Peeked> {
  const iterator = source[Symbol.asyncIterator]()
  let head = Buffer.alloc(0)
  let isEnded = false
  while (head.length < count && !isEnded) {
    const { done, value } = await iterator.next()
    isEnded = done === true
    // Copied: a piece is valid until the next is asked for.
    if (!isEnded) head = Buffer.concat([head, value as Uint8Array])
  }
  return { head, source: rest(iterator, head) }
}

async function* rest(iterator: AsyncIterator<Uint8Array>, head: Buffer): AsyncGenerator<Uint8Array, void, void> {
  try {
    if (head.length > 0) yield head
    for (;;) {
      const { done, value } = await iterator.next()
      if (done === true) return
      yield value
    }
  } finally {
    await iterator.return?.()
  }
}

/** What is in the stream. Throws {@link UnpackError}; what the source throws is passed on. */
export async function* unpack(
  source: AsyncIterable<Uint8Array>,
  packing: Exclude<Packing, 'unknown'>,
): AsyncGenerator<Uint8Array, void, void> {
  if (packing === 'none') yield* source
  else if (packing === 'gzip') yield* through(source, createGunzip({ chunkSize: outputBytes }))
  else yield* unpackZstd(source)
}

/** What the decoder makes of the source. */
async function* through(source: AsyncIterable<Uint8Array>, decoder: Duplex): AsyncGenerator<Uint8Array, void, void> {
  const feeding = pipeline(copied(source), decoder)
  // Who reads the decoder learns of it first.
  feeding.catch(() => undefined)
  try {
    yield* decoder as AsyncIterable<Uint8Array>
    await feeding
  } catch (error) {
    throw isOfDecoder(error) ? new UnpackError('the compressed bytes are damaged or were cut', { cause: error }) : error
  } finally {
    decoder.destroy()
    await feeding.catch(() => undefined)
  }
}

/** A decoder holds what it is given for longer than a piece of a pooled read is good for. */
async function* copied(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  for await (const piece of source) yield Buffer.from(piece)
}

function isOfDecoder(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return typeof code === 'string' && /^(?:Z_|ZSTD_|ERR_ZSTD|ERR_ZLIB|ERR_BUFFER_TOO_LARGE)/.test(code)
}

async function* unpackZstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const bytes = new PackedReader(source)
  try {
    for (let frames = 0; ; frames++) {
      if (frames > framesMax) throw new UnpackError(`there are more than ${framesMax} compressed frames`)
      const magic = await bytes.start()
      if (magic === undefined) return
      if (isSkippable(magic.readUInt32LE(0))) await bytes.skip((await bytes.exactly(4)).readUInt32LE(0))
      else if (magic.readUInt32LE(0) === zstdMagic)
        yield* through(
          frame(bytes, magic),
          createZstdDecompress({ chunkSize: outputBytes, params: { [constants.ZSTD_d_windowLogMax]: windowLogMax } }),
        )
      else throw new UnpackError('what follows a compressed frame is none')
    }
  } finally {
    await bytes.close()
  }
}

function isSkippable(magic: number): boolean {
  return magic >= 0x184d2a50 && magic <= 0x184d2a5f
}

/** The bytes of one frame (RFC 8878 §3.1.1): its header, its blocks to the last, its checksum. */
async function* frame(bytes: PackedReader, magic: Buffer): AsyncGenerator<Uint8Array, void, void> {
  const first = await bytes.exactly(1)
  const descriptor = first[0] ?? 0
  const isSingleSegment = (descriptor & 0x20) !== 0
  const sizeFlag = descriptor >> 6
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
  const contentBytes = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 1 << sizeFlag
  yield Buffer.concat([magic, first, await bytes.exactly((isSingleSegment ? 0 : 1) + dictionaryBytes + contentBytes)])
  for (let isLast = false; !isLast;) {
    const header = await bytes.exactly(3)
    const value = header.readUIntLE(0, 3)
    isLast = (value & 1) === 1
    // A block of one byte that is repeated stores that byte alone.
    const isRepeat = ((value >> 1) & 3) === 1
    yield header
    for (let left = isRepeat ? 1 : value >> 3; left > 0;) {
      const piece = await bytes.upTo(left)
      left -= piece.length
      yield piece
    }
  }
  if ((descriptor & 4) !== 0) yield await bytes.exactly(4)
}

/** Takes bytes by their number; a stream that ends between is {@link UnpackError}. */
class PackedReader {
  readonly #iterator: AsyncIterator<Uint8Array>
  #chunk: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#iterator = source[Symbol.asyncIterator]()
  }

  /** The first four bytes of a frame; undefined at the end. */
  async start(): Promise<Buffer | undefined> {
    return (await this.#fill()) ? await this.exactly(4) : undefined
  }

  async exactly(count: number): Promise<Buffer> {
    const taken: Buffer[] = []
    for (let left = count; left > 0;) {
      const piece = await this.upTo(left)
      taken.push(Buffer.from(piece))
      left -= piece.length
    }
    return Buffer.concat(taken)
  }

  async upTo(count: number): Promise<Buffer> {
    if (!(await this.#fill())) throw new UnpackError('the compressed bytes were cut')
    const piece = this.#chunk.subarray(0, count)
    this.#chunk = this.#chunk.subarray(piece.length)
    return piece
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0;) left -= (await this.upTo(left)).length
  }

  async close(): Promise<void> {
    await this.#iterator.return?.()
  }

  async #fill(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#iterator.next()
      if (done === true) return false
      this.#chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    }
    return true
  }
}
