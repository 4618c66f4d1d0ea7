import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolveRepositoryName } from '#metadata/name-redirects.ts'
import { whereLabelled } from '#metadata/labels.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { createProject } from '#projects/create-project.ts'
import { projectOf } from '#projects/find-project.ts'
import { createLabel } from '#projects/labels.ts'
import { renameProject } from '#projects/rename-project.ts'
import { deleteProjectWithContent } from './delete-project.ts'
import { deleteRepository } from './delete-repository.ts'
import { labelManifest, labelsOfManifest, unlabelManifest } from './label-manifest.ts'
import { moveRepository, placeForRepository } from './move-repository.ts'
import { appendUpload, finishUpload, startUpload } from './push-blob.ts'
import { pullManifest } from './pull-manifest.ts'
import type { Registry } from './registry.ts'
import { alice, bodyOf, failsWith, imageOf, noSignal, openTestRegistry, pushBytes, putImage, putManifest } from './test-registry.ts'
import { digestOf } from '#oci/digest.ts'

const who = { actor: 'alice', requestId: 'r1' }
const name = (text: string) => text as RepositoryName
const partsOf = (registry: Registry) => ({ metadata: registry.metadata, ports: registry.context.ports })

function make(registry: Registry, project: string, takenFrom?: number) {
  const mayTake = takenFrom === undefined ? [] : [{ projectId: takenFrom, permission: 'project:delete' } as const]
  return createProject(partsOf(registry), { name: project, mayTake }, who)
}

async function move(registry: Registry, from: string, to: string, leavesRedirect = true) {
  const place = await placeForRepository(registry, name(to))
  await moveRepository(registry, { from: name(from), to: place.repository, projectId: place.project.id, leavesRedirect }, who)
  return place.repository
}

const digestByTag = async (registry: Registry, repository: string) =>
  (
    await pullManifest(
      registry,
      await resolveRepositoryName(registry.metadata.reader, name(repository)),
      { kind: 'tag', tag: 'v1' as never },
      alice,
    )
  ).digest

test('a repository that moves keeps its content, and its former names lead to it over two moves', async () => {
  await using test = await openTestRegistry()
  const { registry } = test
  const [a, b] = [await make(registry, 'a'), await make(registry, 'b')]
  const { digest } = await putImage(registry, name('a/x'), 'x', 'v1')
  await move(registry, 'a/x', 'b/y')
  await move(registry, 'b/y', 'plain')
  for (const former of ['a/x', 'b/y', 'plain']) assert.equal(await digestByTag(registry, former), digest)
  await move(registry, 'plain', 'a/x')
  for (const former of ['a/x', 'b/y', 'plain']) assert.equal(await digestByTag(registry, former), digest)
  await assert.rejects(move(registry, 'gone', 'b/z'), failsWith('RESOURCE_UNKNOWN'))
  await putImage(registry, name('b/z'), 'z', 'v1')
  await assert.rejects(move(registry, 'b/z', 'a/x'), failsWith('CONFLICT'))
  await assert.rejects(
    moveRepository(registry, { from: name('b/z'), to: name('a/z'), projectId: b.id, leavesRedirect: true }, who),
    failsWith('CONFLICT'),
  )
  assert.notEqual(a.id, b.id)
  const row = await registry.metadata.reader
    .selectFrom('repositories')
    .select('project_id')
    .where('name', '=', 'a/x')
    .executeTakeFirstOrThrow()
  assert.equal(row.project_id, a.id)
})

test('a repository can move away without leaving a trace of its name', async () => {
  await using test = await openTestRegistry()
  const { registry } = test
  await putImage(registry, name('one'), 'x', 'v1')
  await move(registry, 'one', 'two', false)
  assert.equal(await resolveRepositoryName(registry.metadata.reader, name('one')), 'one')
  const { digest } = await putImage(registry, name('one'), 'y', 'v1')
  assert.equal(await digestByTag(registry, 'one'), digest)
})

test('a move to a place under a former name of a project ends in the project', async () => {
  await using test = await openTestRegistry()
  const { registry } = test
  const { id } = await make(registry, 'team')
  await renameProject(partsOf(registry), { projectId: id, name: 'crew', expectedVersion: undefined }, who)
  await putImage(registry, name('one'), 'x', 'v1')
  assert.equal(await move(registry, 'one', 'team/one'), 'crew/one')
})

test('an upload in flight ends in the repository that was moved or renamed under it', async () => {
  await using test = await openTestRegistry()
  const { registry } = test
  const { id } = await make(registry, 'team')
  const { uploadId } = await startUpload(registry, name('team/a'), alice)
  await renameProject(partsOf(registry), { projectId: id, name: 'crew', expectedVersion: undefined }, who)
  const target = { repository: name('crew/a'), uploadId, actor: alice }
  await appendUpload(registry, target, bodyOf('hello'), { contentLength: 5, signal: noSignal } as never)
  await move(registry, 'crew/a', 'free')
  const digest = digestOf(Buffer.from('hello'))
  const moved = { ...target, repository: name('free') }
  await finishUpload(registry, moved, { digest, body: bodyOf(), contentLength: 0, signal: noSignal } as never)
  const rows = await registry.metadata.reader.selectFrom('repositories').select('name').execute()
  assert.deepEqual(rows, [{ name: 'free' }])
})

test('a push whose repository is renamed before its commit lands where the repository is', async () => {
  await using test = await openTestRegistry()
  const { registry } = test
  const { id } = await make(registry, 'team')
  const config = await pushBytes(registry, name('team/a'), 'config')
  await renameProject(partsOf(registry), { projectId: id, name: 'crew', expectedVersion: undefined }, who)
  // The name was looked up before the rename.
  const { digest } = await putManifest(registry, name('team/a'), imageOf({ config }), 'v1')
  assert.equal(await digestByTag(registry, 'crew/a'), digest)
  await pushBytes(registry, name('team/fresh'), 'bytes')
  const rows = await registry.metadata.reader.selectFrom('repositories').select(['name', 'project_id']).orderBy('name').execute()
  assert.deepEqual(rows, [
    { name: 'crew/a', project_id: id },
    { name: 'crew/fresh', project_id: id },
  ])
})

test('renames and creations over pushes at once leave every repository in the project of its name', async () => {
  await using test = await openTestRegistry()
  const { registry } = test
  const { id } = await make(registry, 'team')
  const pushes = Array.from({ length: 12 }, (_, index) => putImage(registry, name(`team/r${index}`), `${index}`, 'v1'))
  const loose = Array.from({ length: 6 }, (_, index) => putImage(registry, name(`loose/r${index}`), `loose ${index}`, 'v1'))
  const rename = renameProject(partsOf(registry), { projectId: id, name: 'crew', expectedVersion: undefined }, who)
  const creation = make(registry, 'loose', 1)
  await Promise.all([...pushes, ...loose, rename, creation])
  const rows = await registry.metadata.reader.selectFrom('repositories').select(['name', 'project_id']).execute()
  assert.equal(rows.length, 18)
  for (const row of rows) {
    assert.equal(row.project_id, await projectOf(registry.metadata.reader, name(row.name)), row.name)
    assert.match(row.name, /^(?:crew|loose)\//)
  }
})

test('a deleted repository takes the redirects to it along', async () => {
  await using test = await openTestRegistry()
  const { registry } = test
  await putImage(registry, name('one'), 'x', 'v1')
  await move(registry, 'one', 'two')
  await deleteRepository(registry, name('two'), alice)
  assert.equal(await resolveRepositoryName(registry.metadata.reader, name('one')), 'one')
})

test('a project is deleted with everything in it, and what lies beside stays', async () => {
  await using test = await openTestRegistry()
  const { registry } = test
  const team = await make(registry, 'team')
  await make(registry, 'team/sub')
  await make(registry, 'team-b')
  for (const each of ['team', 'team/a', 'team/b', 'team/sub/c', 'team-b/d']) await putImage(registry, name(each), each, 'v1')
  const { id, isDefault } = team
  await assert.rejects(
    deleteProjectWithContent(registry, { id: 1, name: 'library', isDefault: true, expectedVersion: undefined }, who),
    failsWith('CONFLICT'),
  )
  assert.equal((await registry.metadata.reader.selectFrom('repositories').select('id').execute()).length, 5)
  await deleteProjectWithContent(registry, { id, name: 'team', isDefault, expectedVersion: 1 }, who)
  const rows = await registry.metadata.reader.selectFrom('repositories').select('name').orderBy('name').execute()
  assert.deepEqual(
    rows.map((row) => row.name),
    ['team', 'team-b/d'],
  )
  const projects = await registry.metadata.reader.selectFrom('projects').select('name').orderBy('name').execute()
  assert.deepEqual(
    projects.map((row) => row.name),
    ['library', 'team-b'],
  )
})

test('nothing of a project is deleted where deletes are switched off, or in another version', async () => {
  await using off = await openTestRegistry({ options: { deleteEnabled: false } })
  const { id } = await make(off.registry, 'team')
  const project = { id, name: 'team', isDefault: false, expectedVersion: undefined }
  await assert.rejects(deleteProjectWithContent(off.registry, project, who), failsWith('UNSUPPORTED'))
  await using on = await openTestRegistry()
  const team = await make(on.registry, 'team')
  await putImage(on.registry, name('team/a'), 'a', 'v1')
  await assert.rejects(deleteProjectWithContent(on.registry, { ...team, expectedVersion: 7 }, who), failsWith('PRECONDITION_FAILED'))
  assert.equal((await on.registry.metadata.reader.selectFrom('repositories').select('id').execute()).length, 1)
})

test('a manifest takes labels for all and of its projects, and no others', async () => {
  await using test = await openTestRegistry()
  const { registry } = test
  const [team, sub, other] = [await make(registry, 'team'), await make(registry, 'team/sub'), await make(registry, 'other')]
  const { digest } = await putImage(registry, name('team/sub/a'), 'x', 'v1')
  const repository = name('team/sub/a')
  const label = async (projectId: number | null, text: string) =>
    (await createLabel(partsOf(registry), { projectId, name: text, color: '#000000', description: '' }, who)).id
  const [all, ofTeam, ofSub, ofOther] = [
    await label(null, 'd'),
    await label(team.id, 'c'),
    await label(sub.id, 'b'),
    await label(other.id, 'a'),
  ]
  for (const labelId of [all, ofTeam, ofSub, all]) await labelManifest(registry, { repository, digest, labelId }, who)
  for (const labelId of [ofOther, 999]) {
    await assert.rejects(labelManifest(registry, { repository, digest, labelId }, who), failsWith('RESOURCE_UNKNOWN'))
    await assert.rejects(unlabelManifest(registry, { repository, digest, labelId }, who), failsWith('RESOURCE_UNKNOWN'))
  }
  const absent = digestOf(Buffer.from('absent'))
  await assert.rejects(labelManifest(registry, { repository, digest: absent, labelId: all }, who), failsWith('RESOURCE_UNKNOWN'))
  await assert.rejects(labelManifest(registry, { repository: name('team/a'), digest, labelId: all }, who), failsWith('RESOURCE_UNKNOWN'))
  assert.deepEqual(
    (await labelsOfManifest(registry, repository, digest)).map((each) => each.name),
    ['b', 'c', 'd'],
  )
  await unlabelManifest(registry, { repository, digest, labelId: ofTeam }, who)
  await assert.rejects(unlabelManifest(registry, { repository, digest, labelId: ofTeam }, who), failsWith('RESOURCE_UNKNOWN'))
  const { reader } = registry.metadata
  const labelled = (labelId: number) => reader.selectFrom('tags').select('name').where(whereLabelled('tags.manifest_id', labelId)).execute()
  assert.deepEqual([await labelled(ofSub), await labelled(ofTeam)], [[{ name: 'v1' }], []])
  const events = await reader.selectFrom('events').select('action').where('action', 'like', 'manifest.%label%').orderBy('id').execute()
  assert.deepEqual(
    events.map((event) => event.action),
    ['manifest.labelled', 'manifest.labelled', 'manifest.labelled', 'manifest.unlabelled'],
  )
})

test('a move to another project takes the former project’s labels off', async () => {
  await using test = await openTestRegistry()
  const { registry } = test
  const team = await make(registry, 'team')
  const { digest } = await putImage(registry, name('team/a'), 'x', 'v1')
  const label = async (projectId: number | null, text: string) =>
    (await createLabel(partsOf(registry), { projectId, name: text, color: '#000000', description: '' }, who)).id
  for (const labelId of [await label(team.id, 'own'), await label(null, 'all')])
    await labelManifest(registry, { repository: name('team/a'), digest, labelId }, who)
  await move(registry, 'team/a', 'team/b')
  assert.equal((await labelsOfManifest(registry, name('team/b'), digest)).length, 2)
  await move(registry, 'team/b', 'free')
  assert.deepEqual(
    (await labelsOfManifest(registry, name('free'), digest)).map((each) => each.name),
    ['all'],
  )
})
