import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { request as requestTls } from 'node:https'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { test } from 'node:test'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { makeCertificates } from '../support/certificates.ts'
import { sendRequest } from '../support/http-client.ts'
import { rawConnection } from '../support/raw-connection.ts'
import { digestOfBytes, registryClient } from '../support/registry-client.ts'
import { serveRooms } from '../support/serve-rooms.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'

const get = 'GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n'

test('a drain lets the upload under way finish, refuses what comes new and closes what is idle', async () => {
  await using rooms = await serveRooms()
  const client = registryClient(rooms.url)
  const started = await client.send('/v2/a/blobs/uploads/', { method: 'POST', body: '' })
  const { pathname } = new URL(started.headers.location ?? '')
  using idle = await rawConnection(rooms.port, get)
  await idle.until('{}')
  using half = await rawConnection(rooms.port, 'GET /v2/ HTTP/1.1\r\n')
  using busy = await rawConnection(rooms.port, `PATCH ${pathname} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello`)
  await new Promise((resolve) => setTimeout(resolve, 50))
  let isClosed = false
  const closing = rooms.server.close().then(() => (isClosed = true))
  await idle.closed()
  await half.closed()
  const refused = await sendRequest(`${rooms.url}v2/`)
  assert.equal(refused.status, 503)
  assert.equal(refused.headers['connection'], 'close')
  assert.equal(refused.headers['retry-after'], '5')
  assert.match(refused.body.toString(), /"code":"UNAVAILABLE"/)
  assert.equal(isClosed, false)
  busy.socket.write('world')
  const answer = await busy.closed()
  assert.match(answer, /^HTTP\/1\.1 202 /)
  assert.match(answer, /Connection: close/)
  await closing
  await assert.rejects(sendRequest(`${rooms.url}v2/`), /ECONNREFUSED/)
})

test('while draining new connections are told that the process lives and is not ready, and do not hold up its end', async () => {
  await using rooms = await serveRooms()
  const started = await registryClient(rooms.url).send('/v2/a/blobs/uploads/', { method: 'POST', body: '' })
  const { pathname } = new URL(started.headers.location ?? '')
  using busy = await rawConnection(rooms.port, `PATCH ${pathname} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello`)
  await new Promise((resolve) => setTimeout(resolve, 50))
  const closing = rooms.server.close()
  for (const [path, status] of [
    ['/readyz', 503],
    ['/healthz', 200],
    ['/', 503],
    ['/metrics', 503],
  ] as const) {
    using probe = await rawConnection(rooms.port, `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    const answer = await probe.closed()
    assert.ok(answer.startsWith(`HTTP/1.1 ${status} `), `${path} ${answer}`)
    assert.match(answer, /Connection: close/)
  }
  using silent = await rawConnection(rooms.port)
  using half = await rawConnection(rooms.port, 'GET /v2/ HTTP/1.1\r\n')
  busy.socket.write('world')
  assert.match(await busy.closed(), /^HTTP\/1\.1 202 /)
  await closing
  await silent.closed()
  await half.closed()
})

test('a drain does not wait for answers that stood behind another one on a connection that broke', async () => {
  await using rooms = await serveRooms()
  const started = await registryClient(rooms.url).send('/v2/a/blobs/uploads/', { method: 'POST', body: '' })
  const { pathname } = new URL(started.headers.location ?? '')
  using busy = await rawConnection(rooms.port, `PATCH ${pathname} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello${get.repeat(3)}`)
  const closing = rooms.server.close()
  busy.socket.destroy()
  await closing
})

test('with nothing under way the listener closes at once', async () => {
  await using rooms = await serveRooms()
  using idle = await rawConnection(rooms.port, get)
  await idle.until('{}')
  await rooms.server.close()
  await assert.rejects(sendRequest(`${rooms.url}readyz`), /ECONNREFUSED/)
})

test('while draining a connection that is still open is told that the process is not ready', async () => {
  await using rooms = await serveRooms()
  const client = registryClient(rooms.url)
  const started = await client.send('/v2/a/blobs/uploads/', { method: 'POST', body: '' })
  const { pathname } = new URL(started.headers.location ?? '')
  using busy = await rawConnection(rooms.port, `PATCH ${pathname} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello`)
  // Pipelined behind the upload: read when it is done, answered while the drain is on.
  await new Promise((resolve) => setTimeout(resolve, 50))
  busy.socket.write('worl')
  void rooms.server.close()
  busy.socket.write('dGET /readyz HTTP/1.1\r\nHost: x\r\n\r\n')
  assert.match(await busy.closed(), /^HTTP\/1\.1 202 /)
})

test('a drain with a limit cuts what takes longer', async () => {
  await using rooms = await serveRooms({ http: { listen: { host: '127.0.0.1', port: 0 }, drainTimeoutMs: 100 } })
  const client = registryClient(rooms.url)
  const started = await client.send('/v2/a/blobs/uploads/', { method: 'POST', body: '' })
  const { pathname } = new URL(started.headers.location ?? '')
  using busy = await rawConnection(rooms.port, `PATCH ${pathname} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello`)
  await new Promise((resolve) => setTimeout(resolve, 50))
  const startedAt = performance.now()
  await rooms.server.close()
  assert.ok(performance.now() - startedAt < 3000)
  await busy.closed()
})

test('a connection is kept, and pipelined requests are answered in order', async () => {
  await using rooms = await serveRooms()
  using connection = await rawConnection(rooms.port, `${get}GET /v2/zzz/tags/list HTTP/1.1\r\nHost: x\r\n\r\n${get}`)
  const text = await connection.until('NAME_UNKNOWN')
  await connection.until('{}')
  assert.deepEqual((await connection.until('{}')).match(/HTTP\/1\.1 \d+/g)?.slice(0, 2), ['HTTP/1.1 200', 'HTTP/1.1 404'])
  assert.match(text, /Keep-Alive: timeout=75/)
})

test('a unix socket is listened on, also where a dead process left one', async () => {
  await using directory = await temporaryDirectory('socket')
  const path = join(directory.path, 'berth.sock')
  const ask = () =>
    new Promise<number | undefined>((resolve, reject) =>
      request(
        { socketPath: path, path: '/v2/', agent: false },
        (answer) => void answer.resume().on('end', () => resolve(answer.statusCode)),
      )
        .on('error', reject)
        .end(),
    )
  await using rooms = await serveRooms({ http: { listen: { path } } })
  assert.equal(await ask(), 200)
  assert.equal(rooms.url, `unix:${path}`)
  await assert.rejects(serveRooms({ http: { listen: { path } } }), { code: 'EADDRINUSE' })
})

test('a port that is taken is an error at the start', async () => {
  await using rooms = await serveRooms()
  await assert.rejects(serveRooms({ http: { listen: { host: '127.0.0.1', port: rooms.port } } }), { code: 'EADDRINUSE' })
})

const tlsDefaults = {
  clientCas: [],
  crls: [],
  clientAuth: 'require-and-verify-client-cert',
  minimumVersion: 'TLSv1.2',
  cipherSuites: undefined,
} as const

test('TLS: blobs come whole, HTTP/1.1 is all that is offered, old versions are refused', async () => {
  await using directory = await temporaryDirectory('tls')
  const certificates = await makeCertificates(directory.path, ['IP:127.0.0.1'])
  const tls = { ...tlsDefaults, minimumVersion: 'TLSv1.3', certificate: certificates.certificateFile, key: certificates.keyFile } as const
  await using rooms = await serveRooms({ http: { listen: { host: '127.0.0.1', port: 0 }, tls } })
  const client = registryClient(rooms.url, { ca: certificates.authority })
  const bytes = randomBytes(2_000_000)
  await client.pushBlob('a', bytes)
  assert.deepEqual(await client.pullBlob('a', digestOfBytes(bytes)), bytes)
  const started = await client.send('/v2/a/blobs/uploads/', { method: 'POST', body: '' })
  assert.match(started.headers.location ?? '', /^https:\/\/127\.0\.0\.1:/)
  const negotiate = (options: object) =>
    new Promise<string | false | null>((resolve, reject) => {
      const socket = connectTls(
        { port: rooms.port, host: '127.0.0.1', ca: certificates.authority, ALPNProtocols: ['h2', 'http/1.1'], ...options },
        () => {
          resolve(socket.alpnProtocol)
          socket.destroy()
        },
      )
      socket.on('error', reject)
    })
  assert.equal(await negotiate({}), 'http/1.1')
  await assert.rejects(negotiate({ maxVersion: 'TLSv1.2' }))
  await rooms.server.close()
})

test('TLS: a client certificate is asked for as the configuration says', async () => {
  await using directory = await temporaryDirectory('mtls')
  const { authorityFile, authority, certificateFile, keyFile } = await makeCertificates(directory.path, ['IP:127.0.0.1'])
  await using elsewhere = await temporaryDirectory('mtls-other')
  await makeCertificates(elsewhere.path, ['IP:127.0.0.1'])
  const pair = async (files: { certificateFile: string; keyFile: string }) => ({
    cert: await readFile(files.certificateFile),
    key: await readFile(files.keyFile),
  })
  // The server's own certificate may not be used by a client; the authority's has no such limit.
  const itself = (of: string) => pair({ certificateFile: join(of, 'ca.crt'), keyFile: join(of, 'ca.key') })
  const clients = { none: {}, known: await itself(directory.path), unknown: await itself(elsewhere.path) }
  for (const [clientAuth, expected] of [
    ['require-and-verify-client-cert', { none: false, known: true, unknown: false }],
    ['verify-client-cert-if-given', { none: true, known: true, unknown: false }],
    ['require-any-client-cert', { none: false, known: true, unknown: true }],
    ['request-client-cert', { none: true, known: true, unknown: true }],
  ] as const) {
    const tls = { ...tlsDefaults, clientAuth, clientCas: [authorityFile], certificate: certificateFile, key: keyFile }
    await using rooms = await serveRooms({ http: { listen: { host: '127.0.0.1', port: 0 }, tls } })
    for (const kind of ['none', 'known', 'unknown'] as const) {
      const isWelcome = await new Promise<boolean>((resolve) =>
        requestTls(
          `${rooms.url}v2/`,
          { ca: authority, agent: false, ...clients[kind] },
          (answer) => void answer.resume().on('end', () => resolve(answer.statusCode === 200)),
        )
          .on('error', () => resolve(false))
          .end(),
      )
      assert.equal(isWelcome, expected[kind], `${clientAuth} ${kind}`)
    }
  }
})

test('TLS: a certificate that cannot be read stops the start', async () => {
  const tls = { ...tlsDefaults, certificate: '/nowhere/cert', key: '/nowhere/key' }
  await assert.rejects(serveRooms({ http: { listen: { host: '127.0.0.1', port: 0 }, tls } }), { code: 'ENOENT' })
})

test('TLS: a half handshake is closed in time', async () => {
  await using directory = await temporaryDirectory('tls-slow')
  const { certificateFile, keyFile } = await makeCertificates(directory.path, ['IP:127.0.0.1'])
  const tls = { ...tlsDefaults, certificate: certificateFile, key: keyFile }
  await using rooms = await serveRooms({ http: { listen: { host: '127.0.0.1', port: 0 }, tls }, limits: { headersTimeoutMs: 300 } })
  using connection = await rawConnection(rooms.port, Buffer.from([0x16, 0x03, 0x01]))
  await connection.closed(5000)
})

test('TLS: a certificate that is replaced is taken up, a broken one is not', async () => {
  await using first = await temporaryDirectory('tls-first')
  await using second = await temporaryDirectory('tls-second')
  const { certificateFile, keyFile } = await makeCertificates(first.path, ['IP:127.0.0.1'])
  const replacement = await makeCertificates(second.path, ['IP:127.0.0.1'])
  const looks: (() => void)[] = []
  const every: Ports['timers']['every'] = (intervalMs, callback) => {
    if (intervalMs === 10_000) looks.push(callback)
    return systemPorts.timers.every(intervalMs, callback)
  }
  const tls = { ...tlsDefaults, certificate: certificateFile, key: keyFile }
  const ports = { ...systemPorts, timers: { ...systemPorts.timers, every } }
  await using rooms = await serveRooms({ http: { listen: { host: '127.0.0.1', port: 0 }, tls } }, { ports })
  const serves = async (ca: string) =>
    (
      await registryClient(rooms.url, { ca })
        .send('/v2/')
        .catch(() => undefined)
    )?.status === 200
  const before = await readFile(join(first.path, 'ca.crt'), 'utf8')
  assert.ok(await serves(before))
  await writeFile(certificateFile, 'broken')
  looks.forEach((look) => look())
  await until('noticed', () => rooms.lines.some((line) => line.includes('certificate not taken up')))
  assert.ok(await serves(before))
  await copyFile(replacement.certificateFile, certificateFile)
  await copyFile(replacement.keyFile, keyFile)
  looks.forEach((look) => look())
  await until('taken up', () => serves(replacement.authority))
  assert.ok(!(await serves(before)))
})
