import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ensureLocalProvider } from '#access/local-provider.ts'
import { startOidcProvider } from '../support/oidc-provider.ts'
import { Browser } from './browser.ts'
import { addProvider, seen, sections, signInAt } from './oidc-trip.ts'
import { openPeople } from './people.ts'

test('other groups in the settings count at once for who is signed in, as far as memberships are stored', async () => {
  await using people = await openPeople(sections)
  await using provider = await startOidcProvider([`${people.rooms.url}api/v1/session/oidc/moved/callback`])
  const browser = () => new Browser(people.rooms.url)
  const say = (login: string, claims: Record<string, unknown>) => provider.people.set(login, claims)
  await ensureLocalProvider(people.rooms.registry.metadata, people.rooms.accounts.ports.clock)
  const change = async (settings: object) => {
    const { status, body } = await people.root.call('PATCH', '/providers/moved', { settings })
    assert.equal(status, 200, JSON.stringify(body))
  }
  const { issuer, clientId, clientSecret } = provider
  const common = { issuer, clientId, clientSecret, groupsClaim: 'realm_access.roles' }
  await addProvider(people, 'moved', { ...common, adminGroups: ['team-ops', 'hidden-ops'] })
  say('ulla', { realm_access: { roles: ['team-ops', 'team-a'] } })
  say('viggo', { realm_access: { roles: ['team-b'] } })
  const [ulla, viggo] = [browser(), browser()]
  await signInAt(ulla, 'ulla', { provider: 'moved' })
  await signInAt(viggo, 'viggo', { provider: 'moved' })
  assert.deepEqual([(await ulla.call('GET', '/users')).status, (await viggo.call('GET', '/users')).status], [200, 403])
  const made = await viggo.call('POST', '/tokens', { name: 'ci' })
  const secret = String(made.body['secret'])
  const bearer = { headers: { authorization: `Bearer ${secret}` } }
  assert.equal((await people.stranger.registry.send('/api/v1/projects', bearer)).status, 200, JSON.stringify(made.body))
  await change({ adminGroups: ['hidden-ops', 'team-b'] })
  assert.deepEqual(
    [(await ulla.call('GET', '/users')).status, (await viggo.call('GET', '/users')).status],
    [403, 403],
    'a flag is taken at once, and given at the next sign-in',
  )
  await change({ requiredGroups: ['team-a'] })
  assert.equal((await seen(ulla))['state'], 'active')
  assert.equal((await seen(viggo))['state'], 'anonymous')
  assert.equal((await people.stranger.registry.send('/api/v1/projects', bearer)).status, 401)
  await change({ groupPatterns: ['team-*'], requiredGroups: ['staff'] })
  assert.equal((await seen(ulla))['state'], 'anonymous', 'who is in a group that is not stored signs in again')
  const [updated] = (await people.root.call('GET', '/audit?action=provider.updated&target=provider:moved')).body.items ?? []
  assert.match(JSON.stringify(updated?.['detail']), /"signedOut":1/)
})
