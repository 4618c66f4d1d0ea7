import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestToBytes, type Digest } from '#oci/digest.ts'
import { ociManifest } from '#oci/media-types.ts'
import type { Tag } from '#oci/reference.ts'
import { createProject } from '#projects/create-project.ts'
import { createLabel } from '#projects/labels.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { deleteManifest, deleteTag } from './delete-manifest.ts'
import { deleteRepository } from './delete-repository.ts'
import { labelManifest } from './label-manifest.ts'
import { purgeTrash } from './purge-trash.ts'
import { quarantineBlob } from './quarantine-blob.ts'
import type { Registry } from './registry.ts'
import { restoreTag } from './restore-tag.ts'
import { describeTrash, placeOfRestore, readTrash, restoreTrash } from './restore-trash.ts'
import { alice, descriptor, failsWith, indexOf, putImage, putManifest, repositoryA, type TestRegistry } from './test-registry.ts'
import { name, openWithTrash, pull, restore, tagsOf, trashOf, who } from './test-trash.ts'

async function damage(registry: Registry, digest: Digest): Promise<void> {
  const { reader } = registry.metadata
  const row = await reader.selectFrom('blobs').selectAll().where('digest', '=', digestToBytes(digest)).executeTakeFirstOrThrow()
  await quarantineBlob(registry, { blobId: row.id, sizeBytes: row.size_bytes, store: row.store, key: row.key, digest }, 'wrong digest')
}

const isWell = async ({ parts }: Pick<TestRegistry, 'parts'>) => assert.deepEqual(await checkInvariants(parts), [])

suite('what would come back broken from the trash', () => {
  /** An index in the trash whose one child was deleted for good. */
  async function brokenIndex(registry: Registry) {
    const [kept, lost] = [await putImage(registry, repositoryA, 'kept'), await putImage(registry, repositoryA, 'lost')]
    const children = [kept, lost].map(({ digest }) => descriptor(digest, ociManifest))
    const { digest } = await putManifest(registry, repositoryA, indexOf(children), 'v1')
    for (const each of [digest, lost.digest]) await deleteManifest(registry, repositoryA, each, alice)
    const items = await trashOf(registry)
    const [index, child] = [digest, lost.digest].map((each) => items.find((item) => item.digest === each))
    assert.ok(index !== undefined && child !== undefined)
    return { index, child, lost: lost.digest }
  }

  async function forced(registry: Registry, id: number) {
    const row = await readTrash(registry, id)
    assert.ok(row)
    return await restoreTrash(registry, { row, isForced: true }, who)
  }

  test('an index without a child is refused, and forced it says what is missing', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const { index, child, lost } = await brokenIndex(registry)
    await purgeTrash(registry, child, who)
    await assert.rejects(restore(registry, 'manifest'), failsWith('CONFLICT', { missing: [lost] }))
    assert.deepEqual(await tagsOf(registry, repositoryA), [])
    const wanted = { repository: repositoryA, tag: 'v1' as Tag, mayMove: true, mayTakeFromTrash: true }
    await assert.rejects(restoreTag(registry, wanted, who), failsWith('CONFLICT', { missing: [lost] }))
    const restored = await forced(registry, index.id)
    assert.deepEqual([restored.tags, restored.missing], [['v1'], [lost]])
    await isWell(opened)
  })

  test('a tag of such an index is put back by force alone, and says what is missing', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const { child, lost } = await brokenIndex(registry)
    await purgeTrash(registry, child, who)
    const wanted = { repository: repositoryA, tag: 'v1' as Tag, mayMove: true, mayTakeFromTrash: true, isForced: true }
    assert.deepEqual(await restoreTag(registry, wanted, who), { outcome: 'restored', missing: [lost] })
    assert.deepEqual(await tagsOf(registry, repositoryA), ['v1'])
  })

  test('an image whose layer is damaged is refused unless it is forced', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const { digest, layer } = await putImage(registry, repositoryA, 'x', 'v1')
    await deleteManifest(registry, repositoryA, digest, alice)
    await damage(registry, layer)
    await assert.rejects(restore(registry, 'manifest'), failsWith('CONFLICT', { missing: [layer] }))
    const [item] = await trashOf(registry)
    assert.deepEqual((await forced(registry, item?.id ?? 0)).missing, [layer])
  })

  test('what is whole says so, and who needs a manifest of the trash is known before it goes for good', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const { index, child } = await brokenIndex(registry)
    assert.deepEqual((await describeTrash(registry, child)).neededBy, [index.digest])
    assert.deepEqual((await describeTrash(registry, index)).neededBy, [])
    const row = await readTrash(registry, index.id)
    assert.ok(row)
    const restored = await restoreTrash(registry, { row }, who)
    assert.deepEqual([restored.manifests, restored.missing, restored.lostLabels], [2, [], []])
    await isWell(opened)
  })

  test('a child that was pushed again is needed by nobody from the trash', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const { child } = await brokenIndex(registry)
    await putImage(registry, repositoryA, 'lost')
    assert.deepEqual((await describeTrash(registry, child)).neededBy, [])
  })
})

suite('a repository of the trash under another name', () => {
  const partsOf = (registry: Registry) => ({ metadata: registry.metadata, ports: registry.context.ports })

  async function restoreAs(registry: Registry, to: string, isForced?: boolean) {
    const row = await readTrash(registry, (await trashOf(registry))[0]?.id ?? 0)
    assert.ok(row)
    const { repository, project } = await placeOfRestore(registry, row, name(to))
    return await restoreTrash(registry, { row, name: to, place: { to: repository, projectId: project.id }, isForced }, who)
  }

  test('does not go from a private project into a public one unless it is forced, and anywhere else it does', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const { id: projectId } = await createProject(partsOf(registry), { name: 'team' }, who)
    await createProject(partsOf(registry), { name: 'open', isPublic: true }, who)
    const { digest } = await putImage(registry, repositoryA, 'x', 'v1')
    const label = { projectId, name: 'approved', color: '#000000', description: '' }
    const { id: labelId } = await createLabel(partsOf(registry), label, who)
    await labelManifest(registry, { repository: repositoryA, digest, labelId }, who)
    await deleteRepository(registry, repositoryA, alice)
    await assert.rejects(restoreAs(registry, 'open/a'), failsWith('CONFLICT'))
    const restored = await restoreAs(registry, 'open/a', true)
    assert.deepEqual([restored.project, restored.lostLabels], ['open', ['approved']])
    assert.equal(await pull(registry, name('open/a'), 'v1'), digest)
    // From a public one everybody had it already.
    await deleteRepository(registry, name('open/a'), alice)
    await createProject(partsOf(registry), { name: 'wide', isPublic: true }, who)
    assert.equal((await restoreAs(registry, 'wide/a')).repository, 'wide/a')
    await deleteRepository(registry, name('wide/a'), alice)
    assert.equal((await restoreAs(registry, 'team/b')).project, 'team')
    await isWell(opened)
  })
})

suite('restoring a tag', () => {
  test('is recorded by its own name, and as a move for what follows tags', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    await putImage(registry, repositoryA, 'x', 'v1')
    await deleteTag(registry, repositoryA, 'v1' as Tag, alice)
    await restoreTag(registry, { repository: repositoryA, tag: 'v1' as Tag, mayMove: false, mayTakeFromTrash: true }, who)
    const events = await registry.metadata.reader
      .selectFrom('events')
      .select(['action', 'target', 'detail', 'repository'])
      .orderBy('id')
      .execute()
    const [moved, restored] = events.slice(-2)
    assert.deepEqual([moved?.action, JSON.parse(moved?.detail ?? '')], ['tag.moved', { restored: true }])
    assert.deepEqual([restored?.action, restored?.target, restored?.repository], ['tag.restored', 'tag:team/a:v1', repositoryA])
  })

  test('that is not there names the tag and the repository', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    await putImage(registry, repositoryA, 'x', 'v1')
    await assert.rejects(deleteTag(registry, repositoryA, 'nosuch' as Tag, alice), /there is no tag nosuch in team\/a/)
  })
})
