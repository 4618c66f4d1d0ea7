import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { pino } from 'pino'
import { createAddressGuard } from '#lib/address-guard.ts'
import { systemPorts } from '#lib/ports.ts'
import { createLdapProvider, type LdapProvider } from '#access/ldap-provider.ts'
import { completeSettings } from '#access/provider-settings.ts'
import type { LdapSettings, SettingsInputs } from '#api/provider-settings.ts'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { run, runRefused } from '../support/run-command.ts'
import { startBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { administratorPassword, missingPrograms, startActiveDirectory, type DirectoryServer } from './directories.ts'

const skip = missingPrograms('skopeo', 'samba', 'samba-tool', 'ldapmodify', 'ldapsearch') ?? false
const users = 'cn=users,dc=ad,dc=example,dc=test'

describe('a real Active Directory (Samba)', { skip }, () => {
  let samba: DirectoryServer
  const lines: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) })

  before(async () => {
    samba = await startActiveDirectory()
  })
  after(() => samba?.[Symbol.asyncDispose]())

  function open(change: SettingsInputs['ldap'] = {}): LdapProvider {
    const { groups, ...rest } = change
    const settings = completeSettings('ldap', {
      urls: [samba.ldapUrl],
      bindDn: samba.bindDn,
      searchBase: samba.searchBase,
      userFilter: '(&(objectCategory=person)(objectClass=user)(|(sAMAccountName={input})(userPrincipalName={input})))',
      attributes: { id: 'objectGUID', name: 'sAMAccountName', displayName: 'displayName', email: 'mail' },
      groups: { nested: true, ...groups },
      ...rest,
    }) as LdapSettings
    const guard = createAddressGuard(['loopback'])
    return createLdapProvider({ id: 1, name: 'ad' }, { settings, bindPassword: samba.bindPassword, guard, ports: systemPorts }, log)
  }

  test('sAMAccountName and userPrincipalName open one account, known by objectGUID', async () => {
    using provider = open()
    const alice = await provider.verify('alice', 'alice-Passw0rd')
    assert.ok(alice !== undefined)
    assert.match(alice.subject, /^[0-9a-f]{32}$/)
    assert.deepEqual([alice.name, alice.email], ['alice', 'alice@example.test'])
    assert.deepEqual(await provider.verify('ALICE@ad.example.test', 'alice-Passw0rd'), alice)
    assert.deepEqual(await provider.refresh(alice), alice)
    assert.equal(await provider.verify('alice', 'wrong'), undefined)
    assert.equal(await provider.verify('alice', ''), undefined)
    assert.equal(await provider.verify('*', 'alice-Passw0rd'), undefined)
  })

  test('both forms of the bind account work', async () => {
    for (const bindDn of ['administrator@ad.example.test', 'AD\\administrator', `CN=Administrator,${users}`]) {
      using provider = open({ bindDn })
      assert.ok(await provider.verify('alice', 'alice-Passw0rd'), bindDn)
    }
  })

  test('the chain of groups is followed by the directory itself', async () => {
    const all = [`cn=devs,${users}`, `cn=all (staff),${users}`, `cn=company,${users}`].toSorted()
    using provider = open()
    using bySearch = open({ groups: { source: 'search' } })
    using direct = open({ groups: { nested: false } })
    for (const each of [provider, bySearch])
      assert.deepEqual([...((await each.verify('alice', 'alice-Passw0rd'))?.groups ?? [])].toSorted(), all)
    assert.deepEqual((await direct.verify('alice', 'alice-Passw0rd'))?.groups, [`cn=devs,${users}`])
    using admins = open({ adminGroups: [`CN=Company,${users}`] })
    assert.equal((await admins.verify('alice', 'alice-Passw0rd'))?.isAdministrator, true)
    assert.equal((await admins.verify('bob', 'bob-Passw0rd'))?.isAdministrator, false)
  })

  test('disabled accounts and passwords that must be changed do not open, and the log says why', async () => {
    using provider = open()
    assert.equal(await provider.verify('frank', 'frank-Passw0rd'), undefined)
    assert.equal(await provider.verify('erin', 'erin-Passw0rd'), undefined)
    const told = lines.join('\n')
    assert.match(told, /"reason":"disabled"/)
    assert.match(told, /"reason":"password-expired"/)
  })

  test('an account that is disabled or loses a group is seen so at the next refresh', async () => {
    using provider = open({ adminGroups: [`CN=Company,${users}`] })
    const alice = await provider.verify('alice', 'alice-Passw0rd')
    assert.ok(alice !== undefined)
    await samba.change(`dn: CN=Devs,${users}\nchangetype: modify\ndelete: member\nmember: CN=alice,${users}\n`)
    const later = await provider.refresh(alice)
    assert.deepEqual([later?.groups, later?.isAdministrator], [[], false])
    await samba.change(`dn: CN=alice,${users}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 514\n`)
    assert.equal(await provider.refresh(alice), undefined)
    await samba.change(`dn: CN=alice,${users}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 512\n`)
    assert.ok(await provider.refresh(alice))
  })

  test('LDAPS and StartTLS work', async () => {
    // Samba makes its certificate for its own name, so that it is trusted but not called 127.0.0.1.
    for (const change of [{ urls: [samba.ldapsUrl] }, { startTls: true }]) {
      using provider = open({ ...change, verifyCertificate: false })
      assert.ok(await provider.verify('bob', 'bob-Passw0rd'))
      using verified = open({ ...change, authorities: samba.certificates.authority })
      await assert.rejects(verified.verify('bob', 'bob-Passw0rd'), { code: 'UNAVAILABLE' })
    }
    assert.match(lines.join('\n'), /its certificate is for another name/)
  })

  test('skopeo logs in with an account of the domain, by either name', async () => {
    await using berth = await startBerth({ config: { auth: 'accounts', outgoing: { allowednetworks: ['loopback'] } } })
    const admin = await administratorPassword(berth)
    const { bindDn, bindPassword, searchBase, ldapUrl } = samba
    const userFilter = '(&(objectCategory=person)(|(sAMAccountName={input})(userPrincipalName={input})))'
    const settings = {
      urls: [ldapUrl],
      bindDn,
      bindPassword,
      searchBase,
      userFilter,
      attributes: { id: 'objectGUID', name: 'sAMAccountName' },
    }
    const made = await sendRequest(`${berth.url}/api/v1/providers`, {
      method: 'POST',
      headers: { authorization: basicAuthorization('admin', admin), 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'ad', kind: 'ldap', settings }),
    })
    assert.equal(made.status, 201, made.body.toString())
    await using work = await temporaryDirectory('skopeo-ad')
    for (const name of ['bob', 'bob@ad.example.test']) {
      const login = [
        'skopeo',
        'login',
        '--tls-verify=false',
        '--authfile',
        `${work.path}/auth.json`,
        '-u',
        name,
        '--password-stdin',
        berth.host,
      ]
      assert.match((await runRefused(login, { input: 'wrong' })).output, /invalid username\/password|unauthorized/iu)
      assert.match((await run(login, { input: 'bob-Passw0rd' })).output, /Login Succeeded/u)
    }
  })

  test('a directory that wants encryption says so in a sentence of its own', async () => {
    await samba[Symbol.asyncDispose]()
    samba = await startActiveDirectory({ strongAuth: true })
    using provider = open()
    await assert.rejects(provider.verify('bob', 'bob-Passw0rd'), { code: 'UNAVAILABLE' })
    assert.match(lines.join('\n'), /Strong\(er\) authentication required/)
    using encrypted = open({ urls: [samba.ldapsUrl], verifyCertificate: false })
    assert.ok(await encrypted.verify('bob', 'bob-Passw0rd'))
  })

  test('no password stands in the log', () => {
    for (const secret of ['Passw0rd', samba.bindPassword]) assert.ok(!lines.some((line) => line.includes(secret)), secret)
  })
})
