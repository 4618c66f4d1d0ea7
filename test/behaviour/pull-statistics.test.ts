import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { openPeople, type People } from '../api/people.ts'
import { pushImage, type PushedImage } from '../support/registry-client.ts'

suite('pulls of images', () => {
  let people: People
  let image: PushedImage
  before(async () => {
    people = await openPeople()
    await people.root.call('POST', '/projects', { name: 'team' })
    image = await pushImage(people.root.registry, 'team/app', 'v1')
  })
  after(() => people[Symbol.asyncDispose]())

  async function shown() {
    const tag = await people.root.call('GET', '/repositories/team%2Fapp/tags/v1')
    const manifests = await people.root.call('GET', '/repositories/team%2Fapp/manifests')
    const [manifest] = manifests.body.items ?? []
    return { tag: tag.body['pulls'], manifest: manifest?.['pulls'], at: [tag.body['lastPulledAt'], manifest?.['lastPulledAt']] }
  }

  test('are 1,000 at once without a write to the database, and counted by the minute', async () => {
    const { rooms, root } = people
    const ofFirst = new Set(['audit/record-noted', 'credential-uses/note'])
    await root.registry.pullManifest('team/app', 'v1')
    await rooms.pullStatistics.flush()
    const before = await shown()
    const writes: string[] = []
    const { metadata } = rooms.registry
    const write = metadata.write.bind(metadata)
    Object.assign(metadata, {
      write: (...args: Parameters<typeof write>) => {
        writes.push(args[0].name)
        return write(...args)
      },
    })
    try {
      const pulls = Array.from({ length: 1_000 }, async (_, index) => {
        const pulled = await root.registry.pullManifest('team/app', index % 4 === 0 ? image.descriptor.digest : 'v1')
        assert.equal(pulled.descriptor.digest, image.descriptor.digest)
      })
      await Promise.all(pulls)
      // What is noted of the first request is written within seconds, once.
      const ofPulls = () => writes.filter((name, index) => !ofFirst.has(name) || writes.indexOf(name) !== index)
      assert.deepEqual(ofPulls(), [])
      assert.deepEqual(await shown(), before)
      await rooms.pullStatistics.flush()
      assert.equal(ofPulls().length, 1)
    } finally {
      Object.assign(metadata, { write })
    }
    const then = await shown()
    assert.deepEqual([then.tag, then.manifest], [Number(before.tag) + 750, Number(before.manifest) + 1_000])
    for (const at of then.at) assert.ok(Math.abs(Date.parse(String(at)) - Date.now()) < 60_000)
  })

  test('are neither HEAD, nor 304, nor what is refused, nor what the API reads', async () => {
    const { rooms, root, stranger } = people
    await rooms.pullStatistics.flush()
    const before = await shown()
    const path = '/v2/team/app/manifests/v1'
    assert.equal((await root.registry.send(path, { method: 'HEAD' })).status, 200)
    assert.equal((await root.registry.send(path, { headers: { 'if-none-match': `"${image.descriptor.digest}"` } })).status, 304)
    assert.equal((await stranger.registry.send(path)).status, 401)
    assert.equal((await root.registry.send('/v2/team/app/manifests/none')).status, 404)
    assert.equal((await root.call('GET', `/repositories/team%2Fapp/manifests/${image.descriptor.digest}`)).status, 200)
    await rooms.pullStatistics.flush()
    assert.deepEqual(await shown(), before)
  })
})
