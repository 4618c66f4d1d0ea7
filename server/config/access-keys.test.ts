import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { effectiveConfiguration } from './effective.ts'
import { loadConfig } from './load.ts'
import { ConfigPlace, minimal } from './test-place.ts'

let place: ConfigPlace
before(async () => {
  place = await ConfigPlace.make()
  await writeFile(join(place.directory, 'ca.json'), '{"keys":[]}')
})
after(() => place[Symbol.asyncDispose]())

const first = Buffer.alloc(32, 1).toString('base64')
const second = Buffer.alloc(32, 2).toString('base64url')
const accounts = `${minimal}auth: accounts\n`

describe('secrets', () => {
  test('the key file stands beside the database unless it is named', async () => {
    assert.deepEqual((await place.configOf(`${accounts}database: {file: db/berth.db}\n`)).secrets, {
      keys: [],
      keyFile: join(place.directory, 'db/berth.key'),
    })
    assert.equal((await place.configOf(`${accounts}secrets: {keyfile: a.key}\n`)).secrets.keyFile, join(place.directory, 'a.key'))
    assert.equal((await place.configOf(`${accounts}database: {file: ":memory:"}\n`)).secrets.keyFile, undefined)
  })

  test('REGISTRY_SECRETS_KEY replaces the file, and may hold several keys', async () => {
    const { secrets } = await place.configOf(accounts, { REGISTRY_SECRETS_KEY: `${first}\n${second}` })
    assert.equal(secrets.keyFile, undefined)
    assert.deepEqual(secrets.keys, [Buffer.alloc(32, 1), Buffer.alloc(32, 2)])
  })

  test('a key of another length stops the start and is not repeated', async () => {
    for (const wrong of ['short', Buffer.alloc(31, 65).toString('base64'), `${first} x`]) {
      const problems = await place.problemsOf(accounts, { REGISTRY_SECRETS_KEY: wrong })
      assert.match(problems, /^secrets\.key: expected 32 bytes in base64/)
      assert.ok(!problems.includes(wrong))
    }
  })

  test('the key is never printed', async () => {
    const { config, values } = await loadConfig({ environment: { REGISTRY_SECRETS_KEY: first }, cwd: place.directory })
    assert.ok(!effectiveConfiguration(config, values).includes(first))
  })
})

describe('tokens', () => {
  test('are signed with ES256 and count for five minutes unless said otherwise', async () => {
    assert.deepEqual((await place.configOf(accounts)).tokens, {
      algorithm: 'ES256',
      lifetimeMs: 300_000,
      issuer: 'berth',
      service: 'berth',
    })
    const { tokens } = await place.configOf(
      `${accounts}tokens: {algorithm: RS256, lifetime: 1h, issuer: i, service: registry.example.com}\n`,
    )
    assert.deepEqual(tokens, { algorithm: 'RS256', lifetimeMs: 3_600_000, issuer: 'i', service: 'registry.example.com' })
  })

  test('never count for less than a minute', async () => {
    assert.match(await place.problemsOf(`${accounts}tokens: {lifetime: 59s}\n`), /^tokens\.lifetime: /)
  })

  test('an unknown key is a mistake', async () => {
    assert.match(await place.problemsOf(`${accounts}tokens: {lifetme: 5m}\n`), /tokens\.lifetme/)
  })
})

describe('auth.token', () => {
  const outside = (more: string) => `${minimal}auth: {token: {realm: "https://a.example/token", service: s, issuer: i, ${more}}}\n`

  test('names the token server, its keys and its algorithms', async () => {
    const { auth } = await place.configOf(outside('rootcertbundle: ca.pem, signingalgorithms: [RS256]'))
    assert.deepEqual(auth, {
      kind: 'token',
      realm: 'https://a.example/token',
      autoRedirectPath: undefined,
      service: 's',
      issuer: 'i',
      rootCertBundle: join(place.directory, 'ca.pem'),
      jwks: undefined,
      signingAlgorithms: ['RS256'],
    })
  })

  test('autoredirect needs no realm', async () => {
    const { auth } = await place.configOf(`${minimal}auth: {token: {service: s, issuer: i, jwks: ca.json, autoredirect: true}}\n`)
    assert.equal(auth.kind === 'token' && auth.autoRedirectPath, '/auth/token')
  })

  test('without keys, names or files it stops the start', async () => {
    assert.match(await place.problemsOf(outside('')), /^auth\.token: expected rootcertbundle or jwks/)
    assert.match(await place.problemsOf(outside('jwks: missing.json')), /^auth\.token\.jwks: .*ENOENT/)
    assert.match(
      await place.problemsOf(`${minimal}auth: {token: {jwks: ca.json}}\n`),
      /auth\.token\.realm[^]*auth\.token\.service[^]*auth\.token\.issuer/,
    )
  })

  test('symmetric and absent algorithms are refused', async () => {
    for (const algorithm of ['none', 'HS256', 'es256']) {
      assert.match(await place.problemsOf(outside(`jwks: ca.json, signingalgorithms: [${algorithm}]`)), /^auth\.token\.signingalgorithms/)
    }
  })
})
