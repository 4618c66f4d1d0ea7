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
