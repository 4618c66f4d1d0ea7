import assert from 'node:assert/strict'
import { test } from 'node:test'
import { uploadKey, type BlobStore } from '#blobs/blob-store.ts'
import { digestOf } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { collectGarbage } from './collect-garbage.ts'
import { appendUpload, finishUpload, startUpload } from './push-blob.ts'
import type { Registry } from './registry.ts'
import { alice, bodyOf, noSignal, openTestRegistry, readBlob, repositoryA, withMethods } from './test-registry.ts'

test('what a failed commit left to be deleted is not taken from the next one, whose bytes are at the same key', async () => {
  let attempts = 0
  let registry: Registry | undefined
  const commitUpload =
    (store: BlobStore): BlobStore['commitUpload'] =>
    async (uploadId, key) => {
      attempts++
      if (attempts === 1) throw new RegistryError('UNAVAILABLE')
      await store.commitUpload(uploadId, key)
      // A collection comes between the bytes and their row.
      if (registry !== undefined) await collectGarbage(registry, { signal: noSignal })
    }
  await using opened = await openTestRegistry({
    wrapStore: withMethods((store) => ({ keyFor: uploadKey, commitUpload: commitUpload(store) })),
  })
  ;({ registry } = opened)
  const bytes = Buffer.from('the same key twice')
  const { uploadId } = await startUpload(registry, repositoryA, alice)
  const target = { repository: repositoryA, uploadId, actor: alice }
  await appendUpload(registry, target, bodyOf(bytes), { signal: noSignal })
  const finish = { digest: digestOf(bytes), body: bodyOf(), signal: noSignal }
  await assert.rejects(finishUpload(registry, target, finish))
  await finishUpload(registry, target, { ...finish, body: bodyOf() })
  await collectGarbage(registry, { signal: noSignal })
  assert.equal(attempts, 2)
  assert.deepEqual(await readBlob(registry, digestOf(bytes)), bytes)
})
