import assert from 'node:assert/strict'
import { createHmac, createPublicKey, generateKeyPairSync, sign, type JsonWebKey } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { openPeople, type People, type Person } from '../api/people.ts'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'

const password = 'a long enough passphrase'
let people: People
let alice: Person
let bob: Person

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly json: Readonly<Record<string, unknown>> & {
    readonly token?: string
    readonly errors?: readonly { readonly code: string; readonly message: string }[]
  }
}

async function ask(path: string, headers: Record<string, string> = {}, form?: Record<string, string | readonly string[]>): Promise<Answer> {
  const body =
    form &&
    new URLSearchParams(
      Object.entries(form).flatMap(([name, value]) => [value].flat().map((each): [string, string] => [name, each as string])),
    )
  const answer = await sendRequest(new URL(path, people.rooms.url).href, {
    method: form === undefined ? 'GET' : 'POST',
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }) },
    ...(body === undefined ? {} : { body: Buffer.from(body.toString()) }),
  })
  const text = answer.body.toString()
  return { status: answer.status, headers: answer.headers, json: (text === '' ? {} : JSON.parse(text)) as Answer['json'] }
}

const basic = (name: string) => ({ authorization: basicAuthorization(name, password) })

interface Claims {
  readonly sub: string
  readonly aud: string
  readonly exp: number
  readonly iat: number
  readonly access: readonly { readonly type: string; readonly name: string; readonly actions: readonly string[] }[]
}

function claimsOf(token: string | undefined): Claims {
  return JSON.parse(Buffer.from((token ?? '').split('.')[1] ?? '', 'base64url').toString()) as Claims
}

/** `name:actions` of each entry. */
function accessOf(answer: Answer): string[] {
  return claimsOf(answer.json.token).access.map(({ name, actions }) => `${name}:${actions.join()}`)
}

const get = async (path: string, token: string | undefined) =>
  (await ask(path, token === undefined ? {} : { authorization: `Bearer ${token}` })).status

before(async () => {
  people = await openPeople()
  alice = await people.add('alice')
  bob = await people.add('bob')
  for (const body of [{ name: 'team' }, { name: 'open', isPublic: true }])
    assert.equal((await people.root.call('POST', '/projects', body)).status, 201)
  await people.grant(alice, 'developer', 'team')
  await people.grant(bob, 'limited-guest', 'team')
  await pushImage(people.root.registry, 'team/app', 'v1')
  await pushImage(people.root.registry, 'team/other', 'v1')
  await pushImage(people.root.registry, 'open/app', 'v1')
})
after(() => people[Symbol.asyncDispose]())

suite('GET /token', () => {
  test('the challenge leads there, and the token leads back', async () => {
    const refused = await ask('/v2/team/app/manifests/v1')
    assert.equal(refused.status, 401)
    const challenge = String(refused.headers['www-authenticate'])
    const [, realm = ''] = /realm="([^"]+)"/.exec(challenge) ?? []
    const [, service = ''] = /service="([^"]+)"/.exec(challenge) ?? []
    const [, scope = ''] = /scope="([^"]+)"/.exec(challenge) ?? []
    const answer = await ask(
      `${realm}?service=${service}&scope=${encodeURIComponent(scope)}&client_id=docker&account=alice`,
      basic('alice'),
    )
    assert.equal(answer.status, 200)
    assert.equal(answer.json.token, answer.json['access_token'])
    assert.equal(answer.json['expires_in'], 300)
    assert.ok(!Number.isNaN(Date.parse(String(answer.json['issued_at']))))
    assert.equal(answer.json['refresh_token'], undefined)
    assert.equal(answer.headers['cache-control'], 'no-store')
    assert.equal(await get('/v2/team/app/manifests/v1', answer.json.token), 200)
    assert.equal(await get('/v2/', answer.json.token), 200)
  })

  test('asking for more than one may is no error: the token says what is left', async () => {
    const scopes = 'scope=repository:team/app:pull,push,delete&scope=repository:team/other:*%20registry:catalog:*&scope=galaxy:x:y'
    assert.deepEqual(accessOf(await ask(`/token?${scopes}`, basic('bob'))), ['team/app:pull', 'team/other:pull', 'catalog:*'])
    assert.deepEqual(accessOf(await ask(`/token?${scopes}`, basic('alice'))), ['team/app:pull,push', 'team/other:pull,push', 'catalog:*'])
    assert.deepEqual(accessOf(await ask(`/token?${scopes}`, basic('root'))), [
      'team/app:pull,push,delete',
      'team/other:pull,push,delete,*',
      'catalog:*',
    ])
    assert.deepEqual(accessOf(await ask('/token?scope=repository:hidden/x:pull', basic('bob'))), [])
  })

  test('names may have our own host before them, and nobody else’s', async () => {
    const { host } = new URL(people.rooms.url)
    const own = await ask(`/token?scope=repository:${host}/team/app:push,pull`, basic('alice'))
    assert.deepEqual(accessOf(own), ['team/app:pull,push', `${host}/team/app:pull,push`])
    assert.deepEqual(accessOf(await ask('/token?scope=repository:evil.example:5000/team/app:pull', basic('alice'))), [])
    assert.deepEqual(accessOf(await ask('/token?scope=repository(plugin):team/app:pull', basic('alice'))), ['team/app:pull'])
  })

  test('without a credential the token is for what is public', async () => {
    const answer = await ask('/token?scope=repository:open/app:pull,push&scope=repository:team/app:pull')
    assert.deepEqual(accessOf(answer), ['open/app:pull'])
    assert.equal(claimsOf(answer.json.token).sub, '')
    assert.equal(await get('/v2/open/app/manifests/v1', answer.json.token), 200)
  })

  test('a wrong credential is 401 with a message, and never a token', async () => {
    const answer = await ask('/token', { authorization: basicAuthorization('alice', 'wrong') })
    assert.equal(answer.status, 401)
    assert.equal(answer.json.errors?.[0]?.code, 'UNAUTHORIZED')
    assert.match(answer.json.errors?.[0]?.message ?? '', /bad credentials/)
  })

  test('a bearer token begets no other', async () => {
    const { json } = await ask('/token?scope=repository:team/app:pull', basic('alice'))
    assert.equal((await ask('/token?scope=repository:team/app:pull', { authorization: `Bearer ${json.token}` })).status, 401)
  })

  test('a token allows what it names and nothing else; what is missing is asked for', async () => {
    const { json } = await ask('/token?scope=repository:team/app:pull', basic('alice'))
    const other = await ask('/v2/team/other/manifests/v1', { authorization: `Bearer ${json.token}` })
    assert.equal(other.status, 401)
    assert.match(String(other.headers['www-authenticate']), /scope="repository:team\/other:pull",error="insufficient_scope"/)
    const push = await sendRequest(new URL('/v2/team/app/blobs/uploads/', people.rooms.url).href, {
      method: 'POST',
      headers: { authorization: `Bearer ${json.token}` },
    })
    assert.equal(push.status, 401)
    assert.equal(await get('/api/v1/users', json.token), 403)
  })

  test('the catalog is for tokens that name it, and shows what one may see', async () => {
    const { json } = await ask('/token?scope=registry:catalog:*', basic('bob'))
    const catalog = await ask('/v2/_catalog', { authorization: `Bearer ${json.token}` })
    assert.deepEqual(catalog.json['repositories'], ['open/app', 'team/app', 'team/other'])
    const without = await ask('/token', basic('bob'))
    assert.equal(await get('/v2/_catalog', without.json.token), 401)
  })

  test('Harbor’s path answers too, other methods and secrets in the URL do not', async () => {
    assert.equal((await ask('/service/token?service=harbor-registry&scope=repository:team/app:pull', basic('alice'))).status, 200)
    for (const name of ['password', 'refresh_token', 'subject_token']) assert.equal((await ask(`/token?${name}=hunter2`)).status, 400)
    const put = await sendRequest(new URL('/token', people.rooms.url).href, { method: 'PUT' })
    assert.deepEqual([put.status, put.headers['allow']], [405, 'GET, POST'])
    assert.ok(!people.rooms.lines.join('').includes('hunter2'))
  })

  test('hostile questions are 400', async () => {
    for (const query of [
      'scope=repository:x%00:pull',
      'scope=repository:x%0d%0aSet-Cookie:pull',
      `scope=repository:${'x'.repeat(5000)}:pull`,
      Array.from({ length: 101 }, (_, at) => `scope=repository:x${at}:pull`).join('&'),
      'offline_token=true&offline_token=false',
    ]) {
      assert.equal((await ask(`/token?${query}`)).status, 400, query.slice(0, 60))
    }
  })
})

suite('POST /token', () => {
  test('a password gives a token, and offline a refresh token that gives further ones until it is revoked', async () => {
    const form = {
      grant_type: 'password',
      username: 'alice',
      password,
      service: 'berth',
      client_id: 'containerd-client',
      scope: 'repository:team/app:pull repository:hidden:pull',
    }
    const answer = await ask('/token', {}, form)
    assert.deepEqual([answer.status, answer.json['scope'], answer.json['refresh_token']], [200, 'repository:team/app:pull', undefined])
    assert.equal(await get('/v2/team/app/manifests/v1', answer.json.token), 200)

    const offline = await ask('/token', {}, { ...form, access_type: 'offline' })
    const refresh = String(offline.json['refresh_token'])
    assert.match(refresh, /^berth_ref_/)
    const again = await ask(
      '/token',
      {},
      { grant_type: 'refresh_token', refresh_token: refresh, client_id: 'docker', scope: 'repository:team/app:pull,push' },
    )
    assert.deepEqual(accessOf(again), ['team/app:pull,push'])
    assert.equal(await get('/v2/team/app/manifests/v1', again.json.token), 200)
    // It is no credential anywhere else.
    for (const authorization of [`Bearer ${refresh}`, basicAuthorization('alice', refresh)]) {
      assert.equal((await ask('/v2/', { authorization })).status, 401)
      assert.equal((await ask('/token', { authorization })).status, 401)
    }

    const { body } = await alice.call('GET', '/tokens?kind=refresh')
    const [row] = (body.items ?? []).filter(({ client }) => client === 'containerd-client')
    const days = (Date.parse(String(row?.['expiresAt'])) - Date.now()) / 86_400_000
    assert.ok(days > 89 && days <= 90, String(row?.['expiresAt']))
    assert.equal((await alice.call('DELETE', `/tokens/${Number(row?.['id'])}`)).status, 204)
    assert.equal((await ask('/token', {}, { grant_type: 'refresh_token', refresh_token: refresh })).status, 401)
    assert.equal(await get('/v2/team/app/manifests/v1', again.json.token), 401, 'what was issued for it has ended')
  })

  test('docker’s offline_token of GET gives a refresh token as well; each client keeps its last fifty', async () => {
    for (let round = 0; round < 53; round++) {
      const answer = await ask('/token?service=berth&client_id=docker&offline_token=true&account=bob', basic('bob'))
      assert.match(String(answer.json['refresh_token']), /^berth_ref_/)
    }
    const { body } = await bob.call('GET', '/tokens?kind=refresh&limit=1000')
    assert.equal(body.items?.length, 50)
  })

  test('nobody but a person with a password gets a refresh token', async () => {
    const made = await alice.call('POST', '/tokens', { name: 'ci' })
    const secret = String(made.body['secret'])
    const byToken = await ask('/token?offline_token=true', { authorization: basicAuthorization('alice', secret) })
    assert.deepEqual([byToken.status, byToken.json['refresh_token']], [200, undefined])
    assert.equal((await ask('/token?offline_token=true')).json['refresh_token'], undefined)
    // What came without a name, containerd sends as a refresh token.
    assert.equal((await ask('/token', {}, { grant_type: 'refresh_token', refresh_token: secret })).status, 200)
  })

  test('wrong credentials are 401', async () => {
    for (const form of [
      { grant_type: 'password', username: 'alice', password: 'wrong' },
      { grant_type: 'password', username: 'nobody', password: 'wrong' },
      { grant_type: 'password', username: 'alice:x', password },
      { grant_type: 'refresh_token', refresh_token: 'berth_ref_x' },
      { grant_type: 'refresh_token', refresh_token: password },
      {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        subject_token: 'eyJhbGciOiJub25lIn0.e30.AA',
      },
    ]) {
      const answer = await ask('/token', {}, form)
      assert.equal(answer.status, 401, JSON.stringify(form))
      assert.equal(answer.json.errors?.[0]?.code, 'UNAUTHORIZED')
    }
  })

  test('what no client sends is 400', async () => {
    for (const form of [
      {},
      { grant_type: 'authorization_code', code: 'x' },
      { grant_type: 'password', username: 'alice' },
      { grant_type: ['password', 'refresh_token'], username: 'alice', password },
      { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: 'eyJhbGciOiJub25lIn0.e30.AA' },
      {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token_type: 'urn:ietf:params:oauth:token-type:saml2',
        subject_token: 'x',
      },
    ]) {
      assert.equal((await ask('/token', {}, form)).status, 400, JSON.stringify(form))
    }
    const json = await sendRequest(new URL('/token', people.rooms.url).href, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from('{}'),
    })
    assert.equal(json.status, 400)
    const long = await ask('/token', {}, { grant_type: 'password', username: 'alice', password: 'x'.repeat(70_000) })
    assert.equal(long.status, 413)
  })
})

suite('what ends a token', () => {
  const token = async (name: string, scope = 'repository:team/app:pull') => (await ask(`/token?scope=${scope}`, basic(name))).json.token

  test('a disabled account has no tokens, at once', async () => {
    const carol = await people.add('carol')
    await people.grant(carol, 'guest', 'team')
    const bearer = await token('carol')
    const { secret } = (await carol.call('POST', '/tokens', { name: 'x' })).body as { secret?: string }
    const pull = async (authorization: string) => (await ask('/v2/team/app/manifests/v1', { authorization })).status
    assert.deepEqual([await pull(`Bearer ${bearer}`), await pull(`Bearer ${secret}`)], [200, 200])
    assert.equal((await people.root.call('PATCH', `/users/${carol.id}`, { isDisabled: true })).status, 200)
    assert.deepEqual([await pull(`Bearer ${bearer}`), await pull(`Bearer ${secret}`)], [401, 401])
  })

  test('a lost grant is felt by tokens that were issued before', async () => {
    const dave = await people.add('dave')
    await people.grant(dave, 'guest', 'team')
    const bearer = await token('dave')
    assert.equal(await get('/v2/team/app/manifests/v1', bearer), 200)
    const { body } = await people.root.call('GET', `/grants?user=${dave.id}`)
    assert.equal((await people.root.call('DELETE', `/grants/${Number(body.items?.[0]?.['id'])}`)).status, 204)
    assert.notEqual(await get('/v2/team/app/manifests/v1', bearer), 200)
  })

  test('a rotated key still verifies what it signed, a deleted one nothing', async () => {
    const before = await token('alice')
    const made = await people.root.call('POST', '/keys')
    assert.equal(made.status, 201, JSON.stringify(made.body))
    const fresh = await token('alice')
    const kid = (text: string | undefined) =>
      (JSON.parse(Buffer.from((text ?? '').split('.')[0] ?? '', 'base64url').toString()) as { kid: string }).kid
    assert.equal(kid(fresh), made.body['keyId'])
    assert.notEqual(kid(before), kid(fresh))
    assert.deepEqual([await get('/v2/team/app/manifests/v1', before), await get('/v2/team/app/manifests/v1', fresh)], [200, 200])
    const keySet = await ask('/.well-known/jwks.json')
    const kids = (keySet.json['keys'] as readonly { readonly kid: string; readonly d?: string }[]).map((key) => key.kid)
    assert.deepEqual(kids, [kid(fresh), kid(before)])
    assert.ok(!JSON.stringify(keySet.json).includes('"d"'))
    assert.equal((await people.root.call('DELETE', `/keys/${kid(before)}`)).status, 204)
    assert.deepEqual([await get('/v2/team/app/manifests/v1', before), await get('/v2/team/app/manifests/v1', fresh)], [401, 200])
    assert.equal((await alice.call('GET', '/keys')).status, 403)
  })
})

suite('tricks with tokens are 401', () => {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const attacker = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const attackerJwk = attacker.publicKey.export({ format: 'jwk' })
  let real = ''
  let header: Record<string, unknown>
  let claims: Record<string, unknown>
  let ourKey: JsonWebKey

  before(async () => {
    real = (await ask('/token?scope=repository:team/app:pull', basic('alice'))).json.token ?? ''
    const [head = '', body = ''] = real.split('.')
    header = JSON.parse(Buffer.from(head, 'base64url').toString()) as Record<string, unknown>
    claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>
    ourKey = ((await ask('/.well-known/jwks.json')).json['keys'] as JsonWebKey[])[0] ?? {}
  })

  const forged = (head: Record<string, unknown>, body: Record<string, unknown> = claims) => {
    const signed = `${encode(head)}.${encode(body)}`
    return `${signed}.${sign('sha256', Buffer.from(signed), { key: attacker.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }
  const refused = async (token: string, name: string) => assert.equal(await get('/v2/team/app/manifests/v1', token), 401, name)

  test('the true one is taken, with one character changed anywhere it is not', async () => {
    assert.equal(await get('/v2/team/app/manifests/v1', real), 200)
    for (const at of [0, 5, real.indexOf('.') + 3, real.lastIndexOf('.') - 2, real.lastIndexOf('.') + 4, real.length - 1]) {
      const changed = real.slice(0, at) + (real[at] === 'A' ? 'B' : 'A') + real.slice(at + 1)
      await refused(changed, `character ${at}`)
    }
    await refused(`${real}.x`, 'a fourth part')
    await refused(`${real}=`, 'padding')
  })

  test('no algorithm, and our public key as an HMAC secret', async () => {
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '', undefined, ['ES256'], 'ES384', 'RS256']) {
      await refused(`${encode({ ...header, alg })}.${encode(claims)}.`, `${String(alg)} without a signature`)
      await refused(`${encode({ ...header, alg })}.${real.split('.').slice(1).join('.')}`, `${String(alg)} with another’s signature`)
    }
    const pem = createPublicKey({ key: ourKey, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
    for (const secret of [pem, String(pem).trim(), JSON.stringify(ourKey), ourKey.x ?? '']) {
      const signed = `${encode({ ...header, alg: 'HS256' })}.${encode(claims)}`
      await refused(`${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`, 'HS256')
    }
  })

  test('keys that the token brings along or points to', async () => {
    await refused(forged(header), 'another key under our id')
    await refused(forged({ ...header, jwk: attackerJwk }), 'jwk')
    await refused(forged({ alg: 'ES256', typ: 'JWT', jwk: attackerJwk }), 'jwk without a kid')
    await refused(forged({ ...header, x5c: [attacker.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')] }), 'x5c')
    await refused(forged({ ...header, jku: `${people.rooms.url}evil.json`, x5u: `${people.rooms.url}evil.pem` }), 'jku and x5u')
    await refused(forged({ ...header, crit: ['exp'] }), 'crit')
  })

  test('ids of keys that are paths, statements or no text', async () => {
    for (const kid of ['../../dev/null', '/dev/null', "' or 1=1 --", '', '__proto__', 'constructor', 0, null, ['x'], { $ne: '' }]) {
      await refused(forged({ ...header, kid }), JSON.stringify(kid))
    }
  })

  test('what our own key signed for somebody else, for another time or with other claims', async () => {
    const { SigningKeys } = await import('#access/signing-keys.ts')
    const { watchAccess } = await import('#metadata/watch-access.ts')
    const { accounts } = people.rooms
    const keys = new SigningKeys(accounts, watchAccess(accounts.metadata, accounts.ports.clock).epoch, 'ES256')
    const signer = await keys.signer()
    const own = async (body: Record<string, unknown>) => {
      const signed = `${encode({ alg: 'ES256', typ: 'JWT', kid: signer.keyId })}.${encode(body)}`
      return `${signed}.${(await signer.sign(Buffer.from(signed))).toString('base64url')}`
    }
    const now = Math.floor(Date.now() / 1000)
    assert.equal(await get('/v2/team/app/manifests/v1', await own(claims)), 200)
    await refused(await own({ ...claims, iat: now - 700, nbf: now - 700, exp: now - 400 }), 'expired')
    await refused(await own({ ...claims, nbf: now + 3600, exp: now + 7200 }), 'not yet valid')
    await refused(await own({ ...claims, exp: now + 400 * 86_400 }), 'a year')
    await refused(await own({ ...claims, exp: 'x' }), 'no end')
    await refused(await own({ ...claims, aud: 'other' }), 'audience')
    await refused(await own({ ...claims, aud: ['berth', 'other'] }), 'audiences')
    await refused(await own({ ...claims, iss: 'other' }), 'issuer')
    await refused(await own({ ...claims, berth: { key: 'user:1 or 1=1' } }), 'key')
    await refused(await own({ ...claims, berth: undefined }), 'no key')
    await refused(
      await own({ ...claims, access: [{ type: 'repository', name: 'team/other', actions: ['pull', '*'] }] }),
      'another repository',
    )
    await refused(await own({ ...claims, access: 'repository:team/app:pull' }), 'access of another form')
  })
})

test('a registry without accounts, and one with an outside token server, has no token end point', async () => {
  const { serveRooms } = await import('../support/serve-rooms.ts')
  await using open = await serveRooms()
  assert.equal((await registryClient(open.url).send('/token')).status, 404)
  assert.equal((await registryClient(open.url).send('/.well-known/jwks.json')).status, 404)
})
