import assert from 'node:assert/strict'
import { Agent, request } from 'node:https'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { TlsConfig } from '#config/config.ts'
import { createProvider } from '#access/providers.ts'
import { systemPorts, type Ports } from '#lib/ports.ts'
import {
  makeCertificates,
  makeClientCertificate,
  revoke,
  writeRevocations,
  type Certificates,
  type ClientCertificate,
} from '../support/certificates.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { openPeople, password, type People } from './people.ts'

const who = { actor: 'test', requestId: 'test' }

interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  readonly cookie: string | undefined
}

suite('client certificates', () => {
  let directory: string
  let server: Certificates
  let people: People
  const ticks: (() => void)[] = []
  const client: Record<string, ClientCertificate> = {}
  let stranger: ClientCertificate

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'berth-mtls-'))
    server = await makeCertificates(directory, ['IP:127.0.0.1'])
    client['alice'] = await makeClientCertificate(directory, 'alice', '/O=Example/CN=alice', [
      'email:alice@example.org',
      'URI:spiffe://example/ci',
    ])
    client['bob'] = await makeClientCertificate(directory, 'bob', '/CN=bob', [])
    client['dave'] = await makeClientCertificate(directory, 'dave', '/CN=dave', ['email:dave@corp.example'])
    client['ci'] = await makeClientCertificate(directory, 'ci', '/CN=ci', ['URI:spiffe://corp/robot-ci@fleet'])
    client['gone'] = await makeClientCertificate(directory, 'gone', '/CN=gone', ['URI:spiffe://corp/robot-gone@fleet'])
    client['twice'] = await makeClientCertificate(directory, 'twice', '/CN=twice', ['email:a@corp.example', 'email:b@corp.example'])
    client['evil'] = await makeClientCertificate(directory, 'evil', '/CN=root', ['email:root@corp.example'])
    const elsewhere = join(directory, 'elsewhere')
    await import('node:fs/promises').then(({ mkdir }) => mkdir(elsewhere))
    await makeCertificates(elsewhere, ['IP:127.0.0.1'])
    stranger = await makeClientCertificate(elsewhere, 'alice', '/CN=alice', [])
    await writeRevocations(directory)
    const tls: TlsConfig = {
      certificate: server.certificateFile,
      key: server.keyFile,
      clientCas: [server.authorityFile],
      crls: [join(directory, 'ca.crl')],
      clientAuth: 'verify-client-cert-if-given',
      minimumVersion: 'TLSv1.2',
      cipherSuites: undefined,
    }
    const timers = {
      ...systemPorts.timers,
      every: (intervalMs: number, callback: () => void) => {
        if (intervalMs === 10_000) ticks.push(callback)
        return systemPorts.timers.every(intervalMs, callback)
      },
    }
    const ports: Ports = { ...systemPorts, timers }
    people = await openPeople({ http: { tls } }, { ports })
    await people.add('alice')
    await people.add('bob')
    const settings = { source: 'email', suffix: '@corp.example', createsAccounts: true }
    await createProvider(people.rooms.accounts, { name: 'mail', kind: 'certificate', title: 'mail', isEnabled: true, settings }, { who })
    await createProvider(
      people.rooms.accounts,
      { name: 'names', kind: 'certificate', title: 'names', isEnabled: true, settings: {} },
      { who },
    )
  })
  after(async () => {
    await people?.[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  })

  function send(
    path: string,
    from: ClientCertificate | undefined,
    options: { method?: string; body?: unknown; headers?: Record<string, string>; agent?: Agent } = {},
  ): Promise<Answer> {
    const text = options.body === undefined ? undefined : JSON.stringify(options.body)
    const headers = { ...(text === undefined ? {} : { 'content-type': 'application/json' }), ...options.headers }
    return new Promise((resolve, reject) => {
      const outgoing = request(
        new URL(path, people.rooms.url),
        {
          method: options.method ?? 'GET',
          headers,
          ca: server.authority,
          agent: options.agent ?? false,
          ...(from === undefined ? {} : { cert: from.certificate, key: from.key }),
        },
        (incoming) => {
          const chunks: Buffer[] = []
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
          incoming.once('error', reject)
          incoming.once('end', () => {
            const answer = Buffer.concat(chunks).toString()
            resolve({
              status: incoming.statusCode ?? 0,
              body: answer.startsWith('{') ? (JSON.parse(answer) as Answer['body']) : {},
              cookie: incoming.headers['set-cookie']?.[0]?.split(';')[0],
            })
          })
        },
      )
      outgoing.once('error', reject)
      outgoing.end(text)
    })
  }
  const nameOf = async (from: ClientCertificate | undefined, headers: Record<string, string> = {}) => {
    const { body } = await send('api/v1/session', from, { headers })
    return [(body['user'] as { name: string } | undefined)?.name, body['credential']]
  }

  test('a name that no account is linked with is nobody’s, even when an account bears it', async () => {
    assert.deepEqual(await nameOf(client['alice']), [undefined, 'none'])
    assert.equal((await send('v2/', client['alice'])).status, 401)
  })

  test('a certificate that makes accounts makes one, and opens the API and /v2 with it', async () => {
    assert.deepEqual(await nameOf(client['dave']), ['dave', 'certificate'])
    assert.equal((await send('v2/', client['dave'])).status, 200)
    assert.deepEqual(await nameOf(client['dave']), ['dave', 'certificate'])
  })

  test('it never takes an account over that is there, nor counts when it bears two names', async () => {
    assert.deepEqual(await nameOf(client['evil']), [undefined, 'none'])
    assert.deepEqual(await nameOf(client['twice']), [undefined, 'none'])
  })

  test('Authorization goes before it, right or wrong', async () => {
    assert.deepEqual(await nameOf(client['dave'], { authorization: basicAuthorization('alice', password) }), ['alice', 'password'])
    assert.equal((await send('v2/', client['dave'], { headers: { authorization: basicAuthorization('alice', 'wrong') } })).status, 401)
  })

  test('a certificate destroys nothing and gives nothing away that does; a password beside it, or a token that names it, does', async () => {
    const headers = { authorization: basicAuthorization('root', password) }
    const found = (await send('api/v1/users?name=dave', undefined, { headers })).body['items'] as readonly { id: number }[]
    const dave = `api/v1/users/${String(found[0]?.id)}`
    const setAdministrator = async (isAdministrator: boolean) =>
      assert.equal((await send(dave, undefined, { method: 'PATCH', body: { isAdministrator }, headers })).status, 200)
    await setAdministrator(true)
    assert.equal((await send('api/v1/projects', undefined, { method: 'POST', body: { name: 'doomed' }, headers })).status, 201)
    for (const [method, path, body] of [
      ['POST', 'keys', undefined],
      ['POST', 'tokens', { name: 'whole' }],
      ['POST', 'tokens', { name: 'keys', scopes: [{ permissions: ['key:rotate'] }] }],
      ['DELETE', 'projects/doomed', undefined],
      ['POST', 'robots', { name: 'maker', grants: [{ role: 'project-creator' }] }],
    ] as const) {
      const refused = await send(`api/v1/${path}`, client['dave'], { method, ...(body !== undefined && { body }) })
      assert.deepEqual([refused.status, refused.body['code']], [403, 'ELEVATION_REQUIRED'], `${method} ${path}`)
      assert.match(String(refused.body['detail']), /certificate is a file.*password/)
    }
    const plain = { name: 'plain', scopes: [{ permissions: ['repository:pull'] }] }
    assert.equal((await send('api/v1/tokens', client['dave'], { method: 'POST', body: plain })).status, 201)
    assert.equal((await send('api/v1/projects/doomed', client['dave'], { method: 'DELETE', headers })).status, 204)
    await setAdministrator(false)
  })

  test('a page of another site gets nothing by the certificate that a browser adds', async () => {
    const headers = { 'sec-fetch-site': 'cross-site' }
    assert.equal((await send('api/v1/sessions', client['dave'], { method: 'DELETE', headers })).status, 403)
  })

  test('a certificate of another authority is turned away', async () => {
    await assert.rejects(send('v2/', stranger))
  })

  test('whoever is signed in links the certificate of their connection, and it opens their account then', async () => {
    const signedIn = await send('api/v1/session', client['alice'], { method: 'POST', body: { name: 'alice', password } })
    assert.equal(signedIn.status, 200, JSON.stringify(signedIn.body))
    const headers = { cookie: signedIn.cookie ?? '', 'sec-fetch-site': 'same-origin' }
    const link = (from: ClientCertificate | undefined) =>
      send('api/v1/session/identities', from, { method: 'POST', body: { provider: 'names' }, headers })
    assert.equal((await link(undefined)).status, 409)
    assert.equal((await link(client['alice'])).status, 200)
    assert.deepEqual(await nameOf(client['alice']), ['alice', 'certificate'])
  })

  test('a robot comes in by its login name where the provider is for robots', async () => {
    const settings = { source: 'uri', prefix: 'spiffe://example/', target: 'robot' }
    await createProvider(people.rooms.accounts, { name: 'robots', kind: 'certificate', title: 'r', isEnabled: true, settings }, { who })
    const { nameOf: read } = await import('#access/certificates.ts')
    const facts = { subject: 'CN=x', names: ['URI:spiffe://example/robot-ci', 'DNS:x'], fingerprint256: 'x', issuer: 'CN=a' }
    const stored = {
      source: 'uri',
      prefix: 'spiffe://example/',
      suffix: '',
      target: 'robot',
      createsAccounts: false,
      matchesNames: false,
      issuer: '',
    } as const
    assert.equal(read(facts, stored), 'robot-ci')
    assert.equal(read(facts, { ...stored, issuer: 'CN=b' }), undefined)
    assert.equal(read({ ...facts, names: ['URI:spiffe://example/'] }, stored), undefined)
  })

  test('a robot opens /v2 and the API by its certificate, under the former name of its project too, and until it is disabled', async () => {
    const settings = { source: 'uri', prefix: 'spiffe://corp/', target: 'robot' }
    await createProvider(people.rooms.accounts, { name: 'fleet', kind: 'certificate', title: 'f', isEnabled: true, settings }, { who })
    const ask = async (method: string, path: string, body?: unknown) => {
      const headers = { authorization: basicAuthorization('root', password) }
      const answer = await send(`api/v1${path}`, undefined, { method, headers, ...(body !== undefined && { body }) })
      assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
      return answer.body
    }
    assert.deepEqual(await nameOf(client['ci']), [undefined, 'none'], 'there is no such robot yet')
    await ask('POST', '/projects', { name: 'fleet' })
    const made = await ask('POST', '/projects/fleet/robots', { name: 'ci', hasSecret: false, grants: [{ role: 'developer' }] })
    const { id } = made['robot'] as { id: number }
    const startsUpload = async (project: string) =>
      (await send(`v2/${project}/app/blobs/uploads/`, client['ci'], { method: 'POST' })).status
    assert.deepEqual(await nameOf(client['ci']), ['robot-ci@fleet', 'certificate'])
    assert.deepEqual([await startsUpload('fleet'), await startsUpload('library')], [202, 403])
    assert.equal((await send('api/v1/projects/fleet', client['ci'])).status, 200)
    assert.equal((await send('api/v1/users', client['ci'])).status, 403)
    assert.deepEqual(await nameOf(client['gone']), [undefined, 'none'])
    await ask('POST', '/projects/fleet/rename', { name: 'navy' })
    assert.deepEqual(await nameOf(client['ci']), ['robot-ci@navy', 'certificate'])
    assert.deepEqual([await startsUpload('fleet'), await startsUpload('navy')], [202, 202])
    await ask('PATCH', `/projects/navy/robots/${id}`, { isDisabled: true })
    for (const path of ['v2/', 'api/v1/session']) assert.equal((await send(path, client['ci'])).status, 401, path)
    await ask('PATCH', `/projects/navy/robots/${id}`, { isDisabled: false })
    assert.equal((await send('v2/', client['ci'])).status, 200)
    await ask('DELETE', `/projects/navy/robots/${id}`)
    assert.equal((await send('v2/', client['ci'])).status, 401)
  })

  test('a revoked certificate is turned away once the list is there, on connections that are open too', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    assert.equal((await send('v2/', client['dave'], { agent })).status, 200)
    await revoke(directory, 'dave')
    await new Promise((resolve) => setTimeout(resolve, 20))
    for (const tick of ticks) tick()
    await assert.rejects(async () => {
      for (let tries = 0; tries < 200; tries++) {
        await send('v2/', client['dave'], { agent })
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    })
    await assert.rejects(send('v2/', client['dave']))
    assert.deepEqual(await nameOf(client['alice']), ['alice', 'certificate'])
    agent.destroy()
  })

  test('a list that cannot be read does not take the one in force away', async () => {
    const file = join(directory, 'ca.crl')
    const good = await readFile(file)
    await writeFile(file, 'no list')
    for (const tick of ticks) tick()
    await new Promise((resolve) => setTimeout(resolve, 50))
    await assert.rejects(send('v2/', client['dave']))
    assert.deepEqual(await nameOf(client['alice']), ['alice', 'certificate'])
    await writeFile(file, good)
  })
})
