import assert from 'node:assert/strict'
import { hashSync } from 'bcryptjs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { basicAuthorization } from '../support/http-client.ts'
import { rawConnection } from '../support/raw-connection.ts'
import { digestOfBytes, pushImage, registryClient, type RegistryClient } from '../support/registry-client.ts'
import { serveRooms, type ServedRooms } from '../support/serve-rooms.ts'

suite('a guarded registry', () => {
  let rooms: ServedRooms
  let directory: string
  let stranger: RegistryClient
  let alice: RegistryClient
  const authorization = basicAuthorization('alice', 'canary-password')
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'berth-guarded-'))
    const path = join(directory, 'htpasswd')
    await writeFile(path, `alice:${hashSync('canary-password', 4)}\n`)
    rooms = await serveRooms({ auth: { kind: 'htpasswd', realm: 'the realm', path } })
    stranger = registryClient(rooms.url)
    alice = registryClient(rooms.url, { authorization })
  })
  after(async () => {
    await rooms[Symbol.asyncDispose]()
    await rm(directory, { recursive: true })
  })

  test('a stranger is challenged at every end point, alike for what is there and what is not', async () => {
    const image = await pushImage(alice, 'private', 'v1')
    const detail = (action: string, name: string) => ({ Type: 'repository', Class: '', Name: name, Action: action })
    for (const name of ['private', 'missing'])
      for (const [method, path, actions] of [
        ['GET', `${name}/manifests/v1`, ['pull']],
        ['HEAD', `${name}/manifests/v1`, ['pull']],
        ['PUT', `${name}/manifests/v1`, ['pull', 'push']],
        ['DELETE', `${name}/manifests/v1`, ['delete']],
        ['GET', `${name}/blobs/${image.config.digest}`, ['pull']],
        ['POST', `${name}/blobs/uploads/`, ['pull', 'push']],
        ['GET', `${name}/tags/list`, ['pull']],
        ['GET', `${name}/referrers/${image.config.digest}`, ['pull']],
        ['DELETE', `${name}/`, ['delete']],
      ] as const) {
        const answer = await stranger.send(`/v2/${path}`, { method })
        assert.equal(answer.status, 401, path)
        assert.equal(answer.headers['www-authenticate'], 'Basic realm="the realm"')
        if (method === 'HEAD') continue
        const { errors } = JSON.parse(answer.body.toString()) as { errors: unknown[] }
        assert.deepEqual(errors, [
          { code: 'UNAUTHORIZED', message: 'authentication required', detail: actions.map((action) => detail(action, name)) },
        ])
      }
    for (const path of ['/v2/', '/v2/_catalog', '/metrics']) assert.equal((await stranger.send(path)).status, 401, path)
    const wrong = registryClient(rooms.url, { authorization: basicAuthorization('alice', 'wrong') })
    assert.equal((await wrong.send('/v2/')).status, 401)
    assert.match((await stranger.send('/v2/')).body.toString(), /"detail":null/)
  })

  test('who is known comes in', async () => {
    assert.equal((await alice.send('/v2/')).status, 200)
    assert.equal((await alice.send('/v2/_catalog')).status, 200)
    assert.match((await alice.send('/metrics')).body.toString(), /registry_http_requests_total/)
  })

  test('health is for everyone', async () => {
    assert.equal((await stranger.send('/healthz')).status, 200)
    assert.equal((await stranger.send('/readyz?verbose')).status, 200)
  })

  test('no shared cache keeps what not everyone may have', async () => {
    const image = await pushImage(alice, 'cached', 'v1')
    for (const path of ['manifests/v1', `manifests/${image.descriptor.digest}`, `blobs/${image.config.digest}`, 'tags/list']) {
      const { headers } = await alice.send(`/v2/cached/${path}`)
      assert.match(headers['cache-control'] ?? '', /^private, /, path)
      assert.equal(headers.vary, 'Authorization')
    }
  })

  test('a stranger’s body is not asked for', async () => {
    using connection = await rawConnection(
      rooms.port,
      `POST /v2/a/blobs/uploads/?digest=${digestOfBytes(Buffer.from('x'))} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n`,
    )
    const answer = await connection.closed()
    assert.match(answer, /^HTTP\/1\.1 401 /)
  })

  test('the log names the user and never the password', async () => {
    await alice.send('/v2/?token=canary-password&password=canary-password', {
      headers: { referer: 'https://u:canary-password@h/?access_token=canary-password' },
    })
    const log = rooms.lines.join('')
    assert.match(log, /auth\.user\.name=alice/)
    assert.match(log, /err\.code=UNAUTHORIZED/)
    assert.doesNotMatch(log, /canary-password|YWxpY2U6/)
    const metrics = (await alice.send('/metrics')).body.toString()
    assert.doesNotMatch(metrics, /alice|private/)
  })
})

const writes = [
  ['POST', 'blobs/uploads/'],
  ['PUT', 'manifests/v1'],
  ['DELETE', 'manifests/v1'],
  ['DELETE', `manifests/sha256:${'a'.repeat(64)}`],
  ['DELETE', `blobs/sha256:${'a'.repeat(64)}`],
  ['DELETE', ''],
] as const

test('with deletes switched off every delete is 405, and an upload can still be cancelled', async () => {
  await using rooms = await serveRooms({ storage: { deleteEnabled: false } })
  const client = registryClient(rooms.url)
  const image = await pushImage(client, 'a', 'v1')
  for (const [method, path] of writes.filter(([verb]) => verb === 'DELETE')) {
    const answer = await client.send(`/v2/a/${path.replace(/sha256:a+/, image.descriptor.digest)}`, { method })
    assert.equal(answer.status, 405, path)
    assert.match(answer.body.toString(), /"code":"UNSUPPORTED"/)
  }
  assert.equal(await client.digestOf('a', 'v1'), image.descriptor.digest)
  const started = await client.send('/v2/a/blobs/uploads/', { method: 'POST', body: '' })
  assert.equal((await client.send(started.headers.location ?? '', { method: 'DELETE' })).status, 204)
})

test('a read-only registry refuses every write with 405', async () => {
  await using rooms = await serveRooms({ storage: { readOnly: true } })
  const client = registryClient(rooms.url)
  for (const [method, path] of [
    ...writes,
    ['PATCH', 'blobs/uploads/x'],
    ['PUT', 'blobs/uploads/x?digest=x'],
    ['DELETE', 'blobs/uploads/x'],
  ] as const) {
    const answer = await client.send(`/v2/a/${path}`, { method, ...(method === 'DELETE' ? {} : { body: '' }) })
    assert.equal(answer.status, 405, path)
  }
  assert.equal((await client.send('/v2/')).status, 200)
})
