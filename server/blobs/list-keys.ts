/**
 * The files below a store's directories of blobs, as keys, a page at a time, in the order of their names part by part.
 *
 * The problem: a store has millions of files, scrub goes over them for days and is stopped in between, and files come and go meanwhile. The way: a page
 * begins behind a path, not at an offset, and one directory's names are in memory at a time; what vanishes between its listing and a look at it is left
 * out. A link may lead anywhere, so none is followed but one that stands for a whole directory of blobs.
 */
import { join } from 'node:path'
import type { Files } from '#lib/ports.ts'
import type { KeyListing, KeyPage, ListedKey } from './blob-store.ts'
import { checkDirectory, isKey } from './names.ts'
import { isAbsence } from './storage-error.ts'

/** Where keys lie: this store's own, and those of an adopted registry:2. In the order of a listing. */
const tops = ['blobs', 'docker/registry/v2/blobs']
/** Deeper than any key. */
const depthMax = 12

interface Place {
  readonly files: Pick<Files, 'readdir' | 'lstat'>
  /** Absolute. */
  readonly root: string
}

interface Walk extends Place {
  readonly limit: number
  readonly keys: ListedKey[]
  visited: number
  /** What was looked at last, all below it included. */
  last: string | undefined
}

/** Of {@link BlobStore.list}. `limit` counts directories too. */
export async function listKeys(place: Place, { after, below, limit }: KeyListing): Promise<KeyPage> {
  if (below !== undefined) checkDirectory(below)
  const walk: Walk = { ...place, limit: Math.max(1, limit), keys: [], visited: 0, last: undefined }
  const directories = below === undefined ? tops : [below]
  const begun = after === undefined ? -1 : directories.findIndex((directory) => after.startsWith(`${directory}/`))
  for (const [index, directory] of directories.entries()) {
    if (index < begun) continue
    const behind = after !== undefined && index === begun ? after.slice(directory.length + 1).split('/') : []
    if (await visit(walk, directory, behind)) return { keys: walk.keys, next: walk.last }
  }
  return { keys: walk.keys, next: undefined }
}

/** True when the page is full. `behind`: the part of the directory that pages before had, as a path into it. */
async function visit(walk: Walk, directory: string, behind: readonly string[]): Promise<boolean> {
  if (directory.split('/').length > depthMax) return false
  const [from, ...deeper] = behind
  for (const name of await namesIn(walk, directory)) {
    const isBegun = name === from && deeper.length > 0
    if (from !== undefined && name <= from && !isBegun) continue
    const path = `${directory}/${name}`
    if (isKey(path) && (await look(walk, path, isBegun ? deeper : []))) return true
    walk.last = path
    if (++walk.visited >= walk.limit) return true
  }
  return false
}

async function look(walk: Walk, path: string, behind: readonly string[]): Promise<boolean> {
  const facts = await walk.files.lstat(join(walk.root, path)).catch(absentAsUndefined)
  if (facts?.isDirectory() === true) return visit(walk, path, behind)
  // A rename changes ctimeMs alone: bytes of an upload that rested for days are young under their key.
  if (facts?.isFile() === true && isKey(path))
    walk.keys.push({ key: path, sizeBytes: facts.size, modifiedAt: Math.max(facts.mtimeMs, facts.ctimeMs) })
  return false
}

async function namesIn({ files, root }: Place, directory: string): Promise<string[]> {
  const names = await files.readdir(join(root, directory)).catch(absentAsUndefined)
  return (names ?? []).toSorted()
}

function absentAsUndefined(error: unknown): undefined {
  if (!isAbsence(error)) throw error
}
