/** What somebody tries who has a little and wants more. */
import assert from 'node:assert/strict'
import { runVerb } from '../../cli/test-verb.ts'
import { after, before, suite, test } from 'node:test'
import { Browser } from '../api/browser.ts'
import { openPeople, password, type People, type Person } from '../api/people.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { movingClock } from '../support/moving-clock.ts'
import { registryClient } from '../support/registry-client.ts'

interface Token {
  readonly id: number
  call(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly text: string }>
}

/** A personal token with these scopes, and what is called with it. */
async function tokenOf(people: People, person: Person, scopes?: readonly object[]): Promise<Token> {
  const made = await person.call('POST', '/tokens', { name: `t${Math.trunc(performance.now() * 1000)}`, ...(scopes && { scopes }) })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const client = registryClient(people.rooms.url, { authorization: `Bearer ${String(made.body['secret'])}` })
  return {
    id: (made.body['token'] as { id: number }).id,
    async call(method, path, body) {
      const headers: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' }
      const answer = await client.send(`/api/v1${path}`, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) })
      return { status: answer.status, text: answer.body.toString() }
    },
  }
}

suite('with an account and a project of one’s own', () => {
  let people: People
  let alice: Person
  let bob: Person

  before(async () => {
    people = await openPeople()
    const { root } = people
    alice = await people.add('alice')
    bob = await people.add('bob')
    for (const name of ['mine', 'hidden']) assert.equal((await root.call('POST', '/projects', { name })).status, 201)
    await people.grant(alice, 'project-admin', 'mine')
    await root.call('POST', '/projects/hidden/robots', { name: 'ci', grants: [{ role: 'developer' }] })
  })
  after(() => people[Symbol.asyncDispose]())

  test('a robot is not given what its maker lacks: more of the project, another project, or the system', async () => {
    const maintainer = await people.add('maintains')
    await people.root.call('POST', '/roles', {
      name: 'robot-maker',
      title: 'x',
      permissions: ['project:read', 'robot:create', 'robot:update'],
    })
    await people.grant(maintainer, 'robot-maker', 'mine')
    await people.grant(maintainer, 'developer', 'mine')
    let count = 0
    const make = (grants: object) => maintainer.call('POST', '/projects/mine/robots', { name: `wide-${count++}`, grants: [grants] })
    assert.equal((await make({ role: 'project-admin' })).status, 403)
    assert.equal((await make({ role: 'maintainer' })).status, 403)
    assert.equal((await make({ role: 'developer', project: 'library' })).status, 400)
    assert.equal((await make({ role: 'developer', repositories: '**' })).status, 201)
    assert.equal((await make({ role: 'system-reader' })).status, 400)
    const robots = await maintainer.call('POST', '/robots', { name: 'system-wide', grants: [{ role: 'developer', project: 'mine' }] })
    assert.equal(robots.status, 403)
  })

  test('a robot makes no robot that may more than itself', async () => {
    await people.root.call('POST', '/roles', {
      name: 'maker',
      title: 'x',
      permissions: ['project:read', 'robot:create', 'repository:pull'],
    })
    const made = await people.root.call('POST', '/projects/mine/robots', { name: 'mother', grants: [{ role: 'maker' }] })
    const authorization = basicAuthorization('robot-mother@mine', String(made.body['secret']))
    const send = async (body: object) =>
      (
        await registryClient(people.rooms.url, { authorization }).send('/api/v1/projects/mine/robots', {
          method: 'POST',
          body: JSON.stringify(body),
          headers: { 'content-type': 'application/json' },
        })
      ).status
    assert.equal(await send({ name: 'wider', grants: [{ role: 'developer' }] }), 403)
    assert.equal(await send({ name: 'equal', grants: [{ role: 'maker' }] }), 201)
  })

  test('a role about the system is granted on no project, by nobody', async () => {
    const grant = (role: string, who: Person) =>
      who.call('POST', '/projects/mine/grants', { subject: { kind: 'user', id: alice.id }, role })
    assert.equal((await grant('system-reader', alice)).status, 400)
    assert.equal((await grant('system-reader', people.root)).status, 400)
    await people.root.call('POST', '/roles', { name: 'sly', title: 'x', permissions: ['project:read', 'user:create'] })
    assert.equal((await grant('sly', alice)).status, 400)
    assert.equal((await alice.call('POST', '/grants', { subject: { kind: 'user', id: alice.id }, role: 'developer' })).status, 403)
  })

  test('a glob in a grant on a project reaches nothing outside of it', async () => {
    const made = await alice.call('POST', '/projects/mine/grants', {
      subject: { kind: 'user', id: bob.id },
      role: 'developer',
      repositories: '**',
    })
    assert.equal(made.status, 201)
    assert.equal((await bob.registry.send('/v2/mine/x/blobs/uploads/', { method: 'POST', body: '' })).status, 202)
    for (const name of ['hidden/x', 'library/x', 'x', 'minex/x', 'mine'])
      assert.equal((await bob.registry.send(`/v2/${name}/blobs/uploads/`, { method: 'POST', body: '' })).status, 403, name)
    for (const repositories of ['hidden/**', '../hidden/**', 'mine', '', '{mine,hidden}/**'])
      assert.equal(
        (await alice.call('POST', '/projects/mine/grants', { subject: { kind: 'user', id: bob.id }, role: 'guest', repositories })).status,
        400,
        repositories,
      )
  })

  test('whether a hidden project or its robot is there is not learnt by naming it in a grant, a robot or a token', async () => {
    const answers = async (of: (name: string) => Promise<{ status: number; body: unknown }>) => {
      const [there, missing] = [await of('hidden'), await of('nowhere')]
      const plain = (answer: { status: number; body: unknown }, name: string) =>
        `${answer.status} ${JSON.stringify(answer.body)
          .replaceAll(name, 'X')
          .replaceAll(/"requestId":"[^"]*"/g, '')}`
      assert.equal(plain(there, 'hidden'), plain(missing, 'nowhere'))
    }
    await answers((project) => alice.call('POST', '/projects/mine/robots', { name: 'spy', grants: [{ role: 'guest', project }] }))
    const robot = await alice.call('POST', '/projects/mine/robots', { name: 'own', grants: [] })
    const id = (robot.body['robot'] as { id: number }).id
    await answers((project) => alice.call('PATCH', `/projects/mine/robots/${id}`, { grants: [{ role: 'guest', project }] }))
    await answers((name) =>
      alice.call('POST', '/projects/mine/grants', { subject: { kind: 'robot', name: `robot-ci@${name}` }, role: 'guest' }),
    )
    const scope = (project: string) => ({ name: 'spy', scopes: [{ permissions: ['repository:pull'], project }] })
    await answers((project) => alice.call('POST', '/tokens', scope(project)))
    await answers((project) => alice.call('GET', `/repositories?project=${project}`))
    await answers((project) => alice.call('POST', '/projects', { name: `${project}/below` }))
  })

  test('a token with scopes is no key to the rest of its owner: no tokens, sessions, robots, grants or projects', async () => {
    const narrow = await tokenOf(people, alice, [{ permissions: ['repository:pull', 'project:read'], project: 'mine' }])
    const other = await tokenOf(people, alice)
    const refused = async (method: string, path: string, body?: unknown, right = 403) => {
      const { status, text } = await narrow.call(method, path, body)
      assert.equal(status, right, `${method} ${path}: ${text}`)
    }
    await refused('POST', '/tokens', { name: 'wider' })
    await refused('POST', '/tokens', { name: 'wider', scopes: [{ permissions: ['repository:push'], project: 'mine' }] })
    await refused('POST', '/tokens', { name: 'wider', scopes: [{ permissions: ['repository:pull'] }] })
    await refused('POST', '/projects/mine/robots', { name: 'by-token', grants: [] })
    await refused('POST', '/projects/mine/grants', { subject: { kind: 'user', id: bob.id }, role: 'guest' })
    await refused('POST', '/projects', { name: 'by-token' })
    await refused('POST', '/session/elevation', { kind: 'password', password }, 409)
    await refused('DELETE', `/tokens/${other.id}`)
    await refused('DELETE', '/sessions')
    await refused('DELETE', '/sessions/1')
    assert.equal((await other.call('GET', '/tokens')).status, 200)
    assert.equal((await narrow.call('DELETE', `/tokens/${narrow.id}`)).status, 204, 'it may end itself')
  })

  test('docker’s bearer token does not end its owner’s sessions and tokens', async () => {
    const answer = await alice.registry.send('/token?scope=repository:mine/x:pull')
    const { token } = JSON.parse(answer.body.toString()) as { token: string }
    const client = registryClient(people.rooms.url, { authorization: `Bearer ${token}` })
    const kept = await tokenOf(people, alice)
    for (const path of ['/sessions', `/tokens/${kept.id}`])
      assert.equal((await client.send(`/api/v1${path}`, { method: 'DELETE' })).status, 403, path)
  })

  test('everyone, whoever shows no credential included, is never made an administrator of a project', async () => {
    for (const role of ['project-admin', 'project-creator', 'system-reader', 'auditor']) {
      const { status } = await alice.call('POST', '/projects/mine/grants', { subject: { kind: 'everyone' }, role })
      assert.ok(status === 400 || status === 403, `${role}: ${status}`)
    }
    const made = await alice.call('POST', '/projects/mine/grants', { subject: { kind: 'everyone' }, role: 'guest' })
    assert.equal(made.status, 201)
    assert.equal(
      (await people.root.call('PATCH', `/projects/mine/grants/${String(made.body['id'])}`, { role: 'project-admin' })).status,
      400,
    )
    assert.equal((await people.root.call('DELETE', `/projects/mine/grants/${String(made.body['id'])}`)).status, 204)
  })

  test('a grant by which everyone may push is made with a warning, and at the command line asks first', async () => {
    const { root } = people
    const made = await root.call('POST', '/projects/mine/grants', { subject: { kind: 'everyone' }, role: 'developer' })
    assert.deepEqual(made.body['warnings'], [
      'whoever reaches this registry may push there now, without an account: the role developer holds repository:push',
    ])
    assert.equal((await root.call('DELETE', `/grants/${String(made.body['id'])}`)).status, 204)
    const environment = { BERTH_SERVER: people.rooms.url.replace(/\/$/, ''), BERTH_USER: 'root', BERTH_TOKEN: password }
    const give = ['grant', 'create', 'developer', '--everyone', '--project', 'mine']
    await assert.rejects(runVerb(give, environment), /Let everybody push there/)
    const { lines } = await runVerb([...give, '--yes', '--json'], environment)
    const { id } = JSON.parse(lines.join('')) as { id: number }
    assert.equal((await root.call('DELETE', `/grants/${id}`)).status, 204)
    const guest = await root.call('POST', '/projects/mine/grants', { subject: { kind: 'everyone' }, role: 'guest' })
    assert.equal('warnings' in guest.body, false)
    assert.equal((await root.call('DELETE', `/grants/${String(guest.body['id'])}`)).status, 204)
  })

  test('a role that everyone has gets nothing that everyone must not have', async () => {
    const { root } = people
    assert.equal((await root.call('POST', '/roles', { name: 'looker', title: 'x', permissions: ['project:read'] })).status, 201)
    const made = await root.call('POST', '/grants', { subject: { kind: 'everyone' }, role: 'looker' })
    assert.equal(made.status, 201)
    for (const permission of ['user:list', 'grant:create', 'robot:create', 'project:delete', 'audit:list'])
      assert.equal((await root.call('PATCH', '/roles/looker', { permissions: ['project:read', permission] })).status, 409, permission)
    assert.equal((await people.stranger.call('GET', '/users')).status, 401)
    assert.equal((await root.call('DELETE', `/grants/${String(made.body['id'])}`)).status, 204)
  })

  test('a name that a project or repository had is nobody’s to take without a right to the one that answers there', async () => {
    const { root } = people
    await root.call('PATCH', '/system/settings', { projectCreation: 'everyone', autoCreateProjects: true })
    await root.call('POST', '/projects', { name: 'before' })
    assert.equal((await root.call('POST', '/projects/before/rename', { name: 'after' })).status, 200)
    assert.equal((await alice.call('POST', '/projects', { name: 'before' })).status, 409)
    assert.equal((await alice.call('POST', '/projects/mine/rename', { name: 'before' })).status, 409)
    assert.equal((await alice.registry.send('/v2/before/x/blobs/uploads/', { method: 'POST', body: '' })).status, 403)
    assert.equal((await alice.call('POST', '/projects', { name: 'hidden/below' })).status, 403)
    await root.call('PATCH', '/system/settings', { projectCreation: 'administrators', autoCreateProjects: false })
  })

  test('the history of a deleted project is not read by making one of its name', async () => {
    const { root } = people
    await root.call('POST', '/projects', { name: 'gone' })
    await root.call('PATCH', '/projects/gone', { description: 'ours' })
    assert.equal((await root.call('DELETE', '/projects/gone')).status, 204)
    await new Promise((resolve) => setTimeout(resolve, 5))
    await root.call('PATCH', '/system/settings', { projectCreation: 'everyone' })
    assert.equal((await alice.call('POST', '/projects', { name: 'gone' })).status, 201)
    await root.call('PATCH', '/system/settings', { projectCreation: 'administrators' })
    const { body } = await alice.call('GET', '/projects/gone/audit')
    const actors = new Set((body.items ?? []).map(({ actor }) => actor))
    assert.deepEqual([...actors], ['alice'])
  })

  test('whoever keeps accounts without being an administrator touches nothing of an administrator', async () => {
    const keeper = await people.add('keeper')
    const permissions = [
      'user:list',
      'user:read',
      'user:create',
      'user:update',
      'user:delete',
      'group:create',
      'group:update',
      'role:create',
      'role:update',
    ]
    await people.root.call('POST', '/roles', { name: 'keeper', title: 'x', permissions })
    await people.grant(keeper, 'keeper')
    const kept = await tokenOf(people, people.root)
    const { id } = people.root
    const tries: readonly (readonly [string, string, unknown?])[] = [
      ['PATCH', `/users/${id}`, { isDisabled: true }],
      ['PATCH', `/users/${id}`, { email: 'keeper@example.org' }],
      ['PATCH', `/users/${keeper.id}`, { isAdministrator: true }],
      ['POST', '/users', { name: 'second-root', isAdministrator: true }],
      ['PUT', `/users/${id}/password`, { password: 'another long passphrase' }],
      ['PUT', `/users/${bob.id}/password`, { password: 'another long passphrase' }],
      ['DELETE', `/users/${id}`],
      ['DELETE', `/users/${id}/factors`],
      ['DELETE', `/users/${id}/tokens/${kept.id}`],
      ['POST', '/grants', { subject: { kind: 'user', id: keeper.id }, role: 'project-admin' }],
      ['PATCH', '/roles/keeper', { permissions: [...permissions, 'provider:create'] }],
    ]
    for (const [method, path, body] of tries) {
      const { status } = await keeper.call(method, path, body)
      assert.equal(status, 403, `${method} ${path} ${JSON.stringify(body)}`)
    }
  })

  test('who may change providers without being an administrator makes nobody an administrator by one', async () => {
    const smith = await people.add('smith')
    await people.root.call('POST', '/roles', {
      name: 'smith',
      title: 'x',
      permissions: ['provider:read', 'provider:create', 'provider:update'],
    })
    await people.grant(smith, 'smith')
    const settings = { issuer: 'https://id.attacker.example', clientId: 'berth', clientSecret: 'x', adminGroups: ['everybody'] }
    const { status, body } = await smith.call('POST', '/providers', { name: 'evil', kind: 'oidc', settings })
    assert.equal(status, 403, JSON.stringify(body))
  })
})

suite('with a session that was left open', () => {
  const clock = movingClock()
  let people: People
  let browser: Browser

  before(async () => {
    people = await openPeople({}, { ports: clock.ports })
    browser = new Browser(people.rooms.url)
    assert.equal((await browser.call('POST', '/session', { name: 'root', password })).status, 200)
    clock.advance(11 * 60_000)
  })
  after(() => people[Symbol.asyncDispose]())

  test('nobody makes a token that does what the session is asked to prove itself for', async () => {
    const victim = await people.add('victim')
    assert.equal((await browser.call('DELETE', `/users/${victim.id}`)).body['code'], 'ELEVATION_REQUIRED')
    for (const permission of ['user:delete', 'user:update', 'provider:create', 'key:delete', 'project:delete', 'system:update']) {
      const made = await browser.call('POST', '/tokens', { name: 'way around', scopes: [{ permissions: ['user:read', permission] }] })
      assert.equal(made.body['code'], 'ELEVATION_REQUIRED', permission)
    }
    const plain = await browser.call('POST', '/tokens', { name: 'plain', scopes: [{ permissions: ['repository:pull'] }] })
    assert.equal(plain.status, 201)
    const whole = await browser.call('POST', '/tokens', { name: 'whole' })
    assert.equal(whole.body['code'], 'ELEVATION_REQUIRED', 'one without scopes could make a robot that does it')
    const made = await people.root.call('POST', '/tokens', { name: 'whole' })
    assert.equal(made.status, 201)
    const authorization = `Bearer ${String(made.body['secret'])}`
    const byToken = await new Browser(people.rooms.url).call(
      'POST',
      '/tokens',
      { name: 'x', scopes: [{ permissions: ['user:delete'] }] },
      { headers: { authorization } },
    )
    assert.equal(byToken.body['code'], 'ELEVATION_REQUIRED', 'nor does a token without scopes')
  })

  test('nobody makes another administrator', async () => {
    const made = await browser.call('POST', '/users', { name: 'second-root', password: 'another long passphrase', isAdministrator: true })
    assert.equal(made.body['code'], 'ELEVATION_REQUIRED')
    const lifted = await people.add('lifted')
    const change = await browser.call('PATCH', `/users/${lifted.id}`, { isAdministrator: true })
    assert.equal(change.body['code'], 'ELEVATION_REQUIRED')
    assert.equal((await browser.call('PATCH', `/users/${lifted.id}`, { displayName: 'Harmless' })).status, 200)
  })
})
