import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runVerb } from '../../cli/test-verb.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { openLive, type LiveClient } from '../support/live-client.ts'
import { pushImage } from '../support/registry-client.ts'
import { until } from '../support/until.ts'
import { openPeople, password, type People, type Person } from './people.ts'

const quick = { perAccount: 2, perProcess: 3, unreadBytes: 64 * 1024, heartbeatMs: 40, lookMs: 50 }

function connect(people: People, person: Person, query: string, headers: Readonly<Record<string, string>> = {}): Promise<LiveClient> {
  const authorization = person.name === '' ? {} : { authorization: basicAuthorization(person.name, password) }
  return openLive(`${people.rooms.url}api/v1/live?${query}`, { ...authorization, ...headers })
}

test('activity is told as it happens, with the ids and in the words of the audit list', async () => {
  await using people = await openPeople()
  const { root } = people
  using live = await connect(people, root, 'topics=activity')
  assert.deepEqual([live.status, live.contentType], [200, 'text/event-stream; charset=utf-8'])
  await live.next('begin')
  await root.call('POST', '/projects', { name: 'team' })
  const { id, data } = await live.next('activity')
  const { body } = await root.call('GET', '/audit?action=project.created')
  assert.deepEqual(data, body.items?.[0])
  assert.equal(id, String(data['id']))
})

test('who comes back goes on where they were, and misses nothing', async () => {
  await using people = await openPeople()
  const { root } = people
  using first = await connect(people, root, 'topics=activity')
  const began = await first.next('begin')
  first[Symbol.dispose]()
  const names = Array.from({ length: 150 }, (_, at) => `label-${at}`)
  for (const name of names) assert.equal((await root.call('POST', '/labels', { name })).status, 201)
  using again = await connect(people, root, 'topics=activity', { 'last-event-id': began.id ?? '' })
  await until('all of them', () => again.messages.filter(({ event }) => event === 'activity').length >= names.length)
  const told = again.messages.filter(({ event }) => event === 'activity')
  assert.deepEqual(
    told.map(({ data }) => (data['detail'] as { readonly name?: string }).name ?? data['target']),
    [...new Set(told.map(({ data }) => (data['detail'] as { readonly name?: string }).name ?? data['target']))],
    'each once',
  )
  assert.deepEqual(
    told.map(({ id }) => Number(id)),
    told.map(({ id }) => Number(id)).toSorted((one, other) => one - other),
  )
  await root.call('POST', '/labels', { name: 'after-all' })
  await until('the next one', () => again.messages.filter(({ event }) => event === 'activity').length > names.length)
  using future = await connect(people, root, `topics=activity&after=999999999999`)
  assert.equal(future.status, 200)
  assert.equal(typeof (await future.next('missed')).data['after'], 'number', 'a place that is not there yet, as in a restored database')
})

test('each sees what the lists would show them, and is refused as there', async () => {
  await using people = await openPeople()
  const { root } = people
  for (const name of ['team', 'other']) await root.call('POST', '/projects', { name })
  const member = await people.add('member')
  await people.grant(member, 'auditor', 'team')
  const statusOf = async (person: Person, query: string) => {
    using live = await connect(people, person, query)
    return live.status
  }
  assert.equal(await statusOf(people.stranger, 'topics=activity'), 401)
  assert.equal(await statusOf(member, 'topics=activity'), 403)
  assert.equal(await statusOf(member, 'topics=jobs'), 403)
  assert.equal(await statusOf(member, 'topics=activity,jobs&project=team'), 403)
  assert.equal(await statusOf(member, 'topics=activity&project=other'), 404)
  assert.equal(await statusOf(member, 'topics=activity&project=none'), 404)
  for (const wrong of ['', 'topics=', 'topics=all', 'topics=jobs&after=-1', 'topics=jobs&topics=jobs'])
    assert.equal(await statusOf(root, wrong), 400)
  using live = await connect(people, member, 'topics=activity&project=team')
  await live.next('begin')
  await pushImage(root.registry, 'other/app', 'latest')
  await pushImage(root.registry, 'team/app', 'latest')
  const { data } = await live.next('activity')
  assert.equal(data['project'], 'team')
  assert.ok(live.messages.every((message) => message.data['project'] === 'team'))
})

test('jobs are told as they are, then whenever they change', async () => {
  await using people = await openPeople()
  const { root, rooms } = people
  const { jobId: waiting } = await rooms.jobs.enqueue({
    kind: 'test-talk',
    createdBy: 'test',
    payload: {},
    runAfter: Date.now() + 3_600_000,
  } as never)
  using live = await connect(people, root, 'topics=jobs')
  const first = await live.next('job')
  assert.deepEqual([first.data['id'], first.data['state'], first.id], [waiting, 'waiting', undefined])
  await using _working = rooms.jobs.start()
  const { jobId } = await rooms.jobs.enqueue({ kind: 'test-talk', createdBy: 'test', payload: {} })
  const isDone = () => live.messages.find(({ event, data }) => event === 'job' && data['id'] === jobId && data['state'] === 'done')
  await until('its end', () => isDone() !== undefined)
  const { body } = await root.call('GET', `/jobs/${jobId}`)
  assert.deepEqual(isDone()?.data, body)
  await root.call('POST', `/jobs/${waiting}/stop`)
  await until('the stop', () => live.messages.some(({ data }) => data['id'] === waiting && data['state'] === 'stopped'))
})

test('a right that goes ends the connection', async () => {
  await using people = await openPeople({}, { live: quick })
  const { root } = people
  await root.call('POST', '/projects', { name: 'team' })
  const member = await people.add('member')
  await people.grant(member, 'auditor', 'team')
  using live = await connect(people, member, 'topics=activity&project=team')
  await live.next('begin')
  await until('signs of life', () => live.comments > 2)
  assert.equal(live.isOver, false)
  const { body } = await root.call('GET', '/projects/team/grants')
  const grant = body.items?.find((each) => JSON.stringify(each).includes('member'))
  assert.equal((await root.call('DELETE', `/projects/team/grants/${String(grant?.['id'])}`)).status, 204)
  assert.deepEqual((await live.next('end')).data, { reason: 'right' })
  await live.ended()
})

test('a session that ends takes its connection with it, and an open page keeps none alive', async () => {
  await using people = await openPeople({}, { live: quick })
  const { root, rooms } = people
  const { headers } = await people.stranger.registry.send('/api/v1/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: rooms.url.slice(0, -1) },
    body: JSON.stringify({ name: 'root', password }),
  })
  const cookie = (headers['set-cookie'] ?? []).map((each) => each.split(';')[0] ?? '').join('; ')
  using live = await connect(people, people.stranger, 'topics=activity', { cookie })
  assert.equal(live.status, 200)
  await live.next('begin')
  const { reader } = rooms.registry.metadata
  const before = await reader.selectFrom('sessions').select(['id', 'last_seen_at']).executeTakeFirstOrThrow()
  await until('several looks', () => live.comments > 5)
  const now = await reader.selectFrom('sessions').select('last_seen_at').executeTakeFirstOrThrow()
  assert.equal(now.last_seen_at, before.last_seen_at)
  assert.equal((await root.call('DELETE', `/sessions/${before.id}`)).status, 204)
  assert.deepEqual((await live.next('end')).data, { reason: 'right' })
})

test('the command line follows the log, from a record on', async () => {
  await using people = await openPeople()
  const { root } = people
  await root.call('POST', '/projects', { name: 'team' })
  const environment = { BERTH_SERVER: people.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password }
  const { lines } = await runVerb(['audit', 'follow', '--after', '0', '--action', 'project.*', '--count', '1'], environment)
  assert.match(lines.join('\n'), /^AT .*\n\S+ +project.created +success +root /)
  const { lines: json } = await runVerb(['audit', 'follow', '--project', 'team', '--after', '0', '--count', '1', '--json'], environment)
  assert.equal((JSON.parse(json.join('')) as { readonly action: string }).action, 'project.created')
  await assert.rejects(runVerb(['audit', 'follow', '--project', 'none'], environment), /RESOURCE_UNKNOWN/)
  await assert.rejects(runVerb(['audit', 'follow'], { ...environment, BERTH_TOKEN: 'wrong' }), /UNAUTHORIZED/)
})

test('an account has so many connections, and a process', async () => {
  await using people = await openPeople({}, { live: quick })
  const { root } = people
  const other = await people.add('other', true)
  const open: LiveClient[] = []
  for (const person of [root, root, other]) open.push(await connect(people, person, 'topics=jobs'))
  for (const person of [root, other]) {
    using refused = await connect(people, person, 'topics=jobs')
    assert.equal(refused.status, 429)
  }
  open[0]?.[Symbol.dispose]()
  await until('room for another', async () => {
    using another = await connect(people, other, 'topics=jobs')
    return another.status === 200
  })
  for (const live of open) live[Symbol.dispose]()
  const head = await root.registry.send('/api/v1/live?topics=jobs', { method: 'HEAD' })
  assert.equal(head.status, 200, 'which has no stream to hold')
})

test('a server that ends says so, and waits for no follower', async () => {
  const people = await openPeople({}, { live: { ...quick, lookMs: 60_000 } })
  using live = await connect(people, people.root, 'topics=activity,jobs')
  await live.next('begin')
  const before = performance.now()
  await people[Symbol.asyncDispose]()
  assert.deepEqual((await live.next('end')).data, { reason: 'closing' })
  assert.ok(performance.now() - before < 5_000)
})
