import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createUser } from '#access/users.ts'
import { serveRooms } from '../support/serve-rooms.ts'

const password = 'correct horse battery'
const byAdministrator = { who: { actor: 'test', requestId: 'test' }, rights: { isAdministrator: true, rights: [] } }

interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Record<string, unknown>
}

async function place() {
  const rooms = await serveRooms({ auth: { kind: 'accounts', realm: 'berth' } }, { memory: true })
  await createUser(rooms.accounts, { name: 'root', displayName: '', email: '', isAdministrator: true, password }, byAdministrator)
  async function ask(as: string | undefined, request: string, body?: unknown, more: Record<string, string> = {}): Promise<Reply> {
    const [method = '', path = ''] = request.split(' ')
    const [name = '', secret = password] = as?.split(':') ?? []
    const credential = as === undefined ? {} : { authorization: `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}` }
    const sent = body === undefined ? {} : { body: JSON.stringify(body) }
    const headers = { ...credential, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...more }
    const answer = await fetch(`${rooms.url}api/v1${path}`, { method, headers, ...sent })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, text, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> }
  }
  return { ask, rooms, [Symbol.asyncDispose]: () => rooms[Symbol.asyncDispose]() }
}

test('an account is made, read, changed by its ETag and removed', async () => {
  await using scene = await place()
  const { ask } = scene
  const made = await ask('root', 'POST /users', { name: 'alice', password, email: 'alice@example.org' })
  assert.equal(made.status, 201)
  const path = made.headers.get('location')?.replace('/api/v1', '') ?? ''
  const etag = made.headers.get('etag') ?? ''
  assert.match(etag, /^"\d+"$/)
  assert.equal((await ask('root', `GET ${path}`)).headers.get('etag'), etag)
  assert.equal((await ask('root', `PATCH ${path}`, { displayName: 'Alice' }, { 'if-match': etag })).body['displayName'], 'Alice')
  assert.equal((await ask('root', `PATCH ${path}`, { displayName: 'Eve' }, { 'if-match': etag })).status, 412)
  assert.equal((await ask('root', `DELETE ${path}`, undefined, { 'if-match': etag })).status, 412)
  assert.equal((await ask('root', `DELETE ${path}`)).status, 204)
  assert.equal((await ask('root', `GET ${path}`)).status, 404)
})

test('no answer holds a hash, and no list can be narrowed or sorted by one', async () => {
  await using scene = await place()
  const { ask } = scene
  for (const request of ['GET /users', 'GET /users/1']) assert.doesNotMatch((await ask('root', request)).text, /argon2|hash/i)
  const hidden = [
    'password_hash=$argon2',
    'passwordHash=x',
    'sort=password_hash',
    'sort=passwordHash',
    'sort=version',
    'is_admin=1',
    'name=a&name=b',
    'limit=0',
    'limit=1001',
    'cursor=x',
  ]
  for (const query of hidden) assert.equal((await ask('root', `GET /users?${query}`)).status, 400, query)
})

test('members that are not the caller’s to set are refused, not ignored', async () => {
  await using scene = await place()
  const { ask } = scene
  const extras = [
    { id: 1 },
    { version: 9 },
    { passwordHash: 'x' },
    { isAdmin: true },
    { isDisabled: false },
    { createdAt: '2020-01-01T00:00:00Z' },
    { providers: [] },
    { __proto__x: 1 },
  ]
  for (const extra of extras)
    assert.equal((await ask('root', 'POST /users', { name: 'eve', password, ...extra })).status, 400, JSON.stringify(extra))
  for (const extra of [{ id: 1 }, { password: 'correct horse' }, { version: 1 }, { lastLoginAt: null }]) {
    assert.equal((await ask('root', 'PATCH /users/1', extra)).status, 400, JSON.stringify(extra))
  }
})

test('a disabled account can do nothing from that moment on, and again when it is enabled', async () => {
  await using scene = await place()
  const { ask } = scene
  const { body } = await ask('root', 'POST /users', { name: 'alice', password })
  assert.equal((await ask('alice', 'GET /roles')).status, 200)
  await ask('root', `PATCH /users/${String(body['id'])}`, { isDisabled: true })
  assert.equal((await ask('alice', 'GET /roles')).status, 401)
  await ask('root', `PATCH /users/${String(body['id'])}`, { isDisabled: false })
  assert.equal((await ask('alice', 'GET /roles')).status, 200)
})

test('a lost right is lost at once', async () => {
  await using scene = await place()
  const { ask } = scene
  await ask('root', 'POST /users', { name: 'alice', password })
  assert.equal((await ask('alice', 'GET /audit')).status, 403)
  const grant = await ask('root', 'POST /grants', { subject: { kind: 'user', name: 'alice' }, role: 'system-reader' })
  assert.equal(grant.status, 201)
  assert.equal((await ask('alice', 'GET /users')).status, 200)
  assert.equal((await ask('root', `DELETE /grants/${String(grant.body['id'])}`)).status, 204)
  assert.equal((await ask('alice', 'GET /users')).status, 403)
})

test('one changes one’s own password with the present one, and an administrator that of others', async () => {
  await using scene = await place()
  const { ask } = scene
  const { body } = await ask('root', 'POST /users', { name: 'alice', password })
  assert.equal((await ask('alice', 'PUT /session/password', { currentPassword: 'wrong', password: 'another good one' })).status, 400)
  assert.equal((await ask('alice', 'PUT /session/password', { currentPassword: password, password: 'another good one' })).status, 204)
  assert.equal((await ask('alice', 'GET /roles')).status, 401)
  assert.equal((await ask('alice:another good one', 'GET /roles')).status, 200)
  assert.equal((await ask('root', `PUT /users/${String(body['id'])}/password`, { password: 'given by root' })).status, 204)
  assert.equal((await ask('alice:given by root', 'GET /roles')).status, 200)
  assert.equal((await ask('root', 'PUT /users/1/password', { password: 'without the present one' })).status, 409)
  assert.equal((await ask('alice:given by root', 'PUT /users/1/password', { password: 'taken over by me' })).status, 403)
})

test('who may not see accounts learns of none by their ids or names', async () => {
  await using scene = await place()
  const { ask } = scene
  await ask('root', 'POST /users', { name: 'alice', password })
  const answers = await Promise.all([1, 2, 99].map(async (id) => (await ask('alice', `GET /users/${id}`)).body['code']))
  assert.deepEqual(answers, ['DENIED', 'DENIED', 'DENIED'])
  assert.deepEqual(
    await Promise.all(['1', '2', '99', 'x'].map(async (id) => (await ask(undefined, `GET /users/${id}`)).status)),
    [401, 401, 401, 401],
  )
})

test('a project’s administrator keeps its grants, by name and glob, and reaches no further', async () => {
  await using scene = await place()
  const { ask } = scene
  for (const name of ['alice', 'bob']) await ask('root', 'POST /users', { name, password })
  for (const name of ['team', 'other']) assert.equal((await ask('root', 'POST /projects', { name })).status, 201)
  const alice = { kind: 'user', name: 'alice' }
  const bob = { kind: 'user', name: 'bob' }
  assert.equal((await ask('root', 'POST /grants', { subject: alice, role: 'project-admin', project: 'team' })).status, 201)
  const made = await ask('alice', 'POST /projects/team/grants', {
    subject: bob,
    role: 'developer',
    repositories: 'team/web-*',
    expiresAt: '2100-01-01T00:00:00Z',
  })
  assert.equal(made.status, 201)
  assert.deepEqual(made.body['subject'], { kind: 'user', id: 3, name: 'bob' })
  assert.equal(made.body['expiresAt'], '2100-01-01T00:00:00.000Z')
  const path = `/projects/team/grants/${String(made.body['id'])}`
  assert.equal((await ask('alice', `PATCH ${path}`, { role: 'guest', repositories: null, expiresAt: null })).body['role'], 'guest')
  assert.equal((await ask('alice', `DELETE /projects/other/grants/${String(made.body['id'])}`)).status, 404)
  assert.equal((await ask('root', `DELETE /projects/other/grants/${String(made.body['id'])}`)).status, 404)
  assert.equal((await ask('alice', 'POST /projects/other/grants', { subject: bob, role: 'guest' })).status, 404)
  assert.equal((await ask('alice', 'POST /projects/team/grants', { subject: bob, role: 'project-creator' })).status, 403)
  assert.equal((await ask('alice', 'POST /projects/team/grants', { subject: bob, role: 'guest', project: 'other' })).status, 400)
  assert.equal((await ask('alice', 'POST /projects/team/grants', { subject: { ...bob, id: 1 }, role: 'guest' })).status, 400)
  assert.equal((await ask('alice', 'GET /projects/team/grants?project=other')).status, 400)
  for (const [filter, count] of [
    ['user=bob', 1],
    ['user=3', 1],
    ['user=alice', 1],
    ['user=nobody', 0],
    ['user=99', 0],
    ['user=bob&role=guest', 1],
    ['group=bob', 0],
    ['robot=bob', 0],
    ['robot=robot-ci@team', 0],
    [`user=${encodeURIComponent("' or 1=1 --")}`, 0],
  ] as const)
    assert.equal(((await ask('root', `GET /grants?${filter}`)).body['items'] as unknown[]).length, count, filter)
  assert.equal((await ask('root', 'GET /grants?user=')).status, 400)
  assert.equal(((await ask('alice', 'GET /projects/team/grants?user=bob')).body['items'] as unknown[]).length, 1)
  assert.equal((await ask('alice', `DELETE ${path}`)).status, 204)
})

test('pages of accounts follow each other without a gap, in both directions', async () => {
  await using scene = await place()
  const { ask } = scene
  for (let each = 0; each < 7; each++) await ask('root', 'POST /users', { name: `user-${each}` })
  for (const sort of ['name', '-name', 'createdAt', '-lastLoginAt']) {
    const names: string[] = []
    let cursor = ''
    do {
      const { body } = await ask('root', `GET /users?limit=3&sort=${sort}${cursor === '' ? '' : `&cursor=${cursor}`}`)
      names.push(...(body['items'] as { name: string }[]).map(({ name }) => name))
      cursor = typeof body['next'] === 'string' ? body['next'] : ''
    } while (cursor !== '')
    assert.equal(new Set(names).size, 8, sort)
    assert.equal(names.length, 8, sort)
  }
})

test('who has a role in a project is told with what it inherits, where from, and what has ended', async () => {
  await using scene = await place()
  const { ask } = scene
  for (const name of ['alice', 'bob', 'carol', 'dora']) await ask('root', 'POST /users', { name, password })
  for (const name of ['team', 'team/web', 'other']) await ask('root', 'POST /projects', { name })
  const user = (name: string) => ({ kind: 'user', name })
  const give = async (name: string, role: string, more: object) =>
    assert.equal((await ask('root', 'POST /grants', { subject: user(name), role, ...more })).status, 201)
  await give('alice', 'project-admin', { project: 'team/web' })
  await give('bob', 'developer', { project: 'team' })
  await give('bob', 'guest', { project: 'team', repositories: 'team/api-*' })
  await give('carol', 'auditor', {})
  await give('carol', 'guest', { repositories: '**/shop' })
  await give('carol', 'guest', { repositories: 'other/**' })
  await give('dora', 'guest', { project: 'other' })
  const soon = new Date(Date.now() + 300)
  await give('dora', 'guest', { project: 'team/web', expiresAt: soon.toISOString() })
  const path = `GET /projects/${encodeURIComponent('team/web')}/grants`
  const toldOf = (reply: Reply) =>
    (reply.body['items'] as { subject: { name?: string }; role: string; origin: string; project: string | null; isExpired: boolean }[])
      .filter(({ subject }) => subject.name !== undefined && subject.name !== 'root')
      .map(({ subject, role, origin, project, isExpired }) => [subject.name, role, origin, project, isExpired])
  while (Date.now() <= soon.getTime()) await new Promise((resolve) => setTimeout(resolve, 20))
  const own = [
    ['alice', 'project-admin', 'project', 'team/web', false],
    ['dora', 'guest', 'project', 'team/web', true],
  ]
  assert.deepEqual(toldOf(await ask('alice', path)), own)
  const all = [
    own[0],
    ['bob', 'developer', 'above', 'team', false],
    ['carol', 'auditor', 'everything', null, false],
    ['carol', 'guest', 'glob', null, false],
    own[1],
  ]
  assert.deepEqual(toldOf(await ask('alice', `${path}?inherited=true`)), all)
  const paged: unknown[] = []
  let cursor = ''
  for (let round = 0; round < 20; round++) {
    const reply = await ask('alice', `${path}?inherited=true&limit=1${cursor}`)
    paged.push(...toldOf(reply))
    if (reply.body['next'] === undefined) break
    cursor = `&cursor=${reply.body['next'] as string}`
  }
  assert.deepEqual(paged, all)
  assert.deepEqual(toldOf(await ask('alice', `${path}?inherited=true&role=developer`)), [all[1]])
  assert.equal((await ask('carol', `${path}?inherited=yes`)).status, 400)
})

test('what a person may do in a project is told to who sees its members', async () => {
  await using scene = await place()
  const { ask } = scene
  for (const name of ['alice', 'bob', 'carol']) await ask('root', 'POST /users', { name, password })
  for (const name of ['team', 'other']) await ask('root', 'POST /projects', { name })
  await ask('root', 'POST /grants', { subject: { kind: 'user', name: 'alice' }, role: 'project-admin', project: 'team' })
  const group = await ask('root', 'POST /groups', { name: 'readers' })
  const bob = await ask('alice', 'GET /projects/team/candidates?name=bob')
  const [found] = bob.body['items'] as { id: number }[]
  await ask('root', `PUT /groups/${String(group.body['id'])}/members/${String(found?.id)}`)
  await ask('root', 'POST /grants', { subject: { kind: 'group', name: 'readers' }, role: 'limited-guest', project: 'team' })
  await ask('root', 'POST /grants', { subject: { kind: 'user', name: 'bob' }, role: 'developer', repositories: 'team/web-*' })
  await ask('root', 'POST /grants', { subject: { kind: 'user', name: 'bob' }, role: 'developer', repositories: 'other/**' })
  const { status, body } = await ask('alice', 'GET /projects/team/permissions?user=bob')
  assert.equal(status, 200)
  assert.deepEqual(body['user'], { id: found?.id, name: 'bob', isAdministrator: false, isDisabled: false })
  const permissions = body['permissions'] as string[]
  assert.ok(permissions.includes('repository:pull'))
  assert.ok(!permissions.includes('repository:push'))
  const globs = body['repositories'] as { repositories: string; permissions: string[]; expiresAt: string | null }[]
  assert.deepEqual(
    globs.map(({ repositories, expiresAt }) => [repositories, expiresAt]),
    [['team/web-*', null]],
  )
  assert.ok(globs[0]?.permissions.includes('repository:push'))
  const root = await ask('alice', 'GET /projects/team/permissions?user=root')
  assert.ok((root.body['permissions'] as string[]).includes('project:delete'))
  assert.ok(!(root.body['permissions'] as string[]).includes('user:create'))
  assert.deepEqual((await ask('alice', 'GET /projects/team/permissions?user=carol')).body['permissions'], [])
  assert.equal((await ask('alice', 'GET /projects/team/permissions?user=nobody')).status, 400)
  assert.equal((await ask('alice', 'GET /projects/team/permissions')).status, 400)
  assert.equal((await ask('alice', 'GET /projects/other/permissions?user=bob')).status, 404)
  assert.equal((await ask('carol', 'GET /projects/team/permissions?user=carol')).status, 404)
})

test('what a robot may do, and what anybody may do on one repository, is told; of robots elsewhere nothing is', async () => {
  await using scene = await place()
  const { ask } = scene
  for (const name of ['alice', 'bob']) await ask('root', 'POST /users', { name, password })
  for (const name of ['team', 'team/sub', 'other']) await ask('root', 'POST /projects', { name })
  await ask('root', 'POST /grants', { subject: { kind: 'user', name: 'alice' }, role: 'project-admin', project: 'team' })
  await ask('root', 'POST /grants', { subject: { kind: 'user', name: 'bob' }, role: 'developer', repositories: 'team/web-*' })
  const made = await ask('root', 'POST /projects/team/robots', { name: 'ci', grants: [{ role: 'developer', repositories: 'team/ci/**' }] })
  await ask('root', 'POST /projects/other/robots', { name: 'ci' })
  await ask('root', 'POST /robots', { name: 'sys', grants: [{ role: 'guest', project: 'team' }] })
  const told = async (query: string) => {
    const { status, body } = await ask('alice', `GET /projects/team/permissions?${query}`)
    return { status, body, permissions: (body['permissions'] ?? []) as string[] }
  }
  const { id } = made.body['robot'] as { id: number }
  const robot = await told('robot=robot-ci@team')
  assert.deepEqual(
    [robot.status, robot.body['robot'], robot.body['user']],
    [200, { id, name: 'robot-ci@team', isDisabled: false }, undefined],
  )
  assert.deepEqual([robot.permissions, (robot.body['repositories'] as object[]).length], [[], 1])
  assert.ok((await told('robot=robot-ci@team&repository=team/ci/app')).permissions.includes('repository:push'))
  assert.deepEqual((await told('robot=robot-ci@team&repository=team/web')).permissions, [])
  assert.ok((await told('robot=robot-sys')).permissions.includes('repository:pull'))
  const web = await told('user=bob&repository=team/web-a')
  assert.ok(web.permissions.includes('repository:push') && !web.permissions.includes('grant:create' as never))
  assert.deepEqual(web.body['repositories'], [])
  assert.deepEqual((await told('user=bob&repository=team/sub/x')).permissions, [])
  assert.ok((await told('user=alice&repository=team/sub/x')).permissions.includes('repository:delete'), 'the nested project inherits')
  const plain = ({ status, body }: { status: number; body: object }, name: string) =>
    JSON.stringify({ status, ...body, requestId: '' }).replaceAll(name, 'NAME')
  assert.equal(plain(await told('robot=robot-ci@other'), 'robot-ci@other'), plain(await told('robot=robot-ci@nowhere'), 'robot-ci@nowhere'))
  for (const query of [
    'robot=robot-ci@other',
    'robot=ci',
    'user=bob&robot=robot-sys',
    'repository=team/x',
    'user=bob&repository=other/x',
    'user=bob&repository=TEAM',
  ])
    assert.equal((await told(query)).status, 400, query)
})

test('whoever gives roles in a project finds people and groups by the beginning of a name, some at a time', async () => {
  await using scene = await place()
  const { ask } = scene
  for (const name of ['alice', 'bert', 'berta', 'bernd', 'guest1'])
    await ask('root', 'POST /users', { name, password, email: `${name}@x.org` })
  const { body } = await ask('root', 'POST /users', { name: 'bertram', password })
  await ask('root', `PATCH /users/${String(body['id'])}`, { isDisabled: true })
  for (const name of ['berths', 'other']) await ask('root', 'POST /groups', { name })
  await ask('root', 'POST /projects', { name: 'team' })
  await ask('root', 'POST /grants', { subject: { kind: 'user', name: 'alice' }, role: 'project-admin', project: 'team' })
  await ask('root', 'POST /grants', { subject: { kind: 'user', name: 'guest1' }, role: 'maintainer', project: 'team' })
  const namesOf = (reply: Reply) => (reply.body['items'] as { kind: string; name: string }[]).map(({ kind, name }) => `${kind}:${name}`)
  const found = await ask('alice', 'GET /projects/team/candidates?name=bert')
  assert.deepEqual(namesOf(found), ['user:bert', 'user:berta', 'group:berths'])
  assert.doesNotMatch(found.text, /@x\.org/)
  assert.deepEqual(namesOf(await ask('alice', 'GET /projects/team/candidates?name=be&limit=2')), [
    'user:bernd',
    'user:bert',
    'group:berths',
  ])
  assert.deepEqual(namesOf(await ask('alice', 'GET /projects/team/candidates?name=%25')), [])
  for (const query of ['', '?name=', '?name=b&limit=51', '?name=b&limit=0']) {
    assert.equal((await ask('alice', `GET /projects/team/candidates${query}`)).status, 400, query)
  }
  assert.equal((await ask('guest1', 'GET /projects/team/candidates?name=b')).status, 403)
})

test('people read and change their own account, and nothing but their name and address', async () => {
  await using scene = await place()
  const { ask } = scene
  await ask('root', 'POST /users', { name: 'alice', password, email: 'alice@example.org' })
  const read = await ask('alice', 'GET /session/account')
  assert.deepEqual([read.status, read.body['name'], read.body['email']], [200, 'alice', 'alice@example.org'])
  const etag = read.headers.get('etag') ?? ''
  const changed = await ask('alice', 'PATCH /session/account', { displayName: 'Alice A.', email: 'a@example.org' }, { 'if-match': etag })
  assert.deepEqual([changed.status, changed.body['displayName'], changed.body['email']], [200, 'Alice A.', 'a@example.org'])
  assert.equal((await ask('alice', 'PATCH /session/account', { displayName: 'Eve' }, { 'if-match': etag })).status, 412)
  for (const extra of [{ name: 'eve' }, { isAdministrator: true }, { isDisabled: false }, { email: 'no address' }, { displayName: 'a\nb' }])
    assert.equal((await ask('alice', 'PATCH /session/account', extra)).status, 400, JSON.stringify(extra))
  assert.equal((await ask('root', 'PATCH /session/account', { displayName: 'Root' })).body['displayName'], 'Root')
  assert.equal((await ask(undefined, 'GET /session/account')).status, 401)
  const { body } = await ask('root', 'GET /audit?action=user.updated&actor=alice')
  assert.deepEqual((body['items'] as { detail: unknown }[])[0]?.detail, { changed: ['displayName', 'email'] })
})

test('the project that was there from the start says no time before its first change', async () => {
  await using scene = await place()
  const { body } = await scene.ask('root', 'GET /projects/library')
  assert.deepEqual([body['createdAt'], body['updatedAt']], [null, null])
  const changed = await scene.ask('root', 'PATCH /projects/library', { description: 'for all' })
  assert.equal(changed.body['createdAt'], null)
  assert.ok(Date.parse(String(changed.body['updatedAt'])) > Date.now() - 60_000)
})
