/**
 * Whether a token without scopes (what `berth login` keeps) suffices to end with `project:delete` over somebody's content in other hands: one line for each
 * verb of the contract, either with what it would be used for, or among those that give nobody anything.
 */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { allRouteContracts } from '#api/routes/all.ts'
import { pushImage } from '../support/registry-client.ts'
import { Browser } from '../api/browser.ts'
import { openPeople, password, type People, type Person } from '../api/people.ts'

type Verb = `${string} /${string}`
interface Try {
  readonly path: string
  readonly body?: object
}
type Call = (
  method: string,
  path: string,
  body?: object,
) => Promise<{ readonly status: number; readonly body: Readonly<Record<string, unknown>> }>

/** Verbs that change who somebody is, what somebody may or where something is in no way that gives. */
const giveNothing: Readonly<Record<string, readonly Verb[]>> = {
  'they are about the caller’s own ways in, by the caller’s own proof': [
    'POST /session',
    'DELETE /session',
    'POST /session/second-factor',
    'POST /session/challenge',
    'POST /session/name',
    'POST /session/elevation',
    'POST /session/elevation/provider',
    'POST /session/terminal',
    'PUT /session/password',
    'PATCH /session/account',
    'POST /session/oidc/{provider}/backchannel-logout',
  ],
  'they end or take away': [
    'DELETE /sessions/{session}',
    'DELETE /sessions',
    'DELETE /groups/{group}',
    'DELETE /groups/{group}/members/{user}',
    'DELETE /roles/{role}',
    'DELETE /grants/{grant}',
    'DELETE /projects/{project}/grants/{grant}',
    'DELETE /tokens/{token}',
    'DELETE /users/{user}/tokens/{token}',
    'DELETE /robots/{robot}',
    'DELETE /robots/{robot}/secrets/{secret}',
    'DELETE /robots/{robot}/trusts/{trust}',
    'DELETE /projects/{project}/robots/{robot}',
    'DELETE /projects/{project}/robots/{robot}/secrets/{secret}',
    'DELETE /projects/{project}/robots/{robot}/trusts/{trust}',
  ],
  'they name or describe': ['POST /groups', 'PATCH /groups/{group}', 'PATCH /repositories/{repository}', 'PATCH /projects/{project}'],
  'they are about content within its project, which no right hangs on': [
    'DELETE /repositories/{repository}',
    'POST /repositories/{repository}/tags',
    // A push into a project that is there.
    'POST /repositories/{repository}/import',
    'PATCH /repositories/{repository}/tags/{tag}',
    'DELETE /repositories/{repository}/tags/{tag}',
    'POST /repositories/{repository}/tags/{tag}/restore',
    'DELETE /repositories/{repository}/manifests/{digest}',
    'DELETE /repositories/{repository}/uploads/{upload}',
    'POST /trash/restore',
    'PUT /projects/{project}/quota',
    'DELETE /projects/{project}/quota',
    'POST /labels',
    'PATCH /labels/{label}',
    'DELETE /labels/{label}',
    'POST /projects/{project}/labels',
    'PATCH /projects/{project}/labels/{label}',
    'DELETE /projects/{project}/labels/{label}',
    'PUT /repositories/{repository}/manifests/{digest}/labels/{label}',
    'DELETE /repositories/{repository}/manifests/{digest}/labels/{label}',
    'POST /projects/{project}/immutable-tag-rules',
    'PATCH /projects/{project}/immutable-tag-rules/{rule}',
    'DELETE /projects/{project}/immutable-tag-rules/{rule}',
    'POST /projects/{project}/retention-policies',
    'POST /projects/{project}/retention-policies/preview',
    'PATCH /projects/{project}/retention-policies/{policy}',
    'DELETE /projects/{project}/retention-policies/{policy}',
    'POST /projects/{project}/retention-policies/{policy}/runs',
    'POST /projects/{project}/retention-runs/{run}/stop',
    'POST /projects/{project}/retention-runs/{run}/undo',
    'PUT /projects/{project}/networks',
  ],
  'they are about the work of the server': [
    'POST /providers/{provider}/test',
    'POST /provider-tests',
    'POST /certificates/renewals',
    'POST /jobs/{job}/stop',
    'POST /jobs/{job}/retry',
    'PATCH /schedules/{schedule}',
    'POST /schedules/{schedule}/run',
    'POST /garbage/runs',
    'POST /scrub/runs',
    'POST /backups',
    'POST /backups/verifications',
    'POST /storage/cold-runs',
  ],
}

suite('a token without scopes', () => {
  let people: People
  let mallory: Person
  let byToken: Call
  let count = 0
  const name = () => `n${count++}`

  before(async () => {
    people = await openPeople()
    mallory = await people.add('mallory')
    for (const project of ['team', 'mine']) await made('/projects', { name: project })
    await people.grant(mallory, 'project-admin', 'mine')
    await pushImage(people.root.registry, 'team/app', 'latest')
    await made('/providers', {
      name: 'ci',
      kind: 'workload',
      settings: { issuer: 'https://ci.example', jwksUrl: 'https://ci.example/jwks' },
    })
    const { secret } = await made('/tokens', { name: 'berth-cli' })
    const headers = { authorization: `Bearer ${String(secret)}` }
    byToken = (method, path, body) => new Browser(people.rooms.url).call(method, path, body, { headers })
  })
  after(() => people[Symbol.asyncDispose]())

  async function made(path: string, body: object): Promise<Readonly<Record<string, unknown>>> {
    const answer = await people.root.call('POST', path, body)
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
    return answer.body
  }

  async function roleOf(...permissions: string[]): Promise<string> {
    const role = name()
    await made('/roles', { name: role, permissions })
    return role
  }

  async function robotOf(role: string, isDisabled = false): Promise<number> {
    const { robot } = await made('/projects/team/robots', { name: name(), hasSecret: false, grants: [{ role }] })
    const { id } = robot as { id: number }
    if (isDisabled) await people.root.call('PATCH', `/robots/${id}`, { isDisabled })
    return id
  }

  async function groupOf(role: string): Promise<number> {
    const id = Number((await made('/groups', { name: name() }))['id'])
    await made('/projects/team/grants', { subject: { kind: 'group', id }, role })
    return id
  }

  async function grantOf(role: string): Promise<number> {
    const person = await people.add(name())
    return Number((await made('/projects/team/grants', { subject: { kind: 'user', id: person.id }, role }))['id'])
  }

  async function sleeper(): Promise<number> {
    const person = await people.add(name())
    await people.grant(person, 'project-admin', 'team')
    assert.equal((await people.root.call('PATCH', `/users/${person.id}`, { isDisabled: true })).status, 200)
    return person.id
  }

  /** Something of `team` in the trash. */
  async function trashed(): Promise<number> {
    const repository = `team/${name()}`
    await pushImage(people.root.registry, repository, 'latest')
    assert.ok((await people.root.call('DELETE', `/repositories/${encodeURIComponent(repository)}`)).status < 300)
    const { body } = await people.root.call('GET', `/trash?kind=repository&repository=${encodeURIComponent(repository)}`)
    return Number(body.items?.[0]?.['id'])
  }

  async function trashedProject(): Promise<number> {
    const project = name()
    await made('/projects', { name: project })
    assert.ok((await people.root.call('DELETE', `/projects/${project}?force=true`)).status < 300)
    const { body } = await people.root.call('GET', `/trash?kind=project&project=${project}`)
    return Number(body.items?.[0]?.['id'])
  }

  /** A project of the trash at whose name somebody else has the project above by now. */
  async function orphanRestore(): Promise<{ readonly path: string; readonly body: { readonly name: string } }> {
    const above = name()
    await made('/projects', { name: above })
    await made('/projects', { name: `${above}/child` })
    for (const project of [`${above}/child`, above])
      assert.ok((await people.root.call('DELETE', `/projects/${encodeURIComponent(project)}?force=true`)).status < 300)
    await made('/projects', { name: above })
    await people.grant(mallory, 'project-admin', above)
    const { body } = await people.root.call('GET', `/trash?kind=project&project=${encodeURIComponent(`${above}/child`)}`)
    return { path: `/trash/${Number(body.items?.[0]?.['id'])}/restore`, body: { name: `${above}/child` } }
  }

  const wide = ['project:delete', 'project:create', 'repository:move'] as const
  const trust = { provider: 'ci', audience: 'https://registry.example', claims: { sub: 'team-ci' } }
  const settings = { issuer: 'https://id.mallory.example', jwksUrl: 'https://id.mallory.example/jwks' }

  /** What each verb would be used for, every one of which a password may do. */
  const ways: Readonly<Record<Verb, () => Promise<readonly Try[]>>> = {
    'POST /users': async () => [{ path: '/users', body: { name: name(), password, isAdministrator: true } }],
    'PATCH /users/{user}': async () => [
      { path: `/users/${mallory.id}`, body: { isAdministrator: true } },
      { path: `/users/${await sleeper()}`, body: { isDisabled: false } },
      { path: `/users/${await sleeper()}`, body: { name: name() } },
    ],
    'PUT /users/{user}/password': async () => [{ path: `/users/${await sleeper()}/password`, body: { password } }],
    'DELETE /users/{user}/factors': async () => [{ path: `/users/${await sleeper()}/factors` }],
    'PUT /groups/{group}/members/{user}': async () => [
      { path: `/groups/${await groupOf('project-admin')}/members/${mallory.id}` },
      { path: `/groups/${await groupOf('project-creator')}/members/${mallory.id}` },
    ],
    'POST /roles': async () => wide.map((permission) => ({ path: '/roles', body: { name: name(), permissions: [permission] } })),
    'PATCH /roles/{role}': async () =>
      await Promise.all(
        wide.map(async (permission) => ({ path: `/roles/${await roleOf('repository:pull')}`, body: { permissions: [permission] } })),
      ),
    'POST /grants': async () => [
      { path: '/grants', body: { subject: { kind: 'user', name: 'mallory' }, role: 'project-creator' } },
      { path: '/grants', body: { subject: { kind: 'signed-in' }, role: 'project-creator' } },
      { path: '/grants', body: { subject: { kind: 'user', name: 'mallory' }, role: await roleOf('repository:move') } },
    ],
    'PATCH /grants/{grant}': async () => [{ path: `/grants/${await grantOf('guest')}`, body: { role: 'project-creator' } }],
    'POST /projects/{project}/grants': async () => [
      { path: '/projects/team/grants', body: { subject: { kind: 'user', name: 'mallory' }, role: 'project-admin' } },
      { path: '/projects/team/grants', body: { subject: { kind: 'user', name: 'mallory' }, role: 'project-creator' } },
    ],
    'PATCH /projects/{project}/grants/{grant}': async () => [
      { path: `/projects/team/grants/${await grantOf('guest')}`, body: { role: 'project-creator' } },
    ],
    'POST /trash/{trash}/restore': async () => [
      await orphanRestore(),
      { path: `/trash/${await trashed()}/restore`, body: { name: `mine/${name()}` } },
      { path: `/trash/${await trashedProject()}/restore`, body: { name: `mine/${name()}` } },
    ],
    'POST /projects/{project}/rename': async () => {
      for (const project of ['moving', 'known', 'other']) await made('/projects', { name: project })
      assert.equal((await people.root.call('POST', '/projects/known/rename', { name: 'known-now' })).status, 200)
      return [
        { path: '/projects/moving/rename', body: { name: 'mine/moving' } },
        // Whose clients would be led to another project.
        { path: '/projects/other/rename', body: { name: 'known' } },
      ]
    },
    'POST /repositories/{repository}/move': async () => [{ path: '/repositories/team%2Fapp/move', body: { to: 'mine/app' } }],
    'POST /tokens': async () => [
      { path: '/tokens', body: { name: name() } },
      { path: '/tokens', body: { name: name(), scopes: [{ permissions: ['project:delete'] }] } },
      { path: '/tokens', body: { name: name(), scopes: [{ permissions: ['repository:move'] }] } },
    ],
    'POST /robots': async () => [
      { path: '/robots', body: { name: name(), grants: [{ role: 'project-creator' }] } },
      { path: '/robots', body: { name: name(), grants: [{ role: 'project-admin' }] } },
    ],
    'PATCH /robots/{robot}': async () => [
      { path: `/robots/${await robotOf('guest')}`, body: { grants: [{ role: 'project-creator', project: 'team' }] } },
      { path: `/robots/${await robotOf('project-creator', true)}`, body: { isDisabled: false } },
    ],
    'POST /robots/{robot}/secrets': async () => [{ path: `/robots/${await robotOf('project-creator')}/secrets`, body: {} }],
    'POST /robots/{robot}/trusts': async () => [{ path: `/robots/${await robotOf('project-creator')}/trusts`, body: trust }],
    'POST /projects/{project}/robots': async () => [
      { path: '/projects/team/robots', body: { name: name(), grants: [{ role: 'project-creator' }] } },
    ],
    'PATCH /projects/{project}/robots/{robot}': async () => [
      { path: `/projects/team/robots/${await robotOf('guest')}`, body: { grants: [{ role: 'project-creator' }] } },
    ],
    'POST /projects/{project}/robots/{robot}/secrets': async () => [
      { path: `/projects/team/robots/${await robotOf('project-creator')}/secrets`, body: {} },
    ],
    'POST /projects/{project}/robots/{robot}/trusts': async () => [
      { path: `/projects/team/robots/${await robotOf('project-creator')}/trusts`, body: trust },
    ],
    'PATCH /system/settings': async () => [{ path: '/system/settings', body: { projectCreation: 'everyone' } }],
    'POST /providers': async () => [{ path: '/providers', body: { name: name(), kind: 'workload', settings } }],
    'PATCH /providers/{provider}': async () => [
      { path: '/providers/ci', body: { settings: { ...settings, issuer: 'https://of.mallory.example' } } },
    ],
  }

  /** Verbs that ask whoever calls for the proof before they look at anything else, and give nobody anything themselves. */
  const asked = allRouteContracts.filter(({ needsElevation }) => needsElevation === true).map(({ method, path }) => `${method} ${path}`)

  test('is judged for every verb that changes something', () => {
    const changing = allRouteContracts.filter(({ method }) => method !== 'GET').map(({ method, path }) => `${method} ${path}`)
    const judged = new Set<string>([...Object.keys(ways), ...Object.values(giveNothing).flat(), ...asked, 'POST /projects'])
    assert.deepEqual(
      changing.filter((verb) => !judged.has(verb)),
      [],
      'say of each verb how it would put project:delete into other hands, or why it does not',
    )
  })

  test('makes nobody but its owner the administrator of repositories that a project is made around, and nobody who may not delete them', async () => {
    await pushImage(people.root.registry, 'loose/app', 'latest')
    const updater = await people.add(name())
    await people.grant(updater, await roleOf('project:update', 'repository:delete'), 'library')
    await made('/grants', { subject: { kind: 'user', id: updater.id }, role: 'project-creator' })
    const refused = await updater.call('POST', '/projects', { name: 'loose' })
    assert.equal(refused.body['code'], 'CONFLICT')
    assert.equal((await byToken('POST', '/projects', { name: 'loose' })).status, 201)
    assert.deepEqual(await deletersOf('loose/app'), [])
  })

  test('and what is in the trash is not for whoever has a project above its name since', async () => {
    const id = Number(/\d+/.exec((await orphanRestore()).path)?.[0])
    const { body } = await mallory.call('GET', '/trash?kind=project')
    assert.ok(!body.items?.some((item) => item['id'] === id))
    assert.equal((await mallory.call('DELETE', `/trash/${id}`)).status, 404)
    assert.equal((await mallory.call('POST', `/trash/${id}/restore`, {})).status, 404)
  })

  /** Names of all but administrators who may delete the project that the repository is in. */
  async function deletersOf(repository: string): Promise<readonly string[]> {
    const { body } = await people.root.call('GET', `/repositories/${encodeURIComponent(repository)}`)
    const found: string[] = []
    for (const [list, kind, field] of [
      ['/users?limit=1000', 'user', 'name'],
      ['/robots?limit=1000', 'robot', 'login'],
    ] as const) {
      for (const one of (await people.root.call('GET', list)).body.items ?? []) {
        if (one['isAdministrator'] === true || one['isDisabled'] === true) continue
        const who = String(one[field] ?? one['name'])
        const at = `/projects/${encodeURIComponent(String(body['project']))}/permissions?${kind}=${encodeURIComponent(who)}`
        const { body: may, status } = await people.root.call('GET', at)
        if (status === 200 && (may['permissions'] as readonly string[]).includes('project:delete')) found.push(who)
      }
    }
    return found
  }

  test('puts project:delete over the content of others into no other hands, by any verb', async () => {
    for (const [verb, makeTries] of Object.entries(ways)) {
      const method = verb.slice(0, verb.indexOf(' '))
      for (const { path, body } of await makeTries()) {
        const before = await deletersOf('team/app')
        const { status, body: answer } = await byToken(method, path, body)
        assert.deepEqual(
          [status, answer['code']],
          [403, 'ELEVATION_REQUIRED'],
          `${method} ${path} ${JSON.stringify(body)}: ${JSON.stringify(answer)}`,
        )
        assert.deepEqual(await deletersOf('team/app'), before, `${method} ${path}`)
        const byPassword = await people.root.call(method, path, body)
        assert.ok(byPassword.status < 300, `${method} ${path}: ${JSON.stringify(byPassword.body)}`)
        if (path.endsWith('/move')) await people.root.call('POST', '/repositories/mine%2Fapp/move', { to: 'team/app', redirect: false })
        if (path === `/users/${mallory.id}`) await people.root.call('PATCH', path, { isAdministrator: false })
      }
    }
  })

  test('of somebody who is no administrator brings nothing into a project of others', async () => {
    const zoe = await people.add('zoe')
    for (const role of ['developer', 'project-creator']) await people.grant(zoe, role, 'mine')
    await made('/projects', { name: 'own' })
    await people.grant(zoe, 'project-admin', 'own')
    await pushImage(zoe.registry, 'own/app', 'latest')
    const { body } = await zoe.call('POST', '/tokens', { name: 'cli' })
    const headers = { authorization: `Bearer ${String(body['secret'])}` }
    const call: Call = (method, path, sent) => new Browser(people.rooms.url).call(method, path, sent, { headers })
    for (const [path, sent] of [
      ['/projects/own/rename', { name: 'mine/own' }],
      ['/repositories/own%2Fapp/move', { to: 'mine/own-app' }],
    ] as const) {
      assert.equal((await call('POST', path, sent)).body['code'], 'ELEVATION_REQUIRED', path)
    }
    assert.equal((await call('POST', '/repositories/own%2Fapp/move', { to: 'own/app2' })).status, 200, 'within the project it goes on')
    assert.equal((await call('POST', '/projects/own/rename', { name: 'own2' })).status, 200, 'and so does another name below nothing')
    assert.equal((await zoe.call('POST', '/projects/own2/rename', { name: 'mine/own' })).status, 200, 'her password is the proof')
  })

  test('takes the rights at the source too, whatever proof there is', async () => {
    const carrier = await people.add(name())
    await people.grant(carrier, await roleOf('project:read', 'project:update', 'repository:move', 'repository:read'), 'team')
    for (const role of ['developer', 'project-creator']) await people.grant(carrier, role, 'mine')
    const renamed = await carrier.call('POST', '/projects/team/rename', { name: 'mine/team' })
    assert.deepEqual([renamed.status, renamed.body['code']], [403, 'DENIED'])
    const moved = await carrier.call('POST', '/repositories/team%2Fapp/move', { to: 'mine/carried' })
    assert.deepEqual([moved.status, moved.body['code']], [403, 'DENIED'])
  })

  test('nobody makes a project above those that they do not administer, by the API or by a push', async () => {
    await made('/projects', { name: 'above/below' })
    const maker = await people.add(name())
    await people.grant(maker, 'project-creator')
    const refused = await maker.call('POST', '/projects', { name: 'above' })
    assert.deepEqual([refused.status, refused.body['code']], [409, 'CONFLICT'])
    assert.equal(
      (await people.root.call('PATCH', '/system/settings', { autoCreateProjects: true, projectCreation: 'everyone' })).status,
      200,
    )
    await pushImage(maker.registry, 'above/app', 'latest').catch(() => undefined)
    assert.equal((await people.root.call('GET', '/projects/above')).status, 404)
    await made('/projects', { name: 'above' })
  })
})
