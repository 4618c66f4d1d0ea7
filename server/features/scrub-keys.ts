/**
 * The other direction: what lies in the store and no row names. It is told and left where it is; whoever reads the list decides (scrub-orphans.ts).
 * Nothing younger than a day is told: a push of that moment, or a copy that an operator is making.
 */
import type { BlobKey, BlobStore, ListedKey } from '#blobs/blob-store.ts'
import type { Finding } from '#metadata/scrub-findings.ts'
import { knownKeys } from '#metadata/scrub-reads.ts'
import { uploadExists } from '#metadata/uploads.ts'
import { parseDigest } from '#oci/digest.ts'
import type { Registry } from '#registry/registry.ts'
import { advance, keep, type Pass } from './scrub-pass.ts'

/** From this age on bytes that no row names are told. */
export const orphanAgeMs = 24 * 60 * 60 * 1_000
const pageKeys = 500
/** Uploads between two looks at the cursor. */
const pageUploads = 200

/** `blobs/sha256/ab/<hex>/<generation>`, or registry:2's `…/sha256/ab/<hex>/data`. */
const blobKey = /^(?:blobs|docker\/registry\/v2\/blobs)\/([a-z0-9+._-]+)\/[0-9a-f]{2}\/([0-9a-f]{32,})\/(?:[0-9a-f]{16}|data)$/

/** Goes over all keys of all stores, store by store in the order of their names. */
export async function scrubKeys(pass: Pass): Promise<void> {
  const begun = pass.cursor.ofStore
  for (const store of storesByName(pass)) {
    if (begun !== undefined && store.name < begun) continue
    if (pass.cursor.ofStore !== store.name) advance(pass, { afterKey: null, ofStore: store.name }, {})
    await scrubKeysOf(pass, store)
  }
  advance(pass, { afterKey: null, ofStore: undefined }, {})
}

function storesByName({ registry }: Pass): BlobStore[] {
  return [...registry.stores.all.values()].toSorted((one, other) => (one.name < other.name ? -1 : 1))
}

async function scrubKeysOf(pass: Pass, store: BlobStore): Promise<void> {
  for (;;) {
    pass.run.signal.throwIfAborted()
    const { keys, next } = await store.list({ after: pass.cursor.afterKey ?? undefined, limit: pageKeys })
    const findings = (await unknownKeys(pass.registry, store, keys)).map((key) => findingOf(store.name, key))
    advance(pass, { afterKey: next ?? null }, { keys: keys.length })
    await keep(pass, findings)
    if (next === undefined) return
    await pass.rest()
  }
}

/** Those old enough that no row names, neither a blob's nor a deletion's, and that are still there after it was asked. */
export async function unknownKeys({ metadata, context }: Registry, store: BlobStore, keys: readonly ListedKey[]): Promise<ListedKey[]> {
  const before = context.ports.clock.now() - orphanAgeMs
  const old = keys.filter(({ modifiedAt }) => modifiedAt <= before)
  if (old.length === 0) return []
  const known = await knownKeys(
    metadata.reader,
    store.name,
    old.map(({ key }) => key),
  )
  const unknown: ListedKey[] = []
  // A deletion may have taken the bytes, and then its note, since they were listed. A key is used once: what is still there stays nobody's.
  for (const each of old) if (!known.has(each.key) && (await store.stat(each.key)) !== undefined) unknown.push(each)
  return unknown
}

function findingOf(store: string, { key, sizeBytes, modifiedAt }: ListedKey): Finding {
  const [, algorithm, hex] = blobKey.exec(key) ?? []
  const at = `last changed ${new Date(modifiedAt).toISOString()}`
  if (algorithm === undefined) return { kind: 'stranger', store, key, sizeBytes, detail: `no file of a blob, ${at}: move it elsewhere` }
  const digest = parseDigest(`${algorithm}:${hex}`)
  return { kind: 'orphan', store, key, digest, sizeBytes, detail: `no row names it, ${at}: berth scrub orphans delete removes it` }
}

/** The directory of a key, as a listing takes it. */
export function directoryOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/'))
}

/** Goes over what lies among the uploads. */
export async function scrubUploads(pass: Pass): Promise<void> {
  for (const store of storesByName(pass)) await scrubUploadsOf(pass, store)
}

async function scrubUploadsOf(pass: Pass, store: BlobStore): Promise<void> {
  const { metadata, context } = pass.registry
  const before = context.ports.clock.now() - orphanAgeMs
  let sinceKept = 0
  for await (const { uploadId, modifiedAt } of store.listUploads()) {
    pass.run.signal.throwIfAborted()
    const isLeft = modifiedAt <= before && !(await uploadExists(metadata.reader, uploadId))
    advance(pass, {}, { uploads: 1 })
    if (isLeft || ++sinceKept >= pageUploads) {
      await keep(pass, isLeft ? [leftover(store.name, uploadId, modifiedAt)] : [])
      sinceKept = 0
    }
  }
}

function leftover(store: string, uploadId: string, modifiedAt: number): Finding {
  const at = `last changed ${new Date(modifiedAt).toISOString()}`
  const detail = `no upload is under way for it, ${at}: upload purging removes it (storage.maintenance.uploadpurging)`
  return { kind: 'upload', store, key: uploadId as BlobKey, sizeBytes: 0, detail }
}
