import assert from 'node:assert/strict'
import { appendFile, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { digestOf } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { collectGarbage } from './collect-garbage.ts'
import { statBlob } from './pull-blob.ts'
import { purgeUploads } from './purge-uploads.ts'
import { abandonUpload, appendUpload, finishUpload, pushWholeBlob, startUpload, statUpload } from './push-blob.ts'
import type { Actor, Registry } from './registry.ts'
import {
  alice,
  bodyOf,
  failsWith,
  hourMs,
  keysOf,
  noSignal,
  openTestRegistry,
  pushBytes,
  readBlob,
  repositoryA,
  repositoryB,
  sampleBytes,
  uploadsOf,
  withMethods,
} from './test-registry.ts'

const signal = noSignal

async function start(registry: Registry, actor: Actor = alice, repository: RepositoryName = repositoryA) {
  const { uploadId } = await startUpload(registry, repository, actor)
  return { repository, uploadId, actor }
}

suite('an upload over a restart', () => {
  test('goes on with the digest of its row when nothing more came', async () => {
    const bytes = sampleBytes(40_000)
    const before = await openTestRegistry({ on: 'disk' })
    const target = await start(before.registry)
    await appendUpload(before.registry, target, bodyOf(bytes), { signal })
    await using place = await before.restart()
    assert.equal((await statUpload(place.registry, target)).offsetBytes, 40_000)
    await finishUpload(place.registry, target, { digest: digestOf(bytes), body: bodyOf(), signal })
    assert.deepEqual(await readBlob(place.registry, digestOf(bytes)), bytes)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('goes on with more bytes, hashed again from the store', async () => {
    const bytes = sampleBytes(40_000)
    const before = await openTestRegistry({ on: 'disk' })
    const target = await start(before.registry)
    await appendUpload(before.registry, target, bodyOf(bytes.subarray(0, 25_000)), { signal })
    await using place = await before.restart()
    await appendUpload(place.registry, target, bodyOf(bytes.subarray(25_000, 30_000)), { signal, range: { start: 25_000, end: 29_999 } })
    await finishUpload(place.registry, target, { digest: digestOf(bytes), body: bodyOf(bytes.subarray(30_000)), signal })
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('counts the bytes that came before the crash and that no row tells of', async () => {
    const bytes = sampleBytes(40_000)
    const before = await openTestRegistry({ on: 'disk' })
    const target = await start(before.registry)
    await appendUpload(before.registry, target, bodyOf(bytes.subarray(0, 10_000)), { signal })
    const file = join(before.parts.rootDirectory ?? '', 'uploads', target.uploadId)
    await appendFile(file, bytes.subarray(10_000, 22_000))
    await using place = await before.restart()
    assert.equal((await statUpload(place.registry, target)).offsetBytes, 22_000)
    const early = appendUpload(place.registry, target, bodyOf('x'), { signal, range: { start: 10_000, end: 10_000 } })
    await assert.rejects(early, failsWith('RANGE_INVALID', { offsetBytes: 22_000 }))
    await finishUpload(place.registry, target, { digest: digestOf(bytes), body: bodyOf(bytes.subarray(22_000)), signal })
    assert.deepEqual(await readBlob(place.registry, digestOf(bytes)), bytes)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('moves back to what the disk still has', async () => {
    const before = await openTestRegistry({ on: 'disk' })
    const target = await start(before.registry)
    await appendUpload(before.registry, target, bodyOf('0123456789'), { signal })
    await truncate(join(before.parts.rootDirectory ?? '', 'uploads', target.uploadId), 4)
    await using place = await before.restart()
    assert.equal((await statUpload(place.registry, target)).offsetBytes, 4)
    await finishUpload(place.registry, target, { digest: digestOf(Buffer.from('0123456789')), body: bodyOf('456789'), signal })
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('finds out that the bytes were spoiled meanwhile', async () => {
    const before = await openTestRegistry({ on: 'disk' })
    const target = await start(before.registry)
    await appendUpload(before.registry, target, bodyOf('0123456789'), { signal })
    const file = join(before.parts.rootDirectory ?? '', 'uploads', target.uploadId)
    await truncate(file, 9)
    await appendFile(file, 'XX')
    await using place = await before.restart()
    const put = { digest: digestOf(Buffer.from('0123456789')), body: bodyOf(), signal }
    await assert.rejects(finishUpload(place.registry, target, put), failsWith('DIGEST_INVALID'))
    assert.deepEqual(await uploadsOf(place), [])
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('a crash between the bytes of a blob and its row leaves nothing after a collection', async () => {
    const crash = withMethods((store) => ({
      async commitUpload(uploadId, key) {
        await store.commitUpload(uploadId, key)
        throw new Error('the process dies here')
      },
    }))
    const before = await openTestRegistry({ on: 'disk', wrapStore: crash })
    const target = await start(before.registry)
    await assert.rejects(finishUpload(before.registry, target, { digest: digestOf(Buffer.from('x')), body: bodyOf('x'), signal }))
    await using place = await before.restart()
    assert.equal((await keysOf(place)).length, 1)
    assert.deepEqual(await checkInvariants(place.parts), [])
    await assert.rejects(statBlob(place.registry, repositoryA, digestOf(Buffer.from('x')), alice), failsWith('BLOB_UNKNOWN'))
    place.clock.advance(2 * hourMs)
    assert.equal((await collectGarbage(place.registry, { signal })).keys, 1)
    assert.deepEqual(await keysOf(place), [])
  })
})

suite('a disk that fails', () => {
  test('refuses new uploads below the low-water mark while those that began go on', async () => {
    let freeBytes = 1_000
    const space = withMethods(() => ({ space: async () => ({ freeBytes, totalBytes: 10_000 }) }))
    await using place = await openTestRegistry({ on: 'memory', wrapStore: space, options: { minimumFreeBytes: 500 } })
    const { registry } = place
    const target = await start(registry)
    freeBytes = 499
    place.clock.advance(hourMs)
    await assert.rejects(startUpload(registry, repositoryA, alice), failsWith('STORAGE_FULL'))
    await assert.rejects(pushBytes(registry, repositoryA, 'new'), failsWith('STORAGE_FULL'))
    await finishUpload(registry, target, { digest: digestOf(Buffer.from('x')), body: bodyOf('x'), signal })
    freeBytes = 501
    place.clock.advance(hourMs)
    await pushBytes(registry, repositoryA, 'new')
  })

  test('a disk that fills in the middle keeps the upload resumable', async () => {
    let failing = true
    const full = withMethods((store) => ({
      async openUpload(uploadId, offsetBytes) {
        const writer = await store.openUpload(uploadId, offsetBytes)
        const write = writer.write.bind(writer)
        writer.write = async (chunk) => {
          if (failing && writer.offsetBytes >= offsetBytes + 5) throw new RegistryError('STORAGE_FULL')
          await write(chunk)
        }
        return writer
      },
    }))
    await using place = await openTestRegistry({ on: 'disk', wrapStore: full })
    const { registry } = place
    const target = await start(registry)
    await assert.rejects(appendUpload(registry, target, bodyOf('01234', '56789'), { signal }), failsWith('STORAGE_FULL'))
    const { offsetBytes } = await statUpload(registry, target)
    assert.ok(offsetBytes <= 5)
    failing = false
    await finishUpload(registry, target, {
      digest: digestOf(Buffer.from('0123456789')),
      body: bodyOf('0123456789'.slice(offsetBytes)),
      signal,
    })
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('a failed sync ends the upload', async () => {
    const failing = withMethods((store) => ({
      async openUpload(uploadId, offsetBytes) {
        const writer = await store.openUpload(uploadId, offsetBytes)
        writer.sync = () => Promise.reject(new RegistryError('UNAVAILABLE'))
        return writer
      },
    }))
    await using place = await openTestRegistry({ on: 'disk', wrapStore: failing })
    const { registry } = place
    const target = await start(registry)
    await assert.rejects(appendUpload(registry, target, bodyOf('x'), { signal }), failsWith('UNAVAILABLE'))
    await assert.rejects(statUpload(registry, target), failsWith('BLOB_UPLOAD_UNKNOWN'))
    await assert.rejects(pushBytes(registry, repositoryA, 'x'), failsWith('UNAVAILABLE'))
    assert.deepEqual(await uploadsOf(place), [])
    assert.deepEqual(await checkInvariants(place.parts), [])
  })
})

suite('settings of the operator', () => {
  test('a read-only registry refuses every part of a push', async () => {
    await using place = await openTestRegistry({ options: { readOnly: true } })
    const { registry } = place
    const target = { repository: repositoryA, uploadId: 'x', actor: alice }
    const put = { digest: digestOf(Buffer.from('x')), body: bodyOf('x'), signal }
    await assert.rejects(startUpload(registry, repositoryA, alice), failsWith('UNSUPPORTED'))
    await assert.rejects(appendUpload(registry, target, bodyOf('x'), { signal }), failsWith('UNSUPPORTED'))
    await assert.rejects(finishUpload(registry, target, put), failsWith('UNSUPPORTED'))
    await assert.rejects(abandonUpload(registry, target), failsWith('UNSUPPORTED'))
    await assert.rejects(pushWholeBlob(registry, repositoryA, alice, put), failsWith('UNSUPPORTED'))
  })
})

suite('purging uploads', () => {
  test('ends old sessions, leaves young and busy ones, and takes bytes without a row', async () => {
    await using place = await openTestRegistry({ on: 'disk' })
    const { registry, clock } = place
    const old = await start(registry)
    await appendUpload(registry, old, bodyOf('old'), { signal })
    const writer = await registry.store.openUpload('00000000-0000-4000-8000-000000000000', 0)
    await writer.write(Buffer.from('orphan'))
    await writer.sync()
    await writer[Symbol.asyncDispose]()
    clock.advance(25 * hourMs)
    const young = await start(registry, alice, repositoryB)
    const options = { ageMs: hourMs, signal }
    assert.deepEqual(await purgeUploads(registry, { ...options, dryRun: true }), { sessions: 1, orphans: 1 })
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    async function* slow() {
      await gate
      yield Buffer.from('er')
    }
    const busy = appendUpload(registry, old, slow(), { signal })
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(await purgeUploads(registry, options), { sessions: 0, orphans: 1 })
    open()
    await busy
    clock.advance(2 * hourMs)
    await appendUpload(registry, young, bodyOf('young'), { signal })
    assert.deepEqual(await purgeUploads(registry, options), { sessions: 1, orphans: 0 })
    assert.deepEqual(await uploadsOf(place), [young.uploadId])
    const names = await registry.metadata.reader.selectFrom('repositories').select('name').execute()
    assert.deepEqual(names, [{ name: repositoryB }])
    assert.deepEqual(await checkInvariants(place.parts), [])
    await assert.rejects(stat(join(place.directory, 'data', 'uploads', old.uploadId)))
  })
})
