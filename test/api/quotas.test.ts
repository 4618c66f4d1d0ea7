import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { digestOfBytes, pushImage } from '../support/registry-client.ts'
import { startUpload } from '../support/upload.ts'
import { openPeople, type ApiReply, type People, type Person } from './people.ts'

const usedOf = (reply: ApiReply) => reply.body['used'] as Readonly<Record<string, number>>

suite('quotas and usage over the API', () => {
  let people: People
  let root: Person
  let developer: Person
  let outsider: Person
  before(async () => {
    people = await openPeople()
    root = people.root
    for (const name of ['team', 'team/sub', 'other']) assert.equal((await root.call('POST', '/projects', { name })).status, 201)
    developer = await people.add('developer')
    outsider = await people.add('outsider')
    await people.grant(developer, 'developer', 'team')
    await people.grant(outsider, 'maintainer', 'other')
  })
  after(() => people[Symbol.asyncDispose]())

  test('limits are set by administrators, and read by those who see the project', async () => {
    const none = await developer.call('GET', '/projects/team/quota')
    assert.deepEqual([none.status, none.etag, none.body['bytesMax'], none.body['updatedAt']], [200, '"0"', null, null])
    assert.equal((await developer.call('PUT', '/projects/team/quota', { bytesMax: 1 })).status, 403)
    assert.equal((await outsider.call('GET', '/projects/team/quota')).status, 404)
    assert.equal((await outsider.call('GET', '/projects/team/usage')).status, 404)
    assert.equal((await people.stranger.call('GET', '/projects/team/quota')).status, 401)
    assert.equal((await developer.call('GET', '/quotas')).status, 403)
    const set = await root.call('PUT', '/projects/team/quota', { bytesMax: 1_000_000, tagsMax: 3 }, { 'if-match': '"0"' })
    assert.deepEqual(
      [set.status, set.etag, set.body['tagsMax'], set.body['repositoriesMax'], set.body['warnPercent']],
      [200, '"1"', 3, null, 80],
    )
    assert.equal((await root.call('PUT', '/projects/team/quota', { bytesMax: 5 }, { 'if-match': '"0"' })).status, 412)
    const listed = await root.call('GET', '/quotas')
    assert.deepEqual(
      listed.body.items?.map(({ project }) => project),
      ['team'],
    )
    assert.equal((await root.call('DELETE', '/projects/team/quota', undefined, { 'if-match': '"9"' })).status, 412)
    assert.equal((await root.call('DELETE', '/projects/team/quota')).status, 204)
    assert.equal((await developer.call('GET', '/projects/team/quota')).body['bytesMax'], null)
  })

  test('malformed limits are refused', async () => {
    for (const body of [
      { bytesMax: -1 },
      { bytesMax: 1.5 },
      { bytesMax: '10GiB' },
      { bytesMax: 2 ** 60 },
      { tagsMax: true },
      { warnPercent: 0 },
      { warnPercent: 101 },
      { warnPercent: null },
      { unknown: 1 },
      [],
    ])
      assert.equal((await root.call('PUT', '/projects/team/quota', body)).status, 400, JSON.stringify(body))
    assert.equal((await root.call('PUT', '/projects/nowhere/quota', {})).status, 404)
  })

  test('a list of limits comes page by page, in order', async () => {
    for (const name of ['other', 'team', 'team/sub'])
      await root.call('PUT', `/projects/${encodeURIComponent(name)}/quota`, { bytesMax: 9_000_000 })
    const names: unknown[] = []
    let path = '/quotas?limit=1&sort=-project'
    for (;;) {
      const page = await root.call('GET', path)
      names.push(...(page.body.items ?? []).map(({ project }) => project))
      if (page.body['next'] === undefined) break
      path = `/quotas?limit=1&sort=-project&cursor=${encodeURIComponent(page.body['next'] as string)}`
    }
    assert.deepEqual(names, ['team/sub', 'team', 'other'])
    for (const name of names) await root.call('DELETE', `/projects/${encodeURIComponent(String(name))}/quota`)
  })

  test('a push that does not fit is refused with words that Docker shows, before its bytes are sent, and is on record', async () => {
    const { registry } = developer
    await root.call('PUT', '/projects/team/quota', { bytesMax: 100_000 })
    const bytes = randomBytes(100_001)
    const upload = await startUpload(registry, people.rooms.url, 'team/full')
    const refused = await registry.send(upload, { method: 'PATCH', body: bytes })
    assert.equal(refused.status, 403)
    const { errors } = JSON.parse(refused.body.toString()) as { errors: { code: string; message: string; detail: object }[] }
    assert.equal(errors[0]?.code, 'DENIED')
    assert.match(errors[0]?.message ?? '', /^quota of project team exceeded: 0 B of 97\.7 KiB used, and this needs 97\.7 KiB more$/)
    assert.deepEqual(errors[0]?.detail, { project: 'team', unit: 'bytes', limit: 100_000, used: 0, more: 100_001 })
    assert.equal((await registry.send(upload)).status, 404)
    const whole = `/v2/team/full/blobs/uploads/?digest=${digestOfBytes(bytes)}`
    for (let time = 0; time < 3; time++) assert.equal((await registry.send(whole, { method: 'POST', body: bytes })).status, 403)
    const events = await root.call('GET', '/audit?action=quota.exceeded')
    const counts = (events.body.items ?? []).map(({ project, actor, outcome, count }) => [project, actor, outcome, count])
    assert.deepEqual(counts, [['team', 'developer', 'failure', 4]])
    await root.call('DELETE', '/projects/team/quota')
  })

  test('usage is that of the project with those below it, of a repository, and of everything', async () => {
    await pushImage(developer.registry, 'team/app', 'v1')
    await pushImage(root.registry, 'team/sub/app', 'v1')
    const team = await developer.call('GET', '/projects/team/usage')
    const app = await developer.call('GET', '/repositories/team%2Fapp/usage')
    assert.equal(app.status, 200)
    assert.equal(app.body['repositories'], 1)
    assert.equal(app.body['isExact'], true)
    assert.ok(Number(team.body['bytes']) >= Number(app.body['bytes']))
    assert.equal(Number(team.body['manifests']), 2)
    assert.equal((await developer.call('GET', '/system/usage')).status, 403)
    assert.equal((await root.call('GET', '/system/usage')).body['manifests'], 2)
    assert.equal((await outsider.call('GET', '/repositories/team%2Fapp/usage')).status, 404)
  })

  test('projects that are made from now on have the default limits, those before have not', async () => {
    const limits = { bytesMax: 500, repositoriesMax: null, tagsMax: null, warnPercent: 90 }
    assert.equal((await root.call('PATCH', '/system/settings', { defaultQuota: limits })).status, 200)
    await root.call('POST', '/projects', { name: 'fresh' })
    const quota = await root.call('GET', '/projects/fresh/quota')
    assert.deepEqual([quota.body['bytesMax'], quota.body['warnPercent'], usedOf(quota)['bytes']], [500, 90, 0])
    assert.equal((await root.call('GET', '/projects/other/quota')).body['bytesMax'], null)
    assert.equal((await root.call('PATCH', '/system/settings', { defaultQuota: { ...limits, warnPercent: 0 } })).status, 400)
    assert.equal((await root.call('PATCH', '/system/settings', { defaultQuota: null })).status, 200)
  })
})
