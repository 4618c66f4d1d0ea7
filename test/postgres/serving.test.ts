import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { makePostgresDatabase, testDialect } from '#metadata/test-postgres.ts'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import { digestOfBytes, pushImage, registryClient, type RegistryClient } from '../support/registry-client.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'
import { closing, openPatch, startUpload } from '../support/upload.ts'

const skip = testDialect === 'postgres' ? false : 'runs by npm run test:postgres'
const user = 'alice'
const password = 'correct horse'

interface Place extends AsyncDisposable {
  readonly proxy: TcpProxy
  readonly berth: RunningBerth
  readonly client: RegistryClient
}

/** A Berth whose database is behind a proxy. */
async function openPlace(database: Readonly<Record<string, unknown>> = {}): Promise<Place> {
  await using stack = new AsyncDisposableStack()
  const made = stack.use(await makePostgresDatabase())
  const proxy = stack.use(await startTcpProxy(Number(new URL(made.url).port)))
  const url = new URL(made.url)
  url.port = String(proxy.port)
  url.searchParams.set('connect_timeout', '1')
  const berth = stack.use(await startBerth({ users: { [user]: password }, config: { database: { url: url.href, ...database } } }))
  const client = registryClient(berth.url, { authorization: basicAuthorization(user, password) })
  const all = stack.move()
  return { proxy, berth, client, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

test('a push in whose middle the database goes away waits, and ends with 201 when it is back', { skip, timeout: 90_000 }, async () => {
  await using place = await openPlace()
  const { client, proxy, berth } = place
  const bytes = randomBytes(3 * 1024 * 1024)
  const upload = await startUpload(client, berth.url, 'team/app')
  const authorization = basicAuthorization(user, password)
  const patch = openPatch(upload, { authorization })
  patch.request.write(bytes.subarray(0, 1024 * 1024))
  await sleep(200)
  await proxy.close()
  patch.request.end(bytes.subarray(1024 * 1024))
  const begun = client.send(closing(upload, digestOfBytes(bytes)).replace(berth.url, ''), { method: 'PUT', body: '' })
  void begun.catch(() => undefined)
  await sleep(3000)
  const image = pushImage(client, 'team/other', 'v1')
  await sleep(500)
  await proxy.reopen()
  const outcome = await patch.outcome
  assert.ok(!(outcome instanceof Error) && outcome.status === 202, JSON.stringify(outcome))
  const first = await begun
  const done =
    first.status === 201
      ? first
      : await client.send(closing(upload, digestOfBytes(bytes)).replace(berth.url, ''), { method: 'PUT', body: '' })
  assert.equal(done.status, 201, done.body.toString())
  await image
  assert.equal((await client.send('/v2/team/other/manifests/v1')).status, 200)
  assert.match(berth.logs(), /the database is away.*\n[^]*the database is back/)
})

test('a request that waited for the hold time is answered 503 with Retry-After', { skip }, async () => {
  await using place = await openPlace({ hold: { time: '400ms' } })
  const { client, proxy } = place
  assert.equal((await client.send('/v2/')).status, 200)
  await proxy.close()
  const { status, headers } = await client.send('/v2/team/app/blobs/uploads/', { method: 'POST', body: '' })
  assert.equal(status, 503)
  assert.ok(Number(headers['retry-after']) > 0)
})

test('/readyz says at once that the database is away and by which error, and takes the node from no balancer', { skip }, async () => {
  await using place = await openPlace({ hold: { time: '10s' } })
  const { client, proxy } = place
  await proxy.close()
  await until('it is told', async () => {
    const { status, body } = await client.send('/readyz?verbose')
    const { shared, reasons } = JSON.parse(body.toString()) as Record<'shared' | 'reasons', Record<string, string> | undefined>
    assert.equal(status, 200)
    return shared?.['database'] === 'failed' && reasons?.['database'] === 'ECONNREFUSED'
  })
  await proxy.reopen()
  await until('it is back', async () => /"database":"ok"/.test((await client.send('/readyz?verbose')).body.toString()))
})

async function image(client: RegistryClient): Promise<{ readonly digest: string; readonly blobs: readonly string[] }> {
  const pushed = await pushImage(client, 'team/app', 'v1')
  return { digest: pushed.descriptor.digest, blobs: pushed.layers.map((layer) => layer.digest) }
}

for (const allowed of [false, true]) {
  const title = allowed
    ? 'with database.staletags pulls by tag go on from the last known value, and say so'
    : 'without database.staletags pulls by tag wait and are refused'
  test(`while the database is away pulls by digest go on, and ${title}`, { skip, timeout: 60_000 }, async () => {
    await using place = await openPlace({ staletags: allowed, hold: { time: '600ms' } })
    const { client, proxy, berth } = place
    const { digest, blobs } = await image(client)
    const pull = async () => {
      const byDigest = await client.send(`/v2/team/app/manifests/${digest}`)
      const statuses = [byDigest.status]
      for (const blob of blobs) statuses.push((await client.send(`/v2/team/app/blobs/${blob}`)).status)
      return statuses
    }
    assert.ok((await pull()).every((status) => status === 200))
    assert.equal((await client.send('/v2/team/app/manifests/v1')).headers['warning'], undefined)
    await proxy.close()
    for (let round = 0; round < 20; round++) {
      const begun = performance.now()
      assert.deepEqual([...new Set(await pull())], [200])
      assert.ok(performance.now() - begun < 500, 'none of them waits')
      assert.equal((await client.send('/v2/')).status, 200, 'logins of who is known go on')
      await sleep(100)
    }
    const byTag = await client.send('/v2/team/app/manifests/v1')
    assert.deepEqual([byTag.status, byTag.headers['warning']], allowed ? [200, '110 - "Response is Stale"'] : [503, undefined])
    assert.equal((await client.send('/v2/team/app/manifests/other')).status, 503, 'what is not known cannot be said to be absent')
    assert.equal((await sendRequest(`${berth.url}/v2/`)).status, 401)
    await proxy.reopen()
    await until('the database is back', async () => {
      const after = await client.send('/v2/team/app/manifests/v1')
      return after.status === 200 && after.headers['warning'] === undefined
    })
  })
}

test(
  'while the database is away what was pulled by tag alone goes on by digest, with HEAD as with GET',
  { skip, timeout: 60_000 },
  async () => {
    await using place = await openPlace({ hold: { time: '600ms' } })
    const { client, proxy } = place
    const { digest, blobs } = await image(client)
    const [first = '', ...others] = blobs
    const paths = [`/v2/team/app/manifests/${digest}`, ...blobs.map((blob) => `/v2/team/app/blobs/${blob}`)]
    // One blob by HEAD alone, the others by GET alone.
    await client.send(`/v2/team/app/blobs/${first}`, { method: 'HEAD' })
    for (const blob of others) await client.send(`/v2/team/app/blobs/${blob}`)
    await client.send('/v2/team/app/manifests/v1')
    await proxy.close()
    const begun = performance.now()
    for (const path of paths) {
      assert.equal((await client.send(path)).status, 200, path)
      const { status, headers } = await client.send(path, { method: 'HEAD' })
      assert.deepEqual([status, headers['docker-content-digest']], [200, path.split('/').at(-1)], path)
    }
    assert.ok(performance.now() - begun < 500, 'none of them waits')
    assert.equal(
      (await client.send(`/v2/team/other/blobs/${first}`, { method: 'HEAD' })).status,
      503,
      'of another repository nothing is known',
    )
  },
)
