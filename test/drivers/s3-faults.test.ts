import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import { startS3Double, type Faults, type S3Double } from '../support/s3-double.ts'
import { openS3, type S3Variation } from './s3-fixture.ts'
import { testCrashes } from './object-crash.suite.ts'
import { bytesOf, keyFor, put, upload, uploadBytes, uploadIds, type OpenStore } from './store-fixture.ts'

const mebibyte = 1024 ** 2
const withCode = (code: string) => (error: unknown) => error instanceof RegistryError && error.code === code

/** Pauses pass in a hundredth of their time, and what is waited for a while in a part of it. */
function hurried(patience: number): Ports {
  const { timers } = systemPorts
  return {
    ...systemPorts,
    timers: {
      ...timers,
      after: (delayMs, callback) => timers.after(delayMs * patience, callback),
      sleep: (delayMs, signal) => timers.sleep(delayMs / 100, signal),
    },
  }
}

interface Scene extends OpenStore {
  readonly double: S3Double
  readonly bucket: string
  another(): Promise<OpenStore>
}

async function scene(run: (scene: Scene) => Promise<void>, variation: S3Variation = {}): Promise<void> {
  await using double = await startS3Double()
  const hurry = { ...variation, store: { ports: hurried(1), ...variation.store } }
  const opened = await openS3(double, hurry)
  const others: OpenStore[] = []
  const another = async () => {
    const other = await openS3(double, { ...hurry, bucket: opened.bucket })
    others.push(other)
    return other
  }
  try {
    await run({ ...opened, double, another })
    assert.deepEqual(double.refused, [], 'a strict service refuses none of our requests')
  } finally {
    for (const each of [...others, opened]) {
      await each.store[Symbol.asyncDispose]()
      double.faults.once = () => undefined
      double.faults.busyPercent = 0
      await each.cleanup()
    }
  }
}

/** Does it to the first requests of this kind. */
function toFirst(operation: string, what: ReturnType<NonNullable<Faults['once']>>, times = 1): NonNullable<Faults['once']> {
  let left = times
  return (seen) => (seen.operation === operation && left-- > 0 ? what : undefined)
}

suite('a bad day of an object store', () => {
  for (const percent of [5, 30]) {
    test(`${percent} % of requests answered "slow down" are repeated: pushes and pulls come to their end`, async () => {
      await scene(async ({ store, double }) => {
        double.faults.busyPercent = percent
        for (const sizeBytes of [0, 1_000, 3_000_000, 20_000_000]) {
          const bytes = randomBytes(sizeBytes)
          const key = await put(store, bytes)
          assert.ok(bytes.equals((await bytesOf(store, key))!))
          await store.delete([key])
        }
      })
    })
  }

  test('a store that is away costs clients a bounded wait, is left alone then, and is found again when it is back', async () => {
    await scene(async ({ store, double }) => {
      const key = await put(store, Buffer.from('abc'))
      double.faults.busyPercent = 100
      for (let count = 0; count < 4; count++) await assert.rejects(store.stat(key), withCode('UNAVAILABLE'))
      const before = double.seen.length
      await Promise.all(Array.from({ length: 50 }, () => assert.rejects(store.stat(key), withCode('UNAVAILABLE'))))
      assert.ok(double.seen.length - before < 50, `${double.seen.length - before} requests for 50 callers`)
      double.faults.busyPercent = 0
      await systemPorts.timers.sleep(2_100)
      assert.deepEqual(await store.stat(key), { sizeBytes: 3 })
      await store.delete([key])
    })
  })

  for (const what of ['hang', 'cut'] as const) {
    test(`a body that ${what === 'hang' ? 'stops after its headers' : 'is cut in its middle'} is asked for again from where it ended`, async () => {
      await scene(
        async ({ store, double }) => {
          const bytes = randomBytes(3_000_000)
          const key = await put(store, bytes)
          double.faults.once = toFirst('GET object', what, 2)
          assert.ok(bytes.equals((await bytesOf(store, key))!))
          const ranges = double.seen.filter(({ operation }) => operation === 'GET object').map(({ headers }) => headers.range)
          assert.equal(ranges.length, 3)
          if (what === 'cut') assert.equal(ranges[1], 'bytes=1500000-2999999')
          double.faults.once = toFirst('GET object', what, 2)
          const small = await put(store, Buffer.from('small'))
          const open = await store.open(small, { direct: true, expectedBytes: 5 })
          assert.ok(open?.kind === 'bytes' && Buffer.from(open.bytes).equals(Buffer.from('small')))
          await store.delete([key, small])
        },
        { store: { ports: hurried(0.05) } },
      )
    })
  }

  test('an object that changed under a pull ends it: bytes of two are never put together', async () => {
    await scene(async ({ store, double, bucket }) => {
      const key = await put(store, randomBytes(3_000_000))
      double.faults.once = (seen) => {
        if (seen.operation !== 'GET object') return undefined
        const found = double.buckets.get(bucket)?.objects
        queueMicrotask(() => found?.set(`registry/${key}`, { bytes: randomBytes(3_000_000), etag: '"other"', modifiedAt: 0 }))
        return 'cut'
      }
      await assert.rejects(bytesOf(store, key))
      await store.delete([key])
    })
  })

  testCrashes(scene)

  for (const what of ['error in 200', 'lose'] as const) {
    test(`a completion answered with ${what === 'lose' ? 'nothing' : 'an error in a 200'} is done once, whatever its answer`, async () => {
      await scene(async ({ store, double }) => {
        const bytes = randomBytes(20 * mebibyte)
        const uploadId = await upload(store, [bytes])
        double.faults.once = toFirst('POST upload', what)
        const key = keyFor(store, uploadId, bytes)
        await store.commitUpload(uploadId, key)
        await store.commitUpload(uploadId, key)
        assert.ok(bytes.equals((await bytesOf(store, key))!))
        await store.delete([key])
      })
    })
  }

  test('an answer that is lost to any request of a push or a pull changes nothing', async () => {
    for (const operation of ['PUT object', 'POST uploads', 'PUT part', 'HEAD object', 'DELETE object', 'GET object']) {
      await scene(async ({ store, double, leftovers }) => {
        double.faults.once = toFirst(operation, 'lose')
        for (const bytes of [randomBytes(1_000), randomBytes(20 * mebibyte)]) {
          const key = await put(store, bytes)
          assert.ok(bytes.equals((await bytesOf(store, key))!), operation)
          await store.delete([key])
        }
        // A start whose answer was lost leaves a multipart upload without an upload: the janitor's.
        for (const id of await uploadIds(store)) await store.abortUpload(id)
        assert.deepEqual(await leftovers?.(), [], operation)
      })
    }
  })

  test('a listing that does not show what was just written changes nothing: nobody relies on one', async () => {
    await scene(async ({ store, double, another }) => {
      const bytes = randomBytes(20 * mebibyte)
      const other = (await another()).store
      const uploadId = await upload(store, [bytes.subarray(0, 9 * mebibyte)])
      {
        await using writer = await other.openUpload(uploadId, 9 * mebibyte)
        await writer.write(bytes.subarray(9 * mebibyte))
        await writer.sync()
      }
      await store.statUpload(uploadId)
      assert.ok(bytes.equals(await uploadBytes(store, uploadId)))
      const key = keyFor(store, uploadId, bytes)
      await other.commitUpload(uploadId, key)
      assert.ok(bytes.equals((await bytesOf(store, key))!))
      await other.delete([key])
      const listings = double.seen.filter(({ operation }) => operation === 'GET list' || operation === 'GET uploads')
      assert.deepEqual(listings, [])
    })
  })

  test('a quota of the store is a full disk: the upload stays, and goes on when there is room', async () => {
    await scene(async ({ store, double }) => {
      const first = randomBytes(1_000)
      const uploadId = await upload(store, [Uint8Array.from(first)])
      const writer = await store.openUpload(uploadId, 1_000)
      double.faults.once = (seen) => (seen.operation.startsWith('PUT') ? 'quota' : undefined)
      await writer.write(randomBytes(1_000))
      await assert.rejects(writer.sync(), withCode('STORAGE_FULL'))
      await writer[Symbol.asyncDispose]()
      double.faults.once = () => undefined
      assert.deepEqual(await store.statUpload(uploadId), { sizeBytes: 1_000 })
      {
        await using again = await store.openUpload(uploadId, 1_000)
        await again.write(randomBytes(1_000))
        await again.sync()
      }
      assert.deepEqual(await store.statUpload(uploadId), { sizeBytes: 2_000 })
      await store.abortUpload(uploadId)
    })
  })

  test('many slow uploads hold no more memory than the buffer has: what they sent waits in the store', async () => {
    await scene(
      async ({ store, double }) => {
        const bodies = Array.from({ length: 12 }, () => randomBytes(8 * mebibyte))
        const writers = await Promise.all(
          bodies.map(async (bytes, index) => ({ bytes, id: `slow-${index}`, writer: await store.openUpload(`slow-${index}`, 0) })),
        )
        for (let at = 0; at < 8 * mebibyte; at += mebibyte)
          for (const { bytes, writer } of writers) await writer.write(bytes.subarray(at, at + mebibyte))
        const sent = [...double.buckets.values()].flatMap(({ objects, uploads }) => [
          ...[...objects.values()].map(({ bytes }) => bytes.length),
          ...[...uploads.values()].flatMap(({ parts }) => [...parts.values()].map(({ bytes }) => bytes.length)),
        ])
        const stored = sent.reduce((sum, each) => sum + each, 0)
        assert.ok(stored >= (12 * 8 - 33) * mebibyte, `${stored} bytes are in the store`)
        for (const { bytes, id, writer } of writers) {
          await writer.sync()
          await writer[Symbol.asyncDispose]()
          const key = keyFor(store, id, bytes)
          await store.commitUpload(id, key)
          const hash = createHash('sha256')
            .update((await bytesOf(store, key))!)
            .digest('hex')
          assert.equal(hash, createHash('sha256').update(bytes).digest('hex'))
          await store.delete([key])
        }
      },
      { store: { bufferBytes: 32 * mebibyte } },
    )
  })

  test('parts double after each thousand, so that ten thousand hold five terabytes', async () => {
    const { partBytes } = await import('#blobs/object-writer.ts')
    const limits = { minimumBytes: 5 * mebibyte, maximumBytes: 5 * 1024 * mebibyte, maximumParts: 10_000, usualBytes: 16 * mebibyte }
    let sum = 0
    for (let number = 1; number <= 10_000; number++) sum += partBytes(limits, number)
    assert.ok(sum >= 5e12)
    assert.equal(partBytes(limits, 1_000), 16 * mebibyte)
    assert.equal(partBytes(limits, 1_001), 32 * mebibyte)
  })
})
