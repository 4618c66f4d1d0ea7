import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPeople, password } from '../test/api/people.ts'
import { runVerb } from './test-verb.ts'

test('a token takes what a role of one’s own may, and an account is disabled by who says yes only', async () => {
  await using people = await openPeople()
  const environment = { BERTH_SERVER: people.rooms.url.replace(/\/$/, ''), BERTH_USER: 'root', BERTH_TOKEN: password }
  const permissions = ['repository:pull', 'tag:create']
  assert.equal((await people.root.call('POST', '/roles', { name: 'promoter', permissions })).status, 201)
  const { lines } = await runVerb(['token', 'create', 'ci', '--role', 'promoter', '--json'], environment)
  const { token } = JSON.parse(lines.join('')) as { token: { scopes: readonly { permissions: readonly string[] }[] } }
  assert.deepEqual(token.scopes[0]?.permissions, permissions)
  await assert.rejects(runVerb(['token', 'create', 'ci', '--role', 'nobody'], environment), /there is no role nobody: one of .*promoter/)

  await people.add('alice')
  await assert.rejects(runVerb(['user', 'disable', 'alice'], environment), /Disable the account alice\?.*--yes/)
  await runVerb(['user', 'disable', 'alice', '--yes'], environment)
  assert.equal((await people.root.call('GET', '/users?name=alice')).body.items?.[0]?.['isDisabled'], true)
})
