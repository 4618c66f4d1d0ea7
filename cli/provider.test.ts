import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseSetting } from './provider.ts'

suite('settings on the command line', () => {
  for (const [text, path, value] of [
    ['urls=ldaps://a,ldaps://b', ['urls'], ['ldaps://a', 'ldaps://b']],
    ['groups.nested=true', ['groups', 'nested'], true],
    ['timeoutMs=1000', ['timeoutMs'], 1000],
    ['adminGroups=cn=a,dc=x', ['adminGroups'], ['cn=a,dc=x']],
    ['adminGroups=["cn=a,dc=x","cn=b,dc=x"]', ['adminGroups'], ['cn=a,dc=x', 'cn=b,dc=x']],
    ['requiredGroups=', ['requiredGroups'], []],
    ['userFilter=(&(a=b)(uid={input}))', ['userFilter'], '(&(a=b)(uid={input}))'],
    ['bindDn=', ['bindDn'], ''],
  ] as const) {
    test(`${text} is read with the type that the setting has`, () => assert.deepEqual(parseSetting('ldap', text), { path, value }))
  }

  for (const text of [
    'urls',
    '=x',
    'nothing=1',
    'groups=x',
    'groups.nothing=1',
    'groups.nested=yes',
    'timeoutMs=soon',
    'bindPassword=secret',
    'adminGroups=[1]',
    'toString=1',
    '__proto__.x=1',
  ]) {
    test(`${text} is refused with a sentence`, () => assert.throws(() => parseSetting('ldap', text), { name: 'CommandFailure' }))
  }
})
