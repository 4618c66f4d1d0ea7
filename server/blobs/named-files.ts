/**
 * Whole files under names, in a directory or an object store: where backups and the journal are kept.
 *
 * The problem: a blob store knows uploads and keys, and nothing else may lie there under a name of its own. The way: a few functions that a directory, a
 * bucket and an archive can all give. A file is there whole or not at all, and stays as it is until it is written anew or removed.
 * To add a place: implement {@link NamedFiles} and add it to named-files.test.ts.
 */
import assert from 'node:assert'

/** Bytes to keep; `sizeBytes` is exactly their number. */
export interface FileContent {
  readonly sizeBytes: number
  readonly pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

/** A file as a listing meets it. */
export interface NamedFile {
  readonly name: string
  readonly sizeBytes: number
  /** Milliseconds since the epoch. */
  readonly modifiedAt: number
}

/** Files by name. Names are plain words with `/` between them. Rejects with RegistryError: STORAGE_FULL, or UNAVAILABLE for what may pass. */
export interface NamedFiles extends AsyncDisposable {
  /** For people. */
  readonly place: string
  /** Resolves when the file is durable. One of that name is replaced. When the pieces fail, nothing is kept and their error is thrown. */
  put(name: string, content: FileContent): Promise<void>
  /** Undefined when absent. */
  stat(name: string): Promise<{ readonly sizeBytes: number } | undefined>
  /** Undefined when absent. Whoever gets the pieces reads them to their end or returns early. */
  read(name: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined>
  /** Files whose names begin with the directory, which ends with `/` or is empty; in no order. */
  list(directory: string): AsyncIterable<NamedFile>
  /** Absent ones are fine. */
  remove(names: readonly string[]): Promise<void>
}

const plainName = /^(?:[A-Za-z0-9][A-Za-z0-9._-]*\/)*[A-Za-z0-9][A-Za-z0-9._-]*$/

/** Names are made by the program: one that leads elsewhere is a broken invariant. */
export function checkFileName(name: string): void {
  assert(name.length <= 900 && plainName.test(name), `malformed name of a file: ${name}`)
}

/** A whole file in memory; undefined when absent. Throws for one with more bytes than that. */
export async function readWholeFile(
  files: Pick<NamedFiles, 'read'>,
  name: string,
  { maximumBytes, signal }: { readonly maximumBytes: number; readonly signal: AbortSignal },
): Promise<Buffer | undefined> {
  const pieces = await files.read(name, signal)
  if (pieces === undefined) return undefined
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const piece of pieces) {
    sizeBytes += piece.length
    if (sizeBytes > maximumBytes) throw new Error(`${name} has more than ${maximumBytes} bytes`)
    chunks.push(piece)
  }
  return Buffer.concat(chunks)
}

/** Some bytes as the content of a file. */
export function contentOf(bytes: Uint8Array): FileContent {
  return { sizeBytes: bytes.length, pieces: [bytes] }
}

/** The pieces, which must add up to the size. */
export async function* exactPieces({ sizeBytes, pieces }: FileContent): AsyncGenerator<Uint8Array> {
  let count = 0
  for await (const piece of pieces) {
    count += piece.length
    yield piece
  }
  assert(count === sizeBytes, `a file of ${sizeBytes} bytes came with ${count}`)
}
