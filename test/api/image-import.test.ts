import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { basicAuthorization } from '../support/http-client.ts'
import { configOf, dockerSave, layerOf, layout, layoutImage } from '../support/image-archive.ts'
import { digestOfBytes, mediaTypes } from '../support/registry-client.ts'
import { tarEntries, type Entry } from '../support/tar-entries.ts'
import { openPeople, password, type People, type Person } from './people.ts'

interface Imported {
  readonly status: number
  readonly body: {
    readonly images?: readonly { readonly digest: string; readonly tags: readonly string[]; readonly missingPlatforms: readonly string[] }[]
    readonly detail?: string
    readonly code?: string
  }
  readonly location: string | undefined
}

suite('an archive of images over the API', () => {
  let people: People
  let root: Person
  let developer: Person
  let guest: Person
  before(async () => {
    people = await openPeople()
    root = people.root
    assert.equal((await root.call('POST', '/projects', { name: 'team' })).status, 201)
    developer = await people.add('developer')
    guest = await people.add('guest')
    await people.grant(developer, 'developer', 'team')
    await people.grant(guest, 'guest', 'team')
  })
  after(() => people[Symbol.asyncDispose]())

  const send = async (
    repository: string,
    archive: Uint8Array | AsyncIterable<Uint8Array>,
    { query = '', who = developer, type = 'application/x-tar' }: { query?: string; who?: Person; type?: string } = {},
  ): Promise<Imported> => {
    const path = `/api/v1/repositories/${encodeURIComponent(repository)}/import${query}`
    const answer = await who.registry.send(path, { method: 'POST', body: archive, headers: { 'content-type': type } })
    return { status: answer.status, body: JSON.parse(answer.body.toString()) as Imported['body'], location: answer.headers.location }
  }
  const taken = async (...input: Parameters<typeof send>) => {
    const reply = await send(...input)
    assert.equal(reply.status, 201, JSON.stringify(reply.body))
    return reply.body.images ?? []
  }
  const refused = async (archive: Uint8Array, status: number, words: RegExp, options: Parameters<typeof send>[2] = {}) => {
    const reply = await send('team/refused', archive, options)
    assert.equal(reply.status, status, JSON.stringify(reply.body))
    assert.match(reply.body.detail ?? '', words)
    return reply
  }

  test('of docker save becomes what docker push would have made', async () => {
    const layers = [layerOf('one', 'x'.repeat(300_000)), layerOf('two')]
    const images = await taken(
      'team/saved',
      tarEntries(dockerSave([{ layers, tags: ['registry.example:5000/team/app:1.0', 'app:stable'] }])),
    )
    assert.deepEqual(images[0]?.tags, ['1.0', 'stable'])
    for (const tag of ['1.0', 'stable']) assert.equal(await root.registry.digestOf('team/saved', tag), images[0]?.digest)
    const manifest = JSON.parse((await root.registry.pullManifest('team/saved', '1.0')).bytes.toString()) as {
      layers: { digest: string; mediaType: string }[]
      config: { digest: string }
    }
    assert.ok((await root.registry.pullBlob('team/saved', manifest.config.digest)).equals(configOf(layers)))
    for (const [index, layer] of manifest.layers.entries()) {
      assert.equal(layer.mediaType, mediaTypes.gzipLayer)
      const bytes = await root.registry.pullBlob('team/saved', layer.digest)
      assert.ok(gunzipSync(bytes).equals(layers[index] as Buffer))
    }
  })

  test('of an image layout stays what it is, digest by digest', async () => {
    const { blobs, descriptor, manifest } = layoutImage({
      layers: [layerOf('a', randomBytes(100_000).toString('hex')), layerOf('b')],
      name: '2.0',
    })
    for (const [index, pack] of [(bytes: Buffer) => bytes, gzipSync, zstdCompressSync].entries()) {
      const repository = `team/layout-${index}`
      const [image] = await taken(repository, pack(tarEntries(layout(blobs, [descriptor]))), { type: 'application/octet-stream' })
      assert.deepEqual([image?.digest, image?.tags], [descriptor.digest, ['2.0']])
      assert.ok((await root.registry.pullManifest(repository, '2.0')).bytes.equals(manifest))
    }
  })

  test('gets the tag that is asked for, and says where the image is', async () => {
    const { blobs, descriptor } = layoutImage({ layers: [layerOf('tagged')], name: 'own' })
    const reply = await send('team/tagged', tarEntries(layout(blobs, [descriptor])), { query: '?tag=mine' })
    assert.deepEqual(reply.body.images?.[0]?.tags, ['mine'])
    assert.equal(reply.location, `/api/v1/repositories/team%2Ftagged/manifests/${descriptor.digest}`)
    assert.equal(await root.registry.digestOf('team/tagged', 'own'), undefined)
  })

  test('of a layout without a name is there by its digest', async () => {
    const { blobs, descriptor } = layoutImage({ layers: [layerOf('nameless')] })
    assert.deepEqual((await taken('team/nameless', tarEntries(layout(blobs, [descriptor]))))[0]?.tags, [])
    assert.equal(await root.registry.digestOf('team/nameless', descriptor.digest), descriptor.digest)
  })

  test('with several images gives each its own tag, and takes no other', async () => {
    const images = [
      { layers: [layerOf('base'), layerOf('first')], tags: ['app:first'] },
      { layers: [layerOf('base'), layerOf('second')], tags: ['other/app:second'] },
    ]
    const archive = tarEntries(dockerSave(images))
    const made = await taken('team/several', archive)
    assert.deepEqual(
      made.map(({ tags }) => tags),
      [['first'], ['second']],
    )
    await refused(archive, 400, /2 images \(app:first, other\/app:second\)/, { query: '?tag=one' })
    await refused(
      tarEntries(dockerSave(images.map((image) => ({ ...image, tags: ['x:same'] })))),
      400,
      /two of its images have the tag same/,
    )
  })

  test('with an index keeps all that it lists', async () => {
    const arm = layoutImage({ layers: [layerOf('arm')], platform: { os: 'linux', architecture: 'arm64' } })
    const amd = layoutImage({ layers: [layerOf('amd')], platform: { os: 'linux', architecture: 'amd64' } })
    const index = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [arm.descriptor, amd.descriptor] }),
    )
    const descriptor = {
      mediaType: mediaTypes.index,
      digest: digestOfBytes(index),
      size: index.length,
      annotations: { 'io.containerd.image.name': 'docker.io/library/app:multi' },
    }
    const [image] = await taken('team/multi', tarEntries(layout([...arm.blobs, ...amd.blobs, index], [descriptor])))
    assert.deepEqual([image?.digest, image?.tags], [digestOfBytes(index), ['multi']])
    for (const { descriptor: child } of [arm, amd]) assert.equal(await root.registry.digestOf('team/multi', child.digest), child.digest)
    // As Docker saves it: the index of all platforms, with the one that was pulled.
    const [only] = await taken('team/partial', tarEntries(layout([...amd.blobs, index], [descriptor])))
    assert.deepEqual([only?.digest, only?.tags, only?.missingPlatforms], [amd.descriptor.digest, ['multi'], ['linux/arm64']])
    await refused(tarEntries(layout([index], [descriptor])), 400, /lacks 2 of the manifests/)
  })

  test('as skopeo and go-containerregistry write it is taken too', async () => {
    const layers = [layerOf('shared'), layerOf('linked')]
    const config = configOf(layers)
    const configName = `sha256:${digestOfBytes(config).slice(7)}`
    const manifest = [{ Config: configName, RepoTags: ['app:linked'], Layers: ['abc.tar.gz', 'id/layer.tar', 'hard.tar'] }]
    const three = configOf([layers[0] as Buffer, layers[1] as Buffer, layers[0] as Buffer])
    const entries: Entry[] = [
      { path: 'manifest.json', content: JSON.stringify([{ ...manifest[0], Config: 'config.json' }]) },
      { path: 'config.json', content: three },
      { path: 'abc.tar.gz', content: gzipSync(layers[0] as Buffer) },
      { path: 'second.tar', content: layers[1] as Buffer },
      { path: 'id/layer.tar', type: '2', link: '../second.tar' },
      { path: 'hard.tar', type: '1', link: 'abc.tar.gz' },
    ]
    assert.deepEqual((await taken('team/linked', tarEntries(entries)))[0]?.tags, ['linked'])
  })

  test('may be pushed again, and shares what is there', async () => {
    const archive = tarEntries(dockerSave([{ layers: [layerOf('again')], tags: ['app:again'] }]))
    const [first] = await taken('team/again', archive)
    const [second] = await taken('team/again', archive)
    assert.equal(first?.digest, second?.digest)
  })

  test('is in the record as the pushes that it stands for', async () => {
    const { blobs, descriptor } = layoutImage({ layers: [layerOf('recorded')], name: 'recorded' })
    await taken('team/recorded', tarEntries(layout(blobs, [descriptor])))
    const { body } = await root.call('GET', '/audit?repository=team%2Frecorded')
    const pushed = body.items?.find(({ action }) => action === 'manifest.pushed')
    assert.deepEqual([pushed?.['actor'], pushed?.['digest']], ['developer', descriptor.digest])
  })

  suite('is refused', () => {
    const { blobs, descriptor } = layoutImage({ layers: [layerOf('victim', 'x'.repeat(5000))], name: 'victim' })
    const good = layout(blobs, [descriptor])
    const without = (name: RegExp) => tarEntries(good.filter(({ path }) => !name.test(path)))

    test('to who may not push, and for a repository that they may not make', async () => {
      const archive = tarEntries(good)
      assert.equal((await send('team/refused', archive, { who: guest })).status, 403)
      assert.equal((await send('team/refused', archive, { who: people.stranger })).status, 401)
      assert.equal((await send('elsewhere/refused', archive, { who: guest })).status, 404)
      assert.equal(await root.registry.digestOf('team/refused', 'victim'), undefined)
    })

    test('when it is no archive, an empty one, or one of something else', async () => {
      await refused(Buffer.alloc(0), 400, /empty/)
      await refused(Buffer.from('this is no archive'.repeat(100)), 400, /no header of a tar archive/)
      await refused(Buffer.from('BZh91AY&SY'.padEnd(600, 'x')), 400, /compressed in a way/)
      await refused(tarEntries([{ path: 'readme', content: 'hello' }]), 400, /neither an index.json .* nor a manifest.json/)
      await refused(tarEntries(layout([], [])), 400, /no image in it/)
    })

    test('when it was cut, anywhere', async () => {
      const archive = tarEntries(good)
      for (const length of [600, 1536, 2500, archive.length - 3000])
        await refused(archive.subarray(0, length), 400, /ends before|lacks|neither/)
      const packed = gzipSync(archive)
      await refused(packed.subarray(0, packed.length - 20), 400, /damaged or were cut|ends before/)
      assert.equal(await root.registry.digestOf('team/refused', 'victim'), undefined)
    })

    test('when a blob is not what its name says', async () => {
      for (const index of [0, 1, 2]) {
        const entries = good.map((entry) => ({ ...entry }))
        const victim = entries[index + 2] as unknown as { content: Buffer }
        victim.content = Buffer.from(victim.content)
        const last = victim.content.length - 3
        victim.content[last] = (victim.content[last] ?? 0) ^ 1
        const reply = await send('team/refused', tarEntries(entries))
        assert.deepEqual([reply.status, reply.body.code], [400, 'DIGEST_INVALID'])
      }
    })

    test('when a layer of docker save is not what the config says', async () => {
      const [layer, other] = [layerOf('right'), layerOf('wrong')]
      const entries = dockerSave([{ layers: [layer], tags: ['app:x'] }])
      for (const [content, code] of [
        [other, 'DIGEST_INVALID'],
        [gzipSync(other), 'DIGEST_INVALID'],
        [zstdCompressSync(other), 'DIGEST_INVALID'],
        [gzipSync(layer).subarray(0, -9), 'ARCHIVE_INVALID'],
        [Buffer.from('no tar'), 'ARCHIVE_INVALID'],
      ] as const) {
        const changed = entries.map((entry) => (entry.path.endsWith('layer.tar') ? { ...entry, content } : entry))
        const reply = await send('team/refused', tarEntries(changed))
        assert.deepEqual([reply.status, reply.body.code], [400, code], JSON.stringify(reply.body))
      }
      for (const content of [gzipSync(layer), zstdCompressSync(layer)])
        await taken('team/packed', tarEntries(entries.map((entry) => (entry.path.endsWith('layer.tar') ? { ...entry, content } : entry))))
    })

    test('when its documents lie, or make no sense', async () => {
      const index = (content: string) => tarEntries(good.map((entry) => (entry.path === 'index.json' ? { ...entry, content } : entry)))
      await refused(index('{"manifests":'), 400, /index.json/)
      await refused(index('[]'), 400, /index.json/)
      await refused(index('{"schemaVersion":2,"manifests":[{}]}'), 400, /index.json/)
      await refused(
        index(JSON.stringify({ schemaVersion: 2, manifests: [{ ...descriptor, mediaType: 'text/plain' }] })),
        400,
        /no manifest but text\/plain/,
      )
      await refused(without(new RegExp(descriptor.digest.slice(7))), 400, /lacks the manifest/)
      for (const [content, words] of [
        ['{}', /no list of 100 images/],
        ['[{}]', /names no Config/],
        ['[{"Config":"c.json","Layers":[1]}]', /Layers that are no list/],
        ['[{"Config":"c.json","Layers":[]}]', /lacks the config/],
        ['[[]]', /manifest.json/],
        ['[', /manifest.json/],
        [`[${'{"Config":"c","Layers":[]},'.repeat(100)}{"Config":"c","Layers":[]}]`, /100 images/],
      ] as const)
        await refused(tarEntries([{ path: 'manifest.json', content }]), 400, words)
      const layer = layerOf('only')
      const config = { path: 'c.json', content: configOf([layer]) }
      const two = { path: 'manifest.json', content: '[{"Config":"c.json","Layers":["a.tar","b.tar"]}]' }
      await refused(tarEntries([config, two]), 400, /1 layers, and its manifest.json 2/)
      const one = { path: 'manifest.json', content: '[{"Config":"c.json","Layers":["a.tar"]}]' }
      await refused(tarEntries([config, one]), 400, /lacks the layer a.tar/)
      await refused(tarEntries([config, one, { path: 'a.tar', type: '2', link: 'a.tar' }]), 400, /circle/)
    })

    test('when the manifest needs what is neither in it nor in the repository', async () => {
      const layer = blobs[0] as Buffer
      const reply = await send('team/lacking', without(new RegExp(digestOfBytes(layer).slice(7))))
      assert.deepEqual([reply.status, reply.body.code], [400, 'MANIFEST_BLOB_UNKNOWN'])
    })

    test('when its tag is none, or its type is none that is read', async () => {
      const reply = await send('team/refused', tarEntries(good), { query: '?tag=-' })
      assert.deepEqual([reply.status, reply.body.code], [400, 'TAG_INVALID'])
      for (const type of ['text/html', 'application/json', 'application/x-www-form-urlencoded'])
        assert.ok([400, 415].includes((await send('team/refused', tarEntries(good), { type })).status), type)
      // And a route that takes JSON does not take an archive.
      const wrong = await root.registry.send('/api/v1/projects', {
        method: 'POST',
        body: tarEntries(good),
        headers: { 'content-type': 'application/x-tar' },
      })
      assert.equal(wrong.status, 415)
    })

    test('when it is larger than the configuration allows, before or after it is unpacked', async () => {
      await using small = await openPeople({ contents: { archiveBytes: 100_000 } })
      await small.root.call('POST', '/projects', { name: 'team' })
      const large = tarEntries(dockerSave([{ layers: [layerOf('large', 'x'.repeat(200_000))], tags: ['app:large'] }]))
      const post = async (body: Uint8Array | AsyncIterable<Uint8Array>) => await send('team/refused', body, { who: small.root })
      const chunked = async function* () {
        yield large
      }
      for (const body of [large, gzipSync(large), chunked()]) {
        const reply = await post(body)
        assert.equal(reply.status, 413)
        assert.match(reply.body.detail ?? '', /100000 bytes/)
      }
      await using none = await openPeople({ contents: { archiveBytes: 0 } })
      await none.root.call('POST', '/projects', { name: 'team' })
      assert.match((await send('team/refused', tarEntries(good), { who: none.root })).body.detail ?? '', /not taken here/)
    })

    test('when a quota or an immutable tag stands in its way, as a push is', async () => {
      assert.equal((await root.call('POST', '/projects', { name: 'tight' })).status, 201)
      assert.equal((await root.call('PUT', '/projects/tight/quota', { bytesMax: 1000 })).status, 200)
      const large = tarEntries(dockerSave([{ layers: [layerOf('large', randomBytes(50_000).toString('hex'))], tags: ['app:large'] }]))
      const over = await send('tight/app', large, { who: root })
      assert.deepEqual([over.status, over.body.code], [403, 'DENIED'], JSON.stringify(over.body))
      assert.equal((await root.call('POST', '/projects', { name: 'fixed' })).status, 201)
      assert.equal((await root.call('POST', '/projects/fixed/immutable-tag-rules', { tags: '**' })).status, 201)
      const images = ['one', 'two'].map((name) => layoutImage({ layers: [layerOf(name)], name: 'v1' }))
      const [one, two] = images.map((image) => tarEntries(layout(image.blobs, [image.descriptor])))
      await taken('fixed/app', one as Buffer, { who: root })
      const moved = await send('fixed/app', two as Buffer, { who: root })
      assert.deepEqual([moved.status, moved.body.code], [409, 'TAG_IMMUTABLE'])
    })

    test('when it nests what it says, and holds what nobody asked for, without harm', async () => {
      const entries: Entry[] = [
        { path: '../../etc/passwd', content: '{"x":1}' },
        { path: 'blobs/sha256/not-hex', content: 'x' },
        { path: `blobs/sha256/${'0'.repeat(64)}`, type: '5' },
        { path: `blobs/sha512/${'0'.repeat(64)}`, content: '{}' },
        { path: 'dev', type: '3' },
        { path: './index.json', content: JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }) },
        ...blobs.map((bytes) => ({ path: `./x/../blobs/sha256/${digestOfBytes(bytes).slice(7)}`, content: bytes })),
      ]
      assert.deepEqual((await taken('team/nested', tarEntries(entries)))[0]?.tags, ['victim'])
    })

    test('and its connection is closed when more is sent than anybody reads', async () => {
      const { port } = people.rooms
      const answer = await new Promise<string>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1')
        let text = ''
        socket.setEncoding('latin1').on('data', (piece: string) => (text += piece))
        socket.once('close', () => resolve(text)).once('error', reject)
        const authorization = basicAuthorization('guest', password)
        socket.write(
          `POST /api/v1/repositories/team%2Frefused/import HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Type: application/x-tar\r\nContent-Length: 1000000000\r\n\r\n`,
        )
        socket.write(Buffer.alloc(100_000))
      })
      assert.match(answer, /^HTTP\/1.1 403 /)
      assert.match(answer, /"code":"DENIED"/)
    })

    test('and leaves no upload behind when its sender goes away', async () => {
      const { port } = people.rooms
      const archive = tarEntries([{ path: 'layer.tar', content: tarEntries([{ path: 'x', content: randomBytes(2_000_000) }]) }])
      await new Promise<void>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1')
        socket.once('error', reject).once('close', () => resolve())
        const authorization = basicAuthorization('developer', password)
        socket.write(
          `POST /api/v1/repositories/team%2Fgone/import HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Type: application/x-tar\r\nContent-Length: ${archive.length}\r\n\r\n`,
        )
        socket.write(archive.subarray(0, 1_000_000), () => setTimeout(() => socket.destroy(), 300))
      })
      for (let tries = 0; ; tries++) {
        const { body } = await root.call('GET', '/uploads')
        if (body.items?.length === 0) break
        assert.ok(tries < 50, 'the upload stays')
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    })
  })
})
