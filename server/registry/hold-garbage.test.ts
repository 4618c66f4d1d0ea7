import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { collectGarbage } from './collect-garbage.ts'
import { readGarbageStatus } from './garbage-status.ts'
import { holdGarbage } from './hold-garbage.ts'
import { hourMs, keysOf, noSignal, openTestRegistry, pushBytes, repositoryA, type TestRegistry } from './test-registry.ts'

const signal = noSignal

/** A blob whose row went, and whose bytes are due. */
async function withDueBytes({ registry, clock }: TestRegistry): Promise<void> {
  await pushBytes(registry, repositoryA, 'nobody came')
  clock.advance(25 * hourMs)
  assert.equal((await collectGarbage(registry, { signal })).blobs, 1)
  clock.advance(2 * hourMs)
}

function hold({ registry, clock }: TestRegistry) {
  const { ports, log } = registry.context
  return holdGarbage({ metadata: registry.metadata, ports: { ...ports, clock }, log }, 'backup')
}

suite('a hold on garbage collection', () => {
  test('keeps bytes whose time has come, even where nobody is waited for, until it ends', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    await withDueBytes(place)
    {
      await using held = await hold(place)
      for (const immediately of [false, true]) assert.equal((await collectGarbage(place.registry, { signal, immediately })).keys, 0)
      held.requireHeld()
      assert.equal((await readGarbageStatus(place.registry)).reclaimable.now.count, 1, 'it is told that they would go')
      assert.equal((await keysOf(place)).length, 1)
    }
    assert.equal((await collectGarbage(place.registry, { signal })).keys, 1)
    assert.deepEqual(await keysOf(place), [])
  })

  test('lets rows go meanwhile', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    await pushBytes(place.registry, repositoryA, 'nobody came')
    place.clock.advance(25 * hourMs)
    await using _held = await hold(place)
    assert.equal((await collectGarbage(place.registry, { signal })).blobs, 1)
  })

  test('of somebody who died is over after minutes, and another one forgets it', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    await withDueBytes(place)
    const dead = await hold(place)
    place.clock.advance(11 * 60_000)
    assert.throws(() => dead.requireHeld(), /not held back all the time/)
    {
      await using _other = await hold(place)
      assert.equal((await collectGarbage(place.registry, { signal })).keys, 0)
      const names = await place.registry.metadata.reader
        .selectFrom('leases')
        .select('name')
        .where('name', 'like', 'garbage-hold:%')
        .execute()
      assert.equal(names.length, 1)
    }
    assert.equal((await collectGarbage(place.registry, { signal })).keys, 1)
    await dead[Symbol.asyncDispose]()
  })
})
