/** Reads a layer once into a tree: names, sizes, owners, what it hides, and where the bytes of each file begin. */
import { createHash, hash } from 'node:crypto'
import { readTar, type TarEntry } from '#lib/tar-reader.ts'
import { packingOf, peek, unpack, type Packing } from '#lib/unpack.ts'
import { TarError } from '#lib/tar-header.ts'
import { impliedDirectory, pathParts, type LayerTree, type OpenNode } from './image-tree.ts'

/** Bounds of one layer. */
export interface LayerLimits {
  readonly entries: number
  readonly unpackedBytes: number
}

/** A layer's bytes, unpacked. Throws TarError for what is packed in an unknown way. */
export async function unpackLayer(
  source: AsyncIterable<Uint8Array>,
): Promise<{ readonly bytes: AsyncGenerator<Uint8Array, void, void>; readonly isPacked: boolean }> {
  const peeked = await peek(source, 6)
  const packing = requirePacking(packingOf(peeked.head))
  return { bytes: unpack(peeked.source, packing), isPacked: packing !== 'none' }
}

function requirePacking(packing: Packing): Exclude<Packing, 'unknown'> {
  if (packing === 'unknown') throw new TarError('it is compressed in a way that is not read here')
  return packing
}

/** Of a node with its place in the map of its directory, measured; names come on top. */
const nodeBytes = 260
const whiteout = '.wh.'
const opaque = '.wh..wh..opq'
const fingerprintBytes = 16
const ofNothing = hash('sha256', '', 'buffer').toString('latin1', 0, fingerprintBytes)

/** Reads the layer to its end, so that who hands its bytes over can prove them. Throws TarError, UnpackError, and what the source throws. */
export async function indexLayer(source: AsyncIterable<Uint8Array>, limits: LayerLimits): Promise<LayerTree> {
  let unpackedBytes = 0
  const counted = async function* (bytes: AsyncIterable<Uint8Array>) {
    for await (const piece of bytes) {
      unpackedBytes += piece.length
      yield piece
    }
  }
  const unpacked = await unpackLayer(source)
  const bytes = counted(unpacked.bytes)
  const root = impliedDirectory('')
  const made = { entries: 0, characters: 0 }
  // Only to the end of the archive: what stands behind it is read by the loop below.
  for await (const entry of readTar(keepOpen(bytes), { entries: limits.entries, totalBytes: limits.unpackedBytes })) {
    await place(root, entry, made, limits)
  }
  for await (const _rest of bytes) {
    if (unpackedBytes > limits.unpackedBytes) throw new TarError(`it has more than ${limits.unpackedBytes} bytes when it is unpacked`)
  }
  const estimatedBytes = nodeBytes * (made.entries + 1) + 2 * made.characters
  return { root, entryCount: made.entries, estimatedBytes, unpackedBytes, isPacked: unpacked.isPacked }
}

/** The same pieces, from an iterator that its reader cannot close. */
function keepOpen(bytes: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => bytes.next() }) }
}

interface Made {
  entries: number
  characters: number
}

async function place(root: OpenNode, entry: TarEntry, made: Made, limits: LayerLimits): Promise<void> {
  const parts = pathParts(entry.path)
  const name = parts.pop()
  const parent = directoryAt(root, parts, made)
  // Names make directories too, so a few entries could make any number of them.
  if (made.entries > limits.entries) throw new TarError(`it has more than ${limits.entries} entries`)
  if (name === undefined) return describeAs(root, entry)
  if (name.startsWith(whiteout)) return hide(parent, name, made)
  const before = parent.children?.get(name)
  const node = before ?? add(parent, name, made)
  describeAs(node, entry)
  if (entry.type !== 'directory') node.children = undefined
  made.characters += node.linkTarget?.length ?? 0
  if (entry.type === 'file' && !entry.isSparse) node.fingerprint = await fingerprintOf(entry)
}

function directoryAt(root: OpenNode, parts: readonly string[], made: Made): OpenNode {
  let directory = root
  for (const part of parts) {
    const next = directory.children?.get(part) ?? add(directory, part, made)
    // As overlay file systems have it: what has things in it is a directory, whatever it was before.
    if (next.type !== 'directory') Object.assign(next, impliedDirectory(part))
    directory = next
  }
  return directory
}

function add(parent: OpenNode, name: string, made: Made): OpenNode {
  const node = impliedDirectory(name)
  parent.children ??= new Map()
  parent.children.set(name, node)
  made.entries++
  made.characters += name.length
  return node
}

function hide(parent: OpenNode, name: string, made: Made): void {
  made.entries++
  made.characters += name.length
  if (name === opaque) {
    parent.isOpaque = true
    return
  }
  // AUFS kept books of its own under names that begin so; they are in no container.
  if (name.startsWith('.wh..wh.')) return
  parent.hidden ??= new Set()
  parent.hidden.add(name.slice(whiteout.length))
}

function describeAs(node: OpenNode, entry: TarEntry): void {
  node.type = entry.type
  node.sizeBytes = entry.type === 'file' ? entry.sizeBytes : 0
  node.mode = entry.mode
  node.uid = entry.uid
  node.gid = entry.gid
  node.modifiedAt = entry.modifiedAt
  node.linkTarget = entry.type === 'symlink' || entry.type === 'hardlink' ? entry.linkPath : undefined
  node.offset = entry.offset
  node.fingerprint = undefined
  node.isSparse = entry.isSparse
  node.isImplied = false
}

/** Most files are small and lie in one piece, for which a hash at once is cheaper. */
async function fingerprintOf(entry: TarEntry): Promise<string> {
  if (entry.sizeBytes === 0) return ofNothing
  const running = entry.sizeBytes > 64 * 1024 ? createHash('sha256') : undefined
  const pieces: Buffer[] = []
  for await (const piece of entry.body()) {
    if (running === undefined) pieces.push(Buffer.from(piece))
    else running.update(piece)
  }
  const digest = running === undefined ? hash('sha256', Buffer.concat(pieces), 'buffer') : running.digest()
  return digest.toString('latin1', 0, fingerprintBytes)
}
