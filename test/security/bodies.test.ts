/** Bodies that are JSON and yet an attack: prototypes, depth, size, numbers, members that stand twice. At every route that takes one. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { allRouteContracts } from '#api/routes/all.ts'
import { Browser } from '../api/browser.ts'
import { openPeople, password, type People } from '../api/people.ts'
import type { Schema } from '../support/schema-arbitrary.ts'
import { validBody } from '../support/valid-body.ts'

let people: People

before(async () => {
  people = await openPeople()
  await people.root.call('POST', '/projects', { name: 'team' })
})
after(() => people[Symbol.asyncDispose]())

async function send(method: string, path: string, body: string) {
  const headers = { 'content-type': 'application/json', cookie: 'berth-session=x', 'sec-fetch-site': 'same-origin' }
  return await people.root.registry.send(`/api/v1${path}`, { method, headers, body })
}

const depth = 100_000
const deepList = '['.repeat(depth) + ']'.repeat(depth)
const deepObject = '{"a":'.repeat(depth) + '1' + '}'.repeat(depth)

suite('a body', () => {
  for (const route of allRouteContracts) {
    const { body } = route
    if (body === undefined) continue
    const known: Readonly<Record<string, string>> = { project: 'team', repository: 'team/app', role: 'guest', provider: 'local' }
    const path = route.path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(known[name] ?? '99'))
    const { properties = {}, anyOf = [] } = body as Schema
    const members = [...new Set([properties, ...anyOf.map((each) => each.properties ?? {})].flatMap((each) => Object.keys(each)))]
    const valid = JSON.stringify(validBody(body))

    test(`of ${route.method} ${route.path} is refused, never a fault, when it is deep, huge, poisoned or no object`, async () => {
      const refused = async (text: string, what: string) => {
        const { status, body: answer } = await send(route.method, path, text)
        assert.ok(status >= 400 && status < 500, `${what}: ${status} ${answer.toString().slice(0, 300)}`)
        assert.ok(answer.length < 20_000, `${what}: the answer repeats it`)
      }
      const before = Object.getOwnPropertyNames(Object.prototype).join()
      const poisoned = [
        `{"__proto__":{"isAdministrator":true}${valid === '{}' ? '' : ','}${valid.slice(1)}`,
        `{"constructor":{"prototype":{"isAdministrator":true}}${valid === '{}' ? '' : ','}${valid.slice(1)}`,
        '{"__proto__":null}',
        '{"\\u005f_proto__":{}}',
      ]
      for (const text of poisoned) await refused(text, text)
      for (const text of [
        deepList,
        deepObject,
        'null',
        '[]',
        '1',
        '"x"',
        'true',
        '',
        ' ',
        '{',
        '\u0000',
        '{"a":1e999}',
        `"${'x'.repeat(1_048_577)}"`,
      ])
        await refused(text, text.slice(0, 20))
      for (const member of members) {
        const name = JSON.stringify(member)
        for (const value of [deepList, deepObject, '1e400', '-1e400', '123456789012345678901234567890', '{"__proto__":{"x":1}}'])
          await refused(`{${name}:${value}}`, `${member}: ${value.slice(0, 20)}`)
      }
      assert.equal(Object.getOwnPropertyNames(Object.prototype).join(), before)
      assert.equal(({} as { isAdministrator?: unknown }).isAdministrator, undefined)
    })
  }

  test('of an authenticator is as deep as it likes: it is no proof, and no fault', async () => {
    const browser = new Browser(people.rooms.url)
    await browser.call('POST', '/session', { name: 'root', password })
    const headers = { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' }
    for (const response of [
      deepList,
      deepObject,
      'null',
      '[]',
      '{"id":{}}',
      '{"id":"x","response":{"clientDataJSON":[[]],"transports":1}}',
    ]) {
      await browser.call('POST', '/session/factors/webauthn')
      const url = `${people.rooms.url}api/v1/session/factors/webauthn/confirmation`
      const answer = await browser.visit(url, { method: 'POST', headers, body: `{"name":"key","response":${response}}` })
      assert.ok(answer.status >= 400 && answer.status < 500, `${response.slice(0, 20)}: ${answer.status} ${JSON.stringify(answer.body)}`)
    }
  })

  test('of a megabyte is refused by its length, before it is read', async () => {
    const { status } = await send('POST', '/projects', JSON.stringify({ name: 'big', description: 'x'.repeat(1_100_000) }))
    assert.equal(status, 413)
  })

  test('with a member that stands twice counts as its last word, to validation and verb alike', async () => {
    const twice = await send('POST', '/projects', '{"name":"../etc","name":"twice"}')
    assert.equal(twice.status, 201)
    assert.equal((JSON.parse(twice.body.toString()) as { name: string }).name, 'twice')
    assert.equal((await send('POST', '/projects', '{"name":"twice-more","name":"../etc"}')).status, 400)
  })

  test('in a coding, in another alphabet or of another type is not read', async () => {
    const body = JSON.stringify({ name: 'coded' })
    for (const [name, value] of [
      ['content-encoding', 'gzip'],
      ['content-type', 'text/plain'],
      ['content-type', 'application/x-www-form-urlencoded'],
      ['content-type', 'multipart/form-data; boundary=x'],
      ['content-type', 'application/xml'],
    ] as const) {
      const headers = { 'content-type': 'application/json', [name]: value }
      const { status } = await people.root.registry.send('/api/v1/projects', { method: 'POST', headers, body })
      assert.ok(status === 415 || status === 400 || name === 'content-encoding', `${name} ${value}: ${status}`)
    }
  })

  test('with line ends in names and descriptions becomes no header', async () => {
    const evil = 'x\r\nSet-Cookie: evil=1\r\n\r\n<script>'
    for (const [path, refused] of [
      ['/projects', { name: evil }],
      ['/users', { name: evil }],
      ['/groups', { name: evil }],
      ['/robots', { name: evil }],
      ['/roles', { name: evil, title: 'x', permissions: [] }],
      ['/labels', { name: evil }],
      ['/tokens', { name: evil }],
      ['/providers', { name: evil, kind: 'workload', settings: { issuer: 'https://ci.example' } }],
    ] as const)
      assert.equal((await send('POST', path, JSON.stringify(refused))).status, 400, path)
    const made = await send('POST', '/projects', JSON.stringify({ name: 'lines', description: evil }))
    for (const { headers, status } of [made, await people.root.registry.send('/api/v1/projects/lines')]) {
      assert.ok(status < 500)
      assert.equal(headers['set-cookie'], undefined)
    }
  })
})
