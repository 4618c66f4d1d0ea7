import assert from 'node:assert/strict'
import type { X509Certificate } from 'node:crypto'
import { copyFile, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { connect } from 'node:tls'
import { systemPorts, type Ports } from '#lib/ports.ts'
import { makeAuthority, makeServerCertificate } from '#lib/make-certificate.ts'
import { makeCertificates } from '../support/certificates.ts'
import { rawConnection } from '../support/raw-connection.ts'
import { serveRooms } from '../support/serve-rooms.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'

const tlsDefaults = {
  clientCas: [],
  crls: [],
  clientAuth: 'require-and-verify-client-cert',
  minimumVersion: 'TLSv1.2',
  cipherSuites: undefined,
} as const
const dayMs = 86_400_000

/** A pair of files for the names, and what a client who knows the authority sees. */
async function pairOf(directory: string, name: string, names: readonly string[], notAfter = Date.now() + dayMs) {
  const notBefore = Date.now() - 10 * dayMs
  const authority = await makeAuthority(systemPorts.random, { commonName: `Authority ${name}`, notBefore, notAfter: Date.now() + dayMs })
  const made = await makeServerCertificate(
    systemPorts.random,
    { commonName: name, names, notBefore, notAfter },
    { name: `Authority ${name}`, key: authority.key },
  )
  const files = { certificate: join(directory, `${name}.crt`), key: join(directory, `${name}.key`) }
  await writeFile(files.certificate, made.certificate)
  await writeFile(files.key, made.key)
  return { ...files, authority: authority.certificate }
}

/** The common name of the certificate that a client gets. */
function served(port: number, servername?: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const socket = connect(
    { port, host: '127.0.0.1', rejectUnauthorized: false, ...(servername === undefined ? {} : { servername }) },
    () => {
      resolve(socket.getPeerX509Certificate()?.subject.replace('CN=', '') ?? '')
      socket.destroy()
    },
  )
  socket.once('error', reject)
  return promise
}

/** Ports whose ten-second looks are made when the test says. */
function lookingPorts() {
  const looks: (() => void)[] = []
  const every: Ports['timers']['every'] = (intervalMs, callback) => {
    if (intervalMs === 10_000) looks.push(callback)
    return systemPorts.timers.every(intervalMs, callback)
  }
  return { ports: { ...systemPorts, timers: { ...systemPorts.timers, every } }, look: () => looks.forEach((look) => look()) }
}

const listen = { host: '127.0.0.1', port: 0 }

suite('certificates', () => {
  test('each client gets the one for the name that it asks for, and the first for any other', async () => {
    await using directory = await temporaryDirectory('sni')
    const first = await pairOf(directory.path, 'first', ['first.example', '127.0.0.1'])
    const wild = await pairOf(directory.path, 'wild', ['*.wild.example'])
    const old = await pairOf(directory.path, 'old', ['both.example'], Date.now() - dayMs)
    const fresh = await pairOf(directory.path, 'fresh', ['both.example'])
    const { certificate, key } = first
    await using rooms = await serveRooms({ http: { listen, tls: { ...tlsDefaults, certificate, key, certificates: [wild, old, fresh] } } })
    for (const [name, expected] of [
      ['first.example', 'first'],
      ['a.wild.example', 'wild'],
      ['A.WILD.example', 'wild'],
      ['a.b.wild.example', 'first'],
      ['both.example', 'fresh'],
      ['unknown.example', 'first'],
      ['localhost', 'first'],
      [undefined, 'first'],
    ] as const)
      assert.equal(await served(rooms.port, name), expected, name)
    assert.ok(rooms.lines.some((line) => line.includes('this certificate has ended') && line.includes('old.crt')))
  })

  test('a name that is none harms nobody', async () => {
    await using directory = await temporaryDirectory('sni-odd')
    const pair = await pairOf(directory.path, 'first', ['first.example'])
    await using rooms = await serveRooms({ http: { listen, tls: { ...tlsDefaults, ...pair, certificates: [pair] } } })
    for (const name of ['a'.repeat(254), 'x_y', '-', '*.wild.example', 'a..b', 'é.example'])
      await served(rooms.port, name).catch(() => undefined)
    assert.equal(await served(rooms.port, 'first.example'), 'first')
    // A ClientHello that is cut in the middle of its extensions.
    using broken = await rawConnection(rooms.port, Buffer.from('160301000501000001fc', 'hex'))
    broken.socket.end()
    await broken.closed(5_000)
    assert.equal(await served(rooms.port, 'first.example'), 'first')
  })

  test('a key that does not fit, and nonsense, stop the start with one sentence that names both files', async () => {
    await using directory = await temporaryDirectory('tls-misfit')
    const one = await pairOf(directory.path, 'one', ['one.example'])
    const other = await pairOf(directory.path, 'other', ['other.example'])
    const start = (tls: object) => serveRooms({ http: { listen, tls: { ...tlsDefaults, ...one, ...tls } } })
    await assert.rejects(start({ key: other.key }), /other\.key is not the key of .*one\.crt/)
    await assert.rejects(
      start({ certificates: [{ certificate: other.certificate, key: one.key }] }),
      /one\.key is not the key of .*other\.crt/,
    )
    await writeFile(other.key, 'nonsense')
    await assert.rejects(start({ certificates: [other] }), /other\.crt and .*other\.key are not a certificate and its private key in PEM/)
  })

  test('one that is replaced is taken up without a dropped connection; a broken one is said once, and the one before stays', async () => {
    await using directory = await temporaryDirectory('tls-reload')
    const first = await pairOf(directory.path, 'first', ['first.example'])
    const second = await pairOf(directory.path, 'second', ['second.example'])
    const third = await pairOf(directory.path, 'third', ['second.example'])
    const { ports, look } = lookingPorts()
    const { certificate, key } = first
    await using rooms = await serveRooms({ http: { listen, tls: { ...tlsDefaults, certificate, key, certificates: [second] } } }, { ports })
    const held = connect({ port: rooms.port, host: '127.0.0.1', servername: 'second.example', rejectUnauthorized: false })
    await new Promise((resolve) => held.once('secureConnect', resolve))
    // Half of what is needed, the wrong key, an empty file, none at all.
    for (const spoil of [
      () => copyFile(third.certificate, second.certificate),
      () => writeFile(second.certificate, ''),
      () => rm(second.certificate),
    ]) {
      await spoil()
      const said = rooms.lines.filter((line) => line.includes('certificate not taken up')).length
      look()
      await until('said', () => rooms.lines.filter((line) => line.includes('certificate not taken up')).length === said + 1)
      look()
      look()
      await new Promise((resolve) => setTimeout(resolve, 50))
      const lines = rooms.lines.filter((line) => line.includes('certificate not taken up'))
      assert.equal(lines.length, said + 1, 'said once')
      assert.doesNotMatch(lines.at(-1) ?? '', /"stack"|node:internal/u)
      assert.equal(await served(rooms.port, 'second.example'), 'second')
      assert.equal(await served(rooms.port, 'first.example'), 'first')
    }
    await copyFile(third.certificate, second.certificate)
    await copyFile(third.key, second.key)
    look()
    await until('taken up', async () => (await served(rooms.port, 'second.example')) === 'third')
    let answer = ''
    held.on('data', (chunk: Buffer) => (answer += chunk.toString()))
    held.write('GET /v2/ HTTP/1.1\r\nHost: second.example\r\n\r\n')
    await until('the connection of before goes on', () => answer.startsWith('HTTP/1.1 200'))
    held.destroy()
  })

  test('authorities that become nonsense leave those before in use', async () => {
    await using directory = await temporaryDirectory('tls-trust')
    const { authorityFile, certificateFile, keyFile } = await makeCertificates(directory.path, ['IP:127.0.0.1'])
    const { ports, look } = lookingPorts()
    const tls = {
      ...tlsDefaults,
      clientCas: [authorityFile],
      clientAuth: 'verify-client-cert-if-given',
      certificate: certificateFile,
      key: keyFile,
    } as const
    await using rooms = await serveRooms({ http: { listen, tls } }, { ports })
    await writeFile(authorityFile, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
    look()
    await until('said', () => rooms.lines.some((line) => line.includes('authorities or revocation lists not taken up')))
    assert.equal(await served(rooms.port), 'Berth test server')
  })

  test('a self-signed one is made once, kept over starts, and made again by the same authority when it is broken', async () => {
    await using directory = await temporaryDirectory('self-signed')
    const file = (name: string) => join(directory.path, 'tls', name)
    const selfSigned = { authority: file('ca.crt'), authorityKey: file('ca.pem'), hosts: ['hub.example'] }
    const tls = { ...tlsDefaults, certificate: file('server.pem'), key: file('server.pem'), selfSigned }
    const start = () => serveRooms({ http: { listen, tls } })
    const serial = async () => {
      await using rooms = await start()
      const { promise, resolve, reject } = Promise.withResolvers<X509Certificate | undefined>()
      const socket = connect(
        { port: rooms.port, host: '127.0.0.1', servername: 'hub.example', ca: await readFile(selfSigned.authority) },
        () => {
          resolve(socket.getPeerX509Certificate())
          socket.destroy()
        },
      )
      socket.once('error', reject)
      return (await promise)?.serialNumber
    }
    const first = await serial()
    assert.equal(await serial(), first)
    const authority = await readFile(selfSigned.authority, 'utf8')
    for (const name of ['ca.pem', 'server.pem']) assert.equal((await stat(file(name))).mode & 0o077, 0, name)
    assert.doesNotMatch(authority, /PRIVATE/)
    await writeFile(tls.certificate, 'cut')
    assert.notEqual(await serial(), first)
    await rm(selfSigned.authority)
    await serial()
    assert.equal(await readFile(selfSigned.authority, 'utf8'), authority)
    // Several processes that start at once agree.
    await rm(join(directory.path, 'tls'), { recursive: true })
    const together = await Promise.all([start(), start(), start()])
    for (const rooms of together) await rooms[Symbol.asyncDispose]()
    await serial()
  })
})
