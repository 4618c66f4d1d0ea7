import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { lstat, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Problem } from '#features/registry2-report.ts'
import { createFilesystemStore } from '#blobs/filesystem.ts'
import { onlyStore } from '#blobs/stores.ts'
import { exportRegistry2, type ExportOptions } from '#features/export-registry2.ts'
import { systemPorts } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import { registryClient } from '../support/registry-client.ts'
import { serveRooms, type ServedRooms } from '../support/serve-rooms.ts'
import { contentsOf, openPlace, silent, snapshot, type AdoptionPlace } from './adoption-place.ts'
import { descriptor, ociIndex, ociManifest, Registry2Directory, type Content } from './registry2-directory.ts'

interface Pushed {
  readonly image: Content
  readonly index: Content
  readonly layer: string
}

async function pushSome(rooms: ServedRooms): Promise<Pushed> {
  const client = registryClient(rooms.url)
  const config = await client.pushBlob('team/app', Buffer.from('{"os":"linux"}'))
  const layer = await client.pushBlob('team/app', Buffer.from('a layer'))
  const image = await client.pushManifest('team/app', '1.0', {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: { ...config, mediaType: 'application/vnd.oci.image.config.v1+json' },
    layers: [layer],
  })
  const child = { digest: image.descriptor.digest, bytes: image.bytes }
  const index = await client.pushManifest('team/app', 'latest', {
    schemaVersion: 2,
    mediaType: ociIndex,
    manifests: [descriptor(child, ociManifest)],
  })
  return { image: child, index: { digest: index.descriptor.digest, bytes: index.bytes }, layer: layer.digest }
}

async function exportTo(rooms: ServedRooms, directory: string, options: Partial<ExportOptions> = {}) {
  const found: Problem[] = []
  const { metadata, stores } = rooms.registry
  const report = await exportRegistry2(
    { metadata, stores, rootDirectory: join(rooms.directory, 'data'), context: { ports: systemPorts, log: silent } },
    { directory, onProblems: (problems) => found.push(...problems), ...options },
  )
  return { ...report, found }
}

async function link(directory: Registry2Directory, ...parts: string[]): Promise<string> {
  return await readFile(directory.path('repositories', ...parts, 'link'), 'utf8')
}

async function adoptExport(rooms: ServedRooms): Promise<AdoptionPlace> {
  const place = await openPlace()
  await exportTo(rooms, place.root, { force: true })
  return place
}

test('an export has every link and every byte where registry:2 looks, and shares the files of the blobs', async () => {
  await using rooms = await serveRooms()
  const { image, index, layer } = await pushSome(rooms)
  const directory = new Registry2Directory(join(rooms.directory, 'export'))
  const report = await exportTo(rooms, directory.root)
  assert.deepEqual(report.found, [])
  const { repositories, manifests, tags, layerLinks, blobsLinked, blobsCopied } = report.tally
  assert.deepEqual(
    { repositories, manifests, tags, layerLinks, blobsLinked, blobsCopied },
    { repositories: 1, manifests: 2, tags: 2, layerLinks: 2, blobsLinked: 2, blobsCopied: 0 },
  )
  assert.equal(await link(directory, 'team/app/_manifests/tags/latest/current'), index.digest)
  assert.equal(await link(directory, 'team/app/_manifests/tags/latest/index', index.digest.replace(':', '/')), index.digest)
  assert.equal(await link(directory, 'team/app/_manifests/revisions', image.digest.replace(':', '/')), image.digest)
  assert.equal(await link(directory, 'team/app/_layers', layer.replace(':', '/')), layer)
  assert.deepEqual(await readFile(directory.blobPath(image.digest)), image.bytes)
  assert.equal(await readFile(directory.blobPath(layer), 'utf8'), 'a layer')
  assert.equal((await lstat(directory.blobPath(layer))).nlink, 2)
})

test('what is exported can be adopted again, with the same content', async () => {
  await using rooms = await serveRooms()
  await pushSome(rooms)
  await using place = await adoptExport(rooms)
  const report = await place.adopt({ verify: 'digest' })
  assert.deepEqual(
    report.found.filter(({ kind }) => kind !== 'unexpected-entry'),
    [],
  )
  const [before, after] = [await contentsOf(rooms.registry.metadata), await contentsOf(place.metadata)]
  for (const part of ['repositories', 'manifests', 'references', 'children', 'tags'] as const)
    assert.deepEqual(after[part], before[part], part)
})

test('a store without files is copied, each blob proved by its digest', async () => {
  await using rooms = await serveRooms({}, { memory: true })
  const { layer } = await pushSome(rooms)
  const { metadata, stores } = rooms.registry
  const directory = new Registry2Directory(join(rooms.directory, 'export'))
  const parts = { metadata, stores, rootDirectory: undefined, context: { ports: systemPorts, log: silent } }
  const { tally } = await exportRegistry2(parts, { directory: directory.root })
  assert.deepEqual([tally.blobsCopied, tally.blobsLinked], [2, 0])
  assert.equal(await readFile(directory.blobPath(layer), 'utf8'), 'a layer')
})

test('a second export writes nothing anew, adds what was pushed since and moves tags', async () => {
  await using rooms = await serveRooms()
  const { image } = await pushSome(rooms)
  const directory = new Registry2Directory(join(rooms.directory, 'export'))
  await exportTo(rooms, directory.root)
  const before = await snapshot(directory.path())
  const again = await exportTo(rooms, directory.root)
  assert.deepEqual([again.tally.blobsKept, again.tally.blobsLinked], [2, 0])
  assert.deepEqual(await snapshot(directory.path()), before)

  const client = registryClient(rooms.url)
  await client.pushManifest('team/app', 'latest', image.bytes)
  await client.pushBlob('other', Buffer.from('more'))
  const third = await exportTo(rooms, directory.root)
  assert.equal(third.tally.blobsLinked, 1)
  assert.equal(await link(directory, 'team/app/_manifests/tags/latest/current'), image.digest)
})

test('an interrupted export is finished by the next, and what it left half done is replaced', async () => {
  await using rooms = await serveRooms()
  const { layer, image } = await pushSome(rooms)
  const directory = new Registry2Directory(join(rooms.directory, 'export'))
  const controller = new AbortController()
  const stopped = exportTo(rooms, directory.root, {
    signal: controller.signal,
    onProgress: () => controller.abort(new Error('stopped by the test')),
  })
  await assert.rejects(stopped, /stopped by the test/)
  assert.match(await readFile(join(directory.root, '.berth-export/state.json'), 'utf8'), /"running"/)
  // Removed first: the name may be a second one of the store's own file.
  await rm(directory.blobPath(layer), { force: true })
  await directory.write(directory.blobPath(layer), 'a l')
  await directory.write(directory.blobPath(image.digest), image.bytes.fill(0, 0, 3))
  await writeFile(join(directory.root, '.berth-export/left.tmp'), 'by a kill')
  await exportTo(rooms, directory.root)
  assert.match(await readFile(join(directory.root, '.berth-export/state.json'), 'utf8'), /"finished"/)
  assert.equal(await readFile(directory.blobPath(layer), 'utf8'), 'a layer')
  assert.equal((await readFile(directory.blobPath(image.digest))).toString().at(0), '{')
  await assert.rejects(lstat(join(directory.root, '.berth-export/left.tmp')), { code: 'ENOENT' })
})

test('a directory with something else in it is refused, unless forced', async () => {
  await using rooms = await serveRooms()
  await pushSome(rooms)
  const path = join(rooms.directory, 'home')
  await mkdir(path)
  await writeFile(join(path, 'letter'), 'dear')
  await assert.rejects(exportTo(rooms, path), (error: unknown) => error instanceof RegistryError && error.message.includes('--force'))
  await assert.rejects(lstat(join(path, 'docker')), { code: 'ENOENT' })
  await exportTo(rooms, path, { force: true })
  assert.equal(await readFile(join(path, 'letter'), 'utf8'), 'dear')
})

test('exporting into the adopted directory itself leaves its files as they are', async () => {
  await using place = await openPlace()
  const { directory, metadata, root } = place
  const image = await directory.image('app', 'adopted')
  await directory.tag('app', 'v1', image.digest)
  await place.adopt()
  const before = await snapshot(directory.path())
  await using store = createFilesystemStore({ rootDirectory: root, files: systemPorts.files })
  const parts = { metadata, stores: onlyStore(store), rootDirectory: root, context: { ports: systemPorts, log: silent } }
  await assert.rejects(exportRegistry2(parts, { directory: root }), /--force/)
  const { tally } = await exportRegistry2(parts, { directory: root, force: true })
  assert.deepEqual([tally.blobsKept, tally.blobsLinked, tally.tags], [2, 0, 1])
  assert.deepEqual(await snapshot(directory.path()), before)
})

test('a blob whose bytes are gone or cut is reported and the rest is exported', async () => {
  await using rooms = await serveRooms()
  const { layer } = await pushSome(rooms)
  const client = registryClient(rooms.url)
  const gone = await client.pushBlob('team/app', Buffer.from('will be gone'))
  const rows = await rooms.registry.metadata.reader.selectFrom('blobs').select(['key', 'size_bytes']).execute()
  for (const { key, size_bytes } of rows) {
    const path = join(rooms.directory, 'data', key)
    if (size_bytes === gone.size) await rm(path)
    if (size_bytes === 'a layer'.length) await truncate(path, 2)
  }
  const report = await exportTo(rooms, join(rooms.directory, 'export'))
  assert.deepEqual(
    report.found.map(({ kind, count, examples }) => ({ kind, count, examples: examples.toSorted() })),
    [{ kind: 'blob-unreadable', count: 2, examples: [gone.digest, layer].toSorted() }],
  )
  assert.equal(report.tally.manifests, 2)
})

test('content pushed by sha512 is written under that name', async () => {
  await using rooms = await serveRooms()
  const client = registryClient(rooms.url)
  const bytes = Buffer.from('named by sha512')
  const sha512 = `sha512:${createHash('sha512').update(bytes).digest('hex')}`
  const started = await client.send('/v2/app/blobs/uploads/', { method: 'POST', body: '' })
  const place = new URL(started.headers.location ?? '', rooms.url)
  place.searchParams.set('digest', sha512)
  assert.equal((await client.send(place.href, { method: 'PUT', body: bytes })).status, 201)
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: ociManifest,
      config: { mediaType: 'application/x', digest: sha512, size: bytes.length },
      layers: [],
    }),
  )
  const digest = `sha512:${createHash('sha512').update(manifest).digest('hex')}`
  const pushed = await client.send(`/v2/app/manifests/${digest}?tag=v1`, {
    method: 'PUT',
    body: manifest,
    headers: { 'content-type': ociManifest },
  })
  assert.equal(pushed.status, 201, pushed.body.toString())

  const directory = new Registry2Directory(join(rooms.directory, 'export'))
  assert.deepEqual((await exportTo(rooms, directory.root)).found, [])
  assert.equal(await link(directory, 'app/_layers', sha512.replace(':', '/')), sha512)
  assert.equal(await link(directory, 'app/_manifests/revisions', digest.replace(':', '/')), digest)
  assert.equal(await link(directory, 'app/_manifests/tags/v1/current'), digest)
  assert.deepEqual(await readFile(directory.blobPath(sha512)), bytes)
  assert.deepEqual(await readFile(directory.blobPath(digest)), manifest)
})

test('manifests of types that registry:2 does not serve are written and reported', async () => {
  await using rooms = await serveRooms()
  const client = registryClient(rooms.url)
  const custom = Buffer.from('{"mediaType":"application/vnd.example.thing+json","any":"thing"}')
  const untyped = Buffer.from('{"schemaVersion":2,"manifests":[]}')
  for (const [tag, body, type] of [
    ['custom', custom, 'application/vnd.example.thing+json'],
    ['list', untyped, 'application/vnd.docker.distribution.manifest.list.v2+json'],
  ] as const) {
    const { status, body: answer } = await client.send(`/v2/app/manifests/${tag}`, {
      method: 'PUT',
      body,
      headers: { 'content-type': type },
    })
    assert.equal(status, 201, answer.toString())
  }
  const report = await exportTo(rooms, join(rooms.directory, 'export'))
  assert.deepEqual(report.problems, { 'type-unserved': 1, 'type-changed': 1 })
  assert.equal(report.tally.manifests, 2)
})
