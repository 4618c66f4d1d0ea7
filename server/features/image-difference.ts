/** Which files differ between two images: added, removed, changed in what. What both have from the same layer is passed over. */
import { breathe, sortGently } from '#lib/sort-gently.ts'
import type { FileType, LayerNode } from './image-tree.ts'
import { breathAfter, childOf, followHardLink, listDirectory, rootOf, type Directory, type ImageView, type SeenNode } from './image-view.ts'

/** In what a file differs. */
export type FileAspect = 'type' | 'content' | 'mode' | 'owner' | 'target'

/** A file that differs. */
export interface FileDifference {
  readonly path: string
  readonly change: 'added' | 'removed' | 'changed'
  /** In the image where it is; in the later one where it is in both. */
  readonly type: FileType
  readonly fromSizeBytes: number | undefined
  readonly toSizeBytes: number | undefined
  /** Of what was changed. */
  readonly aspects: readonly FileAspect[]
}

/** All that differs. */
export interface TreeDifference {
  readonly added: number
  readonly removed: number
  readonly changed: number
  /** In the order of their paths; the first of them where there are too many. */
  readonly items: readonly FileDifference[]
  readonly isTruncated: boolean
}

/** More are counted, and not told one by one. */
const itemsMax = 100_000

interface Walk {
  readonly from: ImageView
  readonly to: ImageView
  readonly items: FileDifference[]
  readonly counts: { added: number; removed: number; changed: number }
  seen: number
}

interface Pair {
  readonly from: Directory | undefined
  readonly to: Directory | undefined
}

/** Compares the two, a directory at a time; others get their turn in between. Rejects with the signal's reason. */
export async function differenceOf(from: ImageView, to: ImageView, signal: AbortSignal): Promise<TreeDifference> {
  const walk: Walk = { from, to, items: [], counts: { added: 0, removed: 0, changed: 0 }, seen: 0 }
  await compareDirectories(walk, { from: rootOf(from), to: rootOf(to) }, { path: '', signal })
  const { added, removed, changed } = walk.counts
  return { ...walk.counts, items: walk.items, isTruncated: added + removed + changed > walk.items.length }
}

interface Place {
  readonly path: string
  readonly signal: AbortSignal
}

async function compareDirectories(walk: Walk, { from, to }: Pair, { path, signal }: Place): Promise<void> {
  if (from !== undefined && to !== undefined && isSame(walk, from, to)) return
  signal.throwIfAborted()
  const before = await namesOf(from)
  const after = await namesOf(to)
  const names = await sortGently([...new Set([...before.keys(), ...after.keys()])], (left, right) =>
    left < right ? -1 : left > right ? 1 : 0,
  )
  for (const name of names) {
    if (++walk.seen % breathAfter === 0) await breathe()
    const here = `${path}/${name}`
    compareNodes(walk, { from: before.get(name), to: after.get(name) }, here)
    const below = {
      from: directoryOf(walk.from, from, before.get(name)),
      to: directoryOf(walk.to, to, after.get(name)),
    }
    if (below.from !== undefined || below.to !== undefined) await compareDirectories(walk, below, { path: here, signal })
  }
}

/** Whether both are put together of the same parts of the same layers. */
function isSame(walk: Walk, { parts }: Directory, { parts: others }: Directory): boolean {
  return parts.length === others.length && parts.every((part, index) => isOfSameLayer(walk, part, others[index]))
}

function isOfSameLayer(walk: Walk, from: SeenNode, to: SeenNode | undefined): boolean {
  return to !== undefined && walk.from.layers[from.layer]?.digest === walk.to.layers[to.layer]?.digest
}

async function namesOf(directory: Directory | undefined): Promise<Map<string, SeenNode>> {
  const nodes = directory === undefined ? [] : await listDirectory(directory, breathe)
  return new Map(nodes.map((seen) => [seen.node.name, seen]))
}

function directoryOf(view: ImageView, parent: Directory | undefined, child: SeenNode | undefined): Directory | undefined {
  if (parent === undefined || child === undefined || child.node.type !== 'directory') return undefined
  const found = childOf(view, parent, child.node.name)
  return found?.kind === 'directory' ? found : undefined
}

function compareNodes(
  walk: Walk,
  { from, to }: { readonly from: SeenNode | undefined; readonly to: SeenNode | undefined },
  path: string,
): void {
  if (from !== undefined && to !== undefined) {
    if (isOfSameLayer(walk, from, to)) return
    const [before, after] = [plain(walk.from, from), plain(walk.to, to)]
    const aspects = aspectsOf(before, after)
    if (aspects.length === 0) return
    walk.counts.changed++
    tell(walk, { path, change: 'changed', type: after.type, fromSizeBytes: before.sizeBytes, toSizeBytes: after.sizeBytes, aspects })
  } else if (from !== undefined) {
    const { type, sizeBytes } = plain(walk.from, from)
    walk.counts.removed++
    tell(walk, { path, change: 'removed', type, fromSizeBytes: sizeBytes, toSizeBytes: undefined, aspects: [] })
  } else if (to !== undefined) {
    const { type, sizeBytes } = plain(walk.to, to)
    walk.counts.added++
    tell(walk, { path, change: 'added', type, fromSizeBytes: undefined, toSizeBytes: sizeBytes, aspects: [] })
  }
}

function tell({ items }: Walk, difference: FileDifference): void {
  if (items.length < itemsMax) items.push(difference)
}

/** A hard link is the file that it stands for. */
function plain(view: ImageView, seen: SeenNode): LayerNode {
  return seen.node.type === 'hardlink' ? (followHardLink(view, seen)?.node ?? seen.node) : seen.node
}

function aspectsOf(from: LayerNode, to: LayerNode): readonly FileAspect[] {
  if (from.type !== to.type) return ['type']
  const aspects: FileAspect[] = []
  if (from.type === 'file' && !hasSameContent(from, to)) aspects.push('content')
  if (from.linkTarget !== to.linkTarget) aspects.push('target')
  // Nobody asks for the mode of a link; of a directory that its layer says nothing of, nothing is known.
  if (from.type === 'symlink' || from.isImplied || to.isImplied) return aspects
  if (from.mode !== to.mode) aspects.push('mode')
  if (from.uid !== to.uid || from.gid !== to.gid) aspects.push('owner')
  return aspects
}

function hasSameContent(from: LayerNode, to: LayerNode): boolean {
  return from.sizeBytes === to.sizeBytes && from.fingerprint !== undefined && from.fingerprint === to.fingerprint
}
