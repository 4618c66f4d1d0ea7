import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { readTar } from '#lib/tar-reader.ts'
import { pushLayers, type Layer } from '../support/layered-image.ts'
import { digestOfBytes, mediaTypes, pushArtifact, pushIndex, type PushedImage } from '../support/registry-client.ts'
import { openPeople, type People, type Person } from './people.ts'

const repository = 'team/app'
const base = '/api/v1/repositories/team%2Fapp/manifests'

async function filesOf(archive: Buffer): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  const source = async function* () {
    yield archive
  }
  for await (const entry of readTar(source(), { entries: 1000, totalBytes: 1e9 })) {
    const pieces: Uint8Array[] = []
    for await (const piece of entry.body()) pieces.push(Buffer.from(piece))
    assert.equal(files.has(entry.path), false, `${entry.path} is there once`)
    files.set(entry.path, Buffer.concat(pieces))
  }
  return files
}

const json = (bytes: Buffer | undefined) => JSON.parse(String(bytes)) as never

suite('an image as an archive over the API', () => {
  let people: People
  let root: Person
  let guest: Person
  let image: PushedImage
  before(async () => {
    people = await openPeople()
    root = people.root
    assert.equal((await root.call('POST', '/projects', { name: 'team' })).status, 201)
    guest = await people.add('guest')
    await people.grant(guest, 'guest', 'team')
    image = await push('latest', [[{ path: 'a', content: 'a'.repeat(100_000) }], [{ path: 'b' }], [{ path: 'b' }]])
  })
  after(() => people[Symbol.asyncDispose]())

  const push = (tag: string, layers: readonly Layer[]) => pushLayers(root.registry, { repository, tag }, layers)
  const get = (reference: string, query = '', who = guest) => who.registry.send(`${base}/${encodeURIComponent(reference)}/archive${query}`)
  const archiveOf = async (reference: string, query = '') => {
    const answer = await get(reference, query)
    assert.equal(answer.status, 200, answer.body.toString().slice(0, 500))
    assert.equal(answer.headers['content-length'], String(answer.body.length))
    assert.equal(answer.headers['content-type'], 'application/x-tar')
    return answer.body
  }
  const refused = async (reference: string, query: string, status: number, words: RegExp) => {
    const answer = await get(reference, query)
    assert.equal(answer.status, status, answer.body.toString().slice(0, 500))
    assert.match(answer.body.toString(), words)
  }

  test('for docker load has its config, each layer once, and its name', async () => {
    const files = await filesOf(await archiveOf('latest'))
    const [manifest] = json(files.get('manifest.json')) as { Config: string; RepoTags: string[]; Layers: string[] }[]
    assert.deepEqual(manifest?.RepoTags, [`127.0.0.1:${people.rooms.port}/team/app:latest`])
    assert.equal(digestOfBytes(files.get(manifest?.Config ?? '') ?? Buffer.alloc(0)), image.config.digest)
    assert.deepEqual(
      manifest?.Layers.map((name) => digestOfBytes(files.get(name) ?? Buffer.alloc(0))),
      image.layers.map(({ digest }) => digest),
    )
    assert.equal(files.size, 4)
  })

  test('of an image layout has every byte that the registry has, and comes back as the same', async () => {
    const archive = await archiveOf('latest', '?format=oci')
    const files = await filesOf(archive)
    assert.deepEqual(json(files.get('oci-layout')), { imageLayoutVersion: '1.0.0' })
    const index = json(files.get('index.json')) as { manifests: { digest: string; annotations: Record<string, string> }[] }
    assert.equal(index.manifests[0]?.digest, image.descriptor.digest)
    assert.equal(index.manifests[0]?.annotations['org.opencontainers.image.ref.name'], 'latest')
    for (const [name, bytes] of files) if (name.startsWith('blobs/')) assert.equal(`blobs/sha256/${digestOfBytes(bytes).slice(7)}`, name)
    for (const [query, body] of [
      ['', archive],
      ['', await archiveOf('latest')],
    ] as const) {
      const path = `/api/v1/repositories/team%2Fback/import${query}`
      const answer = await root.registry.send(path, { method: 'POST', body, headers: { 'content-type': 'application/x-tar' } })
      assert.equal(answer.status, 201, answer.body.toString())
      const [made] = (JSON.parse(answer.body.toString()) as { images: { digest: string; tags: string[] }[] }).images
      assert.deepEqual(made?.tags, ['latest'])
      assert.equal(await root.registry.digestOf('team/back', 'latest'), image.descriptor.digest)
    }
  })

  test('is the same each time, byte for byte', async () => {
    assert.ok((await archiveOf('latest', '?format=oci')).equals(await archiveOf('latest', '?format=oci')))
  })

  test('of an index has all platforms, or the one that is asked for', async () => {
    const arm = await push('arm', [[{ path: 'arm', content: 'a' }]])
    const index = await pushIndex(root.registry, repository, 'multi', [
      { ...image.descriptor, platform: { os: 'linux', architecture: 'amd64' } },
      { ...arm.descriptor, platform: { os: 'linux', architecture: 'arm64' } },
    ])
    const all = await filesOf(await archiveOf('multi', '?format=oci'))
    for (const { descriptor } of [index, arm, image]) assert.ok(all.has(`blobs/sha256/${descriptor.digest.slice(7)}`))
    const one = await filesOf(await archiveOf('multi', '?format=oci&platform=linux/arm64'))
    assert.ok(one.has(`blobs/sha256/${arm.descriptor.digest.slice(7)}`))
    assert.equal(one.has(`blobs/sha256/${image.descriptor.digest.slice(7)}`), false)
    const [docker] = json((await filesOf(await archiveOf('multi', '?platform=linux/arm64'))).get('manifest.json')) as { Config: string }[]
    assert.equal(docker?.Config, `${arm.config.digest.slice(7)}.json`)
    await refused('multi', '?platform=plan9/mips', 400, /linux\/amd64, linux\/arm64/)
  })

  test('of what is no image is a layout, and nothing for Docker', async () => {
    const sbom = await pushArtifact(root.registry, repository, {
      artifactType: 'application/spdx+json',
      content: Buffer.from('{"sbom":1}'),
      tag: 'sbom',
    })
    assert.ok((await filesOf(await archiveOf('sbom', '?format=oci'))).has(`blobs/sha256/${sbom.descriptor.digest.slice(7)}`))
    await refused('sbom', '', 400, /no image that Docker could load/)
  })

  test('by its digest has no name', async () => {
    const files = await filesOf(await archiveOf(image.descriptor.digest))
    assert.deepEqual((json(files.get('manifest.json')) as { RepoTags: string[] }[])[0]?.RepoTags, [])
  })

  test('is refused whole when a part of it is not here', async () => {
    const foreign = { bytes: Buffer.from('x'), mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', missing: true }
    await push('foreign', [foreign, [{ path: 'x' }]])
    await refused('foreign', '', 422, /licence/)
    assert.equal((await filesOf(await archiveOf('foreign', '?format=oci'))).size, 5)
    await refused('nothing', '', 404, /no manifest nothing/)
    await refused('latest', '?format=zip', 400, /format/)
  })

  test('counts as a pull, and HEAD does not', async () => {
    const pulls = async () => {
      await people.rooms.pullStatistics.flush()
      return (await root.call('GET', `/repositories/team%2Fapp/tags/counted`)).body['pulls']
    }
    await push('counted', [[{ path: 'counted' }]])
    await archiveOf('counted')
    assert.equal(await pulls(), 1)
    const head = await guest.registry.send(`${base}/counted/archive`, { method: 'HEAD' })
    assert.deepEqual([head.status, head.body.length], [200, 0])
    assert.ok(Number(head.headers['content-length']) > 1024)
    assert.equal(await pulls(), 1)
  })

  test('is for who may pull', async () => {
    assert.equal((await get('latest', '', people.stranger)).status, 401)
    assert.equal((await get('latest', '', await people.add('nobody'))).status, 404)
    const auditor = await people.add('auditor')
    await people.grant(auditor, 'auditor', 'team')
    assert.equal((await get('latest', '', auditor)).status, 403)
  })

  test('holds nothing when its reader goes away', async () => {
    await push('large', [{ bytes: Buffer.alloc(30_000_000, 'x'), mediaType: mediaTypes.layer }])
    const controller = new AbortController()
    const { url } = people.rooms
    const answer = await fetch(new URL(`${base}/large/archive`, url), {
      headers: { authorization: `Basic ${Buffer.from('guest:a long enough passphrase').toString('base64')}` },
      signal: controller.signal,
    })
    await answer.body?.getReader().read()
    controller.abort()
    const { buffersInUse } = await import('#lib/pooled-read.ts')
    for (let tries = 0; buffersInUse().first + buffersInUse().full > 0; tries++) {
      assert.ok(tries < 50, 'buffers are still held')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  })
})
