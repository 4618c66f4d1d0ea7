/** What holds whoever asks: read-only mode, deletes that are off, networks. Every route and every verb, generated from the contract. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { RouteContract } from '#api/contract.ts'
import { allRouteContracts } from '#api/routes/all.ts'
import { openPeople, password, type People, type Person } from '../api/people.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { pushImage, registryClient, type PushedImage, type RegistryClient } from '../support/registry-client.ts'
import { startUpload } from '../support/upload.ts'

/** The path with something that is there for each parameter, or with 1. */
function pathOf({ path }: RouteContract, known: Readonly<Record<string, string>>): string {
  return path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(known[name] ?? '1'))
}

/** What takes back a way in goes on. */
const takesBack = /\/(?:tokens|secrets|grants)\/\{\w+\}$/

/** Signing in and out goes on too, and the settings themselves say when this ends. */
const changing = allRouteContracts.filter(
  ({ method, tag, path }) =>
    method !== 'GET' && tag !== 'session' && path !== '/system/settings' && !(method === 'DELETE' && takesBack.test(path)),
)

interface Furnished {
  readonly people: People
  readonly image: PushedImage
  readonly upload: string
  readonly known: Readonly<Record<string, string>>
  /** Ways in, by what their paths end with. */
  readonly ways: Readonly<Record<'token' | 'robot' | 'secret' | 'grant', number>>
}

async function waysIn({ root }: People): Promise<Furnished['ways']> {
  const idOf = ({ status, body }: Awaited<ReturnType<typeof root.call>>, member?: string) => {
    assert.equal(status, 201, JSON.stringify(body))
    return (member === undefined ? body : (body[member] as Record<string, unknown>))['id'] as number
  }
  const token = idOf(
    await root.call('POST', '/tokens', { name: 'laptop', scopes: [{ permissions: ['repository:pull'], project: 'team' }] }),
    'token',
  )
  const robot = idOf(await root.call('POST', '/projects/team/robots', { name: 'ci', grants: [{ role: 'guest' }] }), 'robot')
  const secret = idOf(await root.call('POST', `/projects/team/robots/${robot}/secrets`, {}), 'details')
  const grant = idOf(await root.call('POST', '/projects/team/grants', { role: 'guest', subject: { kind: 'everyone' } }))
  return { token, robot, secret, grant }
}

async function furnish(sections: Parameters<typeof openPeople>[0] = {}): Promise<Furnished> {
  const people = await openPeople(sections)
  const { root } = people
  await root.call('POST', '/projects', { name: 'team' })
  const image = await pushImage(root.registry, 'team/app', 'v1')
  const upload = await startUpload(root.registry, people.rooms.url, 'team/app')
  return {
    people,
    image,
    upload,
    ways: await waysIn(people),
    known: { project: 'team', repository: 'team/app', tag: 'v1', digest: image.descriptor.digest, role: 'guest' },
  }
}

/** Every write and delete of /v2, on things that are there. */
function writesOf({ image, upload }: Furnished): readonly (readonly [method: string, path: string])[] {
  const { digest } = image.descriptor
  const blob = image.layers[0]?.digest ?? ''
  return [
    ['POST', '/v2/team/app/blobs/uploads/'],
    ['POST', `/v2/team/app/blobs/uploads/?digest=${blob}`],
    ['POST', `/v2/team/web/blobs/uploads/?mount=${blob}&from=team/app`],
    ['PATCH', upload],
    ['PUT', `${upload}${upload.includes('?') ? '&' : '?'}digest=${blob}`],
    ['DELETE', upload],
    ['PUT', '/v2/team/app/manifests/v1'],
    ['PUT', `/v2/team/app/manifests/${digest}`],
    ['DELETE', '/v2/team/app/manifests/v1'],
    ['DELETE', `/v2/team/app/manifests/${digest}`],
    ['DELETE', `/v2/team/app/blobs/${blob}`],
    ['DELETE', '/v2/team/app'],
    ['DELETE', '/v2/team/app/'],
  ]
}

suite('a registry that administrators keep read-only', () => {
  let scene: Furnished

  before(async () => {
    scene = await furnish()
    const { root } = scene.people
    await root.call('PATCH', '/system/settings', { projectCreation: 'everyone', autoCreateProjects: true })
    assert.equal((await root.call('PATCH', '/system/settings', { isReadOnly: true })).status, 200)
  })
  after(() => scene.people[Symbol.asyncDispose]())

  for (const route of changing) {
    test(`refuses ${route.method} ${route.path}`, async () => {
      const { root } = scene.people
      const { status, body } = await root.call(route.method, pathOf(route, scene.known), route.body === undefined ? undefined : {})
      assert.deepEqual([status, body['code']], [405, 'UNSUPPORTED'])
    })
  }

  test('has ways in taken back all the same: tokens, secrets of robots, grants', async () => {
    const { root } = scene.people
    const { token, robot, secret, grant } = scene.ways
    for (const path of [`/tokens/${token}`, `/projects/team/robots/${robot}/secrets/${secret}`, `/projects/team/grants/${grant}`]) {
      assert.equal((await root.call('DELETE', path)).status, 204, path)
      assert.equal((await root.call('DELETE', path)).status, 404, path)
    }
  })

  test('has its settings changed by whoever ends it, and by nobody else', async () => {
    const { root } = scene.people
    assert.equal((await root.call('PATCH', '/system/settings', { banner: null })).status, 405)
  })

  test('refuses every write of /v2, and goes on serving', async () => {
    const { root } = scene.people
    for (const [method, path] of writesOf(scene))
      assert.equal((await root.registry.send(path, { method, body: 'x' })).status, 405, `${method} ${path}`)
    assert.equal((await root.registry.send('/v2/team/app/manifests/v1')).status, 200)
  })

  test('makes no project by a push that is refused', async () => {
    const { root } = scene.people
    assert.equal((await root.registry.send('/v2/fresh/app/blobs/uploads/', { method: 'POST', body: '' })).status, 405)
    assert.equal((await root.call('GET', '/projects/fresh')).status, 404)
  })
})

suite('a registry whose configuration makes it read-only', () => {
  let people: People

  before(async () => (people = await openPeople({ storage: { readOnly: true } })))
  after(() => people[Symbol.asyncDispose]())

  for (const route of changing) {
    test(`refuses ${route.method} ${route.path}`, async () => {
      const path = pathOf(route, { project: 'library', repository: 'app', role: 'guest' })
      const { status, body } = await people.root.call(route.method, path, route.body === undefined ? undefined : {})
      assert.deepEqual([status, body['code']], [405, 'UNSUPPORTED'])
    })
  }

  test('is not opened by its settings, and says what would', async () => {
    const { status, body } = await people.root.call('PATCH', '/system/settings', { isReadOnly: false })
    assert.deepEqual([status, body['code']], [405, 'UNSUPPORTED'])
    assert.match(String(body['detail']), /storage\.maintenance\.readonly/)
  })
})

suite('a registry whose deletes are switched off', () => {
  let scene: Furnished

  before(async () => (scene = await furnish({ storage: { deleteEnabled: false } })))
  after(() => scene.people[Symbol.asyncDispose]())

  test('deletes no content in any form: by tag, by digest, blobs, repositories, by the API', async () => {
    const { people, image, known } = scene
    const { root } = people
    for (const [method, path] of writesOf(scene)) {
      if (method !== 'DELETE' || path === scene.upload) continue
      assert.equal((await root.registry.send(path, { method })).status, 405, path)
    }
    for (const path of [
      '/repositories/{repository}',
      '/repositories/{repository}/tags/{tag}',
      '/repositories/{repository}/manifests/{digest}',
    ] as const) {
      const route = allRouteContracts.find((each) => each.method === 'DELETE' && each.path === path)
      assert.ok(route, path)
      const { status, body } = await root.call('DELETE', pathOf(route, known))
      assert.deepEqual([status, body['code']], [405, 'UNSUPPORTED'], path)
    }
    assert.equal((await root.call('DELETE', '/projects/team?force=true')).status, 405)
    assert.equal(await root.registry.digestOf('team/app', 'v1'), image.descriptor.digest)
  })
})

suite('a project that lets in some addresses only', () => {
  let scene: Furnished
  let alice: Person
  const elsewhere = { 'x-forwarded-for': '203.0.113.7' }

  before(async () => {
    scene = await furnish({ http: { trustedProxies: ['127.0.0.1'] } as never })
    const { people } = scene
    alice = await people.add('alice')
    await people.root.call('POST', '/projects', { name: 'open' })
    await people.grant(alice, 'developer', 'team')
    await people.grant(alice, 'developer', 'open')
    assert.equal((await people.root.call('PUT', '/projects/team/networks', { allow: ['127.0.0.0/8'], deny: [] })).status, 200)
  })
  after(() => scene.people[Symbol.asyncDispose]())

  test('is no source of mounts for the others, whether it is named or not', async () => {
    const blob = scene.image.layers[0]?.digest ?? ''
    assert.equal((await alice.registry.send(`/v2/team/app/blobs/${blob}`, { headers: elsewhere })).status, 403)
    for (const from of ['&from=team/app', '']) {
      const path = `/v2/open/app/blobs/uploads/?mount=${blob}${from}`
      assert.equal((await alice.registry.send(path, { method: 'POST', body: '', headers: elsewhere })).status, 202, path)
      assert.equal((await alice.registry.send(`/v2/open/app/blobs/${blob}`, { headers: elsewhere })).status, 404)
    }
    assert.equal(
      (await alice.registry.send(`/v2/open/app/blobs/uploads/?mount=${blob}&from=team/app`, { method: 'POST', body: '' })).status,
      201,
    )
  })

  test('is left out of lists where it cannot be used, with what is below it, for whoever asks', async () => {
    const { root } = scene.people
    const token = await alice.call('POST', '/tokens', { name: 'lists' })
    const secret = registryClient(scene.people.rooms.url, { authorization: `Bearer ${String(token.body['secret'])}` })
    await root.call('POST', '/projects', { name: 'team/below' })
    await root.call('POST', '/projects', { name: 'shown', isPublic: true })
    for (const name of ['team/below/app', 'shown/app', 'open/app2']) await pushImage(root.registry, name, 'v1')
    const lists = async (client: RegistryClient, headers: Record<string, string>) => {
      const read = async (path: string) => (await client.send(path, { headers })).body.toString()
      const namesOf = (text: string) => (JSON.parse(text) as { items: { name: string }[] }).items.map(({ name }) => name)
      const { repositories: catalog } = JSON.parse(await read('/v2/_catalog')) as { repositories: string[] }
      return {
        catalog,
        repositories: namesOf(await read('/api/v1/repositories?limit=1000')),
        projects: namesOf(await read('/api/v1/projects?limit=1000')),
      }
    }
    for (const client of [root.registry, alice.registry, secret]) {
      const here = await lists(client, {})
      for (const name of ['team/app', 'team/below/app', 'shown/app']) assert.ok(here.repositories.includes(name), name)
      assert.ok(here.catalog.includes('team/app'))
      const there = await lists(client, elsewhere)
      const isOut = (name: string) => name !== 'team' && !name.startsWith('team/')
      assert.deepEqual(there.repositories, here.repositories.filter(isOut))
      assert.deepEqual(
        there.catalog,
        here.catalog.filter((name) => isOut(name)),
      )
      // Who administers the system sees that it is there, to be able to change its networks.
      assert.deepEqual(there.projects, client === root.registry ? here.projects : here.projects.filter(isOut))
      assert.ok(there.projects.includes('shown'))
    }
  })

  test('is listed again as soon as its networks say so', async () => {
    const { root } = scene.people
    const names = async () => {
      const { body } = await alice.registry
        .send('/api/v1/projects?name=team', { headers: elsewhere })
        .then((answer) => ({ body: answer.body.toString() }))
      return (JSON.parse(body) as { items: { name: string }[] }).items.map(({ name }) => name)
    }
    assert.deepEqual(await names(), [])
    assert.equal((await root.call('PUT', '/projects/team/networks', { allow: [], deny: [] })).status, 200)
    assert.deepEqual(await names(), ['team', 'team/below'])
    assert.equal((await root.call('PUT', '/projects/team/networks', { allow: ['127.0.0.0/8'], deny: [] })).status, 200)
    assert.deepEqual(await names(), [])
  })

  test('believes what the proxy says last, not what the client says before it or in another header', async () => {
    const path = '/v2/team/app/manifests/v1'
    for (const headers of [
      elsewhere,
      { 'x-forwarded-for': '127.0.0.2, 203.0.113.7' },
      { ...elsewhere, forwarded: 'for=127.0.0.2' },
      { ...elsewhere, forwarded: 'for=127.0.0.2, for=127.0.0.1' },
      { ...elsewhere, 'x-real-ip': '127.0.0.2', 'true-client-ip': '127.0.0.2', 'cf-connecting-ip': '127.0.0.2', 'client-ip': '127.0.0.2' },
    ]) {
      const answer = await alice.registry.send(path, { headers })
      assert.equal(answer.status, 403, JSON.stringify(headers))
    }
  })
})

suite('a robot of a network', () => {
  test('is not let in from another by any of its credentials', async () => {
    await using people = await openPeople({ http: { trustedProxies: ['127.0.0.1'] } as never })
    const { root } = people
    await root.call('POST', '/projects', { name: 'team' })
    const made = await root.call('POST', '/projects/team/robots', {
      name: 'ci',
      grants: [{ role: 'developer' }],
      allowedAddresses: ['127.0.0.0/8'],
    })
    const secret = String(made.body['secret'])
    const authorization = basicAuthorization('robot-ci@team', secret)
    const token = async (headers: Record<string, string>) =>
      await root.registry.send('/token?scope=repository:team/app:pull', { headers: { authorization, ...headers } })
    const issued = JSON.parse((await token({})).body.toString()) as { token: string }
    for (const header of [authorization, `Bearer ${secret}`, `Bearer ${issued.token}`]) {
      assert.equal((await root.registry.send('/v2/', { headers: { authorization: header } })).status, 200)
      const elsewhere = await root.registry.send('/v2/', { headers: { authorization: header, 'x-forwarded-for': '203.0.113.7' } })
      assert.equal(elsewhere.status, 403, header.slice(0, 12))
    }
    assert.equal((await token({ 'x-forwarded-for': '203.0.113.7' })).status, 403)
    assert.ok(password.length > 0)
  })
})
