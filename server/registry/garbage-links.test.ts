import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RegistryError } from '#oci/errors.ts'
import { usageIn, systemScope } from '#metadata/usage-counters.ts'
import { digestOf } from '#oci/digest.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { collectGarbage } from './collect-garbage.ts'
import { deleteManifest } from './delete-manifest.ts'
import { readGarbageStatus } from './garbage-status.ts'
import { mountBlob } from './mount-blob.ts'
import { statBlob } from './pull-blob.ts'
import { addAlias } from './test-transactions.ts'
import {
  alice,
  descriptor,
  failsWith,
  hourMs,
  imageOf,
  indexOf,
  keysOf,
  noSignal,
  openTestRegistry,
  pushBytes,
  putImage,
  putManifest,
  readBlob,
  repositoryA,
  repositoryB,
  withMethods,
} from './test-registry.ts'

const signal = noSignal
const everything = { kind: 'everything' } as const

suite('blobs of a repository that no manifest there needs', () => {
  test('leave it though another repository needs them, and stop counting in it', async () => {
    await using place = await openTestRegistry()
    const { registry, clock } = place
    const shared = await pushBytes(registry, repositoryA, 'shared')
    await mountBlob(registry, { repository: repositoryB, digest: shared, visibility: everything, actor: alice })
    await putManifest(registry, repositoryB, imageOf({ config: shared }), 'v1')
    clock.advance(25 * hourMs)
    assert.deepEqual(await collectGarbage(registry, { signal }), {
      manifests: 0,
      links: 1,
      blobs: 0,
      keys: 0,
      freedBytes: 0,
      failedKeys: 0,
    })
    await assert.rejects(statBlob(registry, repositoryA, shared, alice), failsWith('BLOB_UNKNOWN'))
    assert.equal((await readBlob(registry, shared, repositoryB)).toString(), 'shared')
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('stay for a lease after each HEAD there, though a manifest elsewhere holds their bytes', async () => {
    await using place = await openTestRegistry()
    const { registry, clock } = place
    const shared = await pushBytes(registry, repositoryA, 'shared')
    await pushBytes(registry, repositoryB, 'shared')
    await putManifest(registry, repositoryB, imageOf({ config: shared }), 'v1')
    clock.advance(23 * hourMs)
    await statBlob(registry, repositoryA, shared, alice)
    clock.advance(23 * hourMs)
    assert.equal((await collectGarbage(registry, { signal })).links, 0)
    await putManifest(registry, repositoryA, imageOf({ config: shared }), 'v1')
    clock.advance(50 * hourMs)
    assert.equal((await collectGarbage(registry, { signal })).links, 0)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('stay for a lease after the manifest that needed them went, then the bytes go when no repository is left', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    const { registry, clock } = place
    const [one, other] = [await putImage(registry, repositoryA, 'same', 'v1'), await putImage(registry, repositoryB, 'same', 'v1')]
    await deleteManifest(registry, repositoryA, one.digest, alice)
    clock.advance(23 * hourMs)
    assert.equal((await collectGarbage(registry, { signal })).links, 0)
    clock.advance(2 * hourMs)
    assert.deepEqual(await collectGarbage(registry, { signal }), {
      manifests: 0,
      links: 2,
      blobs: 0,
      keys: 0,
      freedBytes: 0,
      failedKeys: 0,
    })
    await deleteManifest(registry, repositoryB, other.digest, alice)
    clock.advance(25 * hourMs)
    assert.deepEqual(await collectGarbage(registry, { signal }), {
      manifests: 0,
      links: 2,
      blobs: 2,
      keys: 0,
      freedBytes: 0,
      failedKeys: 0,
    })
    clock.advance(2 * hourMs)
    assert.equal((await collectGarbage(registry, { signal })).keys, 2)
    assert.deepEqual(await keysOf(place), [])
    assert.equal((await usageIn(registry.metadata.reader, systemScope)).bytes, 0)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('of another manifest of the same repository stay', async () => {
    await using place = await openTestRegistry({ options: { garbageDelayMs: 0 } })
    const { registry } = place
    const [shared, own] = [await pushBytes(registry, repositoryA, 'shared'), await pushBytes(registry, repositoryA, 'own')]
    const first = await putManifest(registry, repositoryA, imageOf({ config: shared, layers: [descriptor(own)] }), 'v1')
    await putManifest(registry, repositoryA, imageOf({ config: shared }), 'v2')
    await deleteManifest(registry, repositoryA, first.digest, alice)
    const { links, blobs } = await collectGarbage(registry, { signal })
    assert.deepEqual({ links, blobs }, { links: 1, blobs: 1 })
    assert.equal((await readBlob(registry, shared)).toString(), 'shared')
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('that an index lists as BuildKit’s caches do are needed by it, and go with it', async () => {
    await using place = await openTestRegistry({ options: { garbageDelayMs: 0 } })
    const { registry } = place
    const layers = [await pushBytes(registry, repositoryA, 'cache 1'), await pushBytes(registry, repositoryA, 'cache 2')]
    const config = await pushBytes(registry, repositoryA, '{}')
    const entries = [...layers.map((layer) => descriptor(layer)), descriptor(config, 'application/vnd.buildkit.cacheconfig.v0')]
    const cache = await putManifest(registry, repositoryA, indexOf(entries), 'cache')
    assert.equal((await collectGarbage(registry, { signal, deleteUntagged: true, sweep: true })).links, 0)
    for (const each of [...layers, config]) await statBlob(registry, repositoryA, each, alice)
    await deleteManifest(registry, repositoryA, cache.digest, alice)
    assert.equal((await collectGarbage(registry, { signal })).blobs, 3)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('named by sha512 are judged like all others', async () => {
    await using place = await openTestRegistry({ on: 'files', options: { garbageDelayMs: 0 } })
    const { registry, clock } = place
    const kept = await pushBytes(registry, repositoryA, 'kept', 'sha512')
    await putManifest(registry, repositoryA, imageOf({ config: kept }), 'v1')
    await pushBytes(registry, repositoryA, 'gone', 'sha512')
    assert.equal((await collectGarbage(registry, { signal })).blobs, 1)
    clock.advance(2 * hourMs)
    assert.equal((await collectGarbage(registry, { signal })).freedBytes, 4)
    assert.equal((await readBlob(registry, kept)).toString(), 'kept')
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('and that share their bytes under two digests free them once, when both are gone', async () => {
    await using place = await openTestRegistry({ on: 'files', options: { garbageDelayMs: 0 } })
    const { registry } = place
    const digest = await pushBytes(registry, repositoryA, 'adopted')
    await registry.metadata.write(addAlias, { digest, alias: digestOf(Buffer.from('adopted'), 'sha512') })
    const counted = await collectGarbage(registry, { signal, sweep: true, dryRun: true })
    assert.deepEqual(counted, { manifests: 0, links: 2, blobs: 2, keys: 1, freedBytes: 7, failedKeys: 0 })
    assert.deepEqual(await collectGarbage(registry, { signal, sweep: true, immediately: true }), counted)
    assert.deepEqual(await keysOf(place), [])
    assert.deepEqual(await checkInvariants(place.parts), [])
  })
})

test('a push whose note a collection has taken is refused, and never becomes a blob whose bytes are being deleted', async () => {
  const deleted = Promise.withResolvers<void>()
  const wrapStore = withMethods((store) => ({
    async commitUpload(uploadId, key) {
      await store.commitUpload(uploadId, key)
      // The commit took longer than its note allows, and a collection is faster than its last step.
      place.clock.advance(2 * hourMs)
      await collectGarbage(place.registry, { signal })
      deleted.resolve()
    },
  }))
  await using place = await openTestRegistry({ on: 'files', wrapStore })
  await assert.rejects(
    pushBytes(place.registry, repositoryA, 'late'),
    (error) => error instanceof RegistryError && error.code === 'UNAVAILABLE',
  )
  await deleted.promise
  assert.deepEqual(await keysOf(place), [])
  assert.deepEqual(await checkInvariants(place.parts), [])
})

suite('the numbers of garbage collection', () => {
  test('tell what goes now, what later, what is read, what was freed', async () => {
    await using place = await openTestRegistry({ on: 'files', options: { trashWindowMs: 7 * 24 * hourMs } })
    const { registry, clock } = place
    const image = await putImage(registry, repositoryA, 'image', 'v1')
    await pushBytes(registry, repositoryA, 'nobody came')
    await mountBlob(registry, { repository: repositoryB, digest: image.layer, visibility: everything, actor: alice })
    const fresh = await readGarbageStatus(registry)
    assert.deepEqual(fresh.queue, { manifest: 0, link: 4, blob: 0 })
    assert.deepEqual(fresh.reclaimable, { now: { count: 0, bytes: 0 }, later: { count: 1, bytes: 11 } })
    assert.equal(fresh.oldestDueSeconds, 0)
    clock.advance(25 * hourMs)
    const due = await readGarbageStatus(registry)
    assert.deepEqual(due.reclaimable.now, { count: 1, bytes: 11 })
    assert.equal(Math.round(due.oldestDueSeconds), 3600)
    await collectGarbage(registry, { signal })
    const { leaving, queue } = await readGarbageStatus(registry)
    assert.deepEqual({ leaving, queue }, { leaving: { count: 1, bytes: 11 }, queue: { manifest: 0, link: 0, blob: 0 } })
    clock.advance(2 * hourMs)
    const over = await readGarbageStatus(registry)
    const counted = await collectGarbage(registry, { dryRun: true, signal })
    assert.deepEqual(
      over.reclaimable,
      { now: { count: 1, bytes: 11 }, later: { count: 1, bytes: 11 } },
      'what nobody reads any more goes now',
    )
    assert.deepEqual(over.leaving, { count: 0, bytes: 0 })
    assert.deepEqual([counted.keys, counted.freedBytes], [1, 11])
    await collectGarbage(registry, { signal })
    assert.deepEqual((await readGarbageStatus(registry)).reclaimable, { now: { count: 0, bytes: 0 }, later: { count: 0, bytes: 0 } })
    await deleteManifest(registry, repositoryA, image.digest, alice)
    const { freed, trash, isExact, lastRun } = await readGarbageStatus(registry)
    assert.deepEqual({ freed, isExact, lastRun }, { freed: { keys: 1, freedBytes: 11 }, isExact: true, lastRun: undefined })
    assert.equal(trash.count, 1)
    assert.ok(trash.bytes > 30)
  })
})
