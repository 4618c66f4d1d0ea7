/** What a process that dies in the middle of a multipart upload leaves, of every object store whose double can be looked into. */
import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { RegistryError } from '#oci/errors.ts'
import { bytesOf, keyFor, upload, uploadIds, type OpenStore } from './store-fixture.ts'

/** A store on a double, more on the same bucket, and what the double holds of it. */
export interface CrashScene extends OpenStore {
  readonly double: {
    readonly buckets: ReadonlyMap<string, { readonly objects: Map<string, unknown>; readonly uploads: ReadonlyMap<string, unknown> }>
  }
  readonly bucket: string
  another(): Promise<OpenStore>
}

const mebibyte = 1024 ** 2
const isBusy = (error: unknown) => error instanceof RegistryError && error.code === 'BLOB_UPLOAD_BUSY'

/** Declares the tests; the store's names begin with `registry/`. */
export function testCrashes(scene: (run: (scene: CrashScene) => Promise<void>) => Promise<void>): void {
  test('a process that dies between its parts and their completion leaves an upload that goes on elsewhere', async () => {
    await scene(async ({ store, double, bucket, another }) => {
      const bytes = randomBytes(90 * mebibyte)
      const uploadId = randomUUID()
      const dead = await another()
      const writer = await dead.store.openUpload(uploadId, 0)
      for (let at = 0; at < bytes.length; at += mebibyte) await writer.write(bytes.subarray(at, at + mebibyte))
      // Nothing was synced: what counts is what the checkpoints say.
      const durable = (await store.statUpload(uploadId))?.sizeBytes ?? 0
      assert.equal(durable, 64 * mebibyte)
      {
        await using other = await store.openUpload(uploadId, durable)
        await other.write(bytes.subarray(durable))
        await other.sync()
        // The first one wakes up: it can neither go on nor take the upload away.
        await assert.rejects(writer.sync(), isBusy)
      }
      const key = keyFor(store, uploadId, bytes)
      await store.commitUpload(uploadId, key)
      assert.ok(bytes.equals((await bytesOf(store, key)) ?? Buffer.alloc(0)))
      await store.delete([key])
      assert.equal(double.buckets.get(bucket)?.uploads.size, 0)
    })
  })

  test('parts that a crash left without a state are listed for the janitor, and go', async () => {
    await scene(async ({ store, double, bucket, leftovers }) => {
      const uploadId = await upload(store, [randomBytes(20 * mebibyte)])
      double.buckets.get(bucket)?.objects.delete(`registry/uploads/${uploadId}`)
      assert.deepEqual(await uploadIds(store), [uploadId])
      await store.abortUpload(uploadId)
      assert.deepEqual(await leftovers?.(), [])
    })
  })
}
