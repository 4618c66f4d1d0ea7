import assert from 'node:assert/strict'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { suite, test } from 'node:test'
import { S3Connection } from '#blobs/s3-requests.ts'
import { blobStoreSuite } from '../drivers/blob-store.suite.ts'
import { backendOptions, openS3, type S3Service } from '../drivers/s3-fixture.ts'
import { bytesOf, keyFor, uploadIds } from '../drivers/store-fixture.ts'
import { sendRequest } from '../support/http-client.ts'
import { loseAndRecover } from '../support/lost-database.ts'
import { migrateUnderFire, underFire } from '../support/migrating.ts'
import { digestOfBytes, pushImage, registryClient } from '../support/registry-client.ts'
import { makeBucket, startBerthOnS3 } from '../support/s3-place.ts'

const told = process.env['BERTH_TEST_RGW']
if (told === undefined) throw new Error('these tests need Ceph RGW: run `node scripts/test-s3.mjs`, which starts one')
const rgw = JSON.parse(told) as S3Service

blobStoreSuite('s3, Ceph RGW', () => openS3(rgw))

suite('Ceph RGW', () => {
  test('takes a part with a checksum that is wrong: the digest decides, not the store', async () => {
    const bucket = await makeBucket(rgw)
    await using connection = new S3Connection(backendOptions(rgw, bucket))
    const bytes = randomBytes(1_000)
    const headers = { 'x-amz-checksum-sha256': createHash('sha256').update('other').digest('base64') }
    const signal = new AbortController().signal
    await connection.ask({ method: 'PUT', key: 'a', headers, body: { pieces: [bytes], sizeBytes: 1_000 }, signal })
    await using berth = await startBerthOnS3(rgw)
    const client = registryClient(berth.url)
    const started = await client.send('/v2/rgw/app/blobs/uploads/', { method: 'POST', body: '' })
    const url = new URL(started.headers.location ?? '', berth.url)
    url.searchParams.set('digest', digestOfBytes(randomBytes(10)))
    const put = await client.send(`${url.pathname}${url.search}`, { method: 'PUT', body: bytes })
    assert.equal(put.status, 400)
  })

  test('a process that dies between its parts and their completion leaves an upload that another one finishes', async () => {
    const dead = await openS3(rgw)
    const { store, leftovers, cleanup } = await openS3(rgw, { bucket: dead.bucket })
    const bytes = randomBytes(70 * 1024 ** 2)
    const uploadId = randomUUID()
    const writer = await dead.store.openUpload(uploadId, 0)
    await writer.write(Uint8Array.from(bytes))
    const durable = (await store.statUpload(uploadId))?.sizeBytes ?? 0
    assert.ok(durable >= 64 * 1024 ** 2)
    {
      await using other = await store.openUpload(uploadId, durable)
      await other.write(bytes.subarray(durable))
      await other.sync()
    }
    const key = keyFor(store, uploadId, bytes)
    await store.commitUpload(uploadId, key)
    assert.ok(bytes.equals((await bytesOf(store, key))!))
    await assert.rejects(writer.sync())
    await store.delete([key])
    assert.deepEqual([await uploadIds(store), await leftovers?.()], [[], []])
    for (const each of [store, dead.store]) await each[Symbol.asyncDispose]()
    await cleanup()
    await dead.cleanup()
  })

  test(`moving a registry from a directory to the bucket ${underFire}`, () => migrateUnderFire(rgw))

  test('is not taken by an empty database, and gives back by recovery what was pushed', async () => {
    await using berth = await startBerthOnS3(rgw)
    await loseAndRecover(berth)
  })

  test('gives images to clients by presigned URLs, whole and by range', async () => {
    await using berth = await startBerthOnS3(rgw)
    const client = registryClient(berth.url)
    await pushImage(client, 'rgw/app', 'v1')
    const layer = randomBytes(20 * 1024 ** 2)
    const { digest } = await client.pushBlob('rgw/app', layer)
    const { status, headers } = await client.send(`/v2/rgw/app/blobs/${digest}`)
    assert.equal(status, 307)
    assert.ok(layer.equals((await sendRequest(headers.location ?? '')).body))
    const part = await sendRequest(headers.location ?? '', { headers: { range: 'bytes=5-9' } })
    assert.ok(part.status === 206 && layer.subarray(5, 10).equals(part.body))
    assert.equal((await sendRequest((headers.location ?? '').replace(/Signature=..../, 'Signature=0000'))).status, 403)
  })
})
