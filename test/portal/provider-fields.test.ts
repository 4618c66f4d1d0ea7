import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { secretMembers, settingsChangeSchemas, settingsInputSchemas } from '../../server/api/provider-settings.ts'
import { fieldGroups, formKinds, settingsFrom, typedFrom, type FormKind } from '../../web/src/pages/admin/provider-fields.ts'

interface Schema {
  readonly type?: string
  readonly default?: unknown
  readonly enum?: readonly string[]
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
}

/** What the server takes of a kind, with the members of objects by their paths. */
function membersOf(kind: FormKind): ReadonlyMap<string, Schema> {
  const schema = settingsChangeSchemas[kind] as Schema
  return new Map(
    Object.entries(schema.properties ?? {}).flatMap(([name, member]): [string, Schema][] =>
      member.properties === undefined
        ? [[name, member]]
        : Object.entries(member.properties).map(([inner, each]): [string, Schema] => [`${name}.${inner}`, each]),
    ),
  )
}

const fieldsOf = (kind: FormKind) => fieldGroups[kind].flatMap(({ fields }) => fields)
const nobody: ReadonlySet<string> = new Set()

suite('the form of an identity provider', () => {
  for (const kind of formKinds) {
    test(`has each setting of ${kind} that the server takes, once, and no other`, () => {
      assert.deepEqual(
        fieldsOf(kind)
          .map(({ key }) => key)
          .sort(),
        [...membersOf(kind).keys()].sort(),
      )
    })

    test(`begins with what the server takes of ${kind} unless said, and asks for what has no default`, () => {
      const required = new Set((settingsInputSchemas[kind] as Schema).required)
      for (const { key, byDefault, type } of fieldsOf(kind)) {
        const schema = membersOf(kind).get(key)
        if (secretMembers[kind].includes(key)) assert.equal(type, 'secret', key)
        else if (required.has(key)) assert.equal(byDefault, undefined, key)
        else assert.deepEqual(byDefault, schema?.default, key)
        if (typeof type !== 'string') assert.deepEqual(type, schema?.enum, key)
      }
    })

    test(`sends nothing of ${kind} that was not changed`, () => {
      const before = typedFrom(kind, { issuer: 'https://id.example.com', clientId: 'c', urls: ['ldap://a'], searchBase: 'dc=a', path: 'f' })
      assert.deepEqual(settingsFrom(kind, before, before, nobody), {})
    })
  }

  test('sends what was typed in the form that the server takes: numbers, lists, members of objects', () => {
    const before = typedFrom('ldap')
    const typed = {
      ...before,
      urls: 'ldaps://a.example.com\n\n ldaps://b.example.com ',
      searchBase: ' ou=people ',
      timeoutMs: '900',
      startTls: true,
      'groups.nested': true,
      'groups.filter': '(x={dn})',
      bindPassword: ' kept as typed ',
    }
    assert.deepEqual(settingsFrom('ldap', typed, before, nobody), {
      urls: ['ldaps://a.example.com', 'ldaps://b.example.com'],
      searchBase: 'ou=people',
      timeoutMs: 900,
      startTls: true,
      groups: { nested: true, filter: '(x={dn})' },
      bindPassword: ' kept as typed ',
    })
  })

  test('sends what must be given although it is empty, so that the server says what is missing', () => {
    const before = typedFrom('oidc')
    assert.deepEqual(settingsFrom('oidc', before, before, nobody), { issuer: '', clientId: '' })
  })

  test('never shows a secret, keeps it where nothing is typed, and forgets it where that was chosen', () => {
    const before = typedFrom('oidc', { issuer: 'https://id.example.com', clientId: 'c', hasClientSecret: true, clientSecret: 'leaked' })
    assert.equal(before['clientSecret'], '')
    assert.deepEqual(settingsFrom('oidc', before, before, nobody), {})
    assert.deepEqual(settingsFrom('oidc', before, before, new Set(['clientSecret'])), { clientSecret: null })
  })
})
