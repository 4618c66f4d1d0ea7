/** What is hidden and what is not there: the same status, the same words, the same time. For every route that names something, generated. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { allRouteContracts } from '#api/routes/all.ts'
import { openPeople, password, type People, type Person } from '../api/people.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { pushImage, registryClient, type PushedImage } from '../support/registry-client.ts'
import { validBody } from '../support/valid-body.ts'

let people: People
let nobody: Person
let member: Person
let image: PushedImage

before(async () => {
  people = await openPeople()
  const { root } = people
  for (const name of ['hidden', 'seen']) await root.call('POST', '/projects', { name })
  image = await pushImage(root.registry, 'hidden/app', 'v1')
  await root.call('POST', '/projects', { name: 'former' })
  await pushImage(root.registry, 'former/app', 'v1')
  await root.call('POST', '/projects/former/rename', { name: 'renamed' })
  nobody = await people.add('nobody')
  member = await people.add('member')
  await people.grant(member, 'project-admin', 'seen')
})
after(() => people[Symbol.asyncDispose]())

/** The answer without what differs from request to request, and with the name taken out. */
function plain(answer: { readonly status: number; readonly headers: object; readonly body: Buffer }, names: readonly string[]): string {
  const hide = (text: string) => names.reduce((left, name) => left.replaceAll(name, 'NAME'), text)
  const headers = Object.entries(answer.headers).filter(([name]) => !['date', 'x-request-id', 'ratelimit', 'content-length'].includes(name))
  const body = answer.body.toString().replaceAll(/"requestId":"[^"]*"/g, '')
  return hide(`${answer.status}\n${JSON.stringify(headers)}\n${body}`)
}

const below = allRouteContracts.filter(({ path }) => path.startsWith('/projects/{') || path.startsWith('/repositories/{'))

suite('a project that the caller may not see answers as one that is not there', () => {
  for (const route of below) {
    test(`${route.method} ${route.path}, to a stranger, to somebody without rights and to the administrator of another`, async () => {
      const pathWith = (project: string) =>
        route.path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => {
          const known: Readonly<Record<string, string>> = {
            project,
            repository: `${project}/app`,
            tag: 'v1',
            digest: image.descriptor.digest,
          }
          return encodeURIComponent(known[name] ?? '1')
        })
      const bodies = route.body === undefined ? [undefined] : ['{}', JSON.stringify(validBody(route.body)), '{']
      for (const { registry } of [people.stranger, nobody, member]) {
        for (const body of bodies) {
          const send = async (project: string) =>
            plain(
              await registry.send(`/api/v1${pathWith(project)}`, {
                method: route.method,
                ...(body !== undefined && { body, headers: { 'content-type': 'application/json' } }),
              }),
              ['hidden', 'nowhere', 'former', 'renamed'],
            )
          const missing = await send('nowhere')
          assert.equal(await send('hidden'), missing)
          assert.equal(await send('former'), missing)
          assert.equal(await send('renamed'), missing)
        }
      }
    })
  }

  test('at every end point of /v2, with any credential', async () => {
    const personal = String((await nobody.call('POST', '/tokens', { name: 'x' })).body['secret'])
    const issued = await nobody.registry.send('/token?scope=repository:hidden/app:pull&scope=repository:nowhere/app:pull')
    const { token } = JSON.parse(issued.body.toString()) as { token: string }
    const clients = [people.stranger, nobody, member].map(({ registry }) => registry)
    for (const secret of [personal, token]) clients.push(registryClient(people.rooms.url, { authorization: `Bearer ${secret}` }))
    const { digest } = image.descriptor
    const targets = [
      'manifests/v1',
      `manifests/${digest}`,
      `blobs/${image.config.digest}`,
      'tags/list',
      `referrers/${digest}`,
      'blobs/uploads/',
      '',
    ]
    for (const client of clients) {
      for (const target of targets) {
        for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'DELETE']) {
          const send = async (project: string) =>
            plain(await client.send(`/v2/${project}/app/${target}`, { method, ...(method === 'POST' && { body: '' }) }), [
              'hidden',
              'nowhere',
              'former',
            ])
          const missing = await send('nowhere')
          assert.equal(await send('hidden'), missing, `${method} ${target}`)
          assert.equal(await send('former'), missing, `${method} ${target} by a former name`)
        }
      }
    }
  })

  test('in what the token server says of a scope', async () => {
    const scopesOf = async (name: string) => {
      const answer = await nobody.registry.send(`/token?scope=repository:${name}/app:pull,push,delete,*`)
      const { token } = JSON.parse(answer.body.toString()) as { token: string }
      return [answer.status, (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { access: unknown }).access]
    }
    assert.deepEqual(await scopesOf('hidden'), await scopesOf('nowhere'))
  })

  test('in time, as far as a median of interleaved pairs can tell', async () => {
    const durations: Record<string, number[]> = { hidden: [], nowhere: [] }
    const round = async (name: string, keep: boolean) => {
      const start = performance.now()
      await nobody.registry.send(`/v2/${name}/app/manifests/v1`)
      await nobody.call('GET', `/projects/${name}`)
      if (keep) durations[name]?.push(performance.now() - start)
    }
    for (let pair = 0; pair < 120; pair++) {
      for (const name of pair % 2 === 0 ? ['hidden', 'nowhere'] : ['nowhere', 'hidden']) await round(name, pair >= 20)
    }
    const median = (values: number[] = []) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
    const [hidden, nowhere] = [median(durations['hidden']), median(durations['nowhere'])]
    assert.ok(hidden < 2 * nowhere && nowhere < 2 * hidden, `hidden ${hidden.toFixed(2)} ms, missing ${nowhere.toFixed(2)} ms`)
  })
})

suite('what is not there, or not the caller’s to see, is named by its kind and as the caller named it', () => {
  const absent = 99_999_999
  const digest = `sha256:${'0'.repeat(64)}`
  let robotId = 0
  let grantId = 0
  let labelId = 0

  before(async () => {
    const { root } = people
    const made = async (path: string, body: object) => (await root.call('POST', path, body)).body
    robotId = ((await made('/projects/hidden/robots', { name: 'own' }))['robot'] as { id: number }).id
    grantId = Number((await made('/projects/hidden/grants', { subject: { kind: 'signed-in' }, role: 'project-creator' }))['id'])
    labelId = Number((await made('/projects/hidden/labels', { name: 'own' }))['id'])
    await pushImage(root.registry, 'seen/app', 'v1')
  })

  async function told(person: Person, method: string, path: string, body?: object) {
    const answer = await person.call(method, path, body)
    return { status: answer.status, code: answer.body['code'], facts: answer.body['facts'], detail: answer.body['detail'] }
  }

  test('projects and repositories, whether hidden, renamed or missing', async () => {
    for (const [path, kind, name] of [
      ['/projects/NAME', 'project', 'NAME'],
      ['/projects/NAME/robots/1/secrets', 'project', 'NAME'],
      ['/repositories/NAME%2Fapp', 'repository', 'NAME/app'],
      ['/repositories/NAME%2Fapp/tags/v1', 'repository', 'NAME/app'],
    ] as const) {
      for (const given of ['hidden', 'former', 'renamed', 'nowhere']) {
        const facts = { kind, name: name.replace('NAME', given) }
        const detail = `there is no ${kind} ${facts.name}, or you may not see it`
        const right = { status: 404, code: 'RESOURCE_UNKNOWN', facts, detail }
        assert.deepEqual(await told(nobody, 'GET', path.replace('NAME', given)), right, path)
      }
    }
  })

  test('robots, grants and labels of another project answer as those that are nowhere', async () => {
    const things = { robot: robotId, grant: grantId, label: labelId }
    for (const [kind, id] of Object.entries(things)) {
      for (const method of ['GET', 'DELETE']) {
        const answers = []
        for (const name of [String(id), String(absent)]) {
          const answer = await member.registry.send(`/api/v1/projects/seen/${kind}s/${name}`, { method })
          assert.deepEqual((JSON.parse(answer.body.toString()) as { facts: unknown }).facts, { kind, name }, `${method} ${kind}`)
          answers.push(plain(answer, [`"${name}"`, ` ${name},`]))
        }
        assert.equal(answers[0], answers[1], `${method} ${kind}`)
      }
    }
  })

  test('of several things in one path the one that is missing', async () => {
    const { root } = people
    const group = Number((await root.call('POST', '/groups', { name: 'staff' })).body['id'])
    for (const [method, path, kind, name] of [
      ['DELETE', `/robots/${robotId}/secrets/${absent}`, 'secret', absent],
      ['DELETE', `/robots/${absent}/secrets/1`, 'robot', absent],
      ['DELETE', `/robots/${robotId}/trusts/${absent}`, 'trust', absent],
      ['PUT', `/groups/${absent}/members/${nobody.id}`, 'group', absent],
      ['PUT', `/groups/${group}/members/${absent}`, 'user', absent],
      ['DELETE', `/groups/${group}/members/${nobody.id}`, 'member', nobody.id],
      ['DELETE', `/users/${absent}/tokens/1`, 'user', absent],
      ['DELETE', `/users/${nobody.id}/tokens/${absent}`, 'token', absent],
      ['GET', '/roles/none', 'role', 'none'],
      ['GET', '/providers/none', 'provider', 'none'],
      ['DELETE', '/keys/none', 'key', 'none'],
      ['DELETE', `/sessions/${absent}`, 'session', absent],
      ['PUT', `/repositories/seen%2Fapp/manifests/${digest}/labels/1`, 'manifest', digest],
      ['PUT', `/repositories/seen%2Fapp/manifests/nothing/labels/1`, 'manifest', 'nothing'],
      ['PUT', `/repositories/seen%2Fapp/manifests/${await root.registry.digestOf('seen/app', 'v1')}/labels/${labelId}`, 'label', labelId],
    ] as const) {
      const { status, facts } = await told(root, method, path)
      assert.deepEqual([status, facts], [404, { kind, name: String(name) }], `${method} ${path}`)
    }
  })
})

suite('an account', () => {
  test('that is there and one that is not refuse a wrong password in the same words', async () => {
    const tries = [
      (name: string) =>
        people.stranger.registry.send('/v2/', { headers: { authorization: basicAuthorization(name, 'wrong wrong wrong') } }),
      (name: string) =>
        people.stranger.registry.send('/token', { headers: { authorization: basicAuthorization(name, 'wrong wrong wrong') } }),
      (name: string) =>
        people.stranger.registry.send('/api/v1/session', { headers: { authorization: basicAuthorization(name, 'wrong wrong wrong') } }),
      (name: string) =>
        people.stranger.registry.send('/api/v1/session', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ name, password: 'wrong wrong wrong' }),
        }),
    ]
    const disabled = await people.add('disabled')
    await people.root.call('PATCH', `/users/${disabled.id}`, { isDisabled: true })
    for (const [index, send] of tries.entries()) {
      const missing = plain(await send(`ghost${index}`), [`ghost${index}`])
      for (const name of ['root', 'disabled']) assert.equal(plain(await send(name), [name]), missing, `${index} ${name}`)
    }
    const right = plain(
      await people.stranger.registry.send('/v2/', { headers: { authorization: basicAuthorization('disabled', password) } }),
      [],
    )
    const wrong = plain(
      await people.stranger.registry.send('/v2/', { headers: { authorization: basicAuthorization('ghost-4', password) } }),
      [],
    )
    assert.equal(right, wrong, 'a disabled one does not tell that the password was right')
  })

  test('cannot be looked for by whoever may not list accounts', async () => {
    for (const path of [
      '/users/1',
      '/users/99999',
      '/groups/1',
      '/groups/99999',
      '/robots/1',
      '/grants/1',
      '/users?name=root',
      '/users/1/tokens',
    ]) {
      const answer = plain(await nobody.registry.send(`/api/v1${path}`), [])
      assert.match(answer, /^403/)
      assert.equal(answer, plain(await nobody.registry.send(`/api/v1${path.replace(/\d+/, '77777')}`), []))
    }
  })
})
