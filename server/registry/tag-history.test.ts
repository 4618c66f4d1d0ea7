import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf } from '#oci/digest.ts'
import type { Tag } from '#oci/reference.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { deleteManifest, deleteTag } from './delete-manifest.ts'
import { tagHistory } from './list-tag-rows.ts'
import type { Registry } from './registry.ts'
import { restoreTag } from './restore-tag.ts'
import { alice, failsWith, putImage, repositoryA, repositoryB, type TestRegistry } from './test-registry.ts'
import { dayMs, openWithTrash, pull, purge, runPurge, trashOf, who } from './test-trash.ts'

const isWell = async ({ parts }: Pick<TestRegistry, 'parts'>) => assert.deepEqual(await checkInvariants(parts), [])

suite('the history of a tag', () => {
  const historyOf = async (registry: Registry, name = 'v1') => {
    const page = { limit: 100, column: 'id', isDescending: true } as const
    return (await tagHistory(registry, repositoryA, { name: name as Tag, page })).items
  }
  const wanted = { repository: repositoryA, tag: 'v1' as Tag, mayMove: true, mayTakeFromTrash: true }

  test('it tells what happened and where the manifests are now, and the tag goes back to any of it', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const one = await putImage(registry, repositoryA, 'one', 'v1')
    const two = await putImage(registry, repositoryA, 'two', 'v1')
    await deleteManifest(registry, repositoryA, one.digest, alice)
    assert.deepEqual(
      (await historyOf(registry)).map(({ action, state }) => [action, state]),
      [
        ['moved', 'here'],
        ['pushed', 'trash'],
      ],
    )
    // Undoing the last move takes the former manifest out of the trash.
    assert.deepEqual(await restoreTag(registry, wanted, who), { outcome: 'restored', missing: [] })
    assert.equal(await pull(registry, repositoryA, 'v1'), one.digest)
    assert.deepEqual(await trashOf(registry), [])
    await deleteTag(registry, repositoryA, 'v1' as Tag, alice)
    await restoreTag(registry, wanted, who)
    assert.equal(await pull(registry, repositoryA, 'v1'), one.digest)
    assert.deepEqual(await trashOf(registry), [])
    const moved = (await historyOf(registry)).find(({ action }) => action === 'moved')
    await restoreTag(registry, { ...wanted, change: moved?.id }, who)
    assert.equal(await pull(registry, repositoryA, 'v1'), two.digest)
    assert.equal((await restoreTag(registry, { ...wanted, digest: two.digest }, who)).outcome, 'unchanged')
    assert.deepEqual(
      (await historyOf(registry)).map(({ action }) => action),
      ['restored', 'restored', 'deleted', 'restored', 'moved', 'pushed'],
    )
    await isWell(opened)
  })

  test('a manifest that is deleted for good is in the history of no tag: it reads as if the tag had never pointed there', async () => {
    await using opened = await openWithTrash()
    const { registry, clock } = opened
    const put = async (content: string, tag = 'v1') => {
      clock.advance(1_000)
      return (await putImage(registry, repositoryA, content, tag)).digest
    }
    const told = async (tag?: string) =>
      (await historyOf(registry, tag)).map(({ action, digest, previousDigest, state }) => [action, digest, previousDigest, state])
    const one = await put('one')
    const gone = await put('gone')
    await put('one')
    await put('gone')
    const two = await put('two')
    await deleteTag(registry, repositoryA, 'v1' as Tag, alice)
    await put('two')
    await put('gone', 'v2')
    await put('two', 'v2')
    for (const content of ['one', 'gone']) await put(content, 'v3')
    await deleteTag(registry, repositoryA, 'v3' as Tag, alice)
    await put('two', 'v3')
    await deleteTag(registry, repositoryA, 'v3' as Tag, alice)
    clock.advance(1_000)
    await deleteManifest(registry, repositoryA, gone, alice)
    await purge(registry, 'manifest')
    assert.deepEqual(await told(), [
      ['pushed', two, undefined, 'here'],
      ['deleted', undefined, two, 'here'],
      ['moved', two, one, 'here'],
      ['pushed', one, undefined, 'here'],
    ])
    assert.deepEqual(await told('v2'), [['pushed', two, undefined, 'here']])
    assert.deepEqual(await told('v3'), [
      ['deleted', undefined, two, 'here'],
      ['pushed', two, undefined, 'here'],
      ['deleted', undefined, one, 'here'],
      ['pushed', one, undefined, 'here'],
    ])
    await restoreTag(registry, { ...wanted, tag: 'v1' as Tag, change: (await historyOf(registry)).at(-1)?.id }, who)
    assert.equal(await pull(registry, repositoryA, 'v1'), one)
    await isWell(opened)
  })

  test('a digest that was pushed again stays in the history when what was deleted of it goes for good', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const { digest } = await putImage(registry, repositoryA, 'one', 'v1')
    await putImage(registry, repositoryA, 'two', 'v1')
    await deleteManifest(registry, repositoryA, digest, alice)
    await putImage(registry, repositoryA, 'one', 'v2')
    await purge(registry, 'manifest')
    assert.deepEqual(
      (await historyOf(registry)).map(({ action, state }) => [action, state]),
      [
        ['moved', 'here'],
        ['pushed', 'here'],
      ],
    )
    await isWell(opened)
  })

  test('what cannot be restored says why', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const one = await putImage(registry, repositoryA, 'one', 'v1')
    await assert.rejects(restoreTag(registry, wanted, who), failsWith('CONFLICT'))
    await assert.rejects(restoreTag(registry, { ...wanted, repository: repositoryB }, who), failsWith('NAME_UNKNOWN'))
    await assert.rejects(restoreTag(registry, { ...wanted, change: 999 }, who), failsWith('MANIFEST_UNKNOWN'))
    await assert.rejects(restoreTag(registry, { ...wanted, tag: 'never' as Tag }, who), failsWith('MANIFEST_UNKNOWN'))
    const unknown = { ...wanted, digest: digestOf(Buffer.from('x')) }
    await assert.rejects(restoreTag(registry, unknown, who), /there is no manifest of this digest in team\/a, nor in its trash/u)
    const two = await putImage(registry, repositoryA, 'two', 'v1')
    await assert.rejects(restoreTag(registry, { ...wanted, mayMove: false }, who), failsWith('DENIED'))
    await assert.rejects(restoreTag(registry, { ...wanted, expectedDigest: one.digest }, who), failsWith('PRECONDITION_FAILED'))
    await deleteManifest(registry, repositoryA, one.digest, alice)
    await assert.rejects(restoreTag(registry, { ...wanted, mayTakeFromTrash: false }, who), failsWith('DENIED'))
    await purge(registry, 'manifest')
    await assert.rejects(restoreTag(registry, wanted, who), failsWith('CONFLICT'))
    assert.equal(await pull(registry, repositoryA, 'v1'), two.digest)
    await isWell(opened)
  })

  test('what the trash kept for its time and no longer stays in the history, and is gone', async () => {
    await using opened = await openWithTrash()
    const { registry, clock } = opened
    const one = await putImage(registry, repositoryA, 'one', 'v1')
    await putImage(registry, repositoryA, 'two', 'v1')
    await deleteManifest(registry, repositoryA, one.digest, alice)
    clock.advance(8 * dayMs)
    assert.deepEqual(await runPurge(registry), { purged: 1 })
    assert.deepEqual(
      (await historyOf(registry)).map(({ action, previousDigest, state }) => [action, previousDigest, state]),
      [
        ['moved', one.digest, 'here'],
        ['pushed', undefined, 'gone'],
      ],
    )
    await assert.rejects(restoreTag(registry, wanted, who), /the manifest that the tag pointed at is gone for good/u)
  })
})
