/** Certificates by ACME, from pebble: both challenges, several hosts, renewal, kills, refusals. */
import assert from 'node:assert/strict'
import type { X509Certificate } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { connect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { startDaemon, type Daemon } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { tryCommand } from '../support/run-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'
import { startPebble, type Pebble, type PebbleOptions } from './pebble.ts'

const launcher = fileURLToPath(new URL('../../bin/berth.mjs', import.meta.url))

interface Scene extends AsyncDisposable {
  readonly pebble: Pebble
  readonly port: number
  readonly redirectPort: number
  readonly directory: string
  /** The certificate that a client gets who asks for the host; only where it comes from pebble. */
  certificate(host: string): Promise<X509Certificate | undefined>
  start(): Promise<Daemon>
}

type Letsencrypt = Readonly<Record<string, unknown>>

async function setUp(letsencrypt: Letsencrypt, options: Partial<PebbleOptions> = {}): Promise<Scene> {
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(await temporaryDirectory('acme'))
  const [tlsPort, redirectPort] = await Promise.all([freePort(), freePort()])
  const pebbleDirectory = join(directory.path, 'pebble')
  await mkdir(pebbleDirectory)
  const pebble = stack.use(await startPebble(pebbleDirectory, { httpPort: redirectPort, tlsPort, ...options }))
  const file = join(directory.path, 'config.yml')
  const config = {
    version: 0.1,
    auth: 'accounts',
    storage: { filesystem: { rootdirectory: join(directory.path, 'data') } },
    http: {
      addr: `127.0.0.1:${tlsPort}`,
      redirect: { addr: `127.0.0.1:${redirectPort}` },
      tls: { letsencrypt: { directoryurl: pebble.directoryUrl, trustedca: pebble.trustedCa, email: 'ops@example.test', ...letsencrypt } },
    },
  }
  await writeFile(file, JSON.stringify(config))
  const running = stack.move()
  const env = { PATH: process.env['PATH'] ?? '' }
  return {
    pebble,
    port: tlsPort,
    redirectPort,
    directory: directory.path,
    certificate: async (host) => await peer(tlsPort, host, await pebble.root()),
    start: () => startDaemon([process.execPath, launcher, 'serve', file], (logs) => logs.includes('is ready'), { env }),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

function peer(port: number, servername: string, ca: string): Promise<X509Certificate | undefined> {
  const { promise, resolve } = Promise.withResolvers<X509Certificate | undefined>()
  const socket = connect({ port, host: '127.0.0.1', servername, ca, ALPNProtocols: ['http/1.1'] }, () => {
    resolve(socket.getPeerX509Certificate())
    socket.destroy()
  })
  socket.once('error', () => resolve(undefined))
  return promise
}

suite('ACME', { concurrency: false }, () => {
  for (const challenge of ['tls-alpn-01', 'http-01']) {
    test(`${challenge}: several hosts each get a certificate, which lasts over a restart`, async () => {
      await using scene = await setUp({ hosts: ['a.test', 'b.test'], challenge }, { env: { PEBBLE_WFE_NONCEREJECT: '40' } })
      let serial = ''
      {
        await using _berth = await scene.start()
        for (const host of ['a.test', 'b.test']) {
          await until(host, async () => (await scene.certificate(host)) !== undefined)
          const found = await scene.certificate(host)
          assert.equal(found?.checkHost(host), host)
          assert.equal(found?.checkHost(host === 'a.test' ? 'b.test' : 'a.test'), undefined)
        }
        serial = (await scene.certificate('a.test'))?.serialNumber ?? ''
        const root = await scene.pebble.root()
        const { status } = await sendRequest(`https://127.0.0.1:${scene.port}/v2/`, { ca: root }).catch(() => ({ status: 0 }))
        assert.equal(status, 0, 'an address is no name of these certificates')
      }
      await using _again = await scene.start()
      assert.equal((await scene.certificate('a.test'))?.serialNumber, serial)
    })
  }

  test('a certificate is renewed at two thirds of its life, while connections go on', async () => {
    await using scene = await setUp({ hosts: ['a.test'] }, { validitySeconds: 30 })
    await using berth = await scene.start()
    await until('the first', async () => (await scene.certificate('a.test')) !== undefined)
    const first = await scene.certificate('a.test')
    const since = Date.now()
    await until('the second', async () => (await scene.certificate('a.test'))?.serialNumber !== first?.serialNumber, 40_000)
    assert.ok(Date.now() - since > 8_000, berth.logs())
    assert.ok(Date.now() < Date.parse(first?.validTo ?? ''), 'before the first one ended')
    assert.equal((await scene.certificate('a.test'))?.checkHost('a.test'), 'a.test')
  })

  test('a server that is killed again and again while it asks gets its certificate all the same', async () => {
    await using scene = await setUp({ hosts: ['a.test'] })
    for (const delayMs of [300, 900, 1_500, 1_900, 2_300]) {
      const berth = await scene.start()
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      await berth.kill9()
    }
    await using _berth = await scene.start()
    await until('the certificate', async () => (await scene.certificate('a.test')) !== undefined, 60_000)
  })

  test('an account is bound to the customer’s own, and without that it is refused with its reason', async () => {
    const externalAccounts = { 'kid-1': 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W' }
    await using scene = await setUp(
      { hosts: ['a.test'], eab: { keyid: 'kid-1', hmackey: externalAccounts['kid-1'] } },
      { externalAccounts },
    )
    await using _berth = await scene.start()
    await until('the certificate', async () => (await scene.certificate('a.test')) !== undefined)
    await using bare = await setUp({ hosts: ['a.test'] }, { externalAccounts })
    await using refused = await bare.start()
    await until('the reason', () => refused.logs().includes('externalAccountRequired'))
    assert.doesNotMatch(refused.logs(), new RegExp(externalAccounts['kid-1']))
  })

  test('a host that the authority refuses is tried again later, and does not keep the others from theirs', async () => {
    await using scene = await setUp({ hosts: ['blocked.test', 'a.test'] }, { blocked: ['blocked.test'] })
    await using berth = await scene.start()
    await until('the other', async () => (await scene.certificate('a.test')) !== undefined)
    const failures = () => berth.logs().match(/no certificate by ACME/g)?.length ?? 0
    assert.equal(failures(), 1)
    assert.match(berth.logs(), /rejectedIdentifier/)
    await new Promise((resolve) => setTimeout(resolve, 4_000))
    assert.equal(failures(), 1, 'the next try is minutes away')
    assert.doesNotMatch(berth.logs(), /PRIVATE KEY/)
  })

  test('an authority that is away is asked again later; the server serves meanwhile', async () => {
    await using scene = await setUp({ hosts: ['a.test'], directoryurl: `https://127.0.0.1:${await freePort()}/dir` })
    await using berth = await scene.start()
    await until('the failure', () => berth.logs().includes('no certificate by ACME'))
    assert.match(berth.logs(), /cannot be asked/)
    // Somebody who believes everything is served, with a certificate that nobody would believe.
    const socket = connect({ port: scene.port, host: '127.0.0.1', servername: 'a.test', rejectUnauthorized: false })
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
    assert.equal(socket.getPeerX509Certificate()?.subject, 'CN=Berth waits for its certificate')
    socket.destroy()
  })

  test('the command lists certificates, asks for another one now, and tells how that went; events and metrics tell too', async () => {
    await using scene = await setUp({ hosts: ['localhost', 'blocked.test'] }, { blocked: ['blocked.test'] })
    await using berth = await scene.start()
    await until('the certificate', async () => (await scene.certificate('localhost')) !== undefined)
    await until('the failure', () => berth.logs().includes('no certificate by ACME'))
    const authority = join(scene.directory, 'root.pem')
    await writeFile(authority, await scene.pebble.root())
    const env = {
      PATH: process.env['PATH'] ?? '',
      BERTH_SERVER: `https://localhost:${scene.port}`,
      BERTH_USER: 'admin',
      BERTH_TOKEN: / +password +(\S+)/.exec(berth.logs())?.[1] ?? '',
      XDG_CONFIG_HOME: scene.directory,
    }
    const command = (...args: readonly string[]) => tryCommand([process.execPath, launcher, ...args, '--ca', authority], { env })
    const listed = await command('certificate', 'list')
    assert.match(listed.output, /^localhost +acme +20\d\d-/m)
    assert.match(listed.output, /^blocked\.test: .*rejectedIdentifier/m)
    const before = (await scene.certificate('localhost'))?.serialNumber
    const renewed = await command('certificate', 'renew', 'LOCALHOST', '--wait')
    assert.equal(renewed.status, 0, renewed.output)
    await until('served', async () => (await scene.certificate('localhost'))?.serialNumber !== before)
    const failed = await command('certificate', 'renew', 'blocked.test', '--wait')
    assert.notEqual(failed.status, 0)
    assert.match(failed.output, /no certificate for blocked\.test/)
    assert.match((await command('certificate', 'renew', 'other.test')).output, /none of http\.tls\.letsencrypt\.hosts/)
    const events = (await command('audit', 'list', '--json')).output
    for (const action of ['certificate.issued', 'certificate.failed', 'job.started']) assert.ok(events.includes(action), action)
    assert.doesNotMatch(events, /PRIVATE KEY/)
    const answer = await sendRequest(`https://localhost:${scene.port}/metrics`, {
      ca: await scene.pebble.root(),
      headers: { authorization: basicAuthorization('admin', env.BERTH_TOKEN) },
    })
    const metrics = answer.body.toString()
    assert.match(metrics, /^registry_certificate_expiry_timestamp_seconds\{name="localhost",source="acme"\} \d+/m)
    assert.match(metrics, /^registry_certificate_renewals_total\{outcome="success"\} 2$/m)
    assert.match((await command('doctor', '--server', env.BERTH_SERVER)).output, /blocked\.test has no certificate yet/)
  })

  test('no challenge is answered to a stranger', async () => {
    await using scene = await setUp({ hosts: ['a.test'], challenge: 'tls-alpn-01' })
    await using _berth = await scene.start()
    await until('the certificate', async () => (await scene.certificate('a.test')) !== undefined)
    const socket = connect({
      port: scene.port,
      host: '127.0.0.1',
      servername: 'a.test',
      rejectUnauthorized: false,
      ALPNProtocols: ['acme-tls/1'],
    })
    await assert.rejects(new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject)))
    const { status } = await sendRequest(`http://127.0.0.1:${scene.redirectPort}/.well-known/acme-challenge/${'A'.repeat(43)}`)
    assert.equal(status, 404)
  })
})
