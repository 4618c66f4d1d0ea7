import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { runVerb } from '../../cli/test-verb.ts'
import { openPeople, password, type People, type Person } from './people.ts'

suite('certificates of the listener over the API and the command line', () => {
  let people: People
  let root: Person
  let reader: Person
  let developer: Person
  before(async () => {
    people = await openPeople({})
    root = people.root
    reader = await people.add('reader')
    developer = await people.add('developer')
    await people.grant(reader, 'system-reader')
  })
  after(() => people[Symbol.asyncDispose]())

  test('are seen by who may see the system, renewed by who may, and unknown to everybody else', async () => {
    assert.deepEqual((await reader.call('GET', '/certificates')).body['items'], [])
    const refused = await developer.call('GET', '/certificates')
    assert.deepEqual([refused.status, refused.body['facts']], [403, { permission: 'certificate:list' }])
    assert.equal((await people.stranger.call('GET', '/certificates')).status, 401)
    for (const person of [reader, developer]) assert.equal((await person.call('POST', '/certificates/renewals', {})).status, 403)
    assert.equal((await people.stranger.call('POST', '/certificates/renewals', {})).status, 401)
    for (const body of [{ host: '' }, { host: 7 }, { hosts: ['a'] }, [], { host: 'a'.repeat(254) }])
      assert.equal((await root.call('POST', '/certificates/renewals', body)).status, 400)
  })

  test('that are files are not renewed, and the answer says who does', async () => {
    const answer = await root.call('POST', '/certificates/renewals', { host: 'a.example' })
    assert.equal(answer.status, 405)
    assert.match(JSON.stringify(answer.body), /http\.tls\.letsencrypt/)
  })

  test('the command prints a table, and one line of JSON for programs', async () => {
    const environment = { BERTH_SERVER: people.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password }
    assert.match((await runVerb(['certificate', 'list'], environment)).lines.join('\n'), /^CERTIFICATE +SOURCE +ENDS +RENEWED +NAMES$/m)
    assert.deepEqual(JSON.parse((await runVerb(['certificate', 'list', '--json'], environment)).lines.join('')), { items: [] })
  })
})
