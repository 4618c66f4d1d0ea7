/**
 * How big what a manifest stands for is: its document, its config and layers, and the same of manifests below it that are in its repository, each once.
 *
 * The problem: a list shows it for a hundred manifests at once, and an index, or a hostile one, may lead to very many. The way: all rows of a page
 * are asked for together, level by level and then all blobs, and everything that is read or added up has a bound; a size that a bound cut is told as such.
 */
import { inChunks } from './in-chunks.ts'
import type { Reader } from './metadata.ts'

/** `isExact` false: it is as big or bigger. */
export interface ContentSize {
  readonly sizeBytes: number
  readonly isExact: boolean
}

interface Document {
  readonly id: number
  /** Of the document alone. */
  readonly sizeBytes: number
}

/** Bounds of one call: manifests below those asked for, links to children, links to blobs, and how many documents and blobs are added up. */
const sizedManifests = 1_000
const sizedEdges = 4_000
const sizedLinks = 20_000
const visitsMax = 60_000
const nestingMax = 8

interface Tree {
  /** Sizes of documents by id. */
  readonly documents: Map<number, number>
  readonly children: Map<number, number[]>
}

interface Blob {
  readonly id: number
  readonly sizeBytes: number
}

/** What is known of a page. A document in `cut` has more below it than was read. */
interface Known extends Tree {
  readonly blobs: ReadonlyMap<number, readonly Blob[]>
  readonly cut: ReadonlySet<number>
  visitsLeft: number
}

/** The size of one. */
export async function contentSize(reader: Reader, manifest: Document): Promise<ContentSize> {
  return (await contentSizes(reader, [manifest])).get(manifest.id) ?? { sizeBytes: manifest.sizeBytes, isExact: false }
}

/** The sizes of some, by their ids. */
export async function contentSizes(reader: Reader, manifests: readonly Document[]): Promise<Map<number, ContentSize>> {
  const cut = new Set<number>()
  const tree = await treeBelow(reader, manifests, cut)
  const blobs = await blobsOf(reader, [...tree.documents.keys()], cut)
  const known = { ...tree, blobs, cut, visitsLeft: visitsMax }
  return new Map(manifests.map((manifest) => [manifest.id, sizeOf(known, manifest)]))
}

async function treeBelow(reader: Reader, manifests: readonly Document[], cut: Set<number>): Promise<Tree> {
  const documents = new Map(manifests.map(({ id, sizeBytes }) => [id, sizeBytes]))
  const children = new Map<number, number[]>()
  const documentsMax = documents.size + sizedManifests
  let edgesLeft = sizedEdges
  let level = [...documents.keys()]
  for (let depth = 0; level.length > 0 && depth < nestingMax; depth++) {
    const next: number[] = []
    const edges = await edgesBelow(reader, level, { limit: edgesLeft, cut })
    edgesLeft -= edges.length
    for (const { parentId, id, sizeBytes } of edges) {
      const isNew = !documents.has(id)
      if (isNew && documents.size >= documentsMax) {
        cut.add(parentId)
        continue
      }
      const known = children.get(parentId)
      if (known === undefined) children.set(parentId, [id])
      else known.push(id)
      if (!isNew) continue
      documents.set(id, sizeBytes)
      next.push(id)
    }
    level = next
  }
  for (const id of level) cut.add(id)
  return { documents, children }
}

/** One step down, as far as the children are in the same repository. */
async function edgesBelow(
  reader: Reader,
  parents: readonly number[],
  { limit, cut }: { readonly limit: number; readonly cut: Set<number> },
): Promise<(Document & { readonly parentId: number })[]> {
  const found: (Document & { readonly parentId: number })[] = []
  for (const chunk of inChunks(parents)) {
    const left = limit - found.length
    const rows = await reader
      .selectFrom('manifest_children as mc')
      .innerJoin('manifests as parent', 'parent.id', 'mc.manifest_id')
      .innerJoin('manifests as child', (join) =>
        join.onRef('child.repository_id', '=', 'parent.repository_id').onRef('child.digest', '=', 'mc.child_digest'),
      )
      .select(['mc.manifest_id as parentId', 'child.id', 'child.size_bytes as sizeBytes'])
      .where('mc.manifest_id', 'in', chunk)
      .limit(left + 1)
      .execute()
    if (rows.length > left) for (const id of chunk) cut.add(id)
    for (const row of rows.slice(0, left)) found.push(row)
  }
  return found
}

async function blobsOf(reader: Reader, documents: readonly number[], cut: Set<number>): Promise<Map<number, Blob[]>> {
  const found = new Map<number, Blob[]>()
  let left = sizedLinks
  for (const chunk of inChunks(documents)) {
    const links = reader
      .selectFrom('manifest_blobs')
      .select(['manifest_id', 'blob_id'])
      .where('manifest_id', 'in', chunk)
      .limit(left + 1)
    const rows = await reader
      .selectFrom(links.as('link'))
      .innerJoin('blobs as b', 'b.id', 'link.blob_id')
      .select(['link.manifest_id as manifestId', 'b.id', 'b.size_bytes as sizeBytes'])
      .execute()
    if (rows.length > left) for (const id of chunk) cut.add(id)
    for (const { manifestId, id, sizeBytes } of rows.slice(0, left)) {
      const known = found.get(manifestId)
      if (known === undefined) found.set(manifestId, [{ id, sizeBytes }])
      else known.push({ id, sizeBytes })
    }
    left = Math.max(0, left - rows.length)
  }
  return found
}

function sizeOf(known: Known, { id: root }: Document): ContentSize {
  const documents = new Set([root])
  const blobs = new Set<number>()
  let sizeBytes = 0
  let isExact = true
  // A set tells what is added while it is walked.
  for (const document of documents) {
    sizeBytes += known.documents.get(document) ?? 0
    const own = known.blobs.get(document) ?? []
    known.visitsLeft -= 1 + own.length
    if (known.visitsLeft < 0) return { sizeBytes, isExact: false }
    if (known.cut.has(document)) isExact = false
    for (const blob of own) {
      if (blobs.has(blob.id)) continue
      blobs.add(blob.id)
      sizeBytes += blob.sizeBytes
    }
    for (const child of known.children.get(document) ?? []) documents.add(child)
  }
  return { sizeBytes, isExact }
}
