import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { LdapSettings } from '#api/provider-settings.ts'
import { groupIdsInAnyCase, listGroupRecords } from '#metadata/groups.ts'
import { idOfSubject } from './grant-subject.ts'
import { groupsNamed, type LdapGroups } from './ldap-groups.ts'
import type { LdapPerson } from './ldap-person.ts'
import { identityOf } from './ldap-provider.ts'
import { onboard } from './onboard.ts'
import { completeSettings } from './provider-settings.ts'
import { addTestProvider, insertGroup, makeTestDirectory, testWho, type TestDirectory } from './test-vouched.ts'

const base = 'dc=example,dc=org'
const settings = completeSettings('ldap', { urls: ['ldap://127.0.0.1'], searchBase: base }) as LdapSettings

function personOf(name: string): LdapPerson {
  return { dn: `uid=${name},${base}`, id: `id-${name}`, name, displayName: '', email: '', memberOf: undefined, closed: undefined }
}

async function see(directory: TestDirectory, providerId: number, name: string, groups: LdapGroups): Promise<number> {
  const identity = identityOf(personOf(name), groups, settings)
  assert.ok(typeof identity !== 'string')
  return (await onboard(directory, { providerId, identity }, testWho)).userId
}

const all = { limit: 50, column: 'name', isDescending: false } as const
const groupsIn = async ({ metadata }: TestDirectory) =>
  (await listGroupRecords(metadata.reader, {}, all)).items.map(({ name, externalName }) => [name, externalName])

suite('groups of a directory', () => {
  test('are called as the directory spells them, and are one group however it spells them', async () => {
    await using directory = await makeTestDirectory()
    const providerId = await addTestProvider(directory, 'corp', 'ldap')
    await see(directory, providerId, 'alice', groupsNamed([`CN=Web Devs,OU=Groups,${base}`]))
    await see(directory, providerId, 'bob', groupsNamed([`cn=WEB DEVS,ou=groups,${base.toUpperCase()}`]))
    assert.deepEqual(await groupsIn(directory), [['Web Devs', `cn=web devs,ou=groups,${base}`]])
  })

  test('are called by the attribute that the settings name', async () => {
    await using directory = await makeTestDirectory()
    const providerId = await addTestProvider(directory, 'corp', 'ldap')
    const dn = `cn=1234,${base}`
    await see(directory, providerId, 'alice', new Map([[dn, { dn, name: 'Größe Ops' }]]))
    assert.deepEqual(await groupsIn(directory), [['Größe Ops', dn]])
  })

  test('take no name that a group here has in another case, nor one that is no name', async () => {
    await using directory = await makeTestDirectory()
    const providerId = await addTestProvider(directory, 'corp', 'ldap')
    await directory.metadata.write(insertGroup, 'admins')
    const named = (dn: string, name: string) => new Map([[dn, { dn, name }]])
    await see(directory, providerId, 'alice', named(`cn=admins,${base}`, 'Admins'))
    for (const [index, odd] of [' x', 'a\u202eb', 'a\nb', '', 'x'.repeat(256)].entries())
      await see(directory, providerId, `p${index}`, named(`cn=odd${index},${base}`, odd))
    assert.deepEqual(
      (await groupsIn(directory)).map(([name]) => name),
      ['admins', `cn=admins,${base}`, ...['0', '1', '2', '3', '4'].map((index) => `odd${index}`)],
    )
  })

  test('are found by name in any case, but not where several could be meant', async () => {
    await using directory = await makeTestDirectory()
    const { metadata } = directory
    const providerId = await addTestProvider(directory, 'corp', 'ldap')
    await see(directory, providerId, 'alice', groupsNamed([`CN=Devs,${base}`]))
    const id = await idOfSubject(metadata.reader, 'group', 'Devs')
    assert.ok(id !== undefined)
    for (const name of ['devs', 'DEVS']) assert.equal(await idOfSubject(metadata.reader, 'group', name), id, name)
    await metadata.write(insertGroup, 'devs')
    assert.equal(await idOfSubject(metadata.reader, 'group', 'Devs'), id)
    assert.notEqual(await idOfSubject(metadata.reader, 'group', 'devs'), id)
    await assert.rejects(idOfSubject(metadata.reader, 'group', 'DEVS'), { code: 'REQUEST_INVALID', message: /corp:Devs or local:devs/ })
    assert.equal((await groupIdsInAnyCase(metadata.reader, 'DEVS')).length, 2)
  })
})
