import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { statBlob } from './pull-blob.ts'
import { abandonUpload, appendUpload, finishUpload, pushWholeBlob, startUpload, statUpload } from './push-blob.ts'
import type { Actor, Registry } from './registry.ts'
import {
  alice,
  bob,
  bodyOf,
  brokenBody,
  failsWith,
  keysOf,
  noSignal,
  openTestRegistry,
  pushBytes,
  readBlob,
  repositoryA,
  repositoryB,
  sampleBytes,
  uploadsOf,
} from './test-registry.ts'

const signal = noSignal

async function start(registry: Registry, actor: Actor = alice, repository: RepositoryName = repositoryA) {
  const { uploadId } = await startUpload(registry, repository, actor)
  return { repository, uploadId, actor }
}

for (const on of ['memory', 'disk'] as const) {
  suite(`pushing a blob on ${on}`, () => {
    test('a blob pushed in chunks is pulled with the same bytes', async () => {
      await using place = await openTestRegistry({ on })
      const { registry } = place
      const bytes = sampleBytes(300_000)
      const target = await start(registry)
      const first = await appendUpload(registry, target, bodyOf(bytes.subarray(0, 100_000)), { signal, range: { start: 0, end: 99_999 } })
      assert.equal(first.offsetBytes, 100_000)
      await appendUpload(registry, target, bodyOf(bytes.subarray(100_000, 200_000)), { signal, contentLength: 100_000 })
      assert.equal((await statUpload(registry, target)).offsetBytes, 200_000)
      await finishUpload(registry, target, { digest: digestOf(bytes), body: bodyOf(bytes.subarray(200_000)), signal })
      assert.deepEqual(await readBlob(registry, digestOf(bytes)), bytes)
      await assert.rejects(statUpload(registry, target), failsWith('BLOB_UPLOAD_UNKNOWN'))
      assert.deepEqual(await checkInvariants(place.parts), [])
    })

    test('sha512 is proved, whichever algorithm the session began with', async () => {
      await using place = await openTestRegistry({ on })
      const { registry } = place
      const bytes = sampleBytes(5_000)
      for (const algorithm of ['sha256', 'sha512'] as const) {
        const { uploadId } = await startUpload(registry, repositoryA, alice, { algorithm: 'sha512' })
        const target = { repository: repositoryA, uploadId, actor: alice }
        await appendUpload(registry, target, bodyOf(bytes), { signal })
        await finishUpload(registry, target, { digest: digestOf(bytes, algorithm), body: bodyOf(), signal })
        assert.deepEqual(await readBlob(registry, digestOf(bytes, algorithm)), bytes)
      }
      assert.deepEqual(await checkInvariants(place.parts), [])
    })

    test('an empty blob is a blob, in a session and in one request', async () => {
      await using place = await openTestRegistry({ on })
      const { registry } = place
      const target = await start(registry)
      await finishUpload(registry, target, { digest: digestOf(new Uint8Array()), body: bodyOf(), signal, contentLength: 0 })
      assert.equal((await readBlob(registry, digestOf(new Uint8Array()))).length, 0)
      await pushBytes(registry, repositoryB, '', 'sha512')
      assert.equal((await statBlob(registry, repositoryB, digestOf(new Uint8Array(), 'sha512'), alice)).sizeBytes, 0)
      assert.deepEqual(await checkInvariants(place.parts), [])
    })

    test('a wrong digest stores nothing and ends the upload', async () => {
      await using place = await openTestRegistry({ on })
      const { registry } = place
      const target = await start(registry)
      const wrong = digestOf(Buffer.from('something else'))
      await appendUpload(registry, target, bodyOf('some bytes'), { signal })
      await assert.rejects(finishUpload(registry, target, { digest: wrong, body: bodyOf(), signal }), failsWith('DIGEST_INVALID'))
      await assert.rejects(statUpload(registry, target), failsWith('BLOB_UPLOAD_UNKNOWN'))
      for (const size of [10, 2_000_000]) {
        const whole = { digest: wrong, body: bodyOf(sampleBytes(size)), contentLength: size, signal }
        await assert.rejects(pushWholeBlob(registry, repositoryA, alice, whole), failsWith('DIGEST_INVALID'))
      }
      assert.deepEqual(await uploadsOf(place), [])
      if (on === 'disk') assert.deepEqual(await keysOf(place), [])
      assert.deepEqual(await checkInvariants(place.parts), [])
    })

    test('a body that breaks off keeps what came, and the upload goes on from there', async () => {
      await using place = await openTestRegistry({ on })
      const { registry } = place
      const bytes = sampleBytes(50_000)
      const target = await start(registry)
      const torn = appendUpload(registry, target, brokenBody(bytes.subarray(0, 20_000)), { signal, contentLength: 50_000 })
      await assert.rejects(torn, failsWith('SIZE_INVALID', { receivedBytes: 20_000, expectedBytes: 50_000 }))
      assert.equal((await statUpload(registry, target)).offsetBytes, 20_000)
      const short = appendUpload(registry, target, bodyOf(bytes.subarray(20_000, 30_000)), { signal, contentLength: 30_000 })
      await assert.rejects(short, failsWith('SIZE_INVALID'))
      assert.equal((await statUpload(registry, target)).offsetBytes, 30_000)
      const tornPut = { digest: digestOf(bytes), body: brokenBody(bytes.subarray(30_000, 40_000)), contentLength: 20_000, signal }
      await assert.rejects(finishUpload(registry, target, tornPut), failsWith('SIZE_INVALID'))
      await finishUpload(registry, target, {
        digest: digestOf(bytes),
        body: bodyOf(bytes.subarray(40_000)),
        range: { start: 40_000, end: 49_999 },
        signal,
      })
      assert.deepEqual(await readBlob(registry, digestOf(bytes)), bytes)
      assert.deepEqual(await checkInvariants(place.parts), [])
    })

    test('a chunk that does not begin at the offset is refused with the offset, and harms nothing', async () => {
      await using place = await openTestRegistry({ on })
      const { registry } = place
      const target = await start(registry)
      await appendUpload(registry, target, bodyOf('0123456789'), { signal })
      for (const begin of [0, 5, 11]) {
        const late = appendUpload(registry, target, bodyOf('xxxxx'), { signal, range: { start: begin, end: begin + 4 } })
        await assert.rejects(late, failsWith('RANGE_INVALID', { offsetBytes: 10 }))
        const put = { digest: digestOf(Buffer.from('x')), body: bodyOf('x'), range: { start: begin, end: begin }, signal }
        await assert.rejects(finishUpload(registry, target, put), failsWith('RANGE_INVALID', { offsetBytes: 10 }))
      }
      const contradicting = appendUpload(registry, target, bodyOf('xxxxx'), { signal, range: { start: 10, end: 19 }, contentLength: 5 })
      await assert.rejects(contradicting, failsWith('SIZE_INVALID'))
      await finishUpload(registry, target, { digest: digestOf(Buffer.from('0123456789')), body: bodyOf(), signal })
      assert.deepEqual(await checkInvariants(place.parts), [])
    })

    test('of two writers at once one is told that the upload is busy, and no bytes are mixed', async () => {
      await using place = await openTestRegistry({ on })
      const { registry } = place
      const target = await start(registry)
      const { promise: gate, resolve: open } = Promise.withResolvers<void>()
      async function* slow() {
        yield Buffer.from('slow ')
        await gate
        yield Buffer.from('body')
      }
      const first = appendUpload(registry, target, slow(), { signal })
      await new Promise((resolve) => setImmediate(resolve))
      await assert.rejects(appendUpload(registry, target, bodyOf('other'), { signal }), failsWith('BLOB_UPLOAD_BUSY'))
      await assert.rejects(abandonUpload(registry, target), failsWith('BLOB_UPLOAD_BUSY'))
      await assert.rejects(appendUpload(registry, { ...target, actor: bob }, bodyOf('other'), { signal }), failsWith('BLOB_UPLOAD_UNKNOWN'))
      assert.equal((await statUpload(registry, target)).offsetBytes, 0)
      open()
      assert.equal((await first).offsetBytes, 9)
      await finishUpload(registry, target, { digest: digestOf(Buffer.from('slow body')), body: bodyOf(), signal })
      assert.deepEqual(await checkInvariants(place.parts), [])
    })

    test('an upload exists for nobody but its actor, and only in its repository', async () => {
      await using place = await openTestRegistry({ on })
      const { registry } = place
      const target = await start(registry)
      for (const foreign of [
        { ...target, actor: bob },
        { ...target, repository: repositoryB },
        { ...target, uploadId: 'a'.repeat(36) },
      ]) {
        await assert.rejects(statUpload(registry, foreign), failsWith('BLOB_UPLOAD_UNKNOWN'))
        await assert.rejects(appendUpload(registry, foreign, bodyOf('x'), { signal }), failsWith('BLOB_UPLOAD_UNKNOWN'))
        await assert.rejects(abandonUpload(registry, foreign), failsWith('BLOB_UPLOAD_UNKNOWN'))
        const put = { digest: digestOf(Buffer.from('x')), body: bodyOf('x'), signal }
        await assert.rejects(finishUpload(registry, foreign, put), failsWith('BLOB_UPLOAD_UNKNOWN'))
      }
      await abandonUpload(registry, target)
      await assert.rejects(statUpload(registry, target), failsWith('BLOB_UPLOAD_UNKNOWN'))
      assert.deepEqual(await checkInvariants(place.parts), [])
    })

    test('a closing PUT that comes again is answered as the first, if the blob is in the repository', async () => {
      await using place = await openTestRegistry({ on })
      const { registry } = place
      const target = await start(registry)
      const put = () => ({ digest: digestOf(Buffer.from('x')), body: bodyOf('x'), signal })
      await finishUpload(registry, target, put())
      await finishUpload(registry, target, put())
      await assert.rejects(finishUpload(registry, { ...target, repository: repositoryB }, put()), failsWith('BLOB_UPLOAD_UNKNOWN'))
      assert.equal((await registry.metadata.reader.selectFrom('blobs').select('id').execute()).length, 1)
      assert.deepEqual(await checkInvariants(place.parts), [])
    })

    test('an actor has so many uploads and no more', async () => {
      await using place = await openTestRegistry({ on, options: { uploadsPerActor: 2 } })
      const { registry } = place
      const first = await start(registry)
      await start(registry)
      await assert.rejects(startUpload(registry, repositoryB, alice), failsWith('TOOMANYREQUESTS'))
      await start(registry, bob)
      await abandonUpload(registry, first)
      await start(registry)
      assert.equal((await registry.metadata.reader.selectFrom('repositories').select('id').execute()).length, 1)
    })

    test('one request with the whole blob must bring as many bytes as it says', async () => {
      await using place = await openTestRegistry({ on })
      const { registry } = place
      const bytes = sampleBytes(1_500_000)
      for (const [size, claimed] of [
        [10, 11],
        [11, 10],
        [1_400_000, 1_500_000],
      ] as const) {
        const whole = { digest: digestOf(bytes.subarray(0, size)), body: bodyOf(bytes.subarray(0, size)), contentLength: claimed, signal }
        await assert.rejects(pushWholeBlob(registry, repositoryA, alice, whole), failsWith('SIZE_INVALID'))
      }
      const torn = { digest: digestOf(bytes), body: brokenBody(bytes), signal }
      await assert.rejects(pushWholeBlob(registry, repositoryA, alice, torn), failsWith('SIZE_INVALID'))
      await pushWholeBlob(registry, repositoryA, alice, {
        digest: digestOf(bytes),
        body: bodyOf(bytes.subarray(0, 700_000), bytes.subarray(700_000)),
        signal,
      })
      assert.deepEqual(await readBlob(registry, digestOf(bytes)), bytes)
      assert.deepEqual(await uploadsOf(place), [])
      assert.deepEqual(await checkInvariants(place.parts), [])
    })

    test('twenty pushes of one blob at once all succeed and leave one copy', async () => {
      await using place = await openTestRegistry({ on })
      const { registry } = place
      const bytes = sampleBytes(100_000)
      const digest = digestOf(bytes)
      const viaSession = async () => {
        const target = await start(registry)
        await appendUpload(registry, target, bodyOf(bytes), { signal })
        await finishUpload(registry, target, { digest, body: bodyOf(), signal })
      }
      await Promise.all([
        ...Array.from({ length: 10 }, viaSession),
        ...Array.from({ length: 10 }, () => pushBytes(registry, repositoryA, bytes)),
      ])
      assert.deepEqual(await readBlob(registry, digest), bytes)
      if (on === 'disk') assert.equal((await keysOf(place)).length, 1)
      assert.deepEqual(await uploadsOf(place), [])
      assert.deepEqual(await checkInvariants(place.parts), [])
    })

    test('a commit that the database refuses leaves no bytes behind, and the push can be made again', async () => {
      await using place = await openTestRegistry({ on })
      const { registry } = place
      let fails = true
      const metadata = new Proxy(registry.metadata, {
        get(target, property) {
          if (property !== 'write') return Reflect.get(target, property, target) as unknown
          return (definition: { name: string }, input: unknown) => {
            if (fails && definition.name === 'publish-blob/commit') return Promise.reject(new RegistryError('STORAGE_FULL'))
            return target.write(definition as Parameters<typeof target.write>[0], input)
          }
        },
      })
      const limping = { ...registry, metadata }
      const target = await start(limping)
      const put = () => ({ digest: digestOf(Buffer.from('bytes')), body: bodyOf('bytes'), signal })
      await assert.rejects(finishUpload(limping, target, put()), failsWith('STORAGE_FULL'))
      if (on === 'disk') assert.deepEqual(await keysOf(place), [])
      fails = false
      assert.equal((await statUpload(limping, target)).offsetBytes, 0)
      await finishUpload(limping, target, put())
      assert.equal((await readBlob(registry, digestOf(Buffer.from('bytes')))).toString(), 'bytes')
      assert.deepEqual(await checkInvariants(place.parts), [])
    })
  })
}
