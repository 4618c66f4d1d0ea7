import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rawConnection } from '../support/raw-connection.ts'
import { mediaTypes, registryClient } from '../support/registry-client.ts'
import { serveRooms, type ServedRooms } from '../support/serve-rooms.ts'

async function locationOf(rooms: ServedRooms, headers: Record<string, string>, path = '/v2/a/blobs/uploads/') {
  const answer = await registryClient(rooms.url).send(path, { method: 'POST', body: '', headers })
  assert.equal(answer.status, 202)
  return (answer.headers.location ?? '').replace(/v2\/a\/blobs\/uploads\/[0-9a-f-]+\?_state=.*$/, '…')
}

test('Location begins as the client called the registry', async () => {
  await using rooms = await serveRooms()
  assert.equal(await locationOf(rooms, { host: 'hub.example:5000' }), 'http://hub.example:5000/…')
  assert.equal(await locationOf(rooms, { host: '[::1]:5000' }), 'http://[::1]:5000/…')
})

test('a Host that is no host is not repeated', async () => {
  await using rooms = await serveRooms()
  for (const host of ['evil.example/x?', 'a@evil.example', 'a,b', 'evil.example:x', '<script>']) {
    using connection = await rawConnection(rooms.port, `POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`)
    const answer = await connection.until('\r\n\r\n')
    assert.match(answer, /\r\nLocation: \/v2\/a\/blobs\/uploads\//, host)
    assert.doesNotMatch(answer, /evil|script/)
  }
})

test('proxies are believed when they are trusted, and only then', async () => {
  const said = { host: 'inner:5000', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'hub.example' }
  await using trusting = await serveRooms()
  assert.equal(await locationOf(trusting, said), 'https://hub.example/…')
  assert.equal(
    await locationOf(trusting, { host: 'inner', forwarded: 'for=1.2.3.4;proto=https;host="hub.example:444"' }),
    'https://hub.example:444/…',
  )
  assert.equal(await locationOf(trusting, { host: 'inner:5000', 'x-forwarded-proto': 'https' }), 'https://inner:5000/…')
  assert.equal(
    await locationOf(trusting, { host: 'inner:5000', 'x-forwarded-proto': 'ftp', 'x-forwarded-host': 'a/b' }),
    'http://inner:5000/…',
  )
  await using wary = await serveRooms({ http: { listen: { host: '127.0.0.1', port: 0 }, trustedProxies: ['192.0.2.0/24'] } })
  assert.equal(await locationOf(wary, said), 'http://inner:5000/…')
})

test('http.host, http.relativeurls and http.prefix shape every URL', async () => {
  const listen = { host: '127.0.0.1', port: 0 }
  await using fixed = await serveRooms({ http: { listen, host: 'https://hub.example' } })
  assert.equal(await locationOf(fixed, { host: 'evil.example' }), 'https://hub.example/…')
  await using relative = await serveRooms({ http: { listen, relativeUrls: true } })
  assert.equal(await locationOf(relative, { host: 'evil.example' }), '/…')
  await using prefixed = await serveRooms({ http: { listen, prefix: '/reg/' } })
  assert.equal(await locationOf(prefixed, { host: 'h' }, '/reg/v2/a/blobs/uploads/'), 'http://h/reg/…')
  assert.equal((await registryClient(prefixed.url).send('/v2/')).status, 404)
  assert.equal((await registryClient(prefixed.url).send('/reg/v2/')).status, 200)
  assert.equal((await registryClient(prefixed.url).send('/reg/')).status, 200)
  await using both = await serveRooms({ http: { listen, prefix: '/reg/', host: 'https://hub.example/reg/' } })
  assert.equal(await locationOf(both, { host: 'h' }, '/reg/v2/a/blobs/uploads/'), 'https://hub.example/reg/…')
})

test('a Link carries the prefix, and http.host where it is set', async () => {
  const listen = { host: '127.0.0.1', port: 0 }
  for (const [host, base] of [
    [undefined, '/v2/'],
    ['https://hub.example', 'https://hub.example/v2/'],
  ] as const) {
    await using rooms = await serveRooms({ http: { listen, host } })
    const client = registryClient(rooms.url)
    for (const tag of ['v1', 'v2']) await client.pushManifest('a', tag, { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] })
    const answer = await client.send('/v2/a/tags/list?n=1')
    assert.equal(answer.headers.link, `<${base}a/tags/list?last=v1&n=1>; rel="next"`)
  }
})

test('the operator’s headers stand in every answer, errors included', async () => {
  const headers = { 'X-Content-Type-Options': ['nosniff'], 'X-Two': ['a', 'b'] }
  await using rooms = await serveRooms({ http: { listen: { host: '127.0.0.1', port: 0 }, headers } })
  for (const path of ['/v2/', '/v2/zzz/tags/list', '/healthz', '/nowhere']) {
    const answer = await registryClient(rooms.url).send(path)
    assert.equal(answer.headers['x-content-type-options'], 'nosniff', path)
    assert.equal(answer.headers['x-two'], 'a, b')
    assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0')
  }
})

test('every answer has a request id: a proxy’s own if it is trusted and sane', async () => {
  await using rooms = await serveRooms()
  const idFor = async (of: ServedRooms, id: string) =>
    (await registryClient(of.url).send('/v2/', { headers: { 'x-request-id': id } })).headers['x-request-id']
  assert.equal(await idFor(rooms, 'trace-0123.abc_DEF'), 'trace-0123.abc_DEF')
  for (const id of ['short', 'a'.repeat(200), 'with space in it', 'inject"quote1', 'semi;colon;id'])
    assert.match(String(await idFor(rooms, id)), /^[0-9a-f-]{36}$/, id)
  await using wary = await serveRooms({ http: { listen: { host: '127.0.0.1', port: 0 }, trustedProxies: [] } })
  assert.match(String(await idFor(wary, 'trace-0123.abc_DEF')), /^[0-9a-f-]{36}$/)
})
