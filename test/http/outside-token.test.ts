import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { SignJWT } from 'jose'
import { basicAuthorization } from '../support/http-client.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { serveRooms, type ServedRooms } from '../support/serve-rooms.ts'

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
let directory = ''
let rooms: ServedRooms

const outside = (more: object = {}) => ({
  kind: 'token',
  realm: 'https://auth.example.com/token',
  autoRedirectPath: undefined,
  service: 'registry.example.com',
  issuer: 'auth.example.com',
  rootCertBundle: undefined,
  jwks: join(directory, 'jwks.json'),
  signingAlgorithms: ['ES256'],
  ...more,
})

async function clientWith(access: readonly object[], claims: object = {}) {
  const now = Math.floor(Date.now() / 1000)
  const payload = { iss: 'auth.example.com', aud: 'registry.example.com', sub: 'alice', iat: now, exp: now + 300, access, ...claims }
  const token = await new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(keys.privateKey)
  return registryClient(rooms.url, { authorization: `Bearer ${token}` })
}

const on = (name: string, ...actions: string[]) => ({ type: 'repository', name, actions })

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'berth-outside-'))
  await writeFile(join(directory, 'jwks.json'), JSON.stringify({ keys: [{ ...keys.publicKey.export({ format: 'jwk' }), kid: 'k1' }] }))
  rooms = await serveRooms({ auth: outside() as never })
})
after(async () => {
  await rooms[Symbol.asyncDispose]()
  await rm(directory, { recursive: true })
})

suite('a registry with an outside token server', () => {
  test('sends clients there, and asks for no password', async () => {
    const refused = await registryClient(rooms.url).send('/v2/team/app/manifests/v1')
    assert.equal(refused.status, 401)
    assert.equal(
      refused.headers['www-authenticate'],
      'Bearer realm="https://auth.example.com/token",service="registry.example.com",scope="repository:team/app:pull"',
    )
    assert.equal((await registryClient(rooms.url, { authorization: basicAuthorization('alice', 'x') }).send('/v2/')).status, 401)
    assert.equal((await registryClient(rooms.url).send('/token')).status, 404)
  })

  test('lets a token do what it says, and asks for another where it does not', async () => {
    const pusher = await clientWith([on('team/app', 'pull', 'push')])
    await pushImage(pusher, 'team/app', 'v1')
    const puller = await clientWith([on('team/app', 'pull')])
    assert.equal((await puller.send('/v2/team/app/manifests/v1')).status, 200)
    assert.equal((await puller.send('/v2/team/app/blobs/uploads/', { method: 'POST' })).status, 401)
    const other = await (await clientWith([on('team/other', '*')])).send('/v2/team/app/manifests/v1')
    assert.equal(other.status, 401)
    assert.match(String(other.headers['www-authenticate']), /scope="repository:team\/app:pull",error="insufficient_scope"/)
    assert.equal((await (await clientWith([])).send('/v2/')).status, 200)
    const digest = await pusher.digestOf('team/app', 'v1')
    assert.equal((await pusher.send(`/v2/team/app/manifests/${digest}`, { method: 'DELETE' })).status, 401)
    const deleter = await clientWith([on('team/app', 'delete')])
    assert.equal((await deleter.send(`/v2/team/app/manifests/${digest}`, { method: 'DELETE' })).status, 202)
  })

  test('shows the catalog to a token that names it', async () => {
    const catalog = await clientWith([{ type: 'registry', name: 'catalog', actions: ['*'] }])
    assert.equal((await catalog.send('/v2/_catalog')).status, 200)
    assert.equal((await (await clientWith([on('team/app', 'pull')])).send('/v2/_catalog')).body.toString().includes('secret'), false)
  })

  test('gives nobody a right to manage anything', async () => {
    const client = await clientWith([on('team/app', '*'), { type: 'registry', name: 'catalog', actions: ['*'] }])
    assert.equal((await client.send('/api/v1/users')).status, 403)
    assert.equal((await client.send('/api/v1/tokens')).status, 403)
  })

  test('takes no token of another service, and none that has ended', async () => {
    const now = Math.floor(Date.now() / 1000)
    for (const claims of [{ aud: 'other' }, { iss: 'other' }, { exp: now - 120 }, { nbf: now + 120 }]) {
      assert.equal((await (await clientWith([on('team/app', 'pull')], claims)).send('/v2/')).status, 401, JSON.stringify(claims))
    }
  })
})

test('autoredirect leads to a path of the host that the client came to', async () => {
  await using redirecting = await serveRooms({ auth: outside({ realm: '', autoRedirectPath: '/auth/token' }) as never })
  const refused = await registryClient(redirecting.url).send('/v2/')
  const { host } = new URL(redirecting.url)
  assert.equal(refused.headers['www-authenticate'], `Bearer realm="http://${host}/auth/token",service="registry.example.com"`)
})
