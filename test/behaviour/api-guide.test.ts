import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { parseArgs } from 'node:util'
import { openPeople, password, type People } from '../api/people.ts'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { commandsOf } from '../support/guide-commands.ts'
import { pushImage } from '../support/registry-client.ts'

const guide = readFileSync(join(import.meta.dirname, '../../docs/guides/api.md'), 'utf8')
const site = 'https://registry.example.com'

/** Each curl of the guide with the status that its comment promises, in their order. */
const expected = [...guide.matchAll(/^curl .* # (\d{3})$/gmu)].map((match) => Number(match[1]))
const commands = commandsOf(guide).filter(([program]) => program === 'curl')

/** What curl would send; throws for an option that it is not known to have. */
function requestOf(words: readonly string[]) {
  const { values, positionals } = parseArgs({
    args: [...words],
    options: {
      header: { type: 'string', short: 'H', multiple: true },
      user: { type: 'string', short: 'u' },
      request: { type: 'string', short: 'X' },
      include: { type: 'boolean', short: 'i' },
      json: { type: 'string' },
    },
    allowPositionals: true,
  })
  const given = (values.header ?? []).map((line): [string, string] => {
    const at = line.indexOf(': ')
    return [line.slice(0, at).toLowerCase(), line.slice(at + 2)]
  })
  const { json, user } = values
  const headers = {
    ...(user !== undefined && { authorization: basicAuthorization(user, password) }),
    ...(json !== undefined && { 'content-type': 'application/json' }),
    ...Object.fromEntries(given),
  }
  const [url = ''] = positionals
  assert.ok(positionals.length === 1 && url.startsWith(`${site}/api/v1/`), words.join(' '))
  const method = values.request ?? (json === undefined ? 'GET' : 'POST')
  return { path: url.slice(site.length), method, headers, ...(json !== undefined && { body: json }) }
}

suite('the guide to the API', () => {
  let people: People
  let token: string
  before(async () => {
    people = await openPeople()
    const alice = await people.add('alice', true)
    await pushImage(alice.registry, 'team/web', '1.0', {})
    const made = await alice.call('POST', '/tokens', { name: 'guide' })
    token = String(made.body['secret'])
    assert.match(token, /^berth_pat_/u, JSON.stringify(made.body))
  })
  after(() => people[Symbol.asyncDispose]())

  test('shows commands whose answers it promises', async () => {
    assert.ok(commands.length > 10)
    assert.equal(commands.length, expected.length, 'each has its status behind it')
    for (const [index, [, ...words]] of commands.entries()) {
      const { path, ...request } = requestOf(words.map((word) => word.replace('$BERTH_TOKEN', token)))
      const answer = await sendRequest(new URL(path, people.rooms.url).href, request)
      assert.equal(answer.status, expected[index], `${words.join(' ')}: ${answer.body.toString()}`)
      if (words.includes('-i')) assert.equal(answer.headers.etag, '"1"')
      if (answer.status < 400) continue
      assert.match(answer.headers['content-type'] ?? '', /^application\/problem\+json/u)
    }
  })

  test('names addresses that answer', async () => {
    const { root } = people
    for (const path of ['/openapi.json', '/docs/']) {
      assert.ok(guide.includes(`/api/v1${path.replace(/\/$/u, '')}`))
      assert.equal((await root.registry.send(`/api/v1${path}`)).status, 200, path)
    }
  })

  test('shows an error as it is', async () => {
    const example = JSON.parse(/```json\n([\s\S]*?)```/u.exec(guide)?.[1] ?? '') as Readonly<Record<string, unknown>>
    const { body } = await people.root.call('GET', '/users?colour=red')
    assert.deepEqual(Object.keys(body).toSorted(), Object.keys(example).toSorted())
    for (const member of ['type', 'status', 'code']) assert.equal(body[member], example[member])
  })
})
