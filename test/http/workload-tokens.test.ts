import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { SignJWT } from 'jose'
import { addTestProvider } from '#access/test-vouched.ts'
import { openPeople, type People } from '../api/people.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'

const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
const issuer = 'https://gitlab.example.com'
const audience = 'https://registry.example.com'
let people: People

function jobToken(claims: object = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const payload = {
    iss: issuer,
    aud: audience,
    sub: 'project_path:group/web',
    project_path: 'group/web',
    ref_protected: 'true',
    iat: now,
    exp: now + 300,
    ...claims,
  }
  return new SignJWT(payload).setProtectedHeader({ alg: 'RS256', kid: 'g1' }).sign(keys.privateKey)
}

async function exchange(form: Record<string, string>) {
  const { status, body } = await registryClient(people.rooms.url).send('/token', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      ...form,
    }).toString(),
  })
  return { status, json: JSON.parse(body.toString()) as Readonly<Record<string, unknown>> }
}

const bearer = (json: Readonly<Record<string, unknown>>) =>
  registryClient(people.rooms.url, { authorization: `Bearer ${String(json['access_token'])}` })

before(async () => {
  people = await openPeople()
  const jwks = JSON.stringify({ keys: [{ ...keys.publicKey.export({ format: 'jwk' }), kid: 'g1', alg: 'RS256', use: 'sig' }] })
  await addTestProvider(people.rooms.accounts, 'gitlab', 'workload', {
    issuer,
    jwks,
    jwksUrl: '',
    algorithms: ['RS256'],
    clockToleranceSeconds: 30,
    authorities: '',
  })
  assert.equal((await people.root.call('POST', '/projects', { name: 'team' })).status, 201)
  await pushImage(people.root.registry, 'team/app', 'v1')
  const made = await people.root.call('POST', '/projects/team/robots', { name: 'ci', hasSecret: false, grants: [{ role: 'developer' }] })
  const { id } = made.body['robot'] as { readonly id: number }
  const trust = { provider: 'gitlab', audience, claims: { project_path: 'group/*', ref_protected: 'true' } }
  assert.equal((await people.root.call('POST', `/projects/team/robots/${id}/trusts`, trust)).status, 201)
})
after(() => people[Symbol.asyncDispose]())

suite('the token of a CI job', () => {
  test('is docker’s password, on /v2 and at the token end point', async () => {
    const token = await jobToken()
    for (const name of ['robot-ci@team', 'robot$team+ci', 'oidc']) {
      const client = registryClient(people.rooms.url, { authorization: basicAuthorization(name, token) })
      assert.equal((await client.send('/v2/')).status, 200, name)
      assert.equal((await client.send('/token?scope=repository:team/app:pull,push&offline_token=true')).status, 200)
      await pushImage(client, 'team/built', 'v1')
    }
    assert.ok(!people.rooms.lines.join('').includes(token))
  })

  test('is exchanged for one of ours, narrow or whole, that begets nothing', async () => {
    const narrow = await exchange({ subject_token: await jobToken(), client_id: 'robot-ci@team', scope: 'repository:team/app:pull' })
    assert.equal(narrow.status, 200)
    assert.equal(narrow.json['issued_token_type'], 'urn:ietf:params:oauth:token-type:access_token')
    assert.equal(narrow.json['token_type'], 'Bearer')
    assert.equal(narrow.json['refresh_token'], undefined)
    assert.equal((await bearer(narrow.json).send('/v2/team/app/manifests/v1')).status, 200)
    assert.equal((await bearer(narrow.json).send('/v2/team/app/blobs/uploads/', { method: 'POST' })).status, 401)
    const whole = await exchange({ subject_token: await jobToken() })
    assert.equal((await bearer(whole.json).send('/v2/team/app/blobs/uploads/', { method: 'POST' })).status, 202)
    assert.equal((await bearer(whole.json).send('/api/v1/projects/team')).status, 200)
    assert.equal((await bearer(whole.json).send('/api/v1/users')).status, 403)
    const offline = await exchange({ subject_token: await jobToken(), access_type: 'offline' })
    assert.equal(offline.json['refresh_token'], undefined)
  })

  test('goes on opening the robot when its project was renamed, under the former and the present name', async () => {
    const { root } = people
    assert.equal((await root.call('POST', '/projects', { name: 'before' })).status, 201)
    const image = await pushImage(root.registry, 'before/app', 'v1')
    const made = await root.call('POST', '/projects/before/robots', { name: 'job', hasSecret: false, grants: [{ role: 'developer' }] })
    const { id } = made.body['robot'] as { readonly id: number }
    const trust = { provider: 'gitlab', audience, claims: { project_path: 'group/*', ref: 'renamed' } }
    assert.equal((await root.call('POST', `/projects/before/robots/${id}/trusts`, trust)).status, 201)
    for (const present of ['after', 'group/last']) {
      const old = present === 'after' ? 'before' : 'after'
      assert.equal((await root.call('POST', `/projects/${old}/rename`, { name: present })).status, 200)
      const token = await jobToken({ ref: 'renamed' })
      for (const project of ['before', old, present]) {
        const name = `robot-job@${project}`
        const client = registryClient(people.rooms.url, { authorization: basicAuthorization(name, token) })
        assert.equal((await client.send('/v2/')).status, 200, name)
        assert.equal(await client.digestOf(`${project}/app`, 'v1'), image.descriptor.digest)
        const pushed = await pushImage(client, `${project}/built`, 'v1', { files: { project } })
        assert.equal(await root.registry.digestOf(`${present}/built`, 'v1'), pushed.descriptor.digest)
        const exchanged = await exchange({ subject_token: token, client_id: name, scope: `repository:${project}/app:pull` })
        assert.equal(exchanged.status, 200, name)
        assert.equal((await bearer(exchanged.json).send(`/v2/${project}/app/manifests/v1`)).status, 200)
        const foreign = registryClient(people.rooms.url, { authorization: basicAuthorization(name, await jobToken()) })
        assert.equal((await foreign.send('/v2/')).status, 401, 'a job that is not trusted stays out')
      }
    }
    assert.equal((await root.call('POST', '/projects', { name: 'elsewhere' })).status, 201)
    const wrong = registryClient(people.rooms.url, {
      authorization: basicAuthorization('robot-job@elsewhere', await jobToken({ ref: 'renamed' })),
    })
    assert.equal((await wrong.send('/v2/')).status, 401)
  })

  test('of another project, branch or audience is 401 everywhere', async () => {
    for (const claims of [
      { project_path: 'evil/web' },
      { ref_protected: 'false' },
      { aud: 'https://other.example.com' },
      { iss: 'https://evil.example.com' },
    ]) {
      const token = await jobToken(claims)
      const client = registryClient(people.rooms.url, { authorization: basicAuthorization('robot-ci@team', token) })
      assert.equal((await client.send('/v2/')).status, 401)
      assert.equal((await client.send('/token')).status, 401)
      assert.equal((await exchange({ subject_token: token })).status, 401)
    }
  })
})
