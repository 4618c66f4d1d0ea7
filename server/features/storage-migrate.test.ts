import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { pino } from 'pino'
import type { BlobStore } from '#blobs/blob-store.ts'
import { createJobs } from '#jobs/create-jobs.ts'
import { readJob } from '#jobs/list-jobs.ts'
import { runInline } from '#jobs/run-inline.ts'
import { eventually } from '#jobs/test-jobs.ts'
import { RegistryError } from '#oci/errors.ts'
import { collectGarbage } from '#registry/collect-garbage.ts'
import { appendUpload, startUpload } from '#registry/push-blob.ts'
import type { Registry } from '#registry/registry.ts'
import {
  alice,
  bodyOf,
  hourMs,
  noSignal,
  openTestRegistry,
  pushBytes,
  putImage,
  readBlob,
  repositoryA,
  sampleBytes,
  type TestRegistry,
} from '#registry/test-registry.ts'
import { placeOf, storeNamed } from '#registry/test-stores.ts'
import { checkInvariants } from '../../test/invariants.ts'
import {
  migrateStorageJob,
  migrateStorageKind,
  planMigration,
  sentenceOf,
  startMigration,
  type MigrationResult,
  type StorageMigration,
} from './storage-migrate.ts'
import { requireKnownStores, readStores } from './storage-overview.ts'

const somebody = { actor: 'olga', requestId: 'r' }

function jobsOf({ registry }: Pick<TestRegistry, 'registry'>, others: Parameters<typeof createJobs>[0]['kinds'] = []) {
  const { metadata, context } = registry
  return createJobs({ metadata, ports: context.ports, log: pino({ enabled: false }), kinds: [migrateStorageJob(registry), ...others] })
}

const migration = (change: Partial<StorageMigration> = {}): StorageMigration => ({
  from: 'former',
  to: 'memory',
  bytesPerSecond: 0,
  dropDamaged: false,
  ...change,
})

async function migrate(
  opened: TestRegistry,
  change: Partial<StorageMigration> = {},
): Promise<MigrationResult & { readonly lines: string[] }> {
  const lines: string[] = []
  const work = { kind: migrateStorageKind, payload: { ...migration(change), actor: 'olga' } }
  const result = await runInline(jobsOf(opened), work, { signal: noSignal, onLine: (_level, line) => void lines.push(line) })
  return { ...(result as MigrationResult), lines }
}

/** The registry as it was when the store `former` was the primary one. */
function asBefore(registry: Registry): Registry {
  const former = registry.stores.all.get('former')
  assert.ok(former !== undefined)
  return { ...registry, store: former, stores: { ...registry.stores, primary: former } }
}

async function openMigrating(former: BlobStore = storeNamed('former'), options: Parameters<typeof openTestRegistry>[0] = {}) {
  const opened = await openTestRegistry({ ...options, others: [former] })
  return { opened, former, registry: opened.registry, before: asBefore(opened.registry) }
}

suite('emptying a store', () => {
  test('moves every blob, says what is left until nothing is, and then that the store may go', async () => {
    const { opened, former, registry, before } = await openMigrating()
    await using _opened = opened
    const layers = []
    for (let count = 0; count < 30; count++) layers.push((await putImage(before, repositoryA, `image ${count}`, `v${count}`)).layer)
    const large = await pushBytes(before, repositoryA, sampleBytes(2_500_000))
    assert.deepEqual(await planMigration(registry, migration()), { blobs: 61, bytes: await totalOf(registry), quarantined: 0 })
    const first = await migrate(opened)
    assert.deepEqual(
      [first.moved, first.damaged, first.changed, first.left.blobs, first.left.leaving, first.isEmpty],
      [61, 0, 0, 0, 61, false],
    )
    assert.match(
      first.lines.at(-1) ?? '',
      /^the former bytes of 61 blobs stay for pulls under way until .*; then you may remove former from the configuration$/,
    )
    for (const digest of [...layers, large]) assert.equal((await placeOf(registry, digest)).store, 'memory')
    assert.ok((await readBlob(registry, large)).equals(sampleBytes(2_500_000)))
    opened.clock.advance(2 * hourMs)
    await collectGarbage(registry, { signal: noSignal })
    const last = await migrate(opened)
    assert.deepEqual(
      [last.moved, last.isEmpty, last.lines.at(-1)],
      [0, true, 'nothing is left in former: you may remove it from the configuration'],
    )
    assert.deepEqual((await former.list({ limit: 100 })).keys, [])
    assert.deepEqual(await checkInvariants(opened.parts), [])
    const events = await registry.metadata.reader
      .selectFrom('events')
      .selectAll()
      .where('action', '=', 'storage.migrated')
      .orderBy('id')
      .execute()
    assert.deepEqual(
      events.map(({ target, actor, detail }) => [target, actor, (JSON.parse(detail) as { moved: number }).moved]),
      [
        ['store:former', 'olga', 61],
        ['store:former', 'olga', 0],
      ],
    )
  })

  test('goes on where it was after its worker died, and counts what it moved once', async () => {
    let left = 20
    const dying = storeNamed('former', (store) => ({
      open: async (key, options) => {
        if (left-- === 0) throw new RegistryError('UNAVAILABLE')
        return store.open(key, options)
      },
    }))
    const { opened, registry, before } = await openMigrating(dying)
    await using _opened = opened
    for (let count = 0; count < 40; count++) await pushBytes(before, repositoryA, sampleBytes(70_000, count))
    const jobs = jobsOf(opened)
    const { started } = await startMigration(registry, migration(), somebody)
    await using _working = jobs.start({ isAlone: true })
    await eventually(async () => {
      // What waits before another try need not be waited for.
      opened.clock.advance(1_000)
      return (await readJob(jobs, started.jobId)).state === 'done'
    })
    assert.ok(left < 0)
    const { result } = await readJob(jobs, started.jobId)
    assert.equal((JSON.parse(result ?? '') as MigrationResult).moved, 40)
    assert.deepEqual(await checkInvariants(opened.parts), [])
  })

  test('damaged blobs go into quarantine and stay, until somebody gives them up', async () => {
    const damaging = storeNamed('former', (store) => ({
      open: async (key, options) => {
        const open = await store.open(key, options)
        return open?.kind === 'bytes' && open.bytes.length === 77_777 ? { kind: 'bytes', bytes: Buffer.alloc(77_777) } : open
      },
    }))
    const { opened, registry, before } = await openMigrating(damaging, { options: { readersDelayMs: 0 } })
    await using _opened = opened
    const bad = await pushBytes(before, repositoryA, sampleBytes(77_777))
    const good = await pushBytes(before, repositoryA, sampleBytes(80_000))
    const first = await migrate(opened)
    assert.deepEqual([first.moved, first.damaged, first.left.quarantined], [1, 1, 1])
    assert.match(first.lines.join('\n'), new RegExp(`${bad} stays where it is: wrong digest`))
    assert.match(first.lines.at(-1) ?? '', /1 damaged blobs are there .*--drop-damaged/)
    assert.deepEqual([(await placeOf(registry, bad)).state, (await placeOf(registry, good)).store], ['quarantined', 'memory'])
    const second = await migrate(opened, { dropDamaged: true })
    assert.deepEqual([second.left.blobs, (await placeOf(registry, bad)).store], [0, 'memory'])
    opened.clock.advance(1)
    await collectGarbage(registry, { signal: noSignal })
    assert.ok((await migrate(opened)).isEmpty)
    await pushBytes(registry, repositoryA, sampleBytes(77_777))
    assert.ok((await readBlob(registry, bad)).equals(sampleBytes(77_777)))
    assert.deepEqual(await checkInvariants(opened.parts), [])
  })

  test('a store that has not one of its blobs is not there: nothing is judged', async () => {
    const empty = storeNamed('former', () => ({ open: async () => undefined, list: async () => ({ keys: [], next: undefined }) }))
    const { opened, registry, before } = await openMigrating(empty)
    await using _opened = opened
    const digest = await pushBytes(before, repositoryA, sampleBytes(100_000))
    await assert.rejects(migrate(opened), /holds not one blob, so none is judged/)
    assert.equal((await placeOf(registry, digest)).state, 'live')
  })

  test('an upload that began in the store is named, and its blob moves with the next run', async () => {
    const { opened, registry, before } = await openMigrating()
    await using _opened = opened
    const { uploadId } = await startUpload(before, repositoryA, alice)
    await appendUpload(before, { repository: repositoryA, uploadId, actor: alice }, bodyOf('some bytes'), { signal: noSignal })
    const result = await migrate(opened)
    assert.deepEqual([result.left.uploads, result.isEmpty], [1, false])
    assert.match(result.lines.at(-1) ?? '', /1 uploads are under way there/)
    const [primary, former] = await readStores(registry, {
      name: 'memory',
      driver: 'memory',
      others: [{ name: 'former', driver: 's3' } as never],
      tiers: undefined,
    })
    assert.deepEqual([primary?.role, former?.role, former?.uploads, former?.driver], ['primary', 'other', 1, 's3'])
  })

  test('the primary store may be emptied ahead of the switch, and the report says that pushes go there still', async () => {
    const { opened, registry } = await openMigrating()
    await using _opened = opened
    const digest = await pushBytes(registry, repositoryA, sampleBytes(100_000))
    const result = await migrate(opened, { from: 'memory', to: 'former' })
    assert.deepEqual([result.moved, result.isPrimary, result.isEmpty, (await placeOf(registry, digest)).store], [1, true, false, 'former'])
    assert.match(sentenceOf(result), /^pushes go to memory still: make former the primary store/)
  })

  test('keeps to its rate', async () => {
    const { opened, before } = await openMigrating()
    await using _opened = opened
    for (let count = 0; count < 10; count++) await pushBytes(before, repositoryA, sampleBytes(100_000, count))
    const startedAt = performance.now()
    assert.equal((await migrate(opened, { bytesPerSecond: 2_000_000 })).moved, 10)
    assert.ok(performance.now() - startedAt > 400)
  })
})

suite('starting a migration', () => {
  test('names what is wrong with it', async () => {
    const { opened, registry } = await openMigrating()
    await using _opened = opened
    const fails = (change: Partial<StorageMigration>, message: RegExp) =>
      assert.rejects(
        startMigration(registry, migration(change), somebody),
        (error) => error instanceof RegistryError && error.code === 'REQUEST_INVALID' && message.test(error.message),
      )
    await fails({ from: 'nowhere' }, /from: there is no store nowhere; those of the configuration are memory, former/)
    await fails({ to: 'nowhere' }, /to: there is no store nowhere/)
    await fails({ to: 'former' }, /into itself/)
  })

  test('there is one at a time: the same one is the answer, and another one waits', async () => {
    const third = storeNamed('third')
    await using opened = await openTestRegistry({ others: [storeNamed('former'), third] })
    const { registry } = opened
    const first = await startMigration(registry, migration(), somebody)
    assert.deepEqual((await startMigration(registry, migration(), somebody)).started, { jobId: first.started.jobId, isNew: false })
    await assert.rejects(startMigration(registry, migration({ to: 'third' }), somebody), { code: 'CONFLICT' })
  })

  test('a run on a server whose configuration lost the store fails with a sentence, at once', async () => {
    const { opened, registry } = await openMigrating()
    await using _opened = opened
    const { started } = await startMigration(registry, migration(), somebody)
    const jobs = jobsOf({ registry: { ...registry, stores: { primary: registry.store, all: new Map([['memory', registry.store]]) } } })
    await using _working = jobs.start({ isAlone: true })
    await eventually(async () => (await readJob(jobs, started.jobId)).state === 'failed')
    assert.match((await readJob(jobs, started.jobId)).error ?? '', /does not name former any more/)
  })
})

test('blobs in a store that the configuration does not name stop a start with one sentence', async () => {
  const { opened, registry, before } = await openMigrating()
  await using _opened = opened
  await requireKnownStores(registry.metadata.reader, new Map([['memory', registry.store]]))
  await pushBytes(before, repositoryA, 'a blob')
  await requireKnownStores(registry.metadata.reader, registry.stores.all)
  await assert.rejects(requireKnownStores(registry.metadata.reader, new Map([['memory', registry.store]])), {
    message:
      'blobs are in the store former, which the configuration does not name: add it below storage.stores (as storage.stores.former) until berth storage migrate has emptied it',
  })
})

async function totalOf({ metadata }: Registry): Promise<number> {
  const { bytes } = await metadata.reader
    .selectFrom('blobs')
    .select((eb) => eb.fn.sum<number>('size_bytes').as('bytes'))
    .executeTakeFirstOrThrow()
  return Number(bytes)
}
