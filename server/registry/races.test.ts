import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Tag } from '#oci/reference.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { collectGarbage } from './collect-garbage.ts'
import { deleteManifest, deleteTag } from './delete-manifest.ts'
import { deleteRepository } from './delete-repository.ts'
import { listTags } from './list-tags.ts'
import { mountBlob } from './mount-blob.ts'
import { pullManifest } from './pull-manifest.ts'
import {
  alice,
  hourMs,
  imageOf,
  noSignal,
  openTestRegistry,
  pushBytes,
  putImage,
  putManifest,
  readBlob,
  repositoryA,
  repositoryB,
} from './test-registry.ts'

const everything = { kind: 'everything' } as const
/** Long enough for hundreds of rounds. */
const contestMs = 700

/** Runs the players side by side, again and again; what they throw must be one of the codes. */
async function contest(codes: readonly string[], ...players: readonly (() => Promise<unknown>)[]): Promise<number> {
  const end = performance.now() + contestMs
  let rounds = 0
  const play = async (player: () => Promise<unknown>) => {
    while (performance.now() < end) {
      rounds++
      // Reads resolve without leaving the turn: a player that only reads would play alone.
      await new Promise((resolve) => setImmediate(resolve))
      await player().catch((error: unknown) => {
        if (!(error instanceof RegistryError) || !codes.includes(error.code)) throw error
      })
    }
  }
  await Promise.all(players.map(play))
  return rounds
}

suite('races', () => {
  test('tags that are pushed while their manifests are deleted always resolve', async () => {
    await using place = await openTestRegistry({ on: 'disk' })
    const { registry } = place
    const config = await pushBytes(registry, repositoryA, '{}')
    const images = [1, 2, 3].map((number) => imageOf({ config, annotations: { number: `${number}` } }))
    const pick = <Value>(values: readonly Value[]) => values[Math.floor(Math.random() * values.length)] as Value
    const push = () => putManifest(registry, repositoryA, pick(images), pick(['v1', 'v2']))
    const remove = () => deleteManifest(registry, repositoryA, digestOf(pick(images)), alice)
    const untag = () => deleteTag(registry, repositoryA, pick(['v1', 'v2']) as Tag, alice)
    const pull = () => pullManifest(registry, repositoryA, { kind: 'tag', tag: 'v1' as Tag }, alice)
    const rounds = await contest(['MANIFEST_UNKNOWN', 'NAME_UNKNOWN'], push, push, push, remove, remove, untag, pull)
    assert.ok(rounds > 5, `${rounds} rounds`)
    for (const tag of (await listTags(registry, repositoryA)).tags) {
      await pullManifest(registry, repositoryA, { kind: 'tag', tag: tag as Tag }, alice)
    }
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('garbage collection never takes what a manifest was accepted with, nor what a mount was answered with', async () => {
    // Each collection lets a quarter of a lease pass, so that it now and then comes between a blob and its manifest, however slow the machine.
    await using place = await openTestRegistry({ on: 'disk', options: { garbageDelayMs: 20_000 } })
    const { registry, clock } = place
    let number = 0
    let accepted = 0
    const push = async () => {
      const config = await pushBytes(registry, repositoryA, `config ${number++ % 4}`)
      await putManifest(registry, repositoryA, imageOf({ config, annotations: { number: `${number}` } }), `t${number % 8}`)
      accepted++
    }
    const mount = async () => {
      const digest = digestOf(Buffer.from(`config ${number % 4}`))
      if (!(await mountBlob(registry, { repository: repositoryB, digest, visibility: everything, actor: alice }))) return
      await putManifest(registry, repositoryB, imageOf({ config: digest }), `t${number % 3}`)
    }
    const collect = async () => {
      clock.advance(5_000)
      await collectGarbage(registry, { signal: noSignal, deleteUntagged: true })
    }
    const remove = () => deleteTag(registry, repositoryA, `t${number % 8}` as Tag, alice)
    const rounds = await contest(['MANIFEST_UNKNOWN', 'NAME_UNKNOWN', 'MANIFEST_BLOB_UNKNOWN'], push, push, mount, collect, remove)
    assert.ok(rounds > 5, `${rounds} rounds`)
    assert.ok(accepted > 0)
    assert.deepEqual(await checkInvariants(place.parts), [])
    clock.advance(2 * hourMs)
    await collectGarbage(registry, { signal: noSignal, deleteUntagged: true })
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('a blob that is pushed while it is collected is whole or gone', async () => {
    await using place = await openTestRegistry({ on: 'disk', options: { garbageDelayMs: 20_000 } })
    const { registry } = place
    const digest = digestOf(Buffer.from('again and again'))
    let found = 0
    const push = async () => {
      await pushBytes(registry, repositoryA, 'again and again')
      assert.equal((await readBlob(registry, digest)).toString(), 'again and again')
      found++
    }
    const collect = async () => {
      place.clock.advance(15_000)
      await collectGarbage(registry, { signal: noSignal })
    }
    await contest(['BLOB_UNKNOWN'], push, push, collect)
    assert.ok(found > 0)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('a repository that is deleted while it is pushed to is whole or gone', async () => {
    await using place = await openTestRegistry({ on: 'disk' })
    const { registry } = place
    let number = 0
    const push = () => putImage(registry, repositoryA, `${number++ % 5}`, `v${number % 3}`)
    const remove = () => deleteRepository(registry, repositoryA, alice)
    await contest(['NAME_UNKNOWN', 'MANIFEST_BLOB_UNKNOWN'], push, push, remove)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })
})
