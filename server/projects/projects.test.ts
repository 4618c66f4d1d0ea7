import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAccessEpoch } from '#metadata/access-epoch.ts'
import { formerNames, resolveProjectName, resolveRepositoryName } from '#metadata/name-redirects.ts'
import { changeSetting } from '#metadata/test-transactions.ts'
import { RegistryError, type ErrorCode } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { autoCreateProject, projectToMake } from './auto-create.ts'
import { readCreationRules } from './creation-rules.ts'
import { deleteProject } from './delete-project.ts'
import { listProjects } from './list-projects.ts'
import { readNameClaim, readParent } from './name-claim.ts'
import { readProject } from './read-project.ts'
import { renameProject } from './rename-project.ts'
import { addGlobGrant, addRedirect, buryAll, labelOf, labelRepository } from './test-transactions.ts'
import { addRepositoriesNamed, eventsOf, make, openTestProjects, placesOf, setSystem, testWho, type TestProjects } from './test-projects.ts'
import { updateProject } from './update-project.ts'

const code = (expected: ErrorCode) => (error: unknown) => error instanceof RegistryError && error.code === expected
const anyVersion = { expectedVersion: undefined }
const pageOf = (limit: number, rest: object = {}) => ({ limit, column: 'name', isDescending: false, ...rest })

function rename(parts: TestProjects, projectId: number, name: string, rest: object = {}) {
  return renameProject(parts, { projectId, name, ...anyVersion, ...rest }, testWho)
}

const resolved = (parts: TestProjects, name: string) => resolveRepositoryName(parts.metadata.reader, name as RepositoryName)

const redirectsOf = (projectId: number) => [{ projectId, permission: 'project:update' } as const]
const repositoriesOf = (projectId: number) => [{ projectId, permission: 'project:delete' } as const]

test('a project is made with its owner’s grant, its events and a raised epoch, in one commit', async () => {
  await using parts = await openTestProjects()
  const before = await readAccessEpoch(parts.metadata.reader)
  const owner = { kind: 'user', id: parts.aliceId } as const
  const project = await make(parts, 'team/sub', { description: 'x', isPublic: true, owner })
  assert.deepEqual(
    [project.name, project.isPublic, project.isDefault, project.createdBy, project.version],
    ['team/sub', true, false, 'alice', 1],
  )
  const grants = await parts.metadata.reader.selectFrom('grants').selectAll().execute()
  assert.deepEqual(
    grants.map((grant) => [grant.user_id, grant.role, grant.project_id, grant.repositories]),
    [[parts.aliceId, 'project-admin', project.id, null]],
  )
  assert.deepEqual(await eventsOf(parts), ['project.created project:team/sub', `grant.created grant:${grants[0]?.id}`])
  assert.equal(await readAccessEpoch(parts.metadata.reader), before + 1)
})

test('hostile names make no project', async () => {
  await using parts = await openTestProjects()
  const names = [
    '',
    '/',
    'a/',
    '/a',
    'a//b',
    'A',
    'a b',
    '..',
    '.',
    'a/..',
    'a\0',
    'a\n',
    '!1',
    'ä',
    'a--',
    '-a',
    'a_',
    '%2e',
    "a';--",
    'a*',
    `${'a'.repeat(201)}`,
  ]
  for (const name of names) await assert.rejects(make(parts, name), code('REQUEST_INVALID'), name)
  assert.equal((await make(parts, 'a'.repeat(200))).name.length, 200)
  assert.deepEqual(await eventsOf(parts), [`project.created project:${'a'.repeat(200)}`])
})

test('of two creations at once one wins', async () => {
  await using parts = await openTestProjects()
  const outcomes = await Promise.allSettled([make(parts, 'team'), make(parts, 'team'), make(parts, 'team')])
  assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected', 'rejected'])
  for (const outcome of outcomes) if (outcome.status === 'rejected') assert.ok(code('CONFLICT')(outcome.reason))
  await assert.rejects(make(parts, 'library'), code('CONFLICT'))
})

test('repositories that lie below a name go to its project, with the right to take them only', async () => {
  await using parts = await openTestProjects()
  const inner = await make(parts, 'team/inner')
  await addRepositoriesNamed(parts, 'team', 'team/a', 'team/b/c', 'team/inner/x', 'teams/a', 'tea')
  const claim = await readNameClaim(parts, 'team')
  const library = claim.takings[0]?.projectId ?? 0
  assert.deepEqual([claim.isTaken, claim.takings], [false, [{ projectId: library, permission: 'project:delete', project: 'library' }]])
  await assert.rejects(make(parts, 'team'), code('CONFLICT'))
  await assert.rejects(make(parts, 'team', { mayTake: repositoriesOf(library + 1) }), code('CONFLICT'))
  await assert.rejects(make(parts, 'team', { mayTake: redirectsOf(library) }), code('CONFLICT'))
  await assert.rejects(make(parts, 'team', { mayTake: repositoriesOf(library) }), code('CONFLICT'), 'its maker would administer team/inner')
  await make(parts, 'team', { mayTake: repositoriesOf(library), mayEnclose: [inner.id] })
  assert.deepEqual(await placesOf(parts), {
    tea: 'library',
    team: 'library',
    'team/a': 'team',
    'team/b/c': 'team',
    'team/inner/x': 'team/inner',
    'teams/a': 'library',
  })
})

test('a rename takes repositories and projects below along, and leaves all others', async () => {
  await using parts = await openTestProjects()
  const team = await make(parts, 'team')
  await make(parts, 'team/sub')
  await make(parts, 'teams')
  await addRepositoriesNamed(parts, 'team', 'team/a', 'team/sub/b', 'teams/c', 'library/team/a')
  const renamed = await rename(parts, team.id, 'crew/x')
  assert.deepEqual([renamed.id, renamed.name, renamed.version], [team.id, 'crew/x', 2])
  assert.deepEqual(await placesOf(parts), {
    'crew/x/a': 'crew/x',
    'crew/x/sub/b': 'crew/x/sub',
    'library/team/a': 'library',
    team: 'library',
    'teams/c': 'teams',
  })
  assert.equal(await resolved(parts, 'team/a'), 'crew/x/a')
  assert.equal(await resolved(parts, 'team/sub/b'), 'crew/x/sub/b')
  assert.equal(await resolved(parts, 'team/not/there'), 'crew/x/not/there')
  assert.equal(await resolved(parts, 'team'), 'team')
  assert.equal(await resolved(parts, 'teams/c'), 'teams/c')
  assert.equal(await resolveProjectName(parts.metadata.reader, 'team/sub'), 'crew/x/sub')
  assert.deepEqual((await readProject(parts, team.id)).formerNames, ['team'])
  assert.ok((await eventsOf(parts)).includes('project.renamed project:crew/x'))
})

test('redirects hold over many renames, and end in one step', async () => {
  await using parts = await openTestProjects()
  const { id } = await make(parts, 'one')
  await addRepositoriesNamed(parts, 'one/a')
  for (const name of ['two', 'three', 'four', 'five']) await rename(parts, id, name)
  for (const name of ['one', 'two', 'three', 'four', 'five']) assert.equal(await resolved(parts, `${name}/a`), 'five/a')
  assert.deepEqual(await formerNames(parts.metadata.reader, 'project', 'five', 10), ['one', 'two', 'three', 'four'])
  // Back to a former name: it is no redirect any more.
  await rename(parts, id, 'two')
  for (const name of ['one', 'two', 'three', 'four', 'five']) assert.equal(await resolved(parts, `${name}/a`), 'two/a')
  assert.deepEqual(await formerNames(parts.metadata.reader, 'project', 'two', 10), ['one', 'three', 'four', 'five'])
})

test('redirects follow a project whose parent is renamed, and a later redirect below it', async () => {
  await using parts = await openTestProjects()
  const team = await make(parts, 'team')
  const sub = await make(parts, 'team/sub')
  await addRepositoriesNamed(parts, 'team/sub/a')
  await rename(parts, sub.id, 'team/inner')
  await rename(parts, team.id, 'crew')
  for (const name of ['team/sub/a', 'team/inner/a', 'crew/inner/a']) assert.equal(await resolved(parts, name), 'crew/inner/a')
  await rename(parts, sub.id, 'alone')
  for (const name of ['team/sub/a', 'team/inner/a', 'crew/inner/a', 'alone/a']) assert.equal(await resolved(parts, name), 'alone/a', name)
  assert.equal(await resolved(parts, 'team/b'), 'crew/b')
})

test('a former name is given again only by who may change the project that it leads to', async () => {
  await using parts = await openTestProjects()
  const { id } = await make(parts, 'team')
  await addRepositoriesNamed(parts, 'team/a')
  await rename(parts, id, 'crew')
  assert.deepEqual((await readNameClaim(parts, 'team')).takings, [{ projectId: id, permission: 'project:update', project: 'crew' }])
  assert.deepEqual((await readNameClaim(parts, 'team', { from: 'crew' })).takings, [])
  await assert.rejects(make(parts, 'team'), code('CONFLICT'))
  await assert.rejects(make(parts, 'team/below'), code('CONFLICT'))
  await make(parts, 'team', { mayTake: redirectsOf(id) })
  assert.equal(await resolved(parts, 'team/a'), 'team/a')
  assert.deepEqual(await formerNames(parts.metadata.reader, 'project', 'crew', 10), [])
  const other = await make(parts, 'other')
  await rename(parts, id, 'crew2')
  await assert.rejects(rename(parts, other.id, 'crew'), code('CONFLICT'))
  await rename(parts, other.id, 'crew', { mayTake: redirectsOf(id) })
  assert.equal(await resolved(parts, 'crew/a'), 'crew/a')
})

test('a rename is refused where it cannot be whole', async () => {
  await using parts = await openTestProjects()
  const team = await make(parts, 'team')
  await make(parts, 'taken')
  await make(parts, 'upper/lower')
  await addRepositoriesNamed(parts, 'loose/a', `team/${'a'.repeat(240)}`)
  for (const name of ['taken', 'library', 'upper', 'loose', 'team/sub', 'longer/name/that/does/not/fit'])
    await assert.rejects(rename(parts, team.id, name), code('CONFLICT'), name)
  const lower = await parts.metadata.reader.selectFrom('projects').select('id').where('name', '=', 'upper/lower').executeTakeFirstOrThrow()
  await assert.rejects(rename(parts, lower.id, 'upper'), code('CONFLICT'))
  await assert.rejects(rename(parts, team.id, 'No'), code('REQUEST_INVALID'))
  await assert.rejects(rename(parts, 999, 'free'), code('RESOURCE_UNKNOWN'))
  await assert.rejects(rename(parts, team.id, 'free', { expectedVersion: 7 }), code('PRECONDITION_FAILED'))
  const fallback = await parts.metadata.reader.selectFrom('projects').select('id').where('is_default', '=', 1).executeTakeFirstOrThrow()
  await assert.rejects(rename(parts, fallback.id, 'free'), code('CONFLICT'))
  assert.equal((await rename(parts, team.id, 'team')).version, 1)
  assert.equal((await eventsOf(parts)).filter((event) => event.startsWith('project.renamed')).length, 0)
})

test('a rename over a name with redirects below hides nobody else’s, and drops its own', async () => {
  await using parts = await openTestProjects()
  const team = await make(parts, 'team')
  await addRepositoriesNamed(parts, 'team/a', 'team/b')
  await parts.metadata.write(addRedirect, { kind: 'repository', oldName: 'crew/a', name: 'elsewhere/a' })
  await assert.rejects(rename(parts, team.id, 'crew'), code('CONFLICT'))
  await parts.metadata.write(addRedirect, { kind: 'repository', oldName: 'crew/a', name: 'team/b' })
  await parts.metadata.write(addRedirect, { kind: 'repository', oldName: 'crew/c', name: 'elsewhere/c' })
  await assert.rejects(rename(parts, team.id, 'crew'), code('CONFLICT'), 'what is pushed to crew/c would land elsewhere')
  await rename(parts, team.id, 'crew', { mayTake: redirectsOf(1) })
  assert.equal(await resolved(parts, 'crew/a'), 'crew/a')
  assert.equal(await resolved(parts, 'crew/c'), 'crew/c')
})

test('globs of grants go along with a rename', async () => {
  await using parts = await openTestProjects()
  const { id } = await make(parts, 'team')
  for (const repositories of ['team/app-*', 'teams/**', '**', 'team/**'])
    await parts.metadata.write(addGlobGrant, { userId: parts.aliceId, repositories })
  await rename(parts, id, 'crew')
  const rows = await parts.metadata.reader.selectFrom('grants').select('repositories').orderBy('id').execute()
  assert.deepEqual(
    rows.map((row) => row.repositories),
    ['crew/app-*', 'teams/**', '**', 'crew/**'],
  )
})

test('labels of a project do not go where they are not for', async () => {
  await using parts = await openTestProjects()
  const team = await make(parts, 'team')
  const sub = await make(parts, 'team/sub')
  await addRepositoriesNamed(parts, 'team/sub/a', 'loose/a')
  const [ofTeam, ofSub, ofAll] = [await labelOf(parts, team.id), await labelOf(parts, sub.id), await labelOf(parts, null)]
  for (const labelId of [ofTeam, ofSub, ofAll]) await parts.metadata.write(labelRepository, { repository: 'team/sub/a', labelId })
  const library = await labelOf(parts, 1)
  await parts.metadata.write(labelRepository, { repository: 'loose/a', labelId: library })
  const labels = async () =>
    (await parts.metadata.reader.selectFrom('manifest_labels').select('label_id').orderBy('id').execute()).map((row) => row.label_id)
  await rename(parts, sub.id, 'team/below')
  assert.deepEqual(await labels(), [ofTeam, ofSub, ofAll, library])
  await rename(parts, sub.id, 'alone')
  assert.deepEqual(await labels(), [ofSub, ofAll, library])
  await make(parts, 'loose', { mayTake: repositoriesOf(1) })
  assert.deepEqual(await labels(), [ofSub, ofAll])
})

test('an update says what changed, keeps what it does not name, and respects the version', async () => {
  await using parts = await openTestProjects()
  const { id } = await make(parts, 'team', { description: 'one' })
  const update = (changes: object, expectedVersion?: number) => updateProject(parts, { projectId: id, changes, expectedVersion }, testWho)
  assert.equal((await update({ isPublic: true }, 1)).isPublic, true)
  await assert.rejects(update({ description: 'two' }, 1), code('PRECONDITION_FAILED'))
  const after = await update({ description: 'three' }, 2)
  assert.deepEqual([after.description, after.isPublic, after.version], ['three', true, 3])
  assert.equal((await update({ isPublic: true })).version, 3)
  await assert.rejects(updateProject(parts, { projectId: 999, changes: {}, ...anyVersion }, testWho), code('RESOURCE_UNKNOWN'))
  const rows = await parts.metadata.reader.selectFrom('events').select('detail').where('action', '=', 'project.updated').execute()
  assert.deepEqual(
    rows.map((row) => JSON.parse(row.detail) as unknown),
    [{ changed: ['isPublic'], isPublic: true }, { changed: ['description'] }],
  )
})

test('only an empty project is deleted, and never the default one', async () => {
  await using parts = await openTestProjects()
  const team = await make(parts, 'team')
  const sub = await make(parts, 'team/sub')
  const remove = (projectId: number, expectedVersion?: number) => deleteProject(parts, { projectId, expectedVersion }, testWho)
  await addRepositoriesNamed(parts, 'team/sub/a')
  await assert.rejects(remove(1), code('CONFLICT'))
  await assert.rejects(remove(team.id), code('CONFLICT'))
  await assert.rejects(remove(sub.id), code('CONFLICT'))
  // What is being deleted does not count.
  await parts.metadata.write(addRedirect, { kind: 'project', oldName: 'old', name: 'team/sub' })
  await parts.metadata.write(addRedirect, { kind: 'repository', oldName: 'old2/a', name: 'team/sub/a' })
  await parts.metadata.write(buryAll, 'team/sub')
  await assert.rejects(remove(sub.id, 9), code('PRECONDITION_FAILED'))
  await remove(sub.id, 1)
  await remove(team.id)
  await assert.rejects(remove(team.id), code('RESOURCE_UNKNOWN'))
  assert.deepEqual(Object.values(await placesOf(parts)), ['library'])
  assert.deepEqual(await parts.metadata.reader.selectFrom('name_redirects').selectAll().execute(), [])
})

test('a list holds what is visible, in every order, page by page', async () => {
  await using parts = await openTestProjects()
  const ids: Record<string, number> = {}
  for (const name of ['b', 'a/x', 'a', 'a-b', 'c']) {
    ids[name] = (await make(parts, name, { isPublic: name === 'c', mayEnclose: Object.values(ids) })).id
  }
  const everything = { kind: 'everything' } as const
  const names = async (visibility: Parameters<typeof listProjects>[1], filter: object, page: ReturnType<typeof pageOf>) =>
    (await listProjects(parts, visibility, { filter, page })).items.map(({ name }) => name)
  assert.deepEqual(await names(everything, {}, pageOf(10)), ['a', 'a-b', 'a/x', 'b', 'c', 'library'])
  assert.deepEqual(await names(everything, {}, pageOf(2, { isDescending: true })), ['library', 'c'])
  assert.deepEqual(await names(everything, {}, pageOf(10, { column: 'createdAt' })), ['library', 'b', 'a/x', 'a', 'a-b', 'c'])
  assert.deepEqual(await names(everything, { namePrefix: 'a' }, pageOf(10)), ['a', 'a-b', 'a/x'])
  assert.deepEqual(await names(everything, { namePrefix: "a%' or 1=1" }, pageOf(10)), [])
  assert.deepEqual(await names(everything, { isPublic: true }, pageOf(10)), ['c'])
  assert.deepEqual(await names({ kind: 'nothing' }, {}, pageOf(10)), [])
  const some = { kind: 'some', projectIds: [ids['b'] ?? 0], repositoryGlobs: ['a/**'], includesPublic: true } as const
  assert.deepEqual(await names(some, {}, pageOf(10)), ['b', 'c'])
  const own = await make(parts, 'mine', { owner: { kind: 'user', id: parts.aliceId } })
  assert.deepEqual(await names(everything, { member: { kind: 'user', id: parts.aliceId } }, pageOf(10)), [own.name])
  assert.deepEqual(await names(everything, { member: { kind: 'robot', id: parts.aliceId } }, pageOf(10)), [])
  const first = await listProjects(parts, everything, { filter: {}, page: pageOf(3) })
  const second = await listProjects(parts, everything, { filter: {}, page: pageOf(3, { after: first.next }) })
  assert.deepEqual(
    second.items.map(({ name }) => name),
    ['b', 'c', 'library'],
  )
})

test('a push makes a project only where the settings say so and nothing answers at the name', async () => {
  await using parts = await openTestProjects()
  const toMake = async (name: string) => (await projectToMake(parts, name as RepositoryName))?.name
  assert.equal(await toMake('team/a'), undefined)
  await setSystem(parts, { autoCreateProjects: true, projectCreation: 'everyone' })
  assert.deepEqual(await projectToMake(parts, 'team/a/b' as RepositoryName), { name: 'team', byEveryone: true })
  await make(parts, 'there')
  const moved = await make(parts, 'former')
  await rename(parts, moved.id, 'present')
  await addRepositoriesNamed(parts, 'loose/a')
  for (const name of ['busybox', 'library/a', 'there/a', 'former/a', 'loose/a', 'loose/b'])
    assert.equal(await toMake(name), undefined, name)
  const owner = { kind: 'user', id: parts.aliceId } as const
  const both = await Promise.all([1, 2].map(() => autoCreateProject(parts, { name: 'team', owner }, testWho)))
  assert.equal(both.filter(Boolean).length, 1)
  assert.equal(await toMake('team/a'), undefined)
})

test('settings that nobody understands give nobody a right', async () => {
  await using parts = await openTestProjects()
  for (const value of [null, 'x', [], { projectCreation: 'Everyone', autoCreateProjects: 'true' }, { projectCreation: true }]) {
    await parts.metadata.write(changeSetting, { name: 'system', value })
    assert.deepEqual(await readCreationRules(parts), { projectCreation: 'administrators', autoCreateProjects: false })
  }
})

test('the project above a name is the longest that is there', async () => {
  await using parts = await openTestProjects()
  const { id } = await make(parts, 'a')
  assert.deepEqual(await readParent(parts, 'a/b/c'), { id, name: 'a', isAbove: true })
  assert.deepEqual(await readParent(parts, 'a'), { id: 1, name: 'library', isAbove: false })
  assert.deepEqual(await readParent(parts, 'library/a'), { id: 1, name: 'library', isAbove: true })
})

test('a project comes below no other one than those that its mover was judged by', async () => {
  await using parts = await openTestProjects()
  const [{ id: above }, { id }] = [await make(parts, 'a'), await make(parts, 'b')]
  await assert.rejects(rename(parts, id, 'a/b', { mayEnter: [] }), { code: 'CONFLICT' })
  assert.equal((await rename(parts, id, 'a/b', { mayEnter: [above] })).name, 'a/b')
})

test('a circle of redirects, should there be one, is not followed for ever', async () => {
  await using parts = await openTestProjects()
  await parts.metadata.write(addRedirect, { kind: 'project', oldName: 'a', name: 'b' })
  await parts.metadata.write(addRedirect, { kind: 'project', oldName: 'b', name: 'a' })
  assert.equal(await resolved(parts, 'a/x'), 'a/x')
  assert.equal(await resolveProjectName(parts.metadata.reader, 'a'), 'a')
})
