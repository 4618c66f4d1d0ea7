/** The files of an image for who looks: one directory of it, or the bytes of one file. */
import { breathe, sortGently } from '#lib/sort-gently.ts'
import { parseDigest, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Descriptor } from '#oci/descriptor.ts'
import type { Tag } from '#oci/reference.ts'
import { resourceUnknown } from '#oci/resource-unknown.ts'
import { readBlobContent } from '#registry/read-blob-content.ts'
import { chooseImage, platformText, type ChosenImage, type ImageWanted } from './image-choose.ts'
import { openLayer, problemBehind, takeTurn, viewOf, type ImageContents, type Viewer } from './image-contents.ts'
import { unpackLayer } from './image-layer-index.ts'
import { pathParts, type FileType, type LayerNode } from './image-tree.ts'
import { followHardLink, listDirectory, resolvePath, type Found, type ImageView, type SeenNode } from './image-view.ts'

/** Where to look. `layer`: in that one alone, as it is. */
export interface FilesWanted extends ImageWanted {
  readonly path: string
  readonly layer?: string | undefined
  readonly signal: AbortSignal
}

/** An entry of a directory. */
export interface ListedFile {
  readonly name: string
  /** `whiteout`: the layer hides what is below under this name; in a layer alone. */
  readonly type: FileType | 'whiteout'
  /** Of a hard link: of the file that it stands for. */
  readonly sizeBytes: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since the epoch. */
  readonly modifiedAt: number
  readonly linkTarget: string | undefined
  /** Whether its bytes can be asked for. */
  readonly isReadable: boolean
  readonly layer: Digest
}

/** A directory, or a part of it. */
export interface ListedDirectory {
  /** Of the manifest that was looked into. */
  readonly digest: Digest
  /** Of the index's entry, where one was chosen. */
  readonly platform: string | undefined
  /** Where it is when links were followed. */
  readonly path: string
  readonly items: readonly ListedFile[]
  /** How many there are. */
  readonly count: number
  /** In a layer alone: it hides all that the layers below have in the directory. */
  readonly isOpaque: boolean
  /** Layers that could not be read, uppermost first: what they have or hide is not in the list. */
  readonly unreadable: readonly { readonly layer: Digest; readonly reason: string }[]
}

/** A place in the list. */
export interface FilesPage {
  readonly offset: number
  readonly limit: number
  readonly sort: 'name' | 'sizeBytes' | 'modifiedAt'
  readonly isDescending: boolean
}

/** Throws RESOURCE_UNKNOWN for a path that is not there, CONTENT_UNREADABLE, REQUEST_INVALID for what is no directory. */
export async function listImageFiles(contents: ImageContents, wanted: FilesWanted, page: FilesPage): Promise<ListedDirectory> {
  const image = await chooseImage(contents.registry, wanted)
  const view = await lookInto(contents, image, wanted)
  const { path, found } = resolvePath(view, wanted.path)
  const directory = requireFound(view, found, wanted.path)
  if (directory.kind !== 'directory') throw notOf(wanted.path, `${typeWords[directory.node.type]} and no directory`)
  const nodes = await listDirectory(directory, breathe)
  const listed =
    wanted.layer === undefined
      ? nodes.map((seen) => fileOf(view, seen))
      : [...nodes.map((seen) => fileOf(view, seen)), ...whiteoutsOf(view, directory)]
  const items = await sortGently(listed, orderOf(page))
  return {
    digest: image.image.digest,
    platform: image.platform === undefined ? undefined : platformText(image.platform),
    path,
    items: items.slice(page.offset, page.offset + page.limit),
    count: items.length,
    isOpaque: wanted.layer !== undefined && directory.parts.some(({ node }) => node.isOpaque),
    unreadable: view.layers.flatMap(({ digest, problem }) => (problem === undefined ? [] : [{ layer: digest, reason: problem }])),
  }
}

/** The bytes of a file, or a part of them. */
export interface FileContent {
  readonly digest: Digest
  /** Of the manifest's row. */
  readonly manifestId: number
  readonly tag: Tag | undefined
  /** Where it is when links were followed. */
  readonly path: string
  readonly name: string
  /** Of all of it. */
  readonly sizeBytes: number
  readonly offset: number
  /** Of the part that is given. */
  readonly lengthBytes: number
  /** To be read once, to its end or not. Nothing is held before it is begun. */
  read(): AsyncGenerator<Uint8Array, void, void>
}

/** Which part of a file; to its end unless said. */
export interface FilePart {
  readonly offset: number
  readonly limit: number | undefined
}

/** Throws RESOURCE_UNKNOWN for a path that is not there, CONTENT_UNREADABLE, REQUEST_INVALID for what is no file. */
export async function readImageFile(contents: ImageContents, wanted: FilesWanted, part: FilePart): Promise<FileContent> {
  const image = await chooseImage(contents.registry, wanted)
  const view = await lookInto(contents, image, wanted)
  const { seen, path } = requireFile(view, wanted.path)
  const { sizeBytes, name } = seen.node
  if (sizeBytes > contents.limits.fileBytes) {
    const message = `${wanted.path} has ${sizeBytes} bytes, more than the ${contents.limits.fileBytes} of a file that is given by itself`
    throw new RegistryError('CONTENT_UNREADABLE', { sizeBytes, limitBytes: contents.limits.fileBytes }, { message })
  }
  const offset = Math.min(part.offset, sizeBytes)
  const lengthBytes = Math.min(part.limit ?? sizeBytes, sizeBytes - offset)
  const { digest, manifestId } = image.image
  const { signal } = wanted
  const read = () =>
    readPart(contents, { view, seen, layers: image.image.manifest.layers }, { offset, lengthBytes, viewer: { ...wanted, signal } })
  return { digest, manifestId, tag: image.tag, path, name: pathParts(path).at(-1) ?? name, sizeBytes, offset, lengthBytes, read }
}

/** The file at the path, with links followed. Throws as {@link readImageFile}. */
export function requireFile(view: ImageView, path: string): { readonly seen: SeenNode; readonly path: string } {
  const resolved = resolvePath(view, path)
  const found = requireFound(view, resolved.found, path)
  if (found.kind === 'directory') throw notOf(path, 'a directory and no file')
  const seen = found.node.type === 'hardlink' ? followHardLink(view, found) : found
  if (seen === undefined) throw unreadable(path, 'it is a hard link to what is not in the image')
  if (seen.node.type !== 'file') throw notOf(path, `${typeWords[seen.node.type]} and no file`)
  if (seen.node.isSparse) throw unreadable(path, 'it is stored without its holes')
  return { seen, path: resolved.path }
}

/** Puts the layers together that are to be looked into. */
async function lookInto(contents: ImageContents, { image }: ChosenImage, wanted: FilesWanted): Promise<ImageView> {
  if (wanted.path.includes('\0')) throw resourceUnknown('file', wanted.path)
  const { layers } = image.manifest
  if (wanted.layer === undefined) return await viewOf(contents, layers, wanted)
  const digest = parseDigest(wanted.layer)
  const layer = layers.find((each) => each.digest === digest)
  if (layer === undefined) throw resourceUnknown('layer', wanted.layer)
  const view = await viewOf(contents, [layer], wanted)
  const problem = view.layers[0]?.problem
  if (problem !== undefined) throw unreadableLayer(layer.digest, problem)
  return view
}

type Present = Exclude<Found, undefined | { readonly kind: 'blocked' }>

function requireFound({ layers }: ImageView, found: Found, path: string): Present {
  if (found === undefined) throw resourceUnknown('file', path)
  if (found.kind !== 'blocked') return found
  const layer = layers[found.layer]
  if (layer === undefined) throw resourceUnknown('file', path)
  throw unreadableLayer(layer.digest, layer.problem ?? '')
}

function unreadableLayer(layer: Digest, reason: string): RegistryError {
  return new RegistryError('CONTENT_UNREADABLE', { layer, reason }, { message: `the layer ${layer} cannot be read: ${reason}` })
}

function unreadable(path: string, reason: string): RegistryError {
  return new RegistryError('CONTENT_UNREADABLE', { path, reason }, { message: `${path} cannot be read: ${reason}` })
}

function notOf(path: string, what: string): RegistryError {
  return new RegistryError('REQUEST_INVALID', { path }, { message: `${path} is ${what}` })
}

const typeWords: Readonly<Record<FileType, string>> = {
  file: 'a file',
  directory: 'a directory',
  symlink: 'a symbolic link',
  hardlink: 'a hard link',
  'character-device': 'a device',
  'block-device': 'a device',
  fifo: 'a pipe',
  other: 'something of an unknown kind',
}

/** Names are different, and so decide between the same sizes and times. */
function orderOf({ sort, isDescending }: FilesPage): (left: ListedFile, right: ListedFile) => number {
  const sign = isDescending ? -1 : 1
  return (left, right) => sign * (compare(left[sort], right[sort]) || compare(left.name, right.name))
}

function compare(left: string | number, right: string | number): number {
  return left < right ? -1 : left > right ? 1 : 0
}

function fileOf(view: ImageView, seen: SeenNode): ListedFile {
  const { node, layer } = seen
  const file = node.type === 'hardlink' ? followHardLink(view, seen)?.node : node
  return {
    name: node.name,
    type: node.type,
    sizeBytes: file?.sizeBytes ?? 0,
    mode: node.mode,
    uid: node.uid,
    gid: node.gid,
    modifiedAt: node.modifiedAt,
    linkTarget: node.linkTarget,
    isReadable: file?.type === 'file' && !file.isSparse,
    layer: view.layers[layer]?.digest as Digest,
  }
}

/** What a layer alone hides in the directory. */
function whiteoutsOf(view: ImageView, { parts }: Extract<Found, { readonly kind: 'directory' }>): ListedFile[] {
  const [part] = parts
  return [...(part?.node.hidden ?? [])].map((name) => ({
    ...fileOf(view, { node: nothing, layer: 0 }),
    name,
    type: 'whiteout',
    isReadable: false,
  }))
}

const nothing: LayerNode = {
  name: '',
  type: 'other',
  sizeBytes: 0,
  mode: 0,
  uid: 0,
  gid: 0,
  modifiedAt: 0,
  linkTarget: undefined,
  offset: 0,
  fingerprint: undefined,
  isSparse: false,
  isImplied: false,
  children: undefined,
  hidden: undefined,
  isOpaque: false,
}

/** A file, and the layers of the image that it is in. */
export interface FilePlace {
  readonly view: ImageView
  readonly seen: SeenNode
  readonly layers: readonly Descriptor[]
}

/** Which bytes of a file, for whom. */
export interface FileSlice {
  readonly offset: number
  readonly lengthBytes: number
  readonly viewer: Viewer
}

/** Unpacks the layer as far as the part goes, and no further. Throws CONTENT_UNREADABLE, UNAVAILABLE. */
export async function* readPart(
  contents: ImageContents,
  { view, seen, layers }: FilePlace,
  slice: FileSlice,
): AsyncGenerator<Uint8Array, void, void> {
  const { digest, tree } = view.layers[seen.layer] ?? {}
  const descriptor = layers.find((layer) => layer.digest === digest)
  if (descriptor === undefined || tree === undefined || slice.lengthBytes === 0) return
  const { signal } = slice.viewer
  using _turn = await takeTurn(contents.turns.files, signal)
  const content = await openLayer(contents, descriptor, slice.viewer)
  if (typeof content === 'string') throw unreadableLayer(descriptor.digest, content)
  const start = seen.node.offset + slice.offset
  const end = start + slice.lengthBytes
  try {
    if (!tree.isPacked) {
      yield* readBlobContent(content, signal, { start, end: end - 1 })
      return
    }
    const { bytes } = await unpackLayer(readBlobContent(content, signal))
    yield* between(bytes, start, end)
  } catch (error) {
    const problem = problemBehind(error)
    if (problem === undefined) throw error
    throw unreadableLayer(descriptor.digest, problem)
  }
}

/** Bytes `start` to `end`, the latter left out. */
async function* between(bytes: AsyncIterable<Uint8Array>, start: number, end: number): AsyncGenerator<Uint8Array, void, void> {
  let at = 0
  for await (const piece of bytes) {
    const from = Math.max(0, start - at)
    const to = Math.min(piece.length, end - at)
    at += piece.length
    if (to > from) yield piece.subarray(from, to)
    if (at >= end) return
  }
}

/** The same, whole and in memory: for files that are small. Undefined for one that is larger than `limitBytes`. */
export async function readSmallFile(
  contents: ImageContents,
  place: FilePlace,
  { viewer, limitBytes }: { readonly viewer: Viewer; readonly limitBytes: number },
): Promise<Buffer | undefined> {
  const { sizeBytes } = place.seen.node
  if (sizeBytes > limitBytes) return undefined
  const pieces: Buffer[] = []
  for await (const piece of readPart(contents, place, { offset: 0, lengthBytes: sizeBytes, viewer })) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}
