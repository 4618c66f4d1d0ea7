import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { pino } from 'pino'
import { createAddressGuard } from '#lib/address-guard.ts'
import { systemPorts } from '#lib/ports.ts'
import { createLdapProvider, type LdapProvider } from '#access/ldap-provider.ts'
import { completeSettings } from '#access/provider-settings.ts'
import type { LdapSettings, SettingsInputs } from '#api/provider-settings.ts'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { startBerth } from '../support/start-berth.ts'
import { administratorPassword, missingPrograms, startSlapd, type DirectoryServer } from './directories.ts'
import { run, runRefused } from '../support/run-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const skip = missingPrograms('skopeo', 'slapd', 'slapadd', 'ldapsearch', 'ldapmodify') ?? false
const guard = createAddressGuard(['loopback'])
const devs = 'cn=devs,ou=groups,dc=example,dc=org'
const all = 'cn=all,ou=groups,dc=example,dc=org'
const circle = 'cn=circle,ou=groups,dc=example,dc=org'
const smith = String.raw`cn=smith\, jo (ops),ou=groups,dc=example,dc=org`

describe('a real OpenLDAP', { skip }, () => {
  let slapd: DirectoryServer
  let deaf: Server
  const lines: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) })

  before(async () => {
    slapd = await startSlapd({ extraGroups: 1200 })
    deaf = createServer(() => undefined)
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve))
  })
  after(async () => {
    deaf?.close()
    await slapd?.[Symbol.asyncDispose]()
  })

  function open(change: SettingsInputs['ldap'] = {}, bindPassword = slapd.bindPassword): LdapProvider {
    const { ldapUrl, bindDn, searchBase } = slapd
    const settings = completeSettings('ldap', { urls: [ldapUrl], bindDn, searchBase, ...change }) as LdapSettings
    return createLdapProvider({ id: 1, name: 'corp' }, { settings, bindPassword, guard, ports: systemPorts }, log)
  }

  test('the right password opens, and says who it is and in which groups', async () => {
    using provider = open()
    const alice = await provider.verify('alice', 'alice-Passw0rd')
    assert.ok(alice !== undefined)
    assert.match(alice.subject, /^[0-9a-f-]{36}$/)
    assert.deepEqual([alice.name, alice.displayName, alice.email], ['alice', 'Alice A', 'alice@example.org'])
    assert.deepEqual([...alice.groups].toSorted(), [devs, smith].toSorted())
    assert.equal(alice.isAdministrator, undefined)
    assert.equal((await provider.verify('carol', 'carol-Passw0rd'))?.displayName, 'Carol Ç')
  })

  test('wrong, empty and other people’s passwords do not open, nor does a name that nobody has', async () => {
    using provider = open()
    for (const [name, password] of [
      ['alice', 'wrong'],
      ['alice', ''],
      ['alice', 'bob-Passw0rd'],
      ['alice', 'alice-Passw0rd\0'],
      ['', 'alice-Passw0rd'],
      ['nobody', 'alice-Passw0rd'],
      ['a'.repeat(300), 'x'],
      ['alice', 'x'.repeat(5000)],
    ] as const)
      assert.equal(await provider.verify(name, password), undefined, `${name}:${password.slice(0, 20)}`)
  })

  for (const input of [
    '*',
    'a*',
    '*)(uid=*',
    'alice)(|(uid=*',
    '*)(objectClass=*))(|(uid=alice',
    'alice)(&(uid=alice',
    String.raw`alic\65`,
    'ALICE\0',
    'alice)(memberOf=*',
  ]) {
    test(`the name ${JSON.stringify(input)} finds nobody`, async () => {
      using provider = open()
      assert.equal(await provider.verify(input, 'alice-Passw0rd'), undefined)
    })
  }

  test('names are one account whatever their case', async () => {
    using provider = open()
    const [one, other, twin] = [
      await provider.verify('alice', 'alice-Passw0rd'),
      await provider.verify('ALICE', 'alice-Passw0rd'),
      await provider.verify('twin', 'Twin-Passw0rd'),
    ]
    assert.deepEqual(one, other)
    assert.equal(twin?.name, 'twin')
  })

  test('a filter that finds several lets nobody in', async () => {
    using provider = open({ userFilter: '(|(uid={input})(objectClass=inetOrgPerson))' })
    assert.equal(await provider.verify('alice', 'alice-Passw0rd'), undefined)
    assert.ok(lines.some((line) => line.includes('finds several entries')))
  })

  test('the scope of one level does not look deeper', async () => {
    using provider = open({ searchBase: 'ou=people,dc=example,dc=org', searchScope: 'one' })
    assert.ok(await provider.verify('alice', 'alice-Passw0rd'))
    assert.equal(await provider.verify('twin', 'Twin-Passw0rd'), undefined)
  })

  test('groups of groups count where they are wanted, circles included', async () => {
    using byAttribute = open({ groups: { nested: true } })
    using bySearch = open({ groups: { source: 'search', searchBase: 'ou=groups,dc=example,dc=org', nested: true } })
    using direct = open({ groups: { source: 'search' } })
    using none = open({ groups: { source: 'none' } })
    const nested = [devs, smith, all, circle].toSorted()
    for (const provider of [byAttribute, bySearch])
      assert.deepEqual([...((await provider.verify('alice', 'alice-Passw0rd'))?.groups ?? [])].toSorted(), nested)
    assert.deepEqual([...((await direct.verify('alice', 'alice-Passw0rd'))?.groups ?? [])].toSorted(), [devs, smith].toSorted())
    assert.deepEqual((await none.verify('alice', 'alice-Passw0rd'))?.groups, [])
  })

  test('administrators and required groups are told by DN, however it is written', async () => {
    using provider = open({ adminGroups: ['CN=Devs, OU=Groups,DC=example,DC=org'] })
    assert.equal((await provider.verify('alice', 'alice-Passw0rd'))?.isAdministrator, true)
    assert.equal((await provider.verify('bob', 'bob-Passw0rd'))?.isAdministrator, false)
    using closed = open({ requiredGroups: [String.raw`cn=Smith\2C Jo (ops),ou=groups,dc=example,dc=org`] })
    assert.ok(await closed.verify('alice', 'alice-Passw0rd'))
    assert.equal(await closed.verify('bob', 'bob-Passw0rd'), undefined)
  })

  test('people in a group of 2,000 and in 1,200 groups log in within the deadline', async () => {
    for (const groups of [{}, { source: 'search' }, { nested: true }] as const) {
      using provider = open({ groups })
      const started = performance.now()
      const carol = await provider.verify('carol', 'carol-Passw0rd')
      assert.equal(carol?.groups.length, 1201)
      assert.ok(performance.now() - started < 4000, `${JSON.stringify(groups)}: ${performance.now() - started} ms`)
      assert.equal((await provider.verify('user1999', 'user1999-Passw0rd'))?.groups.length, 1)
    }
  })

  test('a person is found again by identifier, and not when they no longer fit the filter or are gone', async () => {
    using provider = open()
    const bob = await provider.verify('bob', 'bob-Passw0rd')
    assert.ok(bob !== undefined)
    assert.deepEqual(await provider.refresh(bob), bob)
    using other = open({ userFilter: '(&(memberOf=cn=Devs,ou=groups,dc=example,dc=org)(uid={input}))' })
    assert.equal(await other.refresh(bob), undefined)
    assert.equal(await provider.refresh({ issuer: 'ldap:uid', subject: bob.subject }), undefined)
    assert.equal(await provider.refresh({ ...bob, subject: '*' }), undefined)
    await slapd.change('dn: uid=bob,ou=people,dc=example,dc=org\nchangetype: delete\n')
    assert.equal(await provider.refresh(bob), undefined)
    assert.equal(await provider.verify('bob', 'bob-Passw0rd'), undefined)
    // The same name again is somebody else.
    await slapd.change(
      'dn: uid=bob,ou=people,dc=example,dc=org\nchangetype: add\nobjectClass: inetOrgPerson\nuid: bob\ncn: Bob B\nsn: S\nmail: bob@example.org\nuserPassword: bob-Passw0rd\n',
    )
    assert.notEqual((await provider.verify('bob', 'bob-Passw0rd'))?.subject, bob.subject)
  })

  test('TLS: an own authority is trusted, no authority and a wrong name are not', async () => {
    const { authority } = slapd.certificates
    using trusted = open({ urls: [slapd.ldapsUrl], authorities: authority })
    assert.ok(await trusted.verify('alice', 'alice-Passw0rd'))
    using started = open({ startTls: true, authorities: authority })
    assert.ok(await started.verify('alice', 'alice-Passw0rd'))
    assert.ok(await started.verify('alice', 'alice-Passw0rd'))
    using unverified = open({ urls: [slapd.ldapsUrl], verifyCertificate: false })
    assert.ok(await unverified.verify('alice', 'alice-Passw0rd'))
    for (const change of [
      { urls: [slapd.ldapsUrl] },
      { startTls: true },
      { urls: [slapd.ldapsUrl.replace('127.0.0.1', '127.0.0.2')], authorities: authority },
    ]) {
      using untrusted = open(change)
      await assert.rejects(untrusted.verify('alice', 'alice-Passw0rd'), { code: 'UNAVAILABLE' }, JSON.stringify(change))
    }
    assert.ok(lines.some((line) => line.includes('put it into authorities')))
  })

  test('a dead server is passed over, quickly the first time and at once afterwards', async () => {
    const { port } = deaf.address() as { readonly port: number }
    for (const dead of ['ldap://127.0.0.1:1', `ldap://127.0.0.1:${port}`, `ldaps://127.0.0.1:${port}`]) {
      using provider = open({ urls: [dead, slapd.ldapUrl], timeoutMs: 2000 })
      const started = performance.now()
      assert.ok(await provider.verify('alice', 'alice-Passw0rd'), dead)
      assert.ok(performance.now() - started < 2000)
      const again = performance.now()
      assert.ok(await provider.verify('alice', 'alice-Passw0rd'))
      assert.ok(performance.now() - again < 500)
    }
  })

  test('a server that never answers ends with the deadline, and many logins do not wait one after the other', async () => {
    const { port } = deaf.address() as { readonly port: number }
    using provider = open({ urls: [`ldap://127.0.0.1:${port}`], timeoutMs: 400, poolSize: 2 })
    const started = performance.now()
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => provider.verify('alice', 'alice-Passw0rd')))
    assert.ok(outcomes.every(({ status }) => status === 'rejected'))
    assert.ok(performance.now() - started < 1500)
  })

  test('a directory that goes away answers UNAVAILABLE, and works again when it is back', async () => {
    using provider = open({ timeoutMs: 1000 })
    assert.ok(await provider.verify('alice', 'alice-Passw0rd'))
    await slapd.stop()
    await assert.rejects(provider.verify('alice', 'alice-Passw0rd'), { code: 'UNAVAILABLE' })
    await assert.rejects(provider.refresh({ issuer: 'ldap:entryuuid', subject: 'x' }), { code: 'UNAVAILABLE' })
    await slapd.restart()
    await new Promise((resolve) => setTimeout(resolve, 2100))
    assert.ok(await provider.verify('alice', 'alice-Passw0rd'))
  })

  test('a connection that the server closed meanwhile is replaced unnoticed', async () => {
    using provider = open()
    assert.ok(await provider.verify('alice', 'alice-Passw0rd'))
    await slapd.stop()
    await slapd.restart()
    assert.ok(await provider.verify('alice', 'alice-Passw0rd'))
  })

  test('wrong settings are a fault of the directory, never a wrong password', async () => {
    for (const [change, password] of [
      [{}, 'wrong bind password'],
      [{ searchBase: 'dc=elsewhere' }, undefined],
      [{ searchBase: 'no dn' }, undefined],
      [{ bindDn: 'cn=nobody,dc=example,dc=org' }, undefined],
    ] as const) {
      using provider = open(change, password)
      await assert.rejects(provider.verify('alice', 'alice-Passw0rd'), { code: 'UNAVAILABLE' }, JSON.stringify(change))
    }
  })

  test('loopback is asked only where it is allowed', async () => {
    const settings = completeSettings('ldap', { urls: [slapd.ldapUrl], searchBase: slapd.searchBase }) as LdapSettings
    using provider = createLdapProvider(
      { id: 1, name: 'corp' },
      { settings, bindPassword: '', guard: createAddressGuard(['private']), ports: systemPorts },
      log,
    )
    await assert.rejects(provider.verify('alice', 'alice-Passw0rd'), { code: 'UNAVAILABLE' })
    assert.ok(lines.some((line) => line.includes('outgoing.allowednetworks')))
  })

  test('skopeo logs in with an account of the directory, and not with a wrong password', async () => {
    await using berth = await startBerth({ config: { auth: 'accounts', outgoing: { allowednetworks: ['loopback'] } } })
    const admin = await administratorPassword(berth)
    const settings = { urls: [slapd.ldapUrl], bindDn: slapd.bindDn, bindPassword: slapd.bindPassword, searchBase: slapd.searchBase }
    const made = await sendRequest(`${berth.url}/api/v1/providers`, {
      method: 'POST',
      headers: { authorization: basicAuthorization('admin', admin), 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'corp', kind: 'ldap', settings }),
    })
    assert.equal(made.status, 201, made.body.toString())
    await using work = await temporaryDirectory('skopeo-ldap')
    const login = [
      'skopeo',
      'login',
      '--tls-verify=false',
      '--authfile',
      `${work.path}/auth.json`,
      '-u',
      'alice',
      '--password-stdin',
      berth.host,
    ]
    assert.match((await runRefused(login, { input: 'wrong' })).output, /invalid username\/password|unauthorized/iu)
    assert.match((await run(login, { input: 'alice-Passw0rd' })).output, /Login Succeeded/u)
  })

  test('no password stands in the log', () => {
    for (const secret of ['Passw0rd', slapd.bindPassword, 'wrong bind password'])
      assert.ok(!lines.some((line) => line.includes(secret)), secret)
  })
})
