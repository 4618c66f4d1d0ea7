import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { BlobKey, BlobStore } from '#blobs/blob-store.ts'
import { blobsIn } from '#metadata/blob-places.ts'
import { digestOf, type Digest } from '#oci/digest.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { collectGarbage } from './collect-garbage.ts'
import { copyBlob, moveBlob } from './move-blobs.ts'
import { pullBlob, statBlob } from './pull-blob.ts'
import { appendUpload, finishUpload, startUpload } from './push-blob.ts'
import {
  alice,
  bodyOf,
  hourMs,
  noSignal,
  openTestRegistry,
  pushBytes,
  putImage,
  readBlob,
  repositoryA,
  repositoryB,
  sampleBytes,
  withMethods,
  type TestRegistry,
} from './test-registry.ts'
import { hasBytes, placeOf, storeNamed } from './test-stores.ts'
import { rewriteStore } from './test-transactions.ts'

const copying = { signal: noSignal, pace: async () => undefined }

async function openWith(other: BlobStore, options: Parameters<typeof openTestRegistry>[0] = {}): Promise<TestRegistry> {
  return openTestRegistry({ ...options, others: [other] })
}

async function movable({ registry }: TestRegistry, digest: Digest) {
  const { blobId } = await placeOf(registry, digest)
  const [blob] = await blobsIn(registry.metadata.reader, { store: registry.store.name, afterId: blobId - 1, throughId: blobId })
  assert.ok(blob !== undefined)
  return blob
}

async function collectAll({ registry }: TestRegistry): Promise<void> {
  await collectGarbage(registry, { signal: noSignal })
}

suite('moving a blob', () => {
  test('changes where its bytes are, and the former ones go when no pull can be reading them', async () => {
    const other = storeNamed('other')
    await using opened = await openWith(other)
    const { registry, clock, parts } = opened
    const bytes = sampleBytes(3_000_000)
    const digest = await pushBytes(registry, repositoryA, bytes)
    const before = await placeOf(registry, digest)
    assert.equal(await moveBlob(registry, await movable(opened, digest), other, copying), 'moved')
    const after = await placeOf(registry, digest)
    assert.deepEqual([after.store, after.state, after.placedAt !== null], ['other', 'live', true])
    assert.ok((await readBlob(registry, digest)).equals(bytes))
    await collectAll(opened)
    assert.deepEqual([await hasBytes(registry, before), await hasBytes(registry, after)], [true, true])
    clock.advance(2 * hourMs)
    await collectAll(opened)
    assert.deepEqual([await hasBytes(registry, before), await hasBytes(registry, after)], [false, true])
    assert.deepEqual(await checkInvariants(parts), [])
  })

  test('a pull that read the row before finds the blob where it is now, even where former bytes go at once', async () => {
    const other = storeNamed('other')
    let meet = async (_key: BlobKey) => undefined as void
    const slow = withMethods((store) => ({
      open: async (key, options) => {
        await meet(key)
        return store.open(key, options)
      },
      stat: async (key) => {
        await meet(key)
        return store.stat(key)
      },
    }))
    await using opened = await openWith(other, { wrapStore: slow, options: { readersDelayMs: 0 } })
    const { registry } = opened
    const bytes = sampleBytes(200_000)
    const moveAway = async (digest: Digest) => {
      const blob = await movable(opened, digest)
      meet = async () => {
        meet = async () => undefined
        assert.equal(await moveBlob(registry, blob, other, copying), 'moved')
        await registry.store.delete([blob.key as BlobKey])
      }
    }
    const digest = await pushBytes(registry, repositoryA, bytes)
    await moveAway(digest)
    assert.ok((await readBlob(registry, digest)).equals(bytes))
    const second = await pushBytes(registry, repositoryA, sampleBytes(200_001, 7))
    await moveAway(second)
    assert.equal((await statBlob(registry, repositoryA, second, alice)).sizeBytes, 200_001)
    assert.equal((await placeOf(registry, second)).state, 'live')
  })

  test('a blob that is deleted while it is copied stays deleted, and its copy goes', async () => {
    const other = storeNamed('other')
    await using opened = await openWith(other, { options: { garbageDelayMs: 0, readersDelayMs: 0 } })
    const { registry, clock, parts } = opened
    const digest = await pushBytes(registry, repositoryA, sampleBytes(100_000))
    const blob = await movable(opened, digest)
    const pace = async () => {
      clock.advance(1)
      await collectGarbage(registry, { signal: noSignal })
    }
    assert.equal(await moveBlob(registry, blob, other, { signal: noSignal, pace }), 'changed')
    clock.advance(1)
    await collectAll(opened)
    assert.deepEqual((await other.list({ limit: 10 })).keys, [])
    assert.deepEqual(await checkInvariants(parts), [])
  })

  test('bytes that are not the blob are never moved, and nothing of the copy stays', async () => {
    const other = storeNamed('other')
    const damaging = withMethods((store) => ({
      open: async (key, options) => {
        const open = await store.open(key, options)
        return open?.kind === 'bytes' ? { kind: 'bytes', bytes: Buffer.from(open.bytes).fill(1, 0, 1) } : open
      },
    }))
    await using opened = await openWith(other, { wrapStore: damaging })
    const digest = await pushBytes(opened.registry, repositoryA, sampleBytes(5_000))
    const blob = await movable(opened, digest)
    assert.equal(await moveBlob(opened.registry, blob, other, copying), 'wrong digest')
    assert.equal(await moveBlob(opened.registry, { ...blob, sizeBytes: 4_999 }, other, copying), 'wrong size')
    assert.equal(await moveBlob(opened.registry, { ...blob, key: 'blobs/none/none' }, other, copying), 'missing')
    const uploads = []
    for await (const each of other.listUploads()) uploads.push(each)
    assert.deepEqual([uploads, (await other.list({ limit: 10 })).keys], [[], []])
  })

  test('a copy that nobody makes true goes by its note, as after a kill', async () => {
    const other = storeNamed('other')
    await using opened = await openWith(other)
    const { registry, clock, parts } = opened
    const digest = await pushBytes(registry, repositoryA, sampleBytes(100_000))
    const copy = await copyBlob(registry, await movable(opened, digest), other, copying)
    assert.ok(typeof copy === 'object')
    assert.ok(await hasBytes(registry, copy.to))
    clock.advance(2 * hourMs)
    await collectAll(opened)
    assert.ok(!(await hasBytes(registry, copy.to)))
    assert.deepEqual(await checkInvariants(parts), [])
  })

  test('a target that fails leaves the blob as it was', async () => {
    const other = storeNamed('other', () => ({ commitUpload: () => Promise.reject(new Error('the target is away')) }))
    await using opened = await openWith(other)
    const digest = await pushBytes(opened.registry, repositoryA, sampleBytes(100_000))
    await assert.rejects(moveBlob(opened.registry, await movable(opened, digest), other, copying), /the target is away/)
    assert.equal((await placeOf(opened.registry, digest)).store, 'memory')
    assert.deepEqual(await checkInvariants(opened.parts), [])
  })
})

suite('blobs in several stores', () => {
  test('an upload goes on and ends in the store that it began in', async () => {
    const former = storeNamed('former')
    await using opened = await openWith(former)
    const { registry, parts } = opened
    const before = { ...registry, store: former, stores: { ...registry.stores, primary: former } }
    const bytes = sampleBytes(300_000)
    const { uploadId } = await startUpload(before, repositoryA, alice)
    const target = { repository: repositoryA, uploadId, actor: alice }
    await appendUpload(before, target, bodyOf(bytes.subarray(0, 100_000)), { signal: noSignal })
    registry.memory.uploads.drop(uploadId)
    const digest = await pushBytes(registry, repositoryB, 'another')
    const wanted = digestOf(bytes)
    await finishUpload(registry, target, { digest: wanted, body: bodyOf(bytes.subarray(100_000)), signal: noSignal })
    assert.deepEqual([(await placeOf(registry, wanted)).store, (await placeOf(registry, digest)).store], ['former', 'memory'])
    assert.ok((await readBlob(registry, wanted)).equals(bytes))
    assert.deepEqual(await checkInvariants(parts), [])
  })

  test('garbage is collected in whatever store it is', async () => {
    const other = storeNamed('other')
    await using opened = await openWith(other, { options: { garbageDelayMs: 0, readersDelayMs: 0 } })
    const { registry, clock } = opened
    const digest = await pushBytes(registry, repositoryA, sampleBytes(100_000))
    assert.equal(await moveBlob(registry, await movable(opened, digest), other, copying), 'moved')
    clock.advance(1)
    const dry = await collectGarbage(registry, { signal: noSignal, dryRun: true })
    assert.deepEqual([dry.blobs, dry.keys], [1, 2])
    await collectAll(opened)
    clock.advance(1)
    await collectAll(opened)
    assert.deepEqual([(await other.list({ limit: 10 })).keys, (await registry.store.list({ limit: 10 })).keys], [[], []])
  })

  test('a row of a store that this process does not know answers 503, and is no reason to give the blob up', async () => {
    await using opened = await openTestRegistry({ on: 'memory' })
    const { registry } = opened
    const { layer } = await putImage(registry, repositoryA, 'one', 'v1')
    const { blobId } = await placeOf(registry, layer)
    // As another node, with another configuration, says.
    await registry.metadata.write(rewriteStore, { blobId, store: 'elsewhere' })
    const isAway = { code: 'UNAVAILABLE' }
    await assert.rejects(pullBlob(registry, repositoryA, layer, alice), isAway)
    await assert.rejects(statBlob(registry, repositoryA, layer, alice), isAway)
    assert.equal((await placeOf(registry, layer)).state, 'live')
  })
})
