import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { pushImage, pushIndex } from '../support/registry-client.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { openPeople, type ApiReply, type People, type Person } from './people.ts'

type Item = Readonly<Record<string, unknown>>

const at = (repository: string) => `/repositories/${encodeURIComponent(repository)}`

suite('the trash over the API', () => {
  let people: People
  let root: Person
  before(async () => {
    people = await openPeople({ storage: { deleteEnabled: true } })
    root = people.root
  })
  after(() => people[Symbol.asyncDispose]())

  async function project(name: string): Promise<void> {
    assert.equal((await root.call('POST', '/projects', { name })).status, 201)
  }

  async function itemsOf(person: Person, query = ''): Promise<readonly Item[]> {
    const reply = await person.call('GET', `/trash?limit=1000${query}`)
    assert.equal(reply.status, 200)
    return reply.body.items ?? []
  }

  async function restore(person: Person, item: Item | undefined, body: object = {}): Promise<ApiReply> {
    assert.ok(item)
    return await person.call('POST', `/trash/${String(item['id'])}/restore`, body)
  }

  async function statusOf(path: string): Promise<number> {
    return (await root.registry.send(`/v2/${path}`)).status
  }

  test('a deleted manifest is 404, in the list with all that is known of it, and 200 after its restore', async () => {
    await project('one')
    const image = await pushImage(root.registry, 'one/app', 'v1')
    const { digest } = image.descriptor
    assert.equal((await root.call('DELETE', `${at('one/app')}/manifests/${encodeURIComponent(digest)}`)).status, 204)
    for (const reference of ['v1', digest]) assert.equal(await statusOf(`one/app/manifests/${reference}`), 404)
    const [item] = await itemsOf(root, '&repository=one%2Fapp')
    const { id, sizeBytes, deletedAt, expiresAt, ...rest } = item ?? {}
    assert.deepEqual(rest, {
      kind: 'manifest',
      project: 'one',
      repository: 'one/app',
      digest,
      tags: ['v1'],
      hasMoreTags: false,
      reason: 'request',
      deletedBy: 'root',
    })
    assert.ok(Number(id) > 0 && Number(sizeBytes) > image.descriptor.size)
    assert.equal(Date.parse(String(expiresAt)) - Date.parse(String(deletedAt)), 7 * 86_400_000)
    const restored = await restore(root, item)
    assert.deepEqual(restored.body, {
      kind: 'manifest',
      project: 'one',
      repository: 'one/app',
      digest,
      isPublic: false,
      manifests: 1,
      tags: ['v1'],
      takenTags: [],
      missing: [],
      lostLabels: [],
      endedNames: [],
    })
    for (const reference of ['v1', digest]) assert.equal(await statusOf(`one/app/manifests/${reference}`), 200)
    assert.equal((await restore(root, item)).status, 404)
    const events = await root.call('GET', '/audit?action=trash.restored&limit=1')
    assert.equal(events.body.items?.[0]?.['target'], `manifest:one/app@${digest}`)
  })

  test('a DELETE of registry:2’s API goes into the trash too: tag, index with children and signature, repository', async () => {
    await project('two')
    const child = await pushImage(root.registry, 'two/app', undefined)
    const index = await pushIndex(root.registry, 'two/app', 'multi', [child.descriptor])
    const signature = await pushImage(root.registry, 'two/app', undefined, { subject: { ...index.descriptor } })
    const remove = async (path: string) => {
      assert.equal((await root.registry.send(`/v2/two/app/${path}`, { method: 'DELETE' })).status, 202, path)
    }
    await remove('manifests/multi')
    assert.equal((await restore(root, (await itemsOf(root, '&kind=tag&project=two'))[0])).status, 200)
    assert.equal(await statusOf('two/app/manifests/multi'), 200)
    for (const { descriptor } of [index, child, signature]) await remove(`manifests/${descriptor.digest}`)
    const item = (await itemsOf(root, '&project=two')).find(({ digest }) => digest === index.descriptor.digest)
    assert.equal((await restore(root, item)).body['manifests'], 3)
    for (const { descriptor } of [index, child, signature]) assert.equal(await statusOf(`two/app/manifests/${descriptor.digest}`), 200)
    assert.equal(await statusOf(`two/app/blobs/${child.config.digest}`), 200)
    assert.equal((await root.call('DELETE', at('two/app'))).status, 204)
    assert.equal(await statusOf('two/app/manifests/multi'), 404)
    assert.equal((await root.call('GET', at('two/app'))).status, 404)
    await pushImage(root.registry, 'two/app', 'other')
    const [repository] = await itemsOf(root, '&kind=repository&repository=two%2Fapp')
    assert.equal((await restore(root, repository)).status, 409)
    for (const name of ['no such name', '../x', 'UPPER']) assert.equal((await restore(root, repository, { name })).status, 400, name)
    assert.equal((await restore(root, repository, { name: 'two/back' })).body['repository'], 'two/back')
    assert.equal(await statusOf('two/back/manifests/multi'), 200)
    assert.equal(await statusOf('two/app/manifests/other'), 200)
  })

  test('a project comes back with members, robots, labels and what is in it, and opens nothing meanwhile', async () => {
    await project('three')
    await project('three/sub')
    const member = await people.add('three-developer')
    await people.grant(member, 'developer', 'three')
    const image = await pushImage(member.registry, 'three/sub/app', 'v1')
    const robot = await root.call('POST', '/projects/three/robots', { name: 'ci', grants: [{ role: 'developer' }] })
    assert.equal(robot.status, 201, JSON.stringify(robot.body))
    const secret = String(robot.body['secret'])
    const asRobot = async () => {
      const authorization = basicAuthorization('robot-ci@three', secret)
      const answer = await fetch(`${people.rooms.url}v2/three/sub/app/manifests/v1`, { headers: { authorization } })
      await answer.arrayBuffer()
      return answer.status
    }
    assert.equal(await asRobot(), 200)
    assert.equal((await root.call('POST', '/projects/three/labels', { name: 'kept' })).status, 201)
    assert.equal((await root.call('DELETE', '/projects/three?force=true')).status, 204)
    assert.equal(await asRobot(), 401)
    assert.equal(await statusOf('three/sub/app/manifests/v1'), 404)
    assert.equal((await root.call('GET', '/projects/three')).status, 404)
    for (const list of ['projects', 'repositories', 'robots', 'labels', 'grants', 'uploads']) {
      const names = JSON.stringify((await root.call('GET', `/${list}?limit=1000`)).body.items)
      assert.ok(!names.includes('three/') && !names.includes('$'), `${list}: ${names}`)
    }
    const [item] = await itemsOf(root, '&project=three')
    assert.equal(item?.['kind'], 'project')
    const restored = await restore(root, item)
    assert.deepEqual([restored.status, restored.body['project']], [200, 'three'])
    assert.equal(await asRobot(), 200)
    assert.equal((await member.call('GET', `${at('three/sub/app')}/tags/v1`)).body['digest'], image.descriptor.digest)
    assert.equal((await root.call('GET', '/projects/three/labels')).body.items?.length, 1)
    assert.equal((await root.call('GET', '/projects/three/robots')).body.items?.length, 1)
  })

  test('what was in a project is for those with a right there: others learn nothing of it', async () => {
    await project('four')
    await project('five')
    const roles: Record<string, Person> = {}
    for (const role of ['project-admin', 'maintainer', 'developer', 'auditor', 'guest']) {
      roles[role] = await people.add(`four-${role}`)
      await people.grant(roles[role], role, 'four')
    }
    const foreign = await people.add('five-admin')
    await people.grant(foreign, 'project-admin', 'five')
    const make = async () => {
      const { descriptor } = await pushImage(root.registry, 'four/app', 'v1')
      assert.equal((await root.call('DELETE', `${at('four/app')}/manifests/${encodeURIComponent(descriptor.digest)}`)).status, 204)
      return (await itemsOf(root, '&project=four'))[0]
    }
    const item = await make()
    const callers = { ...roles, foreign, stranger: people.stranger }
    const expected = {
      'project-admin': [1, 200, 204],
      maintainer: [1, 200, 403],
      developer: [0, 404, 404],
      auditor: [1, 403, 403],
      guest: [0, 404, 404],
      foreign: [0, 404, 404],
      stranger: [0, 401, 401],
    } as const
    for (const [name, [listed, restoring, deleting]] of Object.entries(expected)) {
      const caller = callers[name as keyof typeof callers]
      assert.ok(caller)
      const fresh = (await itemsOf(root, '&project=four'))[0] ?? (await make())
      assert.equal((await itemsOf(caller, '&project=four')).length, listed, name)
      assert.equal((await caller.call('DELETE', `/trash/${String(fresh?.['id'])}`)).status, deleting, `${name} deletes`)
      const again = (await itemsOf(root, '&project=four'))[0] ?? (await make())
      assert.equal((await restore(caller, again)).status, restoring, `${name} restores`)
    }
    assert.ok(item)
  })

  test('a project in the trash is for who had a right on it or has one above, and comes back under another name to who may make it', async () => {
    await project('six')
    await project('six/sub')
    const admin = await people.add('six-sub-admin')
    await people.grant(admin, 'project-admin', 'six/sub')
    const above = await people.add('six-admin')
    await people.grant(above, 'project-admin', 'six')
    const library = await people.add('library-admin')
    await people.grant(library, 'project-admin', 'library')
    await pushImage(root.registry, 'six/sub/app', 'v1')
    assert.equal((await admin.call('DELETE', '/projects/six%2Fsub?force=true')).status, 204)
    for (const person of [admin, above]) assert.equal((await itemsOf(person, '&kind=project')).length, 1, person.name)
    const [item] = await itemsOf(admin)
    assert.equal((await itemsOf(library)).length, 0)
    assert.equal((await restore(library, item)).status, 404)
    assert.equal((await restore(admin, item, { name: 'mine' })).status, 403)
    for (const name of ['library', '$7', 'Six', '']) assert.ok([400, 403, 409].includes((await restore(root, item, { name })).status), name)
    assert.equal((await restore(above, item)).status, 200)
    assert.equal(await statusOf('six/sub/app/manifests/v1'), 200)
  })

  test('nobody reaches what is in the trash by the names that it has there', async () => {
    const rows = await people.rooms.registry.metadata.reader
      .selectFrom('repositories')
      .select(['id', 'name'])
      .where('name', '<', '0')
      .execute()
    assert.ok(rows.length > 0)
    for (const { name } of rows) {
      assert.notEqual((await root.call('GET', at(name))).status, 200, name)
      assert.ok((await statusOf(`${encodeURIComponent(name)}/tags/list`)) >= 400, name)
    }
    const catalog = (await root.registry.send('/v2/_catalog?n=1000')).body.toString()
    assert.ok(!/[#$!]/.test(catalog), catalog)
  })

  test('lists of the trash are paged, filtered, and refuse what makes no sense', async () => {
    await project('seven')
    for (let index = 0; index < 5; index++) await pushImage(root.registry, 'seven/app', `v${index}`)
    for (const tag of ['v0', 'v1', 'v2', 'v3', 'v4']) await root.call('DELETE', `${at('seven/app')}/tags/${tag}`)
    const seen: unknown[] = []
    for (let cursor: string | undefined = ''; cursor !== undefined;) {
      const reply: ApiReply = await root.call('GET', `/trash?limit=2&project=seven${cursor === '' ? '' : `&cursor=${cursor}`}`)
      seen.push(...(reply.body.items ?? []).map(({ tags }) => (tags as string[])[0]))
      const { next } = reply.body
      cursor = typeof next === 'string' ? next : undefined
    }
    assert.deepEqual(seen, ['v4', 'v3', 'v2', 'v1', 'v0'])
    assert.equal((await itemsOf(root, '&project=seven&kind=manifest')).length, 0)
    assert.deepEqual(await itemsOf(root, '&project=nothing'), [])
    assert.deepEqual(await itemsOf(root, '&repository=NOT%20A%20NAME'), [])
    for (const bad of ['kind=x', 'limit=0', 'cursor=x', 'sort=name', 'project=', 'x=1'])
      assert.equal((await root.call('GET', `/trash?${bad}`)).status, 400, bad)
    for (const bad of ['0', '-1', 'x', '1.5', '99999999999999999999'])
      assert.ok([400, 404].includes((await root.call('POST', `/trash/${bad}/restore`, {})).status), bad)
  })

  test('a tag goes back by its history over the API, with the rights that it takes', async () => {
    await project('eight')
    const developer = await people.add('eight-developer')
    await people.grant(developer, 'developer', 'eight')
    const guest = await people.add('eight-guest')
    await people.grant(guest, 'guest', 'eight')
    const one = await pushImage(developer.registry, 'eight/app', 'v1')
    const two = await pushImage(developer.registry, 'eight/app', 'v1', { annotations: { build: '2' } })
    const path = `${at('eight/app')}/tags/v1`
    assert.equal((await guest.call('POST', `${path}/restore`, {})).status, 403)
    assert.equal((await people.stranger.call('POST', `${path}/restore`, {})).status, 401)
    const back = await developer.call('POST', `${path}/restore`, {})
    assert.deepEqual([back.status, back.body['digest'], back.etag], [200, one.descriptor.digest, `"${one.descriptor.digest}"`])
    const history = (await guest.call('GET', `${path}/history`)).body.items ?? []
    assert.deepEqual(
      history.map(({ action, state, actor }) => [action, state, actor]),
      [
        ['restored', 'here', 'eight-developer'],
        ['moved', 'here', 'eight-developer'],
        ['pushed', 'here', 'eight-developer'],
      ],
    )
    const change = history[1]?.['id']
    assert.equal((await developer.call('POST', `${path}/restore`, { change })).body['digest'], two.descriptor.digest)
    const digest = one.descriptor.digest
    assert.equal((await developer.call('POST', `${path}/restore`, { digest }, { 'if-match': `"${digest}"` })).status, 412)
    assert.equal((await developer.call('POST', `${path}/restore`, { digest, change })).status, 400)
    for (const bad of [{ digest: 'x' }, { change: 0 }, { change: 'x' }, { name: 'x' }, []])
      assert.equal((await developer.call('POST', `${path}/restore`, bad)).status, 400, JSON.stringify(bad))
    assert.equal((await root.call('DELETE', `${at('eight/app')}/manifests/${encodeURIComponent(digest)}`)).status, 204)
    assert.equal((await developer.call('POST', `${path}/restore`, { digest })).status, 403)
    assert.equal((await root.call('POST', `${path}/restore`, { digest })).status, 200)
  })
})
