import assert from 'node:assert/strict'
import { digestFromBytes } from '#oci/digest.ts'
import { suite, test } from 'node:test'
import { ociManifest } from '#oci/media-types.ts'
import type { Tag } from '#oci/reference.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { deleteManifest, deleteTag } from './delete-manifest.ts'
import { deleteRepository } from './delete-repository.ts'
import { purgeTrash } from './purge-trash.ts'
import { restoreTag } from './restore-tag.ts'
import { restoreTrash } from './restore-trash.ts'
import {
  alice,
  descriptor,
  failsWith,
  imageOf,
  indexOf,
  pushBytes,
  putImage,
  putManifest,
  readBlob,
  repositoryA,
  repositoryB,
  type TestRegistry,
} from './test-registry.ts'
import {
  collect,
  dayMs,
  name,
  openWithTrash,
  pull,
  purge,
  restore,
  restoreId,
  runPurge,
  tagsOf,
  trashOf,
  usedOf,
  who,
} from './test-trash.ts'

const isWell = async ({ parts }: Pick<TestRegistry, 'parts'>) => assert.deepEqual(await checkInvariants(parts), [])

suite('the trash', () => {
  test('a tag that comes back is as old as it was: alone, and with its manifest', async () => {
    await using opened = await openWithTrash()
    const { registry, clock } = opened
    const { digest } = await putImage(registry, repositoryA, 'x', 'v1')
    const agesOf = () => registry.metadata.reader.selectFrom('tags').select(['name', 'created_at', 'updated_at']).orderBy('name').execute()
    clock.advance(dayMs)
    const moved = await putImage(registry, repositoryA, 'y', 'v1', 'v2')
    const before = await agesOf()
    clock.advance(dayMs)
    await deleteTag(registry, repositoryA, 'v1' as Tag, alice)
    await restoreTag(registry, { repository: repositoryA, tag: 'v1' as Tag, mayMove: true, mayTakeFromTrash: true }, who)
    assert.deepEqual(await agesOf(), before)
    await deleteManifest(registry, repositoryA, moved.digest, alice)
    const [item] = await trashOf(registry)
    await restoreId(registry, item?.id ?? 0)
    assert.deepEqual(await agesOf(), before)
    await restoreTag(registry, { repository: repositoryA, tag: 'v1' as Tag, digest, mayMove: true, mayTakeFromTrash: true }, who)
    const [back] = await agesOf()
    assert.ok(
      back !== undefined && before[0] !== undefined && back.updated_at >= before[0].updated_at + dayMs,
      'to move it back is a push of today',
    )
    await isWell(opened)
  })

  test('a tag that was deleted and pushed anew goes back to what it was before its deletion', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const tag = 'v1' as Tag
    const restoring = { repository: repositoryA, tag, mayMove: true, mayTakeFromTrash: true }
    const first = await putImage(registry, repositoryA, 'x', 'v1')
    await assert.rejects(restoreTag(registry, restoring, who), /nothing else that the tag pointed at/u)
    await deleteTag(registry, repositoryA, tag, alice)
    await putImage(registry, repositoryA, 'y', 'v1')
    assert.equal((await restoreTag(registry, restoring, who)).outcome, 'restored')
    assert.equal(await pull(registry, repositoryA, 'v1'), first.digest)
    await isWell(opened)
  })

  test('a deleted manifest is gone for everyone, and comes back with its tags, blobs and usage', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const { digest, layer } = await putImage(registry, repositoryA, 'x', 'v1', 'latest')
    const before = await usedOf(registry)
    await deleteManifest(registry, repositoryA, digest, alice)
    await assert.rejects(pull(registry, repositoryA, digest), failsWith('MANIFEST_UNKNOWN'))
    await assert.rejects(pull(registry, repositoryA, 'v1'), failsWith('MANIFEST_UNKNOWN'))
    assert.deepEqual(await tagsOf(registry, repositoryA), [])
    assert.equal((await usedOf(registry)).manifests, before.manifests - 1)
    await isWell(opened)
    const [item] = await trashOf(registry)
    assert.equal(item?.kind, 'manifest')
    assert.deepEqual([...(item?.tags ?? [])], ['v1', 'latest'])
    assert.equal(item?.deletedBy, 'alice')
    // The link may go meanwhile, the bytes may not.
    await collect(opened)
    const restored = await restore(registry, 'manifest')
    assert.deepEqual([restored.manifests, restored.tags, restored.takenTags], [1, ['v1', 'latest'], []])
    for (const reference of [digest, 'v1', 'latest']) assert.equal(await pull(registry, repositoryA, reference), digest)
    assert.equal((await readBlob(registry, layer)).toString(), 'layer of x')
    assert.deepEqual(await usedOf(registry), before)
    assert.deepEqual(await trashOf(registry), [])
    await isWell(opened)
  })

  test('an index comes back with its children, its signatures and the tags that nobody took', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const child = await putImage(registry, repositoryA, 'child')
    const { digest } = await putManifest(registry, repositoryA, indexOf([descriptor(child.digest, ociManifest)]), 'v1', 'v2')
    const config = await pushBytes(registry, repositoryA, '{}')
    const signature = await putManifest(registry, repositoryA, imageOf({ config, subject: descriptor(digest, ociManifest) }))
    const cosign = await putImage(registry, repositoryA, 'cosign', `${digest.replace(':', '-')}.sig`)
    for (const each of [digest, child.digest, signature.digest]) await deleteManifest(registry, repositoryA, each, alice)
    await deleteManifest(registry, repositoryA, cosign.digest, alice)
    const other = await putImage(registry, repositoryA, 'other', 'v2')
    const item = (await trashOf(registry)).find((each) => each.digest === digest)
    const restored = await restoreId(registry, item?.id ?? 0)
    assert.equal(restored.manifests, 4)
    assert.deepEqual([restored.tags, restored.takenTags], [['v1', `${digest.replace(':', '-')}.sig`], ['v2']])
    assert.equal(await pull(registry, repositoryA, 'v2'), other.digest)
    for (const each of [digest, child.digest, signature.digest, cosign.digest]) assert.equal(await pull(registry, repositoryA, each), each)
    assert.deepEqual(await trashOf(registry), [])
    await isWell(opened)
  })

  test('a signature that was deleted before its image stays deleted when the image comes back', async () => {
    await using opened = await openWithTrash()
    const { registry, clock } = opened
    const { digest, config } = await putImage(registry, repositoryA, 'x', 'v1')
    const signature = await putManifest(registry, repositoryA, imageOf({ config, subject: descriptor(digest, ociManifest) }))
    await deleteManifest(registry, repositoryA, signature.digest, alice)
    clock.advance(1000)
    await deleteManifest(registry, repositoryA, digest, alice)
    assert.equal((await restore(registry, 'manifest')).manifests, 1)
    assert.deepEqual(
      (await trashOf(registry)).map((each) => each.digest),
      [signature.digest],
    )
    await isWell(opened)
  })

  test('a digest that is pushed again while it is in the trash is live, and the trash gives its tags back', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const { digest, config, layer } = await putImage(registry, repositoryA, 'x', 'v1')
    await deleteManifest(registry, repositoryA, digest, alice)
    await putManifest(registry, repositoryA, imageOf({ config, layers: [descriptor(layer)] }), 'v2')
    assert.equal(await pull(registry, repositoryA, 'v2'), digest)
    await restore(registry, 'manifest')
    assert.deepEqual(await tagsOf(registry, repositoryA), ['v1', 'v2'])
    await isWell(opened)
    // Deleted twice: the trash has it once, as it was last.
    await deleteManifest(registry, repositoryA, digest, alice)
    await putManifest(registry, repositoryA, imageOf({ config, layers: [descriptor(layer)] }), 'v3')
    await deleteManifest(registry, repositoryA, digest, alice)
    const items = await trashOf(registry)
    assert.deepEqual(
      items.map(({ tags }) => tags),
      [['v3']],
    )
    await isWell(opened)
  })

  test('a deleted tag comes back where it pointed, its manifest out of the trash if need be', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const { digest } = await putImage(registry, repositoryA, 'x', 'v1', 'v2')
    await deleteTag(registry, repositoryA, 'v1' as Tag, alice)
    assert.deepEqual(await tagsOf(registry, repositoryA), ['v2'])
    await restore(registry, 'tag')
    assert.equal(await pull(registry, repositoryA, 'v1'), digest)
    await deleteTag(registry, repositoryA, 'v1' as Tag, alice)
    await deleteManifest(registry, repositoryA, digest, alice)
    await isWell(opened)
    await restore(registry, 'tag')
    assert.deepEqual(await tagsOf(registry, repositoryA), ['v1'])
    assert.deepEqual(await trashOf(registry), [])
    await isWell(opened)
  })

  test('a tag that was taken meanwhile is not overwritten, and one deleted twice is in the trash once', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const first = await putImage(registry, repositoryA, 'x', 'v1')
    await deleteTag(registry, repositoryA, 'v1' as Tag, alice)
    const second = await putImage(registry, repositoryA, 'y', 'v1')
    const [item] = await trashOf(registry)
    await assert.rejects(restoreId(registry, item?.id ?? 0), failsWith('CONFLICT'))
    assert.equal(await pull(registry, repositoryA, 'v1'), second.digest)
    await deleteTag(registry, repositoryA, 'v1' as Tag, alice)
    const items = await trashOf(registry)
    assert.deepEqual(
      items.map((each) => each.digest),
      [second.digest],
    )
    assert.notEqual(first.digest, second.digest)
    await isWell(opened)
  })

  test('a repository of any size goes in one step and comes back whole, under its name or another', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const x = await putImage(registry, repositoryA, 'x', 'v1')
    const y = await putImage(registry, repositoryA, 'y', 'v2')
    await deleteManifest(registry, repositoryA, y.digest, alice)
    const before = await usedOf(registry)
    await deleteRepository(registry, repositoryA, alice)
    await assert.rejects(pull(registry, repositoryA, 'v1'), failsWith('NAME_UNKNOWN'))
    assert.equal((await usedOf(registry)).repositories, before.repositories - 1)
    await isWell(opened)
    // What of it was in the trash before waits for it.
    const inIt = (await trashOf(registry)).find((each) => each.kind === 'manifest')
    await assert.rejects(restoreId(registry, inIt?.id ?? 0), failsWith('CONFLICT'))
    const taken = await putImage(registry, repositoryA, 'z', 'v1')
    await assert.rejects(restore(registry, 'repository'), failsWith('CONFLICT'))
    await restore(registry, 'repository', 'team/back')
    assert.equal(await pull(registry, name('team/back'), 'v1'), x.digest)
    assert.equal(await pull(registry, repositoryA, 'v1'), taken.digest)
    await restore(registry, 'manifest')
    assert.equal(await pull(registry, name('team/back'), 'v2'), y.digest)
    await isWell(opened)
    await deleteRepository(registry, name('team/back'), alice)
    await collect(opened)
    await restore(registry, 'repository')
    assert.equal((await readBlob(registry, x.layer, name('team/back'))).toString(), 'layer of x')
    await isWell(opened)
  })

  test('a restore happens once', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const { digest } = await putImage(registry, repositoryA, 'x', 'v1')
    await deleteManifest(registry, repositoryA, digest, alice)
    const [item] = await trashOf(registry)
    const outcomes = await Promise.allSettled([restoreId(registry, item?.id ?? 0), restoreId(registry, item?.id ?? 0)])
    assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
    for (const outcome of outcomes) if (outcome.status === 'rejected') failsWith('RESOURCE_UNKNOWN')(outcome.reason)
    await isWell(opened)
  })

  test('of a restore and a delete for good at once one wins, and nothing is half', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    for (let round = 0; round < 6; round++) {
      const { digest } = await putImage(registry, repositoryA, `x${round}`, 'v1')
      await (round % 2 === 0 ? deleteManifest(registry, repositoryA, digest, alice) : deleteRepository(registry, repositoryA, alice))
      const [item] = await trashOf(registry)
      assert.ok(item)
      const both = [restoreId(registry, item.id), purgeTrash(registry, item, who)]
      const outcomes = await Promise.allSettled(round % 3 === 0 ? both.toReversed() : both)
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
      await isWell(opened)
    }
  })

  test('pushes while a repository goes into the trash land in it or in a fresh one, whole', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    await putImage(registry, repositoryA, 'x', 'v1')
    const pushes = Array.from({ length: 8 }, (_, at) => putImage(registry, repositoryA, `p${at}`, `p${at}`))
    const outcomes = await Promise.allSettled([...pushes, deleteRepository(registry, repositoryA, alice)])
    for (const outcome of outcomes) if (outcome.status === 'rejected') failsWith('MANIFEST_BLOB_UNKNOWN')(outcome.reason)
    await isWell(opened)
  })

  test('what is deleted for good leaves no name and no manifest in rows, and its bytes with garbage collection', async () => {
    await using opened = await openWithTrash()
    const { registry, parts } = opened
    const x = await putImage(registry, repositoryA, 'x', 'secret-name')
    await putImage(registry, repositoryA, 'y', 'v1')
    await deleteManifest(registry, repositoryA, x.digest, alice)
    await purge(registry, 'manifest')
    const { reader } = registry.metadata
    assert.deepEqual(await reader.selectFrom('tag_history').select('id').where('name', '=', 'secret-name').execute(), [])
    assert.equal((await reader.selectFrom('manifests').select('id').execute()).length, 1)
    assert.deepEqual(await trashOf(registry), [])
    const event = await reader.selectFrom('events').selectAll().where('action', '=', 'trash.purged').executeTakeFirstOrThrow()
    assert.deepEqual([event.actor, event.target], ['alice', `manifest:team/a@${x.digest}`])
    await collect(opened)
    assert.equal((await reader.selectFrom('blobs').select('id').execute()).length, 2)
    await deleteRepository(registry, repositoryA, alice)
    await purge(registry, 'repository')
    await collect(opened)
    assert.deepEqual(await reader.selectFrom('blobs').select('id').execute(), [])
    assert.deepEqual(await reader.selectFrom('repositories').select('name').execute(), [])
    assert.deepEqual(await checkInvariants(parts), [])
  })

  test('a manifest that is deleted for good takes the history of tags with it that went before', async () => {
    for (const isUntagged of [false, true]) {
      await using opened = await openWithTrash()
      const { registry } = opened
      const x = await putImage(registry, repositoryA, 'x', 'secret-name', 'second-name')
      await putImage(registry, repositoryA, 'y', 'v1')
      await deleteTag(registry, repositoryA, 'secret-name' as Tag, alice)
      if (isUntagged) await deleteTag(registry, repositoryA, 'second-name' as Tag, alice)
      await deleteManifest(registry, repositoryA, x.digest, alice)
      await purge(registry, 'manifest')
      const { reader } = registry.metadata
      const names = await reader.selectFrom('tag_history').select('name').distinct().execute()
      assert.deepEqual(names, [{ name: 'v1' }])
      const event = await reader.selectFrom('events').select('detail').where('action', '=', 'trash.purged').executeTakeFirstOrThrow()
      assert.deepEqual((JSON.parse(event.detail) as { tags: string[] }).tags.toSorted(), ['second-name', 'secret-name'])
      assert.deepEqual(await trashOf(registry), [])
    }
  })

  test('a tag that is deleted for good and was pushed again keeps the history of what came after', async () => {
    await using opened = await openWithTrash()
    const { registry, clock } = opened
    const x = await putImage(registry, repositoryA, 'x', 'v1')
    clock.advance(1_000)
    await deleteTag(registry, repositoryA, 'v1' as Tag, alice)
    clock.advance(1_000)
    const y = await putImage(registry, repositoryA, 'y', 'v1')
    await purge(registry, 'tag')
    const rows = await registry.metadata.reader.selectFrom('tag_history').select(['name', 'digest']).execute()
    assert.deepEqual(
      rows.map(({ digest }) => digest && digestFromBytes(digest)),
      [y.digest],
    )
    assert.equal(await pull(registry, repositoryA, 'v1' as Tag), y.digest)
    assert.equal(await pull(registry, repositoryA, x.digest), x.digest, 'the manifest was not meant')
  })

  test('what was in the trash for its time goes by itself, and nothing before', async () => {
    await using opened = await openWithTrash()
    const { registry, clock } = opened
    const x = await putImage(registry, repositoryA, 'x', 'v1')
    const y = await putImage(registry, repositoryA, 'y', 'v2')
    await putImage(registry, repositoryB, 'z', 'v1')
    await deleteManifest(registry, repositoryA, x.digest, alice)
    await deleteTag(registry, repositoryA, 'v2' as Tag, alice)
    clock.advance(6 * dayMs)
    await deleteRepository(registry, repositoryB, alice)
    assert.deepEqual(await runPurge(registry), { purged: 0 })
    clock.advance(dayMs + 1)
    assert.deepEqual(await runPurge(registry), { purged: 2 })
    assert.deepEqual(
      (await trashOf(registry)).map(({ kind }) => kind),
      ['repository'],
    )
    assert.equal(await pull(registry, repositoryA, y.digest), y.digest)
    clock.advance(6 * dayMs)
    assert.deepEqual(await runPurge(registry), { purged: 1 })
    assert.deepEqual(await trashOf(registry), [])
    await collect(opened)
    await isWell(opened)
    const blobs = await registry.metadata.reader.selectFrom('blobs').select('id').execute()
    assert.equal(blobs.length, 2)
  })

  test('where there is no trash everything goes at once', async () => {
    await using opened = await openWithTrash({ trashWindowMs: 0 })
    const { registry } = opened
    const { digest } = await putImage(registry, repositoryA, 'x', 'v1', 'v2')
    await deleteTag(registry, repositoryA, 'v2' as Tag, alice)
    await deleteManifest(registry, repositoryA, digest, alice)
    await putImage(registry, repositoryB, 'y', 'v1')
    await deleteRepository(registry, repositoryB, alice)
    assert.deepEqual(await trashOf(registry), [])
    await collect(opened)
    assert.deepEqual(await registry.metadata.reader.selectFrom('blobs').select('id').execute(), [])
    await isWell(opened)
  })

  test('a restore or a delete for good in a read-only registry changes nothing', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const { digest } = await putImage(registry, repositoryA, 'x', 'v1')
    await deleteManifest(registry, repositoryA, digest, alice)
    const shut = { ...registry, options: { ...registry.options, readOnly: true } }
    const [item] = await trashOf(registry)
    assert.ok(item)
    await assert.rejects(restoreTrash(shut, { row: item }, who), failsWith('UNSUPPORTED'))
    await assert.rejects(purgeTrash(shut, item, who), failsWith('UNSUPPORTED'))
    await assert.rejects(
      restoreTag(shut, { repository: repositoryA, tag: 'v1' as Tag, mayMove: true, mayTakeFromTrash: true }, who),
      failsWith('UNSUPPORTED'),
    )
    assert.equal((await trashOf(registry)).length, 1)
  })
})
