import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, suite, test } from 'node:test'
import { parse } from 'yaml'
import { pushImage } from '../support/registry-client.ts'
import { until } from '../support/until.ts'
import { openPeople, type ApiReply, type People, type Person } from './people.ts'

const rules = [{ name: 'fresh', keep: { latestPushed: 2 } }]
const policies = '/projects/team/retention-policies'

const decisionsOf = (reply: ApiReply) => (reply.body.items ?? []).map((item) => `${String(item['tag'])} ${String(item['action'])}`)

/** The tags that are there. */
async function tagsOf(person: Person, repository: string): Promise<readonly string[]> {
  const { body } = await person.call('GET', `/repositories/${encodeURIComponent(repository)}/tags`)
  return (body.items ?? []).map(({ name }) => String(name))
}

suite('retention over the API', () => {
  let people: People
  let root: Person
  let admin: Person
  let maintainer: Person
  let guest: Person
  let outsider: Person
  let working: AsyncDisposable
  const run = async (policy: string, dryRun: boolean): Promise<ApiReply> => {
    const started = await admin.call('POST', `${policies}/${policy}/runs`, { dryRun })
    assert.equal(started.status, 201, JSON.stringify(started.body))
    const path = `/projects/team/retention-runs/${String(started.body['id'])}`
    assert.equal(started.location, `/api/v1${path}`)
    let reply = started
    await until('the run ends', async () => {
      reply = await admin.call('GET', path)
      return reply.body['state'] !== 'waiting' && reply.body['state'] !== 'running'
    })
    return reply
  }
  const decisions = async (of: ApiReply, query = '') =>
    await admin.call('GET', `/projects/team/retention-runs/${String(of.body['id'])}/decisions${query}`)
  before(async () => {
    people = await openPeople({ storage: { deleteEnabled: true } }, { memory: true })
    root = people.root
    for (const name of ['team', 'team/web', 'other']) assert.equal((await root.call('POST', '/projects', { name })).status, 201)
    admin = await people.add('admin')
    maintainer = await people.add('maintainer')
    guest = await people.add('guest')
    outsider = await people.add('outsider')
    await people.grant(admin, 'project-admin', 'team')
    await people.grant(maintainer, 'maintainer', 'team')
    await people.grant(guest, 'guest', 'team')
    await people.grant(outsider, 'project-admin', 'other')
    working = people.rooms.jobs.start()
  })
  after(async () => {
    await working[Symbol.asyncDispose]()
    await people[Symbol.asyncDispose]()
  })

  test('policies are made, read, changed with their version, and deleted by those who administer the project', async () => {
    const made = await admin.call('POST', policies, { name: 'life', rules })
    assert.deepEqual([made.status, made.etag, made.location], [201, '"1"', `/api/v1${policies}/life`])
    assert.deepEqual(
      [made.body['unmatched'], made.body['mayEmptyRepositories'], made.body['repositories'], made.body['schedule'], made.body['nextAt']],
      ['keep', false, '**', '', null],
    )
    assert.deepEqual(made.body['rules'], rules)
    assert.equal((await admin.call('POST', policies, { name: 'life', rules })).status, 409)
    assert.equal((await guest.call('GET', `${policies}/life`)).status, 200)
    assert.equal((await guest.call('GET', policies)).body.items?.length, 1)
    for (const person of [maintainer, guest]) {
      assert.equal((await person.call('POST', policies, { name: 'mine', rules })).status, 403)
      assert.equal((await person.call('PATCH', `${policies}/life`, { description: 'x' })).status, 403)
      assert.equal((await person.call('DELETE', `${policies}/life`)).status, 403)
      assert.equal((await person.call('POST', `${policies}/life/runs`, {})).status, 403)
    }
    assert.equal((await outsider.call('GET', `${policies}/life`)).status, 404)
    assert.equal((await outsider.call('GET', '/projects/other/retention-policies/life')).status, 404)
    assert.equal((await people.stranger.call('GET', policies)).status, 401)
    const changed = await admin.call('PATCH', `${policies}/life`, { description: 'told' }, { 'if-match': '"1"' })
    assert.deepEqual([changed.status, changed.etag, changed.body['revision']], [200, '"2"', 1])
    assert.equal((await admin.call('PATCH', `${policies}/life`, { description: 'late' }, { 'if-match': '"1"' })).status, 412)
    const decided = await admin.call('PATCH', `${policies}/life`, { unmatched: 'remove' })
    assert.deepEqual([decided.body['revision'], decided.body['shownRevision']], [2, 0])
    assert.equal((await admin.call('DELETE', `${policies}/life`, undefined, { 'if-match': '"1"' })).status, 412)
    assert.equal((await admin.call('DELETE', `${policies}/life`)).status, 204)
    assert.equal((await admin.call('GET', `${policies}/life`)).status, 404)
    assert.equal((await admin.call('POST', policies, { name: 'life', rules })).status, 201, 'the name is free at once')
    await admin.call('DELETE', `${policies}/life`)
    const { body } = await admin.call('GET', '/projects/team/audit?action=retention-policy.updated')
    assert.ok((body.items ?? []).length >= 2, JSON.stringify(body))
  })

  test('malformed policies are refused, and say what is wrong', async () => {
    const always = { keep: { always: true } }
    const bodies: readonly (readonly [object, RegExp])[] = [
      [{ name: 'a' }, /rules/],
      [{ name: 'A', rules }, /name/],
      [{ name: '!1', rules }, /name/],
      [{ name: 'preview/x', rules }, /name/],
      [{ name: 'a', rules: [] }, /rules/],
      [{ name: 'a', rules: Array.from({ length: 21 }, () => always) }, /rules/],
      [{ name: 'a', rules: [{ keep: {} }] }, /exactly one of latestPushed/],
      [{ name: 'a', rules: [{ keep: { latestPushed: 1, perMinor: 1 } }] }, /exactly one of latestPushed, latestPulled/],
      [{ name: 'a', rules: [{ keep: { latestPushed: 0 } }] }, /1 or more/],
      [{ name: 'a', rules: [{ keep: { latestPushed: 1.5 } }] }, /whole number/],
      [{ name: 'a', rules: [{ keep: { always: false } }] }, /true/],
      [{ name: 'a', rules: [always, { tags: { syntax: 'regex', matches: '(' }, ...always }] }, /rule 2: .*regular expression/],
      [{ name: 'a', rules: [{ tags: { syntax: 'semver', matches: 'x y z' }, ...always }] }, /range of versions/],
      [
        {
          name: 'a',
          rules: [
            { name: 'one', ...always },
            { name: 'one', ...always },
          ],
        },
        /two rules are called one/,
      ],
      [{ name: 'a', rules, repositories: 'Team/**' }, /match no name/],
      [{ name: 'a', rules, schedule: 'never' }, /cron/],
      [{ name: 'a', rules, schedule: '0 3 30 2 *' }, /never comes/],
      [{ name: 'a', rules, timeZone: 'Mars/Olympus' }, /time zone/],
      [{ name: 'a', rules, unmatched: 'delete' }, /keep, remove/],
      [{ name: 'a', rules, revision: 7 }, /revision/],
    ]
    for (const [body, sentence] of bodies) {
      const reply = await admin.call('POST', policies, body)
      assert.equal(reply.status, 400, JSON.stringify(body))
      assert.match(JSON.stringify(reply.body), sentence)
    }
    assert.equal((await admin.call('GET', policies)).body.items?.length, 0)
  })

  test('a policy removes nothing before a dry run has shown what it would remove, and again after each change', async () => {
    for (const tag of ['one', 'two', 'three', 'four']) await pushImage(admin.registry, 'team/app', tag)
    await pushImage(admin.registry, 'team/web/site', 'only')
    assert.equal((await admin.call('POST', policies, { name: 'life', rules })).status, 201)
    const early = await admin.call('POST', `${policies}/life/runs`, { dryRun: false })
    assert.deepEqual([early.status, early.body['detail']], [409, 'the policy is new: run it dry first, and look at what it would remove'])

    const dry = await run('life', true)
    assert.deepEqual([dry.body['state'], dry.body['kept'], dry.body['removed'], dry.body['isDry']], ['done', 3, 2, true])
    assert.deepEqual(await tagsOf(admin, 'team/app'), ['four', 'one', 'three', 'two'])
    assert.deepEqual(decisionsOf(await decisions(dry)), ['four keep', 'one remove', 'three keep', 'two remove', 'only keep'])
    const [first] = (await decisions(dry, '?action=remove&repository=team%2Fapp&tag=one')).body.items ?? []
    assert.deepEqual([first?.['rule'], first?.['reason']], ['fresh', 'not one of the 2 pushed last (fresh)'])
    assert.equal((await guest.call('GET', `/projects/team/retention-runs/${String(dry.body['id'])}/decisions`)).status, 200)
    for (const path of [
      `/projects/team/retention-runs/${String(dry.body['id'])}`,
      `/projects/other/retention-runs/${String(dry.body['id'])}`,
    ]) {
      assert.equal((await outsider.call('GET', path)).status, 404)
      assert.equal((await outsider.call('GET', `${path}/decisions`)).status, 404)
      assert.equal((await outsider.call('POST', `${path}/stop`)).status, 404)
    }

    assert.equal((await admin.call('PATCH', `${policies}/life`, { rules: [{ keep: { latestPushed: 3 } }] })).body['revision'], 2)
    const changed = await admin.call('POST', `${policies}/life/runs`, { dryRun: false })
    assert.deepEqual([changed.status, changed.body['facts']], [409, { revision: 2, shownRevision: 1 }])
    await run('life', true)
    const real = await run('life', false)
    assert.deepEqual([real.body['state'], real.body['kept'], real.body['removed'], real.body['failed']], ['done', 4, 1, 0])
    assert.deepEqual(decisionsOf(await decisions(real, '?action=removed')), ['one removed'])
    assert.deepEqual(await tagsOf(admin, 'team/app'), ['four', 'three', 'two'])
    assert.equal((await admin.call('POST', `/projects/team/retention-runs/${String(real.body['id'])}/stop`)).status, 409)
    const runs = await admin.call('GET', `${policies}/life/runs`)
    assert.deepEqual(
      runs.body.items?.map(({ isDry }) => isDry),
      [false, true, true],
    )
  })

  test('what was removed is told in the audit and waits in the trash', async () => {
    const told = await admin.call('GET', '/projects/team/audit?action=retention.run')
    const [last] = told.body.items ?? []
    assert.deepEqual(
      [last?.['target'], (last?.['detail'] as Record<string, unknown> | undefined)?.['removed']],
      ['retention-policy:team/life', 1],
    )
    const deleted = await admin.call('GET', '/projects/team/audit?action=tag.deleted')
    assert.deepEqual(
      deleted.body.items?.map(({ tag, actor, detail }) => [tag, actor, detail]),
      [['one', 'admin', { reason: 'retention' }]],
    )
    const trash = await admin.call('GET', '/trash?project=team')
    assert.deepEqual(
      trash.body.items?.map(({ kind, reason, tags }) => [kind, reason, tags]),
      [['tag', 'retention', ['one']]],
    )
  })

  test('one that is switched off runs dry only', async () => {
    await admin.call('PATCH', `${policies}/life`, { isEnabled: false })
    const refused = await admin.call('POST', `${policies}/life/runs`, { dryRun: false })
    assert.deepEqual([refused.status, refused.body['detail']], [409, 'the policy is switched off: it can be run dry only'])
    assert.equal((await run('life', true)).body['state'], 'done')
  })

  test('immutable tags stay, and the decision says which rule keeps them', async () => {
    assert.equal((await admin.call('POST', '/projects/team/immutable-tag-rules', { tags: 'rel-*' })).status, 201)
    for (const tag of ['rel-1', 'rel-2', 'b', 'a']) await pushImage(admin.registry, 'team/lib', tag)
    await admin.call('POST', policies, { name: 'libs', rules: [{ keep: { latestPushed: 1 } }], repositories: 'team/lib' })
    await run('libs', true)
    const real = await run('libs', false)
    assert.deepEqual(decisionsOf(await decisions(real)), ['a keep', 'b removed', 'rel-1 keep', 'rel-2 keep'])
    const [kept] = (await decisions(real, '?tag=rel-1')).body.items ?? []
    assert.match(String(kept?.['reason']), /^immutable by rule \d+ of project team \(glob rel-\*\)$/)
    await admin.call('DELETE', `${policies}/libs`)
  })

  test('a policy that is about no repository says so when it is made, changed and run, and its job does', async () => {
    const said = (reply: ApiReply) => reply.body['warnings']
    const made = await admin.call('POST', policies, { name: 'lost', rules, repositories: 'nosuch/**' })
    assert.deepEqual(said(made), ['no repository fits nosuch/**'])
    const dry = await admin.call('POST', `${policies}/lost/runs`, {})
    assert.deepEqual(said(dry), ['no repository fits nosuch/**'])
    await until('the job says so', async () => {
      const { body } = await root.call('GET', `/jobs/${String(dry.body['job'])}/lines`)
      return JSON.stringify(body).includes('no repository fits nosuch/**')
    })
    assert.deepEqual(said(await admin.call('PATCH', `${policies}/lost`, { repositories: 'team/none' })), ['no repository fits team/none'])
    assert.equal(said(await admin.call('PATCH', `${policies}/lost`, { repositories: 'team/a*' })), undefined)
    await admin.call('DELETE', `${policies}/lost`)
  })

  test('rules are tried out on one repository without a policy', async () => {
    const preview = (body: object, person = admin) => person.call('POST', `${policies}/preview`, { repository: 'team/app', rules, ...body })
    const shown = await preview({})
    assert.deepEqual([shown.status, shown.body['kept'], shown.body['removed']], [200, 2, 1])
    const [first] = shown.body['decisions'] as readonly Record<string, unknown>[]
    assert.deepEqual([first?.['tag'], first?.['action']], ['two', 'remove'])
    assert.equal(((await preview({ limit: 1 })).body['decisions'] as readonly unknown[]).length, 1)
    assert.equal((await preview({}, guest)).status, 403)
    assert.equal((await preview({}, outsider)).status, 404)
    for (const repository of ['team/nothing', 'other/app', 'UPPER', '!1', '$1', '#1']) {
      assert.equal((await preview({ repository })).status, 404, repository)
    }
    assert.equal((await preview({ rules: [{ tags: { matches: '[' }, keep: { always: true } }] })).status, 400)
    assert.equal((await preview({ insteadOf: 'nothing' })).status, 404)
    assert.deepEqual(await tagsOf(admin, 'team/app'), ['four', 'three', 'two'])
  })

  test('what another policy of the project or of one above keeps stays', async () => {
    await pushImage(admin.registry, 'team/web/shop', 'stable')
    await pushImage(admin.registry, 'team/web/shop', 'pr-1')
    await pushImage(admin.registry, 'team/web/shop', 'pr-2')
    const nested = '/projects/team%2Fweb/retention-policies'
    await admin.call('POST', policies, { name: 'channels', rules: [{ tags: { matches: 'stable' }, keep: { always: true } }] })
    const preview = { repository: 'team/web/shop', rules: [{ keep: { latestPushed: 1 } }] }
    const shown = await admin.call('POST', `${nested}/preview`, preview)
    assert.deepEqual([shown.body['kept'], shown.body['removed']], [2, 1])
    assert.match(JSON.stringify(shown.body), /always kept, says the policy team\/channels/)
    await admin.call('PATCH', `${policies}/channels`, { isEnabled: false })
    assert.equal((await admin.call('POST', `${nested}/preview`, preview)).body['removed'], 2)
    await admin.call('DELETE', `${policies}/channels`)
  })

  test('the examples of the guide are policies', async () => {
    const guide = readFileSync(new URL('../../docs/guides/retention.md', import.meta.url), 'utf8')
    const examples = [...guide.matchAll(/```yml\n([\s\S]*?)```/g)].map(([, text = '']) => parse(text) as object)
    assert.ok(examples.length >= 4)
    for (const example of examples) {
      const made = await admin.call('POST', policies, { name: 'example', ...example })
      assert.equal(made.status, 201, JSON.stringify(made.body))
      await admin.call('DELETE', `${policies}/example`)
    }
  })

  test('a policy follows the new name of its project', async () => {
    await root.call('POST', '/projects', { name: 'crew' })
    await root.call('POST', '/projects/crew/retention-policies', { name: 'life', rules, repositories: 'crew/app*' })
    assert.equal((await root.call('POST', '/projects/crew/rename', { name: 'gang' })).status, 200)
    const found = await root.call('GET', '/projects/gang/retention-policies/life')
    assert.deepEqual([found.body['repositories'], found.body['project'], found.body['revision']], ['gang/app*', 'gang', 1])
  })
})

test('where nothing may be deleted, a policy runs dry only', async () => {
  await using people = await openPeople({ storage: { deleteEnabled: false } }, { memory: true })
  await people.root.call('POST', '/projects', { name: 'team' })
  await people.root.call('POST', policies, { name: 'life', rules })
  const refused = await people.root.call('POST', `${policies}/life/runs`, { dryRun: false })
  assert.deepEqual([refused.status, refused.body['code']], [405, 'UNSUPPORTED'])
  assert.equal((await people.root.call('POST', `${policies}/life/runs`, {})).status, 201)
  const second = await people.root.call('POST', `${policies}/life/runs`, {})
  assert.deepEqual([second.status, second.body['code']], [409, 'CONFLICT'])
  const project = await people.root.call('PATCH', '/projects/team', { untaggedAfterDays: 7 })
  assert.deepEqual(project.body['warnings'], [
    'deletes are switched off in this registry: manifests without a tag stay for as long as they are',
  ])
  assert.equal((await people.root.call('PATCH', '/projects/team', { untaggedAfterDays: null })).body['warnings'], undefined)
  await pushImage(people.root.registry, 'team/app', 'v1')
  const expires = (expiresAt: string | null) => people.root.call('PATCH', '/repositories/team%2Fapp/tags/v1', { expiresAt })
  assert.deepEqual((await expires('2999-01-01T00:00:00Z')).body['warnings'], [
    'deletes are switched off in this registry: the tag stays for as long as they are',
  ])
  assert.equal((await expires(null)).body['warnings'], undefined)
  // Nobody works on it: it waits.
  const [run] = (await people.root.call('GET', `${policies}/life/runs`)).body.items ?? []
  const path = `/projects/team/retention-runs/${String(run?.['id'])}`
  assert.equal(run?.['state'], 'waiting')
  assert.equal((await people.root.call('POST', `${path}/stop`)).status, 204)
  assert.equal((await people.root.call('GET', path)).body['state'], 'stopped')
  assert.equal((await people.root.call('POST', `${path}/stop`)).status, 409)
  assert.equal((await people.root.call('POST', `${policies}/life/runs`, {})).status, 201)
})
