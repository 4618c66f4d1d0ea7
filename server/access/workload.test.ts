import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { after, before, beforeEach, suite, test } from 'node:test'
import { SignJWT } from 'jose'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { insertTrust } from '#metadata/robot-trusts.ts'
import { createRobot, updateRobot } from './robots.ts'
import { addRobotTrust, listRobotTrusts, removeRobotTrust } from './robot-trusts.ts'
import { watchAccess, type AccessEpoch } from '#metadata/watch-access.ts'
import type { VerifyWorkload } from './hooks.ts'
import { administrator, holder, everything, recorded, refusedAs } from './test-acting.ts'
import { addTestProvider, makeTestDirectory, type TestDirectory } from './test-vouched.ts'
import { workloadVerifier } from './workload.ts'

const issuer = 'https://token.actions.example.com'
const audience = 'https://registry.example.com'
const settings = { issuer, jwksUrl: '', jwks: '', algorithms: ['RS256', 'ES256'], clockToleranceSeconds: 60, authorities: '' }
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const others = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const jwk = (key: KeyObject, kid: string) => ({ ...key.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' })

const disableProvider = accessTransaction(import.meta.url, 'test-workload/disable', async (tx, id: number) => {
  await tx.updateTable('providers').set({ is_enabled: 0, version: 2 }).where('id', '=', id).execute()
})

const insertOldTrust = accessTransaction(import.meta.url, 'test-workload/insert', async (tx, trust: Parameters<typeof insertTrust>[1]) => {
  await insertTrust(tx, trust)
})

/** The issuer as HTTP shows it: what it has now, and how often it was asked. */
const web = { keys: [jwk(keys.publicKey, 'k1')] as object[], asked: [] as string[], isDown: false, saysIssuer: issuer }
const http = {
  fetch: async (url: string | URL) => {
    web.asked.push(String(url))
    if (web.isDown) throw new Error('connection refused')
    if (String(url).endsWith('/.well-known/openid-configuration'))
      return Response.json({ issuer: web.saysIssuer, jwks_uri: `${issuer}/jwks` })
    return Response.json({ keys: web.keys })
  },
}

let directory: TestDirectory
let epoch: AccessEpoch
let verify: VerifyWorkload
let robotId = 0
let deployId = 0

interface Change {
  readonly claims?: Record<string, unknown>
  readonly kid?: string
  readonly key?: KeyObject
  readonly alg?: string
  readonly iat?: number
  readonly exp?: number
}

function token({ claims = {}, kid = 'k1', key = keys.privateKey, alg = 'ES256', iat, exp }: Change = {}): Promise<string> {
  const now = Math.floor(directory.ports.clock.now() / 1000)
  const said = {
    iss: issuer,
    aud: audience,
    sub: 'repo:team/web:ref:refs/heads/main',
    repository: 'team/web',
    ref: 'refs/heads/main',
    ...claims,
  }
  const payload = { ...said, iat: iat ?? now, exp: exp ?? now + 300 }
  return new SignJWT(payload).setProtectedHeader({ alg, kid }).sign(key)
}

before(async () => {
  const bare = await makeTestDirectory()
  const watched = watchAccess(bare.metadata, bare.ports.clock)
  directory = { ...bare, metadata: watched.metadata }
  epoch = watched.epoch
  await addTestProvider(directory, 'github', 'workload', settings)
  const robot = { project: undefined, description: '', allowedAddresses: [], expiresAt: null, grants: [], hasSecret: false }
  robotId = (await createRobot(directory, { ...robot, name: 'ci' }, administrator)).robot.id
  deployId = (await createRobot(directory, { ...robot, name: 'deploy' }, administrator)).robot.id
  const trust = { provider: 'github', audience, description: '', claims: { repository: 'team/*', ref: 'refs/heads/main' } }
  await addRobotTrust(directory, { id: robotId, projectId: undefined, trust }, administrator)
  await addRobotTrust(
    directory,
    { id: deployId, projectId: undefined, trust: { ...trust, claims: { repository: 'team/web', environment: 'production' } } },
    administrator,
  )
})
after(() => directory[Symbol.asyncDispose]())
beforeEach(() => {
  Object.assign(web, { keys: [jwk(keys.publicKey, 'k1')], asked: [], isDown: false, saysIssuer: issuer })
  verify = workloadVerifier({ directory, epoch, outgoing: () => http })
})

suite('a workload’s token', () => {
  test('acts as the robot that it names, or as the only one whose rules fit', async () => {
    for (const name of ['robot-ci', 'robot$ci', 'workload', 'oidc'])
      assert.equal((await verify(await token(), name))?.robotId, robotId, name)
    const production = { environment: 'production', ref: 'refs/tags/v1' }
    assert.equal((await verify(await token({ claims: production }), 'workload'))?.robotId, deployId)
    assert.deepEqual(web.asked, [`${issuer}/.well-known/openid-configuration`, `${issuer}/jwks`], 'keys are fetched once')
  })

  test('that fits two robots must say which', async () => {
    const both = await token({ claims: { environment: 'production' } })
    assert.equal(await verify(both, 'workload'), undefined)
    assert.equal((await verify(both, 'robot-deploy'))?.robotId, deployId)
    assert.equal((await verify(both, 'robot-ci'))?.robotId, robotId)
    assert.equal(await verify(both, 'robot-nobody'), undefined)
    assert.equal(await verify(both, 'robot-ci@team'), undefined)
  })

  test('that says anything else is nobody’s', async () => {
    const now = Math.floor(directory.ports.clock.now() / 1000)
    const wrong: Record<string, Change> = {
      'another audience': { claims: { aud: 'https://other.example.com' } },
      'no audience': { claims: { aud: undefined } },
      'another issuer': { claims: { iss: 'https://evil.example.com' } },
      'the issuer with a slash': { claims: { iss: `${issuer}/` } },
      'another repository': { claims: { repository: 'evil/web' } },
      'a repository that begins alike': { claims: { repository: 'team-evil/web' } },
      'another branch': { claims: { ref: 'refs/heads/evil' } },
      'a missing claim': { claims: { ref: undefined } },
      expired: { iat: now - 700, exp: now - 400 },
      'not yet valid': { claims: { nbf: now + 600 } },
      'issued in the future': { iat: now + 600, exp: now + 900 },
      'older than an hour': { iat: now - 4000, exp: now + 300 },
      'a key of somebody else under a known id': { key: others.privateKey },
      'an algorithm that does not fit the key': { key: rsa.privateKey, alg: 'RS256' },
      'an unknown key': { key: others.privateKey, kid: 'k9' },
    }
    for (const [name, change] of Object.entries(wrong)) assert.equal(await verify(await token(change), 'robot-ci'), undefined, name)
    const [head = '', body = ''] = (await token()).split('.')
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    for (const text of [`${none}.${body}.`, `${head}.${body}.AA`, 'x', '', `eyJ.${'a'.repeat(20_000)}.x`])
      assert.equal(await verify(text, 'robot-ci'), undefined)
  })

  test('signed with a symmetric key of the set is refused', async () => {
    web.keys = [{ kty: 'oct', k: Buffer.alloc(32, 1).toString('base64url'), kid: 'k1', alg: 'HS256' }, jwk(keys.publicKey, 'k2')]
    const now = Math.floor(directory.ports.clock.now() / 1000)
    const symmetric = await new SignJWT({
      iss: issuer,
      aud: audience,
      repository: 'team/web',
      ref: 'refs/heads/main',
      iat: now,
      exp: now + 60,
    })
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .sign(Buffer.alloc(32, 1))
    assert.equal(await verify(symmetric, 'robot-ci'), undefined)
  })

  test('ends with itself, though it was remembered', async () => {
    const text = await token()
    assert.ok(await verify(text, 'robot-ci'))
    directory.advance(301_000)
    assert.equal(await verify(text, 'robot-ci'), undefined)
  })
})

suite('keys of the issuer', () => {
  test('a fresh one is found, but made-up ids ask only twice a minute', async () => {
    assert.ok(await verify(await token(), 'robot-ci'))
    web.keys = [jwk(others.publicKey, 'k2')]
    web.asked = []
    assert.equal(await verify(await token({ key: others.privateKey, kid: 'k2' }), 'robot-ci'), undefined, 'too early to ask again')
    directory.advance(31_000)
    assert.ok(await verify(await token({ key: others.privateKey, kid: 'k2' }), 'robot-ci'))
    const asked = web.asked.length
    for (let at = 0; at < 20; at++)
      assert.equal(await verify(await token({ key: others.privateKey, kid: `made-up-${at}` }), 'robot-ci'), undefined)
    assert.equal(web.asked.length, asked)
  })

  test('are kept while the issuer is away; without any the answer is 503', async () => {
    assert.ok(await verify(await token(), 'robot-ci'))
    web.isDown = true
    directory.advance(11 * 60_000)
    assert.ok(await verify(await token(), 'robot-ci'))
    const fresh = workloadVerifier({ directory, epoch, outgoing: () => http })
    await assert.rejects(fresh(await token(), 'robot-ci'), refusedAs('UNAVAILABLE'))
  })

  test('are not taken from a document about another issuer', async () => {
    web.saysIssuer = 'https://evil.example.com'
    await assert.rejects(verify(await token(), 'robot-ci'), refusedAs('UNAVAILABLE'))
  })

  test('are fetched without TLS from this very machine alone', async () => {
    const here = 'http://127.0.0.1:8080'
    await addTestProvider(directory, 'here', 'workload', { ...settings, issuer: here, jwksUrl: `${here}/jwks` })
    const trust = { provider: 'here', audience, description: '', claims: { sub: 'job' } }
    await addRobotTrust(directory, { id: robotId, projectId: undefined, trust }, administrator)
    const ways = new Set<boolean>()
    const fresh = workloadVerifier({
      directory,
      epoch,
      outgoing: (_authorities, allowHttp) => {
        ways.add(allowHttp)
        return http
      },
    })
    assert.ok(await fresh(await token(), 'robot-ci'))
    assert.equal((await fresh(await token({ claims: { iss: here, sub: 'job' } }), 'robot-ci'))?.robotId, robotId)
    assert.deepEqual(ways, new Set([false, true]))
  })

  test('may be pinned, and then nobody is asked', async () => {
    const pinned = 'https://kubernetes.default.svc'
    await addTestProvider(directory, 'cluster', 'workload', {
      ...settings,
      issuer: pinned,
      jwks: JSON.stringify({ keys: [jwk(others.publicKey, 'p1')] }),
    })
    const trust = { provider: 'cluster', audience, description: '', claims: { sub: 'system:serviceaccount:ci:builder' } }
    await addRobotTrust(directory, { id: robotId, projectId: undefined, trust }, administrator)
    web.isDown = true
    web.asked = []
    const claims = { iss: pinned, sub: 'system:serviceaccount:ci:builder' }
    assert.equal((await verify(await token({ claims, key: others.privateKey, kid: 'p1' }), 'robot-ci'))?.robotId, robotId)
    assert.equal(await verify(await token({ claims, key: keys.privateKey, kid: 'p1' }), 'robot-ci'), undefined)
    assert.deepEqual(web.asked, [])
  })
})

suite('trusts', () => {
  const address = () => ({ id: robotId, projectId: undefined })
  const trust = { provider: 'github', audience, description: '', claims: { repository: 'x/y' } }

  test('are for those who hold all that the robot may', async () => {
    await updateRobot(
      directory,
      { ...address(), expectedVersion: undefined, set: { grants: [{ role: 'developer', project: undefined, repositories: null }] } },
      administrator,
    )
    await assert.rejects(addRobotTrust(directory, { ...address(), trust }, holder(['robot:update'], everything)), refusedAs('DENIED'))
    await addRobotTrust(directory, { ...address(), trust }, holder('developer', everything))
  })

  test('that would trust everybody, or in nobody, are refused', async () => {
    await assert.rejects(
      addRobotTrust(directory, { ...address(), trust: { ...trust, claims: {} } }, administrator),
      refusedAs('REQUEST_INVALID'),
    )
    await assert.rejects(
      addRobotTrust(directory, { ...address(), trust: { ...trust, provider: 'nobody' } }, administrator),
      refusedAs('REQUEST_INVALID'),
    )
  })

  test('of before, that name nobody, let nobody in, and the log says which', async () => {
    const { metadata, lines } = directory
    await metadata.write(insertOldTrust, { robotId, providerId: 1, audience, claims: { ref: 'refs/heads/*' }, description: '', at: 1 })
    assert.equal(await verify(await token({ claims: { repository: 'evil/web' } }), 'robot-ci'), undefined)
    assert.ok(JSON.stringify(lines).includes('no rule of it says whose job it is'))
    assert.ok(await verify(await token(), 'robot-ci'), 'others of the robot count')
  })

  test('end what was remembered when they go', async () => {
    const text = await token()
    assert.ok(await verify(text, 'robot-ci'))
    const [first] = await listRobotTrusts(directory, address())
    await removeRobotTrust(directory, { ...address(), trustId: first?.id ?? 0 }, administrator)
    assert.equal(await verify(text, 'robot-ci'), undefined)
    await assert.rejects(
      removeRobotTrust(directory, { ...address(), trustId: first?.id ?? 0 }, administrator),
      refusedAs('RESOURCE_UNKNOWN'),
    )
    assert.ok((await recorded(directory)).includes('robot.trust-removed robot:robot-ci'))
  })

  test('count for nothing when the provider is disabled', async () => {
    const text = await token({ claims: { environment: 'production' } })
    assert.ok(await verify(text, 'robot-deploy'))
    await directory.metadata.write(disableProvider, 1)
    assert.equal(await verify(text, 'robot-deploy'), undefined)
  })
})
