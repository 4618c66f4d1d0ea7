import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RegistryError, type ErrorCode } from '#oci/errors.ts'
import { createLabel, deleteLabel, listLabels, readLabel, updateLabel } from './labels.ts'
import { eventsOf, make, openTestProjects, testWho, type TestProjects } from './test-projects.ts'

const code = (expected: ErrorCode) => (error: unknown) => error instanceof RegistryError && error.code === expected
const page = { limit: 10, column: 'name', isDescending: false }

function add(parts: TestProjects, name: string, projectId: number | null = null) {
  return createLabel(parts, { name, color: '#00ff00', description: '', projectId }, testWho)
}

test('a label’s name is given once in its place, and again in another', async () => {
  await using parts = await openTestProjects()
  const team = await make(parts, 'team')
  const global = await add(parts, 'stable')
  const own = await add(parts, 'stable', team.id)
  assert.deepEqual([global.project, own.project, own.version], [null, 'team', 1])
  await assert.rejects(add(parts, 'stable'), code('CONFLICT'))
  await assert.rejects(add(parts, 'stable', team.id), code('CONFLICT'))
  await assert.rejects(add(parts, 'stable', 999), code('RESOURCE_UNKNOWN'))
  const both = await Promise.allSettled([add(parts, 'new'), add(parts, 'new')])
  assert.deepEqual(both.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
})

test('a label has a name that people can read and that is no number, which means another label', async () => {
  await using parts = await openTestProjects()
  const { id: labelId } = await add(parts, '2nd')
  const label = { labelId, projectId: null, expectedVersion: undefined }
  for (const name of ['1', '0042', '  ', ' a', 'a ', 'a\u202eb', 'a\u200bb', 'a\u2028b']) {
    await assert.rejects(add(parts, name), code('REQUEST_INVALID'), JSON.stringify(name))
    await assert.rejects(updateLabel(parts, { ...label, change: { name } }, testWho), code('REQUEST_INVALID'), JSON.stringify(name))
  }
  for (const name of ['v1', '1.0', '稳定', 'needs review', '🚀']) assert.equal((await add(parts, name)).name, name)
})

test('a label is changed and deleted in its own place only, in the version that was seen', async () => {
  await using parts = await openTestProjects()
  const [team, other] = [await make(parts, 'team'), await make(parts, 'other')]
  const { id: labelId } = await add(parts, 'stable', team.id)
  await add(parts, 'taken', team.id)
  for (const projectId of [null, other.id]) {
    const label = { labelId, projectId, expectedVersion: undefined }
    await assert.rejects(readLabel(parts, label), code('RESOURCE_UNKNOWN'))
    await assert.rejects(updateLabel(parts, { ...label, change: { color: '#ffffff' } }, testWho), code('RESOURCE_UNKNOWN'))
    await assert.rejects(deleteLabel(parts, label, testWho), code('RESOURCE_UNKNOWN'))
  }
  const label = { labelId, projectId: team.id, expectedVersion: 1 }
  await assert.rejects(updateLabel(parts, { ...label, change: { name: 'taken' } }, testWho), code('CONFLICT'))
  const changed = await updateLabel(parts, { ...label, change: { name: 'steady' } }, testWho)
  assert.deepEqual([changed.name, changed.color, changed.version], ['steady', '#00ff00', 2])
  assert.equal((await updateLabel(parts, { ...label, expectedVersion: 2, change: { name: 'steady' } }, testWho)).version, 2)
  await assert.rejects(updateLabel(parts, { ...label, change: { color: '#ffffff' } }, testWho), code('PRECONDITION_FAILED'))
  await assert.rejects(deleteLabel(parts, label, testWho), code('PRECONDITION_FAILED'))
  await deleteLabel(parts, { ...label, expectedVersion: 2 }, testWho)
  await assert.rejects(readLabel(parts, label), code('RESOURCE_UNKNOWN'))
  assert.deepEqual((await eventsOf(parts)).slice(2), [
    'label.created label:stable',
    'label.created label:taken',
    'label.updated label:steady',
    'label.deleted label:steady',
  ])
})

test('a list of labels holds those asked for', async () => {
  await using parts = await openTestProjects()
  const [team, other] = [await make(parts, 'team'), await make(parts, 'other')]
  await add(parts, 'b')
  await add(parts, 'a%_')
  await add(parts, 'a', team.id)
  await add(parts, 'z', other.id)
  const names = async (filter: object) =>
    (await listLabels(parts, { isGlobal: false, projectIds: [], ...filter }, page)).items.map(({ name }) => name)
  assert.deepEqual(await names({}), [])
  assert.deepEqual(await names({ isGlobal: true }), ['a%_', 'b'])
  assert.deepEqual(await names({ projectIds: [team.id] }), ['a'])
  assert.deepEqual(await names({ isGlobal: true, projectIds: [team.id, other.id] }), ['a', 'a%_', 'b', 'z'])
  assert.deepEqual(await names({ isGlobal: true, namePrefix: 'a%' }), ['a%_'])
  assert.deepEqual(await names({ isGlobal: true, namePrefix: "' or 1=1 --" }), [])
})
