/**
 * The files of an image, as a container would see them, without unpacking it.
 *
 * The problem: a layer is one compressed stream of gigabytes, what a directory holds is spread over all layers, and all of it is whatever somebody pushed.
 * The way: each layer is read once, in one pass and within limits, into a tree of what it has and what it hides ({@link LayerNode}, image-layer-index.ts); trees are
 * kept by digest in a bounded cache (image-contents.ts). A directory is then put together from the trees for who asks (image-view.ts), and a file is read out
 * of its layer's stream (image-files.ts). Two such views make a comparison (image-compare.ts); archives (image-import.ts, image-archive.ts) need none of it.
 */
import type { TarEntryType } from '#lib/tar-reader.ts'

/** What an entry of a directory is. */
export type FileType = TarEntryType

/** A file, directory or link as one layer has it. */
export interface LayerNode {
  readonly name: string
  readonly type: FileType
  readonly sizeBytes: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since the epoch. */
  readonly modifiedAt: number
  /** Of links, as the layer has it. */
  readonly linkTarget: string | undefined
  /** Where its bytes begin in the unpacked stream of the layer. */
  readonly offset: number
  /** The first half of the SHA-256 of its bytes, byte by byte; of files that are stored whole. */
  readonly fingerprint: string | undefined
  /** Holes were left out: its bytes cannot be given. */
  readonly isSparse: boolean
  /** A directory that the layer has things in and says nothing of. */
  readonly isImplied: boolean
  /** Of directories. */
  readonly children: ReadonlyMap<string, LayerNode> | undefined
  /** Names that this directory hides of the layers below (image-spec layer.md, "Whiteouts"). */
  readonly hidden: ReadonlySet<string> | undefined
  /** It hides all that the layers below have in it. */
  readonly isOpaque: boolean
}

/** A layer's tree and what it costs in memory, about. */
export interface LayerTree {
  readonly root: LayerNode
  readonly entryCount: number
  readonly estimatedBytes: number
  /** Of the stream when it is unpacked, to the end of the archive. */
  readonly unpackedBytes: number
  /** Of a layer that is not compressed any part can be read by itself. */
  readonly isPacked: boolean
}

/** Parts of a path, none of them empty, `.` or `..`: what would lead out of the root stays in it, as extractors take it. */
export function pathParts(path: string): string[] {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..') parts.pop()
    else parts.push(part)
  }
  return parts
}

/** The path from the root. */
export function joinPath(parts: readonly string[]): string {
  return `/${parts.join('/')}`
}

/** A {@link LayerNode} while its layer is read. */
export interface OpenNode extends Open<Omit<LayerNode, 'children' | 'hidden'>> {
  children: Map<string, OpenNode> | undefined
  hidden: Set<string> | undefined
}

type Open<T> = { -readonly [K in keyof T]: T[K] }

/** A directory that only the names below it speak of. */
export function impliedDirectory(name: string): OpenNode {
  return {
    name,
    type: 'directory',
    sizeBytes: 0,
    mode: 0o755,
    uid: 0,
    gid: 0,
    modifiedAt: 0,
    linkTarget: undefined,
    offset: 0,
    fingerprint: undefined,
    isSparse: false,
    isImplied: true,
    children: undefined,
    hidden: undefined,
    isOpaque: false,
  }
}
