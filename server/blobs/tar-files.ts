/** Files by name in a tar archive: one that is written once from its beginning to its end, or one that is read. */
import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { Clock } from '#lib/ports.ts'
import { parsePaxRecords, parseTarHeader, tarBlockBytes, TarError, tarPaddingOf, type TarHeader } from '#lib/tar-header.ts'
import { tarHeader } from '#lib/tar-writer.ts'
import { checkFileName, exactPieces, type FileContent, type NamedFile, type NamedFiles } from './named-files.ts'

/** Where an archive goes; resolves when more may follow. */
export type TarSink = (bytes: Uint8Array) => Promise<void>

/** An archive under way. What it is told to remove is left out where it did not come yet, and else stays: nothing can be taken back. */
export interface TarWriter extends NamedFiles {
  /** Writes its end. */
  finish(): Promise<void>
}

/** Names of files that are about the place, not about what is in it. */
const leftOut = 'locks/'

/** Writes an archive to the sink, a file after the other. */
export function createTarWriter(
  sink: TarSink,
  { place, clock }: { readonly place: string; readonly clock: Pick<Clock, 'now'> },
): TarWriter {
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const next = last.then(run)
    last = next.catch(() => undefined)
    return next
  }
  return {
    place,
    async put(name, content) {
      checkFileName(name)
      if (name.startsWith(leftOut)) return
      await inTurn(async () => {
        await sink(tarHeader({ name, sizeBytes: content.sizeBytes }, clock.now()))
        await writeFilled(sink, content)
      })
    },
    stat: () => Promise.resolve(undefined),
    read: () => Promise.resolve(undefined),
    list: () => Readable.from([]),
    remove: () => Promise.resolve(),
    finish: () => inTurn(() => sink(Buffer.alloc(2 * tarBlockBytes))),
    async [Symbol.asyncDispose]() {
      await last
    },
  }
}

/** A size that was written must be kept: a file that fails on its way is filled with zeros, for its reader to find out about. */
async function writeFilled(sink: TarSink, content: FileContent): Promise<void> {
  let written = 0
  try {
    for await (const piece of exactPieces(content)) {
      const fitting = piece.subarray(0, content.sizeBytes - written)
      await sink(fitting)
      written += fitting.length
    }
  } finally {
    await fill(sink, content.sizeBytes - written + tarPaddingOf(content.sizeBytes))
  }
}

const zeros = Buffer.alloc(64 * 1024)

async function fill(sink: TarSink, count: number): Promise<void> {
  for (let left = count; left > 0; left -= zeros.length) await sink(zeros.subarray(0, Math.min(left, zeros.length)))
}

interface Place {
  readonly start: number
  readonly sizeBytes: number
}

const readBytes = 512 * 1024

/** The files of an archive, which is looked through once. Of two of one name the later one counts. Disposing closes the handle. */
export async function openTarFiles(handle: FileHandle, place: string): Promise<NamedFiles> {
  const index = await indexOf(handle, place)
  const refuse = () => Promise.reject(new Error(`${place} is an archive: nothing is added to it or removed`))
  return {
    place,
    // Who reads says so where others could change something, which nobody can here.
    put: (name) => (name.startsWith(leftOut) ? Promise.resolve() : refuse()),
    stat: (name) => Promise.resolve(index.get(name)).then((found) => found && { sizeBytes: found.sizeBytes }),
    read: async (name, signal) => {
      const found = index.get(name)
      return found && piecesOf(handle, found, signal)
    },
    async *list(directory): AsyncGenerator<NamedFile> {
      for (const [name, { sizeBytes }] of index) if (name.startsWith(directory)) yield { name, sizeBytes, modifiedAt: 0 }
    },
    remove: (names) => (names.every((name) => name.startsWith(leftOut)) ? Promise.resolve() : refuse()),
    [Symbol.asyncDispose]: () => handle.close(),
  }
}

async function* piecesOf(handle: FileHandle, { start, sizeBytes }: Place, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let at = start; at < start + sizeBytes;) {
    signal.throwIfAborted()
    const wanted = Math.min(readBytes, start + sizeBytes - at)
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(wanted), 0, wanted, at)
    if (bytesRead === 0) throw new Error('the archive ends early')
    at += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

async function readAt(handle: FileHandle, at: number, count: number): Promise<Buffer> {
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(count), 0, count, at)
  return buffer.subarray(0, bytesRead)
}

/** Throws a sentence for what is no archive, and for one that ends before its end is written: nobody can tell what was behind. */
async function indexOf(handle: FileHandle, place: string): Promise<ReadonlyMap<string, Place>> {
  const index = new Map<string, Place>()
  const { size } = await handle.stat()
  let records: ReadonlyMap<string, string> = new Map()
  for (let at = 0; ;) {
    const block = await readAt(handle, at, tarBlockBytes)
    if (block.length < tarBlockBytes) throw at === 0 ? noArchive(place) : cut(place, size, 'before its end is written')
    const header = parsed(() => parseTarHeader(block, at), { at, place })
    if (header === undefined) return index
    const start = at + tarBlockBytes
    if (header.typeFlag === 'x') {
      if (start + header.sizeBytes > size) throw cut(place, size, 'within a header')
      records = await paxRecordsAt(handle, header, { at, place })
      at = start + header.sizeBytes + tarPaddingOf(header.sizeBytes)
      continue
    }
    const [name, sizeBytes] = [records.get('path') ?? header.path, Number(records.get('size') ?? header.sizeBytes)]
    records = new Map()
    if (start + sizeBytes > size) throw cut(place, size, `within ${name}`)
    if (header.typeFlag === '0') index.set(name.replace(/^\.\//, ''), { start, sizeBytes })
    at = start + sizeBytes + tarPaddingOf(sizeBytes)
  }
}

/** More than a name and a size take. */
const paxBytesMax = 1024 * 1024

interface Where {
  readonly at: number
  readonly place: string
}

async function paxRecordsAt(handle: FileHandle, { sizeBytes }: TarHeader, where: Where): Promise<ReadonlyMap<string, string>> {
  const body = sizeBytes > paxBytesMax ? undefined : await readAt(handle, where.at + tarBlockBytes, sizeBytes)
  return parsed(() => {
    if (body === undefined) throw new TarError('its header is too long')
    const records = parsePaxRecords(body)
    if (!/^\d{0,15}$/.test(records.get('size') ?? '')) throw new TarError('its size cannot be')
    return records
  }, where)
}

function parsed<T>(parse: () => T, { at, place }: Where): T {
  try {
    return parse()
  } catch (cause) {
    throw at === 0 ? noArchive(place) : new Error(`${place} is damaged at byte ${at}: no file begins there`, { cause })
  }
}

function noArchive(place: string): Error {
  return new Error(`${place} is no tar archive: unpack it first, where it is packed`)
}

function cut(place: string, size: number, where: string): Error {
  return new Error(
    `${place} is cut: it ends after ${size} bytes, ${where}. Fetch it again whole: what says which file is what stands at its end, so nothing can be restored from a part of it`,
  )
}
