/** Targets, methods and origins that a client sends when it looks for a way around the routes. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { openPeople, password, type People, type Person } from '../api/people.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { rawConnection } from '../support/raw-connection.ts'
import { pushImage } from '../support/registry-client.ts'

let people: People
let alice: Person

before(async () => {
  people = await openPeople()
  alice = await people.add('alice')
  const { root } = people
  for (const name of ['mine', 'hidden']) await root.call('POST', '/projects', { name })
  await people.grant(alice, 'project-admin', 'mine')
  await pushImage(root.registry, 'hidden/app', 'v1')
})
after(() => people[Symbol.asyncDispose]())

/** One request with the target as it is; the status and all that came. */
async function ask(target: string, { method = 'GET', by }: { readonly method?: string; readonly by?: string } = {}) {
  const authorization = by === undefined ? '' : `Authorization: ${basicAuthorization(by, password)}\r\n`
  using connection = await rawConnection(
    people.rooms.port,
    `${method} ${target} HTTP/1.1\r\nHost: localhost\r\n${authorization}Origin: https://evil.example\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
  )
  const text = await connection.closed()
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), text }
}

const tricks = [
  '/api/v1/users/',
  '/api//v1/users',
  '//api/v1/users',
  '///api/v1/users',
  '/api/v1//users',
  '/api/v1/./users',
  '/api/v1/x/../users',
  '/api/v1/%2e/users',
  '/api/v1/%2e%2e/v1/users',
  '/api/v1%2fusers',
  '/api%2fv1%2fusers',
  '/api/v1/users%2f',
  '/api/v1/users;x=1',
  '/api/v1;x/users',
  '/api/v1/users%00',
  '/api/v1/users%20',
  '/api/v1/users%3Flimit=1',
  '/api/v1/users%23',
  '/api/v1\\users',
  '/api/v1/..\\v1\\users',
  '/API/v1/users',
  '/api/V1/users',
  '/api/v1/USERS',
  '/api/v1/Users',
  '/api/v1/users.json',
  '/api/v1/users/.',
  '/api/v2/users',
  '/api/users',
  '/v1/users',
  '/service/users',
  '/api/v1/users/%c0%ae%c0%ae',
  '/api/v1/us%65rs/..',
  '/%61pi/v1/users',
  'http://localhost/api/v1/users',
  'https://evil.example/api/v1/users',
  'localhost:80',
  '*',
  '/v2/../api/v1/users',
  '/v2/%2e%2e/api/v1/users',
  '/token/../api/v1/users',
  '/api/v1/docs/..%2f..%2f..%2fpackage.json',
  '/api/v1/docs/static/..%2f..%2f..%2f..%2fpackage.json',
  '/api/v1/docs/static/%2e%2e/%2e%2e/package.json',
  '/api/v1/docs/static/....//package.json',
  '/%2F%2F%2F..%2F..%2F..%2Fetc%2Fpasswd',
]

suite('a target', () => {
  for (const target of tricks) {
    test(`${target} is no way in, for anybody`, async () => {
      for (const by of [undefined, 'alice', 'root']) {
        const { status, text } = await ask(target, { ...(by !== undefined && { by }) })
        assert.ok([400, 401, 403, 404, 414].includes(status), `${by}: ${status} ${text.slice(0, 400)}`)
        assert.doesNotMatch(text, /"items"|"root"|root:x:|"dependencies"/)
      }
    })
  }

  test('that hides a name of a project or repository behind an encoding is that name or none, and tells nothing', async () => {
    const names = [
      'hidden',
      'mine%2f..%2fhidden',
      'mine%2F..%2Fhidden',
      '%2e%2e%2fhidden',
      'mine%252f..%252fhidden',
      'hidden%00',
      'hidden%20',
      'HIDDEN',
      'hidden%2f',
      '%2fhidden',
      'hidden%5c',
      'hidden%0d%0a',
      '%ff',
      '%c0%afhidden',
      'hid%64en',
      '%68idden',
      'hidden;',
      'hidden%3b',
      '..',
    ]
    for (const name of names) {
      for (const path of [
        `/api/v1/projects/${name}`,
        `/api/v1/projects/${name}/grants`,
        `/api/v1/repositories/${name}%2fapp`,
        `/api/v1/repositories/${name}%2fapp/tags`,
      ]) {
        const { status, text } = await ask(path, { by: 'alice' })
        assert.ok([400, 404].includes(status), `${path}: ${status}`)
        assert.doesNotMatch(text, /"isPublic"|"items"/)
      }
    }
  })

  test('has one method for each thing that is done: others are refused, and none is taken from a header, a parameter or a member', async () => {
    for (const method of [
      'PUT',
      'PATCH',
      'DELETE',
      'TRACE',
      'OPTIONS',
      'PROPFIND',
      'LOCK',
      'COPY',
      'MOVE',
      'PURGE',
      'REPORT',
      'SEARCH',
      'MKCOL',
    ]) {
      const { status } = await ask('/api/v1/users', { method, by: 'root' })
      assert.ok([400, 404, 405].includes(status), `${method}: ${status}`)
    }
    for (const headers of [{ 'x-http-method-override': 'DELETE' }, { 'x-http-method': 'DELETE' }, { 'x-method-override': 'DELETE' }]) {
      const { status } = await people.root.call('GET', '/projects/mine', undefined, headers as Record<string, string>)
      assert.equal(status, 200)
    }
    assert.equal((await people.root.call('GET', '/projects/mine?_method=DELETE')).status, 400)
    assert.equal((await people.root.call('GET', '/projects/mine')).status, 200)
    const { headers } = await people.root.registry.send('/api/v1/projects/mine', {
      headers: { 'x-original-url': '/api/v1/users', 'x-rewrite-url': '/api/v1/users' },
    })
    assert.equal(headers.etag, '"1"')
  })
})

suite('a page of another site', () => {
  const targets = [
    '/v2/',
    '/v2/_catalog',
    '/v2/hidden/app/tags/list',
    '/token',
    '/.well-known/jwks.json',
    '/api/v1/session',
    '/api/v1/users',
    '/api/v1/openapi.json',
    '/healthz',
    '/nothing',
  ]

  test('is let read nothing: no answer has a CORS header, preflights included', async () => {
    for (const target of targets) {
      for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS', 'TRACE']) {
        const { text } = await ask(target, { method, by: 'root' })
        assert.doesNotMatch(text, /^access-control-/im, `${method} ${target}`)
        assert.doesNotMatch(text, /evil\.example/i, `${method} ${target} repeats the origin`)
      }
    }
  })

  test('sees no request of its victim come back: TRACE and unknown methods repeat nothing', async () => {
    for (const target of targets) {
      const { status, text } = await ask(target, { method: 'TRACE', by: 'root' })
      assert.ok([400, 404, 405].includes(status), `${target}: ${status}`)
      assert.doesNotMatch(text, /authorization|message\/http/i)
    }
  })

  test('cannot frame an answer of the API, nor have it taken for a page or kept', async () => {
    for (const path of ['/api/v1/session', '/api/v1/users', '/api/v1/projects/mine', '/api/v1/nothing']) {
      const { headers } = await people.root.registry.send(path)
      assert.equal(headers['x-frame-options'], 'DENY')
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.match(String(headers['cache-control']), /no-store/)
    }
  })
})
