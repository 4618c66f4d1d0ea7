import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { openPeople, type People } from './people.ts'

suite('a method that a path does not take', () => {
  let people: People
  before(async () => {
    people = await openPeople()
  })
  after(() => people[Symbol.asyncDispose]())

  const send = async (method: string, path: string) => {
    const { status, headers, body } = await people.stranger.registry.send(`/api/v1${path}`, { method })
    const code = body.length === 0 ? undefined : (JSON.parse(body.toString()) as { code: string }).code
    return [status, headers.allow, code]
  }

  test('is 405 with those that it takes, whatever the path names', async () => {
    for (const [method, path, allow] of [
      ['DELETE', '/users', 'GET, HEAD, POST'],
      ['PUT', '/projects/none', 'DELETE, GET, HEAD, PATCH'],
      ['POST', '/repositories/a%2Fb/tags/v1?x=1', 'DELETE, GET, HEAD, PATCH'],
      ['OPTIONS', '/session', 'DELETE, GET, HEAD, POST'],
    ] as const)
      assert.deepEqual(await send(method, path), [405, allow, 'UNSUPPORTED'], `${method} ${path}`)
  })

  test('is not confused with a path that is none', async () => {
    for (const path of ['/nothing', '/users/1/2/3', '/', '']) assert.deepEqual(await send('PUT', path), [404, undefined, 'NOT_FOUND'], path)
  })

  test('while the registry is read-only, is any that would change something, and the answer names the others', async () => {
    await using still = await openPeople()
    await still.root.call('POST', '/projects', { name: 'team' })
    assert.equal((await still.root.call('PATCH', '/system/settings', { isReadOnly: true })).status, 200)
    const allowed = async (method: string, path: string) => {
      const { status, headers } = await still.root.registry.send(path, { method })
      return [status, headers.allow]
    }
    assert.deepEqual(await allowed('DELETE', '/api/v1/projects/team'), [405, 'GET, HEAD'])
    assert.deepEqual(await allowed('POST', '/v2/team/app/blobs/uploads/'), [405, ''])
    assert.deepEqual(await allowed('PUT', '/v2/team/app/manifests/v1'), [405, 'GET, HEAD'])
  })
})
