import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { RegistryError } from '#oci/errors.ts'
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { collectGarbage } from './collect-garbage.ts'
import { deleteManifest } from './delete-manifest.ts'
import { mountBlob } from './mount-blob.ts'
import { statBlob } from './pull-blob.ts'
import {
  alice,
  descriptor,
  imageOf,
  keysOf,
  noSignal,
  openTestRegistry,
  pushBytes,
  putManifest,
  readBlob,
  repositoryA,
  repositoryB,
  type TestRegistry,
} from './test-registry.ts'

const raceMs = 2_500
const signal = noSignal
const everything = { kind: 'everything' } as const
const contents = Array.from({ length: 6 }, (_, n) => `layer ${n}`)

/** Runs the lanes side by side until the time is over, collections among them; then everything that is left must be whole. */
async function race(place: TestRegistry, lanes: readonly ((round: number) => Promise<void>)[]): Promise<number> {
  const until = performance.now() + raceMs
  let collected = 0
  // Without a rest, two of them would leave a push of several requests no time in which all that it needs is there.
  const collector = async (restsMs: readonly number[]) => {
    for (let turn = 0; performance.now() < until; turn++) {
      collected += (await collectGarbage(place.registry, { signal })).blobs
      await sleep(restsMs[turn % restsMs.length])
    }
  }
  const lane = async (step: (round: number) => Promise<void>) => {
    for (let round = 0; performance.now() < until; round++) await step(round)
  }
  await Promise.all([collector([0, 0, 20, 0, 200]), collector([0, 5, 0, 300]), ...lanes.map(lane)])
  assert.deepEqual(await checkInvariants(place.parts), [])
  return collected
}

/** Pushes what is missing, as clients do: what a HEAD tells to be here is not sent. */
async function pushImageLike(
  { registry }: TestRegistry,
  repository: RepositoryName,
  layers: readonly string[],
): Promise<Digest | undefined> {
  const digests: Digest[] = []
  for (const layer of layers) digests.push(await pushBytes(registry, repository, layer))
  const [config, ...rest] = digests
  if (config === undefined) throw new Error('an image has a config')
  try {
    const { digest } = await putManifest(registry, repository, imageOf({ config, layers: rest.map((each) => descriptor(each)) }), 'v1')
    return digest
  } catch (error) {
    assert.ok(error instanceof RegistryError && error.code === 'MANIFEST_BLOB_UNKNOWN', String(error))
    return undefined
  }
}

test('with leases, collections take nothing from pushes, re-pushes and deletes of the same layers', async () => {
  await using place = await openTestRegistry({ on: 'disk', options: { garbageDelayMs: 20_000, readersDelayMs: 0 } })
  const step = (repository: RepositoryName) => async (round: number) => {
    const layers = contents.slice(round % 3, (round % 3) + 3)
    const digest = await pushImageLike(place, repository, layers)
    assert.ok(digest !== undefined, 'what was acknowledged a moment ago is there')
    if (round % 2 === 1) await deleteManifest(place.registry, repository, digest, alice).catch(() => undefined)
  }
  await race(place, [step(repositoryA), step(repositoryB)])
})

test('without leases, a manifest is refused by name or all it needs is there; a re-push never loses to the deletion of the old bytes', async () => {
  await using place = await openTestRegistry({ on: 'disk', options: { garbageDelayMs: 0, readersDelayMs: 0 } })
  const { registry } = place
  let accepted = 0
  const step = (repository: RepositoryName) => async (round: number) => {
    const layers = contents.slice(round % 3, (round % 3) + 3)
    const digest = await pushImageLike(place, repository, layers)
    if (digest === undefined) return
    accepted++
    await deleteManifest(registry, repository, digest, alice)
  }
  let collected = 0
  // Who is fast wins each time: a collection may take all that is pushed for a while.
  for (let tries = 0; tries < 10 && (accepted === 0 || collected === 0); tries++)
    collected += await race(place, [step(repositoryA), step(repositoryB)])
  assert.ok(accepted > 0 && collected > 0, `${accepted} pushes, ${collected} blobs collected`)
  await collectGarbage(registry, { signal, immediately: true })
  assert.deepEqual(await keysOf(place), [])
})

test('a mount that is acknowledged holds for its lease, whatever happens where the blob came from', async () => {
  await using place = await openTestRegistry({ on: 'disk', options: { garbageDelayMs: 20_000, readersDelayMs: 0 } })
  const { registry } = place
  let mounted = 0
  const giver = async (round: number) => {
    const digest = await pushImageLike(place, repositoryA, [`given ${round}`])
    if (digest !== undefined) await deleteManifest(registry, repositoryA, digest, alice)
  }
  const taker = async (round: number) => {
    const layer = `given ${Math.max(0, round - 1)}`
    const digest = await pushBytes(registry, 'team/source' as RepositoryName, layer)
    if (!(await mountBlob(registry, { repository: repositoryB, digest, visibility: everything, actor: alice }))) return
    mounted++
    await statBlob(registry, repositoryB, digest, alice)
    assert.equal((await readBlob(registry, digest, repositoryB)).toString(), layer)
    await putManifest(registry, repositoryB, imageOf({ config: digest }), `t${round % 5}`)
  }
  await race(place, [giver, taker])
  assert.ok(mounted > 0)
})
