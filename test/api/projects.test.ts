import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { pushImage } from '../support/registry-client.ts'
import { openPeople, type ApiReply, type People, type Person } from './people.ts'

const path = (project: string) => `/projects/${encodeURIComponent(project)}`
const names = (reply: ApiReply) => reply.body.items?.map(({ name }) => name)

/** What of a refusal may differ between two requests. */
function refusalOf({ status, body }: ApiReply): unknown {
  const { requestId: _, ...rest } = body
  return { status, ...rest }
}

async function make(person: Person, name: string, rest: object = {}): Promise<void> {
  const made = await person.call('POST', '/projects', { name, ...rest })
  assert.equal(made.status, 201, JSON.stringify(made.body))
}

async function setSystem({ rooms }: People, value: object): Promise<void> {
  const { changeSetting } = await import('#metadata/test-transactions.ts')
  await rooms.registry.metadata.write(changeSetting, { name: 'system', value })
}

suite('projects over the API', () => {
  let people: People
  let root: Person
  let alice: Person
  let bob: Person
  before(async () => {
    people = await openPeople()
    root = people.root
    alice = await people.add('alice')
    bob = await people.add('bob')
  })
  after(() => people[Symbol.asyncDispose]())

  test('a project is made, read, changed by its version, and deleted', async () => {
    const made = await root.call('POST', '/projects', { name: 'life', description: 'first' })
    assert.deepEqual([made.status, made.location, made.etag], [201, '/api/v1/projects/life', '"1"'])
    assert.deepEqual([made.body['createdBy'], made.body['isPublic'], made.body['repositoryCount']], ['root', false, 0])
    const read = await root.call('GET', '/projects/life')
    assert.deepEqual([read.status, read.body, read.etag], [200, made.body, '"1"'])
    const changed = await root.call('PATCH', '/projects/life', { description: 'second' }, { 'if-match': '"1"' })
    assert.deepEqual([changed.status, changed.body['description'], changed.etag], [200, 'second', '"2"'])
    for (const method of ['PATCH', 'DELETE']) {
      const late = await root.call(method, '/projects/life', method === 'PATCH' ? { description: 'x' } : undefined, { 'if-match': '"1"' })
      assert.deepEqual([late.status, late.body['code']], [412, 'PRECONDITION_FAILED'])
    }
    assert.equal((await root.call('DELETE', '/projects/life', undefined, { 'if-match': '"2"' })).status, 204)
    assert.equal((await root.call('GET', '/projects/life')).status, 404)
  })

  test('bodies with members that are not said to be there change nothing', async () => {
    await make(root, 'strict')
    for (const extra of [{ isDefault: true }, { id: 1 }, { createdBy: 'x' }, { name: 'other' }, { version: 9 }, { settings: {} }]) {
      assert.equal((await root.call('PATCH', '/projects/strict', { description: 'x', ...extra })).status, 400, JSON.stringify(extra))
    }
    assert.equal((await root.call('POST', '/projects', { name: 'strict2', isDefault: true })).status, 400)
    assert.equal((await root.call('PATCH', '/projects/strict', {})).status, 400)
    assert.equal((await root.call('GET', '/projects/strict')).body['version'], 1)
  })

  test('hostile names are refused in bodies and unknown in paths', async () => {
    for (const name of ['', '/', 'a/', 'A', '..', 'a/../b', 'a b', 'a\u0000', '%2f', 'ä', '!1', 'a'.repeat(201)]) {
      const made = await root.call('POST', '/projects', { name })
      assert.deepEqual([made.status, made.body['code']], [400, 'REQUEST_INVALID'], name)
      if (name === '') continue
      const read = await root.call('GET', path(name))
      assert.ok(read.status === 404 || read.status === 400, `${name}: ${read.status}`)
    }
  })

  test('a project that the caller may not see answers as one that is not there', async () => {
    await make(root, 'secret')
    const attempts: readonly (readonly [string, string, unknown?])[] = [
      ['GET', ''],
      ['PATCH', '', { description: 'x' }],
      ['DELETE', ''],
      ['DELETE', '?force=true'],
      ['POST', '/rename', { name: 'mine' }],
      ['GET', '/labels'],
      ['POST', '/labels', { name: 'x' }],
      ['GET', '/labels/1'],
    ]
    for (const [method, rest, body] of attempts) {
      const there = await alice.call(method, `/projects/secret${rest}`, body)
      const absent = await alice.call(method, `/projects/absent${rest}`, body)
      assert.deepEqual([there.status, there.body['code']], [404, 'RESOURCE_UNKNOWN'], `${method} ${rest}`)
      const plain = (reply: ApiReply, name: string) => JSON.stringify(refusalOf(reply)).replaceAll(name, 'NAME')
      assert.equal(plain(there, 'secret'), plain(absent, 'absent'))
      assert.equal((await people.stranger.call(method, `/projects/secret${rest}`, body)).status, 401)
    }
    assert.ok(!names(await alice.call('GET', '/projects?limit=1000'))?.includes('secret'))
    assert.ok(names(await root.call('GET', '/projects?limit=1000'))?.includes('secret'))
  })

  test('visibility that changes is seen at once, on the API and on /v2', async () => {
    await make(root, 'shown')
    const image = await pushImage(root.registry, 'shown/app', 'v1')
    const sees = async (person: Person) => [
      (await person.call('GET', '/projects/shown')).status,
      (await person.registry.send('/v2/shown/app/manifests/v1')).status,
      names(await person.call('GET', '/projects?name=shown'))?.length,
    ]
    assert.deepEqual(await sees(people.stranger), [401, 401, 0])
    await root.call('PATCH', '/projects/shown', { isPublic: true })
    assert.deepEqual(await sees(people.stranger), [200, 200, 1])
    assert.deepEqual(await sees(alice), [200, 200, 1])
    assert.equal(await people.stranger.registry.digestOf('shown/app', 'v1'), image.descriptor.digest)
    await root.call('PATCH', '/projects/shown', { isPublic: false })
    assert.deepEqual(await sees(people.stranger), [401, 401, 0])
    assert.equal((await alice.call('GET', '/projects/shown')).status, 404)
  })

  test('making projects takes the permission, or a setting that gives it to everyone at the top', async () => {
    await make(root, 'parent')
    assert.equal((await alice.call('POST', '/projects', { name: 'alices' })).status, 403)
    assert.equal((await people.stranger.call('POST', '/projects', { name: 'anyones' })).status, 401)
    await setSystem(people, { projectCreation: 'everyone' })
    try {
      await make(alice, 'alices')
      const grants = await alice.call('GET', '/projects/alices/grants')
      assert.deepEqual(
        grants.body.items?.map(({ role }) => role),
        ['project-admin'],
      )
      assert.deepEqual(names(await alice.call('GET', '/projects?mine=true')), ['alices'])
      assert.equal((await alice.call('POST', '/projects', { name: 'parent/below' })).status, 403)
      assert.equal((await people.stranger.call('POST', '/projects', { name: 'anyones' })).status, 401)
    } finally {
      await setSystem(people, {})
    }
    await people.grant(bob, 'project-creator', 'parent')
    await make(bob, 'parent/below')
    assert.equal((await bob.call('POST', '/projects', { name: 'bobs' })).status, 403)
    assert.equal((await bob.call('GET', '/projects/parent%2Fbelow')).status, 200)
  })

  test('a nested project inherits the rights of the one above it, and gives none upwards', async () => {
    await make(root, 'above')
    await make(root, 'above/below')
    const [upper, lower] = [await people.add('upper'), await people.add('lower')]
    await people.grant(upper, 'developer', 'above')
    await people.grant(lower, 'project-admin', 'above/below')
    await pushImage(upper.registry, 'above/below/app', 'v1')
    assert.equal((await upper.call('GET', path('above/below'))).status, 200)
    assert.equal((await upper.call('PATCH', path('above/below'), { description: 'x' })).status, 403)
    assert.equal((await lower.call('PATCH', path('above/below'), { description: 'x' })).status, 200)
    assert.equal((await lower.call('GET', path('above'))).status, 404)
    assert.equal((await lower.registry.send('/v2/above/app/tags/list')).status >= 400, true)
  })

  test('of two creations at once one is made', async () => {
    const replies = await Promise.all([1, 2, 3, 4].map(() => root.call('POST', '/projects', { name: 'raced' })))
    assert.deepEqual(
      replies.map(({ status }) => status).toSorted((a, b) => a - b),
      [201, 409, 409, 409],
    )
  })

  test('a name is taken over repositories only by who may change the project they are in', async () => {
    await pushImage(root.registry, 'grown/app', 'v1')
    await setSystem(people, { projectCreation: 'everyone' })
    try {
      const refused = await alice.call('POST', '/projects', { name: 'grown' })
      const taken = await alice.call('POST', '/projects', { name: 'library' })
      assert.deepEqual([refused.status, refused.body['code']], [409, 'CONFLICT'])
      assert.deepEqual(refusalOf(refused), refusalOf(taken))
    } finally {
      await setSystem(people, {})
    }
    await make(root, 'grown')
    assert.equal((await root.call('GET', '/projects/grown')).body['repositoryCount'], 1)
    assert.equal((await root.call('GET', '/repositories/grown%2Fapp')).body['project'], 'grown')
  })

  test('a project is made over repositories while they are pushed, and every one ends in it', async () => {
    const pushes = Array.from({ length: 6 }, (_, index) => pushImage(root.registry, `busy/app${index}`, 'v1'))
    await Promise.all([...pushes, make(root, 'busy')])
    assert.equal((await root.call('GET', '/projects/busy')).body['repositoryCount'], 6)
  })

  test('a rename answers under both names, for those who may see it only', async () => {
    await make(root, 'one')
    await pushImage(root.registry, 'one/app', 'v1')
    const member = await people.add('member')
    await people.grant(member, 'guest', 'one')
    for (const [from, to] of [
      ['one', 'two'],
      ['two', 'three'],
    ] as const) {
      const renamed = await root.call('POST', `${path(from)}/rename`, { name: to })
      assert.deepEqual([renamed.status, renamed.body['name']], [200, to])
    }
    for (const name of ['one', 'two', 'three']) {
      const read = await member.call('GET', path(name))
      assert.deepEqual([read.status, read.body['name'], read.body['formerNames']], [200, 'three', ['one', 'two']], name)
      assert.equal((await alice.call('GET', path(name))).status, 404)
    }
    assert.equal((await member.call('POST', '/projects/three/rename', { name: 'four' })).status, 403)
    assert.equal((await root.call('POST', '/projects/library/rename', { name: 'free' })).status, 409)
    assert.equal((await root.call('POST', '/projects/three/rename', { name: 'library' })).status, 409)
    // A project of the old name takes the redirect away, the middle one stays.
    await make(root, 'one')
    assert.equal((await member.call('GET', '/projects/one')).status, 404)
    assert.equal((await member.call('GET', '/projects/two')).body['name'], 'three')
  })

  test('who administers a project does not get a name at the top by renaming it', async () => {
    await make(root, 'kept')
    const keeper = await people.add('keeper')
    await people.grant(keeper, 'project-admin', 'kept')
    assert.equal((await keeper.call('POST', '/projects/kept/rename', { name: 'famous' })).status, 403)
    assert.equal((await keeper.call('POST', '/projects/kept/rename', { name: 'above/kept' })).status, 403)
    assert.equal((await keeper.call('POST', '/projects/kept/rename', { name: 'kept' })).status, 200)
  })

  test('who administers a project below another does not take it away from there', async () => {
    for (const name of ['fleet', 'fleet/deck', 'fleet/deck/t2']) await make(root, name)
    const [mate, captain] = [await people.add('mate'), await people.add('captain')]
    for (const person of [mate, captain]) await people.grant(person, 'project-creator')
    await people.grant(mate, 'project-admin', 'fleet/deck')
    await people.grant(captain, 'project-admin', 'fleet')
    const rename = async (person: typeof mate, from: string, name: string) =>
      (await person.call('POST', `${path(from)}/rename`, { name })).status
    const refused = await mate.call('POST', `${path('fleet/deck')}/rename`, { name: 'free-deck' })
    assert.deepEqual([refused.status, refused.body['code']], [403, 'DENIED'])
    assert.match(String(refused.body['detail']), /above.*project:update/)
    // The nearest above it is theirs, the one above that is not.
    assert.equal(await rename(mate, 'fleet/deck/t2', 'free-t2'), 403)
    assert.equal(await rename(mate, 'fleet/deck/t2', 'fleet/t2'), 200)
    assert.equal(await rename(mate, 'fleet/deck', 'fleet/bridge'), 200)
    assert.equal(await rename(captain, 'fleet/t2', 'free-t2'), 200)
  })

  test('a project with content is deleted by force only, the default project never', async () => {
    await make(root, 'full')
    await make(root, 'full/inner')
    await pushImage(root.registry, 'full/app', 'v1')
    await pushImage(root.registry, 'full/inner/app', 'v1')
    assert.equal((await root.call('DELETE', '/projects/full')).status, 409)
    assert.equal((await root.call('DELETE', '/projects/full%2Finner')).status, 409)
    assert.equal((await root.call('DELETE', '/projects/library?force=true')).status, 409)
    assert.equal((await root.call('DELETE', '/projects/full?force=true')).status, 204)
    for (const name of ['full', 'full%2Finner']) assert.equal((await root.call('GET', `/projects/${name}`)).status, 404)
    assert.equal((await root.registry.send('/v2/full/app/manifests/v1')).status, 404)
  })

  test('a repository moves where the caller may make repositories, and nowhere else', async () => {
    await make(root, 'source')
    await make(root, 'target')
    const mover = await people.add('mover')
    await people.grant(mover, 'project-admin', 'source')
    const image = await pushImage(root.registry, 'source/app', 'v1')
    const move = (to: string, rest: object = {}) => mover.call('POST', '/repositories/source%2Fapp/move', { to, ...rest })
    const hidden = await move('secret/app')
    const absent = await move('nothing/app')
    assert.deepEqual([hidden.status, refusalOf(hidden)], [403, refusalOf(absent)])
    assert.equal((await move('target/app')).status, 403)
    assert.equal((await move('Not A Name')).status, 400)
    await people.grant(mover, 'developer', 'target')
    assert.deepEqual((await move('target/app')).body, { repository: 'target/app', project: 'target' })
    for (const name of ['source/app', 'target/app']) assert.equal(await mover.registry.digestOf(name, 'v1'), image.descriptor.digest)
    // From there the developer may not move it back; the administrator may, and it answers at its first name again.
    assert.equal((await mover.call('POST', '/repositories/target%2Fapp/move', { to: 'source/app' })).status, 403)
    assert.equal((await root.call('POST', '/repositories/target%2Fapp/move', { to: 'source/app', redirect: false })).status, 200)
    assert.equal(await root.registry.digestOf('source/app', 'v1'), image.descriptor.digest)
    assert.equal(await root.registry.digestOf('target/app', 'v1'), undefined)
    assert.equal((await root.call('POST', '/repositories/source%2Fgone/move', { to: 'source/x' })).status, 404)
  })

  test('a push makes its project where the settings allow it, and only for those who may make projects', async () => {
    await assert.rejects(pushImage(alice.registry, 'fresh/app', 'v1'))
    await setSystem(people, { autoCreateProjects: true })
    try {
      await assert.rejects(pushImage(alice.registry, 'fresh/app', 'v1'))
      assert.equal((await root.call('GET', '/projects/fresh')).status, 404)
      await people.grant(alice, 'project-creator')
      await pushImage(alice.registry, 'fresh/app', 'v1')
      assert.deepEqual(names(await alice.call('GET', '/projects?mine=true&name=fresh')), ['fresh'])
      assert.equal((await root.call('GET', '/projects/fresh')).body['createdBy'], 'alice')
      assert.equal((await bob.call('GET', '/projects/fresh')).status, 404)
    } finally {
      await setSystem(people, {})
    }
  })

  test('lists page, sort and filter', async () => {
    for (const name of ['list-b', 'list-a', 'list-c']) await make(root, name, { isPublic: name === 'list-c' })
    const first = await root.call('GET', '/projects?name=list-&limit=2&sort=-name')
    assert.deepEqual(names(first), ['list-c', 'list-b'])
    const next = await root.call('GET', `/projects?name=list-&limit=2&sort=-name&cursor=${first.body['next'] as string}`)
    assert.deepEqual([names(next), next.body['next']], [['list-a'], undefined])
    assert.deepEqual(names(await root.call('GET', '/projects?name=list-&sort=createdAt')), ['list-b', 'list-a', 'list-c'])
    assert.deepEqual(names(await root.call('GET', '/projects?name=list-&public=true')), ['list-c'])
    assert.deepEqual(names(await people.stranger.call('GET', '/projects?name=list-')), ['list-c'])
    for (const query of ['sort=settings', 'limit=0', 'limit=1001', 'cursor=x', 'public=maybe', 'order=asc'])
      assert.equal((await root.call('GET', `/projects?${query}`)).status, 400, query)
  })
})
