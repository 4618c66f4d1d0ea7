import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { rawConnection } from '../support/raw-connection.ts'
import { digestOfBytes, registryClient, type RegistryClient } from '../support/registry-client.ts'
import { serveRooms, type ServedRooms } from '../support/serve-rooms.ts'

/** Larger than what is kept in memory, and than the first buffers of a stream. */
const large = randomBytes(3_000_000)
const small = randomBytes(2048)

interface Part {
  readonly range: string
  readonly bytes: Buffer
}

/** The parts of a multipart/byteranges body, taken apart as RFC 2046 says. */
function partsOf(contentType: string | undefined, body: Buffer): Part[] {
  const boundary = /^multipart\/byteranges; boundary=([\w'()+,./:=?-]{1,70})$/.exec(contentType ?? '')?.[1]
  assert.ok(boundary !== undefined, contentType)
  const text = body.toString('latin1')
  const pieces = text.split(`--${boundary}`)
  assert.equal(pieces.shift(), '')
  assert.equal(pieces.pop(), '--\r\n')
  return pieces.map((piece) => {
    const match = /^\r\nContent-Type: application\/octet-stream\r\nContent-Range: bytes (\S+)\r\n\r\n([^]*)\r\n$/.exec(piece)
    assert.ok(match !== null, piece.slice(0, 200))
    return { range: match[1] ?? '', bytes: Buffer.from(match[2] ?? '', 'latin1') }
  })
}

for (const memory of [false, true]) {
  suite(`blobs of a ${memory ? 'memory' : 'filesystem'} store`, () => {
    let rooms: ServedRooms
    let client: RegistryClient
    const paths = { large: '', small: '', empty: '' }
    before(async () => {
      rooms = await serveRooms({}, { memory })
      client = registryClient(rooms.url)
      for (const [name, bytes] of [
        ['large', large],
        ['small', small],
        ['empty', Buffer.alloc(0)],
      ] as const) {
        const { digest } = await client.pushBlob('a/b', bytes)
        paths[name] = `/v2/a/b/blobs/${digest}`
      }
    })
    after(() => rooms[Symbol.asyncDispose]())

    test('GET sends the bytes with the headers that clients and caches rely on', async () => {
      for (const [path, bytes] of [
        [paths.large, large],
        [paths.small, small],
        [paths.empty, Buffer.alloc(0)],
      ] as const) {
        const digest = digestOfBytes(bytes)
        const answer = await client.send(path)
        assert.equal(answer.status, 200)
        assert.deepEqual(answer.body, bytes)
        assert.equal(answer.headers['content-length'], String(bytes.length))
        assert.equal(answer.headers['content-type'], 'application/octet-stream')
        assert.equal(answer.headers['docker-content-digest'], digest)
        assert.equal(answer.headers.etag, `"${digest}"`)
        assert.equal(answer.headers['accept-ranges'], 'bytes')
        assert.equal(answer.headers['cache-control'], 'max-age=31536000, immutable')
        const head = await client.send(path, { method: 'HEAD' })
        assert.equal(head.body.length, 0)
        const { date: _one, 'x-request-id': _two, ...headHeaders } = head.headers
        const { date: _three, 'x-request-id': _four, ...getHeaders } = answer.headers
        assert.deepEqual(headHeaders, getHeaders)
      }
    })

    test('one range is answered with 206 and exactly its bytes', async () => {
      for (const [path, bytes] of [
        [paths.large, large],
        [paths.small, small],
      ] as const) {
        const { length } = bytes
        for (const [asked, start, end] of [
          ['bytes=0-0', 0, 0],
          ['bytes=500-1499', 500, 1499],
          ['bytes=500-', 500, length - 1],
          ['bytes=-500', length - 500, length - 1],
          ['bytes=2000-99999999999999999999', 2000, length - 1],
          [`bytes=-${length * 2}`, 0, length - 1],
          ['Bytes = 3-4', 3, 4],
        ] as const) {
          const answer = await client.send(path, { headers: { range: asked } })
          assert.equal(answer.status, 206, asked)
          assert.equal(answer.headers['content-range'], `bytes ${start}-${end}/${length}`)
          assert.equal(answer.headers['content-length'], String(end - start + 1))
          assert.ok(answer.body.equals(bytes.subarray(start, end + 1)), asked)
        }
      }
    })

    test('ranges outside the blob are 416 with its size', async () => {
      for (const asked of ['bytes=500-0', 'bytes=5000000-10000000', 'bytes=-0', 'bytes=3000000-']) {
        const answer = await client.send(paths.large, { headers: { range: asked } })
        assert.equal(answer.status, 416, asked)
        assert.equal(answer.headers['cache-control'], 'no-store')
        assert.equal(answer.headers['content-range'], `bytes */${large.length}`)
        assert.match(answer.body.toString(), /"code":"RANGE_INVALID"/)
      }
    })

    test('a Range that means nothing, and one for HEAD, is passed over', async () => {
      for (const range of ['bytes', 'lines=1-2', 'bytes=', 'bytes=a-b', 'bytes=1-2-3', '']) {
        const answer = await client.send(paths.small, { headers: { range } })
        assert.equal(answer.status, 200, range)
        assert.deepEqual(answer.body, small)
      }
      const head = await client.send(paths.small, { method: 'HEAD', headers: { range: 'bytes=0-1' } })
      assert.equal(head.headers['content-length'], String(small.length))
    })

    test('several ranges are sent as multipart/byteranges, in the order that was asked', async () => {
      for (const [path, bytes] of [
        [paths.large, large],
        [paths.small, small],
      ] as const) {
        const answer = await client.send(path, { headers: { range: 'bytes=1000-1099, 0-3,-5' } })
        assert.equal(answer.status, 206)
        assert.equal(answer.headers['content-length'], String(answer.body.length))
        assert.equal(answer.headers['content-range'], undefined)
        const { length } = bytes
        assert.deepEqual(partsOf(answer.headers['content-type'], answer.body), [
          { range: `1000-1099/${length}`, bytes: bytes.subarray(1000, 1100) },
          { range: `0-3/${length}`, bytes: bytes.subarray(0, 4) },
          { range: `${length - 5}-${length - 1}/${length}`, bytes: bytes.subarray(length - 5) },
        ])
      }
    })

    test('a lazy pull may ask for 1,024 ranges at once, and is told with 400 to ask for fewer', async () => {
      const ranges = (count: number) => `bytes=${Array.from({ length: count }, (_, at) => `${at * 2000}-${at * 2000 + 999}`).join(',')}`
      const answer = await client.send(paths.large, { headers: { range: ranges(1024) } })
      assert.equal(answer.status, 206)
      const parts = partsOf(answer.headers['content-type'], answer.body)
      assert.equal(parts.length, 1024)
      parts.forEach(({ bytes }, at) => assert.ok(bytes.equals(large.subarray(at * 2000, at * 2000 + 1000))))
      const refused = await client.send(paths.large, { headers: { range: ranges(1025) } })
      assert.equal(refused.status, 400)
      assert.match(refused.body.toString(), /"code":"RANGE_TOO_MANY"/)
    })

    test('ranges that would send more than the blob are refused', async () => {
      const whole = Array.from({ length: 1000 }, () => '0-').join(',')
      assert.equal((await client.send(paths.large, { headers: { range: `bytes=${whole}` } })).status, 400)
    })

    test('If-Range lets a range through for the same bytes alone', async () => {
      const etag = `"${digestOfBytes(small)}"`
      const ask = async (condition: string) =>
        (await client.send(paths.small, { headers: { range: 'bytes=0-9', 'if-range': condition } })).status
      assert.equal(await ask(etag), 206)
      for (const condition of [`W/${etag}`, '"other"', 'Wed, 21 Oct 2015 07:28:00 GMT']) assert.equal(await ask(condition), 200, condition)
    })

    test('If-None-Match spares the body, for GET and HEAD', async () => {
      const etag = `"${digestOfBytes(large)}"`
      for (const method of ['GET', 'HEAD'])
        for (const header of [etag, etag.slice(1, -1), `W/${etag}`, `"x", ${etag}`, '*']) {
          const answer = await client.send(paths.large, { method, headers: { 'if-none-match': header } })
          assert.equal(answer.status, 304, header)
          assert.equal(answer.headers.etag, etag)
          assert.equal(answer.body.length, 0)
        }
      assert.equal((await client.send(`/v2/a/b/blobs/sha256:${'a'.repeat(64)}`, { headers: { 'if-none-match': '*' } })).status, 404)
      assert.equal((await client.send(paths.large.replace('/a/b/', '/c/'), { headers: { 'if-none-match': etag } })).status, 404)
    })

    test('DELETE takes the blob away at once, from this repository alone', async () => {
      const { digest } = await client.pushBlob('a/gone', Buffer.from(`to be deleted ${memory}`))
      await client.pushBlob('a/stays', Buffer.from(`to be deleted ${memory}`))
      assert.equal((await client.send(`/v2/a/gone/blobs/${digest}`, { method: 'DELETE' })).status, 202)
      assert.equal((await client.send(`/v2/a/gone/blobs/${digest}`)).status, 404)
      assert.equal((await client.send(`/v2/a/gone/blobs/${digest}`, { method: 'HEAD' })).status, 404)
      assert.equal((await client.send(`/v2/a/gone/blobs/${digest}`, { method: 'DELETE' })).status, 404)
      assert.equal((await client.send(`/v2/a/stays/blobs/${digest}`)).status, 200)
    })

    test('200 downloads that are given up leave the server as it was', async () => {
      const request = `GET ${paths.large} HTTP/1.1\r\nHost: x\r\n\r\n`
      const connections = await Promise.all(Array.from({ length: 200 }, () => rawConnection(rooms.port, request)))
      await Promise.all(connections.map((connection) => connection.until('HTTP/1.1 200')))
      connections.forEach((connection) => connection.socket.destroy())
      const answer = await client.send(paths.large)
      assert.deepEqual(answer.body, large)
      // From memory the whole body is with the system before anybody gives up.
      assert.ok(memory || rooms.lines.some((line) => line.includes('http.response.status=499')))
      assert.ok(!rooms.lines.some((line) => line.includes('level=error')))
    })
  })
}

test('a blob file that was cut is never served as whole', async () => {
  await using rooms = await serveRooms()
  const client = registryClient(rooms.url)
  const { digest } = await client.pushBlob('a', large)
  const root = join(rooms.directory, 'data')
  const files = await readdir(root, { recursive: true })
  for (const file of files) {
    const path = join(root, file)
    if ((await stat(path)).size === large.length) await truncate(path, 1_000_000)
  }
  const answer = await client.send(`/v2/a/blobs/${digest}`).catch((error: unknown) => error as Error)
  assert.ok(answer instanceof Error || answer.status >= 400, 'a body of the wrong length was served as whole')
})

test('a client that takes nothing is let go of, with its descriptor', async () => {
  await using rooms = await serveRooms({ limits: { bodyIdleTimeoutMs: 300 } })
  const client = registryClient(rooms.url)
  const { digest } = await client.pushBlob('a', randomBytes(40_000_000))
  using connection = await rawConnection(rooms.port)
  connection.socket.pause()
  connection.socket.write(`GET /v2/a/blobs/${digest} HTTP/1.1\r\nHost: x\r\n\r\n`)
  const deadline = performance.now() + 5000
  while (!rooms.lines.some((line) => line.includes('http.response.status=499'))) {
    assert.ok(performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
})
