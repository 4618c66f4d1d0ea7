import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { systemPorts } from '#lib/ports.ts'
import { rawConnection } from '../support/raw-connection.ts'
import { registryClient } from '../support/registry-client.ts'
import { serveRooms, type ServedRooms } from '../support/serve-rooms.ts'

const get = 'GET /v2/ HTTP/1.1\r\nHost: x\r\n'

suite('hostile requests', () => {
  let rooms: ServedRooms
  before(async () => {
    rooms = await serveRooms()
  })
  after(() => rooms[Symbol.asyncDispose]())

  const answerTo = async (bytes: string | Uint8Array) => {
    using connection = await rawConnection(rooms.port, bytes)
    return await connection.until('\r\n\r\n')
  }

  test('a request with both Content-Length and Transfer-Encoding is refused, and its connection closed', async () => {
    for (const smuggled of [
      'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v2/_catalog HTTP/1.1\r\nHost: x\r\n\r\n',
      'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET /v2/_catalog HTTP/1.1\r\nHost: x\r\n\r\n',
      'Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
      'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
      'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n',
      'Content-Length: +5\r\n\r\nhello',
      'Content-Length: -1\r\n\r\n',
      'Content-Length: 0x5\r\n\r\nhello',
    ]) {
      using connection = await rawConnection(rooms.port, `POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\n${smuggled}`)
      const answer = await connection.closed()
      assert.match(answer, /^HTTP\/1\.1 400 /, smuggled)
      assert.equal(answer.match(/HTTP\/1\.1 \d/g)?.length, 1, smuggled)
      assert.match(answer, /"code":"REQUEST_INVALID"/)
      assert.match(answer, /Docker-Distribution-Api-Version: registry\/2\.0/)
      assert.match(answer, /X-Request-Id: [0-9a-f-]{36}/)
    }
  })

  test('heads up to the limit are read, longer ones answered with 431', async () => {
    const withHeader = (bytes: number) => answerTo(`${get}X-Long: ${'a'.repeat(bytes)}\r\n\r\n`)
    for (const bytes of [8 * 1024, 31 * 1024, 60 * 1024]) assert.match(await withHeader(bytes), /^HTTP\/1\.1 200 /, String(bytes))
    for (const bytes of [70 * 1024, 900 * 1024, 2 * 1024 * 1024]) {
      const answer = await withHeader(bytes)
      assert.match(answer, /^HTTP\/1\.1 431 /, String(bytes))
      assert.match(answer, /"code":"HEADERS_TOO_LARGE"/)
    }
  })

  test('paths that climb, hide or break are refused and touch nothing', async () => {
    const paths = [
      '/%2F%2F%2F..%2F..%2Fetc%2Fpasswd',
      '/v2/../../etc/passwd',
      '/v2/%2e%2e/%2e%2e/etc/passwd',
      '/v2/..%2f..%2fetc/tags/list',
      '/v2/a/manifests/..%2f..%2f..%2fetc%2fpasswd',
      '/v2/a/blobs/sha256:../../../etc/passwd',
      '/v2/a/blobs/uploads/..%2f..%2fx',
      '/v2/a\\..\\b/tags/list',
      '/v2/a%00b/tags/list',
      '/v2/%c0%ae%c0%ae/tags/list',
      '/v2/%c0%af/tags/list',
      '//v2/',
      '/v2//tags/list',
      '/v2/a//tags/list',
      '/V2/',
      '/v2/A/tags/list',
      'http://evil.example/v2/',
      '*',
      '/v2/a/tags/list#x',
      '/.env',
      '/debug/vars',
      '/debug/health',
    ]
    for (const path of paths) {
      const answer = await answerTo(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
      assert.match(answer, /^HTTP\/1\.1 (400|404) /, path)
      assert.doesNotMatch(answer, /root:/)
    }
  })

  test('bytes that are no request are answered with 400', async () => {
    for (const bytes of [
      '\0\0\0\0\r\n\r\n',
      'GET /v2/\0 HTTP/1.1\r\nHost: x\r\n\r\n',
      'nonsense\r\n\r\n',
      'GET /v2/ HTTP/9.9\r\n\r\n',
      '\u0016\u0003\u0001\u0002',
      `${get}Bad Header: x\r\n\r\n`,
      'GET /v2/ HTTP/1.1\r\n\r\n',
    ])
      assert.match(await answerTo(bytes), /^HTTP\/1\.1 400 /, JSON.stringify(bytes))
  })

  test('a request without Host is refused like all others, unless it is HTTP/1.0', async () => {
    using connection = await rawConnection(rooms.port, 'GET /v2/ HTTP/1.1\r\n\r\n')
    const answer = await connection.until('Host header')
    assert.match(answer, /^HTTP\/1\.1 400 /)
    assert.match(answer, /"code":"REQUEST_INVALID"/)
    assert.match(answer, /X-Request-Id: [0-9a-f-]{36}/)
    assert.match(await answerTo('GET /v2/ HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 /)
    assert.match(await answerTo('GET /v2/ HTTP/1.1\r\nHost:\r\n\r\n'), /^HTTP\/1\.1 200 /)
  })

  test('a chunk that is malformed ends the upload with 400, and what came before it can be gone on from', async () => {
    const client = registryClient(rooms.url)
    const started = await client.send('/v2/a/chunk/blobs/uploads/', { method: 'POST', body: '' })
    const { pathname, search } = new URL(started.headers.location ?? '')
    using connection = await rawConnection(
      rooms.port,
      `PATCH ${pathname}${search} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`,
    )
    // What is not read yet when the connection ends is not taken: the registry looks at the upload first.
    await new Promise((resolve) => setTimeout(resolve, 500))
    connection.socket.write('zz\r\n')
    assert.match(await connection.closed(), /^HTTP\/1\.1 400 /)
    // The server learns of the end of the connection a moment after the client.
    for (let tries = 0; (await client.send(pathname)).headers.range !== '0-4'; tries++) {
      assert.ok(tries < 200)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })

  test('U+0000 in a query, which PostgreSQL cannot read, is no fault of the server', async () => {
    const client = registryClient(rooms.url)
    await client.pushBlob('a/nul', Buffer.from('x'))
    const digest = `sha256:${'0'.repeat(64)}`
    for (const path of [
      '/v2/_catalog?last=%00',
      '/v2/a/nul/tags/list?last=a%00b',
      `/v2/a/nul/referrers/${digest}?artifactType=%00`,
      `/v2/a/nul/referrers/${digest}?last=%00`,
      '/v2/a/nul/manifests/v1?ns=%00',
      '/api/v1/projects?name=%00',
      '/api/v1/repositories?name=%00&cursor=%00',
    ])
      assert.ok((await client.send(path)).status < 500, path)
    const mount = await client.send(`/v2/a/nul/blobs/uploads/?mount=${digest}&from=%00`, { method: 'POST', body: '' })
    assert.ok(mount.status < 500)
  })

  test('a body behind HEAD or GET does not become the next request', async () => {
    for (const method of ['HEAD', 'GET']) {
      const inner = 'GET /v2/_catalog HTTP/1.1\r\nHost: x\r\n\r\n'
      using connection = await rawConnection(
        rooms.port,
        `${method} /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: ${inner.length}\r\n\r\n${inner}GET /v2/zzz/tags/list HTTP/1.1\r\nHost: x\r\n\r\n`,
      )
      const answers = await connection.until('NAME_UNKNOWN')
      assert.doesNotMatch(answers, /repositories/)
      assert.equal(answers.match(/HTTP\/1\.1 /g)?.length, 2)
    }
  })

  test('a method that an end point does not have is 405 with those that it has', async () => {
    const client = registryClient(rooms.url)
    for (const [method, path, allowed] of [
      ['POST', '/v2/', 'GET, HEAD'],
      ['OPTIONS', '/v2/a/tags/list', 'GET, HEAD'],
      ['PUT', `/v2/a/blobs/sha256:${'a'.repeat(64)}`, 'GET, HEAD, DELETE'],
      ['GET', '/v2/a/blobs/uploads/', 'POST'],
      ['POST', '/v2/a/manifests/v1', 'GET, HEAD, PUT, DELETE'],
      ['DELETE', '/healthz', 'GET, HEAD'],
      ['PROPFIND', '/v2/_catalog', 'GET, HEAD'],
    ] as const) {
      const answer = await client.send(path, { method })
      assert.equal(answer.status, 405, path)
      assert.equal(answer.headers.allow, allowed)
      assert.match(answer.body.toString(), /"code":"UNSUPPORTED"/)
    }
  })

  test('an error is JSON in the specified form, and is not cached', async () => {
    const answer = await registryClient(rooms.url).send('/v2/no/such/tags/list')
    assert.equal(answer.status, 404)
    assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
    assert.equal(answer.headers['cache-control'], 'no-store')
    const { errors } = JSON.parse(answer.body.toString()) as { errors: Record<string, unknown>[] }
    assert.deepEqual(errors, [{ code: 'NAME_UNKNOWN', message: 'repository name not known to registry', detail: { name: 'no/such' } }])
  })

  test('Expect: 100-continue is answered when the body is wanted, and with the error alone when it is not', async () => {
    const client = registryClient(rooms.url)
    const started = await client.send('/v2/a/expect/blobs/uploads/', { method: 'POST', body: '' })
    const { pathname } = new URL(started.headers.location ?? '')
    using wanted = await rawConnection(
      rooms.port,
      `PATCH ${pathname} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n`,
    )
    assert.match(await wanted.until('\r\n\r\n'), /^HTTP\/1\.1 100 Continue\r\n\r\n$/)
    wanted.socket.write('hello')
    assert.match(await wanted.until('0-4'), /HTTP\/1\.1 202 /)

    using unwanted = await rawConnection(
      rooms.port,
      `PUT ${pathname}?digest=bad HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5000000\r\n\r\n`,
    )
    const refusal = await unwanted.closed()
    assert.match(refusal, /^HTTP\/1\.1 400 /)
    assert.doesNotMatch(refusal, /100 Continue/)

    using other = await rawConnection(rooms.port, `${get}Expect: something-else\r\n\r\n`)
    assert.match(await other.until('\r\n\r\n'), /^HTTP\/1\.1 200 /)
  })

  test('a refused body is taken in, so that the client sees why, and then the connection closes', async () => {
    using connection = await rawConnection(rooms.port, 'PUT /v2/a/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000000\r\n\r\n')
    const head = await connection.until('MANIFEST_INVALID')
    assert.match(head, /^HTTP\/1\.1 413 /)
    assert.match(head, /Connection: close/)
    const piece = Buffer.alloc(1024 * 1024)
    const pump = setInterval(() => connection.socket.write(piece), 1)
    try {
      await connection.closed()
    } finally {
      clearInterval(pump)
    }
    assert.ok(connection.socket.bytesWritten < 200 * 1024 * 1024)
  })

  test('a small body that nobody wanted does not cost the connection', async () => {
    using connection = await rawConnection(
      rooms.port,
      `PUT /v2/a/manifests/sha256:bad HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789${get}\r\n`,
    )
    const answers = await connection.until('{}')
    assert.match(answers, /^HTTP\/1\.1 400 /)
    assert.match(answers, /HTTP\/1\.1 200 /)
  })

  test('a manifest without a length is cut at the limit', async () => {
    using connection = await rawConnection(rooms.port, 'PUT /v2/a/manifests/v1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
    const piece = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(0x100000, ' '), Buffer.from('\r\n')])
    for (let sent = 0; sent < 6; sent++) connection.socket.write(piece)
    assert.match(await connection.until('MANIFEST_INVALID'), /^HTTP\/1\.1 413 /)
  })

  test('a body in a content coding is refused with a reason', async () => {
    const client = registryClient(rooms.url)
    const headers = { 'content-encoding': 'gzip', 'content-type': 'application/octet-stream' }
    const started = await client.send('/v2/a/coded/blobs/uploads/', { method: 'POST', body: '' })
    for (const method of ['PATCH', 'PUT']) {
      const answer = await client.send(`${new URL(started.headers.location ?? '').pathname}?digest=sha256:${'a'.repeat(64)}`, {
        method,
        body: 'x',
        headers,
      })
      assert.equal(answer.status, 400)
      assert.match(answer.body.toString(), /Content-Encoding/)
    }
    assert.equal((await client.send('/v2/a/manifests/v1', { method: 'PUT', body: 'x', headers })).status, 400)
  })

  test('odd but lawful requests are served', async () => {
    assert.match(
      await answerTo(`${get}Accept: ${'application/vnd.oci.image.index.v1+json, '.repeat(1200)}*/*\r\nCookie: a=b\r\n\r\n`),
      /^HTTP\/1\.1 200 /,
    )
    assert.match(
      await answerTo(`${get}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n`),
      /^HTTP\/1\.1 200 /,
    )
    assert.match(await answerTo('GET /v2/ HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 /)
    assert.match(await answerTo('GET /v2/?ns=docker.io&x=%ff%fe&%zz HTTP/1.1\r\nHost: x\r\n\r\n'), /^HTTP\/1\.1 200 /)
  })
})

test('300 half heads are closed in time while others are served', async () => {
  await using rooms = await serveRooms({ limits: { headersTimeoutMs: 1000 } })
  const startedAt = performance.now()
  const connections = await Promise.all(
    Array.from({ length: 300 }, (_, at) =>
      rawConnection(rooms.port, at % 3 === 0 ? '' : at % 3 === 1 ? 'GET /v2/ HTTP/1.1\r\n' : `${get}X-Slow: `),
    ),
  )
  const answer = await registryClient(rooms.url).send('/v2/')
  assert.equal(answer.status, 200)
  const answers = await Promise.all(connections.map((connection) => connection.closed(5000)))
  // One second, and what a busy machine adds.
  assert.ok(performance.now() - startedAt < 4000)
  for (const text of answers) assert.match(text, /^(HTTP\/1\.1 408 |$)/)
})

test('a head that is sent a byte at a time is closed in time', async () => {
  await using rooms = await serveRooms({ limits: { headersTimeoutMs: 500 } })
  using connection = await rawConnection(rooms.port, get)
  const drip = setInterval(() => connection.socket.write('X'), 50)
  try {
    assert.match(await connection.closed(5000), /^HTTP\/1\.1 408 /)
  } finally {
    clearInterval(drip)
  }
})

test('an upload that falls silent is given up with 408, and what came can be gone on from', async () => {
  await using rooms = await serveRooms({ limits: { bodyIdleTimeoutMs: 200 } })
  const client = registryClient(rooms.url)
  const started = await client.send('/v2/a/blobs/uploads/', { method: 'POST', body: '' })
  const { pathname } = new URL(started.headers.location ?? '')
  using connection = await rawConnection(rooms.port, `PATCH ${pathname} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhello`)
  assert.match(await connection.until('REQUEST_TIMEOUT'), /^HTTP\/1\.1 408 /)
  const status = await client.send(pathname)
  assert.equal(status.headers.range, '0-4')
})

test('a manifest that falls silent is given up', async () => {
  await using rooms = await serveRooms({ limits: { bodyIdleTimeoutMs: 200 } })
  using connection = await rawConnection(rooms.port, 'PUT /v2/a/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{')
  assert.match(await connection.until('REQUEST_TIMEOUT'), /^HTTP\/1\.1 408 /)
})

test('a body that pauses for less than the limit is not cut, however long it takes', async () => {
  await using rooms = await serveRooms({ limits: { bodyIdleTimeoutMs: 400 } })
  const client = registryClient(rooms.url)
  const started = await client.send('/v2/a/blobs/uploads/', { method: 'POST', body: '' })
  async function* slowly() {
    for (let at = 0; at < 8; at++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      yield Buffer.from('x')
    }
  }
  const answer = await client.send(new URL(started.headers.location ?? '').pathname, { method: 'PATCH', body: slowly() })
  assert.equal(answer.status, 202)
  assert.equal(answer.headers.range, '0-7')
})

test('a body that drips for longer than its first ten seconds is given up', async () => {
  // Twenty seconds to a second.
  const clock = { ...systemPorts.clock, monotonic: () => performance.now() * 20 }
  await using rooms = await serveRooms(
    { limits: { bodyBytesPerSecond: 256, bodyIdleTimeoutMs: 60_000 } },
    { ports: { ...systemPorts, clock } },
  )
  const client = registryClient(rooms.url)
  const started = await client.send('/v2/a/blobs/uploads/', { method: 'POST', body: '' })
  const { pathname } = new URL(started.headers.location ?? '')
  using connection = await rawConnection(rooms.port, `PATCH ${pathname} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n`)
  const startedAt = performance.now()
  const drip = setInterval(() => connection.socket.write('x'), 50)
  try {
    assert.match(await connection.until('REQUEST_TIMEOUT'), /^HTTP\/1\.1 408 /)
  } finally {
    clearInterval(drip)
  }
  assert.ok(performance.now() - startedAt > 500, 'given up within its first ten seconds')
})
