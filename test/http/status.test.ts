import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import { connect, createServer as createTcp, type AddressInfo } from 'node:net'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { sendRequest } from '../support/http-client.ts'
import { registryClient } from '../support/registry-client.ts'
import { serveRooms, type ServedRooms } from '../support/serve-rooms.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'
import { openPatch } from '../support/upload.ts'

const debug = { host: '127.0.0.1', port: 0, metricsPath: '/metrics' }
const listen = { host: '127.0.0.1', port: 0 }

const ask = async (rooms: ServedRooms, path: string) => {
  const { status, body } = await sendRequest(new URL(path, rooms.server.debugUrl))
  return { status, body: body.toString() }
}

test('the process is alive and ready', async () => {
  await using rooms = await serveRooms({}, { checks: [{ name: 'database', check: () => Promise.resolve() }] })
  const client = registryClient(rooms.url)
  assert.equal((await client.send('/')).status, 200)
  assert.equal((await client.send('/healthz')).body.toString(), 'ok\n')
  assert.equal((await client.send('/readyz')).body.toString(), 'ok\n')
  assert.equal((await client.send('/startupz')).body.toString(), 'ok\n')
  assert.deepEqual(JSON.parse((await client.send('/readyz?verbose')).body.toString()), { status: 'ready', checks: { database: 'ok' } })
})

test('a local fault makes the process unready, tells its name to all and its reason to the log', async () => {
  const check = () => Promise.reject(new Error('/secret/path is gone'))
  await using rooms = await serveRooms(
    {},
    {
      checks: [
        { name: 'storage', check },
        { name: 'database', check: () => Promise.resolve() },
      ],
    },
  )
  const client = registryClient(rooms.url)
  const answer = await client.send('/readyz?verbose')
  assert.equal(answer.status, 503)
  assert.deepEqual(JSON.parse(answer.body.toString()), { status: 'not ready', checks: { storage: 'failed', database: 'ok' } })
  assert.equal((await client.send('/healthz')).status, 200)
  assert.equal((await client.send('/v2/')).status, 200)
  assert.match(rooms.lines.join(''), /secret\/path is gone/)
})

test('a fault that all nodes share is told, and makes no node unready', async () => {
  const checks = [
    { name: 'database', isShared: true, check: () => Promise.reject(new Error('postgres is away')) },
    { name: 'disk', check: () => Promise.resolve() },
  ]
  await using rooms = await serveRooms({}, { checks })
  const client = registryClient(rooms.url)
  const answer = await client.send('/readyz?verbose')
  assert.equal(answer.status, 200)
  assert.deepEqual(JSON.parse(answer.body.toString()), { status: 'ready', checks: { disk: 'ok' }, shared: { database: 'failed' } })
  assert.match(rooms.lines.join(''), /postgres is away/)
})

test('codes of faults are told by name, and not the sentences around them; a check that is late tells what it knows', async () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED 10.0.0.5:8000'), { code: 'ECONNREFUSED' })
  const checks = [
    { name: 'database', isShared: true, check: () => Promise.reject(new Error('away', { cause: refused })) },
    {
      name: 'storage',
      isShared: true,
      check: () => new Promise<void>(() => {}),
      whenLate: () => Object.assign(new Error('who is s3.secret'), { code: 'ENOTFOUND' }),
    },
    { name: 'disk', check: () => Promise.reject(Object.assign(new Error('x'), { code: 'no word at all' })) },
  ]
  await using rooms = await serveRooms({}, { checks })
  const { body } = await registryClient(rooms.url).send('/readyz?verbose')
  assert.deepEqual(JSON.parse(body.toString()), {
    status: 'not ready',
    checks: { disk: 'failed' },
    shared: { database: 'failed', storage: 'failed' },
    reasons: { database: 'ECONNREFUSED', storage: 'ENOTFOUND' },
  })
  assert.match(rooms.lines.join(''), /who is s3\.secret/)
})

test('while it leaves, a server is unready and serves as before, on connections that close; then it refuses', async () => {
  const http = { listen, debug: undefined, drainDelayMs: 400 }
  await using rooms = await serveRooms({ http })
  const client = registryClient(rooms.url)
  const begun = await client.send('/v2/a/blobs/uploads/', { method: 'POST', body: '' })
  const open = openPatch(new URL(begun.headers.location ?? '', rooms.url).href)
  open.request.write('begin')
  await new Promise((resolve) => setTimeout(resolve, 50))
  const closed = rooms.server.close()
  const unready = await client.send('/readyz?verbose')
  assert.equal(unready.status, 503)
  assert.deepEqual(JSON.parse(unready.body.toString()), { status: 'not ready', checks: { drain: 'failed' } })
  const served = await client.send('/v2/')
  assert.deepEqual([served.status, served.headers.connection], [200, 'close'])
  assert.equal((await client.send('/v2/b/blobs/uploads/', { method: 'POST', body: '' })).status, 202)
  assert.equal((await client.send('/startupz')).status, 200)
  await until('refused', async () => (await client.send('/v2/')).status === 503)
  assert.equal((await client.send('/readyz')).status, 503)
  open.request.end('ended')
  const outcome = await open.outcome
  assert.ok(!(outcome instanceof Error))
  assert.deepEqual([outcome.status, outcome.headers.connection], [202, 'close'])
  await closed
  await assert.rejects(client.send('/healthz'), /ECONNREFUSED/)
})

test('a server that is replaced takes no new connection, and answers those that it has', async () => {
  await using rooms = await serveRooms()
  const socket = connect(rooms.port, '127.0.0.1')
  await once(socket, 'connect')
  const closed = rooms.server.close({ isReplaced: true })
  await assert.rejects(registryClient(rooms.url).send('/v2/'), /ECONNREFUSED/)
  socket.write('GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  assert.match(answer.toString(), /^HTTP\/1\.1 200 [^]*connection: close/i)
  await closed
})

test('a file whose presence means unhealthy turns every request into 503, until it goes', async () => {
  await using directory = await temporaryDirectory('health')
  const file = join(directory.path, 'down')
  await using rooms = await serveRooms({ http: { listen, debug }, health: { file: [{ file, intervalMs: 20 }] } })
  const client = registryClient(rooms.url)
  assert.equal((await client.send('/v2/')).status, 200)
  assert.deepEqual(await ask(rooms, '/debug/health'), { status: 200, body: '{}' })
  await writeFile(file, '')
  await until('unhealthy', async () => (await client.send('/v2/')).status === 503)
  const refused = await client.send('/v2/a/tags/list')
  assert.equal(refused.headers['retry-after'], '5')
  assert.match(refused.body.toString(), /"code":"UNAVAILABLE"/)
  assert.deepEqual(await ask(rooms, '/debug/health'), { status: 503, body: JSON.stringify({ [file]: 'file exists' }) })
  assert.equal((await client.send('/healthz')).status, 200)
  await until('unready', async () => (await client.send('/readyz')).status === 503)
  await rm(file)
  await until('healthy again', async () => (await client.send('/v2/')).status === 200)
})

test('HTTP, TCP and storage checks fail after their threshold and recover', async () => {
  let status = 200
  const upstream = createHttp((_request, response) => void response.writeHead(status).end()).listen(0, '127.0.0.1')
  const port = createTcp().listen(0, '127.0.0.1')
  await new Promise((resolve) => setTimeout(resolve, 20))
  const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port
  const uri = `http://127.0.0.1:${portOf(upstream)}/up`
  const addr = `127.0.0.1:${portOf(port)}`
  let isStorageIll = false
  const probe = { timeoutMs: 1000, intervalMs: 20, threshold: 2 }
  const health = {
    http: [{ uri, headers: {}, statusCode: 200, ...probe }],
    tcp: [{ addr, ...probe }],
    storageDriver: { enabled: true, intervalMs: 20, threshold: 2 },
  }
  const checks = [{ name: 'storage', check: () => (isStorageIll ? Promise.reject(new Error('ill')) : Promise.resolve()) }]
  await using rooms = await serveRooms({ http: { listen, debug }, health }, { checks })
  assert.deepEqual(await ask(rooms, '/debug/health'), { status: 200, body: '{}' })
  status = 500
  isStorageIll = true
  await new Promise((resolve) => port.close(resolve))
  await until('all ill', async () => Object.keys(JSON.parse((await ask(rooms, '/debug/health')).body) as object).length === 3)
  const { body } = await ask(rooms, '/debug/health')
  assert.match(body, /status 500 where 200 was expected/)
  assert.match(body, /storagedriver_filesystem/)
  status = 200
  isStorageIll = false
  await until('two well', async () => Object.keys(JSON.parse((await ask(rooms, '/debug/health')).body) as object).length === 1)
  upstream.close()
  upstream.closeAllConnections()
})

test('metrics stand on the debug listener when it has them, else on the data port', async () => {
  await using split = await serveRooms({ http: { listen, debug } })
  assert.equal((await registryClient(split.url).send('/metrics')).status, 404)
  const { status, body } = await ask(split, '/metrics')
  assert.equal(status, 200)
  assert.match(body, /registry_http_requests_total\{code="404",handler="none",method="get"\} 1/)
  assert.equal((await ask(split, '/debug/vars')).status, 200)
  assert.equal((await ask(split, '/v2/')).status, 404)
  await using joined = await serveRooms({ http: { listen, debug: { ...debug, metricsPath: undefined } } })
  assert.match((await registryClient(joined.url).send('/metrics')).body.toString(), /registry_event_loop_lag_seconds/)
  assert.equal((await ask(joined, '/metrics')).status, 404)
})

test('odd methods do not make series of their own', async () => {
  await using rooms = await serveRooms()
  const client = registryClient(rooms.url)
  for (const method of ['PROPFIND', 'MKCOL', 'LOCK']) await client.send('/v2/', { method })
  assert.match(
    (await client.send('/metrics')).body.toString(),
    /registry_http_requests_total\{code="405",handler="base",method="other"\} 3/,
  )
})
