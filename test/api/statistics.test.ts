import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runVerb } from '../../cli/test-verb.ts'
import { pushImage } from '../support/registry-client.ts'
import { openPeople, password, type ApiReply } from './people.ts'

test('pulls, pushes and requests are in the statistics of their project and of everything', async () => {
  await using people = await openPeople()
  const { root, rooms } = people
  await root.call('POST', '/projects', { name: 'team' })
  await pushImage(root.registry, 'team/app', 'v1')
  await pushImage(root.registry, 'other', 'v1')
  const path = '/v2/team/app/manifests/v1'
  const accept = { accept: '*/*' }
  for (let pull = 0; pull < 3; pull++) assert.equal((await root.registry.send(path, { headers: accept })).status, 200)
  assert.equal((await root.registry.send(path, { method: 'HEAD', headers: accept })).status, 200)
  assert.equal((await root.registry.send('/v2/team/app/manifests/none', { headers: accept })).status, 404)
  await rooms.traffic.flush()
  const last = ({ body }: ApiReply) => body.items?.at(-1)
  const project = await root.call('GET', '/projects/team/statistics')
  assert.equal(project.body.items?.length, 24)
  const sums = (reply: ApiReply, member: string) => reply.body.items?.reduce((sum, item) => sum + Number(item[member]), 0)
  assert.deepEqual([sums(project, 'pulls'), sums(project, 'pushes'), sums(project, 'errors')], [3, 1, 0])
  assert.deepEqual(Object.keys(last(project) ?? {}).toSorted(), ['at', 'errors', 'logicalBytes', 'pulls', 'pushes', 'storedBytes'])
  const all = await root.call('GET', '/statistics?step=day')
  assert.equal(all.body.items?.length, 30)
  assert.deepEqual([sums(all, 'pulls'), sums(all, 'pushes')], [3, 2])
  assert.ok((sums(all, 'requests') ?? 0) > 8)
  assert.equal(typeof last(all)?.['latencyP99Ms'], 'number')

  const environment = { BERTH_SERVER: rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password }
  const { lines } = await runVerb(['statistics', '--project', 'team', '--step', 'day'], environment)
  assert.match(lines.join('\n'), /^AT +PULLS +PUSHES +ERRORS +STORED +LOGICAL\n(?:.*\n)*\S+ +3 +1 +0 +/)
  const { lines: json } = await runVerb(
    ['statistics', '--json', '--from', '2026-01-01', '--to', '2026-01-02', '--step', 'day'],
    environment,
  )
  assert.equal((JSON.parse(json.join('\n')) as { readonly from: string }).from, '2026-01-01T00:00:00.000Z')
  await assert.rejects(runVerb(['statistics', '--from', 'soon'], environment), /--from is a day/)
})

test('statistics of everything are for who may see the system, of a project for who sees it', async () => {
  await using people = await openPeople()
  const { root } = people
  for (const name of ['team', 'open']) await root.call('POST', '/projects', { name, isPublic: name === 'open' })
  const member = await people.add('member')
  const reader = await people.add('reader')
  await people.grant(member, 'limited-guest', 'team')
  await people.grant(reader, 'system-reader')
  const statusOf = async (person: typeof root, path: string) => (await person.call('GET', path)).status
  for (const [path, statuses] of [
    ['/statistics', [200, 200, 403, 401]],
    ['/projects/team/statistics', [200, 200, 200, 401]],
    ['/projects/open/statistics', [200, 200, 200, 200]],
    ['/projects/none/statistics', [404, 404, 404, 401]],
  ] as const)
    assert.deepEqual(await Promise.all([root, reader, member, people.stranger].map((person) => statusOf(person, path))), statuses, path)
  for (const query of [
    'step=week',
    'from=yesterday',
    'from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z',
    'step=hour&from=1970-01-01T00:00:00Z',
    'day=1',
  ])
    assert.equal(await statusOf(root, `/statistics?${query}`), 400, query)
})
