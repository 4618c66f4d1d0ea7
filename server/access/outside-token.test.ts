import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { SignJWT, type JWTHeaderParameters } from 'jose'
import { systemPorts } from '#lib/ports.ts'
import type { RepositoryName } from '#oci/reference.ts'
import type { ProjectFacts } from './decide.ts'
import type { VerifyBearer } from './hooks.ts'
import { libtrustFingerprint, outsideVerifier } from './outside-token.ts'
import { thumbprint } from './signing-keys.ts'
import { makeDirectory } from './test-parts.ts'

const project: ProjectFacts = { id: 1, name: 'library', isPublic: false, isDefault: true, lineage: [1] }
const projects = { locate: async (repository: RepositoryName) => ({ repository, project }) }
const jwksKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })
const config = {
  kind: 'token',
  realm: 'https://auth.example.com/token',
  autoRedirectPath: undefined,
  service: 'registry',
  issuer: 'auth',
  signingAlgorithms: ['RS256', 'ES256'],
} as const

let place: Awaited<ReturnType<typeof makeDirectory>>
let verify: VerifyBearer
let root: KeyObject
let leaf: KeyObject
let chain: string[]

const program = 'openssl'

function openssl(...args: string[]): void {
  execFileSync(program, args, { cwd: place.path, stdio: 'ignore' })
}

const derOf = async (file: string) => new X509Certificate(await readFile(join(place.path, file))).raw.toString('base64')
const keyOf = async (file: string) => (await import('node:crypto')).createPrivateKey(await readFile(join(place.path, file)))

before(async () => {
  place = await makeDirectory()
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'root.key', '-out', 'root.pem', '-days', '2', '-subj', '/CN=root')
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'leaf.key', '-out', 'leaf.csr', '-subj', '/CN=signer')
  openssl('x509', '-req', '-in', 'leaf.csr', '-CA', 'root.pem', '-CAkey', 'root.key', '-CAcreateserial', '-out', 'leaf.pem', '-days', '2')
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'evil.key', '-out', 'evil.pem', '-days', '2', '-subj', '/CN=root')
  ;[root, leaf] = [await keyOf('root.key'), await keyOf('leaf.key')]
  chain = [await derOf('leaf.pem')]
  await writeFile(
    join(place.path, 'jwks.json'),
    JSON.stringify({ keys: [{ ...jwksKey.publicKey.export({ format: 'jwk' }), kid: 'named' }] }),
  )
  verify = await outsideVerifier(
    { ...config, rootCertBundle: join(place.path, 'root.pem'), jwks: join(place.path, 'jwks.json') },
    { ports: systemPorts, projects },
  )
})
after(() => place[Symbol.asyncDispose]())

const now = Math.floor(Date.now() / 1000)
const access = [{ type: 'repository', name: 'team/app', actions: ['pull', 'push'] }]

async function token(header: Partial<JWTHeaderParameters>, key: KeyObject, claims: Record<string, unknown> = {}): Promise<string> {
  const payload = { iss: 'auth', aud: 'registry', sub: 'alice', iat: now, nbf: now, exp: now + 300, access, ...claims }
  return await new SignJWT(payload).setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...header } as JWTHeaderParameters).sign(key)
}

const publicOf = async (file: string) => new X509Certificate(await readFile(join(place.path, file))).publicKey

suite('a token of an outside server', () => {
  test('counts with a chain that leads to the bundle, as registry:2’s servers send it', async () => {
    const identity = await verify(await token({ x5c: chain }, leaf))
    assert.deepEqual(identity?.owner, { kind: 'external', name: 'alice' })
    assert.equal(identity?.limits.length, 2)
    assert.equal((await verify(await token({ x5c: [...chain, await derOf('root.pem')] }, leaf)))?.owner.kind, 'external')
  })

  test('counts by libtrust’s fingerprint, by RFC 7638’s thumbprint, and by the id in the JWK set', async () => {
    const rootKey = await publicOf('root.pem')
    assert.match(libtrustFingerprint(rootKey), /^(?:[A-Z2-7]{4}:){11}[A-Z2-7]{4}$/)
    assert.ok(await verify(await token({ kid: libtrustFingerprint(rootKey) }, root)))
    assert.ok(await verify(await token({ kid: thumbprint(rootKey.export({ format: 'jwk' })) }, root)))
    assert.ok(await verify(await token({ kid: 'named', alg: 'ES256' }, jwksKey.privateKey)))
  })

  test('allows what it says and not more', async () => {
    const entries = [
      { type: 'repository', name: 'a', actions: ['pull', 7] },
      { type: 'registry', name: 'catalog', actions: ['*'] },
      null,
      'x',
      { type: 'repository' },
    ]
    const identity = await verify(await token({ x5c: chain }, leaf, { access: entries }))
    assert.deepEqual(
      identity?.limits.map(({ scope }) => scope.kind),
      ['repositories', 'everything'],
    )
    assert.deepEqual((await verify(await token({ x5c: chain }, leaf, { access: undefined })))?.limits, [])
  })

  test('for another service, of another issuer, too early, without an end or unsigned is none', async () => {
    for (const [name, claims] of Object.entries({
      service: { aud: 'other' },
      issuer: { iss: 'other' },
      early: { nbf: now + 600 },
      expired: { exp: now - 600 },
      endless: { exp: undefined },
    })) {
      assert.equal(await verify(await token({ x5c: chain }, leaf, claims)), undefined, name)
    }
    const [, body = ''] = (await token({ x5c: chain }, leaf)).split('.')
    assert.equal(await verify(`${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`), undefined)
    const pem = (await publicOf('root.pem')).export({ type: 'spki', format: 'pem' })
    const head = Buffer.from(JSON.stringify({ alg: 'HS256', kid: 'named' })).toString('base64url')
    assert.equal(await verify(`${head}.${body}.${createHmac('sha256', pem).update(`${head}.${body}`).digest('base64url')}`), undefined)
  })

  test('with a key of its own is none: jwk, a chain of somebody else, a known id on another key', async () => {
    const own = stranger.publicKey.export({ format: 'jwk' })
    assert.equal(await verify(await token({ jwk: own as never }, stranger.privateKey)), undefined)
    assert.equal(await verify(await token({ jwk: own as never, kid: 'named' }, stranger.privateKey)), undefined)
    assert.equal(
      await verify(await token({ x5c: [await derOf('evil.pem')] }, await keyOf('evil.key'))),
      undefined,
      'a root of the same name',
    )
    assert.equal(
      await verify(await token({ x5c: [...chain, await derOf('root.pem')] }, stranger.privateKey)),
      undefined,
      'somebody else’s chain',
    )
    assert.equal(await verify(await token({ x5c: [await derOf('evil.pem'), await derOf('root.pem')] }, await keyOf('evil.key'))), undefined)
    for (const x5c of [[], ['AAAA'], [7], Array.from({ length: 50 }, () => chain[0])]) {
      assert.equal(await verify(await token({ x5c: x5c as string[] }, leaf)), undefined)
    }
    for (const kid of ['../../dev/null', '', '__proto__', 'constructor']) assert.equal(await verify(await token({ kid }, root)), undefined)
  })

  test('signed with an algorithm that is not listed is none', async () => {
    assert.equal(await verify(await token({ x5c: chain, alg: 'RS512' }, leaf)), undefined)
  })
})

test('files without keys stop the start', async () => {
  const empty = join(place.path, 'empty.pem')
  await writeFile(empty, 'nothing')
  await assert.rejects(outsideVerifier({ ...config, rootCertBundle: empty, jwks: undefined }, { ports: systemPorts, projects }), /neither/)
  await assert.rejects(
    outsideVerifier({ ...config, rootCertBundle: undefined, jwks: empty }, { ports: systemPorts, projects }),
    /auth\.token\.jwks/,
  )
})
