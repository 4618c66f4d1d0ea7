import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeCertificates } from '../support/certificates.ts'
import { startDaemon } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { sendRequest } from '../support/http-client.ts'
import { digestOfBytes, registryClient } from '../support/registry-client.ts'
import { run } from '../support/run-command.ts'
import { startBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'
import { adapted } from './example.ts'
import { balanced, persistent, startNodes, type Load } from './nodes.ts'

/** A place with a certificate for 127.0.0.1 and a free port. */
async function place(name: string) {
  const directory = await temporaryDirectory(name)
  const certificates = await makeCertificates(directory.path, ['IP:127.0.0.1'])
  const [certificate, key] = await Promise.all([readFile(certificates.certificateFile, 'utf8'), readFile(certificates.keyFile, 'utf8')])
  await writeFile(join(directory.path, 'both.pem'), `${certificate}\n${key}`)
  const port = await freePort('127.0.0.1')
  const ca = certificates.authority
  return { directory, certificates, port, ca, url: `https://127.0.0.1:${port}`, file: (name: string) => join(directory.path, name) }
}

type Place = Awaited<ReturnType<typeof place>>

const isUp = async ({ url, ca }: Place) => {
  try {
    return [200, 401].includes((await sendRequest(`${url}/v2/`, { ca })).status)
  } catch {
    return false
  }
}

async function startHaproxy(here: Place, hosts: readonly string[]) {
  const nodes = hosts.map((host, at): [string, string] => [`server berth-${at + 1} berth-${at + 1}:5000`, `server berth-${at + 1} ${host}`])
  const text = await adapted('haproxy/haproxy.cfg', [
    [':443 ', `127.0.0.1:${here.port} `],
    ['/etc/haproxy/berth.pem', here.file('both.pem')],
    ...nodes,
    ...(hosts.length < 3 ? [['    server berth-3 berth-3:5000\n', ''] as const] : []),
    ...(hosts.length < 2 ? [['    server berth-2 berth-2:5000\n', ''] as const] : []),
  ])
  await writeFile(here.file('haproxy.cfg'), text)
  await run(['/usr/sbin/haproxy', '-c', '-f', here.file('haproxy.cfg')])
  return startDaemon(['/usr/sbin/haproxy', '-db', '-f', here.file('haproxy.cfg')], () => isUp(here))
}

async function startNginx(here: Place, example: string, changes: readonly (readonly [string, string])[]) {
  const text = await adapted(example, [
    ['listen 443 ', `listen 127.0.0.1:${here.port} `],
    ['/etc/nginx/berth.crt', here.certificates.certificateFile],
    ['/etc/nginx/berth.key', here.certificates.keyFile],
    ...changes,
  ])
  // Where nginx keeps what the example leaves to its package, and as which user: the data here are root's.
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${here.file(kind)};`).join('\n')
  const own = `daemon off;\nuser root;\npid ${here.file('nginx.pid')};\nerror_log ${here.file('error.log')};\n`
  await writeFile(here.file('nginx.conf'), own + text.replace('http {', `http {\naccess_log ${here.file('access.log')};\n${places}`))
  await run(['/usr/sbin/nginx', '-t', '-c', here.file('nginx.conf')])
  return startDaemon(['/usr/sbin/nginx', '-c', here.file('nginx.conf')], () => isUp(here))
}

/** Pulls again and again, repeating as clients do, until `stop`. */
function pullAlong({ url, ca }: Place, digest: string, bytes: Buffer) {
  const load: Load = { answered: 0, repeated: 0, lost: [] }
  let isOver = false
  const one = async () => {
    while (!isOver) {
      const manifest = await persistent(load, `${url}/v2/shared/app/manifests/v1`, { ca })
      assert.equal(manifest?.status ?? 200, 200)
      const blob = await persistent(load, `${url}/v2/shared/app/blobs/${digest}`, { ca })
      if (blob !== undefined) assert.deepEqual(blob.body, bytes)
    }
  }
  const senders = Promise.all([one(), one(), one(), one()])
  return {
    load,
    async stop() {
      isOver = true
      await senders
      return load
    },
  }
}

test('behind haproxy.cfg a node that is killed or drained under load costs no pull that the client repeats, and comes back', async () => {
  await using nodes = await startNodes({ config: { http: { draindelay: '3s' } } })
  const here = await place('haproxy')
  await using _directory = here.directory
  const [first, second] = nodes.all
  await using _haproxy = await startHaproxy(here, [first.host, second.host])
  const layer = nodes.image.layers[0]?.digest ?? ''
  const bytes = await balanced(here.url, here.ca).pullBlob('shared/app', layer)
  const pulls = pullAlong(here, layer, bytes)
  await until('some load', () => pulls.load.answered > 100)
  await first.kill9()
  const before = pulls.load.answered
  await until('load on the other', () => pulls.load.answered > before + 100)
  await first.restart()
  await until('both are used', async () => (await sendRequest(`${first.url}/readyz`)).status === 200)
  await new Promise((resolve) => setTimeout(resolve, 2500))
  const repeatedBefore = pulls.load.repeated
  assert.equal(await second.stop(), 0)
  const { lost, repeated } = await pulls.stop()
  assert.deepEqual(lost, [])
  assert.equal(repeated - repeatedBefore, 0, 'a drain is not noticed by anybody')
})

test('behind haproxy.cfg a large push goes through as it comes, and the answers name the address of the balancer', async () => {
  await using berth = await startBerth()
  const here = await place('haproxy')
  await using _directory = here.directory
  await using _haproxy = await startHaproxy(here, [berth.host])
  const body = randomBytes(24 * 1024 * 1024)
  const client = balanced(here.url, here.ca)
  const begun = await client.send('/v2/big/app/blobs/uploads/', { method: 'POST', body: '' })
  assert.ok(begun.headers.location?.startsWith(`${here.url}/v2/big/app/blobs/uploads/`), begun.headers.location)
  await client.pushBlob('big/app', body)
  assert.deepEqual(await client.pullBlob('big/app', digestOfBytes(body)), body)
  assert.equal((await client.send('/metrics')).status, 403)
  const forged = await client.send('/v2/big/app/blobs/uploads/', {
    method: 'POST',
    body: '',
    headers: { forwarded: 'host=evil.example;proto=http', 'x-forwarded-host': 'evil.example' },
  })
  assert.ok(forged.headers.location?.startsWith(here.url), forged.headers.location)
})

test('behind haproxy-tcp.cfg TLS ends in Berth, which knows its clients by the PROXY protocol', async () => {
  const here = await place('haproxy-tcp')
  await using _directory = here.directory
  await using berth = await startBerth({
    tls: here.certificates,
    config: { http: { proxyprotocol: true, trustedproxies: ['127.0.0.2/32'] } },
  })
  const text = await adapted('haproxy/haproxy-tcp.cfg', [
    ['bind :443', `bind 127.0.0.1:${here.port}`],
    // From an address of its own, so that Berth can tell it from the others of this machine.
    ['berth-1:5000', `${berth.host} source 127.0.0.2`],
    ['    server berth-2 berth-2:5000\n', ''],
    ['    server berth-3 berth-3:5000\n', ''],
  ])
  await writeFile(here.file('haproxy.cfg'), text)
  await using _haproxy = await startDaemon(['/usr/sbin/haproxy', '-db', '-f', here.file('haproxy.cfg')], () => isUp(here))
  const client = balanced(here.url, here.ca)
  const body = randomBytes(1024)
  await client.pushBlob('tcp/app', body)
  assert.deepEqual(await client.pullBlob('tcp/app', digestOfBytes(body)), body)
})

test('behind nginx.conf a node that is killed under load costs no pull that the client repeats, and pushes go through as they come', async () => {
  await using nodes = await startNodes()
  const here = await place('nginx')
  await using _directory = here.directory
  const [first, second] = nodes.all
  await using _nginx = await startNginx(here, 'nginx/nginx.conf', [
    ['berth-1:5000', first.host],
    ['berth-2:5000', second.host],
    ['        server berth-3:5000 max_fails=2 fail_timeout=3s;\n', ''],
  ])
  const layer = nodes.image.layers[0]?.digest ?? ''
  const bytes = await balanced(here.url, here.ca).pullBlob('shared/app', layer)
  const pulls = pullAlong(here, layer, bytes)
  await until('some load', () => pulls.load.answered > 100)
  await first.kill9()
  const before = pulls.load.answered
  await until('load on the other', () => pulls.load.answered > before + 100)
  const { lost } = await pulls.stop()
  assert.deepEqual(lost, [])
  const body = randomBytes(24 * 1024 * 1024)
  const client = balanced(here.url, here.ca)
  await client.pushBlob('big/app', body)
  assert.deepEqual(await client.pullBlob('big/app', digestOfBytes(body)), body)
  assert.equal((await client.send('/metrics')).status, 403)
})

test('with nginx-accel.conf nginx sends the file itself to whom Berth lets it, with the headers that clients look for', async () => {
  await using berth = await startBerth({ config: { http: { accel: '/blobs-of-berth/' } }, users: { alice: 'wonderland' } })
  const here = await place('nginx-accel')
  await using _directory = here.directory
  const authorization = `Basic ${Buffer.from('alice:wonderland').toString('base64')}`
  const changes: readonly (readonly [string, string])[] = [
    ['berth-1:5000', berth.host],
    ['        server berth-2:5000 max_fails=2 fail_timeout=3s;\n', ''],
    ['alias /var/lib/registry/', `alias ${berth.dataDir}/`],
  ]
  await using _nginx = await startNginx(here, 'nginx/nginx-accel.conf', changes)
  const body = randomBytes(3 * 1024 * 1024)
  const digest = digestOfBytes(body)
  const url = `${here.url}/v2/accel/app/blobs/${digest}`
  const ask = (headers: Record<string, string>) => sendRequest(url, { ca: here.ca, headers })
  await registryClient(here.url, { ca: here.ca, authorization }).pushBlob('accel/app', body)
  const whole = await ask({ authorization })
  assert.deepEqual([whole.status, whole.headers['content-length']], [200, String(body.length)])
  assert.deepEqual(whole.body, body)
  assert.equal(whole.headers['docker-content-digest'], digest)
  assert.equal(whole.headers.etag, `"${digest}"`)
  assert.equal(whole.headers['content-type'], 'application/octet-stream')
  assert.equal(whole.headers['x-accel-redirect'], undefined)
  const part = await ask({ authorization, range: 'bytes=1000-1999' })
  assert.deepEqual([part.status, part.headers['content-range']], [206, `bytes 1000-1999/${body.length}`])
  assert.deepEqual(part.body, body.subarray(1000, 2000))
  assert.equal((await ask({})).status, 401)
  assert.equal((await sendRequest(`${here.url}/blobs-of-berth/berth.db`, { ca: here.ca, headers: { authorization } })).status, 404)
  // Berth itself sent no body: the access log of its one whole answer says 0 bytes.
  const line = new RegExp(String.raw`GET /v2/accel/app/blobs/${digest} HTTP/1\.[01]" 200 0 `)
  await until('its line in the log', () => line.test(berth.logs()))
  const direct = await sendRequest(`${berth.url}/v2/accel/app/blobs/${digest}`, { headers: { authorization } })
  assert.deepEqual(direct.body, body, 'who comes without the proxy gets the bytes from Berth')
})
