import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { basicAuthorization } from '../support/http-client.ts'
import { digestOfBytes } from '../support/registry-client.ts'
import { until } from '../support/until.ts'
import { closing, openPatch, startUpload } from '../support/upload.ts'
import { openPeople, password, type People, type Person } from './people.ts'

const path = '/repositories/team%2Fapp/uploads'

suite('uploads over the API', () => {
  let people: People
  let root: Person
  let developer: Person
  let maintainer: Person
  let outsider: Person
  before(async () => {
    people = await openPeople()
    root = people.root
    for (const name of ['team', 'other']) assert.equal((await root.call('POST', '/projects', { name })).status, 201)
    developer = await people.add('developer')
    maintainer = await people.add('maintainer')
    outsider = await people.add('outsider')
    await people.grant(developer, 'developer', 'team')
    await people.grant(maintainer, 'maintainer', 'team')
    await people.grant(outsider, 'maintainer', 'other')
  })
  after(() => people[Symbol.asyncDispose]())

  test('are listed to who keeps their repository, and cancelled', async () => {
    const url = await startUpload(developer.registry, people.rooms.url, 'team/app')
    const patch = await developer.registry.send(url, {
      method: 'PATCH',
      body: 'some bytes',
      headers: { 'content-type': 'application/octet-stream' },
    })
    assert.equal(patch.status, 202)
    for (const [person, list, count] of [
      [root, '/uploads', 1],
      [maintainer, '/uploads', 1],
      [maintainer, path, 1],
      [developer, '/uploads', 0],
      [outsider, '/uploads', 0],
      [people.stranger, '/uploads', 0],
    ] as const) {
      const reply = await person.call('GET', list)
      assert.deepEqual([reply.status, reply.body.items?.length], [200, count], `${person.name} ${list}`)
    }
    const [found] = (await root.call('GET', '/uploads?sort=updatedAt')).body.items ?? []
    assert.deepEqual(
      [found?.['repository'], found?.['actor'], found?.['offsetBytes'], found?.['isReceiving']],
      ['team/app', 'developer', 10, false],
    )
    const id = String(found?.['id'])
    assert.equal((await developer.call('GET', path)).status, 403)
    assert.equal((await root.call('GET', '/repositories/nope/uploads')).status, 404, 'what is not there has no uploads')
    assert.equal((await developer.call('DELETE', `${path}/${id}`)).status, 403)
    assert.equal((await outsider.call('DELETE', `${path}/${id}`)).status, 404)
    // An upload is addressed by its own repository only.
    assert.equal((await outsider.call('DELETE', `/repositories/other%2Fapp/uploads/${id}`)).status, 404)
    assert.equal((await maintainer.call('DELETE', `${path}/${id}`)).status, 204)
    assert.equal((await maintainer.call('DELETE', `${path}/${id}`)).status, 404)
    const more = await developer.registry.send(url, {
      method: 'PATCH',
      body: 'more',
      headers: { 'content-type': 'application/octet-stream' },
    })
    assert.equal(more.status, 404)
    assert.deepEqual((await root.call('GET', '/uploads')).body.items, [])
  })

  test('that are being received show how far they are, and are cancelled in the middle', async () => {
    for (const method of ['PATCH', 'PUT'] as const) {
      const url = await startUpload(developer.registry, people.rooms.url, 'team/app')
      const sending = openPatch(
        method === 'PUT' ? closing(url, digestOfBytes(Buffer.from('x'))) : url,
        { authorization: basicAuthorization('developer', password) },
        method,
      )
      const listed = async () => (await root.call('GET', path)).body.items?.[0] ?? {}
      for (const [part, all] of [
        [100_000, 100_000],
        [1_000, 101_000],
      ] as const) {
        sending.request.write(Buffer.alloc(part))
        await until('what came is told', async () => (await listed())['offsetBytes'] === all)
      }
      const found = await listed()
      assert.equal(found['isReceiving'], true)
      // The sender is silent from here on and does not end.
      assert.equal((await developer.call('DELETE', `${path}/${String(found['id'])}`)).status, 403)
      assert.equal((await maintainer.call('DELETE', `${path}/${String(found['id'])}`)).status, 204)
      const outcome = await sending.outcome
      if (!(outcome instanceof Error)) {
        assert.equal(outcome.status, 404)
        assert.match(outcome.body, /BLOB_UPLOAD_UNKNOWN/u)
      }
      sending.request.destroy()
      assert.equal((await developer.registry.send(url)).status, 404)
      assert.deepEqual((await root.call('GET', '/uploads')).body.items, [])
      for await (const left of people.rooms.registry.store.listUploads()) assert.fail(`bytes of ${left.uploadId} are left`)
    }
  })

  test('that are malformed are not there', async () => {
    for (const id of ['x', "'", '%00', '..%2f..', 'x'.repeat(128)]) {
      assert.equal((await root.call('DELETE', `${path}/${encodeURIComponent(id)}`)).status, 404, id)
    }
    assert.equal((await root.call('DELETE', `${path}/${'x'.repeat(129)}`)).status, 400)
    assert.equal((await root.call('GET', '/uploads?sort=actor')).status, 400)
    assert.equal((await root.call('GET', '/uploads?repository=team/app')).status, 400)
  })
})
