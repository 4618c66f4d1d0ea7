import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { suite, test } from 'node:test'
import { exitStatusOf } from './exit-status.ts'
import { parseSetting } from './provider.ts'
import { json, withAnswers } from './test-answers.ts'
import { runVerb } from './test-verb.ts'

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

test('authorities that cannot be read are told with their file', async () => {
  await withAnswers(
    (_, response) => json(response, {}),
    async (url) => {
      const create = (file: string) =>
        runVerb(['provider', 'create', 'oidc', 'x', '--set', 'issuer=https://id.example', '--authorities', file, '--server', url])
      await assert.rejects(create(tmpdir()), new RegExp(`${tmpdir()}, which --authorities names, cannot be read \\(EISDIR`))
      await assert.rejects(create('/nope/ca.pem'), (error: unknown) => {
        assert.match(String(error), /there is no file \/nope\/ca\.pem/)
        return exitStatusOf(error) === 4
      })
    },
  )
})
