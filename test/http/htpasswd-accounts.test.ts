import assert from 'node:assert/strict'
import { hashSync } from 'bcryptjs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { AuthConfig } from '#config/config.ts'
import { ensureAdministrator } from '#access/administrator.ts'
import { operatorRights } from '#access/acting.ts'
import { createUser } from '#access/users.ts'
import { openConfiguredFile } from '#access/htpasswd-configured.ts'
import { listProviders } from '#access/providers.ts'
import { fileUserRights } from '#access/preset-rights.ts'
import { levelOf } from '#api/permissions.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { insertGrant } from '#metadata/grants.ts'
import { insertFactor } from '#metadata/second-factors.ts'
import { Browser } from '../api/browser.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { movingClock } from '../support/moving-clock.ts'
import { pushImage, registryClient, type RegistryClient } from '../support/registry-client.ts'
import { serveRooms, type ServedRooms } from '../support/serve-rooms.ts'
import { until } from '../support/until.ts'

const alicePassword = 'canary-of-alice'
const hashOf = (password: string) => hashSync(password, 4)
const hashes = { alice: hashOf(alicePassword), other: hashOf('another'), bob: hashOf('bob’s') }

/** Of the management API, as far as these tests look. */
interface Body {
  readonly secret?: string
  readonly kind?: string
  readonly code?: string
  readonly detail?: string
  readonly settings?: Readonly<Record<string, unknown>>
  readonly user?: { readonly name: string; readonly kind: string; readonly isAdministrator?: boolean }
}

interface Guarded extends AsyncDisposable {
  readonly rooms: ServedRooms
  readonly auth: AuthConfig
  /** Who sends name and password with each request. */
  client(name: string, password: string): RegistryClient
  /** Writes the file, and lets the time pass until it is looked at. */
  write(entries: Readonly<Record<string, string>>): Promise<void>
  /** Removes the file, and lets that time pass. */
  remove(): Promise<void>
  /** The management API, as that client. */
  call(client: RegistryClient, method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly body: Body }>
}

async function open(entries: Readonly<Record<string, string>> = { alice: hashes.alice }): Promise<Guarded> {
  await using stack = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'berth-htpasswd-'))
  stack.defer(() => rm(directory, { recursive: true }))
  const path = join(directory, 'htpasswd')
  const put = (all: typeof entries) =>
    writeFile(
      path,
      Object.entries(all)
        .map(([name, hash]) => `${name}:${hash}\n`)
        .join(''),
    )
  await put(entries)
  const auth = { kind: 'htpasswd', realm: 'the realm', path } as const
  const { ports, advance } = movingClock()
  const rooms = stack.use(await serveRooms({ auth }, { ports }))
  const opened = stack.move()
  return {
    rooms,
    auth,
    client: (name, password) => registryClient(rooms.url, { authorization: basicAuthorization(name, password) }),
    async write(all) {
      await put(all)
      advance(1100)
    },
    async remove() {
      await rm(path)
      advance(1100)
    },
    async call(client, method, api, body) {
      const headers = body === undefined ? {} : { 'content-type': 'application/json' }
      const answer = await client.send(`/api/v1${api}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
      return { status: answer.status, body: answer.body.length === 0 ? {} : (JSON.parse(answer.body.toString()) as Body) }
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

async function tokenOf(place: Guarded, client: RegistryClient, name: string): Promise<RegistryClient> {
  const made = await place.call(client, 'POST', '/tokens', { name: 'laptop' })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  return place.client(name, made.body.secret ?? '')
}

const ping = async (client: RegistryClient) => (await client.send('/v2/')).status

suite('users of the configuration’s htpasswd file', () => {
  test('are accounts after their first sign-in, with everything on /v2 and nothing of an administrator', async () => {
    await using place = await open()
    const alice = place.client('alice', alicePassword)
    const image = await pushImage(alice, 'team/app', 'v1')
    assert.equal((await alice.send(`/v2/_catalog`)).status, 200)
    assert.equal((await alice.send(`/v2/team/app/manifests/${image.descriptor.digest}`, { method: 'DELETE' })).status, 202)
    const { body } = await place.call(alice, 'GET', '/session')
    assert.deepEqual([body.user?.name, body.user?.kind, body.user?.isAdministrator ?? false], ['alice', 'user', false])
    for (const path of ['/users', '/providers', '/keys']) assert.equal((await place.call(alice, 'GET', path)).status, 403, path)
  })

  test('are challenged by the realm of the configuration when the password is wrong', async () => {
    await using place = await open()
    for (const [name, password] of [
      ['alice', 'wrong'],
      ['alice', hashes.alice],
      ['nobody', alicePassword],
      ['alice', ''],
    ] as const) {
      const answer = await place.client(name, password).send('/v2/')
      assert.deepEqual([answer.status, answer.headers['www-authenticate']], [401, 'Basic realm="the realm"'], name)
    }
  })

  test('hold personal tokens, which end within a second when the entry is gone, as sessions and passwords do', async () => {
    await using place = await open({ alice: hashes.alice, bob: hashes.bob })
    const alice = place.client('alice', alicePassword)
    const byToken = await tokenOf(place, alice, 'alice')
    const browser = new Browser(place.rooms.url)
    await browser.call('POST', '/session', { name: 'alice', password: alicePassword })
    assert.equal((await browser.call('GET', '/session')).body['state'], 'active')
    assert.equal(await ping(byToken), 200)
    await place.write({ bob: hashes.bob })
    assert.deepEqual([await ping(byToken), await ping(alice)], [401, 401])
    assert.equal((await browser.call('GET', '/session')).body['state'], 'anonymous')
    assert.equal(await ping(place.client('bob', 'bob’s')), 200)
    // A file that was read while it was written takes nothing for good.
    await place.write({ alice: hashes.alice, bob: hashes.bob })
    assert.deepEqual([await ping(alice), await ping(byToken)], [200, 200])
  })

  test('whose entries are gone are disabled although they ask for nothing', async () => {
    await using place = await open({ alice: hashes.alice, bob: hashes.bob })
    const bob = place.client('bob', 'bob’s')
    assert.deepEqual([await ping(place.client('alice', alicePassword)), await ping(bob)], [200, 200])
    await place.write({ bob: hashes.bob })
    assert.equal(await ping(bob), 200)
    const { reader } = place.rooms.accounts.metadata
    const isGone = async () =>
      (await reader.selectFrom('users').select('id').where('name', '=', 'alice').where('is_disabled', '=', 1).execute()).length === 1
    await until('the account of the entry is disabled', isGone)
    assert.ok(JSON.stringify(await rowsOf(place, 'events')).includes('user.disabled'))
  })

  test('whose name comes back with another password may be somebody else, and finds no token of before', async () => {
    await using place = await open()
    const byToken = await tokenOf(place, place.client('alice', alicePassword), 'alice')
    await place.write({})
    assert.equal(await ping(byToken), 401)
    await place.write({ alice: hashes.other })
    assert.equal(await ping(place.client('alice', 'another')), 200)
    assert.deepEqual([await ping(byToken), await ping(place.client('alice', alicePassword))], [401, 401])
  })

  test('whose name comes back find that an old token is refused by the very request that sees it, and makes no other', async () => {
    for (const isGone of [true, false]) {
      await using place = await open()
      const byToken = await tokenOf(place, place.client('alice', alicePassword), 'alice')
      assert.equal(await ping(byToken), 200)
      if (isGone) {
        await place.write({})
        assert.equal(await ping(byToken), 401)
      }
      await place.write({ alice: hashes.other })
      const tries = Array.from({ length: 5 }, () => place.call(byToken, 'POST', '/tokens', { name: 'for ever' }))
      assert.deepEqual(new Set((await Promise.all(tries)).map(({ status }) => status)), new Set([401]))
      assert.equal(await ping(byToken), 401)
      const { reader } = place.rooms.accounts.metadata
      assert.deepEqual(await reader.selectFrom('tokens').select('id').where('kind', '=', 'personal').execute(), [])
    }
  })

  test('whose hash changed within one look are not taken for the same person: token, bearer token and session of before end at once', async () => {
    await using place = await open()
    const alice = place.client('alice', alicePassword)
    const bearer = JSON.parse((await alice.send('/token?service=x')).body.toString()) as { readonly token: string }
    const browser = new Browser(place.rooms.url)
    await browser.call('POST', '/session', { name: 'alice', password: alicePassword })
    const byBearer = registryClient(place.rooms.url, { authorization: `Bearer ${bearer.token}` })
    assert.equal(await ping(byBearer), 200)
    await place.write({ alice: hashes.other })
    assert.equal(await ping(byBearer), 401)
    await place.write({ alice: hashes.alice })
    assert.equal((await browser.call('GET', '/session')).body['state'], 'anonymous')
  })

  test('by whose name somebody else comes have no second factor, no grant and no administration of before', async () => {
    await using place = await open()
    const alice = place.client('alice', alicePassword)
    await place.call(alice, 'POST', '/projects', { name: 'hers' })
    await place.rooms.accounts.metadata.write(inherit, { name: 'alice' })
    const { reader } = place.rooms.accounts.metadata
    const isDisabled = async () => (await reader.selectFrom('users').select('is_disabled').executeTakeFirst())?.is_disabled === 1
    const goes = async () => {
      await place.write({})
      assert.equal(await ping(alice), 401)
      await until('the account is disabled', isDisabled)
    }
    await goes()
    await place.write({ alice: hashes.alice })
    assert.equal((await alice.send('/v2/')).status, 401)
    assert.equal((await reader.selectFrom('second_factors').select('id').execute()).length, 1, 'as it was: nothing is taken')
    await goes()
    await place.write({ alice: hashes.other })
    const successor = place.client('alice', 'another')
    assert.equal(await ping(successor), 200)
    assert.deepEqual(await reader.selectFrom('second_factors').select('id').execute(), [])
    assert.deepEqual(await reader.selectFrom('grants').select('id').where('subject_kind', '=', 'user').execute(), [])
    assert.equal((await place.call(successor, 'GET', '/users')).status, 403)
    const actions = (await reader.selectFrom('events').select('action').execute()).map(({ action }) => action)
    for (const action of ['second-factor.removed', 'grant.deleted', 'user.updated'] as const) assert.ok(actions.includes(action), action)
  })

  test('may change what they are called and their address, which the file does not say', async () => {
    await using place = await open()
    const alice = place.client('alice', alicePassword)
    const browser = new Browser(place.rooms.url)
    await browser.call('POST', '/session', { name: 'alice', password: alicePassword })
    assert.equal((await browser.call('PATCH', '/session/account', { displayName: 'Alice A.', email: 'alice@example.org' })).status, 200)
    assert.equal(await ping(alice), 200)
    const row = await place.rooms.accounts.metadata.reader.selectFrom('users').select(['display_name', 'email']).executeTakeFirst()
    assert.deepEqual(row, { display_name: 'Alice A.', email: 'alice@example.org' })
  })

  test('give nobody else anything: no grants, no robots, no rules, no logs', async () => {
    await using place = await open()
    const alice = place.client('alice', alicePassword)
    await pushImage(alice, 'team/app', 'v1')
    const bodies = {
      '/grants': { role: 'developer', subject: { kind: 'everyone' } },
      '/robots': { name: 'stays', grants: [{ role: 'project-admin' }] },
    }
    for (const [path, body] of Object.entries(bodies)) {
      const made = await place.call(alice, 'POST', path, body)
      assert.equal(made.status, 403, `${path} ${JSON.stringify(made.body)}`)
    }
    for (const path of ['/grants', '/robots', '/audit', '/users', '/jobs'])
      assert.notEqual((await place.call(alice, 'GET', path)).status, 200, path)
    const held = new Set(fileUserRights.flatMap(({ permissions }) => [...permissions]))
    assert.deepEqual(
      [...held].filter(
        (permission) => /^(?:grant|robot|audit|retention|immutability):/.test(permission) || levelOf(permission) === 'system',
      ),
      [],
    )
    for (const permission of ['trash:delete', 'project:delete', 'project:update', 'repository:move'] as const)
      assert.ok(!held.has(permission))
  })

  test('keep nothing while the file cannot be read: 503 for them, and nobody is disabled for it', async () => {
    await using place = await open()
    const alice = place.client('alice', alicePassword)
    const byToken = await tokenOf(place, alice, 'alice')
    await place.remove()
    const replies = await Promise.all([alice, byToken].map((client) => client.send('/v2/')))
    for (const reply of replies) {
      assert.equal(reply.status, 503)
      assert.ok(!reply.body.toString().includes('berth-htpasswd-'))
    }
    await place.write({ alice: hashes.alice })
    assert.deepEqual([await ping(alice), await ping(byToken)], [200, 200])
    assert.ok(!JSON.stringify(await rowsOf(place, 'events')).includes('user.disabled'))
  })

  test('come in by any name that the file has: with spaces, and by two that differ in case alone', async () => {
    await using place = await open({ 'build bot': hashes.alice, Alice: hashes.bob, alice: hashes.other, 'build-bot': hashes.bob })
    const names = new Set<string>()
    for (const [name, password] of [
      ['build bot', alicePassword],
      ['Alice', 'bob’s'],
      ['alice', 'another'],
      ['build-bot', 'bob’s'],
    ] as const) {
      const client = place.client(name, password)
      for (let time = 0; time < 2; time++) assert.equal(await ping(client), 200, name)
      const { body } = await place.call(client, 'GET', '/session')
      names.add(body.user?.name ?? '')
      assert.equal(await ping(place.client(name, 'wrong')), 401)
    }
    assert.equal(names.size, 4)
    assert.equal(await ping(place.client('ALICE', 'another')), 401)
  })

  test('come in beside local accounts, whose names the file never takes over', async () => {
    await using place = await open({ alice: hashes.alice, carol: hashes.bob })
    const made = { name: 'carol', displayName: '', email: '', isAdministrator: false, password: 'a long enough passphrase' }
    await createUser(place.rooms.accounts, made, { who: { actor: 'test', requestId: 'test' }, rights: operatorRights })
    assert.deepEqual([await ping(place.client('carol', 'bob’s')), await ping(place.client('carol', made.password))], [401, 200])
    assert.equal(await ping(place.client('alice', alicePassword)), 200)
    assert.ok(place.rooms.lines.some((line) => line.includes('the name carol belongs to another account here')))
  })

  test('whose first requests come at once get one account', async () => {
    await using place = await open()
    const replies = await Promise.all(Array.from({ length: 20 }, () => ping(place.client('alice', alicePassword))))
    assert.deepEqual(new Set(replies), new Set([200]))
    assert.equal((await rowsOf(place, 'users')).length, 1)
  })

  test('who are disabled by an administrator stay so while the file has them', async () => {
    await using place = await open()
    const alice = place.client('alice', alicePassword)
    await ping(alice)
    await place.rooms.accounts.metadata.write(change, { name: 'alice', set: { is_disabled: 1 } })
    await place.write({ alice: hashes.other })
    await place.write({})
    await place.write({ alice: hashes.alice })
    assert.equal(await ping(alice), 401)
  })

  test('write nothing when they come again', async () => {
    await using place = await open()
    const alice = place.client('alice', alicePassword)
    assert.equal(await ping(alice), 200)
    const last = async () => (await rowsOf(place, 'events')).length
    const before = await last()
    const seen = JSON.stringify(await rowsOf(place, 'identities'))
    for (let time = 0; time < 5; time++) {
      await place.write({ alice: hashes.alice })
      assert.equal(await ping(alice), 200)
    }
    assert.deepEqual([await last(), JSON.stringify(await rowsOf(place, 'identities'))], [before, seen])
  })
})

async function rowsOf({ rooms }: Guarded, table: 'events' | 'identities' | 'users'): Promise<readonly unknown[]> {
  return await rooms.accounts.metadata.reader.selectFrom(table).selectAll().execute()
}

suite('the provider of the configuration’s htpasswd file', () => {
  async function asRoot(place: Guarded): Promise<RegistryClient> {
    const alice = place.client('alice', alicePassword)
    await ping(alice)
    await place.rooms.accounts.metadata.write(change, { name: 'alice', set: { is_admin: 1 } })
    return alice
  }

  test('is a row that the API shows, and neither changes nor deletes', async () => {
    await using place = await open()
    const root = await asRoot(place)
    const shown = await place.call(root, 'GET', '/providers/htpasswd')
    assert.deepEqual([shown.status, shown.body.kind, shown.body.settings?.['isFromConfiguration']], [200, 'htpasswd', true])
    const [row] = await listProviders(place.rooms.accounts)
    assert.equal(row?.settings['givesEverything'], true)
    for (const [method, body] of [
      ['PATCH', { isEnabled: false }],
      ['PATCH', { settings: { path: 'other' } }],
      ['DELETE', undefined],
    ] as const) {
      const answer = await place.call(root, method, `/providers/htpasswd${method === 'DELETE' ? '?force=true' : ''}`, body)
      assert.deepEqual([answer.status, answer.body.code], [409, 'CONFLICT'])
      assert.match(answer.body.detail ?? '', /auth\.htpasswd of the configuration/)
    }
    const probe = { kind: 'htpasswd', provider: 'htpasswd', settings: { path: 'package.json' } }
    assert.equal((await place.call(root, 'POST', '/provider-tests', probe)).status, 409)
  })

  test('leaves the name admin to a user of the file, and the first administrator gets another when accounts take over', async () => {
    await using place = await open({ admin: hashes.alice })
    assert.equal(await ping(place.client('admin', alicePassword)), 200)
    const { accounts } = place.rooms
    await openConfiguredFile(accounts, { kind: 'accounts', realm: 'x' })
    const made = await ensureAdministrator(accounts.metadata, accounts.ports)
    assert.equal(made?.name, 'administrator')
    assert.equal(await ping(place.client('administrator', made.password)), 200)
    assert.equal(await ensureAdministrator(accounts.metadata, accounts.ports), undefined)
  })

  test('is switched off with its accounts when the configuration no longer has it, and on again with it', async () => {
    await using place = await open()
    const alice = place.client('alice', alicePassword)
    const byToken = await tokenOf(place, alice, 'alice')
    const { accounts } = place.rooms
    await openConfiguredFile(accounts, { kind: 'accounts', realm: 'x' })
    assert.deepEqual([await ping(alice), await ping(byToken)], [401, 401])
    assert.equal((await listProviders(accounts))[0]?.isEnabled, false)
    await openConfiguredFile(accounts, place.auth)
    assert.deepEqual([await ping(alice), await ping(byToken)], [200, 200])
    const before = (await rowsOf(place, 'events')).length
    await openConfiguredFile(accounts, place.auth)
    assert.equal((await rowsOf(place, 'events')).length, before)
  })
})

interface Change {
  readonly name: string
  readonly set: { readonly is_admin?: number; readonly is_disabled?: number }
}

/** What a successor must not find. */
const inherit = accessTransaction(import.meta.url, 'test/inherit', async (tx, { name }: { readonly name: string }) => {
  const { id } = await tx.updateTable('users').set({ is_admin: 1 }).where('name', '=', name).returning('id').executeTakeFirstOrThrow()
  const at = 1
  await insertFactor(tx, { userId: id, kind: 'totp', name: 'phone', credentialId: undefined, secret: Buffer.from('x'), counter: 0, at })
  const grant = { role: 'developer', projectId: null, repositories: null, expiresAt: null, createdBy: 'test', at }
  await insertGrant(tx, { ...grant, subject: { kind: 'user', id } })
})

const change = accessTransaction(import.meta.url, 'test/change-user', async (tx, { name, set }: Change) => {
  await tx.updateTable('users').set(set).where('name', '=', name).execute()
})
