import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { mediaTypes, pushArtifact, pushImage, pushIndex, type PushedImage, type PushedManifest } from '../support/registry-client.ts'
import { openPeople, type ApiReply, type People, type Person } from './people.ts'

const digests = (reply: ApiReply) => reply.body.items?.map(({ digest }) => digest).toSorted()
const path = '/repositories/team%2Fapp/manifests'
const at = (digest: string) => `${path}/${encodeURIComponent(digest)}`

suite('manifests over the API', () => {
  let people: People
  let root: Person
  let guest: Person
  let maintainer: Person
  let outsider: Person
  let amd: PushedImage
  let arm: PushedImage
  let sbom: PushedImage
  let index: PushedManifest
  before(async () => {
    people = await openPeople()
    root = people.root
    for (const name of ['team', 'other']) assert.equal((await root.call('POST', '/projects', { name })).status, 201)
    guest = await people.add('guest')
    maintainer = await people.add('maintainer')
    outsider = await people.add('outsider')
    await people.grant(guest, 'guest', 'team')
    await people.grant(maintainer, 'maintainer', 'team')
    await people.grant(outsider, 'maintainer', 'other')
    const { registry } = maintainer
    const annotations = { 'org.opencontainers.image.title': '<img src=x onerror=alert(1)>', __proto__x: 'y' }
    amd = await pushImage(registry, 'team/app', 'amd64', { architecture: 'amd64', command: ['sh', '-c', '</script>'], annotations })
    arm = await pushImage(registry, 'team/app', undefined, { architecture: 'arm64', docker: true })
    index = await pushIndex(registry, 'team/app', 'latest', [
      { ...amd.descriptor, platform: { os: 'linux', architecture: 'amd64' } },
      { ...arm.descriptor, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
    ])
    sbom = await pushArtifact(registry, 'team/app', {
      artifactType: 'application/spdx+json',
      content: Buffer.from('{"sbom":1}'),
      subject: amd.descriptor,
      annotations: { by: 'test' },
    })
  })
  after(() => people[Symbol.asyncDispose]())

  test('and tags are listed with the size of all that they need, each blob once', async () => {
    const sizeOf = (...parts: readonly (PushedImage | PushedManifest)[]) => {
      const needed = parts.flatMap((part) => [part.descriptor, ...('config' in part ? [part.config, ...part.layers] : [])])
      return [...new Map(needed.map(({ digest, size }) => [digest, size])).values()].reduce((total, size) => total + size, 0)
    }
    const listed = async (query: string) => {
      const { items = [] } = (await guest.call('GET', query)).body
      assert.ok(items.every((item) => item['totalSizeIsExact'] === true))
      return Object.fromEntries(items.map((item) => [String(item['digest']), item]))
    }
    const manifests = await listed(path)
    const sizes = { amd: sizeOf(amd), arm: sizeOf(arm), index: sizeOf(index, amd, arm), sbom: sizeOf(sbom) }
    for (const [name, { descriptor }] of Object.entries({ amd, arm, index, sbom })) {
      const { digest } = descriptor
      const expected = sizes[name as keyof typeof sizes]
      assert.equal(manifests[digest]?.['totalSizeBytes'], expected, name)
      assert.equal((await guest.call('GET', at(digest))).body['totalSizeBytes'], expected, name)
    }
    const tags = await listed('/repositories/team%2Fapp/tags')
    assert.equal(tags[index.descriptor.digest]?.['totalSizeBytes'], sizes.index)
    assert.equal((await guest.call('GET', '/repositories/team%2Fapp/tags/latest')).body['totalSizeBytes'], sizes.index)
  })

  test('are told apart by whether an index of the repository lists them', async () => {
    const children = [amd, arm].map(({ descriptor }) => descriptor.digest).toSorted()
    const others = [index, sbom].map(({ descriptor }) => descriptor.digest).toSorted()
    assert.deepEqual(digests(await guest.call('GET', `${path}?child=true`)), children)
    assert.deepEqual(digests(await guest.call('GET', `${path}?child=false`)), others)
    assert.deepEqual(digests(await guest.call('GET', `${path}?child=false&tagged=false`)), [sbom.descriptor.digest])
    assert.deepEqual(digests(await guest.call('GET', `${path}?child=true&tagged=false`)), [arm.descriptor.digest])
    for (const item of (await guest.call('GET', path)).body.items ?? [])
      assert.equal(item['isChild'], children.includes(String(item['digest'])))
    assert.equal((await guest.call('GET', at(arm.descriptor.digest))).body['isChild'], true)
    assert.equal((await guest.call('GET', `${path}?child=maybe`)).status, 400)
    // The same manifest elsewhere is nobody's part there.
    for (const { digest, mediaType } of [arm.config, ...arm.layers])
      await outsider.registry.pushBlob('other/copy', await maintainer.registry.pullBlob('team/app', digest), mediaType)
    await outsider.registry.pushManifest('other/copy', undefined, arm.bytes)
    const [copy] = (await outsider.call('GET', '/repositories/other%2Fcopy/manifests')).body.items ?? []
    assert.deepEqual([copy?.['digest'], copy?.['isChild']], [arm.descriptor.digest, false])
  })

  test('are listed, narrowed by type and by tags', async () => {
    const all = [amd, arm, index, sbom].map(({ descriptor }) => descriptor.digest).toSorted()
    for (const sort of ['createdAt', '-createdAt', 'sizeBytes', '-sizeBytes'])
      assert.deepEqual(digests(await guest.call('GET', `${path}?sort=${sort}`)), all)
    assert.deepEqual(
      digests(await guest.call('GET', `${path}?tagged=true`)),
      [amd, index].map(({ descriptor }) => descriptor.digest).toSorted(),
    )
    assert.deepEqual(
      digests(await guest.call('GET', `${path}?tagged=false`)),
      [arm, sbom].map(({ descriptor }) => descriptor.digest).toSorted(),
    )
    assert.deepEqual(digests(await guest.call('GET', `${path}?artifactType=${encodeURIComponent('application/spdx+json')}`)), [
      sbom.descriptor.digest,
    ])
    assert.deepEqual(digests(await guest.call('GET', `${path}?mediaType=${encodeURIComponent(mediaTypes.index)}`)), [
      index.descriptor.digest,
    ])
    const [found] = (await guest.call('GET', `${path}?artifactType=${encodeURIComponent('application/spdx+json')}`)).body.items ?? []
    assert.equal(found?.['subject'], amd.descriptor.digest)
    for (const query of ['tagged=maybe', 'sort=digest', 'label=x', 'mediaType=%00']) {
      assert.equal((await guest.call('GET', `${path}?${query}`)).status, 400, query)
    }
    for (const text of ["' or 1=1 --", '%', '"'])
      assert.deepEqual(digests(await guest.call('GET', `${path}?mediaType=${encodeURIComponent(text)}`)), [])
  })

  test('an image tells what runs, of which layers, who points at it and what refers to it', async () => {
    const { status, body } = await guest.call('GET', at(amd.descriptor.digest))
    assert.equal(status, 200)
    const config = body['config'] as Readonly<Record<string, unknown>>
    assert.deepEqual([config['os'], config['architecture'], config['cmd']], ['linux', 'amd64', ['sh', '-c', '</script>']])
    assert.deepEqual(body['tags'], ['amd64'])
    assert.equal(body['kind'], 'manifest')
    const [layer] = body['layers'] as readonly Readonly<Record<string, unknown>>[]
    assert.deepEqual([layer?.['digest'], layer?.['sizeBytes']], [amd.layers[0]?.digest, amd.layers[0]?.size])
    const [referrer] = body['referrers'] as readonly Readonly<Record<string, unknown>>[]
    assert.deepEqual(
      [referrer?.['digest'], referrer?.['artifactType'], referrer?.['annotations']],
      [sbom.descriptor.digest, 'application/spdx+json', { by: 'test' }],
    )
    assert.equal(body['totalSizeBytes'], amd.bytes.length + amd.config.size + (amd.layers[0]?.size ?? 0))
    assert.deepEqual(body['annotations'], { 'org.opencontainers.image.title': '<img src=x onerror=alert(1)>', __proto__x: 'y' })
    const raw = await guest.registry.send(`/api/v1${at(amd.descriptor.digest)}`)
    assert.match(raw.headers['content-type'] ?? '', /^application\/json/)
    assert.equal(raw.headers['x-content-type-options'], 'nosniff')
  })

  test('an index tells its platforms and the size of all of them', async () => {
    const { body } = await guest.call('GET', at(index.descriptor.digest))
    const platforms = body['platforms'] as readonly Readonly<Record<string, unknown>>[]
    assert.deepEqual(
      platforms.map((each) => [each['digest'], each['os'], each['architecture'], each['variant'], each['isPresent']]),
      [
        [amd.descriptor.digest, 'linux', 'amd64', undefined, true],
        [arm.descriptor.digest, 'linux', 'arm64', 'v8', true],
      ],
    )
    const images = [amd, arm].map((image) => image.bytes.length + image.config.size + (image.layers[0]?.size ?? 0))
    const sharesLayer = amd.layers[0]?.digest === arm.layers[0]?.digest
    const total = index.bytes.length + (images[0] ?? 0) + (images[1] ?? 0) - (sharesLayer ? (amd.layers[0]?.size ?? 0) : 0)
    assert.deepEqual([body['kind'], body['totalSizeBytes'], body['totalSizeIsExact']], ['index', total, true])
  })

  test('referrers are listed by themselves and by type, of a manifest that is not here too', async () => {
    assert.deepEqual(digests(await guest.call('GET', `${at(amd.descriptor.digest)}/referrers`)), [sbom.descriptor.digest])
    assert.deepEqual(digests(await guest.call('GET', `${at(amd.descriptor.digest)}/referrers?artifactType=other`)), [])
    assert.deepEqual(digests(await guest.call('GET', `${at(`sha256:${'0'.repeat(64)}`)}/referrers`)), [])
    assert.equal((await guest.call('GET', `${at(amd.descriptor.digest)}/referrers?cursor=x`)).status, 400)
  })

  test('are as hidden as their repository', async () => {
    for (const url of [path, at(amd.descriptor.digest), `${at(amd.descriptor.digest)}/referrers`]) {
      assert.equal((await outsider.call('GET', url)).status, 404)
      assert.equal((await people.stranger.call('GET', url)).status, 401)
    }
    // The same digest in one's own repository says nothing about another's.
    await pushImage(outsider.registry, 'other/app', 'x', { architecture: 'amd64' })
    assert.equal(
      (await outsider.call('GET', `/repositories/other%2Fapp/manifests/${encodeURIComponent(arm.descriptor.digest)}`)).status,
      404,
    )
    assert.equal((await outsider.call('DELETE', at(arm.descriptor.digest))).status, 404)
  })

  test('that are malformed are not there', async () => {
    for (const digest of ['sha256:00', 'latest', "'", '%00', `sha256:${'G'.repeat(64)}`, 'md5:00', `sha256:${'0'.repeat(64)}`]) {
      for (const method of ['GET', 'DELETE']) assert.equal((await maintainer.call(method, at(digest))).status, 404, digest)
    }
    assert.equal((await maintainer.call('GET', `${path}/${'x'.repeat(300)}`)).status, 400)
  })

  test('are deleted with their tags by who may', async () => {
    const image = await pushImage(maintainer.registry, 'team/app', 'gone', { architecture: 's390x' })
    assert.equal((await guest.call('DELETE', at(image.descriptor.digest))).status, 403)
    assert.equal((await maintainer.call('DELETE', at(image.descriptor.digest))).status, 204)
    assert.equal((await maintainer.call('GET', at(image.descriptor.digest))).status, 404)
    assert.equal(await maintainer.registry.digestOf('team/app', 'gone'), undefined)
  })
})
