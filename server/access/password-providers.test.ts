import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createAddressGuard } from '#lib/address-guard.ts'
import { transaction } from '#metadata/transaction.ts'
import { watchAccess } from '#metadata/watch-access.ts'
import { onboard } from './onboard.ts'
import { createPasswordProviders } from './password-providers.ts'
import { createProvider, updateProvider } from './providers.ts'
import { startFakeLdap, type FakeDirectory, type FakeEntry } from './test-ldap-server.ts'
import { disable, makeTestDirectory, testWho } from './test-vouched.ts'

const lifetimeMs = 300_000
const people = 'ou=people,dc=example,dc=org'

function entryOf(name: string, groups: readonly string[]): FakeEntry {
  return {
    dn: `uid=${name},${people}`,
    attributes: {
      entryUUID: [`id-of-${name}`],
      uid: [name],
      cn: [name],
      memberOf: groups.map((group) => `cn=${group},ou=groups,dc=example,dc=org`),
    },
  }
}

async function setUp() {
  const stack = new AsyncDisposableStack()
  const entries = new Map([['alice', entryOf('alice', ['devs'])]])
  const state = { isAway: false }
  const fake: FakeDirectory = {
    bind: (dn, password) => (state.isAway ? 'hang-up' : dn.startsWith('cn=reader') || password === 'right' ? { code: 0 } : { code: 49 }),
    search: (request) =>
      state.isAway ? 'hang-up' : [...entries.values()].filter(({ attributes }) => request.includes(String(attributes['uid']?.[0]))),
  }
  const server = stack.use(await startFakeLdap(fake))
  const base = stack.use(await makeTestDirectory())
  const { metadata, epoch } = watchAccess(base.metadata, base.ports.clock)
  const directory = { ...base, metadata }
  const settings = {
    urls: [server.url],
    searchBase: people,
    bindDn: 'cn=reader,dc=example,dc=org',
    bindPassword: 'canary',
    timeoutMs: 1000,
  }
  await createProvider(directory, { name: 'corp', kind: 'ldap', title: 'Corp', isEnabled: true, settings }, { who: testWho })
  const providers = stack.use(createPasswordProviders({ directory, epoch, guard: createAddressGuard(['loopback']) }))
  const signIn = async (name: string, password = 'right') => {
    const [provider] = await providers.list()
    assert.ok(provider !== undefined)
    const identity = await provider.verify(name, password)
    return identity && (await onboard(directory, { providerId: provider.id, identity }, testWho))
  }
  const row = async (id: number) => await metadata.reader.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
  const groupsOf = async (id: number) =>
    (
      await metadata.reader
        .selectFrom('group_members')
        .innerJoin('groups', 'groups.id', 'group_members.group_id')
        .select('groups.external_name')
        .where('user_id', '=', id)
        .execute()
    ).map(({ external_name }) => external_name?.split(',')[0])
  const settle = async (done: () => Promise<boolean>) => {
    for (let waited = 0; waited < 200 && !(await done()); waited++) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.ok(await done())
  }
  return {
    stack,
    server,
    base,
    directory,
    providers,
    entries,
    state,
    signIn,
    row,
    groupsOf,
    settle,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

suite('LDAP providers of a process', () => {
  test('people sign in, and their groups come with them', async () => {
    await using place = await setUp()
    const alice = await place.signIn('alice')
    assert.ok(alice !== undefined)
    assert.deepEqual(await place.groupsOf(alice.userId), ['cn=devs'])
    assert.equal(await place.signIn('alice', 'wrong'), undefined)
  })

  test('while groups are fresh nothing is asked; later they are asked for beside the request', async () => {
    await using place = await setUp()
    const { userId } = (await place.signIn('alice')) ?? assert.fail()
    const { searches } = place.server.counts
    await place.providers.keepFresh(userId)
    place.base.advance(lifetimeMs - 1)
    await place.providers.keepFresh(userId)
    assert.equal(place.server.counts.searches, searches)
    place.entries.set('alice', entryOf('alice', ['ops']))
    place.base.advance(1)
    await Promise.all(Array.from({ length: 10 }, () => place.providers.keepFresh(userId)))
    await place.settle(async () => (await place.groupsOf(userId)).join() === 'cn=ops')
    assert.equal(place.server.counts.searches, searches + 1)
  })

  test('after two lifetimes the request waits for the groups, and is refused when they cannot be had', async () => {
    await using place = await setUp()
    const { userId } = (await place.signIn('alice')) ?? assert.fail()
    place.entries.set('alice', entryOf('alice', []))
    place.state.isAway = true
    place.base.advance(lifetimeMs + 1)
    await place.providers.keepFresh(userId)
    place.base.advance(lifetimeMs)
    await assert.rejects(place.providers.keepFresh(userId), { code: 'UNAVAILABLE' })
    place.state.isAway = false
    place.base.advance(3000)
    await place.providers.keepFresh(userId)
    assert.deepEqual(await place.groupsOf(userId), [])
  })

  test('who is gone is disabled until the directory knows them again', async () => {
    await using place = await setUp()
    const { userId } = (await place.signIn('alice')) ?? assert.fail()
    const before = await place.row(userId)
    place.entries.clear()
    place.base.advance(2 * lifetimeMs)
    await place.providers.keepFresh(userId)
    const gone = await place.row(userId)
    assert.deepEqual([gone.is_disabled, gone.version > before.version], [1, true])
    place.entries.set('alice', entryOf('alice', ['devs']))
    assert.equal((await place.signIn('alice'))?.isDisabled, false)
    assert.equal((await place.row(userId)).is_disabled, 0)
    const events = await place.directory.metadata.reader
      .selectFrom('events')
      .select('action')
      .where('action', 'in', ['user.disabled', 'user.enabled'])
      .orderBy('id')
      .execute()
    assert.deepEqual(
      events.map(({ action }) => action),
      ['user.disabled', 'user.enabled'],
    )
  })

  test('who comes back is enabled at the next look too, without signing in', async () => {
    await using place = await setUp()
    const { userId } = (await place.signIn('alice')) ?? assert.fail()
    const entry = place.entries.get('alice') ?? assert.fail()
    place.entries.clear()
    place.base.advance(2 * lifetimeMs)
    await place.providers.keepFresh(userId)
    place.entries.set('alice', entry)
    await place.providers.keepFresh(userId)
    assert.equal((await place.row(userId)).is_disabled, 1)
    place.base.advance(lifetimeMs)
    await place.providers.keepFresh(userId)
    assert.equal((await place.row(userId)).is_disabled, 0)
  })

  test('an account that a person disabled stays so, whatever the directory says', async () => {
    await using place = await setUp()
    const { userId } = (await place.signIn('alice')) ?? assert.fail()
    await place.directory.metadata.write(disable, userId)
    assert.equal((await place.signIn('alice'))?.isDisabled, true)
    const entry = place.entries.get('alice') ?? assert.fail()
    place.entries.clear()
    place.base.advance(2 * lifetimeMs)
    await place.providers.keepFresh(userId)
    place.entries.set('alice', entry)
    await place.signIn('alice')
    assert.equal((await place.row(userId)).is_disabled, 1)
  })

  test('a directory that is away makes nobody gone', async () => {
    await using place = await setUp()
    const { userId } = (await place.signIn('alice')) ?? assert.fail()
    place.state.isAway = true
    place.base.advance(2 * lifetimeMs)
    await assert.rejects(place.providers.keepFresh(userId), { code: 'UNAVAILABLE' })
    await assert.rejects(place.signIn('alice'), { code: 'UNAVAILABLE' })
    assert.equal((await place.row(userId)).is_disabled, 0)
  })

  test('accounts that no directory vouches for are nobody’s business', async () => {
    await using place = await setUp()
    await place.providers.keepFresh(4711)
    assert.equal(place.server.counts.opened, 0)
  })

  test('a change of a provider counts at once, and its connections are closed', async () => {
    await using place = await setUp()
    await place.signIn('alice')
    assert.equal(place.server.counts.open > 0, true)
    const update = (set: Parameters<typeof updateProvider>[1]['set']) =>
      updateProvider(place.directory, { name: 'corp', expectedVersion: undefined, set }, { who: testWho })
    await update({ settings: { requiredGroups: ['cn=ops,ou=groups,dc=example,dc=org'] } })
    assert.equal(await place.signIn('alice'), undefined)
    await update({ isEnabled: false })
    assert.deepEqual(await place.providers.list(), [])
    await place.settle(async () => place.server.counts.open === 0)
  })

  test('no secret stands in the log', async () => {
    await using place = await setUp()
    await place.signIn('alice', 'wrong-canary')
    place.state.isAway = true
    place.server.closeConnections()
    await assert.rejects(place.signIn('alice', 'wrong-canary'), { code: 'UNAVAILABLE' })
    assert.ok(place.base.lines.length > 0)
    assert.ok(!place.base.lines.some((line) => line.includes('canary')))
  })

  test('a row that another process disabled counts here too', async () => {
    await using place = await setUp()
    const off = transaction(import.meta.url, 'password-providers-test/off', async (tx) => {
      await tx.updateTable('providers').set({ is_enabled: 0 }).execute()
      await tx
        .insertInto('settings')
        .values({ name: 'access-epoch', value: '999' })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: '999' }))
        .execute()
    })
    assert.equal((await place.providers.list()).length, 1)
    await place.base.metadata.write(off, undefined)
    place.base.advance(1001)
    assert.deepEqual(await place.providers.list(), [])
  })
})
