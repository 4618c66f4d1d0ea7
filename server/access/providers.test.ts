import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { findUserFacts } from '#metadata/account-facts.ts'
import { findProviderFacts } from '#metadata/provider-facts.ts'
import { providerRecord } from '#metadata/providers.ts'
import { transaction } from '#metadata/transaction.ts'
import { ensureAdministrator } from './administrator.ts'
import { ensureLocalProvider } from './local-provider.ts'
import { onboard } from './onboard.ts'
import { createProvider, deleteProvider, listProviders, readProvider, updateProvider } from './providers.ts'
import { openSecrets } from './provider-secrets.ts'
import { makeTestDirectory, testWho, type TestDirectory } from './test-vouched.ts'

const by = { who: testWho }
const ldap = { urls: ['ldaps://dc1.example.test'], searchBase: 'dc=example,dc=test', bindDn: 'cn=reader,dc=example,dc=test' }

const setPassword = transaction(
  import.meta.url,
  'providers-test/set-hash',
  async (tx, change: { readonly name: string; readonly hash: string }) => {
    await tx.updateTable('users').set({ password_hash: change.hash }).where('name', '=', change.name).execute()
  },
)

function make(
  directory: TestDirectory,
  settings: Readonly<Record<string, unknown>> = { ...ldap, bindPassword: 'canary-1' },
  name = 'corp',
) {
  return createProvider(directory, { name, kind: 'ldap', title: 'Corp', isEnabled: true, settings }, by)
}

async function secretsIn(directory: TestDirectory, name = 'corp') {
  const record = await providerRecord(directory.metadata.reader, name)
  assert.ok(record !== undefined)
  return openSecrets(directory, record)
}

function person(directory: TestDirectory, providerId: number, facts: { readonly name: string; readonly isAdministrator?: boolean }) {
  const { name, isAdministrator } = facts
  const identity = {
    issuer: 'i',
    subject: name,
    name,
    displayName: '',
    email: '',
    groups: ['cn=devs,dc=x'],
    isAdministrator,
    attributes: {},
  }
  return onboard(directory, { providerId, identity }, testWho)
}

async function eventsOf(directory: TestDirectory) {
  return await directory.metadata.reader.selectFrom('events').select(['action', 'target', 'detail']).orderBy('id').execute()
}

suite('identity providers', () => {
  test('a provider is made with defaults, and its secret is sealed and never shown', async () => {
    await using directory = await makeTestDirectory()
    const made = await make(directory)
    assert.deepEqual([made.name, made.kind, made.isEnabled, made.version], ['corp', 'ldap', true, 1])
    assert.equal(made.settings['hasBindPassword'], true)
    assert.equal(made.settings['groupsLifetimeSeconds'], 300)
    assert.deepEqual(await secretsIn(directory), { bindPassword: 'canary-1' })
    const rows = await directory.metadata.reader.selectFrom('providers').selectAll().execute()
    const told = JSON.stringify([
      made,
      await listProviders(directory),
      await eventsOf(directory),
      rows.map((row) => ({ ...row, secrets: row.secrets?.toString('latin1') })),
    ])
    assert.ok(!told.includes('canary-1'))
    assert.deepEqual((await findProviderFacts(directory.metadata.reader, { name: 'corp' }))?.isEnabled, true)
  })

  test('names that are taken, reserved or odd are refused', async () => {
    await using directory = await makeTestDirectory()
    await ensureLocalProvider(directory.metadata, directory.ports.clock)
    await make(directory)
    await assert.rejects(make(directory), { code: 'CONFLICT' })
    await assert.rejects(make(directory, ldap, 'local'), { code: 'CONFLICT' })
    for (const name of ['', 'Corp', '-a', 'a/b', '../a', 'a'.repeat(65), 'a b'])
      await assert.rejects(make(directory, ldap, name), { code: 'REQUEST_INVALID' }, name)
  })

  for (const [what, change] of Object.entries({
    'no URL': { urls: [] },
    'an http URL': { urls: ['http://dc1'] },
    'a URL with a password': { urls: ['ldap://u:p@dc1'] },
    'a URL with a path': { urls: ['ldap://dc1/dc=x'] },
    'a search base that is no DN': { searchBase: 'example' },
    'a group that is no DN': { adminGroups: ['admins'] },
    'a filter without a placeholder': { userFilter: '(uid=alice)' },
    'a filter that is none': { userFilter: '(uid={input}' },
    'an unknown member': { isAdmin: true },
    'an unknown member within': { groups: { x: 1 } },
    'an empty secret': { bindPassword: '' },
    'no number': { timeoutMs: '5' },
    'too long a deadline': { timeoutMs: 1e9 },
    'an odd attribute': { attributes: { name: 'uid)(x=' } },
    'authorities that are none': { authorities: 'trust me' },
  })) {
    test(`settings with ${what} are refused`, async () => {
      await using directory = await makeTestDirectory()
      await assert.rejects(make(directory, { ...ldap, ...change }), { code: 'REQUEST_INVALID' })
      assert.deepEqual(await listProviders(directory), [])
    })
  }

  test('a change keeps what is not said, counts the version, and refuses an old one', async () => {
    await using directory = await makeTestDirectory()
    await make(directory)
    const update = (settings: unknown, expectedVersion?: number) =>
      updateProvider(directory, { name: 'corp', expectedVersion, set: { settings } }, by)
    const changed = await update({ groups: { nested: true } }, 1)
    assert.equal(changed.version, 2)
    assert.deepEqual(
      [changed.settings['bindDn'], (changed.settings['groups'] as { readonly filter: string }).filter],
      [ldap.bindDn, '(member={dn})'],
    )
    assert.equal(changed.settings['hasBindPassword'], true)
    await assert.rejects(update({ timeoutMs: 1000 }, 1), { code: 'PRECONDITION_FAILED' })
    assert.equal((await update({ bindPassword: null })).settings['hasBindPassword'], false)
    await assert.rejects(updateProvider(directory, { name: 'nobody', expectedVersion: undefined, set: {} }, by), {
      code: 'RESOURCE_UNKNOWN',
    })
  })

  for (const [what, change] of Object.entries({
    'another server': { urls: ['ldaps://evil.example.test'] },
    'one server more': { urls: [...ldap.urls, 'ldaps://evil.example.test'] },
    'the same server without TLS': { urls: ['ldap://dc1.example.test'] },
    'no verification': { verifyCertificate: false },
    'other authorities': { authorities: '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----' },
    'another bind account': { bindDn: 'cn=other,dc=x' },
  })) {
    test(`the secret does not follow a change to ${what}, unless it is given again`, async () => {
      await using directory = await makeTestDirectory()
      await make(directory)
      const update = (settings: unknown) => updateProvider(directory, { name: 'corp', expectedVersion: undefined, set: { settings } }, by)
      assert.equal((await update(change)).settings['hasBindPassword'], false)
      assert.deepEqual(await secretsIn(directory), {})
      assert.match((await eventsOf(directory)).at(-1)?.detail ?? '', /bindPassword \(forgotten\)/)
      await update({ ...ldap, bindPassword: 'canary-2' })
      assert.equal((await update({ ...change, bindPassword: 'canary-3' })).settings['hasBindPassword'], true)
    })
  }

  test('who only a provider opens that is switched off is as disabled until it is on again; a password, or another provider, keeps the account', async () => {
    await using directory = await makeTestDirectory()
    const { reader } = directory.metadata
    const corp = await make(directory)
    const plant = await make(directory, { ...ldap, bindPassword: 'canary-2' }, 'plant')
    for (const name of ['only-corp', 'with-password']) await person(directory, corp.id, { name })
    await person(directory, plant.id, { name: 'only-plant' })
    await directory.metadata.write(setPassword, { name: 'with-password', hash: 'x' })
    const isDisabled = async (name: string) => (await findUserFacts(reader, { name }))?.isDisabled
    const all = async () => await Promise.all(['only-corp', 'with-password', 'only-plant'].map(isDisabled))
    const turn = async (isEnabled: boolean) => {
      await updateProvider(directory, { name: 'corp', expectedVersion: undefined, set: { isEnabled } }, by)
    }
    assert.deepEqual(await all(), [false, false, false])
    await turn(false)
    assert.deepEqual(await all(), [true, false, false])
    await turn(true)
    assert.deepEqual(await all(), [false, false, false])
  })

  test('a secret stays when a server is taken away or the order of servers changes', async () => {
    await using directory = await makeTestDirectory()
    await make(directory, { ...ldap, urls: ['ldaps://a', 'ldaps://b'], bindPassword: 'canary' })
    for (const urls of [['ldaps://b', 'ldaps://a'], ['ldaps://b']]) {
      const changed = await updateProvider(directory, { name: 'corp', expectedVersion: undefined, set: { settings: { urls } } }, by)
      assert.equal(changed.settings['hasBindPassword'], true)
    }
  })

  test('an OIDC secret does not follow the issuer', async () => {
    await using directory = await makeTestDirectory()
    const settings = { issuer: 'https://id.example.test', clientId: 'berth', clientSecret: 'canary' }
    const made = await createProvider(directory, { name: 'id', kind: 'oidc', title: 'Id', isEnabled: true, settings }, by)
    assert.equal(made.settings['hasClientSecret'], true)
    const moved = await updateProvider(
      directory,
      { name: 'id', expectedVersion: undefined, set: { settings: { issuer: 'https://evil.example.test' } } },
      by,
    )
    assert.equal(moved.settings['hasClientSecret'], false)
    for (const issuer of ['https://u:p@id.example.test', 'https://2130706433/', 'http://0x7f.1'])
      await assert.rejects(
        updateProvider(directory, { name: 'id', expectedVersion: undefined, set: { settings: { issuer } } }, by),
        { code: 'REQUEST_INVALID' },
        issuer,
      )
  })

  test('settings of another kind are refused', async () => {
    await using directory = await makeTestDirectory()
    await make(directory)
    const update = (settings: unknown) => updateProvider(directory, { name: 'corp', expectedVersion: undefined, set: { settings } }, by)
    await assert.rejects(update({ issuer: 'https://id.example.test' }), { code: 'REQUEST_INVALID' })
    await assert.rejects(update({ clientSecret: 'x' }), { code: 'REQUEST_INVALID' })
  })

  test('providers move within the order', async () => {
    await using directory = await makeTestDirectory()
    for (const name of ['a', 'b', 'c']) await make(directory, ldap, name)
    const order = async () => (await listProviders(directory)).map(({ name }) => name)
    const move = (name: string, position: number) => updateProvider(directory, { name, expectedVersion: undefined, set: { position } }, by)
    await move('c', 1)
    assert.deepEqual(await order(), ['c', 'a', 'b'])
    await move('c', 99)
    assert.deepEqual(await order(), ['a', 'b', 'c'])
  })

  test('the local provider is there from the first start, cannot be deleted, and goes off only when another administrator can come in', async () => {
    await using directory = await makeTestDirectory()
    await ensureAdministrator(directory.metadata, directory.ports)
    await ensureLocalProvider(directory.metadata, directory.ports.clock)
    assert.deepEqual(
      (await listProviders(directory)).map(({ name, isEnabled }) => [name, isEnabled]),
      [['local', true]],
    )
    await assert.rejects(deleteProvider(directory, { name: 'local', expectedVersion: undefined, force: true }, by), { code: 'CONFLICT' })
    const off = (name: string) => updateProvider(directory, { name, expectedVersion: undefined, set: { isEnabled: false } }, by)
    await assert.rejects(off('local'), { code: 'CONFLICT' })
    assert.equal((await readProvider(directory, 'local')).isEnabled, true)
    const corp = await make(directory)
    await person(directory, corp.id, { name: 'bob' })
    await assert.rejects(off('local'), { code: 'CONFLICT' })
    await person(directory, corp.id, { name: 'alice', isAdministrator: true })
    assert.equal((await off('local')).isEnabled, false)
    await assert.rejects(off('corp'), { code: 'CONFLICT' })
    await assert.rejects(deleteProvider(directory, { name: 'corp', expectedVersion: undefined, force: true }, by), { code: 'CONFLICT' })
    assert.ok(await readProvider(directory, 'corp'))
  })

  test('deleting says what depends on it; with force, who came only by it is disabled and flags that it gave go', async () => {
    await using directory = await makeTestDirectory()
    await ensureAdministrator(directory.metadata, directory.ports)
    const corp = await make(directory)
    await person(directory, corp.id, { name: 'alice', isAdministrator: true })
    await person(directory, corp.id, { name: 'bob', isAdministrator: true })
    await directory.metadata.write(setPassword, { name: 'bob', hash: '$argon2id$x' })
    const remove = (force: boolean) => deleteProvider(directory, { name: 'corp', expectedVersion: undefined, force }, by)
    await assert.rejects(remove(false), { code: 'CONFLICT', message: /2 accounts/ })
    await remove(true)
    const users = await directory.metadata.reader.selectFrom('users').select(['name', 'is_admin', 'is_disabled']).orderBy('id').execute()
    assert.deepEqual(
      users.map((user) => [user.name, user.is_admin, user.is_disabled]),
      [
        ['admin', 1, 0],
        ['alice', 0, 1],
        ['bob', 0, 0],
      ],
    )
    assert.deepEqual(await directory.metadata.reader.selectFrom('groups').selectAll().execute(), [])
    await assert.rejects(remove(true), { code: 'RESOURCE_UNKNOWN' })
  })

  test('a secret that was sealed under a lost key counts as not set, and everything else goes on', async () => {
    await using directory = await makeTestDirectory()
    await make(directory)
    const { createSecretBox } = await import('./secret-box.ts')
    const other = { ...directory, secrets: createSecretBox([Buffer.alloc(32, 9)], directory.ports.random) }
    assert.equal((await readProvider(other, 'corp')).settings['hasBindPassword'], false)
    assert.ok(directory.lines.some((line) => line.includes('cannot be opened')))
  })
})
