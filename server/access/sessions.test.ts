import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionState } from '#metadata/sessions.ts'
import { requireElevation } from './elevation.ts'
import { noRights } from './decide.ts'
import type { Principal } from './principal.ts'
import {
  createSession,
  elevationMs,
  endSession,
  endSessions,
  findOpenSession,
  findSession,
  listSessions,
  noteWrongFactor,
  proveSession,
  sessionIdleMs,
  sessionLifetimeMs,
  setSessionData,
  takeChallenge,
  type FreshSession,
  type OpenSession,
} from './sessions.ts'
import { changePasswordHash, disable, insertVouched, makeTestDirectory, testWho, type TestDirectory } from './test-vouched.ts'

interface Place extends AsyncDisposable {
  readonly directory: TestDirectory
  readonly userId: number
  open(state?: SessionState, isFresh?: boolean): Promise<FreshSession>
}

async function place(): Promise<Place> {
  const directory = await makeTestDirectory()
  const userId = await directory.metadata.write(insertVouched, { name: 'alice', passwordHash: 'one' })
  return {
    directory,
    userId,
    open: (state = 'active', isFresh = true) =>
      createSession(directory, { state, user: { id: userId, name: 'alice', passwordHash: 'one' }, isFresh }, testWho),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
}

async function openOf({ directory }: Place, value: string): Promise<OpenSession> {
  const session = await findOpenSession(directory, value)
  assert.ok(session !== undefined)
  return session
}

async function lastSeen({ directory }: Place, id: number): Promise<number> {
  const query = directory.metadata.reader.selectFrom('sessions').select('last_seen_at').where('id', '=', id)
  return (await query.executeTakeFirstOrThrow()).last_seen_at
}

const bySession = (userId: number, sessionId: number): Principal => ({
  key: `user:${userId}`,
  name: 'alice',
  kind: 'user',
  isAnonymous: false,
  credential: { kind: 'session', id: sessionId },
  rights: noRights,
  id: userId,
})

test('a session is known by its cookie, whose value is nowhere in the database', async () => {
  await using at = await place()
  const { value, sessionId } = await at.open()
  assert.equal(Buffer.from(value, 'base64url').length, 32)
  const found = await findSession(at.directory, value)
  assert.deepEqual([found?.userId, found?.sessionId], [at.userId, sessionId])
  const rows = await at.directory.metadata.reader.selectFrom('sessions').selectAll().execute()
  assert.ok(!JSON.stringify(rows).includes(value))
})

test('what no cookie of ours ever held finds nothing', async () => {
  await using at = await place()
  await at.open()
  for (const value of ['', 'x', 'a'.repeat(43), 'a'.repeat(1_000_000), "' or 1=1 --", '\0'])
    assert.equal(await findSession(at.directory, value), undefined)
})

test('a sign-in that still misses something is nobody', async () => {
  await using at = await place()
  for (const state of ['second-factor', 'redirected', 'name'] as const) {
    const { value } = await at.open(state)
    assert.equal(await findSession(at.directory, value), undefined, state)
    assert.equal((await openOf(at, value)).state, state)
  }
})

test('a session ends when it is idle, when its time is over, and a sign-in under way after ten minutes', async () => {
  await using at = await place()
  const { value, sessionId } = await at.open()
  const step = await at.open('second-factor')
  at.directory.advance(10 * 60_000)
  assert.equal(await findOpenSession(at.directory, step.value), undefined)
  for (let passed = 10 * 60_000; passed + sessionIdleMs / 2 < sessionLifetimeMs; passed += sessionIdleMs / 2) {
    at.directory.advance(sessionIdleMs / 2)
    assert.ok((await findSession(at.directory, value)) !== undefined, `after ${passed}`)
    while ((await lastSeen(at, sessionId)) !== at.directory.ports.clock.now()) await new Promise(setImmediate)
  }
  at.directory.advance(sessionIdleMs / 2)
  assert.equal(await findSession(at.directory, value), undefined)
  const idle = await at.open()
  at.directory.advance(sessionIdleMs)
  assert.equal(await findSession(at.directory, idle.value), undefined)
})

test('the last use is written at most every five minutes', async () => {
  await using at = await place()
  const { value, sessionId } = await at.open()
  const seen = () => lastSeen(at, sessionId)
  const first = await seen()
  at.directory.advance(4 * 60_000)
  await findSession(at.directory, value)
  await new Promise(setImmediate)
  assert.equal(await seen(), first)
  at.directory.advance(60_000)
  await findSession(at.directory, value)
  while ((await seen()) === first) await new Promise(setImmediate)
  assert.equal(await seen(), first + 5 * 60_000)
})

test('a disabled account and a changed password end every session at once, whoever changed them', async () => {
  await using at = await place()
  const { value } = await at.open()
  await at.directory.metadata.write(changePasswordHash, { id: at.userId, hash: 'two' })
  assert.equal(await findSession(at.directory, value), undefined)
  await at.directory.metadata.write(changePasswordHash, { id: at.userId, hash: 'one' })
  assert.ok((await findSession(at.directory, value)) !== undefined)
  await at.directory.metadata.write(disable, at.userId)
  assert.equal(await findSession(at.directory, value), undefined)
})

test('the value changes when a sign-in is completed and when a session is elevated: one that was planted is worth nothing', async () => {
  await using at = await place()
  const planted = await at.open('second-factor')
  const signedIn = await proveSession(at.directory, await openOf(at, planted.value), 'totp', testWho)
  assert.equal(await findOpenSession(at.directory, planted.value), undefined)
  const elevated = await proveSession(at.directory, await openOf(at, signedIn.value), 'totp', testWho)
  assert.equal(await findOpenSession(at.directory, signedIn.value), undefined)
  assert.deepEqual([elevated.sessionId, signedIn.sessionId], [planted.sessionId, planted.sessionId])
  assert.ok((await findSession(at.directory, elevated.value)) !== undefined)
})

test('elevation lasts ten minutes, does not lengthen the session, and is asked again after that', async () => {
  await using at = await place()
  const fresh = await at.open()
  const principal = bySession(at.userId, fresh.sessionId)
  await requireElevation(at.directory, principal, 'user:delete')
  at.directory.advance(elevationMs)
  await assert.rejects(requireElevation(at.directory, principal, 'user:delete'), {
    code: 'ELEVATION_REQUIRED',
    message: /your password again/,
  })
  const before = await openOf(at, fresh.value)
  const elevated = await proveSession(at.directory, before, 'password', testWho)
  assert.equal((await openOf(at, elevated.value)).expiresAt, before.expiresAt)
  await requireElevation(at.directory, principal, 'user:delete')
})

test('a session that nobody has just proved is not elevated', async () => {
  await using at = await place()
  const { sessionId } = await at.open('active', false)
  await assert.rejects(requireElevation(at.directory, bySession(at.userId, sessionId), undefined), { code: 'ELEVATION_REQUIRED' })
})

test('a token destroys only what its scopes name, and never the second factors of its owner', async () => {
  await using at = await place()
  const token = (limits: Principal['rights']['limits']): Principal => ({
    ...bySession(at.userId, 0),
    credential: { kind: 'personal', id: 1 },
    rights: { isAdministrator: true, rights: [], limits },
  })
  const named = [{ permissions: new Set(['user:delete'] as const), scope: { kind: 'everything' } as const }]
  await requireElevation(at.directory, token(named), 'user:delete')
  for (const [limits, permission] of [
    [undefined, 'user:delete'],
    [named, 'provider:delete'],
    [named, undefined],
  ] as const)
    await assert.rejects(requireElevation(at.directory, token(limits), permission), { code: 'ELEVATION_REQUIRED' })
})

test('a robot may what it was granted, and nothing that is for people', async () => {
  await using at = await place()
  const robot: Principal = { ...bySession(1, 1), kind: 'robot', key: 'robot:1', credential: { kind: 'robot', id: 1 } }
  await requireElevation(at.directory, robot, 'provider:delete')
  await assert.rejects(requireElevation(at.directory, robot, undefined), { code: 'ELEVATION_REQUIRED' })
})

test('one session, or all but one, can be ended by their owner and by nobody else', async () => {
  await using at = await place()
  const [one, two, three] = [await at.open(), await at.open(), await at.open()]
  const stranger = await at.directory.metadata.write(insertVouched, { name: 'bob' })
  await assert.rejects(endSession(at.directory, { id: one.sessionId, userId: stranger, name: 'bob' }, testWho), {
    code: 'RESOURCE_UNKNOWN',
  })
  await endSession(at.directory, { id: one.sessionId, userId: at.userId, name: 'alice' }, testWho)
  assert.equal(await findSession(at.directory, one.value), undefined)
  assert.deepEqual(
    (await listSessions(at.directory, at.userId)).map(({ id }) => id),
    [three.sessionId, two.sessionId],
  )
  assert.equal(await endSessions(at.directory, { userId: at.userId, name: 'alice', exceptId: two.sessionId }, testWho), 1)
  assert.ok((await findSession(at.directory, two.value)) !== undefined)
  const rows = await at.directory.metadata.reader
    .selectFrom('events')
    .select(['action', 'target'])
    .where('action', '=', 'session.closed')
    .execute()
  assert.deepEqual(
    rows.map(({ target }) => target),
    [`session:${one.sessionId}`, 'user:alice'],
  )
})

test('a new sign-in ends the session that the browser had, and an account keeps a hundred at most', async () => {
  await using at = await place()
  const first = await at.open()
  const user = { id: at.userId, name: 'alice', passwordHash: 'one' }
  await createSession(at.directory, { state: 'active', user, isFresh: true, replaces: first.sessionId }, testWho)
  assert.equal(await findSession(at.directory, first.value), undefined)
  for (let count = 0; count < 105; count++) await at.open()
  assert.equal((await listSessions(at.directory, at.userId)).length, 100)
})

test('a challenge is taken by one of two answers', async () => {
  await using at = await place()
  const { sessionId, value } = await at.open()
  await setSessionData(at.directory, sessionId, { challenge: { value: 'c', use: 'prove', until: 1 } })
  const taken = await Promise.all([takeChallenge(at.directory, sessionId, 'c'), takeChallenge(at.directory, sessionId, 'c')])
  assert.equal(taken.filter(Boolean).length, 1)
  assert.equal((await openOf(at, value)).data.challenge, undefined)
})

test('the fifth wrong second factor ends a sign-in, and not a session that is signed in', async () => {
  await using at = await place()
  const [half, whole] = [await at.open('second-factor'), await at.open()]
  for (let count = 0; count < 4; count++) await noteWrongFactor(at.directory, half.sessionId)
  assert.ok((await findOpenSession(at.directory, half.value)) !== undefined)
  await noteWrongFactor(at.directory, half.sessionId)
  assert.equal(await findOpenSession(at.directory, half.value), undefined)
  for (let count = 0; count < 6; count++) await noteWrongFactor(at.directory, whole.sessionId)
  assert.ok((await findSession(at.directory, whole.value)) !== undefined)
})
