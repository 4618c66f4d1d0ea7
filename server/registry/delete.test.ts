import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf } from '#oci/digest.ts'
import { ociManifest } from '#oci/media-types.ts'
import type { Tag } from '#oci/reference.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { collectGarbage } from './collect-garbage.ts'
import { deleteBlob } from './delete-blob.ts'
import { deleteManifest, deleteTag } from './delete-manifest.ts'
import { deleteRepository } from './delete-repository.ts'
import { listRepositories } from './list-repositories.ts'
import { listTags } from './list-tags.ts'
import { pullManifest } from './pull-manifest.ts'
import { statBlob } from './pull-blob.ts'
import { appendUpload, startUpload, statUpload } from './push-blob.ts'
import {
  alice,
  bodyOf,
  descriptor,
  failsWith,
  imageOf,
  indexOf,
  keysOf,
  noSignal,
  openTestRegistry,
  pushBytes,
  putImage,
  putManifest,
  repositoryA,
  repositoryB,
  uploadsOf,
} from './test-registry.ts'

const signal = noSignal
const v1 = 'v1' as Tag
const everything = { kind: 'everything' } as const

suite('deleting', () => {
  test('a blob that a manifest of the repository needs stays, and the answer names the manifests', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    const image = await putImage(registry, repositoryA, 'one', 'v1')
    await pushBytes(registry, repositoryB, 'layer of one')
    await assert.rejects(deleteBlob(registry, repositoryA, image.layer, alice), failsWith('BLOB_IN_USE', { manifests: [image.digest] }))
    await deleteBlob(registry, repositoryB, image.layer, alice)
    await assert.rejects(statBlob(registry, repositoryB, image.layer, alice), failsWith('BLOB_UNKNOWN'))
    await statBlob(registry, repositoryA, image.layer, alice)
    await assert.rejects(deleteBlob(registry, repositoryB, image.layer, alice), failsWith('BLOB_UNKNOWN'))
    await assert.rejects(deleteBlob(registry, 'nobody' as typeof repositoryA, image.layer, alice), failsWith('NAME_UNKNOWN'))
    await deleteManifest(registry, repositoryA, image.digest, alice)
    await deleteBlob(registry, repositoryA, image.layer, alice)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('of many manifests in the way the answer names ten', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    const config = await pushBytes(registry, repositoryA, '{}')
    for (let number = 0; number < 12; number++)
      await putManifest(registry, repositoryA, imageOf({ config, annotations: { number: `${number}` } }))
    await assert.rejects(deleteBlob(registry, repositoryA, config, alice), (error: { detail?: { manifests?: string[] } }) => {
      assert.equal(error.detail?.manifests?.length, 10)
      return true
    })
  })

  test('a manifest goes with all its tags, a tag goes alone', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    const one = await putImage(registry, repositoryA, 'one', 'a', 'b', 'c')
    const two = await putImage(registry, repositoryA, 'two', 'd')
    await deleteTag(registry, repositoryA, 'd' as Tag, alice)
    await pullManifest(registry, repositoryA, { kind: 'digest', digest: two.digest }, alice)
    await assert.rejects(deleteTag(registry, repositoryA, 'd' as Tag, alice), failsWith('MANIFEST_UNKNOWN'))
    await deleteManifest(registry, repositoryA, one.digest, alice)
    assert.deepEqual((await listTags(registry, repositoryA)).tags, [])
    await assert.rejects(deleteManifest(registry, repositoryA, one.digest, alice), failsWith('MANIFEST_UNKNOWN'))
    await assert.rejects(deleteManifest(registry, repositoryB, one.digest, alice), failsWith('NAME_UNKNOWN'))
    await assert.rejects(deleteTag(registry, repositoryB, 'a' as Tag, alice), failsWith('NAME_UNKNOWN'))
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('a child of an index may go; the index stays', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    const image = await putImage(registry, repositoryA, 'one')
    await putManifest(registry, repositoryA, indexOf([descriptor(image.digest, ociManifest)]), 'v1')
    await deleteManifest(registry, repositoryA, image.digest, alice)
    await pullManifest(registry, repositoryA, { kind: 'tag', tag: v1 }, alice)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('a repository goes with everything in it, and its name is free again', async () => {
    await using place = await openTestRegistry({ on: 'files', options: { garbageDelayMs: 0 } })
    const { registry } = place
    for (let number = 0; number < 5; number++) await putImage(registry, repositoryA, `${number}`, `v${number}`)
    const kept = await putImage(registry, repositoryB, '0', 'kept')
    const { uploadId } = await startUpload(registry, repositoryA, alice)
    const target = { repository: repositoryA, uploadId, actor: alice }
    await appendUpload(registry, target, bodyOf('half'), { signal })
    await deleteRepository(registry, repositoryA, alice)
    await assert.rejects(listTags(registry, repositoryA), failsWith('NAME_UNKNOWN'))
    await assert.rejects(statUpload(registry, target), failsWith('BLOB_UPLOAD_UNKNOWN'))
    await assert.rejects(deleteRepository(registry, repositoryA, alice), failsWith('NAME_UNKNOWN'))
    assert.deepEqual(await uploadsOf(place), [])
    assert.deepEqual((await listRepositories(registry, everything, { n: 10 })).names, [repositoryB])
    assert.deepEqual(await checkInvariants(place.parts), [])
    await collectGarbage(registry, { signal, immediately: true })
    assert.equal((await keysOf(place)).length, 2)
    await statBlob(registry, repositoryB, kept.layer, alice)
    await putImage(registry, repositoryA, 'again', 'v1')
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('a deletion of a repository that a crash interrupted is out of sight, and ends with the next collection', async () => {
    const place = await openTestRegistry({ on: 'disk' })
    const { registry } = place
    await putImage(registry, repositoryA, 'one', 'v1')
    const dying = {
      ...registry,
      metadata: new Proxy(registry.metadata, {
        get(target, property) {
          if (property !== 'write') return Reflect.get(target, property, target) as unknown
          return (definition: { name: string }, input: unknown) => {
            if (definition.name === 'delete-repository/empty') return Promise.reject(new Error('the process dies here'))
            return target.write(definition as Parameters<typeof target.write>[0], input)
          }
        },
      }),
    }
    await assert.rejects(deleteRepository(dying, repositoryA, alice))
    await using after = await place.restart()
    await assert.rejects(listTags(after.registry, repositoryA), failsWith('NAME_UNKNOWN'))
    assert.deepEqual((await listRepositories(after.registry, everything, { n: 10 })).names, [])
    await putImage(after.registry, repositoryA, 'two', 'v2')
    assert.deepEqual(await checkInvariants(after.parts), [])
    await collectGarbage(after.registry, { signal, immediately: true })
    assert.equal((await after.registry.metadata.reader.selectFrom('repositories').select('id').execute()).length, 1)
    assert.deepEqual((await listTags(after.registry, repositoryA)).tags, ['v2'])
    assert.deepEqual(await checkInvariants(after.parts), [])
  })

  test('no form of delete works where deletes are off, or the registry is read-only', async () => {
    for (const options of [{ deleteEnabled: false }, { readOnly: true }]) {
      await using place = await openTestRegistry({ options })
      const { registry } = place
      const digest = digestOf(Buffer.from('x'))
      await assert.rejects(deleteBlob(registry, repositoryA, digest, alice), failsWith('UNSUPPORTED'))
      await assert.rejects(deleteManifest(registry, repositoryA, digest, alice), failsWith('UNSUPPORTED'))
      await assert.rejects(deleteTag(registry, repositoryA, v1, alice), failsWith('UNSUPPORTED'))
      await assert.rejects(deleteRepository(registry, repositoryA, alice), failsWith('UNSUPPORTED'))
    }
  })
})
