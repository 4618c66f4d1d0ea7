import assert from 'node:assert/strict'
import { test } from 'node:test'
import { verifyUsage } from '#metadata/usage-verify.ts'
import { digestOf } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { createProject } from '#projects/create-project.ts'
import { foldUsage } from '#projects/fold-usage.ts'
import { listQuotas, readQuota, setQuota } from '#projects/quotas.ts'
import { deleteBlob } from './delete-blob.ts'
import { deleteManifest } from './delete-manifest.ts'
import { mountBlob } from './mount-blob.ts'
import { moveRepository } from './move-repository.ts'
import { appendUpload, finishUpload, pushWholeBlob, startUpload, statUpload } from './push-blob.ts'
import { everything, eventsOf, limit, makeTeam, noLimits, partsOf, stream, used, who } from './test-quota.ts'
import {
  alice,
  bodyOf,
  descriptor,
  failsWith,
  imageOf,
  keysOf,
  noSignal,
  openTestRegistry,
  pushBytes,
  putImage,
  putManifest,
  readBlob,
  repositoryA,
  repositoryB,
  sampleBytes,
  uploadsOf,
} from './test-registry.ts'
import { readTrace, traceChanges } from './test-usage.ts'

test('a push that fits to the byte is taken, and one byte more is refused with project, limit and use', async () => {
  await using at = await openTestRegistry({ on: 'files' })
  const { registry } = at
  const id = await makeTeam(at, { bytesMax: 1000 })
  await pushBytes(registry, repositoryA, sampleBytes(600, 1))
  const expected = { project: 'team', unit: 'bytes', limit: 1000, used: 600, more: 401 }
  await assert.rejects(pushBytes(registry, repositoryA, sampleBytes(401, 2)), (error) => {
    assert.ok(error instanceof RegistryError)
    assert.equal(error.message, 'quota of project team exceeded: 600 B of 1000 B used, and this needs 401 B more')
    return failsWith('DENIED', expected)(error)
  })
  await pushBytes(registry, repositoryA, sampleBytes(400, 3))
  assert.equal(await used(registry, id), 1000)
  assert.equal((await keysOf(at)).length, 2)
  assert.deepEqual(await uploadsOf(at), [])
})

test('a limit that is raised, lowered or lifted counts from the next push on, though the limits were read just now', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  const id = await makeTeam(at, { bytesMax: 100 })
  await pushBytes(registry, repositoryA, sampleBytes(100, 1))
  await assert.rejects(startUpload(registry, repositoryA, alice), failsWith('DENIED'))
  await limit(at, id, { bytesMax: 200 })
  await startUpload(registry, repositoryA, alice)
  await pushBytes(registry, repositoryA, sampleBytes(100, 2))
  await limit(at, id, noLimits)
  await pushBytes(registry, repositoryA, sampleBytes(100, 3))
  await limit(at, id, { bytesMax: 300 })
  await assert.rejects(startUpload(registry, repositoryA, alice), failsWith('DENIED'))
})

test('what the project has already fits however full it is: pushed to another repository, mounted, pushed again', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  const id = await makeTeam(at, { bytesMax: 1000 })
  const bytes = sampleBytes(1000)
  const digest = await pushBytes(registry, repositoryA, bytes)
  await pushBytes(registry, repositoryA, bytes)
  await pushBytes(registry, repositoryB, bytes)
  const to = 'team/c' as RepositoryName
  assert.equal(await mountBlob(registry, { repository: to, digest, visibility: everything, actor: alice }), true)
  assert.equal(await used(registry, id), 1000)
})

test('a mount of what the project does not have is refused when it does not fit, and links nothing', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  await makeTeam(at, { bytesMax: 999 })
  const digest = await pushBytes(registry, 'other/a' as RepositoryName, sampleBytes(1000))
  await assert.rejects(mountBlob(registry, { repository: repositoryA, digest, visibility: everything, actor: alice }), failsWith('DENIED'))
  await assert.rejects(readBlob(registry, digest, repositoryA), failsWith('NAME_UNKNOWN'))
  assert.deepEqual((await verifyUsage(registry.metadata.reader)).faults, [])
})

test('a manifest whose document does not fit is refused, and its tag does not move', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  const id = await makeTeam(at, {})
  const config = await pushBytes(registry, repositoryA, 'c')
  await putManifest(registry, repositoryA, imageOf({ config }), 'v1')
  await limit(at, id, { bytesMax: await used(registry, id) })
  await assert.rejects(putManifest(registry, repositoryA, imageOf({ config, annotations: { a: 'b' } }), 'v1'), failsWith('DENIED'))
  await putManifest(registry, repositoryA, imageOf({ config }), 'v1')
  assert.equal((await eventsOf(registry, 'tag.moved')).length, 1)
})

test('tags and repositories have limits of their own', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  await makeTeam(at, { tagsMax: 2, repositoriesMax: 1 })
  const { config } = await putImage(registry, repositoryA, 'one', 'v1', 'v2')
  await putImage(registry, repositoryA, 'two', 'v1')
  await assert.rejects(putManifest(registry, repositoryA, imageOf({ config }), 'v3'), (error) => {
    assert.match(String(error), /quota of project team exceeded: 2 of 2 tags used, and this needs 1 more/)
    return failsWith('DENIED')(error)
  })
  await putManifest(registry, repositoryA, imageOf({ config }))
  await assert.rejects(pushBytes(registry, repositoryB, 'x'), failsWith('DENIED'))
  await assert.rejects(
    startUpload(registry, repositoryB, alice),
    failsWith('DENIED', { project: 'team', unit: 'repositories', limit: 1, used: 1, more: 1 }),
  )
})

test('projects above hold their limits, too', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  const team = await makeTeam(at, { bytesMax: 1000 })
  const { id: app } = await createProject(partsOf(registry), { name: 'team/app' }, who)
  await limit(at, app, { bytesMax: 700 })
  const deep = 'team/app/x' as RepositoryName
  await pushBytes(registry, repositoryA, sampleBytes(500, 1))
  await pushBytes(registry, deep, sampleBytes(500, 2))
  await assert.rejects(
    pushBytes(registry, deep, sampleBytes(1, 3)),
    failsWith('DENIED', { project: 'team', unit: 'bytes', limit: 1000, used: 1000, more: 1 }),
  )
  await limit(at, team, { bytesMax: 2000 })
  await assert.rejects(
    pushBytes(registry, deep, sampleBytes(201, 3)),
    failsWith('DENIED', { project: 'team/app', unit: 'bytes', limit: 700, used: 500, more: 201 }),
  )
  assert.deepEqual([await used(registry, team), await used(registry, app)], [1000, 500])
})

test('a limit below what is used deletes nothing: pushes are refused until there is room', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  const id = await makeTeam(at)
  const first = await pushBytes(registry, repositoryA, sampleBytes(600, 1))
  await pushBytes(registry, repositoryA, sampleBytes(300, 2))
  await limit(at, id, { bytesMax: 500 })
  assert.equal((await readBlob(registry, first)).length, 600)
  await assert.rejects(startUpload(registry, repositoryA, alice), failsWith('DENIED'))
  await deleteBlob(registry, repositoryA, first, alice)
  await pushBytes(registry, repositoryA, sampleBytes(200, 3))
  assert.equal(await used(registry, id), 500)
})

test('what is announced and cannot fit is refused before a byte of it is read', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  await makeTeam(at, { bytesMax: 100 })
  async function* never(): AsyncGenerator<Uint8Array> {
    yield assert.fail('the body was read')
  }
  const push = { digest: digestOf(sampleBytes(101)), body: never(), contentLength: 101, signal: noSignal }
  await assert.rejects(pushWholeBlob(registry, repositoryA, alice, push), failsWith('DENIED'))
  const { uploadId } = await startUpload(registry, repositoryA, alice)
  const target = { repository: repositoryA, uploadId, actor: alice }
  await assert.rejects(appendUpload(registry, target, never(), { contentLength: 101, signal: noSignal }), failsWith('DENIED'))
  await assert.rejects(statUpload(registry, target), failsWith('BLOB_UPLOAD_UNKNOWN'))
})

test('an upload that grows beyond what is left is stopped, and its bytes go', async () => {
  await using at = await openTestRegistry({ on: 'files' })
  const { registry } = at
  await makeTeam(at, { bytesMax: 200_000 })
  let sent = 0
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      sent += 65_536
      yield sampleBytes(65_536)
    }
  }
  const { uploadId } = await startUpload(registry, repositoryA, alice)
  const target = { repository: repositoryA, uploadId, actor: alice }
  await assert.rejects(appendUpload(registry, target, endless(), { signal: noSignal }), failsWith('DENIED'))
  assert.ok(sent <= 5 * 65_536, `${sent} bytes were read`)
  const digest = digestOf(sampleBytes(10))
  await assert.rejects(pushWholeBlob(registry, repositoryA, alice, { digest, body: endless(), signal: noSignal }), failsWith('DENIED'))
  await assert.rejects(statUpload(registry, target), failsWith('BLOB_UPLOAD_UNKNOWN'))
  assert.deepEqual(await uploadsOf(at), [])
})

test('an upload whose room another took meanwhile is refused at its end, and leaves nothing', async () => {
  await using at = await openTestRegistry({ on: 'files' })
  const { registry } = at
  const projectId = await makeTeam(at, { bytesMax: 1000 })
  const [mine, theirs] = [sampleBytes(600, 1), sampleBytes(600, 2)]
  const { uploadId } = await startUpload(registry, repositoryA, alice)
  const target = { repository: repositoryA, uploadId, actor: alice }
  await appendUpload(registry, target, bodyOf(mine), { signal: noSignal })
  // What is moved is weighed against what is used alone.
  const from = 'alone/a' as RepositoryName
  await pushBytes(registry, from, theirs)
  await moveRepository(registry, { from, to: repositoryB, projectId, leavesRedirect: false }, who)
  const end = { digest: digestOf(mine), body: bodyOf(), signal: noSignal }
  await assert.rejects(finishUpload(registry, target, end), failsWith('DENIED'))
  await assert.rejects(statUpload(registry, target), failsWith('BLOB_UPLOAD_UNKNOWN'))
  assert.deepEqual(await uploadsOf(at), [])
  assert.equal((await keysOf(at)).length, 1)
})

test('a repository moves into a project only if it fits there', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  const id = await makeTeam(at, { bytesMax: 500 })
  const from = 'alone/a' as RepositoryName
  await pushBytes(registry, from, sampleBytes(501))
  const move = { from, to: 'team/alone' as RepositoryName, projectId: id, leavesRedirect: false }
  await assert.rejects(moveRepository(registry, move, who), failsWith('DENIED'))
  await limit(at, id, { bytesMax: 501 })
  await moveRepository(registry, move, who)
  assert.equal(await used(registry, id), 501)
})

test('a limit that comes near is said once, and again when usage was below meanwhile', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  const id = await makeTeam(at, { bytesMax: 1000, warnPercent: 50 })
  const fold = () => foldUsage(registry.metadata, { now: () => 5 })
  const warnings = async () => (await eventsOf(registry, 'quota.warned')).map(({ project, detail }) => [project, JSON.parse(detail)])
  await pushBytes(registry, repositoryA, sampleBytes(499, 1))
  await fold()
  assert.deepEqual(await warnings(), [])
  const digest = await pushBytes(registry, repositoryA, sampleBytes(1, 2))
  await fold()
  await pushBytes(registry, repositoryA, sampleBytes(100, 3))
  await fold()
  assert.deepEqual(await warnings(), [['team', { unit: 'bytes', limit: 1000, used: 500, warnPercent: 50 }]])
  await deleteBlob(registry, repositoryA, digest, alice)
  await deleteBlob(registry, repositoryA, digestOf(sampleBytes(100, 3)), alice)
  await fold()
  assert.equal((await readQuota(registry, { id, name: 'team' })).warnedAt.bytes, undefined)
  await pushBytes(registry, repositoryA, sampleBytes(2, 4))
  await fold()
  assert.equal((await warnings()).length, 2)
})

test('limits are set in the version that was seen, and each change is on record', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  const id = await makeTeam(at, { bytesMax: 10 })
  const set = (limits: typeof noLimits | undefined, expectedVersion?: number) =>
    setQuota(partsOf(registry), { projectId: id, limits, expectedVersion }, who)
  await assert.rejects(set(noLimits, 7), failsWith('PRECONDITION_FAILED'))
  assert.equal((await set({ ...noLimits, tagsMax: 3 } as never, 1)).version, 2)
  assert.equal((await set({ ...noLimits, tagsMax: 3 } as never)).version, 2)
  assert.deepEqual(
    (await listQuotas(registry, { limit: 5, column: 'project', isDescending: false })).items.map(({ project }) => project),
    ['team'],
  )
  assert.equal((await set(undefined, 2)).version, 0)
  await assert.rejects(set(noLimits, 2), failsWith('PRECONDITION_FAILED'))
  await assert.rejects(
    setQuota(partsOf(registry), { projectId: 99, limits: noLimits, expectedVersion: undefined }, who),
    failsWith('RESOURCE_UNKNOWN'),
  )
  const changes = (await eventsOf(registry, 'quota.updated')).map(({ detail }) => JSON.parse(detail) as { before: unknown; after: unknown })
  assert.equal(changes.length, 3)
  assert.deepEqual(changes[1], { before: { ...noLimits, bytesMax: 10 }, after: { ...noLimits, tagsMax: 3 } })
  assert.deepEqual(changes[2]?.after, null)
})

test('a thousand parallel uploads that fit are all taken, and none is that does not', async () => {
  await using at = await openTestRegistry({ on: 'disk', options: { uploadsPerActor: 5_000 } })
  const { registry } = at
  const id = await makeTeam(at, { bytesMax: 1_000 * 500 })
  const push = (seed: number) => pushBytes(registry, repositoryA, sampleBytes(500, seed))
  const seeds = Array.from({ length: 1_000 }, (_, index) => index + 1)
  assert.deepEqual(
    (await Promise.allSettled(seeds.map(push))).filter(({ status }) => status === 'rejected'),
    [],
  )
  assert.equal(await used(registry, id), 500_000)
  await limit(at, id, { bytesMax: 500_000 + 300 * 500 + 499 })
  const more = await Promise.allSettled(seeds.map((seed) => push(seed + 1_000)))
  const refused = more.filter((each) => each.status === 'rejected').map(({ reason }) => reason as unknown)
  assert.equal(refused.length, 700)
  for (const reason of refused) failsWith('DENIED')(reason)
  assert.equal(await used(registry, id), 500_000 + 300 * 500)
  assert.deepEqual((await verifyUsage(registry.metadata.reader)).faults, [])
  assert.equal((await keysOf(at)).length, 1_300)
})

// SQLite's own sqlite_sequence, which gives ids, is a row for all; PostgreSQL has sequences, which nobody waits for.
test('uploads into one project under a quota change no row of another: they only add', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  const id = await makeTeam(at, { bytesMax: 10_000_000, repositoriesMax: 10, tagsMax: 10 })
  await pushBytes(registry, repositoryA, 'first')
  // Folding is a transaction of its own, and the one that brings rows together.
  registry.memory.quotas[Symbol.dispose]()
  await registry.metadata.write(traceChanges, undefined)
  await Promise.all(Array.from({ length: 1_000 }, (_, index) => stream(registry, repositoryA, sampleBytes(300, index + 1))))
  const trace = await registry.metadata.write(readTrace, undefined)
  const names = new Set(trace.map(({ name, deed }) => `${deed} ${name}`))
  // Its own blob's lease, and the note of its own key.
  assert.deepEqual(
    [...names].filter((name) => !['update blobs', 'delete blob_deletions'].includes(name)),
    [],
  )
  assert.ok(
    trace.every(({ times }) => times === 1),
    'a row was changed twice',
  )
  assert.equal(await used(registry, id), 300_005)
})

test('a quota of the default project is for the names that no other project owns', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  await makeTeam(at)
  await limit(at, 1, { bytesMax: 100 })
  await pushBytes(registry, repositoryA, sampleBytes(1000, 1))
  await assert.rejects(pushBytes(registry, 'busybox' as RepositoryName, sampleBytes(101, 2)), failsWith('DENIED'))
  await assert.rejects(pushBytes(registry, 'library/busybox' as RepositoryName, sampleBytes(101, 2)), failsWith('DENIED'))
  await pushBytes(registry, 'busybox' as RepositoryName, sampleBytes(100, 2))
})

test('what is deleted makes room at once', async () => {
  await using at = await openTestRegistry({ options: { trashWindowMs: 1_000_000 } })
  const { registry } = at
  const id = await makeTeam(at)
  const { digest } = await putImage(registry, repositoryA, 'one', 'v1')
  await limit(at, id, { bytesMax: await used(registry, id) })
  await assert.rejects(putImage(registry, repositoryA, 'two', 'v2' as Tag), failsWith('DENIED'))
  await deleteManifest(registry, repositoryA, digest, alice)
  await putImage(registry, repositoryA, 'two', 'v2' as Tag)
  await putManifest(
    registry,
    repositoryA,
    imageOf({ config: digestOf(Buffer.from('config of two')), layers: [descriptor(digestOf(Buffer.from('layer of two')))] }),
    'v1',
  )
})
