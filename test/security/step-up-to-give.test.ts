/** A session that was left open, or a token without scopes, makes nobody and nothing that does what it would itself have to prove its person for. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { Browser } from '../api/browser.ts'
import { openPeople, password, type People, type Person } from '../api/people.ts'
import { movingClock } from '../support/moving-clock.ts'

const elevation = { kind: 'password', password }
const staleMs = 11 * 60_000

type Try = readonly [method: string, path: string, body?: object]

suite('with a session that has proved nobody for ten minutes', () => {
  const clock = movingClock()
  let people: People
  let browser: Browser
  let carol: Person
  let count = 0
  /** Each time another one. */
  const name = () => `n${count++}`

  before(async () => {
    people = await openPeople({}, { ports: clock.ports })
    carol = await people.add('carol')
    browser = new Browser(people.rooms.url)
    assert.equal((await browser.call('POST', '/session', { name: 'root', password })).status, 200)
    for (const project of ['team', 'other']) await made('/projects', { name: project })
    await made('/providers', {
      name: 'ci',
      kind: 'workload',
      settings: { issuer: 'https://ci.example', jwksUrl: 'https://ci.example/jwks' },
    })
  })
  after(() => people[Symbol.asyncDispose]())

  /** By an administrator's password, which comes with each request. */
  async function made(path: string, body: object): Promise<Readonly<Record<string, unknown>>> {
    const answer = await people.root.call('POST', path, body)
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
    return answer.body
  }

  async function robotOf(role: string, isDisabled = false): Promise<number> {
    const { robot } = await made('/projects/team/robots', { name: name(), grants: [{ role }] })
    const { id } = robot as { id: number }
    if (isDisabled) assert.equal((await people.root.call('PATCH', `/robots/${id}`, { isDisabled })).status, 200)
    return id
  }

  async function roleOf(permissions: readonly string[]): Promise<string> {
    const role = name()
    await made('/roles', { name: role, permissions })
    return role
  }

  async function groupOf(role: string): Promise<number> {
    const group = await made('/groups', { name: name() })
    await made('/projects/team/grants', { subject: { kind: 'group', id: group['id'] }, role })
    return Number(group['id'])
  }

  async function grantOf(role: string): Promise<number> {
    const person = await people.add(name())
    return Number((await made('/projects/team/grants', { subject: { kind: 'user', id: person.id }, role }))['id'])
  }

  /** Refused while stale with nothing done, done after the proof. */
  async function takesProof([method, path, body]: Try): Promise<void> {
    clock.advance(staleMs)
    const refused = await browser.call(method, path, body)
    assert.deepEqual([refused.status, refused.body['code']], [403, 'ELEVATION_REQUIRED'], `${method} ${path}`)
    assert.match(String(refused.body['detail']), /password again/)
    assert.equal((await browser.call('POST', '/session/elevation', elevation)).status, 200)
    const done = await browser.call(method, path, body)
    assert.ok(done.status >= 200 && done.status < 300, `${method} ${path}: ${done.status} ${JSON.stringify(done.body)}`)
  }

  /** Done while stale. */
  async function takesNone([method, path, body]: Try): Promise<void> {
    clock.advance(staleMs)
    const done = await browser.call(method, path, body)
    assert.ok(done.status >= 200 && done.status < 300, `${method} ${path}: ${done.status} ${JSON.stringify(done.body)}`)
  }

  const trust = { provider: 'ci', audience: 'https://registry.example', claims: { repository: 'team/web' } }

  test('a robot of a project or of the system that may delete projects takes a proof, and one that may not takes none', async () => {
    await takesProof(['POST', '/projects/team/robots', { name: name(), grants: [{ role: 'project-admin' }] }])
    await takesProof(['POST', '/robots', { name: name(), grants: [{ role: await roleOf(['user:delete']) }] }])
    await takesProof(['POST', '/robots', { name: name(), hasSecret: false, grants: [{ role: 'project-admin', project: 'team' }] }])
    await takesNone(['POST', '/projects/team/robots', { name: name(), grants: [{ role: 'maintainer' }] }])
    await takesNone(['POST', '/robots', { name: name(), grants: [] }])
  })

  test('so does giving such a role to a robot that is there, and whatever lets somebody use a robot that has one', async () => {
    const [wide, narrow] = [await robotOf('project-admin'), await robotOf('developer')]
    await takesProof(['PATCH', `/projects/team/robots/${narrow}`, { grants: [{ role: 'project-admin' }] }])
    for (const at of [`/projects/team/robots/${wide}`, `/robots/${wide}`]) {
      await takesProof(['POST', `${at}/secrets`, {}])
      await takesProof(['POST', `${at}/trusts`, trust])
      await takesProof(['PATCH', at, { allowedAddresses: [] }])
      await takesProof(['PATCH', at, { expiresAt: null }])
    }
    await takesProof(['PATCH', `/robots/${await robotOf('project-admin', true)}`, { isDisabled: false }])
  })

  test('what takes a robot’s use away takes none, and neither does one that destroys nothing', async () => {
    const [wide, narrow] = [await robotOf('project-admin'), await robotOf('developer')]
    await takesNone(['POST', `/projects/team/robots/${narrow}/secrets`, {}])
    await takesNone(['POST', `/projects/team/robots/${narrow}/trusts`, trust])
    await takesNone(['PATCH', `/projects/team/robots/${wide}`, { description: 'x' }])
    await takesNone(['PATCH', `/projects/team/robots/${wide}`, { isDisabled: true }])
    await takesNone(['PATCH', `/projects/team/robots/${wide}`, { grants: [{ role: 'guest' }] }])
    await takesNone(['DELETE', `/projects/team/robots/${wide}`])
  })

  test('a grant of such a role takes a proof, made or changed to, on everything, a project or by glob; taking it away takes none', async () => {
    const subject = { kind: 'user', id: carol.id }
    await takesProof(['POST', '/projects/team/grants', { subject, role: 'project-admin' }])
    await takesProof(['POST', '/grants', { subject, role: 'project-admin', project: 'other' }])
    const forAll = await roleOf(['provider:update'])
    await takesProof(['POST', '/grants', { subject: { kind: 'signed-in' }, role: forAll }])
    // As long as every account has that, a token makes none.
    const call = await byTokenOf()
    const account = ['POST', '/users', { name: name(), password: 'another long passphrase' }] as const
    assert.deepEqual((await call(account)).body['code'], 'ELEVATION_REQUIRED')
    const given = await people.root.call('GET', `/grants?role=${forAll}`)
    assert.equal((await people.root.call('DELETE', `/grants/${String(given.body.items?.[0]?.['id'])}`)).status, 204)
    assert.equal((await call(account)).status, 201)
    const [changed, other] = [await grantOf('guest'), await grantOf('guest')]
    await takesProof(['PATCH', `/projects/team/grants/${changed}`, { role: 'project-admin' }])
    await takesProof(['PATCH', `/grants/${other}`, { role: 'project-admin' }])
    await takesNone(['PATCH', `/grants/${changed}`, { role: 'guest' }])
    await takesNone(['DELETE', `/grants/${other}`])
    await takesNone(['POST', '/projects/team/grants', { subject, role: 'developer' }])
  })

  test('a role that holds such a permission takes a proof, and so does adding one to a role; words and removals take none', async () => {
    await takesProof(['POST', '/roles', { name: name(), permissions: ['repository:pull', 'key:rotate'] }])
    const role = await roleOf(['repository:pull'])
    await takesNone(['PATCH', `/roles/${role}`, { permissions: ['repository:pull', 'repository:push'] }])
    await takesProof(['PATCH', `/roles/${role}`, { permissions: ['repository:pull', 'project:delete'] }])
    await takesNone(['PATCH', `/roles/${role}`, { title: 'Deletes', permissions: ['project:delete'] }])
    await takesNone(['PATCH', `/roles/${role}`, { permissions: [] }])
    await takesNone(['POST', '/roles', { name: name(), permissions: ['robot:create', 'grant:create'] }])
  })

  test('bringing somebody into a group that has such a role takes a proof', async () => {
    const [wide, narrow] = [await groupOf('project-admin'), await groupOf('developer')]
    await takesProof(['PUT', `/groups/${wide}/members/${carol.id}`])
    await takesNone(['PUT', `/groups/${narrow}/members/${carol.id}`])
    await takesNone(['DELETE', `/groups/${wide}/members/${carol.id}`])
  })

  test('taking an administrator away, shutting one out or renaming one takes a proof, and of other accounts none', async () => {
    const [admin, person] = [await people.add(name()), await people.add(name())]
    assert.equal((await people.root.call('PATCH', `/users/${admin.id}`, { isAdministrator: true })).status, 200)
    await takesProof(['PATCH', `/users/${admin.id}`, { name: name() }])
    await takesProof(['PATCH', `/users/${admin.id}`, { isDisabled: true }])
    await takesProof(['PATCH', `/users/${admin.id}`, { isDisabled: false }])
    await takesProof(['PATCH', `/users/${admin.id}`, { isAdministrator: false }])
    await takesNone(['PATCH', `/users/${person.id}`, { isDisabled: true, name: name() }])
  })

  test('another administrator, and a token without scopes, which could make all of these, take a proof', async () => {
    await takesProof(['POST', '/users', { name: name(), password: 'another long passphrase', isAdministrator: true }])
    await takesProof(['PATCH', `/users/${(await people.add(name())).id}`, { isAdministrator: true }])
    await takesProof(['POST', '/tokens', { name: name() }])
    await takesNone(['POST', '/tokens', { name: name(), scopes: [{ permissions: ['repository:pull'] }] }])
  })

  test('a right that is lacking is said before a proof is asked for', async () => {
    const own = new Browser(people.rooms.url)
    const person = await people.add(name())
    await people.grant(person, await roleOf(['project:read', 'robot:create']), 'team')
    assert.equal((await own.call('POST', '/session', { name: person.name, password })).status, 200)
    clock.advance(staleMs)
    const refused = await own.call('POST', '/projects/team/robots', { name: name(), grants: [{ role: 'project-admin' }] })
    assert.deepEqual([refused.status, refused.body['code']], [403, 'DENIED'])
  })

  /** What lets somebody delete, or take over, who could not before. */
  async function waysToGive(): Promise<readonly Try[]> {
    const [role, wide, group] = [await roleOf(['user:delete']), await robotOf('project-admin'), await groupOf('project-admin')]
    const [narrow, changed] = [await robotOf('developer'), await grantOf('guest')]
    const [admin, person] = [await people.add(name()), await people.add(name())]
    const subject = { kind: 'user', id: person.id }
    assert.equal((await people.root.call('PATCH', `/users/${admin.id}`, { isAdministrator: true })).status, 200)
    return [
      ['POST', '/roles', { name: name(), permissions: ['user:delete', 'user:update'] }],
      ['PATCH', `/roles/${await roleOf(['repository:pull'])}`, { permissions: ['key:rotate'] }],
      ['POST', '/grants', { subject, role }],
      ['POST', '/grants', { subject, role: 'project-admin', project: 'other' }],
      ['POST', '/projects/team/grants', { subject, role: 'project-admin' }],
      ['PATCH', `/grants/${changed}`, { role: 'project-admin' }],
      ['POST', '/robots', { name: name(), grants: [{ role }] }],
      ['POST', '/projects/team/robots', { name: name(), grants: [{ role: 'project-admin' }] }],
      ['PATCH', `/projects/team/robots/${narrow}`, { grants: [{ role: 'project-admin' }] }],
      ['POST', `/robots/${wide}/secrets`, {}],
      ['POST', `/robots/${wide}/trusts`, trust],
      ['PUT', `/groups/${group}/members/${person.id}`],
      ['POST', '/tokens', { name: name() }],
      ['POST', '/tokens', { name: name(), scopes: [{ permissions: ['user:delete'] }] }],
      ['POST', '/users', { name: name(), password: 'another long passphrase', isAdministrator: true }],
      ['PATCH', `/users/${person.id}`, { isAdministrator: true }],
      ['PUT', `/users/${person.id}/password`, { password: 'another long passphrase' }],
      ['PATCH', `/users/${admin.id}`, { name: name() }],
      ['PATCH', `/users/${admin.id}`, { isDisabled: true }],
      ['PATCH', `/users/${admin.id}`, { isDisabled: false }],
      ['PATCH', `/users/${admin.id}`, { isAdministrator: false }],
    ]
  }

  async function byTokenOf(scopes?: readonly object[]) {
    const { secret } = await made('/tokens', { name: name(), ...(scopes !== undefined && { scopes }) })
    const browserless = new Browser(people.rooms.url)
    const headers = { authorization: `Bearer ${String(secret)}` }
    return ([method, path, body]: Try) => browserless.call(method, path, body, { headers })
  }

  test('a token without scopes, as berth login keeps one, makes none of them either', async () => {
    const call = await byTokenOf()
    const ways = await waysToGive()
    for (const way of ways) {
      const { status, body } = await call(way)
      assert.deepEqual([status, body['code']], [403, 'ELEVATION_REQUIRED'], `${way[0]} ${way[1]}`)
      assert.match(String(body['detail']), /a token can/)
    }
    // Nothing of it was done: a password of the same person does all of it.
    for (const [method, path, body] of ways) {
      const { status } = await people.root.call(method, path, body)
      assert.ok(status >= 200 && status < 300, `${method} ${path}: ${status}`)
    }
  })

  test('it goes on with what destroys nothing', async () => {
    const call = await byTokenOf()
    const [narrow, group] = [await robotOf('maintainer'), await groupOf('maintainer')]
    for (const way of [
      ['POST', '/users', { name: name(), password: 'another long passphrase' }],
      ['PATCH', `/users/${(await people.add(name())).id}`, { isDisabled: true }],
      ['POST', '/projects/team/grants', { subject: { kind: 'user', id: (await people.add(name())).id }, role: 'maintainer' }],
      ['POST', '/projects/team/robots', { name: name(), grants: [{ role: 'developer' }] }],
      ['POST', `/robots/${narrow}/secrets`, {}],
      ['PUT', `/groups/${group}/members/${carol.id}`],
      ['POST', '/roles', { name: name(), permissions: ['repository:pull', 'manifest:delete'] }],
      ['POST', '/tokens', { name: name(), scopes: [{ permissions: ['repository:pull'] }] }],
    ] as const satisfies readonly Try[]) {
      const { status, body } = await call(way)
      assert.ok(status >= 200 && status < 300, `${way[0]} ${way[1]}: ${status} ${JSON.stringify(body)}`)
    }
  })

  test('a token whose scopes name a permission may give it, and none that they do not name', async () => {
    const call = await byTokenOf([{ permissions: ['role:create', 'grant:create', 'key:rotate', 'key:delete'] }])
    const role = name()
    assert.equal((await call(['POST', '/roles', { name: role, permissions: ['key:rotate'] }])).status, 201)
    assert.equal((await call(['POST', '/grants', { subject: { kind: 'user', id: carol.id }, role }])).status, 201)
    const refused = await call(['POST', '/roles', { name: name(), permissions: ['key:rotate', 'user:delete'] }])
    assert.deepEqual([refused.status, refused.body['code']], [403, 'ELEVATION_REQUIRED'])
  })

  test('an outsider’s session that ended makes none of them', async () => {
    const own = new Browser(people.rooms.url)
    assert.equal((await own.call('POST', '/session', { name: 'root', password })).status, 200)
    clock.advance(400 * 24 * 60 * 60_000)
    assert.equal((await own.call('POST', '/roles', { name: name(), permissions: ['key:rotate'] })).status, 401)
  })
})
