import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ociManifest } from '#oci/media-types.ts'
import { digestOf, type Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { tagPrefixOf } from '#oci/subject-of-tag.ts'
import { createProject } from '#projects/create-project.ts'
import { updateProject } from '#projects/update-project.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { collectGarbage } from './collect-garbage.ts'
import { reviewUntaggedJob } from './collect-garbage-job.ts'
import { deleteManifest, deleteTag } from './delete-manifest.ts'
import { moveRepository } from './move-repository.ts'
import { statManifest } from './pull-manifest.ts'
import {
  alice,
  descriptor,
  hourMs,
  imageOf,
  indexOf,
  noSignal,
  openTestRegistry,
  pushBytes,
  putImage,
  putManifest,
  repositoryA,
  type TestRegistry,
} from './test-registry.ts'
import { readWaitingUntagged } from './waiting-untagged.ts'
import { reviewUnknownAt } from './test-transactions.ts'

const signal = noSignal
const dayMs = 24 * hourMs
const who = { actor: 'alice', requestId: 'r1' }

async function has({ registry }: TestRegistry, digest: Digest): Promise<boolean> {
  return statManifest(registry, repositoryA, { kind: 'digest', digest }, alice).then(
    () => true,
    () => false,
  )
}

async function setPolicy({ registry }: TestRegistry, untaggedAfterDays: number | null): Promise<void> {
  const { project_id: projectId } = await registry.metadata.reader.selectFrom('repositories').select('project_id').executeTakeFirstOrThrow()
  const parts = { metadata: registry.metadata, ports: registry.context.ports }
  await updateProject(parts, { projectId, changes: { untaggedAfterDays }, expectedVersion: undefined }, who)
}

/** What the worker does with the job that was made last. Gives how many there are. */
async function runReviews({ registry }: TestRegistry): Promise<number> {
  const jobs = await registry.metadata.reader
    .selectFrom('jobs')
    .select('payload')
    .where('kind', '=', 'review-untagged')
    .orderBy('id')
    .execute()
  const run = {
    job: { id: 0, fence: 0 },
    signal,
    cursor: undefined,
    save: async () => undefined,
    report: () => undefined,
    log: () => undefined,
  }
  for (const { payload } of jobs.slice(-1)) await reviewUntaggedJob(registry).run(run, JSON.parse(payload) as never)
  return jobs.length
}

suite('untagged manifests of a project', () => {
  test('are kept unless it says otherwise', async () => {
    await using place = await openTestRegistry()
    const { registry, clock } = place
    const old = await putImage(registry, repositoryA, 'old', 'v1')
    await putImage(registry, repositoryA, 'new', 'v1')
    clock.advance(400 * dayMs)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 0)
    assert.ok(await has(place, old.digest))
    assert.equal((await registry.metadata.reader.selectFrom('garbage_reviews').select('id').execute()).length, 0)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('go when their time is over, counted from the tag that moved last, and can be restored from the trash', async () => {
    await using place = await openTestRegistry({ options: { trashWindowMs: 7 * dayMs } })
    const { registry, clock } = place
    const first = await putImage(registry, repositoryA, 'first', 'v1')
    await setPolicy(place, 3)
    await putImage(registry, repositoryA, 'second', 'v1')
    clock.advance(2 * dayMs)
    await putManifest(registry, repositoryA, imageOf({ config: first.config, layers: [descriptor(first.layer)] }), 'again')
    await deleteTag(registry, repositoryA, 'again' as Tag, alice)
    clock.advance(2 * dayMs)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 0)
    assert.ok(await has(place, first.digest))
    clock.advance(dayMs)
    assert.equal((await collectGarbage(registry, { signal, dryRun: true })).manifests, 1)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 1)
    assert.ok(!(await has(place, first.digest)))
    const [trash] = await registry.metadata.reader.selectFrom('trash').select(['kind', 'reason']).where('kind', '=', 'manifest').execute()
    assert.deepEqual(trash, { kind: 'manifest', reason: 'untagged' })
    clock.advance(2 * dayMs)
    await collectGarbage(registry, { signal })
    assert.equal((await registry.metadata.reader.selectFrom('blobs').select('id').execute()).length, 4)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('that are there already count from the moment the project says so', async () => {
    await using place = await openTestRegistry()
    const { registry, clock } = place
    const old = await putImage(registry, repositoryA, 'old', 'v1')
    const kept = await putImage(registry, repositoryA, 'new', 'v1')
    clock.advance(100 * dayMs)
    await collectGarbage(registry, { signal })
    await setPolicy(place, 10)
    assert.equal(await runReviews(place), 1)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 0)
    clock.advance(10 * dayMs + 1)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 1)
    assert.ok(!(await has(place, old.digest)))
    assert.ok(await has(place, kept.digest))
  })

  test('wait no longer than a shorter time allows, and no more when they are to be kept again', async () => {
    await using place = await openTestRegistry()
    const { registry, clock } = place
    const old = await putImage(registry, repositoryA, 'old', 'v1')
    await setPolicy(place, 100)
    await putImage(registry, repositoryA, 'new', 'v1')
    clock.advance(5 * dayMs)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 0)
    await setPolicy(place, null)
    clock.advance(dayMs)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 0)
    await setPolicy(place, 4)
    await runReviews(place)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 1)
    assert.ok(!(await has(place, old.digest)))
  })

  test('of a repository that comes from another project count from then', async () => {
    await using place = await openTestRegistry()
    const { registry, clock } = place
    const parts = { metadata: registry.metadata, ports: registry.context.ports }
    await putImage(registry, repositoryA, 'old', 'v1')
    await putImage(registry, repositoryA, 'new', 'v1')
    const { id: projectId } = await createProject(parts, { name: 'other' }, who)
    await updateProject(parts, { projectId, changes: { untaggedAfterDays: 2 }, expectedVersion: undefined }, who)
    await runReviews(place)
    clock.advance(10 * dayMs)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 0)
    await moveRepository(registry, { from: repositoryA, to: 'other/a' as RepositoryName, projectId, leavesRedirect: false }, who)
    assert.equal(await runReviews(place), 2)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 0)
    clock.advance(3 * dayMs)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 1)
  })

  test('stay the delay of garbage when their project says so a moment after they were untagged or pushed, whatever days it says', async () => {
    await using place = await openTestRegistry()
    const { registry, clock } = place
    const old = await putImage(registry, repositoryA, 'old', 'v1')
    const kept = await putImage(registry, repositoryA, 'new', 'v1')
    clock.advance(hourMs)
    // Of an index that is still to come.
    const child = await putImage(registry, repositoryA, 'child')
    await setPolicy(place, 0)
    await runReviews(place)
    assert.equal((await collectGarbage(registry, { signal, dryRun: true })).manifests, 0)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 0)
    clock.advance(23 * hourMs)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 1)
    assert.deepEqual(await Promise.all([old, kept, child].map(({ digest }) => has(place, digest))), [false, true, true])
    clock.advance(2 * hourMs)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 1)
    assert.ok(!(await has(place, child.digest)))
  })

  test('that a review finds too early stay until their time is over, and then go', async () => {
    await using place = await openTestRegistry()
    const { registry, clock } = place
    const child = await putImage(registry, repositoryA, 'child')
    await setPolicy(place, 0)
    await registry.metadata.write(reviewUnknownAt, clock.now())
    assert.equal((await collectGarbage(registry, { signal })).manifests, 0)
    clock.advance(dayMs)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 1)
    assert.ok(!(await has(place, child.digest)))
  })

  test('stay where deletes are switched off, and go once they are switched on', async () => {
    await using place = await openTestRegistry()
    const { clock } = place
    const registry = { ...place.registry, options: { ...place.registry.options, deleteEnabled: false } }
    const old = await putImage(registry, repositoryA, 'old')
    await setPolicy(place, 3)
    clock.advance(10 * dayMs)
    assert.equal((await collectGarbage(registry, { signal, dryRun: true })).manifests, 0)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 0)
    assert.ok(await has(place, old.digest))
    clock.advance(dayMs)
    assert.equal((await collectGarbage(place.registry, { signal })).manifests, 1)
  })

  test('children and referrers go with the index that held them, tagged ones stay', async () => {
    await using place = await openTestRegistry()
    const { registry, clock } = place
    await pushBytes(registry, repositoryA, 'any')
    await setPolicy(place, 30)
    const child = await putImage(registry, repositoryA, 'child')
    const tagged = await putImage(registry, repositoryA, 'tagged', 'stays')
    const index = await putManifest(
      registry,
      repositoryA,
      indexOf([child, tagged].map(({ digest }) => descriptor(digest, ociManifest))),
      'multi',
    )
    const config = await pushBytes(registry, repositoryA, '{}')
    const signature = await putManifest(registry, repositoryA, imageOf({ config, subject: descriptor(index.digest) }))
    clock.advance(100 * dayMs)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 0)
    await deleteTag(registry, repositoryA, 'multi' as Tag, alice)
    clock.advance(31 * dayMs)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 3)
    for (const { digest } of [index, child, signature]) assert.ok(!(await has(place, digest)))
    assert.ok(await has(place, tagged.digest))
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('a signature under a tag stays as long as what it is about may come back, then it is untagged', async () => {
    await using place = await openTestRegistry({ options: { trashWindowMs: 7 * dayMs } })
    const { registry, clock } = place
    const image = await putImage(registry, repositoryA, 'image', 'v1')
    const tag = `${tagPrefixOf(image.digest)}.sig`
    const signature = await putImage(registry, repositoryA, 'signature', tag)
    await setPolicy(place, 0)
    await deleteManifest(registry, repositoryA, image.digest, alice)
    clock.advance(3 * dayMs)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 0)
    assert.ok(await has(place, signature.digest))
    clock.advance(5 * dayMs)
    const { trashPurge } = await import('./purge-trash.ts')
    const run = {
      job: { id: 0, fence: 0 },
      signal,
      cursor: undefined,
      save: async () => undefined,
      report: () => undefined,
      log: () => undefined,
    }
    await trashPurge(registry).run(run, null)
    clock.advance(2 * dayMs)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 1)
    assert.ok(!(await has(place, signature.digest)))
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('a tag made of the digest of something else keeps what it points at', async () => {
    await using place = await openTestRegistry({ options: { garbageDelayMs: 0 } })
    const { registry } = place
    const image = await putImage(registry, repositoryA, 'image', 'v1')
    const signature = await putImage(registry, repositoryA, 'signature', `${tagPrefixOf(image.digest)}.sig`)
    const lost = await putImage(registry, repositoryA, 'lost', `${tagPrefixOf(digestOf(Buffer.from('never here')))}.sig`)
    const both = await putImage(registry, repositoryA, 'both', `${tagPrefixOf(digestOf(Buffer.from('neither')))}.att`, 'v2')
    assert.equal((await collectGarbage(registry, { signal, deleteUntagged: true })).manifests, 1)
    assert.deepEqual(await Promise.all([image, signature, lost, both].map(({ digest }) => has(place, digest))), [true, true, false, true])
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('that wait for the days of their project go at once when somebody asks for all of them', async () => {
    await using place = await openTestRegistry()
    const { registry, clock } = place
    const old = await putImage(registry, repositoryA, 'old', 'v1')
    await setPolicy(place, 30)
    await putImage(registry, repositoryA, 'new', 'v1')
    clock.advance(2 * dayMs)
    const fresh = await putImage(registry, repositoryA, 'fresh')
    assert.equal((await collectGarbage(registry, { signal })).manifests, 0)
    const { manifests, until = 0 } = await readWaitingUntagged(registry)
    assert.equal(manifests, 1)
    assert.ok(until > clock.now() + dayMs - hourMs && until <= clock.now() + dayMs, String(until - clock.now()))
    assert.equal((await collectGarbage(registry, { signal, dryRun: true, deleteUntagged: true })).manifests, 1)
    assert.equal((await collectGarbage(registry, { signal, deleteUntagged: true })).manifests, 1)
    assert.deepEqual(await Promise.all([old, fresh].map(({ digest }) => has(place, digest))), [false, true])
    clock.advance(dayMs)
    assert.equal((await collectGarbage(registry, { signal, deleteUntagged: true })).manifests, 1)
    assert.ok(!(await has(place, fresh.digest)))
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('that a collection looked at for all of them keep the days of their project when it was not their time', async () => {
    await using place = await openTestRegistry()
    const { registry, clock } = place
    const fresh = await putImage(registry, repositoryA, 'fresh')
    await setPolicy(place, 30)
    await runReviews(place)
    assert.equal((await collectGarbage(registry, { signal, deleteUntagged: true })).manifests, 0)
    clock.advance(2 * dayMs)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 0)
    clock.advance(27 * dayMs)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 0)
    assert.ok(await has(place, fresh.digest))
    clock.advance(2 * dayMs)
    assert.equal((await collectGarbage(registry, { signal })).manifests, 1)
  })
})
