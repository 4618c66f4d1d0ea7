/** Limits while uploads are under way, and what is said of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '#oci/digest.ts'
import { foldUsage } from '#projects/fold-usage.ts'
import { listQuotas, readQuota, setQuota } from '#projects/quotas.ts'
import { deleteBlob } from './delete-blob.ts'
import { readGarbageStatus } from './garbage-status.ts'
import { appendUpload, finishUpload, pushWholeBlob, startUpload } from './push-blob.ts'
import type { Registry } from './registry.ts'
import { eventsOf, limit, makeTeam, noLimits, partsOf, stream, used, who } from './test-quota.ts'
import {
  alice,
  bodyOf,
  failsWith,
  imageOf,
  keysOf,
  noSignal,
  openTestRegistry,
  pushBytes,
  putManifest,
  repositoryA,
  repositoryB,
  sampleBytes,
  uploadsOf,
} from './test-registry.ts'

const begin = async (registry: Registry) => {
  const { uploadId } = await startUpload(registry, repositoryA, alice)
  return { repository: repositoryA, uploadId, actor: alice }
}

test('what uploads under way have stored counts: they never hold more, with what is used, than the limit', async () => {
  await using at = await openTestRegistry({ on: 'files' })
  const { registry } = at
  const id = await makeTeam(at, { bytesMax: 1000 })
  await pushBytes(registry, repositoryA, sampleBytes(50, 1))
  const targets = await Promise.all(Array.from({ length: 5 }, () => begin(registry)))
  const [first, ...others] = targets
  assert.ok(first !== undefined)
  const bytes = sampleBytes(900, 2)
  await appendUpload(registry, first, bodyOf(bytes), { signal: noSignal })
  const facts = { project: 'team', unit: 'bytes', limit: 1000, used: 50, uploading: 900 }
  for (const target of others)
    await assert.rejects(
      appendUpload(registry, target, bodyOf(sampleBytes(51)), { signal: noSignal }),
      failsWith('DENIED', { ...facts, more: 51 }),
    )
  await assert.rejects(pushBytes(registry, repositoryA, sampleBytes(51)), failsWith('DENIED', { ...facts, more: 51 }))
  await assert.rejects(stream(registry, repositoryB, sampleBytes(51)), failsWith('DENIED', { ...facts, more: 51 }))
  const shown = await readQuota(registry, { id, name: 'team' })
  assert.deepEqual([shown.used.bytes, shown.uploadingBytes], [50, 900])
  assert.deepEqual(
    (await listQuotas(registry, { limit: 5, column: 'project', isDescending: false })).items.map((each) => each.uploadingBytes),
    [900],
  )
  await pushBytes(registry, repositoryA, sampleBytes(50, 3))
  await assert.rejects(startUpload(registry, repositoryA, alice), failsWith('DENIED', { ...facts, used: 100, more: 0 }))
  // Its own bytes do not count twice.
  await finishUpload(registry, first, { digest: digestOf(bytes), body: bodyOf(), signal: noSignal })
  assert.equal(await used(registry, id), 1000)
  assert.equal((await readQuota(registry, { id, name: 'team' })).uploadingBytes, 0)
})

test('chunks that come at once store no more than fits, though nobody says how long they are', async () => {
  await using at = await openTestRegistry({ on: 'disk' })
  const { registry } = at
  const id = await makeTeam(at, { bytesMax: 1_000_000 })
  let [holding, most] = [0, 0]
  async function* slowly() {
    let mine = 0
    try {
      for (let chunk = 0; chunk < 9; chunk++) {
        await new Promise((resolve) => setImmediate(resolve))
        yield sampleBytes(100_000)
        // It is asked for more, so what came was taken.
        mine += 100_000
        holding += 100_000
        most = Math.max(most, holding)
      }
    } finally {
      if (mine < 900_000) holding -= mine
    }
  }
  const targets = await Promise.all(Array.from({ length: 10 }, () => begin(registry)))
  const outcomes = await Promise.allSettled(targets.map((target) => appendUpload(registry, target, slowly(), { signal: noSignal })))
  for (const outcome of outcomes) if (outcome.status === 'rejected') failsWith('DENIED')(outcome.reason)
  const { uploadingBytes } = await readQuota(registry, { id, name: 'team' })
  assert.ok(uploadingBytes <= 1_000_000, `${uploadingBytes} bytes are stored`)
  assert.ok(most <= 1_100_000, `${most} bytes were taken`)
})

test('of chunks that are noted at once, those that together pass the limit are refused by the transaction', async () => {
  await using at = await openTestRegistry({ on: 'disk' })
  const { registry } = at
  const id = await makeTeam(at, { bytesMax: 1000 })
  const targets = await Promise.all(Array.from({ length: 20 }, () => begin(registry)))
  const chunks = targets.map((target, index) => appendUpload(registry, target, bodyOf(sampleBytes(300, index)), { signal: noSignal }))
  const refused = (await Promise.allSettled(chunks)).filter(({ status }) => status === 'rejected')
  assert.ok(refused.length >= 17)
  const { uploadingBytes } = await readQuota(registry, { id, name: 'team' })
  assert.ok(uploadingBytes <= 1000)
  assert.equal((await uploadsOf(at)).length, 20 - refused.length)
})

test('a thousand parallel uploads in chunks of no declared length are all taken when they fit to the byte', async () => {
  await using at = await openTestRegistry({ on: 'disk', options: { uploadsPerActor: 5_000 } })
  const { registry } = at
  const id = await makeTeam(at, { bytesMax: 1_000 * 500 })
  const push = async (seed: number) => {
    const bytes = sampleBytes(500, seed)
    const target = await begin(registry)
    await appendUpload(registry, target, bodyOf(bytes.subarray(0, 300)), { signal: noSignal })
    await finishUpload(registry, target, { digest: digestOf(bytes), body: bodyOf(bytes.subarray(300)), signal: noSignal })
  }
  const outcomes = await Promise.allSettled(Array.from({ length: 1_000 }, (_, index) => push(index + 1)))
  assert.deepEqual(
    outcomes.filter(({ status }) => status === 'rejected'),
    [],
  )
  assert.equal(await used(registry, id), 500_000)
})

test('an upload that ends otherwise gives its room back', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  await makeTeam(at, { bytesMax: 1000 })
  const target = await begin(registry)
  await appendUpload(registry, target, bodyOf(sampleBytes(900)), { signal: noSignal })
  const wrong = { digest: digestOf(sampleBytes(1)), body: bodyOf(sampleBytes(50)), signal: noSignal }
  await assert.rejects(finishUpload(registry, target, wrong), failsWith('DIGEST_INVALID'))
  await pushBytes(registry, repositoryA, sampleBytes(1000, 5))
})

test('the bytes of a refused upload are waited for by nobody, and its note goes', async () => {
  await using at = await openTestRegistry({ on: 'files' })
  const { registry } = at
  const id = await makeTeam(at, { bytesMax: 1000 })
  await stream(registry, repositoryA, sampleBytes(400, 1))
  await assert.rejects(stream(registry, repositoryA, sampleBytes(601, 2)), failsWith('DENIED'))
  const target = await begin(registry)
  await appendUpload(registry, target, bodyOf(sampleBytes(500, 3)), { signal: noSignal })
  await limit(at, id, { bytesMax: 500 })
  const end = { digest: digestOf(sampleBytes(500, 3)), body: bodyOf(), signal: noSignal }
  await assert.rejects(finishUpload(registry, target, end), failsWith('DENIED'))
  assert.deepEqual((await readGarbageStatus(registry)).leaving, { count: 0, bytes: 0 })
  assert.equal((await registry.metadata.reader.selectFrom('blob_deletions').select('id').execute()).length, 0)
  assert.deepEqual(await uploadsOf(at), [])
  assert.equal((await keysOf(at)).length, 1)
})

test('people are warned of each limit by itself, and other limits do not repeat what was said', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  const id = await makeTeam(at, { bytesMax: 1000, tagsMax: 2, warnPercent: 50 })
  const fold = () => foldUsage(registry.metadata, { now: () => 5 })
  const units = async () => (await eventsOf(registry, 'quota.warned')).map(({ detail }) => (JSON.parse(detail) as { unit: string }).unit)
  await pushBytes(registry, repositoryB, sampleBytes(600, 1))
  await fold()
  assert.deepEqual(await units(), ['bytes'])
  const config = await pushBytes(registry, repositoryA, 'c')
  await putManifest(registry, repositoryA, imageOf({ config }), 'v1')
  await fold()
  assert.deepEqual(await units(), ['bytes', 'tags'])
  await limit(at, id, { bytesMax: 1100, tagsMax: 2, repositoriesMax: 50, warnPercent: 50 })
  assert.deepEqual(await units(), ['bytes', 'tags'])
  await deleteBlob(registry, repositoryB, digestOf(sampleBytes(600, 1)), alice)
  await fold()
  const { warnedAt } = await readQuota(registry, { id, name: 'team' })
  assert.deepEqual([warnedAt.bytes, warnedAt.tags], [undefined, 5])
  await pushBytes(registry, repositoryB, sampleBytes(600, 2))
  await fold()
  assert.deepEqual(await units(), ['bytes', 'tags', 'bytes'])
})

test('limits that are taken away and set again have a version that never was', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  const id = await makeTeam(at, { bytesMax: 10 })
  const set = (limits: typeof noLimits | undefined, expectedVersion?: number) =>
    setQuota(partsOf(registry), { projectId: id, limits, expectedVersion }, who)
  const { version: first } = await readQuota(registry, { id, name: 'team' })
  await set(undefined)
  const { version: second } = await set({ ...noLimits, bytesMax: 20 } as never)
  assert.notEqual(second, first)
  await assert.rejects(set(noLimits, first), failsWith('PRECONDITION_FAILED'))
})

test('a blob in one request for a repository that would be one too many is refused before its body is read', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  await makeTeam(at, { repositoriesMax: 1 })
  await pushBytes(registry, repositoryA, 'x')
  async function* never(): AsyncGenerator<Uint8Array> {
    yield assert.fail('the body was read')
  }
  const push = { digest: digestOf(sampleBytes(9)), body: never(), signal: noSignal }
  const facts = { project: 'team', unit: 'repositories', limit: 1, used: 1, more: 1 }
  await assert.rejects(pushWholeBlob(registry, repositoryB, alice, push), failsWith('DENIED', facts))
  await pushBytes(registry, repositoryA, 'y')
})
