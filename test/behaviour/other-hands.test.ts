import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { openTrashDesk } from '#features/trash-desk.ts'
import { runVerb } from '../../cli/test-verb.ts'
import { openPeople, password, type ApiReply, type People, type Person } from '../api/people.ts'
import { pushImage } from '../support/registry-client.ts'

const at = (name: string) => encodeURIComponent(name)

suite('what comes back from the trash gets into no other hands unsaid', () => {
  let people: People
  let root: Person
  let bob: Person
  before(async () => {
    people = await openPeople({ storage: { deleteEnabled: true } })
    root = people.root
    bob = await people.add('bob')
    await everyoneMakes(false)
  })
  after(() => people[Symbol.asyncDispose]())

  async function everyoneMakes(autoCreateProjects: boolean): Promise<void> {
    const { changeSetting } = await import('#metadata/test-transactions.ts')
    const value = { projectCreation: 'everyone', autoCreateProjects }
    await people.rooms.registry.metadata.write(changeSetting, { name: 'system', value })
  }

  async function make(person: Person, ...names: readonly string[]): Promise<void> {
    for (const name of names) assert.equal((await person.call('POST', '/projects', { name })).status, 201, name)
  }
  async function remove(name: string): Promise<number> {
    assert.equal((await root.call('DELETE', `/projects/${at(name)}?force=true`)).status, 204)
    return await newest()
  }
  async function newest(): Promise<number> {
    return Number((await root.call('GET', '/trash?limit=1')).body.items?.[0]?.['id'])
  }
  /** A project with something in it, in the trash. */
  async function trashed(name: string): Promise<number> {
    await make(root, name)
    await pushImage(root.registry, `${name}/app`, 'v1')
    return await remove(name)
  }
  const restore = (id: number, body: object = {}) => root.call('POST', `/trash/${id}/restore`, body)
  const restored = async (id: number, body: object = {}) => {
    const reply = await restore(id, body)
    assert.equal(reply.status, 200, JSON.stringify(reply.body))
    return reply.body['repository'] ?? reply.body['project']
  }
  const pulls = async (person: Person, repository: string) => (await person.registry.send(`/v2/${repository}/manifests/v1`)).status === 200

  function assertRefused(reply: ApiReply, ...said: readonly RegExp[]): void {
    assert.deepEqual([reply.status, reply.body['code']], [409, 'CONFLICT'], JSON.stringify(reply.body))
    for (const each of said) assert.match(String(reply.body['detail']), each)
  }

  test('a project around whose name somebody made one comes back there only when that is said', async () => {
    const id = await trashed('corp/prod')
    await make(bob, 'corp')
    assertRefused(
      await restore(id),
      /corp is another project by now, made 20.*whoever has a role there/,
      new RegExp(`trash restore ${id} corp/prod$`),
    )
    const bulk = await root.call('POST', '/trash/restore', { items: [id] })
    assert.match(JSON.stringify(bulk.body), /"refused","code":"CONFLICT","reason":"corp is another project/)
    const run = (...args: string[]) => runVerb(args, { BERTH_SERVER: people.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password })
    await assert.rejects(run('trash', 'restore', String(id)), /corp is another project.*berth trash restore \d+ corp\/prod/s)
    await assert.rejects(openTrashDesk(people.rooms.registry).restore(id, { isForced: true }), /corp is another project/)
    assert.ok(!(await pulls(bob, 'corp/prod/app')))
    assert.match((await run('trash', 'restore', String(id), 'corp/prod')).lines.join(), /restored project corp\/prod/)
    assert.ok(await pulls(bob, 'corp/prod/app'))
  })

  test('a said name takes the rights that it took, its own too', async () => {
    const keeper = await people.add('keeper')
    await make(root, 'held', 'held/prod')
    await people.grant(keeper, 'maintainer', 'held/prod')
    const id = await remove('held/prod')
    await remove('held')
    await make(bob, 'held')
    assertRefused(await keeper.call('POST', `/trash/${id}/restore`, {}), /held is another project/)
    const said = await keeper.call('POST', `/trash/${id}/restore`, { name: 'held/prod' })
    assert.deepEqual([said.status, said.body['code']], [403, 'DENIED'])
    const { project } = await openTrashDesk(people.rooms.registry).restore(id, { name: 'held/prod', isForced: false })
    assert.equal(project, 'held/prod')
  })

  test('a repository around whose name somebody made a project comes back there only when that is said', async () => {
    for (const name of ['zoo', 'park']) await pushImage(root.registry, `${name}/app`, 'v1')
    const ids: number[] = []
    for (const name of ['zoo/app', 'park/app']) {
      assert.equal((await root.call('DELETE', `/repositories/${at(name)}`)).status, 204)
      ids.push(await newest())
    }
    const [zoo = 0, park = 0] = ids
    await everyoneMakes(true)
    await pushImage(bob.registry, 'zoo/x', 'v1')
    await everyoneMakes(false)
    await make(bob, 'park')
    assertRefused(await restore(zoo), /zoo is another project by now, made 20/, new RegExp(`trash restore ${zoo} zoo/app$`))
    assertRefused(await restore(park), /park is another project/)
    const bulk = await root.call('POST', '/trash/restore', { items: [zoo, park], force: true })
    assert.equal(JSON.stringify(bulk.body).match(/"refused","code":"CONFLICT"/g)?.length, 2)
    const desk = openTrashDesk(people.rooms.registry)
    await assert.rejects(desk.restore(park, { isForced: true }), /park is another project/)
    for (const name of ['zoo/app', 'park/app']) assert.ok(!(await pulls(bob, name)), name)
    assert.equal(await restored(zoo, { name: 'zoo/app' }), 'zoo/app')
    assert.equal((await desk.restore(park, { name: 'park/app', isForced: false })).repository, 'park/app')
    for (const name of ['zoo/app', 'park/app']) assert.ok(await pulls(bob, name), name)
  })

  test('a repository comes back into its own project, whatever that is called by now', async () => {
    await make(root, 'mine')
    await pushImage(root.registry, 'mine/app', 'v1')
    assert.equal((await root.call('DELETE', `/repositories/${at('mine/app')}`)).status, 204)
    const id = await newest()
    assert.equal((await root.call('POST', '/projects/mine/rename', { name: 'ours' })).status, 200)
    assert.equal(await restored(id), 'ours/app')
  })

  test('a project between it and the one that it was below keeps it out, also under a former name', async () => {
    await make(root, 'a1', 'b1')
    for (const name of ['a1', 'b1']) await people.grant(bob, 'project-creator', name)
    const [a, b] = [await trashed('a1/x/b'), await trashed('b1/x/b')]
    await make(bob, 'a1/x', 'b1/x')
    assertRefused(await restore(a), /a1\/x is another project/)
    assert.ok(!(await pulls(bob, 'a1/x/b/app')))
    assert.equal((await bob.call('POST', `/projects/${at('b1/x')}/rename`, { name: 'b1/bobs' })).status, 200)
    assert.equal(await restored(b), 'b1/x/b')
    for (const name of ['b1/x/b/app', 'b1/bobs/b/app']) assert.ok(!(await pulls(bob, name)), name)
    assert.ok(await pulls(root, 'b1/x/b/app'))
  })

  test('a project gets back its name though another had it meanwhile below the same one', async () => {
    await make(root, 'b3')
    await people.grant(bob, 'project-creator', 'b3')
    const id = await trashed('b3/b')
    await make(bob, 'b3/b')
    assert.equal((await bob.call('POST', `/projects/${at('b3/b')}/rename`, { name: 'b3/c' })).status, 200)
    assert.equal(await restored(id), 'b3/b')
    assert.ok(await pulls(root, 'b3/b/app'))
  })

  test('where the project above was deleted too, the one around that takes it back, or none does', async () => {
    await make(root, 'out', 'out/in', 'top')
    const [inner, lone] = [await trashed('out/in/leaf'), await trashed('top/leaf')]
    await remove('out/in')
    await remove('top')
    assert.equal(await restored(lone), 'top/leaf')
    assert.equal(await restored(inner), 'out/in/leaf')
    // The same when nothing is known any more of what was between them.
    await make(root, 'out/in/leaf/deep')
    const deep = await trashed('out/in/leaf/deep/end')
    const between = await remove('out/in/leaf/deep')
    const leaf = await remove('out/in/leaf')
    for (const id of [between, leaf]) assert.equal((await root.call('DELETE', `/trash/${id}`)).status, 204)
    assert.equal(await restored(deep), 'out/in/leaf/deep/end')
  })

  test('where the project above was deleted too, one that somebody else made since keeps it out', async () => {
    await make(root, 'base', 'base/in', 'gone')
    await people.grant(bob, 'project-creator', 'base')
    const [inner, lone] = [await trashed('base/in/leaf'), await trashed('gone/leaf')]
    const purged = await remove('gone')
    await remove('base/in')
    assert.equal((await root.call('DELETE', `/trash/${purged}`)).status, 204)
    await make(bob, 'base/in', 'gone')
    assertRefused(await restore(inner), /base\/in is another project/)
    assertRefused(await restore(lone), /gone is another project/)
    assert.equal(await restored(inner, { name: 'leaf' }), 'leaf')
  })

  test('a project whose former one is elsewhere, with nothing that leads there, comes back outside of it only when that is said', async () => {
    await make(root, 'past')
    const id = await trashed('past/leaf')
    const moved = await remove('past')
    assert.equal(await restored(moved, { name: 'present' }), 'present')
    assertRefused(await restore(id), /has another name by now/)
    assert.equal(await restored(id, { name: 'past/leaf' }), 'past/leaf')
  })
})
