import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { basicAuthorization } from '../support/http-client.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { runVerb } from '../../cli/test-verb.ts'
import { openPeople, password, type ApiReply, type People, type Person } from './people.ts'

interface Made {
  readonly id: number
  readonly login: string
  readonly secret: string
}

suite('robots over the API', () => {
  let people: People
  let root: Person
  let lead: Person
  let guest: Person
  before(async () => {
    people = await openPeople()
    root = people.root
    lead = await people.add('lead')
    guest = await people.add('guest')
    for (const name of ['team', 'other']) assert.equal((await root.call('POST', '/projects', { name })).status, 201)
    await people.grant(lead, 'project-admin', 'team')
    await people.grant(guest, 'guest', 'team')
    await pushImage(root.registry, 'team/app', 'v1')
    await pushImage(root.registry, 'other/app', 'v1')
  })
  after(() => people[Symbol.asyncDispose]())

  const make = async (person: Person, path: string, body: object): Promise<Made> => {
    const reply = await person.call('POST', path, body)
    assert.equal(reply.status, 201, JSON.stringify(reply.body))
    const { id, login } = reply.body['robot'] as { readonly id: number; readonly login: string }
    return { id, login, secret: String(reply.body['secret']) }
  }
  const pull = async (name: string, secret: string, repository = 'team/app') =>
    (await registryClient(people.rooms.url, { authorization: basicAuthorization(name, secret) }).send(`/v2/${repository}/manifests/v1`))
      .status
  const names = (reply: ApiReply) => reply.body.items?.map(({ login }) => login)

  test('a list says who made each robot, and marks makers that are disabled, gone, or another of the same name', async () => {
    const maker = await people.add('maker')
    const { id: userId } = (await root.call('GET', '/users?name=maker')).body.items?.[0] ?? {}
    await people.grant(maker, 'project-admin', 'team')
    const { id } = await make(maker, '/projects/team/robots', { name: 'made', grants: [{ role: 'guest' }] })
    const said = async () => {
      const listed = await root.call('GET', '/projects/team/robots?name=made')
      const { body } = await root.call('GET', `/projects/team/robots/${id}`)
      assert.deepEqual(
        listed.body.items?.map(({ createdByState }) => createdByState),
        [body['createdByState']],
      )
      return `${String(body['createdBy'])} ${String(body['createdByState'])}`
    }
    assert.equal(await said(), 'maker active')
    await root.call('PATCH', `/users/${String(userId)}`, { name: 'renamed' })
    assert.equal(await said(), 'renamed active')
    await root.call('PATCH', `/users/${String(userId)}`, { isDisabled: true })
    assert.equal(await said(), 'renamed disabled')
    const { lines } = await runVerb(['robot', 'list', '--project', 'team', '--name', 'made'], {
      BERTH_SERVER: people.rooms.url,
      BERTH_USER: 'root',
      BERTH_TOKEN: password,
    })
    assert.match(lines.join('\n'), /CREATED BY\n.* renamed \(disabled\)$/)
    assert.equal((await root.call('DELETE', `/users/${String(userId)}`)).status, 204)
    assert.equal(await said(), 'renamed gone')
    await people.add('renamed')
    assert.equal(await said(), 'renamed gone', 'somebody else')
    await root.call('DELETE', `/projects/team/robots/${id}`)
  })

  test('a robot of a project pulls there by either form of its name, and nowhere else', async () => {
    const robot = await make(lead, '/projects/team/robots', { name: 'ci', grants: [{ role: 'developer' }] })
    assert.equal(robot.login, 'robot-ci@team')
    assert.match(robot.secret, /^berth_rob_/)
    for (const name of ['robot-ci@team', 'robot$team+ci']) {
      assert.equal(await pull(name, robot.secret), 200)
      assert.equal(await pull(name, robot.secret, 'other/app'), 403)
    }
    for (const name of ['robot-ci', 'robot$ci', 'robot-ci@other', 'lead']) assert.equal(await pull(name, robot.secret), 401, name)
    await pushImage(registryClient(people.rooms.url, { authorization: basicAuthorization(robot.login, robot.secret) }), 'team/made', 'v1')
    assert.ok(!people.rooms.lines.join('').includes(robot.secret))
  })

  test('of a renamed project logs in under the former name of it too, until somebody takes that', async () => {
    assert.equal((await root.call('POST', '/projects', { name: 'ra' })).status, 201)
    await pushImage(root.registry, 'ra/app', 'v1')
    const { secret } = await make(root, '/projects/ra/robots', { name: 'ci', grants: [{ role: 'developer' }] })
    assert.equal((await root.call('POST', '/projects/ra/rename', { name: 'rb' })).status, 200)
    for (const name of ['robot-ci@ra', 'robot$ra+ci', 'robot-ci@rb', 'robot$rb+ci']) {
      assert.equal(await pull(name, secret, 'ra/app'), 200, name)
      assert.equal(await pull(name, secret, 'rb/app'), 200, name)
    }
    for (const name of ['robot-ci@rc', 'robot-ci', 'robot-cd@ra']) assert.equal(await pull(name, secret, 'rb/app'), 401, name)
    const byFormerName = { subject: { kind: 'robot', name: 'robot-ci@ra' }, role: 'guest', repositories: 'rb/x-*' }
    assert.equal((await root.call('POST', '/projects/rb/grants', byFormerName)).status, 201)
    assert.equal((await root.call('POST', '/projects', { name: 'ra' })).status, 201)
    for (const name of ['robot-ci@ra', 'robot$ra+ci']) assert.equal(await pull(name, secret, 'rb/app'), 401, name)
    assert.equal(await pull('robot-ci@rb', secret, 'rb/app'), 200)
  })

  test('is never given more than who makes it has, nor is one that has more taken over', async () => {
    for (const grants of [
      [{ role: 'developer', project: 'other' }],
      [{ role: 'system-reader' }],
      [{ role: 'nothing' }],
      [{ role: 'guest', repositories: 'TEAM' }],
      [{ role: 'guest', project: 'nowhere' }],
      [{ role: 'guest' }, { role: 'guest' }],
    ]) {
      const { status } = await lead.call('POST', '/projects/team/robots', { name: 'wide', grants })
      assert.ok(status === 400 || status === 403, `${JSON.stringify(grants)} gave ${status}`)
    }
    // Whoever may only look makes none; whoever makes robots and may not push makes none that pushes.
    assert.equal((await guest.call('POST', '/projects/team/robots', { name: 'x' })).status, 403)
    assert.equal(
      (
        await root.call('POST', '/roles', {
          name: 'robot-keeper',
          title: 'x',
          permissions: ['robot:create', 'robot:update', 'robot:read', 'project:read'],
        })
      ).status,
      201,
    )
    const keeper = await people.add('keeper')
    await people.grant(keeper, 'robot-keeper', 'team')
    assert.equal((await keeper.call('POST', '/projects/team/robots', { name: 'pusher', grants: [{ role: 'developer' }] })).status, 403)
    const bare = await make(keeper, '/projects/team/robots', { name: 'bare' })
    const strong = await make(lead, '/projects/team/robots', { name: 'strong', grants: [{ role: 'developer' }] })
    const path = `/projects/team/robots/${strong.id}`
    assert.equal((await keeper.call('POST', `${path}/secrets`, {})).status, 403)
    assert.equal((await keeper.call('PATCH', path, { isDisabled: false })).status, 403)
    assert.equal((await keeper.call('PATCH', path, { allowedAddresses: [] })).status, 403)
    assert.equal((await keeper.call('PATCH', path, { grants: [] })).status, 403)
    assert.equal((await keeper.call('PATCH', `/projects/team/robots/${bare.id}`, { grants: [{ role: 'developer' }] })).status, 403)
    assert.equal((await keeper.call('PATCH', path, { isDisabled: true })).status, 200, 'stopping one is no way up')
  })

  test('several secrets count at once, each with its end, until they are revoked', async () => {
    const robot = await make(lead, '/projects/team/robots', { name: 'rotating', grants: [{ role: 'guest' }] })
    const path = `/projects/team/robots/${robot.id}/secrets`
    const added = await lead.call('POST', path, { name: 'second', expiresAt: new Date(Date.now() + 3_600_000).toISOString() })
    assert.equal(added.status, 201)
    const second = String(added.body['secret'])
    assert.deepEqual([await pull(robot.login, robot.secret), await pull(robot.login, second)], [200, 200])
    const list = await lead.call('GET', path)
    assert.equal(list.body.items?.length, 2)
    assert.ok(![robot.secret, second].some((secret) => JSON.stringify(list.body).includes(secret)))
    const bearer = await registryClient(people.rooms.url, { authorization: basicAuthorization(robot.login, robot.secret) }).send(
      '/token?scope=repository:team/app:pull',
    )
    const token = String((JSON.parse(bearer.body.toString()) as { token: string }).token)
    const byBearer = async () =>
      (await registryClient(people.rooms.url, { authorization: `Bearer ${token}` }).send('/v2/team/app/manifests/v1')).status
    assert.equal(await byBearer(), 200)
    assert.equal((await lead.call('DELETE', `${path}/${Number(list.body.items?.[0]?.['id'])}`)).status, 204)
    assert.deepEqual([await pull(robot.login, robot.secret), await pull(robot.login, second), await byBearer()], [401, 200, 401])
    assert.equal((await lead.call('POST', path, { expiresAt: new Date(Date.now() - 1000).toISOString() })).status, 400)
  })

  test('is let in from its networks only, until its end, unless it is disabled', async () => {
    const robot = await make(root, '/robots', {
      name: 'fenced',
      grants: [{ role: 'guest', project: 'team' }],
      allowedAddresses: ['192.0.2.0/24'],
    })
    assert.equal(robot.login, 'robot-fenced')
    const path = `/robots/${robot.id}`
    assert.equal(await pull(robot.login, robot.secret), 403)
    assert.equal((await root.call('PATCH', path, { allowedAddresses: ['127.0.0.0/8', '::1'] })).status, 200)
    assert.equal(await pull(robot.login, robot.secret), 200)
    assert.equal((await root.call('PATCH', path, { isDisabled: true })).status, 200)
    assert.equal(await pull(robot.login, robot.secret), 401)
    for (const wrong of [['x'], ['10.0.0.0/99'], [''], ['10.0.0.5/8']])
      assert.equal((await root.call('PATCH', path, { allowedAddresses: wrong })).status, 400)
    assert.equal((await root.call('PATCH', path, { expiresAt: '2001-01-01T00:00:00Z' })).status, 400)
  })

  test('changes carry a version, lists show those of the place, and names are taken once', async () => {
    const robot = await make(lead, '/projects/team/robots', { name: 'versioned' })
    const path = `/projects/team/robots/${robot.id}`
    const read = await lead.call('GET', path)
    assert.equal((await lead.call('PATCH', path, { description: 'x' }, { 'if-match': read.etag ?? '' })).status, 200)
    assert.equal((await lead.call('PATCH', path, { description: 'y' }, { 'if-match': read.etag ?? '' })).status, 412)
    assert.equal((await lead.call('POST', '/projects/team/robots', { name: 'versioned' })).status, 409)
    assert.equal(
      (await root.call('POST', '/robots', { name: 'versioned', hasSecret: false })).body['secret'],
      null,
      'elsewhere the name is free',
    )
    for (const name of ['Robot', 'a b', '-x', 'a/b', 'a@b', 'a+b', 'a$b', ''])
      assert.equal((await root.call('POST', '/robots', { name })).status, 400, name)
    assert.deepEqual(names(await lead.call('GET', '/projects/team/robots?name=version')), ['robot-versioned@team'])
    assert.deepEqual(names(await root.call('GET', '/robots?name=version&sort=createdAt')), ['robot-versioned@team', 'robot-versioned'])
    assert.deepEqual(names(await root.call('GET', '/robots?name=version&level=system')), ['robot-versioned'])
    assert.equal((await lead.call('GET', '/robots')).status, 403)
    assert.equal((await lead.call('DELETE', path)).status, 204)
    assert.equal((await lead.call('GET', path)).status, 404)
  })

  test('below another project it is not there, whatever the id in the path', async () => {
    const theirs = await make(root, '/projects/other/robots', { name: 'theirs', grants: [{ role: 'guest' }] })
    const ofSystem = await make(root, '/robots', { name: 'system-one' })
    for (const { id } of [theirs, ofSystem]) {
      const path = `/projects/team/robots/${id}`
      assert.equal((await lead.call('GET', path)).status, 404)
      assert.equal((await lead.call('PATCH', path, { isDisabled: true })).status, 404)
      assert.equal((await lead.call('DELETE', path)).status, 404)
      assert.equal((await lead.call('GET', `${path}/secrets`)).status, 404)
      assert.equal((await lead.call('POST', `${path}/secrets`, {})).status, 404)
      assert.equal((await lead.call('POST', `${path}/trusts`, { provider: 'x', audience: 'x', claims: { sub: 'x' } })).status, 404)
      assert.equal((await lead.call('GET', `/robots/${id}`)).status, 403)
      assert.equal((await lead.call('GET', `/projects/other/robots/${id}`)).status, 404)
    }
    const own = await make(lead, '/projects/team/robots', { name: 'own' })
    const { body } = await root.call('GET', `/robots/${theirs.id}/secrets`)
    assert.equal(
      (await lead.call('DELETE', `/projects/team/robots/${own.id}/secrets/${Number(body.items?.[0]?.['id'])}`)).status,
      404,
      'another’s secret',
    )
  })

  test('trusts are made, listed and removed', async () => {
    const { addTestProvider } = await import('#access/test-vouched.ts')
    await addTestProvider(people.rooms.accounts, 'github', 'workload', {
      issuer: 'https://i.example',
      jwksUrl: '',
      jwks: '{"keys":[]}',
      algorithms: ['RS256'],
      clockToleranceSeconds: 30,
      authorities: '',
    })
    const robot = await make(lead, '/projects/team/robots', { name: 'federated', hasSecret: false })
    const path = `/projects/team/robots/${robot.id}/trusts`
    const trust = { provider: 'github', audience: 'https://registry.example', claims: { repository: 'team/web', ref: 'refs/heads/*' } }
    const made = await lead.call('POST', path, trust)
    assert.equal(made.status, 201, JSON.stringify(made.body))
    const list = await lead.call('GET', path)
    assert.deepEqual(list.body.items?.[0]?.['claims'], trust.claims)
    assert.equal((await lead.call('POST', path, { ...trust, claims: {} })).status, 400)
    assert.equal((await lead.call('POST', path, { ...trust, claims: { sub: '**' } })).status, 400)
    assert.equal((await lead.call('POST', path, { ...trust, provider: 'nobody' })).status, 400)
    assert.equal((await lead.call('DELETE', `${path}/${Number(made.body['id'])}`)).status, 204)
    assert.deepEqual((await lead.call('GET', path)).body.items, [])
  })
})
