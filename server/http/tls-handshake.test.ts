import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import { connect, createSecureContext, createServer, type ConnectionOptions } from 'node:tls'
import pino from 'pino'
import type { AcmeCertificates } from '#features/acme.ts'
import { makeAuthority, makeChallengeCertificate, makeServerCertificate, type KeyedCertificate } from '#lib/make-certificate.ts'
import { systemPorts } from '#lib/ports.ts'
import { handshakeOptions } from './tls-handshake.ts'

const now = systemPorts.clock.now()
const validity = { notBefore: now - 3_600_000, notAfter: now + 3_600_000 }
const authority = await makeAuthority(systemPorts.random, { commonName: 'authority', ...validity })
const named = (commonName: string) =>
  makeServerCertificate(systemPorts.random, { commonName, names: ['hub.example'], ...validity }, { name: 'authority', key: authority.key })
const own = await named('own')
const other = await named('default')
const proof = await makeChallengeCertificate(systemPorts.random, { host: 'hub.example', keyAuthorization: 'x', ...validity })

async function scene(tlsChallenge: (host: string) => Promise<KeyedCertificate | undefined>) {
  const asked: string[] = []
  const acme: AcmeCertificates = {
    hosts: new Set(['hub.example']),
    answersHandshakes: true,
    placeholder: { cert: own.certificate, key: own.key },
    current: () => [],
    onChange: () => () => undefined,
    tlsChallenge: (host) => (asked.push(host), tlsChallenge(host)),
    httpChallenge: () => Promise.resolve(undefined),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
  const context = createSecureContext({ cert: own.certificate, key: own.key })
  const certificates = {
    find: (name: string) => (name.toLowerCase() === 'hub.example' ? context : undefined),
    [Symbol.dispose]: () => undefined,
  }
  const options = handshakeOptions(() => certificates, acme, pino({ level: 'silent' }))
  const server = createServer({ cert: other.certificate, key: other.key, ...options })
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const shake = (wanted: ConnectionOptions) =>
    new Promise<string>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...wanted }, () => {
        resolve(`${socket.alpnProtocol} ${socket.getPeerX509Certificate()?.subject}`)
        socket.destroy()
      })
      socket.once('error', () => resolve('refused'))
    })
  return { asked, shake, [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())) }
}

suite('handshakes', () => {
  for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    test(`${maxVersion}: RFC 8737 gets its proof, for a host that has a certificate too; everybody else gets that`, async () => {
      await using stage = await scene(() => Promise.resolve(proof))
      const shake = (servername: string, ALPNProtocols?: string[]) =>
        stage.shake({ maxVersion, servername, ...(ALPNProtocols && { ALPNProtocols }) })
      assert.equal(await shake('HUB.example', ['acme-tls/1']), 'acme-tls/1 CN=Berth answers a challenge')
      assert.equal(await shake('hub.example', ['http/1.1']), 'http/1.1 CN=own')
      assert.equal(await shake('hub.example', ['h2', 'http/1.1']), 'http/1.1 CN=own')
      assert.equal(await shake('hub.example'), 'false CN=own')
      assert.equal(await shake('unknown.example', ['http/1.1']), 'http/1.1 CN=default')
      assert.equal(await shake('unknown.example', ['acme-tls/1']), 'refused')
      assert.equal(await shake('hub.example', ['h2']), 'refused')
      assert.deepEqual(new Set(stage.asked), new Set(['hub.example']))
    })

    test(`${maxVersion}: without an open challenge nobody gets a proof, and a database that is away harms only who asks for one`, async () => {
      for (const answer of [() => Promise.resolve(undefined), () => Promise.reject(new Error('away'))]) {
        await using stage = await scene(answer)
        assert.equal(await stage.shake({ maxVersion, servername: 'hub.example', ALPNProtocols: ['acme-tls/1'] }), 'refused')
        assert.equal(await stage.shake({ maxVersion, servername: 'hub.example', ALPNProtocols: ['http/1.1'] }), 'http/1.1 CN=own')
      }
    })
  }

  test('in TLS 1.3 clients that want no proof have the database asked for nothing', async () => {
    await using stage = await scene(() => Promise.resolve(proof))
    for (let count = 0; count < 5; count++) await stage.shake({ servername: 'hub.example', ALPNProtocols: ['http/1.1'] })
    assert.deepEqual(stage.asked, [])
  })
})
