/**
 * Pushes beside pushes, and beside all else: what metadata/push-locks.ts says is kept right, row by row. On PostgreSQL the transactions overlap, on
 * SQLite they follow each other; what comes of them is the same.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import type { RepositoryName } from '#oci/reference.ts'
import { digestOf } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { collectGarbage } from './collect-garbage.ts'
import { deleteBlob } from './delete-blob.ts'
import { deleteManifest } from './delete-manifest.ts'
import { deleteRepository } from './delete-repository.ts'
import { mountBlob } from './mount-blob.ts'
import { startUpload } from './push-blob.ts'
import { eventsOf, everything, limit, makeTeam, used } from './test-quota.ts'
import {
  alice,
  descriptor,
  imageOf,
  keysOf,
  noSignal,
  openTestRegistry,
  pushBytes,
  putManifest,
  repositoryA,
  repositoryB,
  sampleBytes,
  type TestRegistry,
} from './test-registry.ts'

const times = (count: number) => Array.from({ length: count }, (_, index) => index)
const accepted = (outcomes: readonly PromiseSettledResult<unknown>[]) => outcomes.filter(({ status }) => status === 'fulfilled').length
const isSound = async (place: TestRegistry) => assert.deepEqual(await checkInvariants(place.parts), [])
const readerOf = ({ registry }: TestRegistry) => registry.metadata.reader

test('a tag that forty manifests are pushed to moves from each to the next, and counts once', async () => {
  await using place = await openTestRegistry({ on: 'files' })
  const { registry } = place
  const config = await pushBytes(registry, repositoryA, '{}')
  await Promise.all(
    times(40).map((n) => putManifest(registry, repositoryA, imageOf({ config, annotations: { n: String(n) } }), 'v1', `own${n}`)),
  )
  const history = await readerOf(place).selectFrom('tag_history').select(['digest', 'previous_digest']).where('name', '=', 'v1').execute()
  const next = new Map(history.map((row) => [row.previous_digest?.toString('hex') ?? 'nothing', row.digest?.toString('hex')]))
  let steps = 0
  for (let at = next.get('nothing'); at !== undefined; at = next.get(at)) steps++
  assert.deepEqual([history.length, next.size, steps], [40, 40, 40])
  await isSound(place)
})

test('one manifest that is pushed many times at once, under many tags, is one row and counts once', async () => {
  await using place = await openTestRegistry({ on: 'files' })
  const { registry } = place
  const config = await pushBytes(registry, repositoryA, '{}')
  const image = imageOf({ config })
  await Promise.all(times(30).map((n) => putManifest(registry, repositoryA, image, `t${n % 7}`)))
  assert.equal((await readerOf(place).selectFrom('manifests').select('id').execute()).length, 1)
  assert.equal((await readerOf(place).selectFrom('tags').select('id').execute()).length, 7)
  await isSound(place)
})

test('one blob that is pushed many times at once to repositories of one project is one row, and counts once in the project', async () => {
  await using place = await openTestRegistry({ on: 'files' })
  const { registry } = place
  // Each of them holds room for its bytes while it comes.
  const id = await makeTeam(place, { bytesMax: 24 * 700 })
  const bytes = sampleBytes(700)
  await Promise.all(times(24).map((n) => pushBytes(registry, `team/r${n % 3}` as RepositoryName, bytes)))
  assert.equal(await used(registry, id), 700)
  assert.equal((await readerOf(place).selectFrom('blobs').select('id').execute()).length, 1)
  assert.equal((await keysOf(place)).length, 1)
  assert.equal((await eventsOf(registry, 'repository.created')).length, 3)
  await isSound(place)
})

test('pushes and mounts of one blob into many repositories of one project count it once', async () => {
  await using place = await openTestRegistry({ on: 'files' })
  const { registry } = place
  const id = await makeTeam(place)
  const bytes = sampleBytes(500)
  const digest = await pushBytes(registry, 'other/a' as RepositoryName, bytes)
  await Promise.all(
    times(20).map(async (n) => {
      const repository = `team/r${n % 5}` as RepositoryName
      if (n % 2 === 0) await pushBytes(registry, repository, bytes)
      else assert.ok(await mountBlob(registry, { repository, digest, visibility: everything, actor: alice }))
    }),
  )
  assert.equal(await used(registry, id), 500)
  await isSound(place)
})

test('of blobs, manifests, tags and repositories that come at once, as many are taken as fit', async () => {
  await using place = await openTestRegistry({ on: 'files' })
  const { registry } = place
  const id = await makeTeam(place)
  const config = await pushBytes(registry, repositoryA, '{}')
  const at = await used(registry, id)
  await limit(place, id, { bytesMax: at + 5 * 100 + 99 })
  assert.equal(accepted(await Promise.allSettled(times(30).map((n) => pushBytes(registry, repositoryA, sampleBytes(100, n + 1))))), 5)
  await limit(place, id, { tagsMax: 6 })
  const image = (n: number) => imageOf({ config, annotations: { n: String(n) } })
  assert.equal(accepted(await Promise.allSettled(times(30).map((n) => putManifest(registry, repositoryA, image(n), `t${n}`)))), 6)
  await limit(place, id, { repositoriesMax: 4 })
  const inOwn = (n: number) => pushBytes(registry, `team/own${n}` as RepositoryName, sampleBytes(10, n + 1))
  assert.equal(accepted(await Promise.allSettled(times(20).map(inOwn))), 3)
  await isSound(place)
})

test('nobody begins more uploads at once than one may have', async () => {
  await using place = await openTestRegistry({ options: { uploadsPerActor: 7 } })
  const outcomes = await Promise.allSettled(times(40).map((n) => startUpload(place.registry, `team/r${n % 4}` as RepositoryName, alice)))
  assert.equal(accepted(outcomes), 7)
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') assert.ok(outcome.reason instanceof RegistryError && outcome.reason.code === 'TOOMANYREQUESTS')
})

test('a blob that comes while a manifest names it is found by one of the two', async () => {
  await using place = await openTestRegistry({ on: 'files' })
  const { registry } = place
  const config = await pushBytes(registry, repositoryA, '{}')
  const foreign = 'application/vnd.oci.image.layer.nondistributable.v1.tar'
  for (const round of times(12)) {
    const layers = times(3).map((n) => `layer ${n} of ${round}`)
    const manifest = imageOf({ config, layers: layers.map((layer) => descriptor(digestOf(Buffer.from(layer)), foreign)) })
    await Promise.all([
      ...layers.map((layer) => pushBytes(registry, repositoryA, layer)),
      putManifest(registry, repositoryA, manifest, `v${round}`),
    ])
  }
  const { rows } = await sql<{ count: number }>`select count(*) as count from manifest_blobs`.execute(readerOf(place))
  assert.equal(Number(rows[0]?.count), 12 * 4)
  await isSound(place)
})

test('links that had stopped counting count once when several manifests need them again at once', async () => {
  await using place = await openTestRegistry({ on: 'files' })
  const { registry } = place
  const id = await makeTeam(place)
  const config = await pushBytes(registry, repositoryA, sampleBytes(400))
  for (const round of times(5)) {
    const images = times(6).map((n) => imageOf({ config, annotations: { n: `${round} ${n}` } }))
    const pushed = await Promise.all(images.map((image, n) => putManifest(registry, repositoryA, image, `v${n}`)))
    assert.equal(await used(registry, id), 400 + images.reduce((sum, image) => sum + image.length, 0))
    await Promise.all(pushed.map(({ digest }) => deleteManifest(registry, repositoryA, digest, alice)))
  }
  await isSound(place)
})

test('whatever is pushed, moved, mounted, deleted and collected at once, all that is left is sound', async () => {
  await using place = await openTestRegistry({ on: 'files', options: { garbageDelayMs: 400, readersDelayMs: 0 } })
  const { registry } = place
  const id = await makeTeam(place, { bytesMax: 60_000, tagsMax: 60, repositoriesMax: 4 })
  const until = performance.now() + 4_000
  let [pushes, random] = [0, 7]
  const pick = (bound: number) => (random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0) % bound
  const refused = new Set(['DENIED', 'BLOB_IN_USE', 'MANIFEST_BLOB_UNKNOWN', 'NAME_UNKNOWN', 'MANIFEST_UNKNOWN', 'BLOB_UNKNOWN'])
  const act = async (): Promise<void> => {
    const repository = `team/r${pick(3)}` as RepositoryName
    const layers = [`layer ${pick(9)}`, `layer ${pick(9)}`]
    const image = imageOf({ config: digestOf(Buffer.from('{}')), layers: layers.map((each) => descriptor(digestOf(Buffer.from(each)))) })
    const deed = pick(10)
    if (deed === 0) await deleteManifest(registry, repository, digestOf(image), alice)
    else if (deed === 1) await deleteBlob(registry, repository, digestOf(Buffer.from(layers[0] ?? '')), alice)
    else if (deed === 2 && pick(8) === 0) await deleteRepository(registry, repository, alice)
    else {
      for (const each of ['{}', ...layers]) await pushBytes(registry, repository, each)
      await putManifest(registry, repository, image, `t${pick(5)}`, `u${pick(20)}`)
      pushes++
    }
  }
  const lane = async () => {
    while (performance.now() < until)
      await act().catch((error: unknown) => {
        if (!(error instanceof RegistryError && refused.has(error.code))) throw error
      })
  }
  const collector = async () => {
    for (; performance.now() < until; await sleep(150)) await collectGarbage(registry, { signal: noSignal })
  }
  await Promise.all([...times(12).map(lane), collector()])
  assert.ok(pushes > 10, `${pushes} pushes`)
  assert.ok((await used(registry, id)) <= 60_000)
  await isSound(place)
})

test('pushes into two repositories, and the deletion of one of them, wait for each other and not for ever', async () => {
  await using place = await openTestRegistry({ on: 'files' })
  const { registry } = place
  const config = await pushBytes(registry, repositoryA, '{}')
  await pushBytes(registry, repositoryB, '{}')
  const image = (n: number) => imageOf({ config, annotations: { n: String(n) } })
  const pushes = times(30).map((n) => putManifest(registry, n % 2 === 0 ? repositoryA : repositoryB, image(n), `v${n}`))
  const [, ...outcomes] = await Promise.allSettled([deleteRepository(registry, repositoryB, alice), ...pushes])
  for (const [n, outcome] of outcomes.entries()) assert.ok(n % 2 === 1 || outcome.status === 'fulfilled')
  await isSound(place)
})
