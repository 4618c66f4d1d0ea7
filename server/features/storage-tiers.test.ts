import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { pino } from 'pino'
import type { BlobStore } from '#blobs/blob-store.ts'
import type { TierRule, TiersConfig } from '#config/config.ts'
import { createJobs } from '#jobs/create-jobs.ts'
import { runInline } from '#jobs/run-inline.ts'
import { eventually } from '#jobs/test-jobs.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import {
  descriptor,
  hourMs,
  imageOf,
  noSignal,
  openTestRegistry,
  pushBytes,
  putManifest,
  readBlob,
  repositoryA,
  repositoryB,
  sampleBytes,
  withMethods,
  type TestRegistry,
  type TestRegistryOptions,
} from '#registry/test-registry.ts'
import { placeOf, storeNamed } from '#registry/test-stores.ts'
import { checkInvariants } from '../../test/invariants.ts'
import type { MoveCounts } from './storage-move.ts'
import { createTierReturns, type ReturnObserver } from './storage-return.ts'
import { moveToColdJob, moveToColdKind, planCold, requireTiers } from './storage-tiers.ts'
import { notePulls } from './test-transactions.ts'

const dayMs = 24 * hourMs
const rule = (change: Partial<TierRule> = {}): TierRule => ({
  notPulledForMs: 30 * dayMs,
  minimumBytes: 1_000,
  projects: undefined,
  ...change,
})
const tiersOf = (...rules: readonly TierRule[]): TiersConfig => ({
  cold: 'cold',
  rules,
  schedule: undefined,
  returns: true,
  bytesPerSecond: 0,
})

interface Tiered {
  readonly opened: TestRegistry
  readonly outcomes: string[]
  close(): Promise<void>
}

async function openTiered(cold: BlobStore = storeNamed('cold'), options: TestRegistryOptions = {}): Promise<Tiered> {
  const outcomes: string[] = []
  const observe: ReturnObserver = (outcome) => void outcomes.push(outcome)
  const returns = createTierReturns(tiersOf(), observe)
  const opened = await openTestRegistry({ others: [cold], hooks: { pulledElsewhere: returns.hook }, ...options })
  return {
    opened,
    outcomes,
    async close() {
      await returns[Symbol.asyncDispose]()
      await opened[Symbol.asyncDispose]()
    },
  }
}

async function coolDown({ registry }: TestRegistry, ...rules: readonly TierRule[]): Promise<MoveCounts> {
  const { metadata, context } = registry
  const kinds = [moveToColdJob(registry, { tiers: tiersOf(...rules), flushPulls: async () => undefined })]
  const jobs = createJobs({ metadata, ports: context.ports, log: pino({ enabled: false }), kinds })
  return (await runInline(jobs, { kind: moveToColdKind }, { signal: noSignal })) as MoveCounts
}

/** An image of one layer; gives the layer. */
async function pushLayer({ registry }: TestRegistry, bytes: Buffer, repository: RepositoryName = repositoryA, tag = 'v1') {
  const config = await pushBytes(registry, repository, `config ${tag}`)
  const layer = await pushBytes(registry, repository, bytes)
  const manifest = await putManifest(registry, repository, imageOf({ config, layers: [descriptor(layer)] }), tag)
  return { layer, manifest: manifest.digest }
}

async function storeOfLayer({ registry }: TestRegistry, layer: Digest): Promise<string> {
  return (await placeOf(registry, layer)).store
}

async function pull({ registry, clock }: TestRegistry, manifest: Digest): Promise<void> {
  await registry.metadata.write(notePulls, { manifest, at: clock.now() })
}

suite('rules of tiers', () => {
  test('send what nobody pulled for long to the cold store, and leave what somebody did, what is young and what is small', async () => {
    const { opened, close } = await openTiered()
    const old = await pushLayer(opened, sampleBytes(5_000, 1), repositoryA, 'old')
    const used = await pushLayer(opened, sampleBytes(5_000, 2), repositoryA, 'used')
    const small = await pushLayer(opened, sampleBytes(900, 3), repositoryA, 'small')
    opened.clock.advance(20 * dayMs)
    await pull(opened, used.manifest)
    opened.clock.advance(11 * dayMs)
    const young = await pushLayer(opened, sampleBytes(5_000, 4), repositoryA, 'young')
    assert.deepEqual(await planCold(opened.registry, tiersOf(rule())), { blobs: 1, bytes: 5_000 })
    assert.deepEqual(await coolDown(opened, rule()), { moved: 1, bytes: 5_000, changed: 0, damaged: 0 })
    const places = await Promise.all([old, used, small, young].map(({ layer }) => storeOfLayer(opened, layer)))
    assert.deepEqual(places, ['cold', 'memory', 'memory', 'memory'])
    assert.deepEqual(await coolDown(opened, rule()), { moved: 0, bytes: 0, changed: 0, damaged: 0 })
    assert.deepEqual(await checkInvariants(opened.parts), [])
    await close()
  })

  test('a blob is as warm as the warmest image that needs it', async () => {
    const { opened, close } = await openTiered()
    const bytes = sampleBytes(5_000)
    const { layer } = await pushLayer(opened, bytes, repositoryA, 'old')
    opened.clock.advance(40 * dayMs)
    await pushLayer(opened, bytes, repositoryB, 'fresh')
    assert.equal((await coolDown(opened, rule())).moved, 0)
    assert.equal(await storeOfLayer(opened, layer), 'memory')
    await close()
  })

  test('a rule for some projects leaves alone what any other project has as well', async () => {
    const { opened, close } = await openTiered()
    const shared = sampleBytes(5_000, 1)
    const own = await pushLayer(opened, sampleBytes(5_000, 2), 'plain' as RepositoryName, 'own')
    await pushLayer(opened, shared, 'plain' as RepositoryName, 'shared')
    opened.clock.advance(40 * dayMs)
    assert.equal((await coolDown(opened, rule({ projects: ['other/**'] }))).moved, 0)
    assert.equal((await coolDown(opened, rule({ projects: ['lib*'] }))).moved, 2)
    assert.equal(await storeOfLayer(opened, own.layer), 'cold')
    await close()
  })

  test('several rules are carried out in one run', async () => {
    const { opened, close } = await openTiered()
    const large = await pushLayer(opened, sampleBytes(50_000, 1), repositoryA, 'large')
    const middle = await pushLayer(opened, sampleBytes(5_000, 2), repositoryA, 'middle')
    opened.clock.advance(8 * dayMs)
    const rules = [rule(), rule({ notPulledForMs: 7 * dayMs, minimumBytes: 10_000 })]
    assert.equal((await coolDown(opened, ...rules)).moved, 1)
    assert.deepEqual([await storeOfLayer(opened, large.layer), await storeOfLayer(opened, middle.layer)], ['cold', 'memory'])
    opened.clock.advance(30 * dayMs)
    assert.equal((await coolDown(opened, ...rules)).moved, 1)
    await close()
  })

  test('without a cold store there is nothing to run', () => {
    assert.throws(
      () => requireTiers(undefined),
      (error) => error instanceof RegistryError && error.code === 'UNSUPPORTED',
    )
  })
})

suite('the way back', () => {
  test('who pulls from the cold store gets the bytes at once, and they come back once for all who pull', async () => {
    let opens = 0
    const cold = storeNamed('cold', (store) => ({
      open: (key, options) => {
        opens++
        return store.open(key, options)
      },
    }))
    const { opened, outcomes, close } = await openTiered(cold)
    const bytes = sampleBytes(2_000_000)
    const { layer } = await pushLayer(opened, bytes)
    opened.clock.advance(40 * dayMs)
    assert.equal((await coolDown(opened, rule())).moved, 1)
    const pulls = await Promise.all(Array.from({ length: 10 }, () => readBlob(opened.registry, layer)))
    for (const pulled of pulls) assert.ok(pulled.equals(bytes))
    await eventually(async () => (await storeOfLayer(opened, layer)) === 'memory')
    assert.equal(opens, 11)
    assert.deepEqual(outcomes, ['returned'])
    assert.ok((await readBlob(opened.registry, layer)).equals(bytes))
    // It came back a moment ago: nothing sends it away again because its last push is long ago.
    assert.equal((await coolDown(opened, rule())).moved, 0)
    assert.deepEqual(await checkInvariants(opened.parts), [])
    await close()
  })

  test('few blobs come back at a time, and the others with a later pull', async () => {
    const gate = Promise.withResolvers<void>()
    let isHolding = false
    const { opened, outcomes, close } = await openTiered(storeNamed('cold'), {
      wrapStore: withMethods((store) => ({
        commitUpload: async (...parameters: Parameters<BlobStore['commitUpload']>) => {
          if (isHolding) await gate.promise
          return store.commitUpload(...parameters)
        },
      })),
    })
    const layers = []
    for (let count = 0; count < 7; count++)
      layers.push((await pushLayer(opened, sampleBytes(100_000, count), repositoryA, `v${count}`)).layer)
    opened.clock.advance(40 * dayMs)
    assert.equal((await coolDown(opened, rule())).moved, 7)
    isHolding = true
    for (const layer of layers) await readBlob(opened.registry, layer)
    assert.deepEqual(outcomes, ['skipped', 'skipped', 'skipped'])
    gate.resolve()
    await eventually(() => outcomes.filter((outcome) => outcome === 'returned').length === 4)
    for (const layer of layers) await readBlob(opened.registry, layer)
    await eventually(() => outcomes.filter((outcome) => outcome === 'returned').length === 7)
    await close()
  })

  test('a return that fails costs the pull nothing, and is not tried again at once', async () => {
    let isFull = false
    const { opened, outcomes, close } = await openTiered(storeNamed('cold'), {
      wrapStore: withMethods((store) => ({
        openUpload: (...parameters: Parameters<BlobStore['openUpload']>) => {
          if (isFull) throw new RegistryError('STORAGE_FULL')
          return store.openUpload(...parameters)
        },
      })),
    })
    const bytes = sampleBytes(100_000)
    const { layer } = await pushLayer(opened, bytes)
    opened.clock.advance(40 * dayMs)
    await coolDown(opened, rule())
    isFull = true
    assert.ok((await readBlob(opened.registry, layer)).equals(bytes))
    await eventually(() => outcomes.includes('failed'))
    assert.ok((await readBlob(opened.registry, layer)).equals(bytes))
    assert.deepEqual(outcomes, ['failed', 'skipped'])
    isFull = false
    opened.clock.advance(hourMs)
    assert.ok((await readBlob(opened.registry, layer)).equals(bytes))
    await eventually(async () => (await storeOfLayer(opened, layer)) === 'memory')
    await close()
  })

  test('a read-only registry brings nothing back', async () => {
    const { opened, outcomes, close } = await openTiered()
    const { layer } = await pushLayer(opened, sampleBytes(100_000))
    opened.clock.advance(40 * dayMs)
    await coolDown(opened, rule())
    const { registry } = opened
    await readBlob({ ...registry, options: { ...registry.options, readOnly: true } }, layer)
    assert.deepEqual([outcomes, await storeOfLayer(opened, layer)], [[], 'cold'])
    await close()
  })
})
