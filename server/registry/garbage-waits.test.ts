/** Writes that wait: what was promised meanwhile, and what they promise, holds for its whole time. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { testDialect } from '#metadata/test-postgres.ts'
import type { Digest } from '#oci/digest.ts'
import type { Tag } from '#oci/reference.ts'
import { collectGarbage } from './collect-garbage.ts'
import { deleteManifest, deleteTag } from './delete-manifest.ts'
import { mountBlob } from './mount-blob.ts'
import { statBlob } from './pull-blob.ts'
import type { Registry } from './registry.ts'
import {
  alice,
  descriptor,
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
  type TestRegistry,
} from './test-registry.ts'

const delayMs = 24 * hourMs
const minuteMs = hourMs / 60
// A network needs the machine's own time, which tests do not turn.
const skip = testDialect === 'postgres' ? 'its writer does not take the time of a test' : false

const isThere = ({ registry }: TestRegistry, digest: Digest) =>
  readBlob(registry, digest).then(
    () => true,
    () => false,
  )

/** The registry, but the clock leaps each time when a write waits. */
function leaping({ registry, clock }: TestRegistry): Registry {
  const { metadata } = registry
  return {
    ...registry,
    metadata: {
      ...metadata,
      write(definition, input) {
        const answer = metadata.write(definition, input)
        clock.advance(6 * hourMs)
        return answer
      },
    },
  }
}

interface Verb {
  readonly name: string
  /** Makes what must be there before; gives the verb, whose last write is the one that counts. */
  readonly prepare: (place: TestRegistry, layer: Digest) => Promise<(registry: Registry) => Promise<unknown>>
}

const verbs: readonly Verb[] = [
  {
    name: 'the delete of a manifest',
    async prepare({ registry }, layer) {
      const config = await pushBytes(registry, repositoryA, '{}')
      const { digest } = await putManifest(registry, repositoryA, imageOf({ config, layers: [descriptor(layer)] }), 'v1')
      return (own) => deleteManifest(own, repositoryA, digest, alice)
    },
  },
  { name: 'a HEAD', prepare: async (_, layer) => (own) => statBlob(own, repositoryA, layer, alice) },
  { name: 'a push of bytes that are there', prepare: async () => (own) => pushBytes(own, repositoryA, 'layer') },
  { name: 'a push of bytes to another repository', prepare: async () => (own) => pushBytes(own, repositoryB, 'layer') },
  {
    name: 'a mount',
    prepare: async (_, digest) => async (own) => {
      const visibility = { kind: 'everything' } as const
      assert.ok(await mountBlob(own, { repository: repositoryB, digest, from: repositoryA, visibility, actor: alice }))
    },
  },
]

const manifestVerbs: readonly Verb[] = [
  {
    name: 'the delete of a tag',
    async prepare({ registry }, layer) {
      const config = await pushBytes(registry, repositoryA, '{}')
      await putManifest(registry, repositoryA, imageOf({ config, layers: [descriptor(layer)] }), 'v1')
      return (own) => deleteTag(own, repositoryA, 'v1' as Tag, alice)
    },
  },
  {
    name: 'the push of a manifest without a tag',
    async prepare({ registry }, layer) {
      const config = await pushBytes(registry, repositoryA, '{}')
      return (own) => putManifest(own, repositoryA, imageOf({ config, layers: [descriptor(layer)] }))
    },
  },
]

suite('a write that waits', { skip }, () => {
  test('a HEAD that is answered while a delete waits for another process holds for all of its time', async () => {
    await using place = await openTestRegistry({ on: 'disk' })
    const { registry, clock, directory } = place
    const { digest, layer } = await putImage(registry, repositoryA, 'image', 'v1')
    clock.advance(2 * delayMs)
    const [waitMs, sparedMs] = [800, 700]
    using other = new DatabaseSync(join(directory, 'berth.db'))
    other.exec('begin immediate')
    const deleting = deleteManifest(registry, repositoryA, digest, alice)
    await sleep(waitMs)
    await statBlob(registry, repositoryA, layer, alice)
    other.exec('rollback')
    await deleting
    clock.advance(delayMs - sparedMs)
    await collectGarbage(registry, { signal: noSignal })
    assert.ok(await isThere(place, layer), 'collected while it was promised')
    clock.advance(sparedMs)
    await collectGarbage(registry, { signal: noSignal })
    assert.ok(!(await isThere(place, layer)))
  })

  for (const { name, prepare } of verbs) {
    test(`${name}: the lease counts from the commit`, async () => {
      await using place = await openTestRegistry()
      const { registry, clock } = place
      const layer = await pushBytes(registry, repositoryA, 'layer')
      const act = await prepare(place, layer)
      clock.advance(delayMs - 8 * hourMs)
      await act(leaping(place))
      clock.advance(delayMs - minuteMs)
      assert.equal((await collectGarbage(registry, { signal: noSignal })).blobs, 0)
      assert.ok(await isThere(place, layer), 'collected too early')
      clock.advance(minuteMs)
      await collectGarbage(registry, { signal: noSignal })
      assert.ok(!(await isThere(place, layer)), 'it goes when its time is over')
    })
  }

  for (const { name, prepare } of manifestVerbs) {
    test(`${name}: the manifest stays for the delay from the commit`, async () => {
      await using place = await openTestRegistry()
      const { registry, clock } = place
      const act = await prepare(place, await pushBytes(registry, repositoryA, 'layer'))
      await act(leaping(place))
      const collect = () => collectGarbage(registry, { signal: noSignal, deleteUntagged: true })
      clock.advance(delayMs - minuteMs)
      assert.equal((await collect()).manifests, 0)
      clock.advance(minuteMs)
      assert.equal((await collect()).manifests, 1)
    })
  }
})
