/**
 * How files of a backup are written: as they are, or encrypted.
 *
 * An encrypted file begins with `BRTHSEAL`, a version byte and a random salt of 16 bytes. Its key is HKDF-SHA256 of the backup's key, that salt and the
 * file's name. Then come pieces of 64 KiB, each under AES-256-GCM with 16 bytes of proof behind it; the nonce is the number of the piece and whether it is
 * the last. So pieces cannot be changed, left out, put in another order or cut off, and a file cannot stand for another. Blobs are named by an HMAC of
 * their digest, so that who sees the names does not learn what images there are.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto'
import type { FileContent } from '#blobs/named-files.ts'
import type { Random } from '#lib/ports.ts'
import { digestAlgorithm, digestHex, type Digest } from '#oci/digest.ts'

/** The way from what is kept to what is written, and back. */
export interface BackupSeal {
  readonly isEncrypted: boolean
  /** Says by which key; empty where nothing is encrypted. */
  readonly keyCheck: string
  /** The name of a blob's file. */
  blobName(digest: Digest): string
  /** How large a file of so many bytes becomes. */
  sizeOf(sizeBytes: number): number
  seal(name: string, content: FileContent): FileContent
  /** Throws {@link BackupBroken} for a file that was changed, cut, or sealed by another key. */
  open(name: string, pieces: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>
}

/** A file of a backup that is not what was written. */
export class BackupBroken extends Error {
  override readonly name = 'BackupBroken'
}

const magic = Buffer.from('BRTHSEAL\u0001', 'latin1')
const saltBytes = 16
const headBytes = magic.length + saltBytes
const pieceBytes = 64 * 1024
const tagBytes = 16

function shardedName(hex: string, kind: string): string {
  return `blobs/${kind}/${hex.slice(0, 2)}/${hex}`
}

/** Files as they are. */
export const plainSeal: BackupSeal = {
  isEncrypted: false,
  keyCheck: '',
  blobName: (digest) => shardedName(digestHex(digest), digestAlgorithm(digest)),
  sizeOf: (sizeBytes) => sizeBytes,
  seal: (_name, content) => content,
  open: (_name, pieces) => pieces,
}

/** Files under a key of 32 bytes. */
export function createSeal(key: Uint8Array, random: Pick<Random, 'bytes'>): BackupSeal {
  const derive = (purpose: string) => Buffer.from(hkdfSync('sha256', key, '', `berth backup ${purpose}`, 32))
  const namesKey = derive('names')
  const fileKey = (name: string, salt: Uint8Array) => Buffer.from(hkdfSync('sha256', key, salt, `berth backup file ${name}`, 32))
  return {
    isEncrypted: true,
    keyCheck: derive('check').toString('hex').slice(0, 16),
    blobName: (digest) => shardedName(createHmac('sha256', namesKey).update(digest).digest('hex'), 'sealed'),
    sizeOf: sealedSize,
    seal(name, { sizeBytes, pieces }) {
      const salt = random.bytes(saltBytes)
      return { sizeBytes: sealedSize(sizeBytes), pieces: encrypted(fileKey(name, salt), salt, pieces) }
    },
    open: (name, pieces) => decrypted(name, pieces, (salt) => fileKey(name, salt)),
  }
}

function sealedSize(sizeBytes: number): number {
  return headBytes + sizeBytes + tagBytes * Math.max(1, Math.ceil(sizeBytes / pieceBytes))
}

function nonceOf(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32BE(number, 7)
  nonce[11] = isLast ? 1 : 0
  return nonce
}

async function* encrypted(key: Buffer, salt: Uint8Array, pieces: FileContent['pieces']): AsyncGenerator<Uint8Array> {
  yield Buffer.concat([magic, salt])
  let number = 0
  for await (const { bytes, isLast } of cut(pieces, pieceBytes)) {
    const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number++, isLast), { authTagLength: tagBytes })
    yield Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
  }
}

async function* decrypted(
  name: string,
  pieces: AsyncIterable<Uint8Array>,
  keyOf: (salt: Uint8Array) => Buffer,
): AsyncGenerator<Uint8Array> {
  const source = new Taken(pieces)
  const head = await source.take(headBytes)
  if (head.length < headBytes || !head.subarray(0, magic.length).equals(magic))
    throw new BackupBroken(`${name} is not an encrypted file of a backup, or was cut`)
  const key = keyOf(head.subarray(magic.length))
  let number = 0
  for await (const { bytes, isLast } of cut(source.rest(), pieceBytes + tagBytes)) {
    if (bytes.length < tagBytes) throw new BackupBroken(`${name} was cut`)
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(number++, isLast), { authTagLength: tagBytes })
    decipher.setAuthTag(bytes.subarray(-tagBytes))
    try {
      yield Buffer.concat([decipher.update(bytes.subarray(0, -tagBytes)), decipher.final()])
    } catch (cause) {
      throw new BackupBroken(`${name} does not open: it was changed or cut, or another key sealed it`, { cause })
    }
  }
}

/** Pieces of exactly that length, and a last one that may be shorter, or empty where all is. */
async function* cut(pieces: FileContent['pieces'], length: number): AsyncGenerator<{ readonly bytes: Buffer; readonly isLast: boolean }> {
  let [waiting, count]: [Uint8Array[], number] = [[], 0]
  for await (const piece of pieces) {
    waiting.push(piece)
    count += piece.length
    if (count <= length) continue
    const bytes = Buffer.concat(waiting)
    let start = 0
    // What fills a piece exactly may be the last.
    for (; bytes.length - start > length; start += length) yield { bytes: bytes.subarray(start, start + length), isLast: false }
    waiting = [bytes.subarray(start)]
    count = bytes.length - start
  }
  yield { bytes: Buffer.concat(waiting), isLast: true }
}

/** Pieces of which the first bytes are taken apart. */
class Taken {
  readonly #iterator: AsyncIterator<Uint8Array>
  #left: Uint8Array = new Uint8Array()

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#iterator = pieces[Symbol.asyncIterator]()
  }

  async take(count: number): Promise<Buffer> {
    const taken: Uint8Array[] = []
    let missing = count
    while (missing > 0) {
      const next = await this.#iterator.next()
      if (next.done === true) break
      taken.push(next.value.subarray(0, missing))
      this.#left = next.value.subarray(Math.min(missing, next.value.length))
      missing -= Math.min(missing, next.value.length)
    }
    return Buffer.concat(taken)
  }

  async *rest(): AsyncGenerator<Uint8Array> {
    try {
      if (this.#left.length > 0) yield this.#left
      for (let next = await this.#iterator.next(); next.done !== true; next = await this.#iterator.next()) yield next.value
    } finally {
      await this.#iterator.return?.()
    }
  }
}
