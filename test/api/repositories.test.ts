import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { pushImage } from '../support/registry-client.ts'
import { openPeople, type ApiReply, type People, type Person } from './people.ts'

const names = (reply: ApiReply) => reply.body.items?.map(({ name }) => name)
const at = (repository: string) => `/repositories/${encodeURIComponent(repository)}`

/** Texts that have done harm somewhere, each of which must be data here. */
export const hostileTexts = [
  "'",
  '"',
  "' or '1'='1",
  "x' union select name, password_hash from users --",
  '%',
  '_',
  '\\',
  '[a-z]*',
  '../../etc/passwd',
  '${7*7}',
  '<script>alert(1)</script>',
  'ÄÖÜ',
  '\u202e',
  '😀',
  'x'.repeat(255),
]

suite('repositories over the API', () => {
  let people: People
  let root: Person
  let reader: Person
  let maintainer: Person
  let outsider: Person
  before(async () => {
    people = await openPeople()
    root = people.root
    for (const name of ['team', 'open', 'other'])
      assert.equal((await root.call('POST', '/projects', { name, isPublic: name === 'open' })).status, 201)
    reader = await people.add('reader')
    maintainer = await people.add('maintainer')
    outsider = await people.add('outsider')
    await people.grant(reader, 'limited-guest', 'team')
    await people.grant(maintainer, 'maintainer', 'team')
    await people.grant(outsider, 'maintainer', 'other')
    for (const name of ['team/app', 'team/web', 'open/tool', 'other/thing']) await pushImage(root.registry, name, 'latest')
  })
  after(() => people[Symbol.asyncDispose]())

  test('everyone lists what they may see, and nothing else', async () => {
    const lists = async (query = '') =>
      await Promise.all(
        [root, reader, outsider, people.stranger].map(async (person) => names(await person.call('GET', `/repositories${query}`))),
      )
    assert.deepEqual(await lists(), [
      ['open/tool', 'other/thing', 'team/app', 'team/web'],
      ['open/tool', 'team/app', 'team/web'],
      ['open/tool', 'other/thing'],
      ['open/tool'],
    ])
    assert.deepEqual(await lists('?project=team'), [['team/app', 'team/web'], ['team/app', 'team/web'], [], []])
    assert.deepEqual(await lists('?q=APP'), [['team/app'], ['team/app'], [], []])
    assert.deepEqual(await lists('?name=team/w&sort=-name'), [['team/web'], ['team/web'], [], []])
    assert.deepEqual(await lists('?project=nowhere'), [[], [], [], []])
  })

  test('a repository that one may not see answers as one that is not there', async () => {
    for (const [person, status] of [
      [outsider, 404],
      [people.stranger, 401],
    ] as const) {
      for (const method of ['GET', 'DELETE'] as const) {
        const [hidden, absent] = [await person.call(method, at('team/app')), await person.call(method, at('team/none'))]
        assert.equal(hidden.status, status)
        const refusalOf = (body: object, name: string) => JSON.stringify({ ...body, requestId: '' }).replaceAll(name, 'NAME')
        assert.equal(refusalOf(hidden.body, 'team/app'), refusalOf(absent.body, 'team/none'))
      }
      assert.equal((await person.call('PATCH', at('team/app'), { description: 'x' })).status, status)
    }
    assert.equal((await reader.call('PATCH', at('team/app'), { description: 'x' })).status, 403)
    assert.equal((await reader.call('DELETE', at('team/app'))).status, 403)
    assert.equal((await root.call('GET', at('team/none'))).status, 404)
  })

  test('a description is data, whatever it holds, and comes as JSON that no browser takes for a page', async () => {
    const description = '</script><script>alert(1)</script>\u2028 "\' \u0001 ü'
    const changed = await maintainer.call('PATCH', at('team/app'), { description })
    assert.deepEqual([changed.status, changed.body['description']], [200, description])
    const answer = await reader.registry.send(`/api/v1${at('team/app')}`)
    assert.match(answer.headers['content-type'] ?? '', /^application\/json/)
    assert.equal(answer.headers['x-content-type-options'], 'nosniff')
    assert.equal((JSON.parse(answer.body.toString()) as { description: string }).description, description)
  })

  test('a description with U+0000, which PostgreSQL cannot keep, is refused on every database', async () => {
    const { status, body } = await maintainer.call('PATCH', at('team/app'), { description: 'a\u0000b' })
    assert.deepEqual([status, body['code']], [400, 'REQUEST_INVALID'])
  })

  test('a repository tells what is in it', async () => {
    const { body } = await reader.call('GET', at('team/web'))
    const { createdAt, updatedAt, sizeBytes, ...rest } = body
    assert.deepEqual(rest, {
      name: 'team/web',
      project: 'team',
      description: '',
      tagCount: 1,
      tagCountIsExact: true,
      manifestCount: 1,
      manifestCountIsExact: true,
      sizeIsExact: true,
      version: 1,
    })
    assert.ok(Number(sizeBytes) > 0)
    for (const instant of [createdAt, updatedAt]) assert.match(String(instant), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  })

  test('a description is changed only from what was read, where the caller says so', async () => {
    await pushImage(root.registry, 'team/notes', 'latest')
    const { etag, body } = await maintainer.call('GET', at('team/notes'))
    assert.deepEqual([etag, body['version']], ['"1"', 1])
    const change = async (description: string, ifMatch: string) =>
      await maintainer.call('PATCH', at('team/notes'), { description }, { 'if-match': ifMatch })
    const first = await change('one', '"1"')
    assert.deepEqual([first.status, first.etag], [200, '"2"'])
    const late = await change('two', '"1"')
    assert.deepEqual([late.status, late.body['code']], [412, 'PRECONDITION_FAILED'])
    assert.deepEqual([(await change('two', '"7", "2"')).status, (await change('three', '*')).status], [200, 200])
    for (const none of ['"7", "8"', '"x"', '1', '']) assert.equal((await change('four', none)).status, 412, none)
    // A push is no change of the description, and one to the same is none either.
    await pushImage(root.registry, 'team/notes', 'next')
    assert.equal((await change('three', '"4"')).etag, '"4"')
    const racing = await Promise.all(['a', 'b', 'c', 'd'].map(async (text) => await change(text, '"4"')))
    assert.deepEqual(
      racing.map(({ status }) => status).toSorted((a, b) => a - b),
      [200, 412, 412, 412],
    )
    assert.equal((await root.call('DELETE', at('team/notes'))).status, 204)
  })

  test('a repository is deleted only as it was read, where the caller says so', async () => {
    await pushImage(root.registry, 'team/gone', 'latest')
    const { etag = '' } = await root.call('GET', at('team/gone'))
    assert.equal((await root.call('PATCH', at('team/gone'), { description: 'wanted' })).status, 200)
    const late = await root.call('DELETE', at('team/gone'), undefined, { 'if-match': etag })
    assert.deepEqual([late.status, late.body['code']], [412, 'PRECONDITION_FAILED'])
    const now = await root.call('GET', at('team/gone'))
    assert.equal(now.status, 200)
    assert.equal((await root.call('DELETE', at('team/gone'), undefined, { 'if-match': `W/${now.etag ?? ''}` })).status, 412)
    assert.equal((await root.call('DELETE', at('team/gone'), undefined, { 'if-match': now.etag ?? '' })).status, 204)
    assert.equal((await root.call('GET', at('team/gone'))).status, 404)
  })

  test('a repository that is not there is refused alike, whoever asks', async () => {
    const asked = [
      ['GET', ''],
      ['PATCH', '', { description: 'x' }],
      ['DELETE', ''],
      ['GET', '/tags'],
      ['GET', '/manifests'],
    ] as const
    for (const [method, below, body] of asked) {
      const [first = [], ...others] = await Promise.all(
        [root, maintainer, ...(method === 'GET' ? [reader] : [])].map(async (person) => {
          const answer = await person.call(method, `${at('team/never')}${below}`, body)
          return [answer.status, answer.body['code'], answer.body['detail']]
        }),
      )
      for (const other of others) assert.deepEqual(other, first, `${method} ${below}`)
      assert.deepEqual(first.slice(0, 2), [404, 'RESOURCE_UNKNOWN'])
      assert.match(String(first[2]), /team\/never/, `${method} ${below}`)
    }
  })

  test('an If-Match is never ignored: what has no ETag refuses it', async () => {
    const sent = { 'if-match': '"1"' }
    const listed = await root.call('GET', `${at('team/app')}/tags`, undefined, sent)
    assert.deepEqual([listed.status, listed.body['code']], [412, 'PRECONDITION_FAILED'])
    assert.equal((await root.call('POST', '/projects', { name: 'unmade' }, sent)).status, 412)
    assert.equal((await root.call('GET', '/projects/unmade')).status, 404)
    assert.equal((await root.call('GET', '/repositories', undefined, sent)).status, 412)
    assert.equal((await root.call('GET', at('team/web'), undefined, { 'if-match': '"9"' })).status, 412)
    assert.equal((await root.call('GET', at('team/web'), undefined, { 'if-match': '"9", "1"' })).status, 200)
    assert.equal((await root.call('GET', '/repositories', undefined, { 'if-match': '*' })).status, 200)
  })

  test('a former name leads to the repository', async () => {
    await pushImage(root.registry, 'team/before', 'latest')
    const moved = await root.call('POST', `${at('team/before')}/move`, { to: 'team/now' })
    assert.equal(moved.status, 200, JSON.stringify(moved.body))
    const found = await reader.call('GET', at('team/before'))
    assert.deepEqual([found.status, found.body['name']], [200, 'team/now'])
    assert.equal((await root.call('DELETE', at('team/now'))).status, 204)
  })

  test('lists are read page by page, and no cursor shows more than the list', async () => {
    for (const sort of ['name', '-name', 'updatedAt', '-updatedAt']) {
      const seen: string[] = []
      let cursor = ''
      for (let pages = 0; pages < 10; pages++) {
        const page = await reader.call('GET', `/repositories?limit=1&sort=${sort}${cursor}`)
        assert.equal(page.status, 200)
        seen.push(...((names(page) ?? []) as string[]))
        if (page.body['next'] === undefined) break
        cursor = `&cursor=${encodeURIComponent(page.body['next'] as string)}`
      }
      assert.deepEqual(seen.toSorted(), ['open/tool', 'team/app', 'team/web'], sort)
    }
    const { body } = await root.call('GET', '/repositories?limit=1&sort=name')
    const stolen = await people.stranger.call('GET', `/repositories?sort=name&cursor=${String(body['next'])}`)
    assert.deepEqual(names(stolen), [])
    // A cursor of another order is none of this one.
    assert.equal((await root.call('GET', `/repositories?sort=updatedAt&cursor=${String(body['next'])}`)).status, 400)
  })

  test('hostile filters find nothing, or are refused', async () => {
    for (const text of hostileTexts) {
      for (const member of ['q', 'name', 'project']) {
        const reply = await root.call('GET', `/repositories?${member}=${encodeURIComponent(text)}`)
        assert.deepEqual([reply.status, names(reply)], [200, []], `${member} ${text}`)
      }
    }
    for (const text of ['\u0000', 'a\nb', 'x'.repeat(256), '\u007f']) {
      assert.equal((await root.call('GET', `/repositories?q=${encodeURIComponent(text)}`)).status, 400, JSON.stringify(text))
    }
  })

  test('hostile orders, limits and cursors are refused', async () => {
    const forged = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const queries = [
      'sort=id',
      'sort=name;drop table repositories',
      'sort=name&sort=updatedAt',
      'sort=__proto__',
      'limit=0',
      'limit=-1',
      'limit=1001',
      'limit=1e9',
      'limit=x',
      'limit=1&limit=2',
      'unknown=1',
      '__proto__=1',
      'cursor=',
      'cursor=x',
      `cursor=${'A'.repeat(2_000)}`,
      `cursor=${forged(['name', { $gt: '' }, 1])}`,
      `cursor=${forged(['name', 'a', '1 or 1=1'])}`,
      `cursor=${forged(['name', 'a\u0000b', 1])}`,
      `cursor=${forged(['name', 1, 1])}`,
      `sort=updatedAt&cursor=${forged(['updatedAt', 'x', 1])}`,
      `sort=updatedAt&cursor=${forged(['updatedAt', 1e300, 1])}`,
      `sort=updatedAt&cursor=${forged(['updatedAt', 1.5, 1])}`,
    ]
    for (const query of queries) {
      const reply = await root.call('GET', `/repositories?${query}`)
      assert.deepEqual([reply.status, reply.body['code']], [400, 'REQUEST_INVALID'], query)
    }
  })

  test('malformed names and bodies are refused', async () => {
    for (const name of ['UPPER', '..', 'a//b', '%00', 'a b', "x'", 'x'.repeat(256)]) {
      assert.equal((await root.call('GET', `/repositories/${encodeURIComponent(name)}`)).status, 404, name)
    }
    for (const body of [{}, { description: 1 }, { description: 'x', name: 'team/other' }, [], 'x', { description: 'x'.repeat(20_001) }]) {
      assert.equal((await root.call('PATCH', at('team/app'), body)).status, 400, JSON.stringify(body).slice(0, 50))
    }
  })

  test('a repository is deleted with everything in it', async () => {
    await pushImage(root.registry, 'team/gone', 'latest')
    assert.equal((await maintainer.call('DELETE', at('team/gone'))).status, 204)
    assert.equal((await maintainer.call('GET', at('team/gone'))).status, 404)
    assert.equal((await maintainer.call('DELETE', at('team/gone'))).status, 404)
    assert.deepEqual(names(await root.call('GET', '/repositories?q=gone')), [])
  })
})
