import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { pino } from 'pino'
import type { Metadata } from '#metadata/metadata.ts'
import { manifestPullsOf, tagPullsOf, type PullCount } from '#metadata/tag-pulls.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Tag } from '#oci/reference.ts'
import { deleteManifest } from '#registry/delete-manifest.ts'
import { pullManifest } from '#registry/pull-manifest.ts'
import { alice, openTestRegistry, putImage, repositoryA, type TestRegistry } from '#registry/test-registry.ts'
import { createPullStatistics } from './pull-statistics.ts'

const v1 = 'v1' as Tag

/** Timers that run when a test says so. */
function handTimers() {
  const callbacks = new Set<() => void>()
  const unused = () => assert.fail('not asked for')
  const every = (_intervalMs: number, callback: () => void): Disposable => {
    callbacks.add(callback)
    return { [Symbol.dispose]: () => void callbacks.delete(callback) }
  }
  return { timers: { every, after: unused, sleep: unused }, tick: () => callbacks.forEach((callback) => callback()), callbacks }
}

async function openCounted(countersMax?: number, wrap: (metadata: Metadata) => Metadata = (metadata) => metadata) {
  const opened = await openTestRegistry()
  const hand = handTimers()
  const ports = { clock: opened.clock, timers: hand.timers }
  const metadata = wrap(opened.registry.metadata)
  const statistics = createPullStatistics({
    metadata,
    ports,
    log: pino({ enabled: false }),
    ...(countersMax !== undefined && { countersMax }),
  })
  return { opened, registry: opened.registry, statistics, hand, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
}

async function idOf({ registry }: TestRegistry, tag: Tag): Promise<number> {
  return (await pullManifest(registry, repositoryA, { kind: 'tag', tag }, alice)).manifestId
}

/** What is in the tables for the tag and the manifest that it points at. */
async function countsOf(opened: TestRegistry, tag: Tag): Promise<{ tag: PullCount | undefined; manifest: PullCount | undefined }> {
  const { reader } = opened.registry.metadata
  const row = await reader.selectFrom('tags').select(['id', 'manifest_id']).where('name', '=', tag).executeTakeFirstOrThrow()
  return {
    tag: (await tagPullsOf(reader, [row.id])).get(row.id),
    manifest: (await manifestPullsOf(reader, [row.manifest_id])).get(row.manifest_id),
  }
}

suite('pulls', () => {
  test('are counted by tag and by manifest, and written each minute', async () => {
    await using counted = await openCounted()
    const { opened, statistics, hand } = counted
    await putImage(opened.registry, repositoryA, 'one', 'v1')
    const manifestId = await idOf(opened, v1)
    for (let pull = 0; pull < 3; pull++) statistics.pulled({ manifestId, tag: v1 })
    statistics.pulled({ manifestId, tag: undefined })
    assert.deepEqual(await countsOf(opened, v1), { tag: undefined, manifest: undefined })
    assert.equal(statistics.pending, 2)
    hand.tick()
    await statistics.flush()
    const counts = await countsOf(opened, v1)
    assert.deepEqual([counts.tag?.pulls, counts.manifest?.pulls], [3, 4])
    assert.equal(statistics.pending, 0)
  })

  test('add to what is there, and the latest time stays', async () => {
    await using counted = await openCounted()
    const { opened, statistics } = counted
    await putImage(opened.registry, repositoryA, 'one', 'v1')
    const manifestId = await idOf(opened, v1)
    statistics.pulled({ manifestId, tag: v1 })
    await statistics.flush()
    const first = await countsOf(opened, v1)
    opened.clock.advance(60_000)
    statistics.pulled({ manifestId, tag: v1 })
    await statistics.flush()
    const second = await countsOf(opened, v1)
    assert.deepEqual([second.tag?.pulls, second.manifest?.pulls], [2, 2])
    assert.ok((second.tag?.lastPulledAt ?? 0) >= (first.tag?.lastPulledAt ?? 0) + 60_000)
    // A clock that steps back takes nothing back.
    opened.clock.advance(-600_000)
    statistics.pulled({ manifestId, tag: v1 })
    await statistics.flush()
    assert.deepEqual(await countsOf(opened, v1).then(({ tag }) => tag), { pulls: 3, lastPulledAt: second.tag?.lastPulledAt })
  })

  test('of a tag that moves go on counting, and those of its manifests are their own', async () => {
    await using counted = await openCounted()
    const { opened, statistics } = counted
    await putImage(opened.registry, repositoryA, 'one', 'v1')
    statistics.pulled({ manifestId: await idOf(opened, v1), tag: v1 })
    await putImage(opened.registry, repositoryA, 'two', 'v1')
    statistics.pulled({ manifestId: await idOf(opened, v1), tag: v1 })
    await statistics.flush()
    const counts = await countsOf(opened, v1)
    assert.deepEqual([counts.tag?.pulls, counts.manifest?.pulls], [2, 1])
  })

  test('of what was deleted meanwhile are passed over', async () => {
    await using counted = await openCounted()
    const { opened, registry, statistics } = counted
    const { digest } = await putImage(registry, repositoryA, 'one', 'v1')
    const manifestId = await idOf(opened, v1)
    statistics.pulled({ manifestId, tag: v1 })
    await deleteManifest(registry, repositoryA, digest, alice)
    await putImage(registry, repositoryA, 'two', 'v2')
    statistics.pulled({ manifestId: await idOf(opened, 'v2' as Tag), tag: 'v2' as Tag })
    await statistics.flush()
    assert.equal((await countsOf(opened, 'v2' as Tag)).tag?.pulls, 1)
    assert.equal(statistics.pending, 0)
  })

  test('wait in memory while they cannot be written, and are written later', async () => {
    let isAway = true
    const failing = (metadata: Metadata): Metadata =>
      ({
        ...metadata,
        reader: metadata.reader,
        write: ((definition, input) =>
          isAway ? Promise.reject(new RegistryError('UNAVAILABLE')) : metadata.write(definition, input)) as Metadata['write'],
      }) as Metadata
    await using counted = await openCounted(undefined, failing)
    const { opened, statistics } = counted
    await putImage(opened.registry, repositoryA, 'one', 'v1')
    const manifestId = await idOf(opened, v1)
    statistics.pulled({ manifestId, tag: v1 })
    await statistics.flush()
    statistics.pulled({ manifestId, tag: v1 })
    assert.equal(statistics.pending, 1)
    isAway = false
    await statistics.flush()
    assert.equal((await countsOf(opened, v1)).tag?.pulls, 2)
  })

  test('have a bound in memory, beyond which they are told as dropped', async () => {
    await using counted = await openCounted(10)
    const { statistics } = counted
    for (let manifestId = 1; manifestId <= 25; manifestId++) statistics.pulled({ manifestId, tag: undefined })
    statistics.pulled({ manifestId: 1, tag: undefined })
    assert.deepEqual([statistics.pending, statistics.dropped], [10, 15])
  })

  test('are written when the process ends, and nothing is left behind', async () => {
    await using counted = await openCounted()
    const { opened, statistics, hand } = counted
    await putImage(opened.registry, repositoryA, 'one', 'v1')
    statistics.pulled({ manifestId: await idOf(opened, v1), tag: v1 })
    await statistics[Symbol.asyncDispose]()
    assert.equal((await countsOf(opened, v1)).tag?.pulls, 1)
    assert.equal(hand.callbacks.size, 0)
  })

  test('of thousands of tags are written in one go', async () => {
    await using counted = await openCounted()
    const { opened, registry, statistics } = counted
    const tags = Array.from({ length: 1_300 }, (_, index) => `t${index}`)
    for (let at = 0; at < tags.length; at += 50) await putImage(registry, repositoryA, 'one', ...tags.slice(at, at + 50))
    const manifestId = await idOf(opened, 't0' as Tag)
    for (const tag of tags) statistics.pulled({ manifestId, tag: tag as Tag })
    await statistics.flush()
    assert.equal((await countsOf(opened, 't1299' as Tag)).tag?.pulls, 1)
    assert.equal((await countsOf(opened, 't7' as Tag)).manifest?.pulls, 1_300)
  })
})
