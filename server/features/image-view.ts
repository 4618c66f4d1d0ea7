/** Layers put together: what a directory of an image holds, and which layer has a file, with whiteouts, opaque directories and links as a container sees them. */
import type { Digest } from '#oci/digest.ts'
import { impliedDirectory, joinPath, pathParts, type LayerNode, type LayerTree } from './image-tree.ts'

/** A layer that can be read, or why it cannot. */
export interface ViewLayer {
  readonly digest: Digest
  readonly tree: LayerTree | undefined
  /** Where there is no tree: the reason, for people. */
  readonly problem: string | undefined
}

/** An image's layers, topmost first, or one layer alone. */
export interface ImageView {
  readonly layers: readonly ViewLayer[]
}

/** An entry as it is seen, and the layer that it is from. */
export interface SeenNode {
  readonly node: LayerNode
  /** Index into the view's layers. */
  readonly layer: number
}

/** A directory: its part of each layer that has one, topmost first. */
export interface Directory {
  readonly kind: 'directory'
  readonly parts: readonly SeenNode[]
}

/** What is at a path. `blocked`: a layer that cannot be read may have another answer. */
export type Found = Directory | ({ readonly kind: 'other' } & SeenNode) | { readonly kind: 'blocked'; readonly layer: number } | undefined

/** As Linux does. */
const linksMax = 40

/** The root of the view. */
export function rootOf({ layers }: ImageView): Directory {
  const parts = layers.flatMap(({ tree }, layer): SeenNode[] => (tree === undefined ? [] : [{ node: tree.root, layer }]))
  return { kind: 'directory', parts: throughOpaque(parts) }
}

function throughOpaque(parts: readonly SeenNode[]): readonly SeenNode[] {
  const end = parts.findIndex(({ node }) => node.isOpaque)
  return end === -1 ? parts : parts.slice(0, end + 1)
}

/** What the directory has under the name. */
export function childOf(view: ImageView, { parts }: Directory, name: string): Found {
  const found: SeenNode[] = []
  for (const { node, layer } of parts) {
    const child = node.children?.get(name)
    if (child !== undefined && child.type !== 'directory') {
      if (found.length === 0) return blockedAbove(view, layer) ?? { kind: 'other', node: child, layer }
      break
    }
    if (child !== undefined) found.push({ node: child, layer })
    if (endsThere(node, child, name)) break
  }
  return found.length > 0 ? { kind: 'directory', parts: found } : blockedAbove(view, view.layers.length)
}

/** Whether the layers below have no say in what is under the name. */
function endsThere(parent: LayerNode, child: LayerNode | undefined, name: string): boolean {
  return child?.isOpaque === true || parent.hidden?.has(name) === true
}

/** A layer above the given one that cannot be read, and so may have or hide anything. */
function blockedAbove({ layers }: ImageView, below: number): Found {
  const layer = layers.findIndex(({ tree }, index) => index < below && tree === undefined)
  return layer === -1 ? undefined : { kind: 'blocked', layer }
}

/** What is found at a path, and where that is when symbolic links on the way were followed. */
export interface Resolved {
  readonly path: string
  readonly found: Found
}

/** Follows symbolic links within the root as a container would; the last one too unless `keepsLast`. A circle of links finds nothing. */
export function resolvePath(view: ImageView, path: string, { keepsLast = false }: { readonly keepsLast?: boolean } = {}): Resolved {
  const walk: Walk = { waiting: splitPath(path), done: [], stack: [rootOf(view)] }
  for (let links = 0; ;) {
    const part = walk.waiting.shift()
    if (part === undefined) return { path: joinPath(walk.done), found: walk.stack.at(-1) }
    if (part === '..') {
      walk.done.pop()
      if (walk.stack.length > 1) walk.stack.pop()
      continue
    }
    const found = stepInto(view, walk.stack.at(-1), part)
    const target = keepsLast && walk.waiting.length === 0 ? undefined : linkIn(found)
    if (target === undefined) {
      walk.done.push(part)
      walk.stack.push(found)
    } else if (++links > linksMax) return { path: joinPath([...walk.done, part]), found: undefined }
    else follow(walk, target)
  }
}

/** Where the walk is, and what is still to be walked. */
interface Walk {
  waiting: string[]
  done: string[]
  /** What is at each step, the root first. */
  stack: Found[]
}

function stepInto(view: ImageView, here: Found, part: string): Found {
  if (here?.kind === 'directory') return childOf(view, here, part)
  return here?.kind === 'blocked' ? here : undefined
}

function linkIn(found: Found): string | undefined {
  return found?.kind === 'other' && found.node.type === 'symlink' ? (found.node.linkTarget ?? '') : undefined
}

function follow(walk: Walk, target: string): void {
  walk.waiting = [...splitPath(target), ...walk.waiting]
  if (!target.startsWith('/')) return
  walk.done = []
  walk.stack = walk.stack.slice(0, 1)
}

/** `..` stays: what it leads back from may be a link. */
function splitPath(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.')
}

/** All that the directory holds, in no order. `breathe` is awaited now and then, so that others get their turn. */
export async function listDirectory({ parts }: Directory, breathe: () => Promise<void>): Promise<SeenNode[]> {
  const seen = new Map<string, SeenNode>()
  const closed = new Set<string>()
  let count = 0
  for (const { node, layer } of parts) {
    for (const child of childrenOf(node)) {
      if (++count % breathAfter === 0) await breathe()
      if (!closed.has(child.name) && shows(seen.get(child.name), child)) seen.set(child.name, { node: child, layer })
      if (child.type !== 'directory' || child.isOpaque) closed.add(child.name)
    }
    for (const name of node.hidden ?? []) closed.add(name)
    if (node.isOpaque) break
  }
  return [...seen.values()]
}

function childrenOf({ children }: LayerNode): Iterable<LayerNode> {
  return children?.values() ?? []
}

/** What the upper layer says nothing of but that it has things in it, the lower one may describe. */
function shows(before: SeenNode | undefined, child: LayerNode): boolean {
  return before === undefined || (before.node.isImplied && child.type === 'directory')
}

/** Entries that are looked at in one go: a millisecond or so. */
export const breathAfter = 4_000

/** The file that a hard link stands for: of its own layer, or of one below. Undefined when it leads nowhere, in a circle, or to what is no file. */
export function followHardLink(view: ImageView, { node, layer }: SeenNode): SeenNode | undefined {
  let at: SeenNode = { node, layer }
  for (let links = 0; links < linksMax; links++) {
    if (at.node.type === 'file') return at
    if (at.node.type !== 'hardlink') return undefined
    const parts = pathParts(at.node.linkTarget ?? '')
    const within = inLayer(view, at.layer, parts)
    const next = within ?? belowLayer(view, at.layer, parts)
    if (next === undefined) return undefined
    at = next
  }
  return undefined
}

function inLayer(view: ImageView, layer: number, parts: readonly string[]): SeenNode | undefined {
  let node: LayerNode | undefined = view.layers[layer]?.tree?.root
  for (const part of parts) node = node?.children?.get(part)
  return node === undefined || node.type === 'directory' ? undefined : { node, layer }
}

function belowLayer({ layers }: ImageView, layer: number, parts: readonly string[]): SeenNode | undefined {
  const below = { layers: layers.map((each, index) => (index > layer ? each : { ...each, tree: emptyTree, problem: undefined })) }
  const { found } = resolvePath(below, joinPath(parts), { keepsLast: true })
  return found?.kind === 'other' ? found : undefined
}

const emptyTree: LayerTree = {
  root: impliedDirectory(''),
  entryCount: 0,
  estimatedBytes: 0,
  unpackedBytes: 0,
  isPacked: false,
}
