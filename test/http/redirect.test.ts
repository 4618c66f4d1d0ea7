import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freePort } from '../support/free-port.ts'
import { makeCertificates } from '../support/certificates.ts'
import { sendRequest } from '../support/http-client.ts'
import { rawConnection } from '../support/raw-connection.ts'
import { serveRooms } from '../support/serve-rooms.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

async function scene(http: object = {}) {
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(await temporaryDirectory('redirect'))
  const { authority, certificateFile, keyFile } = await makeCertificates(directory.path, ['IP:127.0.0.1', 'DNS:hub.example'])
  const port = await freePort()
  const tls = {
    clientCas: [],
    crls: [],
    clientAuth: 'require-and-verify-client-cert',
    minimumVersion: 'TLSv1.2',
    cipherSuites: undefined,
    certificate: certificateFile,
    key: keyFile,
    hsts: { maxAgeMs: 3_600_000, includeSubdomains: true },
  } as const
  const redirect = { host: '127.0.0.1', port }
  const rooms = stack.use(await serveRooms({ http: { listen: { host: '127.0.0.1', port: 0 }, tls, redirect, ...http } }))
  const running = stack.move()
  const get = (path: string, options: Parameters<typeof sendRequest>[1] = {}) => sendRequest(`http://127.0.0.1:${port}${path}`, options)
  return { rooms, port, authority, get, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

test('plain HTTP is sent on to HTTPS, to the name and path that were asked for', async () => {
  await using stage = await scene()
  const secure = `:${stage.rooms.port}`
  for (const [method, path, host, status, location] of [
    ['GET', '/v2/', 'hub.example', 301, `https://hub.example${secure}/v2/`],
    ['HEAD', '/v2/a/manifests/b?x=1', 'hub.example:80', 301, `https://hub.example${secure}/v2/a/manifests/b?x=1`],
    ['POST', '/v2/a/blobs/uploads/', '[::1]:8080', 308, `https://[::1]${secure}/v2/a/blobs/uploads/`],
    ['GET', '//evil.example/', 'hub.example', 301, `https://hub.example${secure}//evil.example/`],
  ] as const) {
    const answer = await stage.get(path, { method, headers: { host }, ...(method === 'POST' ? { body: 'x' } : {}) })
    assert.deepEqual([answer.status, answer.headers.location], [status, location])
    assert.equal(answer.headers['strict-transport-security'], undefined, 'RFC 6797 §7.2')
  }
})

test('what is named by http.host is where it leads, whatever the client says', async () => {
  await using stage = await scene({ host: 'https://registry.example.com' })
  const answer = await stage.get('/v2/', { headers: { host: 'evil.example' } })
  assert.equal(answer.headers.location, 'https://registry.example.com/v2/')
})

test('a host that is none leads nowhere, and odd request lines break nothing', async () => {
  await using stage = await scene()
  for (const host of ['evil.example/path', 'a b', '@evil', 'a:b'])
    assert.equal((await stage.get('/', { headers: { host } })).status, 400, host)
  for (const [line, expected] of [
    ['GET http://other.example/a?b HTTP/1.1', '/a?b\r\n'],
    ['OPTIONS * HTTP/1.1', '/\r\n'],
    ['GET foo HTTP/1.1', '/\r\n'],
  ]) {
    using connection = await rawConnection(stage.port, `${line}\r\nHost: hub.example\r\nConnection: close\r\n\r\n`)
    const text = await connection.closed()
    assert.ok(text.includes(`https://hub.example:${stage.rooms.port}${expected}`) || text.startsWith('HTTP/1.1 400'), `${line}: ${text}`)
  }
  using nameless = await rawConnection(stage.port, 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n')
  assert.match(await nameless.closed(), /^HTTP\/1\.1 400 /)
  using broken = await rawConnection(stage.port, 'GET / HTTP/1.1\r\nHost: a\r\nX: \r\n \x01\r\n\r\n')
  assert.match(await broken.closed(), /^HTTP\/1\.1 400 /)
})

test('a slow head is cut, and the listener ends with the server', async () => {
  await using stage = await scene()
  using connection = await rawConnection(stage.port, 'GET / HT')
  await stage.rooms.server.close()
  await connection.closed(2_000)
  await assert.rejects(stage.get('/'))
})

test('a challenge that nobody asked for is not found', async () => {
  await using stage = await scene()
  assert.equal((await stage.get(`/.well-known/acme-challenge/${'a'.repeat(43)}`)).status, 404)
  assert.equal((await stage.get('/.well-known/acme-challenge/..%2Fx', { headers: { host: 'a' } })).status, 301)
})

test('with TLS, answers say that browsers shall come back over it', async () => {
  await using stage = await scene()
  for (const path of ['/v2/', '/healthz', '/v2/nothing/manifests/x', '/api/v1/openapi.json']) {
    const answer = await sendRequest(`${stage.rooms.url.replace(/\/$/, '')}${path}`, { ca: stage.authority })
    assert.equal(answer.headers['strict-transport-security'], 'max-age=3600; includeSubDomains', path)
  }
})

test('a header of http.headers is sent in its place', async () => {
  await using stage = await scene({ headers: { 'strict-transport-security': ['max-age=1'] } })
  const answer = await sendRequest(`${stage.rooms.url}v2/`, { ca: stage.authority })
  assert.equal(answer.headers['strict-transport-security'], 'max-age=1')
})

test('a port that is taken is an error at the start', async () => {
  await using stage = await scene()
  await assert.rejects(scene({ redirect: { host: '127.0.0.1', port: stage.port } }), { code: 'EADDRINUSE' })
})
