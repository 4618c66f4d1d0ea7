/**
 * A place for backups: a directory, a prefix in an object store, or an archive.
 *
 * `berth-backup.json` says that it is one and by which key it is read. Blobs are there once, by digest, whatever number of backups need them. A backup is a
 * directory `backups/<id>/` with the rows of all tables and the list of digests, in parts, and `backup.json`, which is written last: without it there is no
 * backup. Nothing in a place is ever changed, only added and, by prune, removed.
 */
import { createHash } from 'node:crypto'
import { createGunzip, createGzip } from 'node:zlib'
import { pipeline, Readable } from 'node:stream'
import { contentOf, readWholeFile, type NamedFiles } from '#blobs/named-files.ts'
import { systemCode } from '#blobs/storage-error.ts'
import type { Random } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import { BackupBroken, createSeal, plainSeal, type BackupSeal } from './backup-seal.ts'

/** A place that is known to be one. */
export interface BackupRepository {
  readonly files: NamedFiles
  readonly seal: BackupSeal
}

/** Something that the operator has to set right; the message is one sentence. */
export class BackupRefused extends Error {
  override readonly name = 'BackupRefused'
}

interface Header {
  readonly format: 'berth-backup'
  readonly version: number
  readonly id: string
  readonly isEncrypted: boolean
  readonly keyCheck: string
}

const headerName = 'berth-backup.json'
const headerBytesMax = 64 * 1024

/** By which keys a place is opened; the first seals a new one. */
export interface RepositoryKeys {
  readonly keys: readonly Uint8Array[]
  readonly random: Pick<Random, 'bytes' | 'uuid'>
}

/** Opens the place. Throws {@link BackupRefused} where there is none, or it is of another key. */
export async function openRepository(files: NamedFiles, { keys, random }: RepositoryKeys, signal: AbortSignal): Promise<BackupRepository> {
  const header = await readHeader(files, signal)
  if (header === undefined) throw new BackupRefused(`there are no backups of Berth at ${files.place}`)
  return { files: tellingPlace(files), seal: sealOf(header, files.place, { keys, random }) }
}

/** Opens the place, or makes it where nothing is. Throws {@link BackupRefused} where something else is, or other backups of another key. */
export async function makeRepository(bare: NamedFiles, { keys, random }: RepositoryKeys, signal: AbortSignal): Promise<BackupRepository> {
  const files = tellingPlace(bare)
  const header = await readHeader(files, signal)
  if (header !== undefined) return { files, seal: sealOf(header, files.place, { keys, random }) }
  for await (const { name } of files.list(''))
    throw new BackupRefused(`${files.place} is no place for backups: there is something else in it (${name})`)
  const [key] = keys
  const seal = key === undefined ? plainSeal : createSeal(key, random)
  const { isEncrypted, keyCheck } = seal
  const made: Header = { format: 'berth-backup', version: 1, id: random.uuid(), isEncrypted, keyCheck }
  await files.put(headerName, contentOf(Buffer.from(`${JSON.stringify(made)}\n`)))
  return { files, seal }
}

const fullCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT'])

/** The same files, whose lack of space is not taken for the registry's. */
function tellingPlace(files: NamedFiles): NamedFiles {
  const { place } = files
  return {
    place,
    async put(name, content) {
      try {
        await files.put(name, content)
      } catch (error) {
        const isFull = error instanceof RegistryError ? error.code === 'STORAGE_FULL' : fullCodes.has(systemCode(error) ?? '')
        if (!isFull) throw error
        throw new BackupRefused(`${place}, the place of the backups, has no space left: free some, or name another place`, { cause: error })
      }
    },
    stat: (name) => files.stat(name),
    read: (name, signal) => files.read(name, signal),
    list: (directory) => files.list(directory),
    remove: (names) => files.remove(names),
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  }
}

async function readHeader(files: NamedFiles, signal: AbortSignal): Promise<Header | undefined> {
  const bytes = await readWholeFile(files, headerName, { maximumBytes: headerBytesMax, signal })
  if (bytes === undefined) return undefined
  const header = parsed(bytes, headerName) as Header
  if (header.format !== 'berth-backup') throw new BackupRefused(`${files.place}: ${headerName} is not that of backups of Berth`)
  if (header.version !== 1) throw new BackupRefused(`${files.place} is of a later version of Berth: use that one`)
  return header
}

function sealOf({ isEncrypted, keyCheck }: Header, place: string, { keys, random }: RepositoryKeys): BackupSeal {
  if (!isEncrypted && keys.length > 0)
    throw new BackupRefused(`the backups at ${place} are not encrypted, and a key is given: choose another place for encrypted ones`)
  if (!isEncrypted) return plainSeal
  if (keys.length === 0) throw new BackupRefused(`the backups at ${place} are encrypted: give their key (backup.keyfile, or --key-file)`)
  const found = keys.map((key) => createSeal(key, random)).find((seal) => seal.keyCheck === keyCheck)
  if (found === undefined) throw new BackupRefused(`the key is not the one that the backups at ${place} are encrypted with`)
  return found
}

function parsed(bytes: Buffer, name: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw new BackupBroken(`${name} is no JSON`, { cause })
  }
}

/** Writes a file, sealed as the place wants it. */
export async function putSealed({ files, seal }: BackupRepository, name: string, bytes: Uint8Array): Promise<void> {
  await files.put(name, seal.seal(name, contentOf(bytes)))
}

/** Reads a file. Throws {@link BackupBroken} where it is missing or was changed. */
export async function readSealed(
  repository: BackupRepository,
  name: string,
  { maximumBytes, signal }: { readonly maximumBytes: number; readonly signal: AbortSignal },
): Promise<Buffer> {
  const read = async (own: string) => {
    const pieces = await repository.files.read(own, signal)
    return pieces && repository.seal.open(own, pieces)
  }
  const bytes = await readWholeFile({ read }, name, { maximumBytes, signal })
  if (bytes === undefined) throw new BackupBroken(`${name} is not there`)
  return bytes
}

/** A text in parts: each a file of its own, whose number and hash the record keeps. */
export interface TextParts {
  /** SHA-256 of each part's bytes, compressed as they are, in hex. */
  readonly parts: readonly string[]
  readonly sizeBytes: number
}

const partBytes = 8 * 1024 * 1024
const partBytesMax = 64 * 1024 * 1024

function partName(base: string, index: number): string {
  return `${base}-${String(index + 1).padStart(6, '0')}`
}

/** Compresses the text and writes it, a part at a time: memory holds one. */
export async function putText(repository: BackupRepository, base: string, text: AsyncIterable<string>): Promise<TextParts> {
  const parts: string[] = []
  let sizeBytes = 0
  let [waiting, count]: [Uint8Array[], number] = [[], 0]
  const flush = async () => {
    const bytes = Buffer.concat(waiting)
    await putSealed(repository, partName(base, parts.length), bytes)
    parts.push(createHash('sha256').update(bytes).digest('hex'))
    sizeBytes += bytes.length
    ;[waiting, count] = [[], 0]
  }
  // What goes wrong in the source is met by whoever reads the end of the line.
  const compressed = pipeline(Readable.from(text, { objectMode: false }), createGzip({ level: 5 }), () => undefined)
  for await (const piece of compressed as AsyncIterable<Uint8Array>) {
    waiting.push(piece)
    count += piece.length
    if (count >= partBytes) await flush()
  }
  if (count > 0) await flush()
  return { parts, sizeBytes }
}

/** The text again. Throws {@link BackupBroken} for a part that is missing or is not what was written. */
export async function* readText(
  repository: BackupRepository,
  base: string,
  { parts }: TextParts,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const partsInOrder = async function* () {
    for (const [index, sha256] of parts.entries()) {
      const name = partName(base, index)
      const bytes = await readSealed(repository, name, { maximumBytes: partBytesMax, signal })
      if (createHash('sha256').update(bytes).digest('hex') !== sha256) throw new BackupBroken(`${name} is not what was written`)
      yield bytes
    }
  }
  yield* pipeline(Readable.from(partsInOrder(), { objectMode: false }), createGunzip(), () => undefined) as AsyncIterable<Uint8Array>
}
