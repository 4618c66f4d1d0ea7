/**
 * What every blob store promises, as one suite: call {@link blobStoreSuite} for each store. A test leaves its store empty, or fails: bytes that
 * nobody can name are lost space. Reads go through {@link bytesOf}, so a store may hand its blobs out in any of the kinds.
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { suite, test } from 'node:test'
import type { BlobKey, BlobStore } from '#blobs/blob-store.ts'
import { systemPorts } from '#lib/ports.ts'
import { parseDigest, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { hostileIds, hostileKeys } from './hostile-names.ts'
import { listClauses } from './list-clauses.ts'
import { assertNoLeftovers, bytesOf, keyFor, keyOf, put, putAs, upload, uploadBytes, uploadIds, type OpenStore } from './store-fixture.ts'

const withCode = (code: string) => (error: unknown) => error instanceof RegistryError && error.code === code
const invariant = { name: 'AssertionError' }

/** Runs the contract against the stores that `open` makes, a fresh one for each test. */
export function blobStoreSuite(name: string, open: () => Promise<OpenStore>): void {
  const check: Check = (behaviour, run) =>
    void test(behaviour, async () => {
      const opened = await open()
      try {
        await run(opened.store, opened)
        await assertNoLeftovers(opened)
      } finally {
        await opened.store[Symbol.asyncDispose]()
        await opened.cleanup()
      }
    })

  suite(`a blob store (${name})`, () => {
    uploadClauses(check)
    commitClauses(check)
    blobClauses(check)
    listClauses(check)
    hostileClauses(check)

    test('the check for leftovers fails when an upload is left over', async () => {
      const opened = await open()
      await upload(opened.store, [randomBytes(10)])
      await assert.rejects(assertNoLeftovers(opened), /left over/)
      await opened.cleanup()
    })
  })
}

/** Runs one test against a fresh store. */
export type Check = (behaviour: string, run: (store: BlobStore, opened: OpenStore) => Promise<void>) => void

function uploadClauses(check: Check): void {
  check('keeps chunks of every size in the order they were written, without waiting between them', async (store) => {
    const sizes = [1, 0, 7, 16_383, 16_384, 65_536, 3, 300_000, 1, 1, 2_000_000, 65_535, 31, 32_768, 32_768, 32_768, 5]
    const chunks = sizes.map((size) => randomBytes(size))
    const uploadId = randomUUID()
    const writer = await store.openUpload(uploadId, 0)
    await Promise.all(chunks.map((chunk) => writer.write(Uint8Array.from(chunk))))
    assert.equal(writer.offsetBytes, Buffer.concat(chunks).length)
    await writer.sync()
    await writer[Symbol.asyncDispose]()
    assert.ok(Buffer.concat(chunks).equals(await uploadBytes(store, uploadId)))
    await store.abortUpload(uploadId)
  })

  check('keeps a body of very many very small chunks', async (store) => {
    const bytes = randomBytes(200_000)
    const uploadId = await upload(
      store,
      Array.from({ length: 20_000 }, (_, index) => Uint8Array.from(bytes.subarray(index * 10, index * 10 + 10))),
    )
    assert.ok(bytes.equals(await uploadBytes(store, uploadId)))
    await store.abortUpload(uploadId)
  })

  check('tells how much of an upload is there after each sync, and undefined for no upload', async (store) => {
    const uploadId = randomUUID()
    assert.equal(await store.statUpload(uploadId), undefined)
    const writer = await store.openUpload(uploadId, 0)
    await writer.sync()
    assert.deepEqual(await store.statUpload(uploadId), { sizeBytes: 0 })
    await writer.write(randomBytes(100))
    await writer.sync()
    assert.deepEqual(await store.statUpload(uploadId), { sizeBytes: 100 })
    await writer.write(randomBytes(100_000))
    await writer.sync()
    await writer.sync()
    assert.deepEqual(await store.statUpload(uploadId), { sizeBytes: 100_100 })
    await writer[Symbol.asyncDispose]()
    await store.abortUpload(uploadId)
  })

  check('keeps what was written when the writer is closed without a sync, and closing twice is fine', async (store) => {
    const uploadId = randomUUID()
    const writer = await store.openUpload(uploadId, 0)
    await writer.write(randomBytes(1000))
    await Promise.all([writer[Symbol.asyncDispose](), writer[Symbol.asyncDispose]()])
    await writer[Symbol.asyncDispose]()
    assert.deepEqual(await store.statUpload(uploadId), { sizeBytes: 1000 })
    await assert.rejects(writer.write(randomBytes(1)), invariant)
    await assert.rejects(writer.sync(), invariant)
    assert.deepEqual(await store.statUpload(uploadId), { sizeBytes: 1000 })
    await store.abortUpload(uploadId)
  })

  check('goes on where an upload ended', async (store) => {
    const bytes = randomBytes(300_000)
    const uploadId = await upload(store, [Uint8Array.from(bytes.subarray(0, 120_001))])
    {
      await using writer = await store.openUpload(uploadId, 120_001)
      assert.equal(writer.offsetBytes, 120_001)
      await writer.write(Uint8Array.from(bytes.subarray(120_001)))
      await writer.sync()
    }
    assert.ok(bytes.equals(await uploadBytes(store, uploadId)))
    const key = keyFor(store, uploadId, bytes)
    await store.commitUpload(uploadId, key)
    assert.ok(bytes.equals((await bytesOf(store, key))!))
    await store.delete([key])
  })

  for (const offset of [0, 1, 65_536, 99_999]) {
    check(`cuts off what lies beyond the offset ${offset} of an upload`, async (store) => {
      const bytes = randomBytes(100_000)
      const uploadId = await upload(store, [Uint8Array.from(bytes.subarray(0, 65_536)), Uint8Array.from(bytes.subarray(65_536))])
      {
        await using writer = await store.openUpload(uploadId, offset)
        await writer.write(new TextEncoder().encode('tail'))
        await writer.sync()
      }
      const expected = Buffer.concat([bytes.subarray(0, offset), Buffer.from('tail')])
      assert.deepEqual(await store.statUpload(uploadId), { sizeBytes: expected.length })
      assert.ok(expected.equals(await uploadBytes(store, uploadId)))
      await store.abortUpload(uploadId)
    })
  }

  check('cuts off durably even when nothing is written after it', async (store) => {
    const uploadId = await upload(store, [randomBytes(100)])
    const writer = await store.openUpload(uploadId, 40)
    await writer.sync()
    await writer[Symbol.asyncDispose]()
    assert.deepEqual(await store.statUpload(uploadId), { sizeBytes: 40 })
    await store.abortUpload(uploadId)
  })

  check('refuses an offset beyond the bytes that are there, and leaves them alone', async (store) => {
    const uploadId = await upload(store, [randomBytes(100)])
    await assert.rejects(store.openUpload(uploadId, 101), withCode('BLOB_UPLOAD_INVALID'))
    await assert.rejects(store.openUpload(randomUUID(), 1), withCode('BLOB_UPLOAD_UNKNOWN'))
    for (const malformed of [-1, 1.5, NaN, Infinity]) await assert.rejects(store.openUpload(uploadId, malformed), invariant)
    assert.deepEqual(await store.statUpload(uploadId), { sizeBytes: 100 })
    await store.abortUpload(uploadId)
  })

  check('refuses a second writer of an upload while the first is open', async (store) => {
    const uploadId = randomUUID()
    const [first, second] = await Promise.allSettled([store.openUpload(uploadId, 0), store.openUpload(uploadId, 0)])
    assert.equal(first.status, 'fulfilled')
    assert.equal(second.status, 'rejected')
    await assert.rejects(store.openUpload(uploadId, 0), invariant)
    await first.value[Symbol.asyncDispose]()
    await (await store.openUpload(uploadId, 0))[Symbol.asyncDispose]()
    await store.abortUpload(uploadId)
  })

  check('forgets an aborted upload, also while it is open, and aborting what is absent is fine', async (store) => {
    const uploadId = await upload(store, [randomBytes(100)])
    await store.abortUpload(uploadId)
    await store.abortUpload(uploadId)
    await store.abortUpload(randomUUID())
    assert.equal(await store.statUpload(uploadId), undefined)
    const writer = await store.openUpload(uploadId, 0)
    await writer.write(randomBytes(100_000))
    await store.abortUpload(uploadId)
    await writer[Symbol.asyncDispose]()
    assert.equal(await store.statUpload(uploadId), undefined)
  })

  check('lists uploads with the time of their last change', async (store) => {
    assert.deepEqual(await uploadIds(store), [])
    const before = Date.now() - 2000
    const ids = await Promise.all(Array.from({ length: 5 }, () => upload(store, [randomBytes(10)])))
    const listed = new Map<string, number>()
    for await (const { uploadId, modifiedAt } of store.listUploads()) listed.set(uploadId, modifiedAt)
    assert.deepEqual([...listed.keys()].toSorted(), ids.toSorted())
    for (const modifiedAt of listed.values()) assert.ok(modifiedAt >= before && modifiedAt <= Date.now() + 2000)
    for await (const { uploadId } of store.listUploads()) await store.abortUpload(uploadId)
  })

  check('reading an upload back stops when it is told to, and fails for an upload that is not there', async (store) => {
    const uploadId = await upload(store, [randomBytes(100_000), randomBytes(100_000), randomBytes(100_000)])
    const controller = new AbortController()
    const reading = async () => {
      for await (const chunk of store.readUpload(uploadId, controller.signal)) if (chunk.length > 0) controller.abort(new Error('enough'))
    }
    await assert.rejects(reading(), /enough/)
    for await (const chunk of store.readUpload(uploadId)) {
      assert.ok(chunk.length > 0)
      break
    }
    await store.abortUpload(uploadId)
    await assert.rejects(uploadBytes(store, uploadId), withCode('BLOB_UPLOAD_UNKNOWN'))
  })
}

function commitClauses(check: Check): void {
  check('a committed blob is there under its key and its upload is gone', async (store) => {
    const bytes = randomBytes(70_000)
    const uploadId = await upload(store, [Uint8Array.from(bytes)])
    const key = keyFor(store, uploadId, bytes)
    assert.equal(await store.stat(key), undefined)
    await store.commitUpload(uploadId, key)
    assert.deepEqual(await store.stat(key), { sizeBytes: 70_000 })
    assert.ok(bytes.equals((await bytesOf(store, key))!))
    assert.equal(await store.statUpload(uploadId), undefined)
    await store.delete([key])
  })

  check('an upload may be committed while its synced writer is open, and nothing can be written after it', async (store) => {
    const uploadId = randomUUID()
    const key = keyFor(store, uploadId, Buffer.from('abc'))
    const writer = await store.openUpload(uploadId, 0)
    await writer.write(Buffer.from('abc'))
    await writer.sync()
    await store.commitUpload(uploadId, key)
    const late = async () => {
      await writer.write(Buffer.from('d'))
      await writer.sync()
    }
    await assert.rejects(late())
    await writer[Symbol.asyncDispose]()
    assert.deepEqual(await bytesOf(store, key), Buffer.from('abc'))
    await store.delete([key])
  })

  check('refuses to commit an upload whose open writer has bytes that are not durable', async (store) => {
    const uploadId = randomUUID()
    const writer = await store.openUpload(uploadId, 0)
    await writer.write(randomBytes(10))
    await assert.rejects(store.commitUpload(uploadId, keyFor(store, uploadId, randomBytes(1))), invariant)
    await writer[Symbol.asyncDispose]()
    await store.abortUpload(uploadId)
  })

  check('a blob of no bytes is a blob', async (store) => {
    const key = await put(store, new Uint8Array())
    assert.deepEqual(await store.stat(key), { sizeBytes: 0 })
    assert.equal((await bytesOf(store, key))?.length, 0)
    await store.delete([key])
    assert.equal(await store.stat(key), undefined)
  })

  check('a commit without an upload fails; a commit repeated to its own key is done already', async (store) => {
    const absent = randomUUID()
    await assert.rejects(store.commitUpload(absent, keyFor(store, absent, randomBytes(1))), withCode('BLOB_UPLOAD_UNKNOWN'))
    const uploadId = await upload(store, [Buffer.from('abc')])
    const key = keyFor(store, uploadId, Buffer.from('abc'))
    await store.commitUpload(uploadId, key)
    await store.commitUpload(uploadId, key)
    assert.deepEqual(await bytesOf(store, key), Buffer.from('abc'))
    await store.delete([key])
  })

  check('a key is used once: a second upload never replaces what is under it', async (store) => {
    const key = await put(store, Buffer.from('first'))
    const uploadId = await upload(store, [Buffer.from('second')])
    await assert.rejects(store.commitUpload(uploadId, key), invariant)
    assert.deepEqual(await bytesOf(store, key), Buffer.from('first'))
    assert.deepEqual(await store.statUpload(uploadId), { sizeBytes: 6 })
    await store.abortUpload(uploadId)
    await store.delete([key])
  })

  check('generations of one digest live and die apart', async (store) => {
    const bytes = Buffer.from('same bytes')
    const [first, second] = [await put(store, bytes), await put(store, bytes)]
    assert.notEqual(first, second)
    await store.delete([first])
    assert.equal(await store.stat(first), undefined)
    assert.deepEqual(await bytesOf(store, second), bytes)
    await store.delete([second])
  })

  check('twenty commits at once all succeed, of different digests and of one', async (store) => {
    const same = randomBytes(50_000)
    const bodies = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? same : randomBytes(50_000)))
    const keys = await Promise.all(bodies.map((bytes) => put(store, bytes)))
    assert.equal(new Set(keys).size, 20)
    for (const [index, key] of keys.entries()) assert.ok(bodies[index]!.equals((await bytesOf(store, key))!))
    await store.delete(keys)
  })

  check('commits and deletes below one directory do not disturb each other', async (store) => {
    // All below blobs/sha256/00: the directories are made and removed the whole time.
    const digest = (index: number): Digest => parseDigest(`sha256:00${index.toString(16).padStart(62, '0')}`)!
    const churn = async (lane: number) => {
      for (let round = 0; round < 30; round++) {
        const key = await putAs(store, Buffer.from(`${lane}/${round}`), digest(round % 3))
        assert.deepEqual(await bytesOf(store, key), Buffer.from(`${lane}/${round}`))
        await store.delete([key])
      }
    }
    await Promise.all(Array.from({ length: 6 }, (_, lane) => churn(lane)))
  })
}

function blobClauses(check: Check): void {
  check('64 MiB go through a writer and come out with the same digest', async (store) => {
    const written = createHash('sha256')
    const uploadId = randomUUID()
    const chunk = randomBytes(65_536)
    {
      await using writer = await store.openUpload(uploadId, 0)
      for (let index = 0; index < 1024; index++) {
        const piece = Buffer.from(chunk)
        piece.writeUInt32LE(index)
        written.update(piece)
        await writer.write(piece)
      }
      await writer.sync()
    }
    const expected = written.digest('hex')
    const reread = createHash('sha256')
    for await (const piece of store.readUpload(uploadId)) reread.update(piece)
    assert.equal(reread.digest('hex'), expected)
    const key = store.keyFor(uploadId, parseDigest(`sha256:${expected}`)!, systemPorts.random)
    await store.commitUpload(uploadId, key)
    assert.equal(
      createHash('sha256')
        .update((await bytesOf(store, key))!)
        .digest('hex'),
      expected,
    )
    await store.delete([key])
  })

  check('parts of a large blob are the right ones', async (store) => {
    const bytes = randomBytes(3_000_000)
    const key = await put(store, bytes)
    for (const [start, end] of [
      [0, 0],
      [0, 2_999_999],
      [2_999_999, 2_999_999],
      [65_535, 65_536],
      [1_048_576, 2_000_000],
    ] as const) {
      assert.ok(bytes.subarray(start, end + 1).equals((await bytesOf(store, key, { start, end }))!), `${start}-${end}`)
    }
    await store.delete([key])
  })

  check('what is absent is undefined', async (store) => {
    const key = keyOf(randomBytes(1))
    assert.equal(await store.open(key), undefined)
    assert.equal(await store.stat(key), undefined)
    const below = `${await put(store, Buffer.from('x'))}/below` as BlobKey
    assert.equal(await store.open(below), undefined)
    assert.equal(await store.stat(below), undefined)
    await store.delete([below.slice(0, -'/below'.length) as BlobKey])
  })

  check('deletes many keys at once, again, and those that never were', async (store) => {
    const keys = await Promise.all(Array.from({ length: 30 }, () => put(store, randomBytes(100))))
    const kept = keys.pop()!
    await store.delete([])
    await store.delete([...keys, keyOf(randomBytes(1))])
    await store.delete(keys)
    for (const key of keys) assert.equal(await store.stat(key), undefined)
    assert.deepEqual(await store.stat(kept), { sizeBytes: 100 })
    await store.delete([kept])
  })

  check('a blob that is open can be read to its end after its delete', async (store) => {
    const bytes = randomBytes(2_000_000)
    const key = await put(store, bytes)
    const blob = await store.open(key)
    await store.delete([key])
    if (blob?.kind === 'file') {
      await using handle = blob.handle
      const { buffer } = await handle.read(Buffer.alloc(2_000_000), 0, 2_000_000, 0)
      assert.ok(bytes.equals(buffer))
    }
  })

  check('tells its space where it can', async (store) => {
    const space = await store.space()
    if (space === undefined) return
    assert.ok(space.totalBytes > 0 && space.freeBytes >= 0 && space.freeBytes <= space.totalBytes)
  })
}

function hostileClauses(check: Check): void {
  check('refuses upload ids that are not one plain word', async (store) => {
    for (const id of hostileIds) {
      const refused = withCode('BLOB_UPLOAD_UNKNOWN')
      await assert.rejects(store.openUpload(id, 0), refused, JSON.stringify(id))
      await assert.rejects(store.statUpload(id), refused)
      await assert.rejects(store.abortUpload(id), refused)
      await assert.rejects(store.commitUpload(id, keyOf(randomBytes(1))), refused)
      await assert.rejects(uploadBytes(store, id), refused)
    }
  })

  check('refuses keys that lead out of the store or among the uploads', async (store) => {
    const uploadId = await upload(store, [Buffer.from('abc')])
    for (const key of hostileKeys as BlobKey[]) {
      await assert.rejects(store.commitUpload(uploadId, key), invariant, JSON.stringify(key))
      await assert.rejects(store.open(key), invariant)
      await assert.rejects(store.stat(key), invariant)
      await assert.rejects(store.delete([key]), invariant)
    }
    assert.deepEqual(await store.statUpload(uploadId), { sizeBytes: 3 })
    await store.abortUpload(uploadId)
  })
}
