import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { pushImage, type PushedImage } from '../support/registry-client.ts'
import { openPeople, type ApiReply, type People, type Person } from './people.ts'

const rules = '/projects/team/immutable-tag-rules'
const tags = '/repositories/team%2Fapp/tags'
const idOf = (reply: ApiReply) => Number(reply.body['id'])

suite('immutable tag rules over the API', () => {
  let people: People
  let root: Person
  let developer: Person
  let maintainer: Person
  let owner: Person
  let outsider: Person
  let image: PushedImage
  before(async () => {
    people = await openPeople()
    root = people.root
    for (const name of ['team', 'other']) assert.equal((await root.call('POST', '/projects', { name })).status, 201)
    developer = await people.add('developer')
    maintainer = await people.add('maintainer')
    owner = await people.add('owner')
    outsider = await people.add('outsider')
    await people.grant(developer, 'developer', 'team')
    await people.grant(maintainer, 'maintainer', 'team')
    await people.grant(owner, 'project-admin', 'team')
    await people.grant(outsider, 'project-admin', 'other')
    image = await pushImage(developer.registry, 'team/app', 'v1')
  })
  after(() => people[Symbol.asyncDispose]())

  test('are kept by who administers the project, seen by its members, and recorded', async () => {
    const made = await owner.call('POST', rules, { tags: 'v*' })
    assert.deepEqual([made.status, made.etag, made.location], [201, '"1"', `/api/v1${rules}/${idOf(made)}`])
    const { createdAt: _created, updatedAt: _updated, id, ...members } = made.body
    assert.deepEqual(members, {
      project: 'team',
      repositories: '**',
      tagSyntax: 'glob',
      tags: 'v*',
      description: '',
      isEnabled: true,
      createdBy: 'owner',
      version: 1,
    })
    const path = `${rules}/${String(id)}`
    for (const person of [developer, maintainer]) {
      assert.equal((await person.call('GET', rules)).body.items?.length, 1)
      assert.equal((await person.call('GET', path)).status, 200)
      for (const [method, place, body] of [
        ['POST', rules, { tags: 'x' }],
        ['PATCH', path, { tags: 'x' }],
        ['DELETE', path],
      ] as const) {
        assert.equal((await person.call(method, place, body)).status, 403, `${person.name} ${method}`)
      }
    }
    assert.equal((await people.stranger.call('GET', rules)).status, 401)
    const changed = await owner.call('PATCH', path, { tags: 'release-*', description: 'why' }, { 'if-match': '"1"' })
    assert.deepEqual([changed.etag, changed.body['tags'], changed.body['description']], ['"2"', 'release-*', 'why'])
    assert.equal((await owner.call('PATCH', path, { tags: 'x' }, { 'if-match': '"1"' })).status, 412)
    assert.equal((await owner.call('DELETE', path, undefined, { 'if-match': '"1"' })).status, 412)
    assert.equal((await owner.call('DELETE', path)).status, 204)
    assert.equal((await owner.call('GET', path)).status, 404)
    const audit = await root.call('GET', '/audit?action=immutable-rule.*&sort=id')
    assert.equal(audit.status, 200)
    assert.deepEqual(
      audit.body.items?.map(({ action, actor, project }) => [action, actor, project]),
      ['created', 'updated', 'deleted'].map((verb) => [`immutable-rule.${verb}`, 'owner', 'team']),
    )
  })

  test('of one project are not reached through another', async () => {
    const id = idOf(await owner.call('POST', rules, { tags: 'nothing' }))
    for (const [method, body] of [['GET'], ['PATCH', { tags: 'x' }], ['DELETE']] as const) {
      assert.equal((await outsider.call(method, `/projects/other/immutable-tag-rules/${id}`, body)).status, 404)
      assert.equal((await outsider.call(method, `${rules}/${id}`, body)).status, 404)
    }
    assert.equal((await owner.call('DELETE', `${rules}/${id}`)).status, 204)
  })

  test('that mean nothing are refused in a sentence', async () => {
    const bad = [
      [{}, undefined],
      [{ tags: '' }, undefined],
      [{ tags: 'a\nb' }, undefined],
      [{ tags: 'x'.repeat(257) }, undefined],
      [{ tags: 'x', tagSyntax: 'perl' }, undefined],
      [{ tags: 'x', project: 'other' }, undefined],
      [{ tags: '(a', tagSyntax: 'regex' }, /tags: the pattern is no regular expression \(RE2\): missing closing \)/],
      [{ tags: '(?=a)', tagSyntax: 'regex' }, /RE2/],
      [{ tags: '[a' }, /tags: the pattern has a \[ without its \]/],
      [{ tags: 'newest', tagSyntax: 'semver' }, /no range of versions/],
      [{ tags: 'x', repositories: 'TEAM' }, /repositories: this glob can match no repository/],
    ] as const
    for (const [body, sentence] of bad) {
      const reply = await owner.call('POST', rules, body)
      assert.equal(reply.status, 400, JSON.stringify(body))
      if (sentence !== undefined) assert.match(String(reply.body['detail']), sentence)
    }
    assert.deepEqual((await owner.call('GET', rules)).body.items, [])
  })

  test('keep tags from being moved and deleted, over /v2 and the API, and tags say so', async () => {
    const id = idOf(await owner.call('POST', rules, { tags: '^v\\d+$', tagSyntax: 'regex' }))
    const other = await pushImage(developer.registry, 'team/app', 'other', { files: { a: 'different' } })
    const push = await developer.registry.send('/v2/team/app/manifests/v1', {
      method: 'PUT',
      body: other.bytes,
      headers: { 'content-type': other.descriptor.mediaType },
    })
    assert.equal(push.status, 409)
    const { errors } = JSON.parse(push.body.toString()) as { errors: { code: string; message: string; detail: object }[] }
    assert.equal(errors[0]?.code, 'TAG_IMMUTABLE')
    assert.equal(errors[0]?.message, `the tag v1 of team/app is immutable: rule ${id} of project team (regex ^v\\d+$) keeps it as it is`)
    assert.deepEqual(errors[0]?.detail, { repository: 'team/app', tag: 'v1', project: 'team', rule: id, pattern: '^v\\d+$' })
    for (const [method, path, body] of [
      ['DELETE', `${tags}/v1`],
      ['POST', tags, { name: 'v1', digest: other.descriptor.digest }],
      ['DELETE', `/repositories/team%2Fapp/manifests/${image.descriptor.digest}`],
      ['DELETE', '/repositories/team%2Fapp'],
    ] as const) {
      const reply = await root.call(method, path, body)
      assert.deepEqual([reply.status, reply.body['code']], [409, 'TAG_IMMUTABLE'], `${method} ${path}`)
    }
    for (const reference of ['v1', image.descriptor.digest]) {
      assert.equal((await root.registry.send(`/v2/team/app/manifests/${reference}`, { method: 'DELETE' })).status, 409)
    }
    assert.equal(await developer.registry.digestOf('team/app', 'v1'), image.descriptor.digest)
    const listed = await developer.call('GET', tags)
    assert.deepEqual(
      listed.body.items?.map(({ name, isImmutable }) => [name, isImmutable]),
      [
        ['other', false],
        ['v1', true],
      ],
    )
    // The same again is no change.
    await developer.registry.pushManifest('team/app', 'v1', image.bytes)
    assert.equal((await owner.call('PATCH', `${rules}/${id}`, { isEnabled: false })).status, 200)
    assert.equal((await maintainer.call('DELETE', `${tags}/v1`)).status, 204)
  })
})

suite('the expiry of tags over the API', () => {
  let people: People
  let developer: Person
  let guest: Person
  before(async () => {
    people = await openPeople()
    await people.root.call('POST', '/projects', { name: 'team' })
    developer = await people.add('developer')
    guest = await people.add('guest')
    await people.grant(developer, 'developer', 'team')
    await people.grant(guest, 'guest', 'team')
    await pushImage(developer.registry, 'team/app', 'v1')
  })
  after(() => people[Symbol.asyncDispose]())

  test('is set, shown, recorded, and taken back', async () => {
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    const { etag } = await guest.call('GET', `${tags}/v1`)
    const set = await developer.call('PATCH', `${tags}/v1`, { expiresAt }, { 'if-match': etag ?? '' })
    assert.deepEqual([set.status, set.body['expiresAt'], set.etag], [200, expiresAt, etag])
    assert.equal((await guest.call('GET', tags)).body.items?.[0]?.['expiresAt'], expiresAt)
    const back = await developer.call('PATCH', `${tags}/v1`, { expiresAt: null })
    assert.deepEqual([back.status, 'expiresAt' in back.body], [200, false])
    const audit = await people.root.call('GET', '/audit?action=tag.updated&sort=id')
    assert.deepEqual(
      audit.body.items?.map(({ actor, repository, detail }) => [actor, repository, detail]),
      [
        ['developer', 'team/app', { expiresAt, previousExpiresAt: null }],
        ['developer', 'team/app', { expiresAt: null, previousExpiresAt: expiresAt }],
      ],
    )
  })

  test('is refused to who may not move tags, and for what makes no sense', async () => {
    const later = { expiresAt: '2099-01-01T00:00:00Z' }
    assert.equal((await guest.call('PATCH', `${tags}/v1`, later)).status, 403)
    assert.equal((await people.stranger.call('PATCH', `${tags}/v1`, later)).status, 401)
    assert.equal((await developer.call('PATCH', `${tags}/none`, later)).status, 404)
    assert.equal((await developer.call('PATCH', `${tags}/v1`, later, { 'if-match': `"sha256:${'0'.repeat(64)}"` })).status, 412)
    for (const body of [
      {},
      { expiresAt: 'tomorrow' },
      { expiresAt: 1 },
      { expiresAt: '2020-01-01T00:00:00Z' },
      { expiresAt: null, name: 'x' },
    ]) {
      assert.equal((await developer.call('PATCH', `${tags}/v1`, body)).status, 400, JSON.stringify(body))
    }
  })
})
