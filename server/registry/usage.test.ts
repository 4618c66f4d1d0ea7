import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemScope, usageIn, type Usage } from '#metadata/usage-counters.ts'
import { nextRecount, recountStep } from '#metadata/usage-recounts.ts'
import { lookAtUsage, verifyUsage, verifyUsageNow } from '#metadata/usage-verify.ts'
import { digestOf } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { createProject } from '#projects/create-project.ts'
import { deleteProject } from '#projects/delete-project.ts'
import { foldUsage } from '#projects/fold-usage.ts'
import { readProjectUsage, readRepositoryUsage } from '#projects/read-usage.ts'
import { renameProject } from '#projects/rename-project.ts'
import { collectGarbage } from './collect-garbage.ts'
import { deleteBlob } from './delete-blob.ts'
import { deleteManifest, deleteTag } from './delete-manifest.ts'
import { deleteRepository } from './delete-repository.ts'
import { mountBlob } from './mount-blob.ts'
import { moveRepository, placeForRepository } from './move-repository.ts'
import { abandonUpload, startUpload } from './push-blob.ts'
import type { Registry } from './registry.ts'
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
  repositoryB,
  type TestRegistry,
} from './test-registry.ts'
import { addManyBlobs, askForRecount, damageUsage, linkSomeBlobs } from './test-usage.ts'

const who = { actor: 'alice', requestId: 'r1' }
const everything = { kind: 'everything' } as const

const partsOf = ({ metadata, context }: Registry) => ({ metadata, ports: context.ports })

async function make(registry: Registry, name: string, takenFrom?: number, mayEnclose: readonly number[] = []): Promise<number> {
  const permissions = takenFrom === undefined ? [] : (['project:update', 'project:delete'] as const)
  const mayTake = permissions.map((permission) => ({ projectId: takenFrom ?? 0, permission }))
  return (await createProject(partsOf(registry), { name, mayTake, mayEnclose }, who)).id
}

async function move(registry: Registry, from: RepositoryName, to: RepositoryName): Promise<void> {
  const place = await placeForRepository(registry, to)
  await moveRepository(registry, { from, to: place.repository, projectId: place.project.id, leavesRedirect: false }, who)
}

/** Counts everything again: throws with what differs. */
async function assertExact({ metadata }: Registry): Promise<void> {
  assert.deepEqual((await verifyUsage(metadata.reader)).faults, [])
}

async function of(
  registry: Registry,
  projectId: number,
): Promise<Pick<Usage, 'bytes' | 'logicalBytes' | 'blobs' | 'manifests' | 'tags' | 'repositories'>> {
  const { bytes, logicalBytes, blobs, manifests, tags, repositories } = await readProjectUsage(registry, projectId)
  return { bytes, logicalBytes, blobs, manifests, tags, repositories }
}

const libraryId = 1

test('a blob counts once in a project, however many of its repositories have it, and once in each of them', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  await make(registry, 'team')
  const teamId = 2
  await pushBytes(registry, repositoryA, 'x'.repeat(1000))
  await pushBytes(registry, repositoryB, 'x'.repeat(1000))
  await pushBytes(registry, repositoryB, 'y'.repeat(10))
  assert.equal((await of(registry, teamId)).bytes, 1010)
  assert.equal((await readRepositoryUsage(registry, repositoryA)).bytes, 1000)
  assert.equal((await readRepositoryUsage(registry, repositoryB)).bytes, 1010)
  assert.equal((await usageIn(registry.metadata.reader, systemScope)).bytes, 1010)
  assert.equal((await of(registry, libraryId)).bytes, 0)
  await assertExact(registry)
})

test('a manifest counts with its document and its tags, and logically with all its blobs each time', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  const layer = await pushBytes(registry, repositoryA, 'l'.repeat(100))
  const [configA, configB] = [await pushBytes(registry, repositoryA, 'a'), await pushBytes(registry, repositoryA, 'bb')]
  const [one, two] = [configA, configB].map((config) => imageOf({ config, layers: [descriptor(layer)] }))
  assert.ok(one !== undefined && two !== undefined)
  await putManifest(registry, repositoryA, one, 'v1', 'v1.0')
  await putManifest(registry, repositoryA, two, 'v2')
  await putManifest(registry, repositoryA, two, 'v2', 'v1')
  const documents = one.length + two.length
  assert.deepEqual(await of(registry, libraryId), {
    bytes: 103 + documents,
    logicalBytes: 203 + documents,
    blobs: 3,
    manifests: 2,
    tags: 3,
    repositories: 1,
  })
  await deleteTag(registry, repositoryA, 'v2' as Tag, alice)
  await deleteManifest(registry, repositoryA, digestOf(one), alice)
  const left = await of(registry, libraryId)
  assert.deepEqual(left, { bytes: 102 + two.length, logicalBytes: 102 + two.length, blobs: 2, manifests: 1, tags: 1, repositories: 1 })
  await assertExact(registry)
})

test('links that stopped counting count again when the manifest is pushed again, or the blob is, or is mounted', async () => {
  await using at = await openTestRegistry({ options: { trashWindowMs: hourMs } })
  const { registry } = at
  const before = async () => (await of(registry, libraryId)).bytes
  const { digest, config, layer } = await putImage(registry, repositoryA, 'one', 'v1')
  const full = await before()
  const image = imageOf({ config, layers: [descriptor(layer)] })
  await deleteManifest(registry, repositoryA, digest, alice)
  assert.equal(await before(), 0)
  await putManifest(registry, repositoryA, image, 'v1')
  assert.equal(await before(), full)
  await deleteManifest(registry, repositoryA, digest, alice)
  await pushBytes(registry, repositoryA, 'layer of one')
  assert.equal(await before(), 'layer of one'.length)
  await mountBlob(registry, { repository: repositoryA, digest: config, from: repositoryA, visibility: everything, actor: alice })
  assert.equal(await before(), 'layer of one'.length + 'config of one'.length)
  await assertExact(registry)
})

test('blobs that come after the manifests that list them count logically in each of those', async () => {
  await using at = await openTestRegistry({ options: { indexPlatforms: 'none' } })
  const { registry } = at
  const late = descriptor(digestOf(Buffer.from('late')))
  const indexes = [indexOf([late]), indexOf([late], { annotations: { a: 'b' } })]
  for (const bytes of indexes) await putManifest(registry, repositoryA, bytes, 'x')
  const documents = indexes.reduce((sum, { length }) => sum + length, 0)
  assert.equal((await of(registry, libraryId)).logicalBytes, documents)
  await pushBytes(registry, repositoryA, 'late')
  assert.equal((await of(registry, libraryId)).logicalBytes, documents + 8)
  for (const bytes of indexes) await putManifest(registry, repositoryA, bytes, 'x')
  assert.equal((await of(registry, libraryId)).logicalBytes, documents + 8)
  await assertExact(registry)
})

test('an upload that comes to nothing counts for nothing, nor does the repository that was made for it', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  const { uploadId } = await startUpload(registry, repositoryA, alice)
  assert.equal((await of(registry, libraryId)).repositories, 1)
  await abandonUpload(registry, { repository: repositoryA, uploadId, actor: alice })
  assert.equal((await of(registry, libraryId)).repositories, 0)
  await assertExact(registry)
})

test('deleting a blob that nothing needs counts it off at once, in the store when its bytes go', async () => {
  await using at = await openTestRegistry()
  const { registry, clock } = at
  const digest = await pushBytes(registry, repositoryA, 'z'.repeat(50))
  await deleteBlob(registry, repositoryA, digest, alice)
  assert.equal((await of(registry, libraryId)).bytes, 0)
  assert.equal((await usageIn(registry.metadata.reader, systemScope)).bytes, 50)
  clock.advance(50 * hourMs)
  await collectGarbage(registry, { signal: noSignal })
  assert.equal((await usageIn(registry.metadata.reader, systemScope)).bytes, 0)
  await assertExact(registry)
})

test('a project that is made over repositories takes their usage from the project above, and shares it where it is below', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  const deep = 'team/app/x' as RepositoryName
  await putImage(registry, repositoryA, 'shared', 'v1')
  await putImage(registry, deep, 'shared', 'v1')
  await putImage(registry, deep, 'own', 'v1')
  const all = await of(registry, libraryId)
  const app = await make(registry, 'team/app', libraryId)
  await assertExact(registry)
  assert.equal((await of(registry, libraryId)).repositories, 1)
  const team = await make(registry, 'team', libraryId, [app])
  assert.deepEqual(await of(registry, team), all)
  assert.deepEqual(await of(registry, libraryId), { bytes: 0, logicalBytes: 0, blobs: 0, manifests: 0, tags: 0, repositories: 0 })
  assert.equal((await of(registry, app)).repositories, 1)
  await assertExact(registry)
})

test('what moves counts where it comes to, and no longer where it was', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  const [one, two] = [await make(registry, 'one'), await make(registry, 'two')]
  const nested = await make(registry, 'one/sub')
  await putImage(registry, 'one/a' as RepositoryName, 'i', 'v1')
  await putImage(registry, 'one/sub/b' as RepositoryName, 'i', 'v1')
  const single = await of(registry, nested)
  await move(registry, 'one/a' as RepositoryName, 'two/a' as RepositoryName)
  assert.deepEqual([await of(registry, one), await of(registry, two)], [single, single])
  await renameProject(partsOf(registry), { projectId: nested, name: 'two/sub', expectedVersion: undefined }, who)
  assert.equal((await of(registry, one)).bytes, 0)
  assert.deepEqual((await of(registry, two)).repositories, 2)
  assert.equal((await of(registry, two)).blobs, 2)
  await assertExact(registry)
})

test('a repository that is deleted counts nowhere at once', async () => {
  for (const trashWindowMs of [0, hourMs]) {
    await using at = await openTestRegistry({ options: { trashWindowMs } })
    const { registry } = at
    await putImage(registry, repositoryA, 'i', 'v1', 'v2')
    await putImage(registry, repositoryB, 'i', 'v1')
    const single = await readRepositoryUsage(registry, repositoryB)
    await deleteRepository(registry, repositoryA, alice)
    const { isExact: _, manifestBytes: __, ...expected } = single
    assert.deepEqual(await of(registry, libraryId), expected)
    await assertExact(registry)
  }
})

test('folding changes nothing of what is used, and leaves little to add up', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  for (let image = 0; image < 5; image++) await putImage(registry, repositoryA, `i${image}`, `v${image}`)
  const before = await of(registry, libraryId)
  const [folded] = await Promise.all([
    foldUsage(registry.metadata, { now: () => 0 }),
    putImage(registry, repositoryB, 'i1', 'w'),
    putImage(registry, repositoryB, 'more', 'w'),
  ])
  assert.ok(folded > 0)
  await foldUsage(registry.metadata, { now: () => 0 })
  assert.deepEqual(await registry.metadata.reader.selectFrom('usage_changes').selectAll().execute(), [])
  const after = await of(registry, libraryId)
  assert.equal(after.tags, before.tags + 1)
  assert.equal(after.blobs, before.blobs + 2)
  await deleteRepository(registry, repositoryA, alice)
  await assertExact(registry)
})

test('verification finds numbers and rows that are wrong, and sets them right', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  await putImage(registry, repositoryA, 'i', 'v1')
  await registry.metadata.write(damageUsage, undefined)
  assert.ok((await registry.metadata.write(lookAtUsage, undefined)).faults.length > 0)
  const found = await registry.metadata.write(verifyUsageNow, { repair: true })
  assert.deepEqual([...new Set(found.faults.map(({ counter }) => counter))].toSorted(), ['bytes', 'links', 'projectBlobs', 'tags'])
  await assertExact(registry)
})

/** Does the recounts that wait, with something else between their steps. */
async function recount({ metadata }: Registry, between: (step: number) => Promise<unknown>): Promise<void> {
  let cursor = await nextRecount(metadata.reader)
  for (let step = 0; cursor !== undefined; step++) {
    cursor = (await metadata.write(recountStep, { cursor, limit: 300 })) ?? (await nextRecount(metadata.reader))
    await between(step)
  }
}

test('a move of very much counts too much until it is recounted, never too little, and then exactly, whatever goes on meanwhile', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  const [one, two] = [await make(registry, 'one'), await make(registry, 'two')]
  const [large, second] = ['one/large' as RepositoryName, 'two/second' as RepositoryName]
  const sizeBytes = 10
  await registry.metadata.write(addManyBlobs, { projectId: one, repository: large, count: 2_500, sizeBytes })
  await registry.metadata.write(linkSomeBlobs, { projectId: two, repository: second, count: 500 })
  await registry.metadata.write(linkSomeBlobs, { projectId: one, repository: 'one/stays', count: 100 })
  await assertExact(registry)
  await move(registry, large, 'two/large' as RepositoryName)
  const during = [await readProjectUsage(registry, one), await readProjectUsage(registry, two)]
  assert.deepEqual(
    during.map(({ bytes, repositories, isExact }) => [bytes, repositories, isExact]),
    [
      [25_000, 1, false],
      [30_000, 2, false],
    ],
  )
  await assertExact(registry)
  await recount(registry, async (step) => {
    await pushBytes(registry, 'two/busy' as RepositoryName, `pushed at ${step}`)
    if (step > 0) await deleteBlob(registry, 'two/busy' as RepositoryName, digestOf(Buffer.from(`pushed at ${step - 1}`)), alice)
    if (step === 1) await move(registry, second, 'one/second' as RepositoryName)
    if (step === 2) await move(registry, 'two/large' as RepositoryName, 'one/large' as RepositoryName)
    if (step === 3) await move(registry, 'one/large' as RepositoryName, 'two/large' as RepositoryName)
    await assertExact(registry)
  })
  const after = [await readProjectUsage(registry, one), await readProjectUsage(registry, two)]
  assert.deepEqual(
    after.map(({ repositories, isExact }) => [repositories, isExact]),
    [
      [2, true],
      [2, true],
    ],
  )
  assert.equal(after[0]?.bytes, 5_000)
  await deleteRepository(registry, 'two/large' as RepositoryName, alice)
  await recount(registry, () => assertExact(registry))
  assert.equal((await of(registry, two)).blobs, 1)
})

test('a recount of a project that went meanwhile ends', async () => {
  await using at = await openTestRegistry()
  const { registry } = at
  const id = await make(registry, 'gone')
  await registry.metadata.write(askForRecount, id)
  const cursor = await nextRecount(registry.metadata.reader)
  assert.ok(cursor !== undefined)
  await deleteProject(partsOf(registry), { projectId: id, expectedVersion: undefined, trashUntil: undefined }, who)
  assert.equal(await registry.metadata.write(recountStep, { cursor, limit: 10 }), undefined)
  assert.equal(await nextRecount(registry.metadata.reader), undefined)
})

/** A generator of numbers below a bound, the same for a seed. */
function dice(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const names = ['a', 'team/a', 'team/b', 'team/app/a', 'team/app/b', 'other/a'] as unknown as readonly RepositoryName[]

/** One thing that somebody may do; refusals are as good as deeds. */
async function step({ registry, clock }: TestRegistry, roll: (below: number) => number): Promise<void> {
  const pick = () => names[roll(names.length)] as RepositoryName
  const image = `image ${roll(4)}`
  const digest = digestOf(
    imageOf({ config: digestOf(Buffer.from(`config of ${image}`)), layers: [descriptor(digestOf(Buffer.from(`layer of ${image}`)))] }),
  )
  const projects = ['team', 'team/app', 'other', 'third']
  const deeds: readonly (() => Promise<unknown>)[] = [
    () => putImage(registry, pick(), image, `t${roll(3)}`),
    () => putImage(registry, pick(), image),
    () => pushBytes(registry, pick(), `layer of image ${roll(4)}`),
    () =>
      mountBlob(registry, { repository: pick(), digest: digestOf(Buffer.from(`layer of ${image}`)), visibility: everything, actor: alice }),
    () => deleteManifest(registry, pick(), digest, alice),
    () => deleteTag(registry, pick(), `t${roll(3)}` as Tag, alice),
    () => deleteBlob(registry, pick(), digestOf(Buffer.from(`layer of ${image}`)), alice),
    () => deleteRepository(registry, pick(), alice),
    () => move(registry, pick(), pick()),
    () => make(registry, projects[roll(4)] as string, libraryId),
    async () => {
      const rows = await registry.metadata.reader.selectFrom('projects').select('id').where('id', '>', 1).execute()
      const row = rows[roll(Math.max(1, rows.length))]
      if (row !== undefined)
        await renameProject(partsOf(registry), { projectId: row.id, name: projects[roll(4)] as string, expectedVersion: undefined }, who)
    },
    () => foldUsage(registry.metadata, { now: () => 0 }),
    async () => {
      clock.advance(30 * hourMs)
      await collectGarbage(registry, { signal: noSignal })
    },
  ]
  await deeds[roll(deeds.length)]?.().catch((error: unknown) => {
    if ((error as { status?: number }).status === undefined) throw error
  })
}

test('whatever is pushed, mounted, deleted, moved, renamed and collected, usage is what a new count gives', async () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    await using at = await openTestRegistry({ options: { trashWindowMs: seed % 2 === 0 ? 0 : 100 * hourMs } })
    const roll = dice(seed * 7919)
    for (let count = 0; count < 120; count++) {
      await step(at, roll)
      if (count % 10 === 9) {
        const { faults } = await verifyUsage(at.registry.metadata.reader)
        assert.deepEqual(faults, [], `seed ${seed}, step ${count}`)
      }
    }
  }
})
