import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { sealEvents } from '#events/seal.ts'
import { changeEvent } from '#events/test-tampering.ts'
import { newestEventId } from '#metadata/events.ts'
import { pushImage } from '../support/registry-client.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { Browser } from './browser.ts'
import { openPeople, password, type ApiReply, type People, type Person } from './people.ts'

const actions = (reply: ApiReply) => reply.body.items?.map(({ action }) => action)

suite('audit over the API', () => {
  let people: People
  let root: Person
  let alice: Person
  let auditor: Person
  before(async () => {
    people = await openPeople()
    root = people.root
    alice = await people.add('alice')
    auditor = await people.add('auditor')
    for (const name of ['team', 'other']) assert.equal((await root.call('POST', '/projects', { name })).status, 201)
    await people.grant(alice, 'maintainer', 'team')
    await people.grant(auditor, 'auditor', 'team')
    await pushImage(alice.registry, 'team/app', 'v1')
  })
  after(() => people[Symbol.asyncDispose]())

  const seal = async () => {
    const { metadata } = people.rooms.registry
    await sealEvents(metadata, { through: await newestEventId(metadata.reader), now: Date.now() })
  }

  test('a push says who, by which credential and from where', async () => {
    const { body } = await root.call('GET', '/audit?action=tag.moved')
    const record = body.items?.[0]
    const { actor, actorKey, credential, address, repository, project, tag, outcome, count } = record ?? {}
    assert.deepEqual(
      { actor, actorKey, credential, address, repository, project, tag, outcome, count },
      {
        actor: 'alice',
        actorKey: `user:${alice.id}`,
        credential: 'password',
        address: '127.0.0.1',
        repository: 'team/app',
        project: 'team',
        tag: 'v1',
        outcome: 'success',
        count: 1,
      },
    )
    assert.match(String(record?.['digest']), /^sha256:/)
    assert.match(String(record?.['requestId']), /^[0-9a-f-]{36}$/)
  })

  test('a refused request and wrong passwords are recorded, many as one; a challenge is not', async () => {
    assert.equal((await people.stranger.registry.send('/v2/other/x/manifests/v1')).status, 401)
    await alice.call('DELETE', '/users/1')
    const wrong = { headers: { authorization: basicAuthorization('alice', 'wrong') } }
    for (let round = 0; round < 3; round++) assert.equal((await people.stranger.registry.send('/v2/', wrong)).status, 401)
    const { body } = await root.call('GET', '/audit?outcome=failure')
    const found = body.items?.map(({ action, target, actor, count, reason }) => ({ action, target, actor, count, reason }))
    assert.deepEqual(found, [
      { action: 'login.failed', target: 'user:alice', actor: null, count: 3, reason: 'UNAUTHORIZED' },
      { action: 'access.refused', target: 'api:DELETE /users/1', actor: 'alice', count: 1, reason: 'DENIED' },
    ])
  })

  test('a wrong password that is typed in a browser is recorded: to sign in, and to prove again who sits there', async () => {
    const carol = await people.add('carol')
    const browser = new Browser(people.rooms.url)
    const failures = async (target: string) =>
      (await root.call('GET', `/audit?action=login.failed&target=${target}`)).body.items?.map(({ count, reason, address }) => ({
        count,
        reason,
        address,
      }))
    const wrong = await browser.call('POST', '/session', { name: carol.name, password: 'not it' })
    assert.equal(wrong.status, 401)
    assert.deepEqual(await failures('user:carol'), [{ count: 1, reason: 'UNAUTHORIZED', address: '127.0.0.1' }])
    const nobody = await browser.call('POST', '/session', { name: 'nobody-here', password: 'not it' })
    assert.equal(nobody.status, 401)
    assert.equal((await failures('user:nobody-here'))?.length, 1)
    assert.equal((await browser.call('POST', '/session', { name: carol.name, password })).status, 200)
    const again = await browser.call('POST', '/session/elevation', { kind: 'password', password: 'not it either' })
    assert.ok([401, 429].includes(again.status), String(again.status))
    assert.equal(
      (await failures('user:carol'))?.reduce((sum, { count }) => sum + Number(count), 0),
      2,
    )
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' }
    await browser.visit(new URL('/sign-in/elevation', people.rooms.url).href, { method: 'POST', headers, body: 'password=nor+this' })
    assert.equal(
      (await failures('user:carol'))?.reduce((sum, { count }) => sum + Number(count), 0),
      3,
    )
  })

  test('a password that only reads leaves one login, from its address, and none while it is remembered', async () => {
    const logins = async (name: string) =>
      (await root.call('GET', `/audit?action=login.succeeded&actor=${name}`)).body.items?.map(({ target, credential, address, count }) => ({
        target,
        credential,
        address,
        count,
      }))
    for (const [name, read] of [
      ['reader', (reader: Person) => reader.registry.send('/v2/team/app/tags/list')],
      ['looker', (reader: Person) => reader.call('GET', '/projects')],
    ] as const) {
      const reader = await people.add(name)
      await people.grant(reader, 'guest', 'team')
      for (let round = 0; round < 3; round++) await read(reader)
      assert.deepEqual(await logins(name), [{ target: `user:${name}`, credential: 'password', address: '127.0.0.1', count: 1 }], name)
    }
  })

  test('filters narrow the list, and pages follow each other', async () => {
    assert.deepEqual(actions(await root.call('GET', '/audit?action=tag.*&repository=team/app')), ['tag.moved'])
    assert.deepEqual(actions(await root.call('GET', '/audit?action=tag.*&repository=team/none')), [])
    assert.deepEqual(actions(await root.call('GET', '/audit?target=project:team')), ['project.created'])
    assert.deepEqual(actions(await root.call('GET', `/audit?until=${new Date(Date.now() - 3_600_000).toISOString()}`)), [])
    const all = actions(await root.call('GET', `/audit?sort=id&since=${new Date(Date.now() - 3_600_000).toISOString()}`))
    const paged: unknown[] = []
    let cursor = ''
    for (let round = 0; round < 50; round++) {
      const reply = await root.call('GET', `/audit?sort=id&limit=2${cursor}`)
      paged.push(...(actions(reply) ?? []))
      if (reply.body['next'] === undefined) break
      cursor = `&cursor=${reply.body['next'] as string}`
    }
    assert.deepEqual(paged, all)
  })

  for (const query of ['action=*', 'action=tag.%25', 'since=yesterday', 'outcome=maybe', 'limit=0', 'detail=x', 'cursor=AAAA']) {
    test(`${query} is refused`, async () => {
      assert.equal((await root.call('GET', `/audit?${query}`)).status, 400)
    })
  }

  test('a project’s auditor sees what happened in it and nothing else', async () => {
    const seen = await auditor.call('GET', '/projects/team/audit')
    assert.ok(seen.body.items?.every(({ project }) => project === 'team'))
    assert.ok(actions(seen)?.includes('manifest.pushed'))
    assert.equal((await auditor.call('GET', '/audit')).status, 403)
    assert.equal((await auditor.call('GET', '/projects/other/audit')).status, 404)
    assert.equal((await alice.call('GET', '/projects/team/audit')).status, 403)
    assert.equal((await people.stranger.call('GET', '/projects/team/audit')).status, 401)
  })

  test('a renamed project keeps its history', async () => {
    await root.call('POST', '/projects', { name: 'before' })
    const renamed = await root.call('POST', '/projects/before/rename', { name: 'behind' })
    assert.equal(renamed.status, 200)
    assert.ok(actions(await root.call('GET', '/projects/behind/audit'))?.includes('project.created'))
  })

  test('the history stays a renamed project’s when another takes its name, and is asked for in either way', async () => {
    const { body } = await root.call('POST', '/projects', { name: 'p1', description: 'first' })
    await pushImage(root.registry, 'p1/app', 'v1')
    assert.equal((await root.call('POST', '/projects/p1/rename', { name: 'p2' })).status, 200)
    const first = ['project.created', 'grant.created', 'repository.created', 'manifest.pushed', 'tag.moved', 'project.renamed']
    for (const path of [
      '/projects/p1/audit?sort=id',
      '/projects/p2/audit?sort=id',
      '/audit?project=p1&sort=id',
      '/audit?project=p2&sort=id',
    ])
      assert.deepEqual(actions(await root.call('GET', path)), first, path)
    assert.equal((await root.call('POST', '/projects', { name: 'p1' })).status, 201)
    for (const path of ['/projects/p2/audit?sort=id', '/audit?project=p2&sort=id']) {
      const reply = await root.call('GET', path)
      assert.deepEqual(actions(reply), first, path)
      assert.deepEqual(new Set(reply.body.items?.map(({ projectId }) => projectId)), new Set([body['id']]))
      assert.deepEqual(new Set(reply.body.items?.map(({ project }) => project)), new Set(['p1', 'p2']))
    }
    for (const path of ['/projects/p1/audit', '/audit?project=p1'])
      assert.deepEqual(actions(await root.call('GET', path)), ['grant.created', 'project.created'], path)
  })

  test('of a project that is gone the records are found by its name; who makes it anew does not get them', async () => {
    await root.call('POST', '/projects', { name: 'gone' })
    assert.equal((await root.call('DELETE', '/projects/gone')).status, 204)
    assert.deepEqual(actions(await root.call('GET', '/audit?project=gone')), ['project.deleted', 'grant.created', 'project.created'])
    await new Promise((resolve) => setTimeout(resolve, 2))
    await root.call('POST', '/projects', { name: 'gone' })
    for (const path of ['/projects/gone/audit', '/audit?project=gone'])
      assert.deepEqual(actions(await root.call('GET', path)), ['grant.created', 'project.created'], path)
  })

  test('a project’s auditor exports what happened in it, and the project’s log says so', async () => {
    const { body, status } = await auditor.registry.send('/api/v1/projects/team/audit/export?action=tag.moved')
    assert.equal(status, 200)
    const lines = body.toString().trimEnd().split('\n')
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as Record<string, unknown>)['organization.name']),
      ['team'],
    )
    const csv = (await auditor.registry.send('/api/v1/projects/team/audit/export?format=csv')).body.toString().trimEnd().split('\r\n')
    const column = csv[0]?.split(',').indexOf('project') ?? -1
    assert.ok(csv.length > 2)
    assert.deepEqual(new Set(csv.slice(1).map((row) => row.split(',')[column])), new Set(['team']))
    const recorded = await auditor.call('GET', '/projects/team/audit?action=audit.exported')
    assert.deepEqual(
      recorded.body.items?.map(({ actor, target }) => [actor, target]),
      [
        ['auditor', 'project:team'],
        ['auditor', 'project:team'],
      ],
    )
    assert.equal((await alice.call('GET', '/projects/team/audit/export')).status, 403)
    assert.equal((await auditor.call('GET', '/projects/other/audit/export')).status, 404)
    assert.equal((await people.stranger.call('GET', '/projects/team/audit/export')).status, 401)
    assert.equal((await auditor.call('GET', '/projects/team/audit/export?project=other')).status, 400)
  })

  test('an export is recorded, streams all records, and a spreadsheet finds no formula in it', async () => {
    const evil = { headers: { 'user-agent': '=HYPERLINK("http://evil","x")', authorization: basicAuthorization('@mallory', 'x') } }
    await people.stranger.registry.send('/v2/', evil)
    const csv = await root.registry.send('/api/v1/audit/export?format=csv')
    assert.equal(csv.headers['content-type'], 'text/csv; charset=utf-8')
    const rows = csv.body.toString().trimEnd().split('\r\n')
    assert.ok(rows[0]?.startsWith('id,at,action,outcome,'))
    assert.ok(rows.some((row) => row.includes(`"'=HYPERLINK(""http://evil"",""x"")"`)))
    assert.doesNotMatch(csv.body.toString(), /(?:^|,)"?[=@+]/m)
    const json = await root.registry.send('/api/v1/audit/export?action=tag.moved&repository=team/app')
    const lines = json.body.toString().trimEnd().split('\n')
    assert.deepEqual(
      lines.map((line) => {
        const { action, 'user.name': user, 'container.image.name': image } = JSON.parse(line) as Record<string, unknown>
        return { action, user, image }
      }),
      [{ action: 'tag.moved', user: 'alice', image: 'team/app' }],
    )
    assert.equal(actions(await root.call('GET', '/audit?action=audit.exported&target=system'))?.length, 2)
    assert.equal((await auditor.call('GET', '/audit/export')).status, 403)
  })

  test('verification finds nothing wrong, then a changed record', async () => {
    await seal()
    const fine = await root.call('GET', '/audit/verification')
    assert.equal(fine.body['fault'], null)
    assert.equal(fine.body['next'], null)
    const { hash } = fine.body['head'] as { hash: string }
    assert.equal((await root.call('GET', `/audit/verification?expected=${hash}`)).body['isExpectedFound'], true)
    await people.rooms.registry.metadata.write(changeEvent, 2)
    const { fault } = (await root.call('GET', '/audit/verification')).body as { fault: { kind: string; firstId: number } }
    assert.deepEqual({ kind: fault.kind, firstId: fault.firstId }, { kind: 'content', firstId: 1 })
  })
})
