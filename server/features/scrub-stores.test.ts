import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import type { BlobKey } from '#blobs/blob-store.ts'
import { createJobs } from '#jobs/create-jobs.ts'
import { runInline } from '#jobs/run-inline.ts'
import { newBlobKey } from '#blobs/blob-store.ts'
import { createMemoryStore } from '#blobs/memory.ts'
import { systemPorts } from '#lib/ports.ts'
import { digestOf } from '#oci/digest.ts'
import { collectGarbage } from '#registry/collect-garbage.ts'
import { noSignal, openTestRegistry, pushBytes, repositoryA, sampleBytes, withMethods } from '#registry/test-registry.ts'
import { placeOf } from '#registry/test-stores.ts'
import { listScrubFindings } from './scrub-status.ts'
import { deleteOrphansJob, deleteOrphansKind } from './scrub-orphans.ts'
import { scrub } from './scrub.ts'

const dayMs = 24 * 60 * 60 * 1_000

test('scrub looks into every store: what is missing, what is damaged, and what no row names', async () => {
  const others = ['archive', 'zone'].map((name) => withMethods(() => ({ name }))(createMemoryStore({ clock: systemPorts.clock })))
  const [archive, zone] = others
  assert.ok(archive !== undefined && zone !== undefined)
  await using opened = await openTestRegistry({ others, options: { readersDelayMs: 0 } })
  const { registry, clock } = opened
  const inArchive = { ...registry, store: archive, stores: { ...registry.stores, primary: archive } }
  const lost = await pushBytes(inArchive, repositoryA, sampleBytes(100_000, 1))
  const kept = await pushBytes(inArchive, repositoryA, sampleBytes(100_000, 2))
  await pushBytes(registry, repositoryA, sampleBytes(100_000, 3))
  await archive.delete([(await placeOf(registry, lost)).key as BlobKey])
  for (const store of [registry.store, zone]) {
    const bytes = sampleBytes(1_000, store.name.length)
    const uploadId = `orphan-${store.name}`
    {
      await using writer = await store.openUpload(uploadId, 0)
      await writer.write(Buffer.from(bytes))
      await writer.sync()
    }
    await store.commitUpload(uploadId, newBlobKey(digestOf(bytes), systemPorts.random))
  }
  clock.advance(2 * dayMs)
  const { blobs, keys, quarantined } = await scrub(registry, { signal: noSignal })
  assert.deepEqual([blobs, keys, quarantined], [3, 4, 1])
  const page = { limit: 10, column: 'foundAt', isDescending: false } as const
  const { items } = await listScrubFindings(registry, { isResolved: false }, page)
  assert.deepEqual(items.map(({ kind, store }) => `${kind} ${store}`).toSorted(), ['missing archive', 'orphan memory', 'orphan zone'])
  assert.equal((await placeOf(registry, kept)).state, 'live')
  const jobs = createJobs({
    metadata: registry.metadata,
    ports: registry.context.ports,
    log: pino({ enabled: false }),
    kinds: [deleteOrphansJob(registry)],
  })
  assert.deepEqual(await runInline(jobs, { kind: deleteOrphansKind }, { signal: noSignal }), { keys: 2, sizeBytes: 2_000 })
  clock.advance(1)
  await collectGarbage(registry, { signal: noSignal })
  assert.deepEqual((await zone.list({ limit: 10 })).keys, [])
  await scrub(registry, { signal: noSignal })
  const left = await listScrubFindings(registry, { isResolved: false, kind: 'orphan' }, page)
  assert.deepEqual(left.items, [])
})
