import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { digestOfBytes, pushImage } from '../support/registry-client.ts'
import { openPeople, type ApiReply, type People, type Person } from './people.ts'

const names = (reply: ApiReply) => reply.body.items?.map(({ name }) => name)
const idOf = (reply: ApiReply) => Number(reply.body['id'])

suite('labels over the API', () => {
  let people: People
  let root: Person
  let developer: Person
  let maintainer: Person
  let outsider: Person
  before(async () => {
    people = await openPeople()
    root = people.root
    for (const name of ['team', 'team/sub', 'other']) assert.equal((await root.call('POST', '/projects', { name })).status, 201)
    developer = await people.add('developer')
    maintainer = await people.add('maintainer')
    outsider = await people.add('outsider')
    await people.grant(developer, 'developer', 'team')
    await people.grant(maintainer, 'maintainer', 'team')
    await people.grant(outsider, 'maintainer', 'other')
  })
  after(() => people[Symbol.asyncDispose]())

  test('labels for all are kept by administrators, and seen by all who are signed in', async () => {
    const made = await root.call('POST', '/labels', { name: 'approved', color: '#00ff00', description: 'seen by two' })
    assert.deepEqual([made.status, made.etag, made.location], [201, '"1"', `/api/v1/labels/${idOf(made)}`])
    assert.equal('project' in made.body, false)
    assert.equal((await developer.call('GET', `/labels/${idOf(made)}`)).status, 200)
    assert.deepEqual(names(await outsider.call('GET', '/labels')), ['approved'])
    assert.equal((await people.stranger.call('GET', '/labels')).status, 401)
    for (const person of [developer, maintainer]) {
      assert.equal((await person.call('POST', '/labels', { name: 'x' })).status, 403)
      assert.equal((await person.call('PATCH', `/labels/${idOf(made)}`, { name: 'x' })).status, 403)
      assert.equal((await person.call('DELETE', `/labels/${idOf(made)}`)).status, 403)
    }
    assert.equal((await root.call('POST', '/labels', { name: 'approved' })).status, 409)
    assert.equal((await root.call('PATCH', `/labels/${idOf(made)}`, { color: '#ff0000' }, { 'if-match': '"1"' })).etag, '"2"')
    assert.equal((await root.call('DELETE', `/labels/${idOf(made)}`, undefined, { 'if-match': '"1"' })).status, 412)
    assert.equal((await root.call('DELETE', `/labels/${idOf(made)}`)).status, 204)
    assert.equal((await root.call('GET', `/labels/${idOf(made)}`)).status, 404)
  })

  test('colours are taken in capitals and kept in lower case', async () => {
    const made = await root.call('POST', '/labels', { name: 'loud', color: '#2DA44E' })
    assert.deepEqual([made.status, made.body['color']], [201, '#2da44e'])
    const path = `/labels/${idOf(made)}`
    assert.equal((await root.call('PATCH', path, { color: '#ABCDEF' })).body['color'], '#abcdef')
    assert.equal((await root.call('DELETE', path)).status, 204)
  })

  test('malformed labels are refused', async () => {
    const bodies = [
      {},
      { name: '' },
      { name: 'a\nb' },
      { name: 'x'.repeat(129) },
      { name: 'x', color: 'red' },
      { name: 'x', color: '#FFF' },
      { name: 1 },
      { name: 'x', project: 'team' },
    ]
    for (const body of bodies) assert.equal((await root.call('POST', '/labels', body)).status, 400, JSON.stringify(body))
    for (const id of ['0', '-1', 'x', '99999999999999999999']) assert.equal((await root.call('GET', `/labels/${id}`)).status, 400, id)
    const red = await root.call('POST', '/labels', { name: 'x', color: 'red' })
    assert.equal(red.body['detail'], 'color: must look like #2da44e')
    assert.deepEqual(red.body['errors'], [{ path: 'body/color', message: 'must look like #2da44e' }])
    assert.equal((await root.call('POST', '/labels', { name: '<script>"\'%; ü 標籤' })).status, 201)
  })

  test('a label of a project is reached through that project only', async () => {
    const made = await maintainer.call('POST', '/projects/team/labels', { name: 'stable' })
    assert.deepEqual([made.status, made.body['project'], made.location], [201, 'team', `/api/v1/projects/team/labels/${idOf(made)}`])
    assert.equal((await developer.call('POST', '/projects/team/labels', { name: 'x' })).status, 403)
    const id = idOf(made)
    for (const [person, place] of [
      [outsider, `/projects/other/labels/${id}`],
      [outsider, `/projects/team/labels/${id}`],
      [root, `/labels/${id}`],
      [root, `/projects/team%2Fsub/labels/${id}`],
    ] as const) {
      for (const [method, body] of [['GET'], ['PATCH', { name: 'taken over' }], ['DELETE']] as const) {
        const reply = await person.call(method, place, body)
        assert.deepEqual([reply.status, reply.body['code']], [404, 'RESOURCE_UNKNOWN'], `${method} ${place}`)
      }
    }
    assert.equal((await developer.call('GET', `/projects/team/labels/${id}`)).body['name'], 'stable')
    assert.equal((await maintainer.call('PATCH', `/projects/team/labels/${id}`, { name: 'steady' })).body['name'], 'steady')
    assert.equal((await maintainer.call('DELETE', `/projects/team/labels/${id}`)).status, 204)
  })

  test('what a project’s manifests may have is listed, with the projects above and those for all', async () => {
    await root.call('POST', '/labels', { name: 'l-all' })
    await root.call('POST', '/projects/team/labels', { name: 'l-team' })
    await root.call('POST', '/projects/team%2Fsub/labels', { name: 'l-sub' })
    await root.call('POST', '/projects/other/labels', { name: 'l-other' })
    assert.deepEqual(names(await developer.call('GET', '/projects/team%2Fsub/labels?name=l-')), ['l-sub'])
    assert.deepEqual(names(await developer.call('GET', '/projects/team%2Fsub/labels?name=l-&usable=true')), ['l-all', 'l-sub', 'l-team'])
  })

  test('a manifest gets and loses labels, and is found by them', async () => {
    const image = await pushImage(developer.registry, 'team/sub/app', 'v1')
    await pushImage(developer.registry, 'team/sub/app', 'v2', { files: { x: 'other' } })
    const place = `/repositories/team%2Fsub%2Fapp/manifests/${encodeURIComponent(image.descriptor.digest)}/labels`
    const [all, ofTeam, ofOther] = [
      idOf(await root.call('POST', '/labels', { name: 'm-all' })),
      idOf(await root.call('POST', '/projects/team/labels', { name: 'm-team' })),
      idOf(await root.call('POST', '/projects/other/labels', { name: 'm-other' })),
    ]
    for (const id of [all, ofTeam, ofTeam]) assert.equal((await developer.call('PUT', `${place}/${id}`)).status, 204)
    // A label of a project that is none of the repository's is as one that is not there, for an administrator too.
    for (const id of [ofOther, 99_999]) assert.equal((await root.call('PUT', `${place}/${id}`)).status, 404)
    assert.deepEqual(names(await developer.call('GET', place)), ['m-all', 'm-team'])
    const tags = await developer.call('GET', `/repositories/team%2Fsub%2Fapp/tags?label=${ofTeam}`)
    assert.deepEqual(names(tags), ['v1'])
    const manifests = await developer.call('GET', `/repositories/team%2Fsub%2Fapp/manifests?label=${ofTeam}`)
    assert.deepEqual(
      manifests.body.items?.map(({ digest }) => digest),
      [image.descriptor.digest],
    )
    assert.equal((await developer.call('DELETE', `${place}/${ofTeam}`)).status, 204)
    assert.equal((await developer.call('DELETE', `${place}/${ofTeam}`)).status, 404)
    assert.equal((await root.call('DELETE', `/labels/${all}`)).status, 204)
    assert.deepEqual(names(await developer.call('GET', place)), [])
  })

  test('labels are put on what is there, by who may, and tell nothing to others', async () => {
    const image = await pushImage(root.registry, 'team/app', 'v1')
    const id = idOf(await root.call('POST', '/labels', { name: 'n-all' }))
    const at = (repository: string, digest: string) =>
      `/repositories/${encodeURIComponent(repository)}/manifests/${encodeURIComponent(digest)}/labels/${id}`
    const absent = digestOfBytes(Buffer.from('absent'))
    for (const digest of [absent, 'v1', 'sha256:x', '..'])
      assert.equal((await root.call('PUT', at('team/app', digest))).status, 404, digest)
    const guest = await people.add('guest')
    await people.grant(guest, 'guest', 'team')
    assert.equal((await guest.call('PUT', at('team/app', image.descriptor.digest))).status, 403)
    const hidden = await outsider.call('PUT', at('team/app', image.descriptor.digest))
    const nothing = await outsider.call('PUT', at('team/nothing', image.descriptor.digest))
    assert.deepEqual([hidden.status, nothing.status], [404, 404])
    const plain = ({ body }: typeof hidden, name: string) => JSON.stringify({ ...body, requestId: '' }).replaceAll(name, 'NAME')
    assert.equal(plain(hidden, 'team/app'), plain(nothing, 'team/nothing'))
    assert.equal((await people.stranger.call('PUT', at('team/app', image.descriptor.digest))).status, 401)
  })
})
