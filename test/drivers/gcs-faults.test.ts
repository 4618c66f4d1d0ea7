import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { ObjectError } from '#blobs/object-backend.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { startGcsDouble, type GcsDouble, type GcsFaults } from '../support/gcs-double.ts'
import { gcsBackend, makeGcsBucket, openGcs } from './gcs-fixture.ts'
import { testCrashes } from './object-crash.suite.ts'
import { bytesOf, put, uploadIds, type OpenStore } from './store-fixture.ts'

const mebibyte = 1024 ** 2
const signal = new AbortController().signal

/** Pauses between attempts pass in a hundredth of their time. */
const hurried: Ports = {
  ...systemPorts,
  timers: { ...systemPorts.timers, sleep: (delayMs, until) => systemPorts.timers.sleep(delayMs / 100, until) },
}

interface Scene extends OpenStore {
  readonly double: GcsDouble
  readonly bucket: string
  another(): Promise<OpenStore>
}

async function scene(run: (scene: Scene) => Promise<void>): Promise<void> {
  await using double = await startGcsDouble()
  const opened = await openGcs(double, { store: { ports: hurried } })
  const all: OpenStore[] = [opened]
  const another = async () => {
    const other = await openGcs(double, { bucket: opened.bucket, store: { ports: hurried } })
    all.push(other)
    return other
  }
  try {
    await run({ ...opened, double, another })
    assert.deepEqual(double.refused, [], 'a strict service refuses none of our requests')
  } finally {
    for (const { store, cleanup } of all) {
      await store[Symbol.asyncDispose]()
      await cleanup()
    }
  }
}

/** Does it to the first request of this kind. */
function toFirst(operation: string, what: ReturnType<NonNullable<GcsFaults['once']>>): NonNullable<GcsFaults['once']> {
  let isDone = false
  return (seen) => {
    if (isDone || seen !== operation) return undefined
    isDone = true
    return what
  }
}

suite('a bad day of Google Cloud Storage', () => {
  test('an answer that is lost, or a token that ended, changes nothing about any request of a push or a pull', async () => {
    for (const what of ['lose', 'expired'] as const)
      for (const operation of ['POST insert', 'POST uploads', 'PUT part', 'POST upload', 'GET object', 'DELETE object']) {
        await scene(async ({ store, double, leftovers }) => {
          double.faults.once = toFirst(operation, what)
          for (const bytes of [randomBytes(1_000), randomBytes(20 * mebibyte)]) {
            const key = await put(store, bytes)
            assert.ok(bytes.equals((await bytesOf(store, key)) ?? Buffer.alloc(0)), operation)
            await store.delete([key])
          }
          // A start whose answer was lost leaves a multipart upload without an upload: the janitor's.
          for (const id of await uploadIds(store)) await store.abortUpload(id)
          assert.deepEqual(await leftovers?.(), [], operation)
        })
      }
  })

  test('30 % of requests answered "slow down" are repeated: pushes and pulls come to their end', async () => {
    await scene(async ({ store, double }) => {
      double.faults.busyPercent = 30
      for (const sizeBytes of [0, 1_000, 3_000_000, 20_000_000]) {
        const bytes = randomBytes(sizeBytes)
        const key = await put(store, bytes)
        assert.ok(bytes.equals((await bytesOf(store, key)) ?? Buffer.alloc(1)))
        await store.delete([key])
      }
      double.faults.busyPercent = 0
    })
  })

  test('a body that is cut in its middle is asked for again from where it ended', async () => {
    await scene(async ({ store, double }) => {
      const bytes = randomBytes(3_000_000)
      const key = await put(store, bytes)
      double.faults.once = toFirst('GET object', 'cut')
      assert.ok(bytes.equals((await bytesOf(store, key)) ?? Buffer.alloc(0)))
      await store.delete([key])
    })
  })

  test('an object that changed under a pull ends it: bytes of two are never put together', async () => {
    await scene(async ({ store, double, bucket }) => {
      const key = await put(store, randomBytes(3_000_000))
      const open = await store.open(key, { direct: true })
      const objects = double.buckets.get(bucket)?.objects
      objects?.set(`registry/${key}`, { bytes: randomBytes(3_000_000), generation: '7', updated: new Date().toISOString() })
      assert.ok(open?.kind === 'stream')
      await assert.rejects(open.read(0, 2_999_999, signal))
      await store.delete([key])
    })
  })

  testCrashes(scene)

  test('a bucket that is not there, and a key that is not the account’s, are refusals and not absence', async () => {
    await using double = await startGcsDouble()
    await using other = await startGcsDouble()
    const isRefused = (error: unknown) => error instanceof ObjectError && error.fault !== 'absent' && error.fault !== 'conflict'
    await using nowhere = gcsBackend(double, 'no-such-bucket')
    await assert.rejects(nowhere.head('a', signal), isRefused)
    await assert.rejects(nowhere.get('a', { signal }), isRefused)
    await assert.rejects(nowhere.startMultipart('a', signal), isRefused)
    await using stranger = gcsBackend({ endpoint: double.endpoint, account: other.account }, await makeGcsBucket(double))
    await assert.rejects(stranger.head('a', signal), isRefused)
  })
})
