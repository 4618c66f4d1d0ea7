import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf, type Digest } from '#oci/digest.ts'
import { ociManifest } from '#oci/media-types.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Tag } from '#oci/reference.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { collectGarbage } from './collect-garbage.ts'
import { deleteBlob } from './delete-blob.ts'
import { deleteManifest, deleteTag } from './delete-manifest.ts'
import { mountBlob } from './mount-blob.ts'
import { statBlob } from './pull-blob.ts'
import { statManifest } from './pull-manifest.ts'
import { addAlias, emptyQueue } from './test-transactions.ts'
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
const nothing = { manifests: 0, links: 0, blobs: 0, keys: 0, freedBytes: 0, failedKeys: 0 }

suite('collecting garbage', () => {
  test('a blob that no manifest came for goes after its lease, and its bytes an hour later', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    const { registry, clock } = place
    const digest = await pushBytes(registry, repositoryA, 'nobody came')
    assert.deepEqual(await collectGarbage(registry, { signal }), nothing)
    clock.advance(23 * hourMs)
    assert.deepEqual(await collectGarbage(registry, { signal }), nothing)
    clock.advance(2 * hourMs)
    assert.deepEqual(await collectGarbage(registry, { signal, dryRun: true }), {
      manifests: 0,
      links: 1,
      blobs: 1,
      keys: 1,
      freedBytes: 11,
      failedKeys: 0,
    })
    assert.deepEqual(await collectGarbage(registry, { signal }), { ...nothing, links: 1, blobs: 1 })
    await assert.rejects(statBlob(registry, repositoryA, digest, alice), failsWith('BLOB_UNKNOWN'))
    assert.equal((await keysOf(place)).length, 1)
    assert.deepEqual(await checkInvariants(place.parts), [])
    clock.advance(2 * hourMs)
    assert.deepEqual(await collectGarbage(registry, { signal }), { ...nothing, keys: 1, freedBytes: 11, failedKeys: 0 })
    assert.deepEqual(await keysOf(place), [])
    assert.deepEqual(await collectGarbage(registry, { signal }), nothing)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('what a HEAD or a mount promised is kept for a whole lease', async () => {
    await using place = await openTestRegistry()
    const { registry, clock } = place
    const [one, two] = [await pushBytes(registry, repositoryA, 'one'), await pushBytes(registry, repositoryA, 'two')]
    clock.advance(23 * hourMs)
    await statBlob(registry, repositoryA, one, alice)
    await mountBlob(registry, { repository: repositoryB, digest: two, visibility: everything, actor: alice })
    clock.advance(23 * hourMs)
    assert.deepEqual(await collectGarbage(registry, { signal }), nothing)
    await putManifest(registry, repositoryA, imageOf({ config: one }), 'v1')
    await putManifest(registry, repositoryB, imageOf({ config: two }), 'v1')
    clock.advance(200 * hourMs)
    // Where it came from nothing ever needed it.
    assert.deepEqual(await collectGarbage(registry, { signal }), { ...nothing, links: 1 })
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('a HEAD of a referenced blob just before its manifest goes still holds for a lease', async () => {
    await using place = await openTestRegistry()
    const { registry, clock } = place
    const image = await putImage(registry, repositoryA, 'one', 'v1')
    clock.advance(24 * hourMs - 1_000)
    await statBlob(registry, repositoryA, image.layer, alice)
    await deleteManifest(registry, repositoryA, image.digest, alice)
    clock.advance(23 * hourMs)
    assert.deepEqual(await collectGarbage(registry, { signal }), nothing)
    await statBlob(registry, repositoryA, image.layer, alice)
    clock.advance(2 * hourMs)
    assert.equal((await collectGarbage(registry, { signal })).blobs, 1)
    await statBlob(registry, repositoryA, image.layer, alice)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('between the push of a blob and its manifest, the manifest is refused by name, and the blob comes back under a key of its own', async () => {
    await using place = await openTestRegistry({ on: 'files', options: { garbageDelayMs: 0 } })
    const { registry, clock } = place
    const config = await pushBytes(registry, repositoryA, '{}')
    const [oldKey] = await keysOf(place)
    assert.equal((await collectGarbage(registry, { signal })).blobs, 1)
    await assert.rejects(
      putManifest(registry, repositoryA, imageOf({ config }), 'v1'),
      failsWith('MANIFEST_BLOB_UNKNOWN', { digests: [config] }),
    )
    await pushBytes(registry, repositoryA, '{}')
    await putManifest(registry, repositoryA, imageOf({ config }), 'v1')
    assert.equal((await keysOf(place)).length, 2)
    clock.advance(2 * hourMs)
    assert.equal((await collectGarbage(registry, { signal })).keys, 1)
    const [newKey] = await keysOf(place)
    assert.notEqual(newKey, oldKey)
    assert.equal((await readBlob(registry, config)).toString(), '{}')
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('untagged manifests go only when asked, with what only they held; children, referrers and tagged ones stay', async () => {
    await using place = await openTestRegistry({ on: 'files', options: { garbageDelayMs: 0 } })
    const { registry } = place
    const child = await putImage(registry, repositoryA, 'child')
    const index = await putManifest(registry, repositoryA, indexOf([descriptor(child.digest, ociManifest)]), 'multi')
    const config = await pushBytes(registry, repositoryA, '{}')
    const referrer = await putManifest(registry, repositoryA, imageOf({ config, subject: descriptor(index.digest) }))
    const lost = await putManifest(registry, repositoryA, imageOf({ config, subject: descriptor(digestOf(Buffer.from('gone'))) }))
    const moved = await putImage(registry, repositoryA, 'moved', 'v1')
    const tagged = await putImage(registry, repositoryA, 'tagged', 'v1')
    assert.equal((await collectGarbage(registry, { signal })).manifests, 0)
    assert.equal((await collectGarbage(registry, { signal, dryRun: true, deleteUntagged: true })).manifests, 2)
    const report = await collectGarbage(registry, { signal, deleteUntagged: true, immediately: true })
    assert.deepEqual({ manifests: report.manifests, blobs: report.blobs, keys: report.keys }, { manifests: 2, blobs: 2, keys: 2 })
    const has = async (digest: Digest) =>
      statManifest(registry, repositoryA, { kind: 'digest', digest }, alice).then(
        () => true,
        () => false,
      )
    for (const kept of [child.digest, index.digest, referrer.digest, tagged.digest]) assert.ok(await has(kept))
    for (const gone of [lost.digest, moved.digest]) assert.ok(!(await has(gone)))
    assert.deepEqual(await checkInvariants(place.parts), [])
    await deleteTag(registry, repositoryA, 'multi' as Tag, alice)
    // The index, then the child and the referrer that it held.
    assert.equal((await collectGarbage(registry, { signal, deleteUntagged: true, immediately: true })).manifests, 3)
    assert.deepEqual((await keysOf(place)).length, 2)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('at once and for good: after a collection without waiting the store holds what the rows say', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    const { registry } = place
    const one = await putImage(registry, repositoryA, 'one', 'v1')
    await putImage(registry, repositoryA, 'two', 'v2')
    const single = await pushBytes(registry, repositoryB, 'single')
    await deleteBlob(registry, repositoryB, single, alice)
    await deleteManifest(registry, repositoryA, one.digest, alice)
    await collectGarbage(registry, { signal, immediately: true })
    assert.equal((await keysOf(place)).length, 2)
    assert.equal((await registry.metadata.reader.selectFrom('blob_deletions').select('id').execute()).length, 0)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('a key that another row uses outlives the row that goes', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    const { registry } = place
    const digest = await pushBytes(registry, repositoryA, 'adopted')
    const alias = digestOf(Buffer.from('adopted'), 'sha512')
    await registry.metadata.write(addAlias, { digest, alias })
    await putManifest(registry, repositoryA, imageOf({ config: alias }), 'v1')
    assert.equal((await collectGarbage(registry, { signal, immediately: true })).blobs, 1)
    assert.equal((await readBlob(registry, alias)).toString(), 'adopted')
    assert.equal((await registry.metadata.reader.selectFrom('blob_deletions').select('id').execute()).length, 0)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('a sweep finds what was never queued', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    await pushBytes(registry, repositoryA, 'forgotten')
    await putImage(registry, repositoryA, 'untagged')
    await putImage(registry, repositoryA, 'tagged', 'v1')
    await registry.metadata.write(emptyQueue, undefined)
    const options = { signal, immediately: true, deleteUntagged: true }
    assert.deepEqual(await collectGarbage(registry, { signal, immediately: true }), nothing)
    const found = { manifests: 1, links: 3, blobs: 3, keys: 3, freedBytes: 44, failedKeys: 0 }
    const counted = await collectGarbage(registry, { ...options, sweep: true, dryRun: true })
    // What only the untagged manifest holds is not counted before it is gone.
    assert.deepEqual(counted, { manifests: 1, links: 1, blobs: 1, keys: 1, freedBytes: 9, failedKeys: 0 })
    assert.deepEqual(await collectGarbage(registry, { ...options, sweep: true }), found)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('a key that cannot be deleted does not keep the others, and is tried again', async () => {
    let bad: string | undefined
    const wrapStore = withMethods((store) => ({
      async delete(keys) {
        if (keys.some((key) => key === bad)) throw new RegistryError('UNAVAILABLE')
        await store.delete(keys)
      },
    }))
    await using place = await openTestRegistry({ on: 'files', wrapStore })
    const { registry } = place
    for (let number = 0; number < 3; number++) await pushBytes(registry, repositoryA, `${number}`)
    bad = (await registry.metadata.reader.selectFrom('blobs').select('key').executeTakeFirstOrThrow()).key
    const failed: string[] = []
    const onFailed = (key: string, error: unknown) => failed.push(`${key} ${(error as RegistryError).code}`)
    assert.deepEqual(await collectGarbage(registry, { signal, immediately: true, onFailed }), {
      manifests: 0,
      links: 3,
      blobs: 3,
      keys: 2,
      freedBytes: 2,
      failedKeys: 1,
    })
    assert.deepEqual(failed, [`${bad} UNAVAILABLE`])
    assert.equal((await keysOf(place)).length, 1)
    assert.deepEqual(await checkInvariants(place.parts), [])
    bad = undefined
    assert.equal((await collectGarbage(registry, { signal, immediately: true })).keys, 1)
    assert.deepEqual(await keysOf(place), [])
  })

  test('stops when it is told to, and the next one goes on', async () => {
    await using place = await openTestRegistry({ options: { garbageDelayMs: 0 } })
    const { registry } = place
    for (let number = 0; number < 3; number++) await pushBytes(registry, repositoryA, `${number}`)
    await assert.rejects(collectGarbage(registry, { signal: AbortSignal.abort() }), { name: 'AbortError' })
    assert.equal((await collectGarbage(registry, { signal })).blobs, 3)
  })
})
