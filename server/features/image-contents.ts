/** What is kept of images that were looked into: the trees of their layers by digest, within bounds, and the work that makes them. */
import { ByteLru } from '#lib/lru.ts'
import { TarError } from '#lib/tar-header.ts'
import { createTurns, type Turns } from '#lib/turns.ts'
import { UnpackError } from '#lib/unpack.ts'
import { ShortReadError } from '#lib/pooled-read.ts'
import { DamagedBlobError } from '#oci/damaged-blob.ts'
import type { Descriptor } from '#oci/descriptor.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { isNonDistributable } from '#oci/media-types.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { pullBlob } from '#registry/pull-blob.ts'
import { readBlobContent } from '#registry/read-blob-content.ts'
import type { Actor, BlobContent, Registry } from '#registry/registry.ts'
import { indexLayer } from './image-layer-index.ts'
import type { LayerTree } from './image-tree.ts'
import type { ImageView, ViewLayer } from './image-view.ts'

/** Bounds, a part of Config. */
export interface ContentsLimits {
  readonly entries: number
  readonly layerBytes: number
  readonly fileBytes: number
  readonly cacheBytes: number
  readonly readers: number
}

/** Told of each layer that was read, for metrics. */
export interface ContentsWatch {
  layerRead(outcome: 'read' | 'unreadable' | 'failed', seconds: number): void
}

/** What everything that looks into images takes first. */
export interface ImageContents {
  readonly registry: Registry
  readonly limits: ContentsLimits
  readonly trees: ByteLru<LayerTree | Unreadable>
  /** Reading layers into trees, and unpacking them for files. */
  readonly turns: { readonly trees: Turns; readonly files: Turns }
  readonly pending: Map<Digest, SharedTree>
  readonly watch: ContentsWatch
}

/** A layer that was found unreadable is not tried again for a while: its bytes can only change by healing. */
interface Unreadable {
  readonly problem: string
  readonly until: number
  readonly estimatedBytes: number
}

/** A tree that is being made, for all who wait for it; the work ends when nobody does. */
interface SharedTree {
  readonly promise: Promise<LayerTree | string>
  readonly controller: AbortController
  waiters: number
}

/** Whose content is looked at, for whom. */
export interface Viewer {
  readonly repository: RepositoryName
  readonly actor: Actor
  readonly signal: AbortSignal
}

const unreadableMs = 5 * 60_000
const waitingMax = 64
const fileTurns = 8
/** Images have at most 127 layers on overlay file systems; documents may list thousands. */
const layersMax = 500

/** Keeps nothing but memory. */
export function createImageContents(registry: Registry, limits: ContentsLimits, watch: ContentsWatch): ImageContents {
  return {
    registry,
    limits,
    trees: new ByteLru({ maximumBytes: limits.cacheBytes, sizeOf: ({ estimatedBytes }) => estimatedBytes }),
    turns: { trees: createTurns(limits.readers, waitingMax), files: createTurns(fileTurns, waitingMax) },
    pending: new Map(),
    watch,
  }
}

/** Throws UNAVAILABLE where too many wait already. */
export async function takeTurn(
  turns: Turns,
  signal: AbortSignal,
  message = 'too many images are being looked into at the moment',
): Promise<Disposable> {
  const turn = await turns.take(signal)
  if (turn !== undefined) return turn
  throw new RegistryError('UNAVAILABLE', undefined, { message, retryAfterSeconds: 5 })
}

/** The layers put together. What cannot be read is told in its place. Throws CONTENT_UNREADABLE for more than is looked into at once, UNAVAILABLE. */
export async function viewOf(contents: ImageContents, layers: readonly Descriptor[], viewer: Viewer): Promise<ImageView> {
  if (layers.length > layersMax) throw tooMuch(`it has more than ${layersMax} layers`)
  const seen: ViewLayer[] = []
  let estimatedBytes = 0
  for (const layer of layers.toReversed()) {
    const tree = await treeOf(contents, layer, viewer)
    if (typeof tree !== 'string') estimatedBytes += tree.estimatedBytes
    if (estimatedBytes > contents.limits.cacheBytes) throw tooMuch('the lists of its files take more memory than there is for them')
    const { digest } = layer
    seen.push(typeof tree === 'string' ? { digest, tree: undefined, problem: tree } : { digest, tree, problem: undefined })
  }
  return { layers: seen }
}

function tooMuch(reason: string): RegistryError {
  return new RegistryError('CONTENT_UNREADABLE', { reason }, { message: `the image is not looked into: ${reason}` })
}

/** The tree of a layer, or why there is none. */
async function treeOf(contents: ImageContents, layer: Descriptor, viewer: Viewer): Promise<LayerTree | string> {
  const { digest } = layer
  const known = keptTree(contents, digest)
  if (known !== undefined) return known
  if (layer.mediaType.endsWith('+encrypted')) return 'it is encrypted'
  const content = await openLayer(contents, layer, viewer)
  if (typeof content === 'string') return content
  // Somebody may have come to the end of it meanwhile.
  const made = keptTree(contents, digest)
  if (made === undefined) return await shared(contents, { digest, content }, viewer)
  await content.close()
  return made
}

function keptTree({ trees, registry }: ImageContents, digest: Digest): LayerTree | string | undefined {
  const kept = trees.get(digest)
  if (kept === undefined || !('problem' in kept)) return kept
  return kept.until > registry.context.ports.clock.monotonic() ? kept.problem : undefined
}

/** The bytes of a layer, or why they are not here. */
export async function openLayer({ registry }: ImageContents, layer: Descriptor, viewer: Viewer): Promise<BlobContent | string> {
  // Looking at it fetches nothing from elsewhere.
  const here = { ...registry, hooks: { ...registry.hooks, missingContent: [] } }
  try {
    return await pullBlob(here, viewer.repository, layer.digest, { ...viewer.actor, direct: true })
  } catch (error) {
    if (!(error instanceof RegistryError) || (error.code !== 'BLOB_UNKNOWN' && error.code !== 'NAME_UNKNOWN')) throw error
    if (isNonDistributable(layer.mediaType)) return 'it is not kept here: its licence has clients fetch it from elsewhere'
    return 'its bytes are not here: they are missing, or were set aside as damaged'
  }
}

/** One reads it for all who want it at the same time. */
async function shared(
  contents: ImageContents,
  { digest, content }: { readonly digest: Digest; readonly content: BlobContent },
  { signal }: Viewer,
): Promise<LayerTree | string> {
  const { pending } = contents
  const known = pending.get(digest)
  // Who has seen the layer may have its tree, and needs its bytes no more.
  if (known !== undefined) await content.close()
  const work = known ?? begin(contents, digest, content)
  work.waiters++
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    return await Promise.race([work.promise, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
    work.waiters--
    if (work.waiters === 0) work.controller.abort(signal.reason ?? new Error('nobody waits for it any more'))
  }
}

function begin(contents: ImageContents, digest: Digest, content: BlobContent): SharedTree {
  const controller = new AbortController()
  const forget = () => {
    if (contents.pending.get(digest) === work) contents.pending.delete(digest)
  }
  const promise = read(contents, { digest, content }, controller.signal).finally(forget)
  const work: SharedTree = { promise, controller, waiters: 0 }
  // Nobody may be left to hear of it.
  promise.catch(() => undefined)
  controller.signal.addEventListener('abort', forget, { once: true })
  contents.pending.set(digest, work)
  return work
}

async function read(
  contents: ImageContents,
  { digest, content }: { readonly digest: Digest; readonly content: BlobContent },
  signal: AbortSignal,
): Promise<LayerTree | string> {
  const { clock } = contents.registry.context.ports
  const startedAt = clock.monotonic()
  const tell = (outcome: Parameters<ContentsWatch['layerRead']>[0]) =>
    contents.watch.layerRead(outcome, (clock.monotonic() - startedAt) / 1_000)
  let isOpen = true
  try {
    using _turn = await takeTurn(contents.turns.trees, signal)
    const { entries, layerBytes } = contents.limits
    isOpen = false
    const tree = await indexLayer(readBlobContent(content, signal), { entries, unpackedBytes: layerBytes })
    contents.trees.set(digest, tree)
    tell('read')
    return tree
  } catch (error) {
    const problem = problemBehind(error)
    tell(problem === undefined ? 'failed' : 'unreadable')
    if (problem === undefined) throw error
    const until = clock.monotonic() + unreadableMs
    // What is damaged may heal at any time.
    if (!isDamage(error)) contents.trees.set(digest, { problem, until, estimatedBytes: 500 })
    return problem
  } finally {
    if (isOpen) await content.close()
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof DamagedBlobError || error instanceof ShortReadError
}

/** In words, of what is the layer's own fault; undefined for what may pass. */
export function problemBehind(error: unknown): string | undefined {
  if (isDamage(error)) return 'its bytes are damaged, and were set aside'
  if (error instanceof TarError || error instanceof UnpackError) return error.message
  return undefined
}
