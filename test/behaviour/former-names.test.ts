import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { openPeople, type People, type Person } from '../api/people.ts'
import { digestOfBytes, pushImage, type PushedImage, type RegistryClient } from '../support/registry-client.ts'

/** What docker and skopeo do to pull: ping, manifest by tag, manifest by digest, config and layers. */
async function pull(client: RegistryClient, repository: string, tag: string, image: PushedImage): Promise<void> {
  const byTag = await client.pullManifest(repository, tag)
  assert.equal(byTag.descriptor.digest, image.descriptor.digest)
  const byDigest = await client.pullManifest(repository, byTag.descriptor.digest)
  assert.deepEqual(byDigest.bytes, image.bytes)
  for (const { digest, size } of [image.config, ...image.layers]) {
    const bytes = await client.pullBlob(repository, digest)
    assert.equal(bytes.length, size)
    assert.equal(`sha256:${createHash('sha256').update(bytes).digest('hex')}`, digest)
    assert.equal((await client.send(`/v2/${repository}/blobs/${digest}`, { method: 'HEAD' })).status, 200)
  }
}

suite('clients that know a former name', () => {
  let people: People
  let root: Person
  let developer: Person
  before(async () => {
    people = await openPeople()
    root = people.root
    developer = await people.add('developer')
  })
  after(() => people[Symbol.asyncDispose]())

  async function make(name: string): Promise<void> {
    assert.equal((await root.call('POST', '/projects', { name })).status, 201)
  }
  async function rename(from: string, to: string): Promise<void> {
    const { status } = await root.call('POST', `/projects/${encodeURIComponent(from)}/rename`, { name: to })
    assert.equal(status, 200)
  }

  test('pull by the old name after a rename, and after another', async () => {
    await make('team')
    await people.grant(developer, 'developer', 'team')
    const image = await pushImage(developer.registry, 'team/deep/app', 'v1')
    await rename('team', 'crew')
    for (const name of ['team', 'crew']) await pull(developer.registry, `${name}/deep/app`, 'v1', image)
    await rename('crew', 'group/gang')
    for (const name of ['team', 'crew', 'group/gang']) await pull(developer.registry, `${name}/deep/app`, 'v1', image)
    assert.equal((await developer.registry.send('/v2/team/deep/app/tags/list')).status, 200)
    assert.equal((await developer.registry.send(`/v2/team/deep/app/referrers/${image.descriptor.digest}`)).status, 200)
  })

  test('push by the old name, which lands in the new', async () => {
    await make('old')
    await people.grant(developer, 'developer', 'old')
    await pushImage(developer.registry, 'old/app', 'v1')
    await rename('old', 'new')
    const second = await pushImage(developer.registry, 'old/app', 'v2', { files: { x: 'second' } })
    const first = await pushImage(developer.registry, 'old/another', 'v1')
    await pull(developer.registry, 'new/app', 'v2', second)
    await pull(developer.registry, 'new/another', 'v1', first)
    const names = (await root.call('GET', '/repositories?name=new/')).body.items?.map(({ name }) => name)
    assert.deepEqual(names, ['new/another', 'new/app'])
    assert.deepEqual((await root.call('GET', '/repositories?name=old/')).body.items, [])
  })

  test('an upload that was begun by the old name goes on and ends', async () => {
    await make('begun')
    await people.grant(developer, 'developer', 'begun')
    const started = await developer.registry.send('/v2/begun/app/blobs/uploads/', { method: 'POST', body: '' })
    assert.equal(started.status, 202)
    const bytes = Buffer.from('first half, second half')
    const patch = (location: string, part: Buffer, at: number) =>
      developer.registry.send(location, {
        method: 'PATCH',
        body: part,
        headers: { 'content-type': 'application/octet-stream', 'content-range': `${at}-${at + part.length - 1}` },
      })
    const half = await patch(started.headers.location ?? '', bytes.subarray(0, 11), 0)
    assert.equal(half.status, 202, half.body.toString())
    await rename('begun', 'ended')
    const rest = await patch(half.headers.location ?? '', bytes.subarray(11), 11)
    assert.equal(rest.status, 202, rest.body.toString())
    const place = new URL(rest.headers.location ?? '', people.rooms.url)
    place.searchParams.set('digest', digestOfBytes(bytes))
    assert.equal((await developer.registry.send(place.href, { method: 'PUT', body: '' })).status, 201)
    assert.deepEqual(await developer.registry.pullBlob('ended/app', digestOfBytes(bytes)), bytes)
  })

  test('pull and push by the old name of a repository that moved', async () => {
    await make('left')
    await make('right')
    await people.grant(developer, 'developer', 'left')
    const image = await pushImage(root.registry, 'left/app', 'v1')
    assert.equal((await root.call('POST', '/repositories/left%2Fapp/move', { to: 'right/app' })).status, 200)
    // The rights are those on the project where it is now.
    assert.equal((await developer.registry.send('/v2/left/app/manifests/v1')).status >= 400, true)
    await people.grant(developer, 'developer', 'right')
    await pull(developer.registry, 'left/app', 'v1', image)
    const second = await pushImage(developer.registry, 'left/app', 'v2', { files: { x: 'second' } })
    await pull(developer.registry, 'right/app', 'v2', second)
  })

  test('renames while clients push and pull lose nothing', async () => {
    await make('moving')
    await people.grant(developer, 'developer', 'moving')
    const images = await Promise.all(
      Array.from({ length: 3 }, (_, index) => pushImage(developer.registry, `moving/a${index}`, 'v1', { files: { x: `${index}` } })),
    )
    const work = images.flatMap((image, index) => [
      pull(developer.registry, `moving/a${index}`, 'v1', image),
      pushImage(developer.registry, `moving/b${index}`, 'v1'),
      pull(developer.registry, `moving/a${index}`, 'v1', image),
    ])
    await Promise.all([...work, rename('moving', 'moved')])
    for (const [index, image] of images.entries()) {
      await pull(developer.registry, `moved/a${index}`, 'v1', image)
      assert.notEqual(await developer.registry.digestOf(`moved/b${index}`, 'v1'), undefined)
    }
    assert.deepEqual((await root.call('GET', '/repositories?name=moving/')).body.items, [])
  })
})
