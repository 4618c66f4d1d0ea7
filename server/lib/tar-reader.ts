/**
 * A tar archive as a stream of its entries, from a stream of its bytes, with nothing in memory but what is on its way.
 *
 * The problem: archives come from whoever may push; a header may announce any size, a pax header may be a GiB, names may point anywhere, and there may
 * be no end. The way: one pass, a limit on all that is kept, and {@link TarError} for what is no archive; what an entry's name means is the reader's to judge.
 * The bodies of entries are read in their turn or skipped. To know one more record of pax, see `described`.
 */
import { parsePaxRecords, parseTarHeader, tarBlockBytes, TarError, tarPaddingOf, tarText, type TarHeader } from './tar-header.ts'

/** What an entry is. `other`: of a kind that extractors do not know either. */
export type TarEntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'character-device' | 'block-device' | 'fifo' | 'other'

/** An entry, valid until the next one is asked for. */
export interface TarEntry {
  /** As the archive has it. */
  readonly path: string
  readonly type: TarEntryType
  /** Of its contents when they are whole. */
  readonly sizeBytes: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since the epoch. */
  readonly modifiedAt: number
  /** Of links: where to. */
  readonly linkPath: string
  /** Where its bytes begin in the archive. */
  readonly offset: number
  /** The bytes in the archive are not those of the file: holes were left out. */
  readonly isSparse: boolean
  /** Its bytes in the archive, to be read once and before the next entry. Each piece is valid until the next is asked for. */
  body(): AsyncGenerator<Uint8Array, void, void>
}

/** Bounds of an archive; what goes beyond is refused. */
export interface TarLimits {
  readonly entries: number
  /** All bytes of the archive, as it is before compression. */
  readonly totalBytes: number
}

/** A pax header has names and numbers; attributes of some file systems take tens of KiB. */
const recordBytesMax = 1024 * 1024
/** POSIX's PATH_MAX; no file of an image could be reached by a longer one. */
const pathBytesMax = 4096
/** Blocks of the map of a GNU sparse file. */
const sparseBlocksMax = 65_536

const types: Readonly<Record<string, TarEntryType>> = {
  '0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
}

/** The entries of the archive in its order. Throws {@link TarError}; what the source throws is passed on. */
export async function* readTar(source: AsyncIterable<Uint8Array>, limits: TarLimits): AsyncGenerator<TarEntry, void, void> {
  const bytes = new ByteReader(source, limits.totalBytes)
  try {
    let count = 0
    for (;;) {
      const found = await nextHeader(bytes)
      if (found === undefined) return
      if (++count > limits.entries) throw new TarError(`the archive has more than ${limits.entries} entries`)
      const { entry, storedBytes } = described(bytes, found)
      let left = storedBytes
      yield {
        ...entry,
        async *body() {
          while (left > 0) {
            const piece = await bytes.upTo(left)
            left -= piece.length
            yield piece
          }
        },
      }
      await bytes.skip(left + tarPaddingOf(storedBytes))
    }
  } finally {
    await bytes.close()
  }
}

interface FoundHeader {
  readonly header: TarHeader
  readonly records: ReadonlyMap<string, string>
}

/** The next header of an entry with what stands before it; undefined at the end. */
async function nextHeader(bytes: ByteReader): Promise<FoundHeader | undefined> {
  const records = new Map<string, string>()
  for (let extras = 0; extras < 100; extras++) {
    const at = bytes.offset
    const block = await bytes.block()
    // An archive ends with two blocks of zeros; some writers forget one, or both.
    const header = block && parseTarHeader(block, at)
    if (header === undefined) return undefined
    if (!'xgLKX'.includes(header.typeFlag)) {
      if (header.sparse?.hasMoreMap === true) await skipSparseMap(bytes)
      return { header, records }
    }
    const body = await bytes.whole(header.sizeBytes, recordBytesMax)
    await bytes.skip(tarPaddingOf(header.sizeBytes))
    noteExtra(header.typeFlag, body, records)
  }
  throw new TarError('the archive has too many headers before one entry')
}

function noteExtra(typeFlag: string, body: Buffer, records: Map<string, string>): void {
  if (typeFlag === 'L') records.set('path', tarText(body))
  else if (typeFlag === 'K') records.set('linkpath', tarText(body))
  // Of headers for all that follows images have none that matters; git writes one with a comment.
  else if (typeFlag !== 'g') for (const [name, value] of parsePaxRecords(body)) records.set(name, value)
}

async function skipSparseMap(bytes: ByteReader): Promise<void> {
  for (let blocks = 0; blocks < sparseBlocksMax; blocks++) {
    const block = await bytes.block()
    if (block === undefined) throw new TarError('the archive ends within the map of a sparse file')
    if (block[504] === 0) return
  }
  throw new TarError('the map of a sparse file is too long')
}

/** What the header and its records say together. */
function described(
  bytes: ByteReader,
  { header, records }: FoundHeader,
): { readonly entry: Omit<TarEntry, 'body'>; readonly storedBytes: number } {
  const path = shortName(records.get('GNU.sparse.name') ?? records.get('path') ?? header.path)
  const type = typeOf(header, path)
  // Links and directories may state a size, and have no bytes nevertheless.
  const storedBytes = type === 'file' || type === 'other' ? (numberOf(records, 'size') ?? header.sizeBytes) : 0
  const isSparse = header.sparse !== undefined || [...records.keys()].some((name) => name.startsWith('GNU.sparse.'))
  const entry = {
    path,
    type,
    sizeBytes: isSparse ? realBytesOf(header, records, storedBytes) : storedBytes,
    mode: header.mode,
    uid: numberOf(records, 'uid') ?? header.uid,
    gid: numberOf(records, 'gid') ?? header.gid,
    modifiedAt: secondsOf(records.get('mtime')) ?? header.modifiedAt,
    linkPath: shortName(records.get('linkpath') ?? header.linkPath),
    offset: bytes.offset,
    isSparse,
  }
  return { entry, storedBytes }
}

function shortName(name: string): string {
  if (name.length > pathBytesMax) throw new TarError(`the archive has a name of more than ${pathBytesMax} characters`)
  return name.replace(/\0.*$/s, '')
}

/** Of a file whose holes are not stored. */
function realBytesOf({ sparse }: TarHeader, records: ReadonlyMap<string, string>, storedBytes: number): number {
  return sparse?.realBytes ?? numberOf(records, 'GNU.sparse.realsize') ?? numberOf(records, 'GNU.sparse.size') ?? storedBytes
}

/** Before ustar a directory was a file whose name ends with a slash. */
function typeOf({ typeFlag }: TarHeader, path: string): TarEntryType {
  if (typeFlag === '0' && path.endsWith('/')) return 'directory'
  return types[typeFlag] ?? 'other'
}

function numberOf(records: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = records.get(name)
  if (text === undefined) return undefined
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(value)) throw new TarError(`a pax header of the archive has no number as its ${name}`)
  return value
}

function secondsOf(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d{1,13}(?:\.\d*)?$/.test(text) ? Math.floor(Number(text)) : undefined
}

/** Takes bytes from a source by their number. */
class ByteReader {
  readonly #iterator: AsyncIterator<Uint8Array>
  readonly #totalBytes: number
  #chunk: Buffer = Buffer.alloc(0)
  #at = 0
  #offset = 0

  constructor(source: AsyncIterable<Uint8Array>, totalBytes: number) {
    this.#iterator = source[Symbol.asyncIterator]()
    this.#totalBytes = totalBytes
  }

  /** Bytes taken so far. */
  get offset(): number {
    return this.#offset
  }

  /** A header, valid until the next bytes are asked for; undefined at the end of the source. */
  async block(): Promise<Buffer | undefined> {
    if (!(await this.#fill())) return undefined
    // Nearly always it lies in one piece: no copy for each of hundreds of thousands.
    if (this.#chunk.length - this.#at >= tarBlockBytes) return await this.upTo(tarBlockBytes)
    return await this.whole(tarBlockBytes, tarBlockBytes)
  }

  /** So many bytes in one piece. */
  async whole(count: number, limit: number): Promise<Buffer> {
    if (count > limit) throw new TarError(`a header of the archive has ${count} bytes, more than the ${limit} that are read`)
    const taken = Buffer.alloc(count)
    for (let filled = 0; filled < count;) {
      const piece = await this.upTo(count - filled)
      filled += piece.copy(taken, filled)
    }
    return taken
  }

  /** One byte at least, and at most so many. */
  async upTo(count: number): Promise<Buffer> {
    if (!(await this.#fill())) throw new TarError('the archive ends before its last entry does')
    const piece = this.#chunk.subarray(this.#at, this.#at + count)
    this.#at += piece.length
    this.#offset += piece.length
    return piece
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0;) left -= (await this.upTo(left)).length
  }

  async close(): Promise<void> {
    await this.#iterator.return?.()
  }

  async #fill(): Promise<boolean> {
    while (this.#at >= this.#chunk.length) {
      const { done, value } = await this.#iterator.next()
      if (done === true) return false
      this.#chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      this.#at = 0
      if (this.#offset + value.byteLength > this.#totalBytes)
        throw new TarError(`the archive has more than ${this.#totalBytes} bytes when it is unpacked`)
    }
    return true
  }
}
