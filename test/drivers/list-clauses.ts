/** What every store promises of its listing of keys. */
import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import type { BlobKey, BlobStore } from '#blobs/blob-store.ts'
import { digestOf } from '#oci/digest.ts'
import type { Check } from './blob-store.suite.ts'
import { put, putAs, upload } from './store-fixture.ts'

async function listed(store: BlobStore, limit: number, below?: string): Promise<BlobKey[]> {
  const keys: BlobKey[] = []
  let after: string | undefined
  for (let pages = 0; pages < 10_000; pages++) {
    const page = await store.list({ after, below, limit })
    assert.ok(page.keys.length <= limit, 'a page is no longer than asked for')
    keys.push(...page.keys.map(({ key }) => key))
    if (page.next === undefined) return keys
    assert.notEqual(page.next, after, 'a page moves on')
    after = page.next
  }
  throw new Error('the listing never ends')
}

async function putMany(store: BlobStore, count: number): Promise<BlobKey[]> {
  const keys: BlobKey[] = []
  for (let index = 0; index < count; index++) {
    // Generations of one digest, and shards that share a beginning.
    const digest = digestOf(Buffer.from(`${index >> 1}`))
    keys.push(await putAs(store, Buffer.from(`${index}`), digest))
  }
  return keys
}

export function listClauses(check: Check): void {
  check('lists each key once with its size and time, in pages of any length', async (store) => {
    assert.deepEqual(await store.list({ limit: 10 }), { keys: [], next: undefined })
    const before = Date.now() - 2_000
    const keys = await putMany(store, 23)
    const three = await put(store, Buffer.from('abc'))
    for (const limit of [1, 2, 7, 1_000]) {
      const found = await listed(store, limit)
      assert.deepEqual(found.toSorted(), [...keys, three].toSorted(), `in pages of ${limit}`)
    }
    const { keys: all } = await store.list({ limit: 10_000 })
    assert.equal(all.find(({ key }) => key === three)?.sizeBytes, 3)
    for (const { modifiedAt } of all) assert.ok(modifiedAt >= before && modifiedAt <= Date.now() + 2_000)
    await store.delete([...keys, three])
    assert.deepEqual(await listed(store, 10), [])
  })

  check('lists what is below a directory alone', async (store) => {
    const keys = await putMany(store, 8)
    const [first] = keys
    assert.ok(first !== undefined)
    const directory = first.slice(0, first.lastIndexOf('/'))
    const below = keys.filter((key) => key.startsWith(`${directory}/`))
    assert.deepEqual((await listed(store, 1, directory)).toSorted(), below.toSorted())
    assert.deepEqual(await listed(store, 100, 'blobs/sha256/no-such'), [])
    for (const hostile of ['..', '/', 'blobs/../..', '', 'uploads']) await assert.rejects(store.list({ below: hostile, limit: 1 }))
    await store.delete(keys)
  })

  check('goes on behind a key that is gone by now, and meets no upload', async (store) => {
    const keys = (await putMany(store, 12)).toSorted()
    const { next = '' } = await store.list({ limit: 6 })
    const met = new Set((await store.list({ limit: 6 })).keys.map(({ key }) => key))
    await store.delete([...met])
    const rest: string[] = []
    for (let after: string | undefined = next; after !== undefined;) {
      const page = await store.list({ after, limit: 6 })
      rest.push(...page.keys.map(({ key }) => key))
      after = page.next
    }
    assert.deepEqual(
      rest.toSorted(),
      keys.filter((key) => !met.has(key)),
    )
    const uploadId = await upload(store, [randomBytes(10)], randomUUID())
    assert.equal((await listed(store, 100)).length, rest.length)
    await store.abortUpload(uploadId)
    await store.delete(keys)
  })
}
