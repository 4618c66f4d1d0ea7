import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { openPeople, type ApiReply, type People, type Person } from '../api/people.ts'
import { checkInvariants } from '../invariants.ts'
import { pushImage } from '../support/registry-client.ts'

const at = (name: string) => encodeURIComponent(name)

suite('former names do not capture what is held', () => {
  let people: People
  let root: Person
  let bob: Person
  before(async () => {
    people = await openPeople({ storage: { deleteEnabled: true } })
    root = people.root
    bob = await people.add('bob')
    const { changeSetting } = await import('#metadata/test-transactions.ts')
    await people.rooms.registry.metadata.write(changeSetting, { name: 'system', value: { projectCreation: 'everyone' } })
  })
  after(async () => {
    const { registry } = people.rooms
    const violations = await checkInvariants({ metadata: registry.metadata, store: registry.store })
    await people[Symbol.asyncDispose]()
    // Of names alone: events tell of repositories by the names that they had then.
    assert.deepEqual(
      violations.filter((violation) => violation.startsWith('I8')),
      [],
    )
  })

  async function make(person: Person, name: string, rest: object = {}): Promise<void> {
    const made = await person.call('POST', '/projects', { name, ...rest })
    assert.equal(made.status, 201, JSON.stringify(made.body))
  }
  const rename = (person: Person, from: string, name: string) => person.call('POST', `/projects/${at(from)}/rename`, { name })
  async function renamed(person: Person, from: string, name: string): Promise<void> {
    const reply = await rename(person, from, name)
    assert.equal(reply.status, 200, JSON.stringify(reply.body))
  }
  async function remove(person: Person, name: string): Promise<void> {
    assert.equal((await person.call('DELETE', `/projects/${at(name)}?force=true`)).status, 204)
  }
  async function move(person: Person, from: string, to: string): Promise<void> {
    const reply = await person.call('POST', `/repositories/${at(from)}/move`, { to })
    assert.equal(reply.status, 200, JSON.stringify(reply.body))
  }
  async function restore(name: string, body: object = {}, { kind = 'project', last = false } = {}): Promise<ApiReply> {
    const { items = [] } = (await root.call('GET', '/trash?limit=1000&sort=deletedAt')).body
    const found = items.filter((item) => item['kind'] === kind && (item['repository'] ?? item['project']) === name)
    return await root.call('POST', `/trash/${String(found.at(last ? -1 : 0)?.['id'])}/restore`, body)
  }
  async function holds(repository: string, digest: string): Promise<void> {
    assert.equal(await root.registry.digestOf(repository, 'v1'), digest, repository)
    assert.equal((await root.call('GET', `/repositories/${at(repository)}`)).body['name'], repository)
  }

  test('a project that is restored under another name ends what led on from below it', async () => {
    await make(root, 'a')
    await make(root, 'a/b')
    await renamed(root, 'a/b', 'c')
    await remove(root, 'a')
    await make(root, 'p')
    const { digest } = (await pushImage(root.registry, 'p/b/app', 'v1')).descriptor
    await remove(root, 'p')
    const restored = await restore('p', { name: 'a' })
    assert.deepEqual([restored.status, restored.body['endedNames']], [200, ['a/b']])
    await holds('a/b/app', digest)
  })

  test('a project that is restored under its own name ends what others left below it meanwhile', async () => {
    await make(root, 'corp')
    const { digest } = (await pushImage(root.registry, 'corp/prod/app', 'v1')).descriptor
    await remove(root, 'corp')
    await make(bob, 'corp/prod')
    await renamed(bob, 'corp/prod', 'bobs')
    await make(bob, 'corp/test')
    await pushImage(bob.registry, 'corp/test/app', 'v1', { files: { x: 'evil' } })
    await renamed(bob, 'corp/test', 'bobs-test')
    const restored = await restore('corp')
    assert.deepEqual([restored.status, restored.body['endedNames']], [200, ['corp/prod', 'corp/test']])
    await holds('corp/prod/app', digest)
    // Of what it did not have either.
    const pushed = await pushImage(root.registry, 'corp/test/app', 'v1')
    await holds('corp/test/app', pushed.descriptor.digest)
    assert.equal((await root.call('GET', `/projects/${at('corp/test')}`)).status, 404)
  })

  test('a project that is restored has its name, wherever that leads by now', async () => {
    await make(root, 'guild')
    const { digest } = (await pushImage(root.registry, 'guild/app', 'v1')).descriptor
    await remove(root, 'guild')
    await make(bob, 'guild')
    await renamed(bob, 'guild', 'bobs-guild')
    const restored = await restore('guild')
    assert.deepEqual([restored.status, restored.body['project'], restored.body['endedNames']], [200, 'guild', ['guild']])
    await holds('guild/app', digest)
  })

  test('a project below a name that somebody else got meanwhile does not follow that to theirs', async () => {
    await make(root, 'nation/app')
    const { digest } = (await pushImage(root.registry, 'nation/app/x', 'v1')).descriptor
    await remove(root, 'nation/app')
    await make(bob, 'nation')
    await renamed(bob, 'nation', 'bobs-nation')
    const restored = await restore('nation/app')
    assert.deepEqual([restored.status, restored.body['project']], [200, 'nation/app'])
    await holds('nation/app/x', digest)
  })

  test('a project follows the one above it, and keeps what led on from below it before it was deleted', async () => {
    await make(root, 'team')
    await make(root, 'team/app')
    await make(root, 'team/app/part')
    const part = (await pushImage(root.registry, 'team/app/part/x', 'v1')).descriptor.digest
    const { digest } = (await pushImage(root.registry, 'team/app/x', 'v1')).descriptor
    await renamed(root, 'team/app/part', 'parted')
    await remove(root, 'team/app')
    await renamed(root, 'team', 'crew')
    assert.equal((await restore('team/app')).body['project'], 'crew/app')
    for (const name of ['team/app/x', 'crew/app/x']) assert.equal(await root.registry.digestOf(name, 'v1'), digest)
    assert.equal(await root.registry.digestOf('team/app/part/x', 'v1'), part)
    await remove(root, 'crew/app')
    await renamed(root, 'crew', 'team')
    const back = await restore('crew/app')
    assert.deepEqual([back.body['project'], back.body['endedNames']], ['team/app', []])
    assert.equal(await root.registry.digestOf('team/app/part/x', 'v1'), part)
  })

  test('a repository that somebody moved away from below a deleted project does not stand for what comes back', async () => {
    await make(root, 'rr')
    const { digest } = (await pushImage(root.registry, 'rr/app', 'v1')).descriptor
    await remove(root, 'rr')
    await make(bob, 'rr')
    await make(bob, 'bobs-rr')
    for (const name of ['app', 'other']) {
      await pushImage(bob.registry, `rr/${name}`, 'v1', { files: { x: 'evil' } })
      await move(bob, `rr/${name}`, `bobs-rr/${name}`)
    }
    await remove(bob, 'rr')
    const restored = await restore('rr')
    assert.deepEqual([restored.status, restored.body['endedNames']], [200, ['rr/app', 'rr/other']])
    await holds('rr/app', digest)
    assert.equal(await root.registry.digestOf('rr/other', 'v1'), undefined)
  })

  test('a repository whose name leads into another project by now comes back only where it is said', async () => {
    const { digest } = (await pushImage(root.registry, 'loose/app', 'v1')).descriptor
    assert.equal((await root.call('DELETE', `/repositories/${at('loose/app')}`)).status, 204)
    await make(bob, 'loose', { isPublic: true })
    await renamed(bob, 'loose', 'bobs-loose')
    const refused = await restore('loose/app', {}, { kind: 'repository' })
    assert.deepEqual([refused.status, refused.body['code']], [409, 'CONFLICT'])
    assert.match(String(refused.body['detail']), /another name/)
    assert.equal((await restore('loose/app', { name: 'found/app' }, { kind: 'repository' })).status, 200)
    await holds('found/app', digest)
  })

  test('who makes a project ends what others left below its name, with the right to take it', async () => {
    await make(bob, 'acme/prod')
    await renamed(bob, 'acme/prod', 'bobs-prod')
    await make(bob, 'acme/lib')
    await make(bob, 'bobs-lib')
    await pushImage(bob.registry, 'acme/lib/app', 'v1')
    await move(bob, 'acme/lib/app', 'bobs-lib/app')
    await remove(bob, 'acme/lib')
    const carol = await people.add('carol')
    const refused = await carol.call('POST', '/projects', { name: 'acme' })
    assert.deepEqual([refused.status, refused.body['code']], [409, 'CONFLICT'])
    const made = await root.call('POST', '/projects', { name: 'acme' })
    assert.equal(made.status, 201)
    assert.match(String(made.body['warnings']), /acme\/lib\/app.*acme\/prod/)
    for (const name of ['acme/prod/app', 'acme/lib/app']) {
      const { digest } = (await pushImage(root.registry, name, 'v1', { files: { name } })).descriptor
      await holds(name, digest)
    }
  })

  test('a rename ends what others left below the name, with the right to take it, and not what its own leads to', async () => {
    await make(bob, 'firm/prod')
    await renamed(bob, 'firm/prod', 'bobs-firm')
    const dave = await people.add('dave')
    await make(dave, 'shop')
    const { digest } = (await pushImage(dave.registry, 'shop/prod/app', 'v1')).descriptor
    assert.equal((await rename(dave, 'shop', 'firm')).status, 409)
    const reply = await rename(root, 'shop', 'firm')
    assert.match(String(reply.body['warnings']), /firm\/prod/)
    await holds('firm/prod/app', digest)
    await move(dave, 'firm/prod/app', 'firm/live/app')
    for (const name of ['shop', 'firm']) await renamed(dave, (await dave.call('GET', '/projects/firm')).body['name'] as string, name)
    for (const name of ['firm/prod/app', 'firm/live/app']) assert.equal(await root.registry.digestOf(name, 'v1'), digest)
  })

  test('a project gets back a former name whose clients others may not take', async () => {
    for (const name of ['home', 'home/den']) await make(root, name)
    for (const role of ['project-admin', 'project-creator']) await people.grant(bob, role, 'home')
    await renamed(root, 'home/den', 'den')
    await pushImage(root.registry, 'den/x', 'v1')
    await renamed(bob, 'home', 'house')
    await renamed(bob, 'house', 'home')
    assert.notEqual(await root.registry.digestOf('home/den/x', 'v1'), undefined)
    // What would be hidden by it is not taken from whoever has it.
    await renamed(bob, 'home', 'house')
    assert.equal((await bob.call('POST', '/projects', { name: 'house/den' })).status, 201)
    assert.equal((await rename(bob, 'house', 'home')).status, 409)
  })

  test('the right to change the project that a name leads to does not give the repositories that are below it', async () => {
    const { addRedirect } = await import('#projects/test-transactions.ts')
    await make(root, 'full')
    await make(root, 'led')
    await pushImage(root.registry, 'full/b/app', 'v1')
    // As a version without these rules could leave it.
    await people.rooms.registry.metadata.write(addRedirect, { kind: 'project', oldName: 'full/b', name: 'led' })
    const erin = await people.add('erin')
    await people.grant(erin, 'project-admin', 'led')
    await people.grant(erin, 'project-creator', 'full')
    const refused = await erin.call('POST', '/projects', { name: 'full/b' })
    assert.deepEqual([refused.status, refused.body['code']], [409, 'CONFLICT'])
    assert.notEqual(await root.registry.digestOf('full/b/app', 'v1'), undefined, 'content comes before redirects')
    assert.equal((await root.call('POST', '/projects', { name: 'full/b' })).status, 201)
  })

  test('a push makes no project over a name from below which something leads on', async () => {
    const { changeSetting } = await import('#metadata/test-transactions.ts')
    const { metadata } = people.rooms.registry
    await make(bob, 'city/old')
    await renamed(bob, 'city/old', 'bobs-city')
    const value = { projectCreation: 'everyone', autoCreateProjects: true }
    await metadata.write(changeSetting, { name: 'system', value })
    await pushImage(root.registry, 'city/app', 'v1')
    assert.equal((await root.call('GET', '/projects/city')).status, 404)
    await assert.rejects(pushImage(bob.registry, 'city/app2', 'v1'))
    await metadata.write(changeSetting, { name: 'system', value: { projectCreation: 'everyone' } })
  })
})
