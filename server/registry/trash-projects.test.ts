import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createProject } from '#projects/create-project.ts'
import { deleteProject } from '#projects/delete-project.ts'
import { renameProject } from '#projects/rename-project.ts'
import { nameOfRestore } from '#projects/restore-project.ts'
import { checkInvariants } from '../../test/invariants.ts'
import { deleteManifest } from './delete-manifest.ts'
import { deleteProjectWithContent } from './delete-project.ts'
import { deleteRepository } from './delete-repository.ts'
import { moveRepository, placeForRepository } from './move-repository.ts'
import { purgeTrash } from './purge-trash.ts'
import type { Registry } from './registry.ts'
import { placeOfRestore, restoreTrash } from './restore-trash.ts'
import { alice, failsWith, putImage, repositoryA, repositoryB, type TestRegistry } from './test-registry.ts'
import { collect, dayMs, name, openWithTrash, pull, purge, restore, runPurge, tagsOf, trashOf, usedOf, who } from './test-trash.ts'
import { trashUntil } from './trash-place.ts'

const isElsewhere = (project: string) => (error: unknown) =>
  failsWith('CONFLICT')(error) && (error as Error).message.startsWith(`${project} is another project by now, made 20`)

const isWell = async ({ parts }: Pick<TestRegistry, 'parts'>) => assert.deepEqual(await checkInvariants(parts), [])

suite('projects in the trash', () => {
  const partsOf = (registry: Registry) => ({ metadata: registry.metadata, ports: registry.context.ports })

  async function trashed(registry: Registry) {
    const team = await createProject(partsOf(registry), { name: 'team' }, who)
    await createProject(partsOf(registry), { name: 'team/sub' }, who)
    const a = await putImage(registry, repositoryA, 'a', 'v1')
    const c = await putImage(registry, name('team/sub/c'), 'c', 'v1')
    await putImage(registry, repositoryB, 'b', 'v1')
    await deleteRepository(registry, repositoryB, alice)
    const before = await usedOf(registry)
    await deleteProjectWithContent(registry, { ...team, expectedVersion: team.version }, who)
    return { a, c, before, team }
  }

  test('a project goes with all below it in one commit, and comes back with it', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const { a, c, before } = await trashed(registry)
    await assert.rejects(pull(registry, repositoryA, 'v1'), failsWith('NAME_UNKNOWN'))
    await isWell(opened)
    // What is in it comes back with it alone.
    assert.deepEqual(
      (await trashOf(registry)).map(({ kind, project }) => [kind, project]),
      [['project', 'team']],
    )
    assert.equal((await usedOf(registry)).repositories, 0)
    await collect(opened)
    await restore(registry, 'project')
    assert.equal(await pull(registry, repositoryA, 'v1'), a.digest)
    assert.equal(await pull(registry, name('team/sub/c'), 'v1'), c.digest)
    assert.deepEqual(await usedOf(registry), before)
    await restore(registry, 'repository')
    assert.deepEqual(await tagsOf(registry, repositoryB), ['v1'])
    await isWell(opened)
  })

  test('a project whose name is taken comes back under another, with what of it was in the trash before', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const { a } = await trashed(registry)
    const { digest } = await putImage(registry, repositoryA, 'new', 'v1')
    await assert.rejects(restore(registry, 'project'), failsWith('CONFLICT'))
    await assert.rejects(restore(registry, 'project', 'Not a name'), failsWith('REQUEST_INVALID'))
    await restore(registry, 'project', 'crew')
    assert.equal(await pull(registry, name('crew/a'), 'v1'), a.digest)
    assert.equal(await pull(registry, repositoryA, 'v1'), digest)
    assert.equal((await restore(registry, 'repository')).repository, 'crew/b')
    await isWell(opened)
  })

  test('a project that is deleted for good takes everything along', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    await trashed(registry)
    await purge(registry, 'project')
    await collect(opened)
    const { reader } = registry.metadata
    for (const table of ['repositories', 'manifests', 'tags', 'blobs', 'trash'] as const)
      assert.deepEqual(await reader.selectFrom(table).select('id').execute(), [], table)
    assert.deepEqual(await reader.selectFrom('projects').select('name').execute(), [{ name: 'library' }])
    await isWell(opened)
  })

  test('its time over, a project goes with what was in the trash before it', async () => {
    await using opened = await openWithTrash()
    const { registry, clock } = opened
    await trashed(registry)
    clock.advance(7 * dayMs + 1)
    assert.deepEqual(await runPurge(registry), { purged: 1 })
    await collect(opened)
    assert.deepEqual(await registry.metadata.reader.selectFrom('blobs').select('id').execute(), [])
    await isWell(opened)
  })

  test('an empty project is in the trash too, and the default one never is', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const { id } = await createProject(partsOf(registry), { name: 'empty', description: 'kept' }, who)
    const until = trashUntil(registry, registry.context.ports.clock.now())
    await deleteProject(partsOf(registry), { projectId: id, expectedVersion: undefined, trashUntil: until }, who)
    await assert.rejects(
      deleteProject(partsOf(registry), { projectId: 1, expectedVersion: undefined, trashUntil: until }, who),
      failsWith('CONFLICT'),
    )
    await restore(registry, 'project')
    const row = await registry.metadata.reader.selectFrom('projects').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
    assert.deepEqual([row.name, row.description, row.trashed_name], ['empty', 'kept', ''])
    await isWell(opened)
  })

  test('what comes back is judged where it lands: what was made since somebody looked keeps it out', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    await putImage(registry, name('zoo/app'), 'a', 'v1')
    await deleteRepository(registry, name('zoo/app'), alice)
    const [row] = await trashOf(registry)
    assert.ok(row)
    const found = await placeOfRestore(registry, row, undefined)
    const { id } = await createProject(partsOf(registry), { name: 'zoo' }, who)
    for (const projectId of [found.project.id, id])
      await assert.rejects(restoreTrash(registry, { row, place: { to: found.repository, projectId } }, who), isElsewhere('zoo'))
    await restoreTrash(registry, { row, name: 'zoo/app', place: { to: found.repository, projectId: id } }, who)
    assert.deepEqual(await tagsOf(registry, name('zoo/app')), ['v1'])
    const { id: subId } = await createProject(partsOf(registry), { name: 'corp/prod' }, who)
    await deleteProjectWithContent(registry, { id: subId, name: 'corp/prod', isDefault: false, expectedVersion: undefined }, who)
    const [project] = await trashOf(registry)
    assert.ok(project)
    assert.equal(await nameOfRestore(registry, project, false), 'corp/prod')
    await createProject(partsOf(registry), { name: 'corp' }, who)
    await assert.rejects(nameOfRestore(registry, project, false), isElsewhere('corp'))
    await assert.rejects(restoreTrash(registry, { row: project, mayEnter: [] }, who), isElsewhere('corp'))
    assert.equal((await trashOf(registry)).length, 1)
    assert.equal((await restoreTrash(registry, { row: project, name: 'corp/prod' }, who)).project, 'corp/prod')
    await isWell(opened)
  })

  test('a project that goes for good leaves what was deleted below it to the one around it', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const ids: Record<string, number> = {}
    for (const each of ['a', 'a/b', 'a/b/c', 'a/b/c/d']) ids[each] = (await createProject(partsOf(registry), { name: each }, who)).id
    const remove = (each: string) =>
      deleteProjectWithContent(registry, { id: ids[each] ?? 0, name: each, isDefault: false, expectedVersion: undefined }, who)
    const parentOfD = async () => (await trashOf(registry)).find(({ project }) => project === 'a/b/c/d')?.parent?.id
    for (const each of ['a/b/c/d', 'a/b/c', 'a/b']) await remove(each)
    assert.equal(await parentOfD(), ids['a/b/c'])
    for (const each of ['a/b/c', 'a/b']) {
      const row = (await trashOf(registry)).find(({ project }) => project === each)
      assert.ok(row)
      await purgeTrash(registry, row, who)
    }
    assert.equal(await parentOfD(), ids['a'])
    await remove('a')
    await purge(registry, 'project')
    assert.equal(await parentOfD(), undefined)
    assert.equal((await restore(registry, 'project')).project, 'a/b/c/d')
    await isWell(opened)
  })

  test('the trash follows repositories that move and projects that are renamed', async () => {
    await using opened = await openWithTrash()
    const { registry } = opened
    const { id } = await createProject(partsOf(registry), { name: 'team' }, who)
    await createProject(partsOf(registry), { name: 'other' }, who)
    const { digest } = await putImage(registry, repositoryA, 'a', 'v1')
    await putImage(registry, repositoryB, 'b', 'v1')
    await deleteManifest(registry, repositoryA, digest, alice)
    await deleteRepository(registry, repositoryB, alice)
    const place = await placeForRepository(registry, name('other/a'))
    await moveRepository(registry, { from: repositoryA, to: place.repository, projectId: place.project.id, leavesRedirect: true }, who)
    await renameProject(partsOf(registry), { projectId: id, name: 'crew', expectedVersion: undefined }, who)
    assert.deepEqual((await trashOf(registry)).map(({ kind, project, repository }) => `${kind} ${repository} of ${project}`).toSorted(), [
      'manifest other/a of other',
      'repository crew/b of crew',
    ])
    await isWell(opened)
    const [crew] = await registry.metadata.reader.selectFrom('projects').selectAll().where('id', '=', id).execute()
    await deleteProjectWithContent(registry, { id, name: crew?.name ?? '', isDefault: false, expectedVersion: undefined }, who)
    await purge(registry, 'project')
    await restore(registry, 'manifest')
    assert.equal(await pull(registry, name('other/a'), 'v1'), digest)
  })
})
