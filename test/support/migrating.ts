/** Moving a registry from a directory to an object store while it is used: for the double and for real services alike. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { testDialect } from '#metadata/test-postgres.ts'
import { basicAuthorization } from './http-client.ts'
import { digestOfBytes, registryClient, type RegistryClient } from './registry-client.ts'
import { makeBucket, type S3Endpoint } from './s3-place.ts'
import { startBerth, type RunningBerth } from './start-berth.ts'
import { until } from './until.ts'
import { violationsOf } from './violations.ts'

/** In the greeting of the first start. */
const shown = /^ +password +(\S+)$/m
const kibibyte = 1024

type Config = Record<string, Record<string, unknown>>

async function readConfig({ configFile }: RunningBerth): Promise<Config> {
  return JSON.parse(await readFile(configFile, 'utf8')) as Config
}

/** Changes the section of the configuration; the next start reads it. */
export async function changeStorage(
  berth: RunningBerth,
  change: (storage: Record<string, unknown>) => Record<string, unknown>,
): Promise<void> {
  const config = await readConfig(berth)
  await writeFile(berth.configFile, JSON.stringify({ ...config, storage: change(config['storage'] ?? {}) }))
}

async function s3Section(service: S3Endpoint): Promise<object> {
  const { endpoint: regionendpoint, accessKeyId: accesskey, secretAccessKey: secretkey } = service
  return { bucket: await makeBucket(service), region: 'us-east-1', regionendpoint, accesskey, secretkey }
}

/** An administrator's calls of the management API. */
function apiOf(client: RegistryClient) {
  return async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const answer = await client.send(`/api/v1${path}`, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) })
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.body.toString()}`)
    return JSON.parse(answer.body.toString() || '{}') as Record<string, unknown>
  }
}

/** A client that follows redirects, and compares what it gets. */
export async function pullAll(client: RegistryClient, blobs: ReadonlyMap<string, Buffer>): Promise<void> {
  for (const [digest, bytes] of blobs) {
    const pulled = await client.pullBlob('app', digest)
    assert.ok(pulled.equals(bytes), `${digest} has other bytes`)
  }
}

/** Images of a layer and a config each, which are added to `blobs`. */
export async function pushSome(client: RegistryClient, blobs: Map<string, Buffer>, count: number): Promise<void> {
  for (let made = 0; made < count; made++) {
    const [layer, config] = [randomBytes(1 + Math.floor(Math.random() * 400 * kibibyte)), randomBytes(50)]
    const pushed = [await client.pushBlob('app', layer), await client.pushBlob('app', config)] as const
    const manifest = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config: pushed[1], layers: [pushed[0]] }
    await client.pushManifest('app', `v${blobs.size}`, manifest)
    blobs.set(pushed[0].digest, layer).set(pushed[1].digest, config)
  }
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isFile() && entry.name !== '.berth-store').map(({ name }) => name)
}

/** A guarded registry in a directory, whose administrator signs every request. */
export async function openMigrating() {
  const berth = await startBerth({ config: { auth: { accounts: {} }, storage: { readersdelay: '1s', redirect: { disable: true } } } })
  await until('the password is shown', () => shown.test(berth.logs()))
  const client = registryClient(berth.url, { authorization: basicAuthorization('admin', shown.exec(berth.logs())?.[1] ?? '') })
  const blobs = new Map<string, Buffer>()
  return { berth, client, blobs, api: apiOf(client) }
}

/** The configuration with an object store in front, and the directory as a former store. */
export async function putS3InFront(berth: RunningBerth, service: S3Endpoint): Promise<void> {
  const s3 = await s3Section(service)
  const { filesystem } = (await readConfig(berth))['storage'] ?? {}
  await changeStorage(berth, ({ filesystem: _former, ...rest }) => ({ ...rest, s3, stores: { filesystem: { filesystem } } }))
  const config = await readConfig(berth)
  if (testDialect === 'postgres') return
  const data = berth.dataDir
  const kept = { database: { file: join(data, 'berth.db') }, secrets: { keyfile: join(data, 'berth.key') } }
  await writeFile(berth.configFile, JSON.stringify({ ...config, ...kept }))
}

/** What {@link migrateUnderFire} shows. */
export const underFire =
  'goes on under pushes, pulls, deletes and collections, over kill -9 of the server, with no wrong byte, until nothing is left'

/** Moves all blobs to the service under traffic and kill -9, and looks at everything afterwards. */
export async function migrateUnderFire(service: S3Endpoint): Promise<void> {
  const { berth, client, blobs, api } = await openMigrating()
  await using _berth = berth
  await pushSome(client, blobs, 40)
  // An upload that is under way when the primary store changes.
  const [head, tail] = [randomBytes(100_000), randomBytes(50_000)]
  const begun = await client.send('/v2/app/blobs/uploads/', { method: 'POST', body: '' })
  const place = begun.headers.location ?? ''
  const octets = { 'content-type': 'application/octet-stream' }
  assert.equal((await client.send(place, { method: 'PATCH', body: head, headers: octets })).status, 202)
  await berth.stop()
  await putS3InFront(berth, service)
  await berth.restart()
  await pullAll(client, blobs)
  const { stores } = await api('GET', '/storage')
  assert.deepEqual(
    (stores as Record<string, unknown>[]).map(({ name, role, blobs: count, uploads }) => [name, role, count, uploads]),
    [
      ['s3', 'primary', 0, 0],
      ['filesystem', 'other', 80, 1],
    ],
  )
  const dry = await api('POST', '/storage/migrations', { from: 'filesystem', to: 's3', dryRun: true })
  assert.deepEqual([dry['job'], dry['blobs']], [null, 80])
  const { job } = await api('POST', '/storage/migrations', { from: 'filesystem', to: 's3', bytesPerSecond: 3_000_000 })
  const readJob = () => api('GET', `/jobs/${String(job)}`)
  const doneOf = async () => Number((((await readJob())['progress'] ?? {}) as Record<string, unknown>)['done'] ?? 0)

  const stopped = new AbortController()
  const isStopped = () => stopped.signal.aborted
  /** Clients come again while the server is away, as docker does. */
  const patiently = async (act: () => Promise<unknown>) => {
    while (!isStopped()) {
      try {
        await act()
      } catch (error) {
        if (error instanceof assert.AssertionError && error.message.includes('other bytes')) throw error
      }
    }
  }
  const fresh = new Map<string, Buffer>()
  const traffic = [
    patiently(() => pullAll(client, new Map([...blobs].slice(0, 40)))),
    patiently(() => pushSome(client, fresh, 1)),
    patiently(() => api('POST', '/garbage/runs', { sweep: true })),
  ]
  for (const share of [0.2, 0.6]) {
    const total = [...blobs.values()].reduce((sum, { length }) => sum + length, 0)
    await until('it moves', async () => (await doneOf().catch(() => 0)) > total * share, 60_000)
    await berth.kill9()
    await berth.restart()
  }
  await until('it ends', async () => (await readJob().catch(() => ({ state: '' })))['state'] === 'done', 90_000)
  stopped.abort()
  await Promise.all(traffic)

  const moved = (await readJob())['result'] as Record<string, unknown>
  assert.deepEqual([moved['moved'], moved['damaged'], moved['isEmpty']], [80, 0, false])
  await pullAll(client, blobs)
  await pullAll(client, fresh)
  // The upload goes on where it began, and its blob moves with the next run.
  const digest = digestOfBytes(Buffer.concat([head, tail]))
  const url = new URL(place, 'http://berth')
  url.searchParams.set('digest', digest)
  const ended = await client.send(`${url.pathname}${url.search}`, { method: 'PUT', body: tail, headers: octets })
  assert.equal(ended.status, 201, ended.body.toString())
  blobs.set(digest, Buffer.concat([head, tail]))
  const again = await api('POST', '/storage/migrations', { from: 'filesystem', to: 's3' })
  await until('the second run ends', async () => (await api('GET', `/jobs/${String(again['job'])}`))['state'] === 'done')
  await until(
    'nothing is left',
    async () => {
      await api('POST', '/garbage/runs', {})
      const states = (await api('GET', '/storage'))['stores'] as Record<string, unknown>[]
      const former = states.find(({ name }) => name === 'filesystem')
      return former?.['blobs'] === 0 && former['leaving'] === 0
    },
    30_000,
  )
  const last = await api('POST', '/storage/migrations', { from: 'filesystem', to: 's3' })
  const lastJob = () => api('GET', `/jobs/${String(last['job'])}`)
  await until('the last run ends', async () => (await lastJob())['state'] === 'done')
  assert.equal(((await lastJob())['result'] as Record<string, unknown>)['isEmpty'], true)
  const { items } = await api('GET', '/audit?action=storage.migrated&limit=10')
  assert.deepEqual(
    (items as Record<string, unknown>[]).map(({ target }) => target),
    ['store:filesystem', 'store:filesystem', 'store:filesystem'],
  )
  await berth.stop()
  assert.deepEqual(await filesBelow(join(berth.dataDir, 'blobs')), [])
  assert.deepEqual(await violationsOf(berth, { orphanUploadsAreFine: true }), [])
  // The store may go, as the report says.
  await changeStorage(berth, ({ stores: _stores, ...rest }) => rest)
  await berth.restart()
  await pullAll(client, blobs)
}
