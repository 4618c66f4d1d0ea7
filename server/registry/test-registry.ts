/** Registries for tests: real database, real store, in a directory that goes with them. */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { BlobStore } from '#blobs/blob-store.ts'
import { passTo } from '#blobs/pass-to.ts'
import { createFilesystemStore } from '#blobs/filesystem.ts'
import { createMemoryStore } from '#blobs/memory.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { watchAccess } from '#metadata/watch-access.ts'
import { digestOf, type Digest, type DigestAlgorithm } from '#oci/digest.ts'
import { ociEmpty, ociIndex, ociManifest } from '#oci/media-types.ts'
import { RegistryError, type ErrorCode } from '#oci/errors.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { closeRegistry, openRegistry } from './open-registry.ts'
import { pullBlob } from './pull-blob.ts'
import { pushManifest, type PushedManifest } from './push-manifest.ts'
import { pushWholeBlob } from './push-blob.ts'
import type { Actor, Registry, RegistryOptions } from './registry.ts'

export const hourMs = 60 * 60 * 1_000
export const alice: Actor = { name: 'alice', requestId: 'r1' }
export const bob: Actor = { name: 'bob', requestId: 'r2' }
export const repositoryA = 'team/a' as RepositoryName
export const repositoryB = 'team/b' as RepositoryName
export const noSignal = new AbortController().signal

/** A clock that tests turn. */
export class TestClock {
  #aheadMs = 0

  now(): number {
    return systemPorts.clock.now() + this.#aheadMs
  }

  monotonic(): number {
    return systemPorts.clock.monotonic() + this.#aheadMs
  }

  advance(byMs: number): void {
    this.#aheadMs += byMs
  }
}

export interface TestRegistry extends AsyncDisposable {
  readonly registry: Registry
  readonly clock: TestClock
  readonly directory: string
  /** For test/invariants.ts. */
  readonly parts: Pick<Registry, 'metadata' | 'store' | 'stores'> & { readonly rootDirectory?: string }
  /** Forgets everything that this process knows and opens the same directory again, as after a crash. */
  restart(): Promise<TestRegistry>
}

export interface TestRegistryOptions {
  readonly options?: Partial<RegistryOptions>
  readonly hooks?: Partial<Registry['hooks']>
  /** `disk`: SQLite in a file with its writer thread, and the filesystem store. `files`: the store alone. `memory` (default): neither. */
  readonly on?: 'disk' | 'files' | 'memory'
  readonly wrapStore?: (store: BlobStore) => BlobStore
  /** Stores beside the primary one; whoever made them ends them. */
  readonly others?: readonly BlobStore[]
}

const defaults: RegistryOptions = {
  deleteEnabled: true,
  readOnly: false,
  minimumFreeBytes: 0,
  garbageDelayMs: 24 * hourMs,
  readersDelayMs: hourMs,
  trashWindowMs: 0,
  manifestBytes: 4 * 1024 * 1024,
  uploadsPerActor: 100,
  indexPlatforms: 'all',
  referrersMayPrecedeBlobs: false,
}

export async function openTestRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-registry-'))
  return openIn(directory, options, new TestClock())
}

async function openIn(directory: string, options: TestRegistryOptions, clock: TestClock): Promise<TestRegistry> {
  const ports: Ports = { ...systemPorts, clock }
  const log = pino({ enabled: false })
  const hasFiles = options.on === 'disk' || options.on === 'files'
  const rootDirectory = join(directory, 'data')
  const bare = hasFiles ? createFilesystemStore({ rootDirectory, files: ports.files }) : createMemoryStore({ clock })
  const store = options.wrapStore?.(bare) ?? bare
  const watched = watchAccess(
    await openTestDatabase(options.on === 'disk' ? join(directory, 'berth.db') : ':memory:', { ports, log }),
    clock,
  )
  const { metadata } = watched
  const hooks = { admission: [], missingContent: [], ...options.hooks }
  const registry = openRegistry({
    ...watched,
    store,
    stores: { primary: store, all: new Map([store, ...(options.others ?? [])].map((each) => [each.name, each])) },
    options: { ...defaults, ...options.options },
    hooks,
    ports,
    log,
    cacheBytes: 4 * 1024 * 1024,
  })
  const close = async () => {
    await closeRegistry(registry)
    await metadata[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  }
  return {
    registry,
    clock,
    directory,
    parts: { metadata, store: bare, stores: registry.stores, ...(hasFiles && { rootDirectory }) },
    async restart() {
      await close()
      return openIn(directory, options, clock)
    },
    async [Symbol.asyncDispose]() {
      await close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** A body in the given pieces. */
export async function* bodyOf(...pieces: readonly (Uint8Array | string)[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece)
}

/** A body that breaks off after the given pieces, as a dead connection does. */
export async function* brokenBody(...pieces: readonly (Uint8Array | string)[]): AsyncGenerator<Uint8Array> {
  yield* bodyOf(...pieces)
  throw new Error('aborted')
}

/** The same bytes each time for one seed. */
export function sampleBytes(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes)
  let state = seed >>> 0
  for (let index = 0; index < sizeBytes; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

export async function pushBytes(
  registry: Registry,
  repository: RepositoryName,
  bytes: Uint8Array | string,
  algorithm: DigestAlgorithm = 'sha256',
): Promise<Digest> {
  const content = Buffer.from(bytes)
  const digest = digestOf(content, algorithm)
  await pushWholeBlob(registry, repository, alice, { digest, body: bodyOf(content), contentLength: content.length, signal: noSignal })
  return digest
}

interface ImageParts {
  readonly config?: Digest
  readonly layers?: readonly object[]
  readonly subject?: object
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** The bytes of an image manifest. */
export function imageOf({ config, layers = [], ...rest }: ImageParts): Buffer {
  const body = { schemaVersion: 2, mediaType: ociManifest, config: { mediaType: ociEmpty, digest: config, size: 2 }, layers, ...rest }
  return Buffer.from(JSON.stringify(body))
}

/** The bytes of an index. */
export function indexOf(manifests: readonly object[], rest: object = {}): Buffer {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests, ...rest }))
}

export function descriptor(digest: Digest, mediaType = 'application/vnd.oci.image.layer.v1.tar', rest: object = {}): object {
  return { mediaType, digest, size: 2, ...rest }
}

/** Pushes bytes as a manifest under tags, or by digest without any. */
export function putManifest(
  registry: Registry,
  repository: RepositoryName,
  bytes: Uint8Array,
  ...tags: readonly string[]
): Promise<PushedManifest> {
  const { mediaType } = JSON.parse(Buffer.from(bytes).toString()) as { mediaType: string }
  const reference = { digest: digestOf(bytes), tags: tags as readonly Tag[] }
  return pushManifest(registry, { repository, reference, mediaType, bytes, actor: alice })
}

/** An image of its own for each name, with a config and a layer, under the tags. */
export async function putImage(
  registry: Registry,
  repository: RepositoryName,
  name: string,
  ...tags: readonly string[]
): Promise<{ digest: Digest; config: Digest; layer: Digest }> {
  const config = await pushBytes(registry, repository, `config of ${name}`)
  const layer = await pushBytes(registry, repository, `layer of ${name}`)
  const { digest } = await putManifest(registry, repository, imageOf({ config, layers: [descriptor(layer)] }), ...tags)
  return { digest, config, layer }
}

/** For assert.rejects: a RegistryError of that code (and detail). */
export function failsWith(code: ErrorCode, detail?: unknown): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RegistryError, String(error))
    assert.equal(error.code, code)
    if (detail !== undefined) assert.deepEqual(error.detail, detail)
    return true
  }
}

/** What a pull of the blob sends. */
export async function readBlob(registry: Registry, digest: Digest, repository: RepositoryName = repositoryA): Promise<Buffer> {
  const content = await pullBlob(registry, repository, digest, alice)
  try {
    const { body } = content
    if (body.kind === 'bytes') return Buffer.from(body.bytes)
    if (body.kind === 'file') return await body.handle.readFile()
    if (body.kind === 'redirect') assert.fail('no test store redirects')
    const pieces: Uint8Array[] = []
    for await (const piece of await body.read(0, content.sizeBytes - 1, noSignal)) pieces.push(piece as Uint8Array)
    return Buffer.concat(pieces)
  } finally {
    await content.close()
  }
}

/** Files below `blobs/` of a registry on disk. */
export async function keysOf({ parts }: TestRegistry): Promise<string[]> {
  assert.ok(parts.rootDirectory !== undefined)
  const entries = await readdir(join(parts.rootDirectory, 'blobs'), { recursive: true, withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

/** Uploads that the store holds. */
export async function uploadsOf({ parts }: TestRegistry): Promise<string[]> {
  const ids: string[] = []
  for await (const { uploadId } of parts.store.listUploads()) ids.push(uploadId)
  return ids
}

/** For `wrapStore`: the store with some methods replaced. */
export function withMethods(change: (store: BlobStore) => Partial<BlobStore>): (store: BlobStore) => BlobStore {
  return (store) => ({
    ...passTo(store),
    ...change(store),
  })
}

/** Where the bytes of a blob lie in a registry on disk. */
export async function fileOf({ registry, parts }: TestRegistry, digest: Digest): Promise<string> {
  const rows = await registry.metadata.reader.selectFrom('blobs').select(['digest', 'key']).execute()
  const row = rows.find((each) => Buffer.from(each.digest).subarray(1).toString('hex') === digest.slice(7))
  assert.ok(row !== undefined && parts.rootDirectory !== undefined)
  return join(parts.rootDirectory, row.key)
}
