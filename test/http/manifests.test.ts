import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import {
  digestOfBytes,
  mediaTypes,
  pushArtifact,
  pushImage,
  registryClient,
  type PushedImage,
  type RegistryClient,
} from '../support/registry-client.ts'
import { serveRooms, type ServedRooms } from '../support/serve-rooms.ts'

suite('manifests', () => {
  let rooms: ServedRooms
  let client: RegistryClient
  let image: PushedImage
  before(async () => {
    rooms = await serveRooms()
    client = registryClient(rooms.url)
    image = await pushImage(client, 'a/b', 'v1')
  })
  after(() => rooms[Symbol.asyncDispose]())

  const put = (reference: string, body: Buffer | string, headers: Record<string, string> = {}) =>
    client.send(`/v2/a/b/manifests/${reference}`, { method: 'PUT', body, headers: { 'content-type': mediaTypes.manifest, ...headers } })

  test('a manifest comes back byte for byte, whatever the client says it accepts', async () => {
    const { digest } = image.descriptor
    for (const accept of [undefined, '*/*', 'text/html', mediaTypes.manifest, mediaTypes.dockerManifest, 'application/json;q=0'])
      for (const reference of ['v1', digest]) {
        const headers = accept === undefined ? {} : { accept }
        const answer = await client.send(`/v2/a/b/manifests/${reference}`, { headers })
        assert.equal(answer.status, 200)
        assert.deepEqual(answer.body, image.bytes)
        assert.equal(answer.headers['content-type'], mediaTypes.manifest)
        assert.equal(answer.headers['docker-content-digest'], digest)
        assert.equal(answer.headers.etag, `"${digest}"`)
        const head = await client.send(`/v2/a/b/manifests/${reference}`, { method: 'HEAD', headers })
        assert.equal(head.body.length, 0)
        const { date: _a, 'x-request-id': _b, ...headHeaders } = head.headers
        const { date: _c, 'x-request-id': _d, ...getHeaders } = answer.headers
        assert.deepEqual(headHeaders, getHeaders)
      }
  })

  test('by digest a cache may keep it for ever, by tag for a moment', async () => {
    const control = async (reference: string) => (await client.send(`/v2/a/b/manifests/${reference}`)).headers['cache-control']
    assert.equal(await control(image.descriptor.digest), 'max-age=31536000, immutable')
    assert.equal(await control('v1'), 'max-age=5, must-revalidate')
  })

  test('If-None-Match spares the body by tag and by digest', async () => {
    const { digest } = image.descriptor
    for (const method of ['GET', 'HEAD'])
      for (const reference of ['v1', digest]) {
        const answer = await client.send(`/v2/a/b/manifests/${reference}`, { method, headers: { 'if-none-match': `"${digest}"` } })
        assert.equal(answer.status, 304)
        assert.equal(answer.headers['docker-content-digest'], digest)
        const changed = await client.send(`/v2/a/b/manifests/${reference}`, { method, headers: { 'if-none-match': '"sha256:x"' } })
        assert.equal(changed.status, 200)
      }
  })

  test('PUT says where the manifest is, by tag, by digest, with parameters of the type and without a type', async () => {
    const { digest } = image.descriptor
    for (const [reference, type] of [
      ['v2', mediaTypes.manifest],
      [digest, `${mediaTypes.manifest}; charset=utf-8`],
      ['v3', ''],
    ] as const) {
      const answer = await put(reference, image.bytes, { 'content-type': type })
      assert.equal(answer.status, 201, type)
      assert.equal(answer.headers.location, `${rooms.url}v2/a/b/manifests/${digest}`)
      assert.equal(answer.headers['docker-content-digest'], digest)
      assert.equal(answer.headers['oci-tag'], undefined)
      assert.equal(answer.headers['content-length'], '0')
    }
    async function* streamed() {
      yield image.bytes
    }
    const answer = await client.send('/v2/a/b/manifests/v4', {
      method: 'PUT',
      body: streamed(),
      headers: { 'content-type': mediaTypes.manifest },
    })
    assert.equal(answer.status, 201)
  })

  test('one push may set many tags, each named in the answer', async () => {
    const { digest } = image.descriptor
    const tags = Array.from({ length: 12 }, (_, at) => `many-${at}`)
    const answer = await put(`${digest}?${tags.map((tag) => `tag=${tag}`).join('&')}&tag=many-0`, image.bytes)
    assert.equal(answer.status, 201)
    assert.deepEqual(String(answer.headers['oci-tag']).split(', ').toSorted(), tags.toSorted())
    for (const tag of tags) assert.equal(await client.digestOf('a/b', tag), digest)
  })

  test('tag parameters that cannot be are refused, and none of them is set', async () => {
    const { digest } = image.descriptor
    assert.equal((await put(`${digest}?tag=good&tag=.bad`, image.bytes)).status, 400)
    assert.equal((await put(`v9?tag=good`, image.bytes)).status, 400)
    assert.equal((await put(`${digest}?${'tag=good&'.repeat(51)}`, image.bytes)).status, 414)
    assert.equal(await client.digestOf('a/b', 'good'), undefined)
    assert.equal(await client.digestOf('a/b', 'v9'), undefined)
  })

  test('a wrong or malformed digest is 400', async () => {
    for (const reference of [`sha256:${'0'.repeat(64)}`, 'sha256:baddigeststring', digestOfBytes(Buffer.from('x'), 'sha512')]) {
      const answer = await put(reference, image.bytes)
      assert.equal(answer.status, 400, reference)
      assert.match(answer.body.toString(), /"code":"DIGEST_INVALID"/)
      assert.notEqual((await client.send(`/v2/a/b/manifests/${reference}`)).status, 200)
    }
  })

  test('sha512 is answered as sha512', async () => {
    const digest = digestOfBytes(image.bytes, 'sha512')
    const answer = await put(digest, image.bytes)
    assert.equal(answer.status, 201)
    assert.equal(answer.headers['docker-content-digest'], digest)
    const pulled = await client.send(`/v2/a/b/manifests/${digest}`)
    assert.equal(pulled.headers['docker-content-digest'], digest)
    assert.deepEqual(pulled.body, image.bytes)
  })

  test('what is no manifest is 400, what is too large 413', async () => {
    for (const body of [
      '',
      '{',
      '[]',
      '{"schemaVersion":2}',
      `{"schemaVersion":2,"mediaType":"${mediaTypes.manifest}","layers":[],"manifests":[]}`,
      '\0',
      '['.repeat(200_000),
    ]) {
      const answer = await put('bad', body)
      assert.equal(answer.status, 400, body.slice(0, 60))
      assert.match(answer.body.toString(), /"code":"MANIFEST_INVALID"/)
    }
    const answer = await put('big', Buffer.alloc(4 * 1024 * 1024 + 1, ' '))
    assert.equal(answer.status, 413)
    assert.match(answer.body.toString(), /"code":"MANIFEST_INVALID","message":"manifest is larger/)
    assert.equal(await client.digestOf('a/b', 'bad'), undefined)
  })

  test('a push that refers to missing blobs names them', async () => {
    const missing = digestOfBytes(Buffer.from('missing'))
    const manifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: image.config,
      layers: [{ ...image.layers[0], digest: missing }],
    }
    const answer = await put('incomplete', JSON.stringify(manifest))
    assert.equal(answer.status, 400)
    assert.match(answer.body.toString(), /"code":"MANIFEST_BLOB_UNKNOWN"/)
    assert.ok(answer.body.toString().includes(missing))
  })

  test('a subject is named in the answer, and lists its referrers', async () => {
    const { digest } = image.descriptor
    const sbom = await pushArtifact(client, 'a/b', {
      artifactType: 'application/spdx+json',
      content: Buffer.from('s'),
      subject: image.descriptor,
      annotations: { k: 'v' },
    })
    const again = await client.send(`/v2/a/b/manifests/${sbom.descriptor.digest}`, {
      method: 'PUT',
      body: sbom.bytes,
      headers: { 'content-type': mediaTypes.manifest },
    })
    assert.equal(again.headers['oci-subject'], digest)
    await pushArtifact(client, 'a/b', { artifactType: 'application/other', content: Buffer.from('o'), subject: image.descriptor })
    const all = await client.send(`/v2/a/b/referrers/${digest}`)
    assert.equal(all.status, 200)
    assert.equal(all.headers['content-type'], mediaTypes.index)
    assert.equal(all.headers['oci-filters-applied'], undefined)
    const index = JSON.parse(all.body.toString()) as { schemaVersion: number; mediaType: string; manifests: Record<string, unknown>[] }
    assert.equal(index.schemaVersion, 2)
    assert.equal(index.mediaType, mediaTypes.index)
    assert.equal(index.manifests.length, 2)
    const filtered = await client.send(`/v2/a/b/referrers/${digest}?artifactType=application%2Fspdx%2Bjson`)
    assert.equal(filtered.headers['oci-filters-applied'], 'artifactType')
    const { manifests } = JSON.parse(filtered.body.toString()) as typeof index
    const { digest: of, size, mediaType } = sbom.descriptor
    assert.deepEqual(manifests, [{ mediaType, digest: of, size, artifactType: 'application/spdx+json', annotations: { k: 'v' } }])
  })

  test('referrers of what nobody knows are an empty index, never 404', async () => {
    for (const path of [`/v2/no/such/referrers/sha256:${'a'.repeat(64)}`, `/v2/a/b/referrers/sha512:${'a'.repeat(128)}?artifactType=x`]) {
      const answer = await client.send(path)
      assert.equal(answer.status, 200)
      assert.equal(answer.headers['content-type'], mediaTypes.index)
      assert.deepEqual(JSON.parse(answer.body.toString()), { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] })
    }
    assert.equal((await client.send('/v2/a/b/referrers/sha256:bad')).status, 400)
    assert.equal((await client.send(`/v2/a/b/referrers/sha256:${'a'.repeat(64)}?artifactType=${'x'.repeat(300)}`)).status, 400)
  })

  test('DELETE takes away a tag alone, or a manifest with its tags, at once', async () => {
    const gone = await pushImage(client, 'del', 'one')
    await client.pushManifest('del', 'two', gone.bytes)
    await client.pushManifest('del', 'three', gone.bytes)
    assert.equal((await client.send('/v2/del/manifests/one', { method: 'DELETE' })).status, 202)
    assert.equal(await client.digestOf('del', 'one'), undefined)
    assert.equal(await client.digestOf('del', 'two'), gone.descriptor.digest)
    assert.equal((await client.send(`/v2/del/manifests/${gone.descriptor.digest}`, { method: 'DELETE' })).status, 202)
    for (const reference of ['two', 'three', gone.descriptor.digest]) {
      const answer = await client.send(`/v2/del/manifests/${reference}`)
      assert.equal(answer.status, 404)
      assert.match(answer.body.toString(), /"code":"MANIFEST_UNKNOWN"/)
      assert.equal((await client.send(`/v2/del/manifests/${reference}`, { method: 'DELETE' })).status, 404)
    }
  })

  test('DELETE of a repository takes everything in it', async () => {
    const inside = await pushImage(client, 'whole/repo', 'v1')
    assert.equal((await client.send('/v2/whole/repo/', { method: 'DELETE' })).status, 202)
    for (const path of ['tags/list', 'manifests/v1', `blobs/${inside.config.digest}`])
      assert.equal((await client.send(`/v2/whole/repo/${path}`)).status, 404, path)
    assert.doesNotMatch((await client.send('/v2/_catalog')).body.toString(), /whole\/repo/)
    assert.equal((await client.send('/v2/whole/repo/', { method: 'DELETE' })).status, 404)
    await pushImage(client, 'whole/repo', 'v1')
    assert.equal((await client.send('/v2/whole/repo', { method: 'DELETE' })).status, 202)
    assert.equal((await client.send('/v2/whole/repo/tags/list')).status, 404)
  })

  test('DELETE of a resource with its last part forgotten, or a slash too many, deletes no repository that is called so', async () => {
    for (const name of [
      'slip/tags/list',
      'slip/tags',
      'slip/manifests',
      'slip/manifests/v1',
      'slip/blobs',
      'slip/blobs/uploads',
      'slip/referrers',
    ]) {
      await pushImage(client, name, 'v1')
      const answer = await client.send(`/v2/${name}/`, { method: 'DELETE' })
      assert.ok(answer.status === 404 || (answer.status === 405 && name === 'slip/blobs/uploads'), `${name} ${answer.status}`)
      assert.equal((await client.send(`/v2/${name}/tags/list`)).status, 200, name)
    }
  })

  test('the path of a repository is no end point but for DELETE', async () => {
    for (const path of ['/v2/a/b', '/v2/a/b/', '/v2/a/b/tags/list/', '/v2/a/b/manifests/', '/v2/a/b/blobs/', '/v2/A/'])
      for (const method of ['GET', 'PUT', 'POST', 'PATCH', 'OPTIONS']) {
        const answer = await client.send(path, { method })
        assert.equal(answer.status, 404, `${method} ${path}`)
        assert.match(answer.body.toString(), /"code":"NOT_FOUND"/)
      }
  })

  test('one push may bring fifty tags', async () => {
    const query = Array.from({ length: 50 }, (_, at) => `tag=many${at}`).join('&')
    const answer = await put(`${image.descriptor.digest}?${query}`, image.bytes)
    assert.equal(answer.status, 201)
    assert.equal(await client.digestOf('a/b', 'many49'), image.descriptor.digest)
    assert.equal((await put(`${image.descriptor.digest}?${query}&tag=many50`, image.bytes)).status, 414)
    assert.equal(await client.digestOf('a/b', 'many50'), undefined)
  })
})
