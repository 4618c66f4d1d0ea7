import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { pushImage, type PushedImage } from '../support/registry-client.ts'
import { openPeople, type ApiReply, type People, type Person } from './people.ts'

const names = (reply: ApiReply) => reply.body.items?.map(({ name }) => name)
const path = '/repositories/team%2Fapp/tags'

suite('tags over the API', () => {
  let people: People
  let root: Person
  let guest: Person
  let developer: Person
  let maintainer: Person
  let outsider: Person
  let first: PushedImage
  let second: PushedImage
  before(async () => {
    people = await openPeople()
    root = people.root
    for (const name of ['team', 'other']) assert.equal((await root.call('POST', '/projects', { name })).status, 201)
    guest = await people.add('guest')
    developer = await people.add('developer')
    maintainer = await people.add('maintainer')
    outsider = await people.add('outsider')
    await people.grant(guest, 'guest', 'team')
    await people.grant(developer, 'developer', 'team')
    await people.grant(maintainer, 'maintainer', 'team')
    await people.grant(outsider, 'maintainer', 'other')
    first = await pushImage(developer.registry, 'team/app', 'v1')
    second = await pushImage(developer.registry, 'team/app', 'v2')
    await developer.registry.pushManifest('team/app', 'latest', second.bytes)
  })
  after(() => people[Symbol.asyncDispose]())

  test('are listed with what they point at', async () => {
    const reply = await guest.call('GET', path)
    assert.deepEqual(names(reply), ['latest', 'v1', 'v2'])
    const [latest] = reply.body.items ?? []
    assert.deepEqual(
      [latest?.['digest'], latest?.['mediaType'], latest?.['labels']],
      [second.descriptor.digest, second.descriptor.mediaType, []],
    )
    assert.deepEqual(names(await guest.call('GET', `${path}?q=v`)), ['v1', 'v2'])
    assert.deepEqual(names(await guest.call('GET', `${path}?sort=-name&limit=2`)), ['v2', 'v1'])
    assert.equal((await guest.call('GET', `${path}?sort=-updatedAt`)).body.items?.length, 3)
  })

  test('are found by a label of what they point at', async () => {
    const label = await root.call('POST', '/labels', { name: 'approved' })
    const id = Number(label.body['id'])
    const digest = encodeURIComponent(second.descriptor.digest)
    assert.equal((await developer.call('PUT', `/repositories/team%2Fapp/manifests/${digest}/labels/${id}`)).status, 204)
    const reply = await guest.call('GET', `${path}?label=${id}`)
    assert.deepEqual(names(reply), ['latest', 'v2'])
    assert.deepEqual(reply.body.items?.[0]?.['labels'], [{ id, name: 'approved', color: label.body['color'] }])
    assert.deepEqual(names(await guest.call('GET', `${path}?label=${id + 1}`)), [])
    for (const bad of ['0', '-1', 'x', "1'", '1 or 1=1', '99999999999999999999']) {
      assert.equal((await guest.call('GET', `${path}?label=${encodeURIComponent(bad)}`)).status, 400, bad)
    }
  })

  test('are as hidden as their repository', async () => {
    for (const suffix of ['', '/v1', '/v1/history', '/none']) {
      assert.equal((await outsider.call('GET', path + suffix)).status, 404, suffix)
      assert.equal((await people.stranger.call('GET', path + suffix)).status, 401, suffix)
    }
    assert.equal((await outsider.call('POST', path, { name: 'x', digest: first.descriptor.digest })).status, 404)
    assert.equal((await outsider.call('DELETE', `${path}/v1`)).status, 404)
  })

  test('are made, moved and deleted by who may, and the history knows', async () => {
    const { digest } = first.descriptor
    assert.equal((await guest.call('POST', path, { name: 'stable', digest })).status, 403)
    const made = await developer.call('POST', path, { name: 'stable', digest })
    assert.deepEqual([made.status, made.location, made.body['digest']], [201, `/api/v1${path}/stable`, digest])
    assert.equal(await developer.registry.digestOf('team/app', 'stable'), digest)
    const moved = await developer.call('POST', path, { name: 'stable', digest: second.descriptor.digest })
    assert.deepEqual([moved.status, moved.body['digest']], [201, second.descriptor.digest])
    assert.equal((await developer.call('DELETE', `${path}/stable`)).status, 403)
    assert.equal((await maintainer.call('DELETE', `${path}/stable`)).status, 204)
    assert.equal((await maintainer.call('DELETE', `${path}/stable`)).status, 404)
    assert.equal((await guest.call('GET', `${path}/stable`)).status, 404)
    const history = await guest.call('GET', `${path}/stable/history`)
    assert.deepEqual(
      history.body.items?.map((each) => [each['digest'], each['previousDigest'], each['actor']]),
      [
        [undefined, second.descriptor.digest, 'maintainer'],
        [second.descriptor.digest, digest, 'developer'],
        [digest, undefined, 'developer'],
      ],
    )
    const oldest = await guest.call('GET', `${path}/stable/history?sort=at&limit=1`)
    assert.equal(oldest.body.items?.[0]?.['digest'], digest)
    const next = await guest.call('GET', `${path}/stable/history?sort=at&limit=1&cursor=${String(oldest.body['next'])}`)
    assert.equal(next.body.items?.[0]?.['previousDigest'], digest)
    assert.deepEqual((await guest.call('GET', `${path}/never/history`)).body.items, [])
  })

  test('are deleted only as long as they point at what was read, where the caller says so', async () => {
    const { digest } = first.descriptor
    const made = await developer.call('POST', path, { name: 'fleeting', digest })
    assert.equal(made.etag, `"${digest}"`)
    assert.equal((await guest.call('GET', `${path}/fleeting`)).etag, `"${digest}"`)
    const drop = async (ifMatch: string) => (await maintainer.call('DELETE', `${path}/fleeting`, undefined, { 'if-match': ifMatch })).status
    for (const other of [`"${second.descriptor.digest}"`, '"1"', 'x', digest]) assert.equal(await drop(other), 412, other)
    assert.equal((await guest.call('GET', `${path}/fleeting`)).status, 200)
    assert.equal(await drop(`"${second.descriptor.digest}", "${digest}"`), 204)
    assert.equal((await guest.call('GET', `${path}/fleeting`)).status, 404)
    assert.equal(await drop('*'), 404)
  })

  test('are moved only as long as they point at what was read, where the caller says so', async () => {
    const [old, next] = [first.descriptor.digest, second.descriptor.digest]
    const point = async (name: string, digest: string, ifMatch: string) =>
      (await developer.call('POST', path, { name, digest }, { 'if-match': ifMatch })).status
    for (const ifMatch of [`"${old}"`, '*', '"1"', 'x']) assert.equal(await point('careful', old, ifMatch), 412, `${ifMatch}: none yet`)
    assert.equal((await guest.call('GET', `${path}/careful`)).status, 404)
    assert.equal((await developer.call('POST', path, { name: 'careful', digest: old })).status, 201)
    assert.equal(await point('careful', next, `"${next}"`), 412)
    assert.equal(await point('careful', old, `"${next}"`), 412, 'it points there already, but not at what was read')
    assert.equal(await developer.registry.digestOf('team/app', 'careful'), old)
    assert.equal(await point('careful', next, `"${next}", "${old}"`), 201)
    assert.equal(await point('careful', next, `"${next}"`), 201)
    assert.equal(await point('careful', old, '*'), 201)
    const racing = await Promise.all([next, next, next].map((digest) => point('careful', digest, `"${old}"`)))
    assert.deepEqual(
      racing.toSorted((a, b) => a - b),
      [201, 412, 412],
    )
  })

  test('that are malformed are refused, or are not there', async () => {
    const { digest } = first.descriptor
    const bodies = [
      {},
      { name: 'x' },
      { name: '-x', digest },
      { name: 'a/b', digest },
      { name: 'x'.repeat(129), digest },
      { name: 'x\u0000', digest },
      { name: 'x', digest: 'sha256:00' },
      { name: 'x', digest: digest.toUpperCase() },
      { name: 'x', digest: `${digest}\n` },
      { name: 'x', digest, mayMove: true },
      { name: ['x'], digest },
    ]
    for (const body of bodies) assert.equal((await developer.call('POST', path, body)).status, 400, JSON.stringify(body))
    const unknown = await developer.call('POST', path, { name: 'x', digest: `sha256:${'0'.repeat(64)}` })
    assert.deepEqual([unknown.status, unknown.body['code']], [404, 'MANIFEST_UNKNOWN'])
    for (const name of ['%2e%2e%2f', '-x', "'", '%00', 'x'.repeat(129), '<b>']) {
      assert.equal((await guest.call('GET', `${path}/${encodeURIComponent(name)}`)).status, 404, name)
    }
    for (const text of ["'", '%', "' union select 1--", '\\']) {
      assert.deepEqual(names(await guest.call('GET', `${path}?q=${encodeURIComponent(text)}&sort=updatedAt`)), [], text)
    }
  })
})
