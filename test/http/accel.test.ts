import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { registryClient } from '../support/registry-client.ts'
import { serveRooms } from '../support/serve-rooms.ts'

const able = { 'x-sendfile-type': 'X-Accel-Redirect' }
const listen = { host: '127.0.0.1', port: 0 }
const large = randomBytes(300_000)

suite('files that nginx sends', () => {
  test('a trusted proxy that says it can is told where the file of a large blob is, and gets no body', async () => {
    await using rooms = await serveRooms({ http: { listen, accelPath: '/files/' } })
    const client = registryClient(rooms.url)
    const { digest } = await client.pushBlob('a/b', large)
    const answer = await client.send(`/v2/a/b/blobs/${digest}`, { headers: { ...able, range: 'bytes=0-9' } })
    assert.deepEqual([answer.status, answer.body.length], [200, 0])
    assert.equal(answer.headers['docker-content-digest'], digest)
    const place = String(answer.headers['x-accel-redirect'])
    assert.match(place, /^\/files\/blobs\//)
    assert.deepEqual(await readFile(join(rooms.directory, 'data', place.slice('/files/'.length))), large)
  })

  test('everybody else gets the bytes: who does not say it, who is not trusted, and for what is small, HEAD, or proved on its way', async () => {
    await using rooms = await serveRooms({ http: { listen, accelPath: '/files/' } })
    const client = registryClient(rooms.url)
    const { digest } = await client.pushBlob('a/b', large)
    const small = await client.pushBlob('a/b', Buffer.from('small'))
    assert.deepEqual((await client.send(`/v2/a/b/blobs/${digest}`)).body, large)
    assert.equal((await client.send(`/v2/a/b/blobs/${small.digest}`, { headers: able })).body.toString(), 'small')
    const head = await client.send(`/v2/a/b/blobs/${digest}`, { method: 'HEAD', headers: able })
    assert.deepEqual([head.headers['content-length'], head.headers['x-accel-redirect']], ['300000', undefined])

    for (const sections of [
      { http: { listen, accelPath: '/files/', trustedProxies: [] } },
      { http: { listen, accelPath: undefined } },
      { http: { listen, accelPath: '/files/' }, validation: { verifyBlobsOnRead: true } },
    ]) {
      await using other = await serveRooms(sections)
      const asking = registryClient(other.url)
      const pushed = await asking.pushBlob('a/b', large)
      assert.deepEqual((await asking.send(`/v2/a/b/blobs/${pushed.digest}`, { headers: able })).body, large)
    }
  })

  test('who may not pull is not told where a file is', async () => {
    await using rooms = await serveRooms({ http: { listen, accelPath: '/files/' } })
    const client = registryClient(rooms.url)
    const { digest } = await client.pushBlob('a/b', large)
    const absent = await client.send(`/v2/other/place/blobs/${digest}`, { headers: able })
    assert.deepEqual([absent.status, absent.headers['x-accel-redirect']], [404, undefined])
  })
})
