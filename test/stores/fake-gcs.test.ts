import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ObjectError } from '#blobs/object-backend.ts'
import { gcsBackend, makeGcsBucket, openGcs, type GcsService } from '../drivers/gcs-fixture.ts'
import { bytesOf, put, upload, uploadBytes } from '../drivers/store-fixture.ts'

import { startBerthOnCloud } from '../support/cloud-place.ts'
import { pushAndPull } from '../support/cloud-registry.ts'

const told = process.env['BERTH_TEST_FAKE_GCS']
if (told === undefined) throw new Error('these tests need fake-gcs-server: run `node scripts/test-stores.mjs`, which starts one')
const fake = JSON.parse(told) as GcsService
const signal = new AbortController().signal
const pieces = (text: string) => ({ pieces: [Buffer.from(text)], sizeBytes: Buffer.byteLength(text) })

// It has no multipart uploads: what needs them is checked on the double alone (test/drivers/gcs.test.ts).
suite('Google Cloud Storage as fake-gcs-server has it', () => {
  test('objects are written, read whole and by range, measured, listed in pages and removed', async () => {
    await using backend = gcsBackend(fake, await makeGcsBucket(fake))
    for (const name of ['blobs/u/aa/1', 'blobs/u/aa/2 +ü', 'blobs/u/bb/3', 'uploads/x'])
      await backend.put(name, pieces(`bytes of ${name}`), { signal })
    const found = await backend.get('blobs/u/aa/2 +ü', { range: { start: 9, end: 12 }, signal })
    assert.equal(found?.sizeBytes, Buffer.byteLength('bytes of blobs/u/aa/2 +ü'))
    assert.equal((await found?.body.toArray())?.join(''), 'blob')
    assert.deepEqual((await backend.head('uploads/x', signal))?.sizeBytes, 18)
    const first = await backend.list({ prefix: 'blobs/', limit: 2 }, signal)
    const second = await backend.list({ prefix: 'blobs/', limit: 2, after: first.next }, signal)
    assert.deepEqual(
      [...first.objects, ...second.objects].map(({ name }) => name),
      ['blobs/u/aa/1', 'blobs/u/aa/2 +ü', 'blobs/u/bb/3'],
    )
    await backend.remove(['blobs/u/aa/1', 'blobs/u/aa/2 +ü', 'blobs/u/bb/3', 'uploads/x', 'uploads/never'], signal)
    assert.deepEqual(await backend.list({ prefix: '', limit: 10 }, signal), { objects: [], next: undefined })
    assert.deepEqual([await backend.head('uploads/x', signal), await backend.get('uploads/x', { signal })], [undefined, undefined])
  })

  test('a write is made only where its condition holds', async () => {
    await using backend = gcsBackend(fake, await makeGcsBucket(fake))
    const isConflict = (error: unknown) => error instanceof ObjectError && error.fault === 'conflict'
    const etag = await backend.put('uploads/a', pieces('one'), { condition: { isAbsent: true }, signal })
    await assert.rejects(backend.put('uploads/a', pieces('two'), { condition: { isAbsent: true }, signal }), isConflict)
    const later = await backend.put('uploads/a', pieces('three'), { condition: { etag }, signal })
    await assert.rejects(backend.put('uploads/a', pieces('four'), { condition: { etag }, signal }), isConflict)
    assert.equal((await backend.head('uploads/a', signal))?.etag, later)
  })

  test('uploads below the size of a part are kept, gone on with, read back, committed and aborted', async () => {
    const { store, cleanup } = await openGcs(fake)
    const uploadId = await upload(store, [Buffer.from('abc')])
    {
      await using writer = await store.openUpload(uploadId, 3)
      await writer.write(Buffer.from('def'))
      await writer.sync()
    }
    assert.equal((await uploadBytes(store, uploadId)).toString(), 'abcdef')
    const key = await put(store, Buffer.alloc(1_000_000, 'x'))
    assert.equal((await bytesOf(store, key))?.length, 1_000_000)
    await store.delete([key])
    await store.abortUpload(uploadId)
    assert.equal(await store.statUpload(uploadId), undefined)
    await store[Symbol.asyncDispose]()
    await cleanup()
  })
})

suite('a registry on fake-gcs-server', () => {
  test('takes and gives images; without a key that signs, the bytes pass through it', async () => {
    const gcs = { bucket: await makeGcsBucket(fake), endpoint: fake.endpoint, anonymous: true }
    await using berth = await startBerthOnCloud({ gcs })
    await pushAndPull(berth, { layerBytes: 3_000_000, isRedirected: false })
  })
})
