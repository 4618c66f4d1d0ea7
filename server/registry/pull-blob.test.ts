import assert from 'node:assert/strict'
import { appendFile, rename, truncate, unlink, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { digestOf } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { collectGarbage } from './collect-garbage.ts'
import { readGarbageStatus } from './garbage-status.ts'
import { mountBlob } from './mount-blob.ts'
import { pullBlob, statBlob } from './pull-blob.ts'
import { recheckQuarantine } from './recheck-quarantine.ts'
import type { MissingContent } from './registry.ts'
import {
  alice,
  descriptor,
  failsWith,
  fileOf,
  hourMs,
  imageOf,
  keysOf,
  noSignal,
  openTestRegistry,
  pushBytes,
  putManifest,
  readBlob,
  repositoryA,
  repositoryB,
  sampleBytes,
  withMethods,
} from './test-registry.ts'

const everything = { kind: 'everything' } as const

const large = sampleBytes(200_000)

suite('pulling a blob', () => {
  test('says whether the repository or the blob is unknown', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    const digest = await pushBytes(registry, repositoryA, 'here')
    await assert.rejects(pullBlob(registry, repositoryB, digest, alice), failsWith('NAME_UNKNOWN'))
    await assert.rejects(statBlob(registry, repositoryB, digest, alice), failsWith('NAME_UNKNOWN'))
    await pushBytes(registry, repositoryB, 'other')
    await assert.rejects(pullBlob(registry, repositoryB, digest, alice), failsWith('BLOB_UNKNOWN', { digest }))
    await assert.rejects(statBlob(registry, repositoryB, digest, alice), failsWith('BLOB_UNKNOWN', { digest }))
  })

  test('a small blob comes from memory the second time, but only to those repositories that have it', async () => {
    let opens = 0
    const wrapStore = withMethods((store) => ({
      open: (key, options) => {
        opens++
        return store.open(key, options)
      },
    }))
    await using place = await openTestRegistry({ wrapStore })
    const { registry } = place
    const digest = await pushBytes(registry, repositoryA, 'small')
    await pushBytes(registry, repositoryB, 'other')
    for (let time = 0; time < 3; time++) assert.equal((await readBlob(registry, digest)).toString(), 'small')
    assert.equal(opens, 1)
    await assert.rejects(readBlob(registry, digest, repositoryB), failsWith('BLOB_UNKNOWN'))
  })

  test('a HEAD extends the lease of a blob that nothing references, and only when it ends soon', async () => {
    await using place = await openTestRegistry()
    const { registry, clock } = place
    const digest = await pushBytes(registry, repositoryA, 'x')
    const lease = async () =>
      (await registry.metadata.reader.selectFrom('blobs').select('lease_until').executeTakeFirstOrThrow()).lease_until
    const first = await lease()
    clock.advance(hourMs)
    await statBlob(registry, repositoryA, digest, alice)
    assert.equal(await lease(), first)
    clock.advance(20 * hourMs)
    await pullBlob(registry, repositoryA, digest, alice)
    assert.equal(await lease(), first)
    await statBlob(registry, repositoryA, digest, alice)
    assert.ok((await lease()) >= clock.now() + 23 * hourMs)
    await putManifest(registry, repositoryA, imageOf({ config: digest }), 'v1')
    const referenced = await lease()
    clock.advance(100 * hourMs)
    await statBlob(registry, repositoryA, digest, alice)
    assert.equal(await lease(), referenced)
  })

  for (const [what, harm] of [
    ['is gone', (file: string) => unlink(file)],
    ['is cut', (file: string) => truncate(file, 10)],
    ['is empty', (file: string) => truncate(file, 0)],
    ['has grown', (file: string) => appendFile(file, 'x')],
  ] as const) {
    test(`a blob whose file ${what} is missing for everyone until it is pushed again`, async () => {
      for (const bytes of [large, Buffer.from('a small blob of some bytes')]) {
        for (const look of [pullBlob, statBlob]) {
          await using place = await openTestRegistry({ on: 'files' })
          const { registry } = place
          const digest = await pushBytes(registry, repositoryA, bytes)
          await mountBlob(registry, { repository: repositoryB, digest, visibility: everything, actor: alice })
          await harm(await fileOf(place, digest))
          await assert.rejects(look(registry, repositoryA, digest, alice), failsWith('BLOB_UNKNOWN'))
          await assert.rejects(statBlob(registry, repositoryB, digest, alice), failsWith('BLOB_UNKNOWN'))
          assert.equal(await mountBlob(registry, { repository: repositoryB, digest, visibility: everything, actor: alice }), false)
          await assert.rejects(
            putManifest(registry, repositoryB, imageOf({ config: digest }), 'v1'),
            failsWith('MANIFEST_BLOB_UNKNOWN', { digests: [digest] }),
          )
          await pushBytes(registry, repositoryA, bytes)
          assert.deepEqual(await readBlob(registry, digest, repositoryB), bytes)
          assert.deepEqual(await checkInvariants(place.parts), [])
        }
      }
    })
  }

  test('a push heals a blob whose file is gone even when nobody noticed before', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    const { registry } = place
    const digest = await pushBytes(registry, repositoryA, large)
    await unlink(await fileOf(place, digest))
    await pushBytes(registry, repositoryB, large)
    assert.deepEqual(await readBlob(registry, digest), large)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('bytes that a push replaced stay for storage.readersdelay, and what waits is told', async () => {
    await using place = await openTestRegistry({ on: 'files', options: { readersDelayMs: 2_000 } })
    const { registry, clock } = place
    const digest = await pushBytes(registry, repositoryA, large)
    await truncate(await fileOf(place, digest), 1)
    await pushBytes(registry, repositoryB, large)
    assert.deepEqual((await readGarbageStatus(registry)).leaving, { count: 1, bytes: large.length })
    assert.equal((await keysOf(place)).length, 2)
    clock.advance(2_001)
    assert.equal((await collectGarbage(registry, { signal: noSignal })).keys, 1)
    assert.equal((await keysOf(place)).length, 1)
    assert.deepEqual(await readBlob(registry, digest), large)
  })

  test('a small blob with a flipped bit is never sent: it is found when memory is filled', async () => {
    await using place = await openTestRegistry({ on: 'files' })
    const { registry } = place
    const digest = await pushBytes(registry, repositoryA, 'right')
    await writeFile(await fileOf(place, digest), 'wrong')
    await assert.rejects(pullBlob(registry, repositoryA, digest, alice), failsWith('BLOB_UNKNOWN'))
    const events = await registry.metadata.reader
      .selectFrom('events')
      .select(['action', 'detail'])
      .where('action', '=', 'blob.quarantined')
      .execute()
    assert.deepEqual(events, [{ action: 'blob.quarantined', detail: '{"reason":"wrong digest"}' }])
    await pushBytes(registry, repositoryA, 'right')
    assert.equal((await readBlob(registry, digest)).toString(), 'right')
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('those who may supply what is missing are asked in order, and only then', async () => {
    const asked: string[] = []
    await using place = await openTestRegistry({
      hooks: {
        missingContent: [
          { name: 'nothing', findBlob: async () => (asked.push('nothing'), false) },
          {
            name: 'source',
            findBlob: async (repository: RepositoryName) => {
              asked.push('source')
              await pushBytes(place.registry, repository, 'from elsewhere')
              return true
            },
          },
          { name: 'never', findBlob: async () => assert.fail('it is there already') },
        ],
      },
    })
    const digest = digestOf(Buffer.from('from elsewhere'))
    assert.equal((await readBlob(place.registry, digest)).toString(), 'from elsewhere')
    assert.equal((await statBlob(place.registry, repositoryA, digest, alice)).sizeBytes, 14)
    assert.deepEqual(asked, ['nothing', 'source'])
  })
})

suite('a blob in quarantine', () => {
  test('is served again when its bytes are back, and is read for that once a minute at most', async () => {
    const missingContent: MissingContent[] = []
    await using place = await openTestRegistry({ on: 'files', hooks: { missingContent } })
    const { registry } = place
    const digest = await pushBytes(registry, repositoryA, large)
    const file = await fileOf(place, digest)
    await rename(file, `${file}.away`)
    await assert.rejects(statBlob(registry, repositoryA, digest, alice), failsWith('BLOB_UNKNOWN'))
    missingContent.push(recheckQuarantine(registry))
    await assert.rejects(pullBlob(registry, repositoryA, digest, alice), failsWith('BLOB_UNKNOWN'))
    await rename(`${file}.away`, file)
    await assert.rejects(pullBlob(registry, repositoryA, digest, alice), failsWith('BLOB_UNKNOWN'))
    place.clock.advance(61_000)
    await assert.rejects(pullBlob(registry, repositoryB, digest, alice), failsWith('NAME_UNKNOWN'))
    assert.deepEqual(await readBlob(registry, digest), large)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('stays there while its bytes are wrong', async () => {
    const missingContent: MissingContent[] = []
    await using place = await openTestRegistry({ on: 'files', hooks: { missingContent } })
    const { registry } = place
    missingContent.push(recheckQuarantine(registry))
    const digest = await pushBytes(registry, repositoryA, 'right')
    await writeFile(await fileOf(place, digest), 'wrong')
    for (let time = 0; time < 2; time++) {
      await assert.rejects(pullBlob(registry, repositoryA, digest, alice), failsWith('BLOB_UNKNOWN'))
      place.clock.advance(61_000)
    }
    const [row] = await registry.metadata.reader.selectFrom('blobs').select('state').execute()
    assert.equal(row?.state, 'quarantined')
  })
})

suite('mounting a blob', () => {
  test('makes it pullable without an upload, from a named repository or from any', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    const digest = await pushBytes(registry, repositoryA, 'x')
    const mount = { repository: repositoryB, digest, visibility: everything, actor: alice }
    assert.equal(await mountBlob(registry, { ...mount, from: 'team/c' as RepositoryName }), false)
    assert.equal(await mountBlob(registry, { ...mount, digest: digestOf(Buffer.from('y')) }), false)
    await assert.rejects(readBlob(registry, digest, repositoryB), failsWith('NAME_UNKNOWN'))
    assert.equal(await mountBlob(registry, { ...mount, from: repositoryA }), true)
    assert.equal((await readBlob(registry, digest, repositoryB)).toString(), 'x')
    assert.equal(await mountBlob(registry, { ...mount, repository: 'team/c' as RepositoryName }), true)
    assert.deepEqual(await checkInvariants(place.parts), [])
  })

  test('finds nothing in repositories that the caller may not see', async () => {
    await using place = await openTestRegistry()
    const { registry } = place
    const digest = await pushBytes(registry, 'private/a' as RepositoryName, 'x')
    const some = { kind: 'some', projectIds: [], repositoryGlobs: ['team/**'], includesPublic: false } as const
    for (const from of [undefined, 'private/a' as RepositoryName]) {
      for (const visibility of [some, { kind: 'nothing' } as const]) {
        assert.equal(await mountBlob(registry, { repository: repositoryB, digest, from, visibility, actor: alice }), false)
      }
    }
    await pushBytes(registry, repositoryA, 'x')
    assert.equal(await mountBlob(registry, { repository: repositoryB, digest, visibility: some, actor: alice }), true)
  })
})

test('a manifest of which a layer is in another repository only is refused with its digest', async () => {
  await using place = await openTestRegistry()
  const { registry } = place
  const config = await pushBytes(registry, repositoryA, '{}')
  const layer = await pushBytes(registry, repositoryB, 'layer')
  const bytes = imageOf({ config, layers: [descriptor(layer)] })
  await assert.rejects(putManifest(registry, repositoryA, bytes, 'v1'), failsWith('MANIFEST_BLOB_UNKNOWN', { digests: [layer] }))
})
