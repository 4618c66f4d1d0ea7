import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { rawConnection } from '../support/raw-connection.ts'
import { digestOfBytes, registryClient, type RegistryClient } from '../support/registry-client.ts'
import { serveRooms, type ServedRooms } from '../support/serve-rooms.ts'

const bytes = randomBytes(3072)
const digest = digestOfBytes(bytes)
const type = { 'content-type': 'application/octet-stream' }

suite('uploads', () => {
  let rooms: ServedRooms
  let client: RegistryClient
  before(async () => {
    rooms = await serveRooms()
    client = registryClient(rooms.url)
  })
  after(() => rooms[Symbol.asyncDispose]())

  const start = async (repository: string, query = '') => {
    const answer = await client.send(`/v2/${repository}/blobs/uploads/${query}`, { method: 'POST', body: '' })
    assert.equal(answer.status, 202)
    return { location: answer.headers.location ?? '', headers: answer.headers }
  }
  const finish = (location: string, of = digest) => `${location}&digest=${of}`

  test('POST starts an upload that says where it is and how far', async () => {
    const { location, headers } = await start('a/b')
    const id = headers['docker-upload-uuid']
    assert.equal(location, `${rooms.url}v2/a/b/blobs/uploads/${String(id)}?_state=${String(id)}`)
    assert.equal(headers.range, '0-0')
    assert.equal(headers['content-length'], '0')
    assert.equal(headers['oci-chunk-min-length'], '0')
    assert.equal(headers['docker-distribution-api-version'], 'registry/2.0')
    for (const method of ['GET', 'HEAD']) {
      const status = await client.send(location, { method })
      assert.equal(status.status, 204)
      assert.equal(status.headers.location, location)
      assert.equal(status.headers.range, '0-0')
      assert.equal(status.headers['docker-upload-uuid'], id)
    }
  })

  test('POST with a digest takes the blob at once', async () => {
    for (const body of [bytes, Buffer.alloc(0), Buffer.from('{}')]) {
      const of = digestOfBytes(body)
      const answer = await client.send(`/v2/once/blobs/uploads/?digest=${of}`, { method: 'POST', body, headers: type })
      assert.equal(answer.status, 201)
      assert.equal(answer.headers.location, `${rooms.url}v2/once/blobs/${of}`)
      assert.equal(answer.headers['docker-content-digest'], of)
      assert.deepEqual((await client.send(answer.headers.location ?? '')).body, body)
    }
  })

  test('PUT takes the rest, or nothing, or all', async () => {
    const all = await start('put/all')
    assert.equal((await client.send(finish(all.location), { method: 'PUT', body: bytes, headers: type })).status, 201)
    const rest = await start('put/rest')
    await client.send(rest.location, { method: 'PATCH', body: bytes.subarray(0, 1000) })
    assert.equal((await client.send(finish(rest.location), { method: 'PUT', body: bytes.subarray(1000) })).status, 201)
    const nothing = await start('put/nothing')
    await client.send(nothing.location, { method: 'PATCH', body: bytes })
    const closed = await client.send(finish(nothing.location), { method: 'PUT' })
    assert.equal(closed.status, 201)
    assert.equal(closed.headers['content-length'], '0')
    for (const repository of ['put/all', 'put/rest', 'put/nothing'])
      assert.deepEqual((await client.send(`/v2/${repository}/blobs/${digest}`)).body, bytes)
  })

  test('chunks come with Content-Range in either form, or without, and with any Content-Type', async () => {
    const { location } = await start('chunks')
    const first = await client.send(location, { method: 'PATCH', body: bytes.subarray(0, 1024), headers: { 'content-range': '0-1023' } })
    assert.equal(first.status, 202)
    assert.equal(first.headers.range, '0-1023')
    assert.equal(first.headers.location, location)
    const second = await client.send(location, {
      method: 'PATCH',
      body: bytes.subarray(1024, 2048),
      headers: { 'content-range': 'bytes 1024-2047/*', ...type },
    })
    assert.equal(second.headers.range, '0-2047')
    async function* stream() {
      yield bytes.subarray(2048, 2500)
      yield bytes.subarray(2500)
    }
    const third = await client.send(location, { method: 'PATCH', body: stream(), headers: { 'content-type': 'text/plain' } })
    assert.equal(third.headers.range, '0-3071')
    assert.equal((await client.send(finish(location), { method: 'PUT', body: '' })).status, 201)
  })

  test('a chunk that does not follow is 416, says where to go on, and changes nothing', async () => {
    const { location, headers } = await start('order')
    await client.send(location, { method: 'PATCH', body: bytes.subarray(0, 1024), headers: { 'content-range': '0-1023' } })
    for (const range of ['2048-3071', '0-1023', '1023-2046', 'x', '5-1', '99999999999999999999-999999999999999999999']) {
      for (const [method, url] of [
        ['PATCH', location],
        ['PUT', finish(location)],
      ] as const) {
        const answer = await client.send(url, { method, body: bytes.subarray(0, 1024), headers: { 'content-range': range } })
        assert.equal(answer.status, 416, `${method} ${range}`)
        assert.equal(answer.headers['cache-control'], 'no-store')
        assert.equal(answer.headers.range, '0-1023')
        assert.equal(answer.headers.location, location)
        assert.equal(answer.headers['docker-upload-uuid'], headers['docker-upload-uuid'])
        assert.match(answer.body.toString(), /"code":"RANGE_INVALID"/)
      }
      const status = await client.send(location)
      assert.equal(status.status, 204)
      assert.equal(status.headers.range, '0-1023')
    }
    const rest = await client.send(finish(location), {
      method: 'PUT',
      body: bytes.subarray(1024),
      headers: { 'content-range': '1024-3071' },
    })
    assert.equal(rest.status, 201)
  })

  test('a Content-Range that contradicts the length is 400 and changes nothing', async () => {
    const { location } = await start('contradiction')
    const answer = await client.send(location, { method: 'PATCH', body: 'hello', headers: { 'content-range': '0-9' } })
    assert.equal(answer.status, 400)
    assert.match(answer.body.toString(), /"code":"SIZE_INVALID"/)
    assert.equal((await client.send(location)).headers.range, '0-0')
  })

  test('a wrong, malformed or missing digest is 400 DIGEST_INVALID', async () => {
    for (const query of [
      `digest=sha256:${'0'.repeat(64)}`,
      'digest=sha256:baddigeststring',
      'digest=',
      'digest=md5:d41d8cd98f00b204e9800998ecf8427e',
      `digest=${digest.toUpperCase()}`,
      `digest=${digest}%0a`,
      'x=y',
    ]) {
      const { location } = await start('bad')
      const put = await client.send(`${location}&${query}`, { method: 'PUT', body: bytes })
      assert.equal(put.status, 400, query)
      assert.match(put.body.toString(), /"code":"DIGEST_INVALID"/)
      if (query === 'x=y') continue
      assert.equal((await client.send(`/v2/bad/blobs/uploads/?${query}`, { method: 'POST', body: bytes })).status, 400, query)
    }
    assert.equal((await client.send(`/v2/bad/blobs/${digest}`)).status, 404)
  })

  test('sha512 is answered as sha512, told beforehand or not', async () => {
    const sha512 = digestOfBytes(bytes, 'sha512')
    for (const query of ['', '?digest-algorithm=sha512']) {
      const { location } = await start(`long${query.length}`, query)
      await client.send(location, { method: 'PATCH', body: bytes })
      const answer = await client.send(finish(location, sha512), { method: 'PUT', body: '' })
      assert.equal(answer.status, 201)
      assert.equal(answer.headers['docker-content-digest'], sha512)
      const pulled = await client.send(answer.headers.location ?? '')
      assert.equal(pulled.headers['docker-content-digest'], sha512)
      assert.deepEqual(pulled.body, bytes)
    }
  })

  test('an algorithm that is not offered is refused clearly', async () => {
    for (const algorithm of ['blake3', 'md5', '', 'sha256,sha512']) {
      const answer = await client.send(`/v2/x/blobs/uploads/?digest-algorithm=${algorithm}`, { method: 'POST', body: '' })
      assert.equal(answer.status, 400, algorithm)
      assert.match(answer.body.toString(), /sha256 or sha512/)
    }
  })

  test('a blob is mounted from a repository, from anywhere, or uploaded when it is nowhere', async () => {
    await client.pushBlob('mount/source', bytes)
    for (const query of [
      `mount=${digest}&from=mount/source`,
      `from=mount%2Fsource&mount=${encodeURIComponent(digest)}`,
      `mount=${digest}`,
    ]) {
      const target = `mount/target${query.length}`
      const answer = await client.send(`/v2/${target}/blobs/uploads/?${query}`, { method: 'POST', body: '' })
      assert.equal(answer.status, 201, query)
      assert.equal(answer.headers.location, `${rooms.url}v2/${target}/blobs/${digest}`)
      assert.equal(answer.headers['docker-content-digest'], digest)
      assert.deepEqual((await client.send(answer.headers.location ?? '')).body, bytes)
    }
    const missing = digestOfBytes(Buffer.from('nowhere'))
    for (const query of [
      `mount=${missing}&from=mount/source`,
      `mount=${digest}&from=no/such`,
      `mount=${digest}&from=NO/../such`,
      `mount=${missing}`,
    ]) {
      const answer = await client.send(`/v2/mount/other/blobs/uploads/?${query}`, { method: 'POST', body: '' })
      assert.equal(answer.status, 202, query)
      assert.equal((await client.send(answer.headers.location ?? '')).status, 204)
    }
    assert.equal((await client.send('/v2/mount/other/blobs/uploads/?mount=bad', { method: 'POST', body: '' })).status, 400)
  })

  test('a cancelled upload is gone', async () => {
    const { location } = await start('cancel')
    assert.equal((await client.send(location, { method: 'DELETE' })).status, 204)
    for (const [method, url] of [
      ['GET', location],
      ['DELETE', location],
      ['PATCH', location],
      ['PUT', finish(location)],
    ] as const) {
      const answer = await client.send(url, { method, ...(method === 'GET' || method === 'DELETE' ? {} : { body: bytes }) })
      assert.equal(answer.status, 404, method)
      assert.match(answer.body.toString(), /"code":"BLOB_UPLOAD_UNKNOWN"/)
    }
  })

  test('an upload is unknown under another repository', async () => {
    const { location } = await start('mine')
    const elsewhere = location.replace('/mine/', '/yours/')
    for (const method of ['GET', 'PATCH', 'DELETE']) assert.equal((await client.send(elsewhere, { method })).status, 404, method)
    assert.equal((await client.send(location)).status, 204)
  })

  test('a body that is cut leaves no blob, and the upload goes on from what came', async () => {
    const { location } = await start('torn')
    const { pathname } = new URL(location)
    using connection = await rawConnection(
      rooms.port,
      `PUT ${pathname}?digest=${digest} HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes.length}\r\n\r\n`,
    )
    connection.socket.write(bytes.subarray(0, 1000))
    await new Promise((resolve) => setTimeout(resolve, 50))
    connection.socket.destroy()
    const deadline = performance.now() + 5000
    let range: string | undefined
    while (range !== '0-999') {
      assert.ok(performance.now() < deadline, `stands at ${range}`)
      range = (await client.send(location)).headers.range
    }
    assert.equal((await client.send(`/v2/torn/blobs/${digest}`)).status, 404)
    assert.equal(
      (await client.send(finish(location), { method: 'PUT', body: bytes.subarray(1000), headers: { 'content-range': '1000-3071' } }))
        .status,
      201,
    )
  })

  test('of two writers at once one is refused, and the bytes are never mixed', async () => {
    const { location } = await start('two')
    const { pathname } = new URL(location)
    using slow = await rawConnection(rooms.port, `PATCH ${pathname} HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes.length}\r\n\r\n`)
    slow.socket.write(bytes.subarray(0, 1000))
    await new Promise((resolve) => setTimeout(resolve, 50))
    const refused = await client.send(location, { method: 'PATCH', body: bytes })
    assert.equal(refused.status, 409)
    assert.match(refused.body.toString(), /"code":"BLOB_UPLOAD_BUSY"/)
    slow.socket.write(bytes.subarray(1000))
    await slow.until('202')
    assert.equal((await client.send(finish(location), { method: 'PUT' })).status, 201)
  })

  test('20 uploads of one blob at once all succeed', async () => {
    const blob = randomBytes(100_000)
    const of = digestOfBytes(blob)
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        const { location } = await start(`many/r${at % 4}`)
        return client.send(finish(location, of), { method: 'PUT', body: blob })
      }),
    )
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]))
    assert.deepEqual((await client.send(`/v2/many/r3/blobs/${of}`)).body, blob)
  })
})
