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
import { openWithTrash, pull, purge, trashOf, who } from './test-trash.ts'

const isWell = async ({ parts }: Pick<TestRegistry, 'parts'>) => assert.deepEqual(await checkInvariants(parts), [])

suite('the history of a tag', () => {
  const historyOf = async (registry: Registry) => {
    const page = { limit: 100, column: 'id', isDescending: true } as const
    return (await tagHistory(registry, repositoryA, { name: 'v1' as Tag, page })).items
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

  test('what cannot be restored says why', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const one = await putImage(registry, repositoryA, 'one', 'v1')
    await assert.rejects(restoreTag(registry, wanted, who), failsWith('CONFLICT'))
    await assert.rejects(restoreTag(registry, { ...wanted, repository: repositoryB }, who), failsWith('NAME_UNKNOWN'))
    await assert.rejects(restoreTag(registry, { ...wanted, change: 999 }, who), failsWith('MANIFEST_UNKNOWN'))
    await assert.rejects(restoreTag(registry, { ...wanted, tag: 'never' as Tag }, who), failsWith('MANIFEST_UNKNOWN'))
    await assert.rejects(restoreTag(registry, { ...wanted, digest: digestOf(Buffer.from('x')) }, who), failsWith('MANIFEST_UNKNOWN'))
    const two = await putImage(registry, repositoryA, 'two', 'v1')
    await assert.rejects(restoreTag(registry, { ...wanted, mayMove: false }, who), failsWith('DENIED'))
    await assert.rejects(restoreTag(registry, { ...wanted, expectedDigest: one.digest }, who), failsWith('PRECONDITION_FAILED'))
    await deleteManifest(registry, repositoryA, one.digest, alice)
    await assert.rejects(restoreTag(registry, { ...wanted, mayTakeFromTrash: false }, who), failsWith('DENIED'))
    await purge(registry, 'manifest')
    await assert.rejects(restoreTag(registry, wanted, who), failsWith('MANIFEST_UNKNOWN'))
    assert.equal(await pull(registry, repositoryA, 'v1'), two.digest)
    await isWell(opened)
  })
})
