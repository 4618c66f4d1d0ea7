import assert from 'node:assert/strict'
import { unlink, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { statBlob } from '#registry/pull-blob.ts'
import {
  alice,
  failsWith,
  fileOf,
  noSignal,
  openTestRegistry,
  pushBytes,
  putImage,
  readBlob,
  repositoryA,
  repositoryB,
  sampleBytes,
} from '#registry/test-registry.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { scrub } from './scrub.ts'

const large = sampleBytes(200_000)

suite('scrub', () => {
  test('finds a flipped bit, quarantines the blob, and lets it out when its bytes are right again', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    const { registry } = place
    const image = await putImage(registry, repositoryA, 'one', 'v1')
    const digest = await pushBytes(registry, repositoryA, large)
    const clean = await scrub(registry, { signal: noSignal })
    assert.deepEqual({ ...clean, lastId: 0 }, { blobs: 3, bytes: 200_025, quarantined: [], quarantinedCount: 0, released: 0, lastId: 0 })
    const file = await fileOf(place, digest)
    await writeFile(file, Buffer.concat([large.subarray(0, 100_000), Buffer.from([(large[100_000] ?? 0) ^ 1]), large.subarray(100_001)]))
    await unlink(await fileOf(place, image.layer))
    const found = await scrub(registry, { signal: noSignal })
    const expected = [
      { digest: image.layer, reason: 'missing' },
      { digest, reason: 'wrong digest' },
    ]
    assert.deepEqual(found.quarantined, expected)
    await assert.rejects(statBlob(registry, repositoryA, digest, alice), failsWith('BLOB_UNKNOWN'))
    assert.deepEqual((await scrub(registry, { signal: noSignal })).quarantined, [])
    await writeFile(file, large)
    assert.equal((await scrub(registry, { signal: noSignal })).released, 1)
    assert.deepEqual(await readBlob(registry, digest), large)
    await pushBytes(registry, repositoryB, 'layer of one')
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('stops when it is told to, goes on where it was, and keeps to its rate', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    for (let number = 0; number < 5; number++) await pushBytes(registry, repositoryA, `${number}`)
    const stop = new AbortController()
    let afterId = 0
    const first = scrub(registry, {
      signal: stop.signal,
      onProgress: (report) => {
        afterId = report.lastId
        if (report.blobs === 2) stop.abort()
      },
    })
    await assert.rejects(first, { name: 'AbortError' })
    assert.equal((await scrub(registry, { signal: noSignal, afterId })).blobs, 3)
    const slow = new AbortController()
    const paced = scrub(registry, { signal: slow.signal, bytesPerSecond: 1 })
    setTimeout(() => slow.abort(), 30)
    await assert.rejects(paced, { name: 'AbortError' })
  })
})
