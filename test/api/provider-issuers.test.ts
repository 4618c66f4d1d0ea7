import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { suite, test } from 'node:test'
import * as fc from 'fast-check'
import { loopback, settingsFor } from './alice-of-ldap.ts'
import { openPeople } from './people.ts'
import { publicKey } from './public-key.ts'
import { providerValues, settingsWithTheirKind } from '../support/provider-arbitrary.ts'

const keySet = JSON.stringify({ keys: [publicKey('ec', 'P-256')] })

suite('issuers and their keys', () => {
  test('whatever settings are tried, a test of a provider ends with steps or a refusal', async () => {
    await using place = await openPeople()
    const { root } = place
    const known = (name: string) => (Object.hasOwn(providerValues, name) ? providerValues[name] : undefined)
    const bodies = fc.sample(settingsWithTheirKind(known), { numRuns: 250, seed: 20_260_101 })
    const reached = new Set<string>()
    for (const body of bodies) {
      const reply = await root.call('POST', '/provider-tests', body)
      assert.ok(reply.status === 200 || reply.status === 400, `${reply.status} ${JSON.stringify(body)}`)
      if (reply.status === 200) reached.add(body.kind)
    }
    // What is refused at its form shows nothing of the steps.
    assert.deepEqual([...reached].toSorted(), ['certificate', 'htpasswd', 'ldap', 'oidc', 'workload'])
  })

  test('keys that verify nothing are refused where a provider is made or changed, and fail its test in a sentence', async () => {
    await using place = await openPeople(loopback)
    const { root } = place
    const of = (...keys: unknown[]) => JSON.stringify({ keys })
    const good = publicKey('ec', 'P-256')
    const unfit: readonly (readonly [jwks: string, why: RegExp])[] = [
      ['nojson', /is no set of JSON web keys/],
      ['null', /is no set of JSON web keys/],
      ['[]', /is no set of JSON web keys/],
      ['{"keys":"a"}', /is no set of JSON web keys/],
      [of(), /has no keys in it/],
      [of(null, 1, 'x', []), /key 1: its kty is none/],
      [of({ kty: 'RSA' }), /key 1: it cannot be read/],
      [of({ kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }), /key 1: it cannot be read/],
      [of({ kty: 'oct', k: 'c2VjcmV0' }), /key 1: its kty is none/],
      [of(publicKey('ec', 'P-384')), /key 1: it does not fit the algorithms RS256, ES256/],
      [of({ ...good, alg: 'ES384' }), /key 1: it does not fit/],
      [of({ ...good, use: 'enc' }), /key 1: it does not fit/],
      [of({ ...good, key_ops: ['sign'] }), /key 1: it does not fit/],
      [of(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })), /key 1: it is a private key/],
      [of(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })), /it has 1024 bits: 2048 are needed/],
    ]
    const settings = { issuer: 'https://ci.example', jwks: of(good, { kty: 'RSA' }) }
    assert.equal((await root.call('POST', '/providers', { name: 'ci', kind: 'workload', settings })).status, 201, 'one good key is enough')
    for (const [jwks, why] of unfit) {
      const made = await root.call('POST', '/providers', {
        name: 'ci2',
        kind: 'workload',
        settings: { issuer: 'https://ci2.example', jwks },
      })
      assert.deepEqual([made.status, made.body['code']], [400, 'REQUEST_INVALID'], jwks)
      assert.match(String(made.body['detail']), /^settings\/jwks /)
      assert.match(String(made.body['detail']), why)
      assert.equal((await root.call('PATCH', '/providers/ci', { settings: { jwks } })).status, 400, jwks)
      const tried = await root.call('POST', '/provider-tests', { kind: 'workload', settings: { issuer: 'https://ci2.example', jwks } })
      assert.deepEqual([tried.status, tried.body['passed']], [200, false], jwks)
      const [step] = tried.body['steps'] as { readonly passed: boolean; readonly message: string }[]
      assert.match(step?.message ?? '', /^jwks /)
      assert.match(step?.message ?? '', why)
    }
    assert.equal((await root.call('PATCH', '/providers/ci', { settings: { algorithms: ['PS256'] } })).status, 400, 'no key fits any more')
    const { body } = await root.call('POST', '/providers/ci/test', {})
    assert.match(JSON.stringify(body), /2 keys are there, and 1 of them can verify a token \(key 2: it cannot be read\)/)
  })

  test('a stored row with keys that are none fails its test in a sentence, and lets nobody in', async () => {
    await using place = await openPeople(loopback)
    const { addTestProvider } = await import('#access/test-vouched.ts')
    for (const [index, jwks] of ['nojson', '{"keys":"a"}', 'null', '[]', '{"keys":[]}'].entries()) {
      const settings = {
        issuer: `https://ci${index}.example`,
        jwksUrl: '',
        jwks,
        algorithms: ['ES256'],
        clockToleranceSeconds: 30,
        authorities: '',
      }
      await addTestProvider(place.rooms.accounts, `ci${index}`, 'workload', settings)
      const { status, body } = await place.root.call('POST', `/providers/ci${index}/test`, {})
      assert.deepEqual([status, body['passed']], [200, false], jwks)
      assert.match(JSON.stringify(body['steps']), /jwks (?:is no set|has no keys)/)
    }
  })

  test('the addresses of Entra for several tenants are refused as an issuer', async () => {
    await using place = await openPeople(loopback)
    const create = (issuer: string) =>
      place.root.call('POST', '/providers', { name: 'entra', kind: 'oidc', isEnabled: false, settings: { issuer, clientId: 'x' } })
    for (const tenant of ['common', 'organizations', 'consumers', 'COMMON'])
      for (const path of ['/v2.0', '', '/']) {
        const made = await create(`https://login.microsoftonline.com/${tenant}${path}`)
        assert.equal(made.status, 400, tenant + path)
        assert.match(
          String(made.body['detail']),
          /^settings\/issuer names no tenant, and \w+ has no issuer of its own: write the id of your tenant/,
        )
      }
    assert.equal((await create('https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0')).status, 201)
    assert.equal(
      (await place.root.call('PATCH', '/providers/entra', { settings: { issuer: 'https://login.microsoftonline.com/common/v2.0' } }))
        .status,
      400,
    )
    await place.root.call('DELETE', '/providers/entra')
    assert.equal((await create('https://id.example.com/common/v2.0')).status, 201, 'elsewhere it is a path as any')
  })

  test('a provider at an address that is not asked is made with a warning', async () => {
    await using place = await openPeople()
    const { root } = place
    const create = (name: string, kind: string, settings: object) =>
      root.call('POST', '/providers', { name, kind, isEnabled: false, settings })
    for (const [name, kind, settings] of [
      ['a', 'workload', { issuer: 'http://127.0.0.1:8080' }],
      ['b', 'workload', { issuer: 'cluster', jwksUrl: 'http://localhost/jwks' }],
      ['c', 'oidc', { issuer: 'https://[::1]/', clientId: 'x' }],
      ['d', 'ldap', settingsFor('ldaps://169.254.1.1')],
    ] as const)
      assert.match(JSON.stringify((await create(name, kind, settings)).body), /outgoing\.allowednetworks/, name)
    assert.equal((await create('e', 'workload', { issuer: 'http://127.0.0.1:8080/other', jwks: keySet })).body['warnings'], undefined)
    assert.equal((await create('f', 'oidc', { issuer: 'https://id.example.com', clientId: 'x' })).body['warnings'], undefined)
    await using open = await openPeople(loopback)
    const made = await open.root.call('POST', '/providers', { name: 'a', kind: 'workload', settings: { issuer: 'http://127.0.0.1:8080' } })
    assert.deepEqual([made.status, made.body['warnings']], [201, undefined])
  })
})
