import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { hashPassword } from '../../server/access/password.ts'
import { TestRows } from '../../server/access/test-rows.ts'
import { systemPorts } from '../../server/lib/ports.ts'
import { basicAuthorization, type HttpResponse } from '../support/http-client.ts'
import { digestOfBytes, mediaTypes, pushImage, registryClient, type PushedImage, type RegistryClient } from '../support/registry-client.ts'
import { serveRooms, type ServedRooms } from '../support/serve-rooms.ts'
import { closing, startUpload } from '../support/upload.ts'

const passwordHash = await hashPassword('secret', systemPorts.random)

/** What a client learns from an answer, but for the time and the request's id. */
function told({ status, headers, body }: HttpResponse, name: string): unknown {
  const { date: _date, 'x-request-id': _id, ...rest } = headers
  return { status, text: JSON.stringify([rest, body.toString()]).replaceAll(name, '<name>') }
}

suite('a registry with accounts, projects and grants', () => {
  let rooms: ServedRooms
  let rows: TestRows
  let anyone: RegistryClient
  const clients: Record<string, RegistryClient> = {}
  const ids: Record<string, number> = {}
  let secret: PushedImage
  let open: PushedImage

  async function person(name: string, more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    ids[name] = await rows.user(name, { password_hash: passwordHash, ...more })
    clients[name] = registryClient(rooms.url, { authorization: basicAuthorization(name, 'secret') })
  }

  function as(name: string): RegistryClient {
    const client = clients[name]
    assert.ok(client)
    return client
  }

  before(async () => {
    rooms = await serveRooms({ auth: { kind: 'accounts', realm: 'Berth' } })
    rows = new TestRows(rooms.accounts.metadata)
    anyone = registryClient(rooms.url)
    await person('root', { is_admin: 1 })
    for (const name of ['alice', 'bob', 'carol', 'guest', 'fixed', 'filler', 'auditor', 'cleaner']) await person(name)
    ids['hidden'] = await rows.project('hidden')
    ids['hidden/deep'] = await rows.project('hidden/deep')
    ids['shown'] = await rows.project('shown', { is_public: 1 })
    await rows.grant('developer', `user:${ids['alice']}`, { project_id: ids['hidden'] })
    await rows.grant('guest', `user:${ids['guest']}`, { project_id: ids['hidden'] })
    await rows.grant('auditor', `user:${ids['auditor']}`, { project_id: ids['hidden'] })
    await rows.role('pusher-of-new-tags', 'repository:push', 'repository:create', 'tag:create', 'repository:pull')
    await rows.grant('pusher-of-new-tags', `user:${ids['fixed']}`, { project_id: ids['hidden'] })
    await rows.role('filler', 'repository:push', 'repository:pull', 'tag:create')
    await rows.grant('filler', `user:${ids['filler']}`, { project_id: ids['hidden'] })
    await rows.role('tag-cleaner', 'repository:pull', 'tag:delete')
    await rows.grant('tag-cleaner', `user:${ids['cleaner']}`, { project_id: ids['hidden'] })
    secret = await pushImage(as('root'), 'hidden/app', 'v1')
    await pushImage(as('root'), 'hidden/deep/app', 'v1')
    open = await pushImage(as('root'), 'shown/app', 'v1')
    await pushImage(as('root'), 'loose', 'v1')
  })
  after(() => rooms[Symbol.asyncDispose]())

  const reads = (image: PushedImage): readonly (readonly [string, string])[] => [
    ['GET', 'manifests/v1'],
    ['HEAD', 'manifests/v1'],
    ['GET', `manifests/${image.descriptor.digest}`],
    ['GET', `blobs/${image.config.digest}`],
    ['HEAD', `blobs/${image.config.digest}`],
    ['GET', 'tags/list'],
    ['GET', 'tags/list?n=1'],
    ['GET', `referrers/${image.descriptor.digest}`],
  ]
  const writes = (image: PushedImage): readonly (readonly [string, string])[] => [
    ['POST', 'blobs/uploads/'],
    ['PUT', 'manifests/v2'],
    ['GET', 'blobs/uploads/b3f1'],
    ['DELETE', 'manifests/v1'],
    ['DELETE', `manifests/${image.descriptor.digest}`],
    ['DELETE', `blobs/${image.config.digest}`],
    ['DELETE', ''],
  ]

  test('a project that a caller may not see answers as one that does not exist, whatever is asked and by whomever', async () => {
    for (const [who, client] of [
      ['nobody', anyone],
      ['bob', as('bob')],
    ] as const)
      for (const [method, path] of [...reads(secret), ...writes(secret)])
        for (const [real, made] of [
          ['hidden/app', 'hiddem/app'],
          ['hidden/deep/app', 'hidden-deep/app'],
          ['hidden/none', 'hidded/none'],
        ] as const) {
          const there = told(await client.send(`/v2/${real}/${path}`, { method }), real)
          const notThere = told(await client.send(`/v2/${made}/${path}`, { method }), made)
          assert.deepEqual(there, notThere, `${who} ${method} ${path}`)
          assert.equal((there as HttpResponse).status, who === 'bob' ? 403 : 401)
        }
  })

  test('where anybody may read names without a project, a hidden one is a 404 like a name that nobody has used', async () => {
    const grant = await rows.grant('limited-guest', 'everyone', { project_id: 1 })
    try {
      for (const client of [anyone, as('bob')]) {
        assert.equal((await client.send('/v2/loose/manifests/v1')).status, 200)
        for (const [method, path] of reads(secret)) {
          const there = told(await client.send(`/v2/hidden/app/${path}`, { method }), 'hidden/app')
          const notThere = told(await client.send(`/v2/nobody/app/${path}`, { method }), 'nobody/app')
          assert.deepEqual(there, notThere, `${method} ${path}`)
          assert.equal((there as HttpResponse).status, path.startsWith('referrers') ? 200 : 404, path)
        }
      }
    } finally {
      await rows.change('grants', grant, { expires_at: 1 })
    }
  })

  test('what is public is anyone’s to read and nobody’s to write', async () => {
    for (const client of [anyone, as('bob')]) {
      for (const [method, path] of reads(open)) assert.equal((await client.send(`/v2/shown/app/${path}`, { method })).status, 200, path)
      for (const [method, path] of writes(open)) {
        assert.equal((await client.send(`/v2/shown/app/${path}`, { method })).status, client === anyone ? 401 : 403, path)
      }
    }
  })

  test('who sees a project without a right gets a plain refusal', async () => {
    assert.equal((await as('guest').send('/v2/hidden/app/manifests/v1')).status, 200)
    assert.equal((await as('guest').send('/v2/hidden/app/blobs/uploads/', { method: 'POST', body: '' })).status, 403)
    assert.equal((await as('guest').send('/v2/hidden/deep/app/tags/list')).status, 200, 'rights reach below')
    assert.equal((await as('auditor').send('/v2/hidden/app/manifests/v1')).status, 403)
    assert.equal((await as('alice').send('/v2/hidden/app/manifests/v1', { method: 'DELETE' })).status, 403)
  })

  test('a right ends with its grant, at the very next request', async () => {
    const grant = await rows.grant('guest', `user:${ids['bob']}`, { project_id: ids['hidden'] })
    assert.equal((await as('bob').send('/v2/hidden/app/manifests/v1')).status, 200)
    await rows.change('grants', grant, { project_id: ids['shown'] })
    assert.equal((await as('bob').send('/v2/hidden/app/manifests/v1')).status, 403)
  })

  test('tags are made, moved and deleted by rights of their own', async () => {
    const first = await pushImage(as('alice'), 'hidden/tags', 'kept')
    const other = await as('alice').pushManifest('hidden/tags', 'other', { ...JSON.parse(first.bytes.toString()), annotations: { a: 'b' } })
    const put = (who: string, reference: string, bytes: Buffer) =>
      as(who).send(`/v2/hidden/tags/manifests/${reference}`, {
        method: 'PUT',
        body: bytes,
        headers: { 'content-type': mediaTypes.manifest },
      })
    assert.equal((await put('fixed', 'new', first.bytes)).status, 201)
    assert.equal((await put('fixed', 'new', first.bytes)).status, 201, 'again, to the same manifest')
    const moved = await put('fixed', 'kept', other.bytes)
    assert.equal(moved.status, 403)
    assert.match(moved.body.toString(), /may not move tags/)
    assert.equal(await as('alice').digestOf('hidden/tags', 'kept'), first.descriptor.digest)
    const both = await put('fixed', `${other.descriptor.digest}?tag=fresh&tag=kept`, other.bytes)
    assert.equal(both.status, 403)
    assert.equal(await as('alice').digestOf('hidden/tags', 'fresh'), undefined, 'all or nothing')
    assert.equal((await put('alice', 'kept', other.bytes)).status, 201)
    const remove = (who: string, reference: string) => as(who).send(`/v2/hidden/tags/manifests/${reference}`, { method: 'DELETE' })
    assert.equal((await remove('cleaner', first.descriptor.digest)).status, 403)
    assert.equal((await remove('cleaner', 'new')).status, 202)
  })

  test('a repository is made by who may, and filled by others', async () => {
    const made = await as('filler').send('/v2/hidden/fresh/blobs/uploads/', { method: 'POST', body: '' })
    assert.equal(made.status, 403)
    assert.equal((await as('alice').send('/v2/hidden/fresh/blobs/uploads/', { method: 'POST', body: '' })).status, 202)
    assert.equal((await as('filler').send('/v2/hidden/fresh/blobs/uploads/', { method: 'POST', body: '' })).status, 202)
  })

  test('a blob is mounted only from where the caller may pull', async () => {
    const { digest } = secret.config
    const mount = async (who: string, from: string) =>
      (await as(who).send(`/v2/mine/app/blobs/uploads/?mount=${digest}${from}`, { method: 'POST', body: '' })).status
    const mine = await rows.project('mine')
    for (const name of ['bob', 'alice', 'auditor']) await rows.grant('developer', `user:${ids[name]}`, { project_id: mine })
    for (const who of ['bob', 'auditor'])
      for (const from of ['', '&from=hidden/app', '&from=none']) assert.equal(await mount(who, from), 202, who + from)
    assert.equal((await as('bob').send(`/v2/mine/app/blobs/${digest}`)).status, 404)
    assert.equal(await mount('alice', '&from=hidden/app'), 201)
  })

  test('an upload is its beginner’s, whoever else may push there and whatever they are called', async () => {
    const upload = await startUpload(as('alice'), rooms.url, 'hidden/app')
    assert.equal((await as('root').send(upload)).status, 404)
    assert.equal((await as('fixed').send(upload, { method: 'PATCH', body: 'x' })).status, 404)
    await rows.change('users', ids['alice'] ?? 0, { name: 'alice-was' })
    await person('alice2')
    await rows.change('users', ids['alice2'] ?? 0, { name: 'alice' })
    await rows.grant('developer', `user:${ids['alice2']}`, { project_id: ids['hidden'] })
    assert.equal((await as('alice').send(upload)).status, 404, 'another person who is called so now')
    const renamed = registryClient(rooms.url, { authorization: basicAuthorization('alice-was', 'secret') })
    assert.equal((await renamed.send(closing(upload, digestOfBytes(Buffer.from('x'))), { method: 'PUT', body: 'x' })).status, 201)
    await rows.change('users', ids['alice2'] ?? 0, { name: 'alice2' })
    await rows.change('users', ids['alice'] ?? 0, { name: 'alice' })
  })

  test('the catalog lists what the caller may see, and asks who has not said who they are only where nothing is public', async () => {
    const listed = async (client: RegistryClient) => JSON.parse((await client.send('/v2/_catalog')).body.toString()) as unknown
    assert.deepEqual(await listed(anyone), { repositories: ['shown/app'] })
    assert.deepEqual(await listed(as('carol')), { repositories: ['shown/app'] })
    assert.deepEqual(await listed(as('guest')), { repositories: ['hidden/app', 'hidden/deep/app', 'hidden/tags', 'shown/app'] })
    await rows.change('projects', ids['shown'] ?? 0, { is_public: 0 })
    const asked = await anyone.send('/v2/_catalog')
    assert.equal(asked.status, 401)
    assert.match(asked.headers['www-authenticate'] ?? '', /scope="registry:catalog:\*"/)
    assert.deepEqual(await listed(as('carol')), { repositories: [] })
    await rows.change('projects', ids['shown'] ?? 0, { is_public: 1 })
  })

  test('a former name of a project and of a repository serves what is there now', async () => {
    await rows.redirect('project', 'formerly', 'hidden')
    await rows.redirect('repository', 'elsewhere', 'hidden/app')
    for (const name of ['formerly/app', 'elsewhere']) {
      const manifest = await as('guest').pullManifest(name, 'v1')
      assert.equal(manifest.descriptor.digest, secret.descriptor.digest)
      assert.deepEqual(
        await as('guest').pullBlob(name, secret.config.digest),
        await as('root').pullBlob('hidden/app', secret.config.digest),
      )
    }
    const pushed = await pushImage(as('alice'), 'formerly/new', 'v1')
    assert.equal(await as('alice').digestOf('hidden/new', 'v1'), pushed.descriptor.digest)
    for (const client of [anyone, as('bob')]) {
      const there = told(await client.send('/v2/formerly/app/manifests/v1'), 'formerly/app')
      const notThere = told(await client.send('/v2/formerlx/app/manifests/v1'), 'formerlx/app')
      assert.deepEqual(there, notThere, 'a stranger learns neither that it was renamed nor to what')
    }
  })

  test('a challenge leads to the token server, with the scope that is needed, and a wrong password is asked for again', async () => {
    const plain = `Bearer realm="${rooms.url.replace(/\/$/, '')}/token",service="berth"`
    const challengeOf = async (client: RegistryClient, path: string, method = 'GET') =>
      (await client.send(path, { method, ...(method === 'POST' ? { body: '' } : {}) })).headers['www-authenticate']
    assert.equal(await challengeOf(anyone, '/v2/'), plain)
    assert.equal(await challengeOf(anyone, '/v2/hidden/app/manifests/v1'), `${plain},scope="repository:hidden/app:pull"`)
    assert.equal(await challengeOf(anyone, '/v2/hidden/app/blobs/uploads/', 'POST'), `${plain},scope="repository:hidden/app:pull,push"`)
    assert.equal(await challengeOf(anyone, '/v2/hidden/app/manifests/v1', 'DELETE'), `${plain},scope="repository:hidden/app:delete"`)
    const wrong = registryClient(rooms.url, { authorization: basicAuthorization('bob', 'wrong') })
    assert.equal(await challengeOf(wrong, '/v2/'), 'Basic realm="Berth"')
    const forged = registryClient(rooms.url, { authorization: 'Bearer eyJhIjoxfQ.eyJhIjoxfQ.x' })
    assert.equal(await challengeOf(forged, '/v2/hidden/app/tags/list'), `${plain},scope="repository:hidden/app:pull",error="invalid_token"`)
  })

  test('who is signed in, and only they, may ask whether this is a registry', async () => {
    assert.equal((await anyone.send('/v2/')).status, 401)
    assert.equal((await as('bob').send('/v2/')).status, 200)
    assert.equal((await anyone.send('/metrics')).status, 401)
    await rows.change('users', ids['bob'] ?? 0, { is_disabled: 1 })
    assert.equal((await as('bob').send('/v2/')).status, 401)
    await rows.change('users', ids['bob'] ?? 0, { is_disabled: 0 })
  })

  test('too many wrong passwords are told to wait, and the counters tell how it went', async () => {
    await person('target')
    const guess = (index: number) =>
      registryClient(rooms.url, { authorization: basicAuthorization('target', `wrong${index}`) }).send('/v2/')
    for (let index = 0; index < 5; index++) assert.equal((await guess(index)).status, 401)
    const answer = await guess(5)
    assert.equal(answer.status, 429)
    assert.equal(answer.headers['retry-after'], '1')
    assert.match(answer.body.toString(), /"code":"TOOMANYREQUESTS"/)
    const metrics = (await as('root').send('/metrics')).body.toString()
    assert.match(metrics, /registry_auth_attempts_total\{kind="password",outcome="blocked"\} 1/)
    assert.match(metrics, /registry_auth_attempts_total\{kind="password",outcome="failure"\} \d/)
  })

  interface Bearer {
    readonly client: RegistryClient
    readonly token: string
  }

  async function bearer(who: string | undefined, ...scopes: readonly string[]): Promise<Bearer> {
    const query = new URLSearchParams({ service: 'berth' })
    for (const scope of scopes) query.append('scope', scope)
    const answer = await (who === undefined ? anyone : as(who)).send(`/token?${query.toString()}`)
    assert.equal(answer.status, 200, answer.body.toString())
    const { token } = JSON.parse(answer.body.toString()) as { token: string }
    return { token, client: registryClient(rooms.url, { authorization: `Bearer ${token}` }) }
  }

  test('a token that does not carry a right is asked to be a wider one, unless nothing would help', async () => {
    const pull = (await bearer('alice', 'repository:hidden/app:pull')).client
    assert.equal((await pull.send('/v2/')).status, 200)
    assert.equal((await pull.send('/v2/hidden/app/manifests/v1')).status, 200)
    const push = await pull.send('/v2/hidden/app/blobs/uploads/', { method: 'POST', body: '' })
    assert.equal(push.status, 401)
    assert.match(push.headers['www-authenticate'] ?? '', /scope="repository:hidden\/app:pull,push",error="insufficient_scope"$/)
    assert.equal((await pull.send('/v2/hidden/deep/app/manifests/v1')).status, 401)
    assert.equal(
      (await pull.send('/v2/hidden/app/manifests/v1', { method: 'DELETE' })).status,
      403,
      'a developer deletes nothing by any token',
    )
    const catalog = await pull.send('/v2/_catalog')
    assert.equal(catalog.status, 401)
    assert.match(catalog.headers['www-authenticate'] ?? '', /scope="registry:catalog:\*",error="insufficient_scope"$/)
    const listing = (await bearer('alice', 'registry:catalog:*')).client
    assert.match((await listing.send('/v2/_catalog')).body.toString(), /"hidden\/app"/)
  })

  test('a token tells its owner no more of a hidden project than of a name that nobody has used', async () => {
    const lesser = async (name: string) => (await bearer('bob', `repository:${name}/app:pull,push`)).client
    const [there, notThere] = [await lesser('secret'), await lesser('secreu')]
    await rows.project('secret')
    for (const [method, path] of [...reads(secret), ...writes(secret)]) {
      assert.deepEqual(
        told(await there.send(`/v2/secret/app/${path}`, { method }), 'secret/app'),
        told(await notThere.send(`/v2/secreu/app/${path}`, { method }), 'secreu/app'),
        `${method} ${path}`,
      )
    }
  })

  test('an anonymous token pulls what is public', async () => {
    const { client } = await bearer(undefined, 'repository:shown/app:pull')
    assert.equal((await client.send('/v2/')).status, 200)
    assert.equal((await client.send('/v2/shown/app/manifests/v1')).status, 200)
    assert.equal((await client.send('/v2/hidden/app/manifests/v1')).status, 401)
    assert.equal((await client.send('/v2/shown/app/blobs/uploads/', { method: 'POST', body: '' })).status, 401)
  })

  test('a token for a former name is good for what is there now', async () => {
    await rows.redirect('project', 'once', 'hidden')
    const { client } = await bearer('alice', 'repository:once/app:pull,push')
    assert.equal((await client.send('/v2/once/app/manifests/v1')).status, 200)
    await pushImage(client, 'once/app', 'v9')
    assert.ok(await as('alice').digestOf('hidden/app', 'v9'))
  })

  test('a disabled account’s token is refused at the next request', async () => {
    await person('leaver')
    const { client } = await bearer('leaver', 'repository:shown/app:pull')
    assert.equal((await client.send('/v2/shown/app/manifests/v1')).status, 200)
    await rows.change('users', ids['leaver'] ?? 0, { is_disabled: 1 })
    assert.equal((await client.send('/v2/shown/app/manifests/v1')).status, 401)
  })

  test('a first push makes its project where that is allowed, by password and by token', async () => {
    await person('founder')
    await rows.grant('project-creator', `user:${ids['founder']}`)
    const refused = await as('founder').send('/v2/founded/app/blobs/uploads/', { method: 'POST', body: '' })
    assert.equal(refused.status, 403)
    await rows.insert('settings', {
      name: 'system',
      value: JSON.stringify({ autoCreateProjects: true, projectCreation: 'administrators' }),
    })
    assert.equal((await as('bob').send('/v2/founded/app/blobs/uploads/', { method: 'POST', body: '' })).status, 403)
    assert.equal(await rooms.access.project('founded'), undefined)
    const image = await pushImage(as('founder'), 'founded/app', 'v1')
    assert.equal((await rooms.access.project('founded'))?.name, 'founded')
    assert.equal(await as('founder').digestOf('founded/app', 'v1'), image.descriptor.digest)
    assert.equal((await anyone.send('/v2/founded/app/manifests/v1')).status, 401)
    const { client } = await bearer('founder', 'repository:second/app:pull,push')
    await pushImage(client, 'second/app', 'v1')
    assert.equal((await rooms.access.project('second'))?.name, 'second')
    const elsewhere = await client.send('/v2/third/app/blobs/uploads/', { method: 'POST', body: '' })
    assert.notEqual(elsewhere.status, 202)
    assert.equal(await rooms.access.project('third'), undefined, 'the token carries no push there')
    const [row] = await rooms.accounts.metadata.reader.selectFrom('settings').select('id').where('name', '=', 'system').execute()
    await rows.change('settings', row?.id ?? 0, { value: '{}' })
  })

  test('an event names the account, the credential and where it came from', async () => {
    const { reader } = rooms.accounts.metadata
    const row = await reader
      .selectFrom('events')
      .select(['actor', 'actor_key', 'credential', 'address'])
      .where('action', '=', 'repository.created')
      .where('repository', '=', 'hidden/tags')
      .executeTakeFirstOrThrow()
    assert.deepEqual({ ...row }, { actor: 'alice', actor_key: `user:${ids['alice']}`, credential: 'password', address: '127.0.0.1' })
  })
})
