/** Tokens of CI systems that would be somebody else’s robot: keys, audiences, issuers, patterns, and what was issued before. */
import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { SignJWT } from 'jose'
import { openPeople, type People } from '../api/people.ts'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { pushImage } from '../support/registry-client.ts'

const issuer = 'https://ci.example'
const audience = 'https://registry.example'
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const attacker = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const symmetric = Buffer.alloc(32, 7)
const jwks = JSON.stringify({
  keys: [
    { ...keys.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' },
    { ...rsa.publicKey.export({ format: 'jwk' }), kid: 'r1', use: 'sig' },
    { kty: 'oct', k: symmetric.toString('base64url'), kid: 's1' },
  ],
})

let people: People
let robot = 0

before(async () => {
  people = await openPeople()
  const { root } = people
  await root.call('POST', '/projects', { name: 'team' })
  await pushImage(root.registry, 'team/app', 'v1')
  const settings = { issuer, jwks }
  assert.equal((await root.call('POST', '/providers', { name: 'ci', kind: 'workload', settings })).status, 201)
  const made = await root.call('POST', '/projects/team/robots', { name: 'ci', grants: [{ role: 'developer' }], hasSecret: false })
  robot = (made.body['robot'] as { id: number }).id
})
after(() => people[Symbol.asyncDispose]())

const trust = (claims: object, more: object = {}) =>
  people.root.call('POST', `/projects/team/robots/${robot}/trusts`, { provider: 'ci', audience, claims, ...more })

interface Forging {
  readonly claims?: Record<string, unknown>
  readonly header?: Record<string, unknown>
  readonly key?: KeyObject
}

async function token({ claims = {}, header = {}, key = keys.privateKey }: Forging = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const payload = { iss: issuer, aud: audience, sub: 'repo:team/app', iat: now, exp: now + 300, ...claims }
  return await new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: 'k1', ...header }).sign(key)
}

async function pulls(text: string, name = 'robot-ci@team'): Promise<number> {
  const headers = { authorization: basicAuthorization(name, text) }
  return (await people.root.registry.send('/v2/team/app/manifests/v1', { headers })).status
}

suite('a token of a workload', () => {
  test('is taken when issuer, key, audience and claims are right, and by no less', async () => {
    const made = await trust({ sub: 'repo:team/app' })
    assert.equal(made.status, 201)
    assert.equal(await pulls(await token()), 200)
    const refused = async (text: string, what: string) => assert.equal(await pulls(text), 401, what)
    await refused(await token({ claims: { aud: 'https://other.example' } }), 'for another service')
    await refused(await token({ claims: { aud: `${audience}.evil.example` } }), 'for a service that begins so')
    await refused(await token({ claims: { aud: [] } }), 'for nobody')
    await refused(await token({ claims: { iss: `${issuer}/` } }), 'of an issuer that is written nearly so')
    await refused(await token({ claims: { iss: 'https://evil.example' } }), 'of another issuer')
    await refused(await token({ claims: { sub: 'repo:team/app-evil' } }), 'of another workload')
    await refused(await token({ claims: { sub: ['repo:team/other', { a: 'repo:team/app' }] } }), 'of several')
    await refused(await token({ claims: { exp: Math.floor(Date.now() / 1000) - 600 } }), 'that has ended')
    await refused(await token({ claims: { iat: Math.floor(Date.now() / 1000) - 7200 } }), 'that is old')
    await refused(await token({ key: attacker.privateKey }), 'of another key under the known id')
    const jwk = attacker.publicKey.export({ format: 'jwk' })
    await refused(await token({ key: attacker.privateKey, header: { jwk } }), 'of a key that it brings along')
    await refused(
      await token({ key: attacker.privateKey, header: { jku: 'https://evil.example/jwks', kid: 'x' } }),
      'of a key that it points to',
    )
    await refused(await token({ key: rsa.privateKey, header: { alg: 'PS256', kid: 'r1' } }), 'by an algorithm that is not allowed')
  })

  test('signed with what everybody can read is refused: none, the symmetric key of the set, a public key as one', async () => {
    const now = Math.floor(Date.now() / 1000)
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = encode({ iss: issuer, aud: audience, sub: 'repo:team/app', iat: now, exp: now + 300 })
    const pem = keys.publicKey.export({ type: 'spki', format: 'pem' })
    for (const secret of [symmetric, pem, jwks, JSON.stringify(keys.publicKey.export({ format: 'jwk' }))]) {
      for (const kid of ['s1', 'k1', 'r1']) {
        const signed = `${encode({ alg: 'HS256', kid })}.${claims}`
        assert.equal(await pulls(`${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`), 401)
      }
    }
    for (const alg of ['none', 'None', '']) assert.equal(await pulls(`${encode({ alg, kid: 'k1' })}.${claims}.AA`), 401)
  })

  test('opens no other robot, no person and no project by the name that comes with it', async () => {
    const { root } = people
    await root.call('POST', '/projects', { name: 'other' })
    await root.call('POST', '/projects/other/robots', { name: 'ci', grants: [{ role: 'developer' }] })
    for (const name of ['robot-ci@other', 'robot$other+ci', 'robot-ci', 'robot-none@team'])
      assert.equal(await pulls(await token(), name), 401, name)
    const whoever = await people.root.registry.send('/api/v1/session', {
      headers: { authorization: basicAuthorization('root', await token()) },
    })
    assert.doesNotMatch(whoever.body.toString(), /"root"/)
  })

  test('is trusted by no rule that everybody fits', async () => {
    for (const claims of [{}, { sub: '*' }, { sub: '**' }, { sub: '*/*' }, { iss: issuer }, { aud: audience }, { iss: issuer, sub: '**' }])
      assert.equal((await trust(claims)).status, 400, JSON.stringify(claims))
    assert.equal((await trust({ sub: 'repo:team/app' }, { audience: '' })).status, 400)
  })

  test('ends with its trust, and so does what was issued for it', async () => {
    const { root } = people
    const text = await token()
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      subject_token: text,
      client_id: 'robot-ci@team',
    })
    const answer = await sendRequest(`${people.rooms.url}token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: form.toString(),
    })
    assert.equal(answer.status, 200, answer.body.toString())
    const bearer = `Bearer ${(JSON.parse(answer.body.toString()) as { access_token: string }).access_token}`
    const status = async () => (await root.registry.send('/v2/team/app/manifests/v1', { headers: { authorization: bearer } })).status
    assert.equal(await status(), 200)
    const { body } = await root.call('GET', `/projects/team/robots/${robot}/trusts`)
    for (const { id } of body.items ?? [])
      assert.equal((await root.call('DELETE', `/projects/team/robots/${robot}/trusts/${String(id)}`)).status, 204)
    assert.equal(await pulls(text), 401)
    assert.equal(await status(), 401)
  })
})
