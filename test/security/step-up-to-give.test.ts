/** A session that was left open makes nobody and nothing that does what the session itself would have to prove its person for. */
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
    await takesProof(['POST', '/grants', { subject: { kind: 'signed-in' }, role: await roleOf(['provider:update']) }])
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

  test('a token without scopes, as berth login keeps one, goes on making them', async () => {
    const { secret } = await made('/tokens', { name: name() })
    const headers = { authorization: `Bearer ${String(secret)}` }
    const byToken = new Browser(people.rooms.url)
    clock.advance(staleMs)
    for (const [path, body] of [
      ['/projects/team/robots', { name: name(), grants: [{ role: 'project-admin' }] }],
      ['/roles', { name: name(), permissions: ['key:rotate'] }],
      [`/robots/${await robotOf('project-admin')}/secrets`, {}],
    ] as const) {
      const { status } = await byToken.call('POST', path, body, { headers })
      assert.equal(status, 201, path)
    }
  })

  test('an outsider’s session that ended makes none of them', async () => {
    const own = new Browser(people.rooms.url)
    assert.equal((await own.call('POST', '/session', { name: 'root', password })).status, 200)
    clock.advance(400 * 24 * 60 * 60_000)
    assert.equal((await own.call('POST', '/roles', { name: name(), permissions: ['key:rotate'] })).status, 401)
  })
})
