/** Bearer tokens where they do not belong: forged ones at the management API and the token end point, one registry’s at another. */
import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { openPeople, type People, type Person } from '../api/people.ts'
import { pushImage } from '../support/registry-client.ts'

let people: People
let alice: Person
let real: string

const targets = [
  '/v2/',
  '/v2/team/app/manifests/v1',
  '/v2/_catalog',
  '/api/v1/session',
  '/api/v1/users',
  '/api/v1/tokens',
  '/token?scope=repository:team/app:pull',
]

before(async () => {
  people = await openPeople()
  alice = await people.add('alice')
  await people.root.call('POST', '/projects', { name: 'team' })
  await people.root.call('POST', '/projects', { name: 'other' })
  await people.grant(alice, 'developer', 'team')
  await pushImage(people.root.registry, 'team/app', 'v1')
  real = await tokenFor(people, 'repository:team/app:pull')
})
after(() => people[Symbol.asyncDispose]())

async function tokenFor({ root }: People, scope: string, by: Person = root): Promise<string> {
  const answer = await by.registry.send(`/token?scope=${scope}`)
  return (JSON.parse(answer.body.toString()) as { token: string }).token
}

async function refusedEverywhere(token: string, what: string): Promise<void> {
  for (const target of targets) {
    const answer = await people.stranger.registry.send(target, { headers: { authorization: `Bearer ${token}` } })
    assert.equal(answer.status, 401, `${what} at ${target}`)
    assert.doesNotMatch(answer.body.toString(), /"items"|"token"|"root"/)
  }
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const decode = (part: string | undefined) => JSON.parse(Buffer.from(part ?? '', 'base64url').toString()) as Record<string, unknown>

suite('a bearer token', () => {
  test('that is forged opens nothing, at the API and the token end point no more than at /v2', async () => {
    const [head, body, signature] = real.split('.')
    const header = decode(head)
    const claims = {
      ...decode(body),
      sub: 'root',
      berth: { key: 'user:1', all: true },
      access: [{ type: 'registry', name: 'catalog', actions: ['*'] }],
    }
    const attacker = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const jwk = attacker.publicKey.export({ format: 'jwk' })
    const forge = (extra: object) => {
      const signed = `${encode({ ...header, ...extra })}.${encode(claims)}`
      return `${signed}.${sign('sha256', Buffer.from(signed), { key: attacker.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
    }
    const keySet = (await people.stranger.registry.send('/.well-known/jwks.json')).body.toString()
    const hmac = `${encode({ ...header, alg: 'HS256' })}.${encode(claims)}`
    for (const [what, token] of [
      ['another body', `${head}.${encode(claims)}.${signature}`],
      ['alg none', `${encode({ ...header, alg: 'none' })}.${encode(claims)}.`],
      ['alg None', `${encode({ ...header, alg: 'None' })}.${encode(claims)}.${signature}`],
      ['HS256 by our key set', `${hmac}.${createHmac('sha256', keySet).update(hmac).digest('base64url')}`],
      ['our kid', forge({})],
      ['jwk', forge({ jwk })],
      ['jku', forge({ jku: 'https://evil.example/jwks.json', x5u: 'https://evil.example/x' })],
      ['x5c', forge({ x5c: [attacker.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')] })],
      ['kid that is a path', forge({ kid: '../../../dev/null' })],
      ['kid that is a statement', forge({ kid: "x' union select 1 --" })],
      ['no signature', `${head}.${body}.`],
      ['an empty one', '..'],
      ['one of 200 kB', `${head}.${'A'.repeat(12_000)}.${signature}`],
    ] as const)
      await refusedEverywhere(token, what)
  })

  test('of one registry is nothing at another, though both call themselves the same', async () => {
    await using other = await openPeople()
    await other.root.call('POST', '/projects', { name: 'team' })
    await pushImage(other.root.registry, 'team/app', 'v1')
    await refusedEverywhere(await tokenFor(other, 'repository:team/app:pull'), 'a token of another registry')
  })

  test('names no more than its owner may: other projects, other actions, the system', async () => {
    const scope = [
      'repository:other/app:pull,push,delete,*',
      'repository:team/app:delete,*',
      'repository:*:*',
      'repository:**:pull',
      'repository:team/../other/app:pull',
      'registry:*:*',
      'system:users:create',
      'repository(plugin):other/app:pull',
    ].join('&scope=')
    const [, body] = (await tokenFor(people, scope, alice)).split('.')
    const { access } = decode(body) as { access: readonly { name: string; actions: readonly string[] }[] }
    for (const { name, actions } of access) {
      assert.equal(name, 'team/app')
      assert.deepEqual([...actions].toSorted(), ['pull', 'push'])
    }
  })

  test('for one repository pulls nothing else, and manages nothing, though its owner may', async () => {
    const authorization = `Bearer ${real}`
    const status = async (method: string, path: string) =>
      (await people.stranger.registry.send(path, { method, headers: { authorization } })).status
    assert.equal(await status('GET', '/v2/team/app/manifests/v1'), 200)
    assert.equal(await status('GET', '/v2/team/other/manifests/v1'), 401)
    assert.equal(await status('POST', '/v2/team/app/blobs/uploads/'), 401)
    for (const path of [
      '/api/v1/users',
      '/api/v1/audit',
      '/api/v1/system/settings',
      '/api/v1/providers',
      '/api/v1/keys',
      '/api/v1/projects/team/grants',
    ])
      assert.ok([403, 404].includes(await status('GET', path)), path)
    assert.equal(await status('POST', '/api/v1/keys'), 403)
  })
})
