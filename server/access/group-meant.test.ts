import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { listGroupRecords } from '#metadata/groups.ts'
import { findCandidates } from './candidates.ts'
import { groupMeant } from './group-meant.ts'
import { onboard } from './onboard.ts'
import type { ExternalIdentity } from './password-provider.ts'
import { addTestProvider, insertGroup, makeTestDirectory, testWho, type TestDirectory } from './test-vouched.ts'

const base = 'ou=groups,dc=example,dc=org'

/** Somebody of the provider comes, and with them their groups: externalName → as the directory spells it. */
async function come(directory: TestDirectory, providerId: number, groups: Readonly<Record<string, string>>): Promise<void> {
  const identity: ExternalIdentity = {
    issuer: 'issuer',
    subject: 'one',
    name: `person-${providerId}`,
    displayName: '',
    email: '',
    groups: Object.keys(groups),
    groupNames: new Map(Object.entries(groups)),
    isAdministrator: undefined,
    attributes: {},
  }
  await onboard(directory, { providerId, identity }, testWho)
}

async function staged() {
  const directory = await makeTestDirectory()
  const [corp, partner, keycloak] = [
    await addTestProvider(directory, 'corp', 'ldap'),
    await addTestProvider(directory, 'partner', 'ldap'),
    await addTestProvider(directory, 'kc', 'oidc'),
  ]
  const { reader } = directory.metadata
  const meant = async (name: string) => {
    const found = await groupMeant(reader, name)
    if (found.id === undefined) return found.candidates
    const all = await listGroupRecords(reader, {}, { limit: 100, column: 'name', isDescending: false })
    const group = all.items.find(({ id }) => id === found.id)
    return `${group?.provider ?? 'local'} ${group?.externalName ?? group?.name ?? ''}`
  }
  return { directory, corp, partner, keycloak, meant, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() }
}

suite('a name of a group', () => {
  test('that providers share means none of theirs, and with the provider before it that one’s', async () => {
    await using place = await staged()
    const { directory, meant } = place
    await come(directory, place.corp, { [`cn=devs,${base}`]: 'Devs' })
    assert.equal(await meant('devs'), `corp cn=devs,${base}`)
    await come(directory, place.partner, { [`cn=devs,ou=elsewhere,${base}`]: 'devs' })
    await come(directory, place.keycloak, { devs: 'devs' })
    for (const name of ['devs', 'Devs', 'DEVS'])
      assert.deepEqual(await meant(name), ['corp:Devs', `partner:cn=devs,ou=elsewhere,${base}`, 'kc:devs (kc)'], name)
    for (const name of ['corp:devs', 'corp:DEVS', `corp:CN=Devs,${base.toUpperCase()}`, `cn=devs, ${base}`])
      assert.equal(await meant(name), `corp cn=devs,${base}`, name)
    assert.equal(await meant('partner:devs'), `partner cn=devs,ou=elsewhere,${base}`)
    for (const name of ['kc:devs', 'kc:devs (kc)', 'devs (kc)']) assert.equal(await meant(name), 'kc devs', name)
    for (const name of ['local:devs', 'nobody:devs', 'corp:', ':devs', '', ':', 'kc:ops']) assert.deepEqual(await meant(name), [], name)
    // What is listed can be said.
    for (const name of ['corp:Devs', `partner:cn=devs,ou=elsewhere,${base}`]) assert.equal(typeof (await meant(name)), 'string')
  })

  test('that a local group and a provider’s share is refused too, unless they are written otherwise', async () => {
    await using place = await staged()
    const { directory, meant } = place
    await directory.metadata.write(insertGroup, 'ops')
    await come(directory, place.keycloak, { ops: 'ops', 'local:ops': 'local:ops' })
    assert.deepEqual(await meant('ops'), ['local:ops', 'kc:ops (kc)'])
    assert.equal(await meant('kc:ops'), 'kc ops')
    // A provider cannot take the place of a local group by a name that looks like it.
    assert.deepEqual(await meant('local:ops'), ['kc:local:ops', 'local:ops'])
    assert.equal(await meant('kc:local:ops'), 'kc local:ops')
  })

  test('that one directory has twice is refused, and each is said by its DN', async () => {
    await using place = await staged()
    const { directory, meant } = place
    const [first, second] = [`cn=devs,ou=a,${base}`, `cn=devs,ou=b,${base}`]
    await come(directory, place.corp, { [first]: 'devs', [second]: 'devs' })
    for (const name of ['devs', 'corp:devs']) assert.deepEqual(await meant(name), [`corp:${first}`, `corp:${second}`], name)
    assert.equal(await meant(`corp:${first}`), `corp ${first}`)
    assert.equal(await meant(second), `corp ${second}`)
  })

  test('that is a whole DN means a directory’s group, and not one that another provider calls so', async () => {
    await using place = await staged()
    const { directory, meant } = place
    const dn = `cn=secret-ops,${base}`
    await come(directory, place.keycloak, { [dn]: dn })
    assert.deepEqual(await meant(dn), [`kc:${dn}`])
    assert.deepEqual(await meant(dn.toUpperCase()), [`kc:${dn}`])
    assert.equal(await meant(`kc:${dn}`), `kc ${dn}`)
    await come(directory, place.corp, { [dn]: 'secret-ops' })
    assert.equal(await meant(`corp:${dn}`), `corp ${dn}`)
    assert.notEqual(await meant(dn), `kc ${dn}`)
  })

  test('that a directory has in another attribute than the DN is kept beside another’s', async () => {
    await using place = await staged()
    const { directory, meant } = place
    await come(directory, place.corp, { [`cn=1,${base}`]: 'Größe, Ops' })
    await come(directory, place.partner, { [`cn=2,${base}`]: 'Größe, Ops' })
    assert.deepEqual(await meant('Größe, Ops'), ['corp:Größe, Ops', 'partner:Größe, Ops (partner)'])
    assert.equal(await meant('partner:Größe, Ops'), `partner cn=2,${base}`)
  })

  test('is found among candidates with its provider, whatever it is called here', async () => {
    await using place = await staged()
    const { directory } = place
    await come(directory, place.corp, { [`cn=devs,${base}`]: 'devs' })
    await come(directory, place.partner, { [`cn=devs,ou=elsewhere,${base}`]: 'devs' })
    const found = await findCandidates(directory, { namePrefix: 'dev', limit: 10 })
    assert.deepEqual(
      found.map(({ name, provider }) => [name, provider]),
      [
        [`cn=devs,ou=elsewhere,${base}`, 'partner'],
        ['devs', 'corp'],
      ],
    )
  })
})
