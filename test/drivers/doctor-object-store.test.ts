import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Config, S3Config } from '#config/config.ts'
import { checkObjectStore } from '#features/doctor-object-store.ts'
import { systemPorts } from '#lib/ports.ts'
import { startS3Double } from '../support/s3-double.ts'
import { makeBucket } from '../support/s3-place.ts'

test('the doctor writes, reads, signs and removes an object, leaves nothing, and says what an object store does not do', async () => {
  await using double = await startS3Double()
  const bucket = await makeBucket(double)
  const { endpoint, accessKeyId, secretAccessKey } = double
  const s3: S3Config = {
    bucket,
    region: 'us-east-1',
    endpoint,
    publicEndpoint: undefined,
    isPathStyle: true,
    credentials: { accessKeyId, secretAccessKey, sessionToken: undefined },
    prefix: 'registry/',
    partBytes: 16 * 1024 ** 2,
    storageClass: undefined,
    encryption: undefined,
    objectAcl: undefined,
    skipVerify: false,
    userAgent: undefined,
  }
  const examine = async (change: Partial<S3Config> = {}) => {
    const storage = { driver: 's3', s3: { ...s3, ...change } }
    const [found] = await checkObjectStore({ config: { storage } as unknown as Config, ports: systemPorts })
    return `${found?.verdict}: ${found?.message}`
  }
  assert.equal(await examine(), 'ok: the object store (s3) takes, gives and removes objects')
  assert.equal(double.buckets.get(bucket)?.objects.size, 0)
  assert.match(await examine({ bucket: 'no-such-bucket' }), /^problem: .*404 NoSuchBucket/)
  const wrong = { accessKeyId, secretAccessKey: 'hunter2', sessionToken: undefined }
  assert.match(await examine({ credentials: wrong }), /^problem: .*403 SignatureDoesNotMatch(?!.*hunter2)/)
})
