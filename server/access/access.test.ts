import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { RepositoryName } from '#oci/reference.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import type { Access } from './access.ts'
import { ensureAdministrator } from './administrator.ts'
import { openBcrypt } from './bcrypt.ts'
import { hashPassword } from './password.ts'
import { from, openTestAccess, type TestAccess } from './test-access.ts'
import { basic, makeDirectory, makeParts } from './test-parts.ts'

const refused = { code: 'UNAUTHORIZED' }
const anywhere = { repository: 'any/thing' as RepositoryName }

const wrongHeaders = [
  '',
  'Basic',
  'Basic !!!',
  'Bearer abc',
  'Bearer berth_pat_abc',
  'Negotiate abc',
  basic('alice', ''),
  basic('', 'secret'),
  basic('alice', 'wrong'),
  basic('nobody', 'secret'),
  basic('robot-ci', 'secret'),
  basic('robot$ci', 'secret'),
  basic('alice', 'berth_pat_abc'),
  basic('alice', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.x'),
]

async function refusesAll(access: Access) {
  for (const [index, header] of wrongHeaders.entries()) {
    await assert.rejects(access.authenticate(from(header, { address: `192.0.2.${index + 1}` })), refused, header)
  }
}

suite('an open registry', () => {
  test('lets everyone do everything at /v2, asks nobody, and looks at no header', async () => {
    await using opened = await openTestAccess({ config: { kind: 'open' } })
    const { access } = opened
    assert.deepEqual(access.challenge({ sent: 'none', origin: 'http://a', tokenUrl: 'http://a/token' }), [])
    for (const header of [undefined, ...wrongHeaders]) {
      const principal = await access.authenticate(from(header, { isRegistryRequest: true }))
      assert.equal(principal.isAnonymous, true)
      assert.equal(await access.may(principal, 'repository:delete', anywhere), true)
      assert.deepEqual(await access.visibility(principal, 'repository:list'), { kind: 'everything' })
    }
  })

  test('lets everyone look, and change nothing, at the management API', async () => {
    await using opened = await openTestAccess({ config: { kind: 'open' } })
    const { access } = opened
    const principal = await access.authenticate(from(undefined))
    assert.equal(await access.may(principal, 'repository:list', anywhere), true)
    assert.equal(await access.may(principal, 'project:read', { project: 'library' }), true)
    for (const permission of ['repository:delete', 'project:create', 'grant:create', 'robot:create', 'audit:list', 'grant:list'] as const)
      assert.equal(await access.may(principal, permission, anywhere), false, permission)
    for (const permission of ['user:list', 'system:read', 'provider:list', 'key:list'] as const)
      assert.equal(await access.may(principal, permission, 'system'), false, permission)
  })
})

suite('a registry with htpasswd', () => {
  async function open(directory: string) {
    const path = join(directory, 'htpasswd')
    await writeFile(path, `alice:${await openBcrypt().hash('secret', 4)}\r\nbob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\r\n`)
    const opened = await openTestAccess({ config: { kind: 'htpasswd', realm: 'My "realm"', path } })
    return { ...opened, path, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
  }

  test('lets a user of the file do everything with repositories, and refuses all others alike', async () => {
    await using directory = await makeDirectory()
    await using opened = await open(directory.path)
    const { access } = opened
    const principal = await access.authenticate(from(basic('alice', 'secret')))
    assert.deepEqual([principal.key, principal.name, principal.kind], [`user:${principal.id ?? 0}`, 'alice', 'user'])
    for (const permission of ['repository:push', 'repository:delete', 'project:create', 'trash:restore'] as const)
      assert.equal(await access.may(principal, permission, anywhere), true, permission)
    for (const permission of ['user:list', 'grant:create', 'robot:create', 'project:delete', 'trash:delete'] as const)
      assert.equal(await access.may(principal, permission, 'system'), false, permission)
    for (const permission of ['grant:create', 'robot:create', 'project:update', 'audit:list'] as const)
      assert.equal(await access.may(principal, permission, anywhere), false, permission)
    assert.deepEqual(await access.visibility(principal, 'repository:list'), { kind: 'everything' })
    await refusesAll(access)
    await assert.rejects(access.authenticate(from(basic('bob', 'test'))), refused)
  })

  test('forgets a user who is taken out of the file, though the password was just right', async () => {
    await using directory = await makeDirectory()
    await using opened = await open(directory.path)
    await opened.access.authenticate(from(basic('alice', 'secret')))
    await writeFile(opened.path, `carol:${await openBcrypt().hash('other', 4)}\n`)
    opened.parts.advance(1000)
    await assert.rejects(opened.access.authenticate(from(basic('alice', 'secret'))), refused)
    assert.equal((await opened.access.authenticate(from(basic('carol', 'other')))).name, 'carol')
  })

  test('knows accounts of the database beside the file, whose names the file cannot take over', async () => {
    await using directory = await makeDirectory()
    await using opened = await open(directory.path)
    const { access, rows, parts } = opened
    const passwordHash = await hashPassword('other', parts.ports.random)
    const carol = await rows.user('carol', { password_hash: passwordHash, is_admin: 1 })
    const principal = await access.authenticate(from(basic('carol', 'other')))
    assert.deepEqual([principal.key, principal.kind, principal.id], [`user:${carol}`, 'user', carol])
    assert.equal(await access.may(principal, 'user:list', 'system'), true)
    const alice = await rows.user('alice', { password_hash: passwordHash })
    await assert.rejects(access.authenticate(from(basic('alice', 'secret'))), refused)
    assert.equal((await access.authenticate(from(basic('alice', 'other')))).id, alice)
  })

  test('does not start on a file that cannot be read, and names it', async () => {
    await using directory = await makeDirectory()
    const path = join(directory.path, 'htpasswd')
    await mkdir(path)
    await assert.rejects(
      openTestAccess({ config: { kind: 'htpasswd', realm: 'r', path } }),
      new RegExp(`auth.htpasswd.path: ${path} cannot be read`),
    )
  })
})

suite('a registry with accounts', () => {
  test('lets its first administrator in with the password that was given once', async () => {
    await using opened = await openTestAccess()
    const { access, parts, directory } = opened
    const administrator = await ensureAdministrator(directory.metadata, parts.ports)
    assert.ok(administrator)
    assert.equal(administrator.name, 'admin')
    const principal = await access.authenticate(from(basic('admin', administrator.password)))
    assert.equal(await access.may(principal, 'repository:delete', anywhere), true)
    assert.equal(await access.may(principal, 'user:delete', 'system'), true)
    await refusesAll(access)
    await assert.rejects(access.authenticate(from(basic('admin', `${administrator.password}x`))), refused)
    assert.ok(!parts.lines.join('').includes(administrator.password))
  })

  test('makes the administrator once, and not again at the next start', async () => {
    const { ports } = makeParts()
    await using metadata = await openTestDatabase(':memory:')
    assert.ok(await ensureAdministrator(metadata, ports))
    assert.equal(await ensureAdministrator(metadata, ports), undefined)
  })

  test('makes one administrator when two processes start on the same database at once', async () => {
    await using directory = await makeDirectory()
    const file = join(directory.path, 'berth.db')
    await using first = await openTestDatabase(file)
    await using second = await openTestDatabase(file)
    const { ports } = makeParts()
    const outcomes = await Promise.all([first, second, first, second].map((metadata) => ensureAdministrator(metadata, ports)))
    assert.equal(outcomes.filter((outcome) => outcome !== undefined).length, 1)
    const winner = outcomes.find((outcome) => outcome !== undefined)
    await using opened = await openTestAccess({ file })
    assert.equal((await opened.access.authenticate(from(basic('admin', winner?.password ?? '')))).name, 'admin')
  })

  test('takes a new password at once and the old one no more', async () => {
    await using opened = await openTestAccess()
    const { access, rows, parts } = opened
    const alice = await rows.user('alice', { password_hash: await hashPassword('first', parts.ports.random) })
    await access.authenticate(from(basic('alice', 'first')))
    await rows.change('users', alice, { password_hash: await hashPassword('second', parts.ports.random) })
    await assert.rejects(access.authenticate(from(basic('alice', 'first'))), refused)
    assert.equal((await access.authenticate(from(basic('alice', 'second')))).id, alice)
  })

  test('writes the time of a login down, later and once', async () => {
    await using opened = await openTestAccess()
    const { access, rows, parts, directory } = opened
    const alice = await rows.user('alice', { password_hash: await hashPassword('first', parts.ports.random) })
    const epoch = await opened.epoch.current()
    await access.authenticate(from(basic('alice', 'first')))
    assert.equal(await opened.epoch.current(), epoch)
    const { last_login_at: at } = await directory.metadata.reader
      .selectFrom('users')
      .select('last_login_at')
      .where('id', '=', alice)
      .executeTakeFirstOrThrow()
    assert.equal(at, null)
  })
})

suite('a token', () => {
  async function open(): Promise<TestAccess & { readonly owners: Map<string, object> }> {
    const owners = new Map<string, object>()
    const findToken = (secret: string) => Promise.resolve(owners.get(secret) as never)
    const opened = await openTestAccess({ hooks: { findToken } })
    return { ...opened, owners, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
  }

  test('is its owner, by Basic under their name or none, and by Bearer', async () => {
    await using opened = await open()
    const { access, rows, owners } = opened
    const alice = await rows.user('alice')
    await rows.user('bob')
    owners.set('berth_pat_a', { kind: 'personal', id: 9, userId: alice })
    for (const header of [basic('alice', 'berth_pat_a'), basic('', 'berth_pat_a'), 'Bearer berth_pat_a']) {
      const principal = await access.authenticate(from(header))
      assert.deepEqual([principal.key, principal.credential], [`user:${alice}`, { kind: 'personal', id: 9 }])
    }
    await assert.rejects(access.authenticate(from(basic('bob', 'berth_pat_a'))), refused)
    await assert.rejects(access.authenticate(from(basic('nobody', 'berth_pat_a'))), refused)
    await assert.rejects(access.authenticate(from(basic('alice', 'berth_pat_b'))), refused)
  })

  test('ends by itself, with its row, and with its owner', async () => {
    await using opened = await open()
    const { access, rows, owners, parts } = opened
    const alice = await rows.user('alice')
    const header = from('Bearer berth_pat_a')
    owners.set('berth_pat_a', { kind: 'personal', id: 9, userId: alice, expiresAt: parts.ports.clock.now() + 100 })
    await access.authenticate(header)
    parts.advance(100)
    await assert.rejects(access.authenticate(header), refused)
    owners.set('berth_pat_a', { kind: 'personal', id: 9, userId: alice })
    await rows.user('somebody')
    await access.authenticate(header)
    owners.delete('berth_pat_a')
    await access.authenticate(header)
    await rows.user('something-changes')
    await assert.rejects(access.authenticate(header), refused)
    owners.set('berth_pat_a', { kind: 'personal', id: 9, userId: alice })
    await rows.change('users', alice, { is_disabled: 1 })
    await assert.rejects(access.authenticate(header), refused)
  })

  test('narrows what its owner may', async () => {
    await using opened = await open()
    const { access, rows, owners } = opened
    const alice = await rows.user('alice', { is_admin: 1 })
    const scopes = [{ permissions: new Set(['repository:pull']), scope: { kind: 'everything' } }]
    owners.set('berth_pat_a', { kind: 'personal', id: 9, userId: alice, scopes })
    const principal = await access.authenticate(from('Bearer berth_pat_a'))
    assert.equal(await access.may(principal, 'repository:pull', anywhere), true)
    assert.equal(await access.may(principal, 'repository:push', anywhere), false)
    assert.equal(await access.may(principal, 'user:list', 'system'), false)
    assert.deepEqual(await access.visibility(principal, 'repository:pull'), { kind: 'everything' })
    assert.deepEqual(await access.visibility(principal, 'repository:push'), { kind: 'nothing' })
  })

  test('of a robot goes by its names, its networks, its state and its end', async () => {
    await using opened = await open()
    const { access, rows, owners, parts } = opened
    const team = await rows.project('team/app')
    const ci = await rows.robot('ci', { project_id: team })
    await rows.grant('developer', `robot:${ci}`, { project_id: team })
    await rows.grant('project-creator', 'signed-in')
    owners.set('berth_rob_a', { kind: 'robot', id: 3, robotId: ci })
    for (const name of ['robot-ci@team/app', 'robot$team/app+ci', '']) {
      const principal = await access.authenticate(from(basic(name, 'berth_rob_a')))
      assert.deepEqual([principal.key, principal.name, principal.kind], [`robot:${ci}`, 'robot-ci@team/app', 'robot'])
      assert.equal(await access.may(principal, 'repository:push', { repository: 'team/app/x' as RepositoryName }), true)
      assert.equal(await access.may(principal, 'project:create', 'system'), false)
    }
    for (const name of ['robot-ci', 'robot$ci', 'ci', 'robot-ci@team', 'robot$team+ci'])
      await assert.rejects(access.authenticate(from(basic(name, 'berth_rob_a'))), refused, name)
    const header = 'Bearer berth_rob_a'
    await rows.change('robots', ci, { allowed_addresses: '["198.51.100.0/24","2001:db8::/32"]' })
    const message = 'robot-ci@team/app may not be used from 192.0.2.1: administrators of project team/app set its addresses'
    await assert.rejects(access.authenticate(from(header, { address: '192.0.2.1' })), { code: 'ADDRESS_DENIED', message })
    for (const address of ['198.51.100.7', '2001:db8::7']) await access.authenticate(from(header, { address }))
    await rows.change('robots', ci, { allowed_addresses: '[]', expires_at: parts.ports.clock.now() + 10 })
    await access.authenticate(from(header))
    parts.advance(10)
    await assert.rejects(access.authenticate(from(header)), refused)
    await rows.change('robots', ci, { expires_at: null, is_disabled: 1 })
    await assert.rejects(access.authenticate(from(header)), refused)
  })

  test('of a robot goes by its project’s former name too, until that is somebody else’s', async () => {
    await using opened = await open()
    const { access, rows, owners } = opened
    const ci = await rows.robot('ci', { project_id: await rows.project('new/app') })
    owners.set('berth_rob_a', { kind: 'robot', id: 3, robotId: ci })
    await rows.redirect('project', 'old', 'new')
    for (const name of ['robot-ci@new/app', 'robot-ci@old/app', 'robot$old/app+ci'])
      assert.equal((await access.authenticate(from(basic(name, 'berth_rob_a')))).name, 'robot-ci@new/app', name)
    for (const name of ['robot-ci', 'robot-ci@old', 'robot-cd@old/app', 'robot-ci@older/app', 'robot$older/app+ci'])
      await assert.rejects(access.authenticate(from(basic(name, 'berth_rob_a'))), refused, name)
    await rows.project('old/app')
    await assert.rejects(access.authenticate(from(basic('robot-ci@old/app', 'berth_rob_a'))), refused)
    await access.authenticate(from(basic('robot-ci@new/app', 'berth_rob_a')))
  })
})

suite('a bearer token', () => {
  const limits = [{ permissions: new Set(['repository:push'] as const), scope: { kind: 'everything' } as const }]

  async function open(identity: (parts: { readonly now: number; readonly ids: Readonly<Record<string, number>> }) => object | undefined) {
    const ids: Record<string, number> = {}
    const parts = makeParts()
    const verifyBearer = () => Promise.resolve(identity({ now: parts.ports.clock.now(), ids }) as never)
    const opened = await openTestAccess({ parts, hooks: { verifyBearer } })
    ids['alice'] = await opened.rows.user('alice', { is_admin: 1 })
    return { ...opened, ids, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
  }

  test('is its owner within its bounds, until the account changes or is disabled', async () => {
    await using opened = await open(({ now, ids }) => ({
      owner: { kind: 'user', id: ids['alice'] },
      limits,
      issuedAt: now - 10,
      expiresAt: now + 10,
      accountVersion: 1,
    }))
    const { access, rows, ids } = opened
    const principal = await access.authenticate(from('Bearer x.y.z'))
    assert.deepEqual([principal.key, principal.credential.kind], [`user:${ids['alice']}`, 'bearer'])
    assert.equal(await access.may(principal, 'repository:push', anywhere), true)
    assert.equal(await access.may(principal, 'repository:pull', anywhere), false)
    await rows.change('users', ids['alice'] ?? 0, { version: 2 })
    await assert.rejects(access.authenticate(from('Bearer x.y.z')), refused)
    await rows.change('users', ids['alice'] ?? 0, { version: 1, is_disabled: 1 })
    await assert.rejects(access.authenticate(from('Bearer x.y.z')), refused)
  })

  test('of an outside server may what it says and nothing else', async () => {
    await using opened = await open(({ now }) => ({
      owner: { kind: 'external', name: 'alice' },
      limits,
      issuedAt: now,
      expiresAt: now + 10,
    }))
    const principal = await opened.access.authenticate(from('Bearer x.y.z'))
    assert.deepEqual([principal.key, principal.id], ['external:alice', undefined])
    assert.equal(await opened.access.may(principal, 'repository:push', anywhere), true)
    assert.equal(await opened.access.may(principal, 'repository:pull', anywhere), false)
  })

  test('of nobody may what is everyone’s', async () => {
    await using opened = await open(({ now }) => ({ owner: { kind: 'anonymous' }, limits, issuedAt: now, expiresAt: now + 10 }))
    await opened.rows.grant('developer', 'everyone')
    const principal = await opened.access.authenticate(from('Bearer x.y.z'))
    assert.equal(principal.isAnonymous, true)
    assert.equal(await opened.access.may(principal, 'repository:push', anywhere), true)
    assert.equal(await opened.access.may(principal, 'tag:create', anywhere), false)
  })

  test('that has ended finishes an upload of its owner that began under it, and does nothing else', async () => {
    let issuedAt = 0
    let expiresAt = 0
    await using opened = await open(({ ids }) => ({ owner: { kind: 'user', id: ids['alice'] }, limits, issuedAt, expiresAt }))
    const { access, rows, parts, ids } = opened
    const started = parts.ports.clock.now()
    issuedAt = started - 60_000
    expiresAt = started + 1000
    const repository = await rows.repository('team/app', 1)
    const upload = (uploadId: string, actorKey: string, startedAt: number) =>
      rows.insert('upload_sessions', {
        upload_id: uploadId,
        repository_id: repository,
        actor: 'alice',
        actor_key: actorKey,
        algorithm: 'sha256',
        offset_bytes: 0,
        digest_so_far: Buffer.alloc(0),
        store: 's',
        started_at: startedAt,
        updated_at: startedAt,
      })
    await upload('own', `user:${ids['alice']}`, started)
    await upload('foreign', 'user:999', started)
    await upload('early', `user:${ids['alice']}`, issuedAt - 1)
    await upload('late', `user:${ids['alice']}`, expiresAt)
    parts.advance(3_600_000)
    const going = (uploadId: string | undefined) => access.authenticate(from('Bearer x.y.z', { uploadId }))
    assert.equal((await going('own')).id, ids['alice'])
    for (const uploadId of [undefined, 'foreign', 'early', 'late', 'missing']) await assert.rejects(going(uploadId), refused, uploadId)
    parts.advance(24 * 3_600_000)
    await assert.rejects(going('own'), refused)
  })
})

suite('a session, a certificate, a workload', () => {
  test('is the account it leads to, after an Authorization header and before nobody', async () => {
    const ids: Record<string, number> = {}
    await using opened = await openTestAccess({
      hooks: {
        findSession: (cookie) => Promise.resolve(cookie === 'good' ? { userId: ids['alice'] ?? 0, sessionId: 5 } : undefined),
        findCertificateOwner: ({ commonName }) => Promise.resolve(commonName === 'ci' ? { kind: 'robot', id: ids['ci'] ?? 0 } : undefined),
        verifyWorkload: (token) =>
          Promise.resolve(
            token.startsWith('eyJ') && token.endsWith('.good') ? { robotId: ids['ci'] ?? 0, expiresAt: Infinity } : undefined,
          ),
      },
    })
    const { access, rows } = opened
    ids['alice'] = await rows.user('alice')
    ids['ci'] = await rows.robot('ci')
    const certificate = { subject: 'CN=ci', commonName: 'ci', names: [], fingerprint256: 'AA' }
    const session = await access.authenticate(from(undefined, { session: 'good', certificate }))
    assert.deepEqual([session.key, session.credential], [`user:${ids['alice']}`, { kind: 'session', id: 5 }])
    assert.equal((await access.authenticate(from(undefined, { session: 'bad' }))).isAnonymous, true)
    assert.equal((await access.authenticate(from(undefined, { session: 'bad', certificate }))).name, 'robot-ci')
    await assert.rejects(access.authenticate(from(basic('alice', 'wrong'), { session: 'good', certificate })), refused)
    const workload = await access.authenticate(from(basic('anything', 'eyJhIjoxfQ.eyJhIjoxfQ.good')))
    assert.deepEqual([workload.key, workload.credential.kind], [`robot:${ids['ci']}`, 'workload'])
    await rows.change('users', ids['alice'], { is_disabled: 1 })
    assert.equal((await access.authenticate(from(undefined, { session: 'good' }))).isAnonymous, true)
    await rows.change('robots', ids['ci'], { is_disabled: 1 })
    await assert.rejects(access.authenticate(from(undefined, { certificate })), refused)
    await assert.rejects(access.authenticate(from(basic('anything', 'eyJhIjoxfQ.eyJhIjoxfQ.good'))), refused)
  })
})
