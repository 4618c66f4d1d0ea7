import assert from 'node:assert/strict'
import { createServer, type AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import type { LdapSettings, SettingsInputs } from '#api/provider-settings.ts'
import { createAddressGuard } from '#lib/address-guard.ts'
import { systemPorts } from '#lib/ports.ts'
import { LdapDirectory } from './ldap-directory.ts'
import { completeSettings } from './provider-settings.ts'
import { startFakeLdap, type FakeDirectory, type FakeEntry } from './test-ldap-server.ts'

const base = 'dc=example,dc=org'
const alice: FakeEntry = { dn: `uid=alice,${base}`, attributes: { entryUUID: ['id-1'], uid: ['alice'], memberof: [`cn=devs,${base}`] } }
const good: FakeDirectory = {
  bind: (dn, password) => (password === 'right' || dn.startsWith('cn=reader') ? { code: 0 } : { code: 49 }),
  search: () => [alice],
}

function open(urls: readonly string[], change: SettingsInputs['ldap'] = {}): LdapDirectory {
  const settings = completeSettings('ldap', {
    urls,
    searchBase: base,
    bindDn: `cn=reader,${base}`,
    timeoutMs: 400,
    ...change,
  }) as LdapSettings
  return new LdapDirectory({ settings, bindPassword: 'reader', guard: createAddressGuard(['loopback']), ports: systemPorts })
}

function within(ms: number, startedAt: number): void {
  const elapsedMs = performance.now() - startedAt
  assert.ok(elapsedMs < ms, `${elapsedMs} ms`)
}

suite('an LDAP directory', () => {
  test('searches share connections, passwords are tried on their own, which are closed', async () => {
    await using server = await startFakeLdap(good)
    using directory = open([server.url], { poolSize: 2 })
    for (let logins = 0; logins < 5; logins++) assert.equal((await directory.signIn('alice', 'right')).kind, 'person')
    assert.equal(server.counts.opened, 6)
    await Promise.all(Array.from({ length: 20 }, () => directory.lookUp('alice')))
    assert.ok(server.counts.opened <= 7)
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.ok(server.counts.open <= 2)
  })

  test('attributes are found whatever case the server writes them in', async () => {
    await using server = await startFakeLdap(good)
    using directory = open([server.url], { attributes: { id: 'ENTRYUUID', name: 'UID' } })
    const found = await directory.lookUp('alice')
    assert.ok(found.kind === 'person')
    assert.deepEqual([found.person.id, found.person.name, [...found.groups.keys()]], ['id-1', 'alice', [`cn=devs,${base}`]])
  })

  test('an identifier of bytes is written in hexadecimal', async () => {
    const entry = { dn: alice.dn, attributes: { objectGUID: [Buffer.from('00ff80c3', 'hex')], uid: ['alice'] } }
    await using server = await startFakeLdap({ ...good, search: () => [entry] })
    using directory = open([server.url], { attributes: { id: 'objectguid' } })
    const found = await directory.lookUp('alice')
    assert.ok(found.kind === 'person' && found.person.id === '00ff80c3')
  })

  for (const [what, attributes, reason] of [
    ['a disabled AD account', { userAccountControl: ['514'] }, 'disabled'],
    ['a locked entry of 389', { nsAccountLock: ['TRUE'] }, 'disabled'],
    ['an entry that is locked for good', { pwdAccountLockedTime: ['000001010000Z'] }, 'locked'],
    ['an expired AD account', { accountExpires: ['132223104000000000'] }, 'expired'],
  ] as const) {
    test(`${what} is not let in, with a password or without`, async () => {
      await using server = await startFakeLdap({
        ...good,
        search: () => [{ dn: alice.dn, attributes: { ...alice.attributes, ...attributes } }],
      })
      using directory = open([server.url])
      for (const found of [await directory.signIn('alice', 'right'), await directory.lookUp('alice'), await directory.findAgain('id-1')])
        assert.equal(found.kind === 'refused' && found.refusal.reason, reason)
    })
  }

  test('an account that never expires, or in the year 2200, is let in', async () => {
    for (const accountExpires of ['0', '9223372036854775807', '188916192000000000']) {
      await using server = await startFakeLdap({
        ...good,
        search: () => [{ dn: alice.dn, attributes: { ...alice.attributes, accountExpires: [accountExpires] } }],
      })
      using directory = open([server.url])
      assert.equal((await directory.lookUp('alice')).kind, 'person')
    }
  })

  for (const [data, reason] of [
    ['52e', 'wrong-password'],
    ['525', 'wrong-password'],
    ['530', 'not-now'],
    ['532', 'password-expired'],
    ['533', 'disabled'],
    ['701', 'expired'],
    ['773', 'password-expired'],
    ['775', 'locked'],
    ['80090308', 'wrong-password'],
  ] as const) {
    test(`Active Directory's data ${data} is told as ${reason}`, async () => {
      const message = `80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data ${data}, v4563`
      await using server = await startFakeLdap({
        ...good,
        bind: (dn) => (dn.startsWith('cn=reader') ? { code: 0 } : { code: 49, message }),
      })
      using directory = open([server.url])
      const found = await directory.signIn('alice', 'x')
      assert.equal(found.kind === 'refused' && found.refusal.reason, reason)
    })
  }

  for (const [what, directory, reason] of [
    [
      'wants encryption',
      { ...good, bind: () => ({ code: 8, message: 'BindSimple: Transport encryption required.' }) },
      'strong-auth-required',
    ],
    ['refers elsewhere', { ...good, search: () => ({ code: 10 }) }, 'referral'],
    ['has no such base', { ...good, search: () => ({ code: 32 }) }, 'no-such-base'],
    ['refuses the bind account', { ...good, bind: () => ({ code: 49 }) }, 'bad-bind'],
    ['forbids the search', { ...good, search: () => ({ code: 50 }) }, 'insufficient-access'],
    ['never answers the bind', { ...good, bind: () => 'silence' as const }, 'timeout'],
    ['never answers the search', { ...good, search: () => 'silence' as const }, 'timeout'],
    ['hangs up at the search', { ...good, search: () => 'hang-up' as const }, 'unreachable'],
  ] satisfies readonly (readonly [string, FakeDirectory, string])[]) {
    test(`a server that ${what} is a failure (${reason}), within the deadline, never a wrong password`, async () => {
      await using server = await startFakeLdap(directory)
      using ldap = open([server.url])
      const startedAt = performance.now()
      await assert.rejects(ldap.signIn('alice', 'right'), { name: 'LdapFailure', reason })
      within(900, startedAt)
    })
  }

  test('the first server of the list that answers is used, and a dead one is left alone for a while', async () => {
    await using dead = await startFakeLdap({ ...good, bind: () => 'silence' })
    await using living = await startFakeLdap(good)
    using directory = open(['ldap://127.0.0.1:1', dead.url, living.url], { timeoutMs: 900 })
    assert.equal((await directory.lookUp('alice')).kind, 'person')
    const asked = dead.counts.opened
    const startedAt = performance.now()
    assert.equal((await directory.signIn('alice', 'right')).kind, 'person')
    within(200, startedAt)
    assert.equal(dead.counts.opened, asked)
  })

  test('when all servers have failed just now the failure is given without asking', async () => {
    await using server = await startFakeLdap({ ...good, bind: () => 'hang-up' })
    using directory = open([server.url])
    await assert.rejects(directory.lookUp('alice'), { name: 'LdapFailure' })
    const asked = server.counts.opened
    await assert.rejects(directory.lookUp('alice'), { name: 'LdapFailure' })
    assert.equal(server.counts.opened, asked)
  })

  test('a kept connection that the server closed is replaced, once', async () => {
    await using server = await startFakeLdap(good)
    using directory = open([server.url])
    await directory.lookUp('alice')
    server.closeConnections()
    assert.equal((await directory.lookUp('alice')).kind, 'person')
  })

  test('an answer without end is given up, and memory with it', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy())
      socket.on('data', () => {
        // A message of 2 GiB is announced, and goes on and on.
        socket.write(Buffer.from([0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]))
        const more = () => socket.destroyed || (socket.write(Buffer.alloc(1 << 20)) ? setImmediate(more) : socket.once('drain', more))
        more()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    using directory = open([`ldap://127.0.0.1:${(server.address() as AddressInfo).port}`], { timeoutMs: 3000 })
    await assert.rejects(directory.lookUp('alice'), { name: 'LdapFailure' })
    await new Promise((resolve) => server.close(resolve))
  })

  test('bytes that are no LDAP are a failure', async () => {
    for (const bytes of ['HTTP/1.1 400 Bad Request\r\n\r\n', '\u0030\u0003\u0002\u0001', '\u0000'.repeat(100)]) {
      const server = createServer((socket) => {
        socket.on('error', () => socket.destroy())
        socket.on('data', () => socket.end(bytes))
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      using directory = open([`ldap://127.0.0.1:${(server.address() as AddressInfo).port}`])
      await assert.rejects(directory.lookUp('alice'), { name: 'LdapFailure' })
      await new Promise((resolve) => server.close(resolve))
    }
  })

  test('empty and endless names and passwords reach no server', async () => {
    await using server = await startFakeLdap({ ...good, bind: () => ({ code: 0 }) })
    using directory = open([server.url])
    for (const [name, password] of [
      ['alice', ''],
      ['', 'x'],
      ['alice', 'a\0b'],
      ['a\0', 'x'],
      ['a'.repeat(257), 'x'],
      ['alice', 'x'.repeat(1025)],
    ] as const)
      assert.deepEqual(await directory.signIn(name, password), { kind: 'nobody' })
    assert.equal(server.counts.opened, 0)
  })

  test('who is not there costs a bind as a wrong password does', async () => {
    await using server = await startFakeLdap({ ...good, search: () => [] })
    using directory = open([server.url])
    assert.deepEqual(await directory.signIn('nobody', 'x'), { kind: 'nobody' })
    assert.equal(server.counts.binds, 2)
  })
})
