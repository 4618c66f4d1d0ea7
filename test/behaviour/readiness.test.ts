import assert from 'node:assert/strict'
import { test } from 'node:test'
import { announceStart } from '#http/announce-start.ts'
import { loadConfig } from '#config/load.ts'
import { systemPorts } from '#lib/ports.ts'
import type { Files } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Registry } from '#registry/registry.ts'
import { createLocalChecks } from '../../server/local-checks.ts'
import { freePort } from '../support/free-port.ts'
import { sendRequest } from '../support/http-client.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const rooms = { metadata: { dialect: 'sqlite', ping: async () => undefined }, store: { name: 'filesystem', space: async () => undefined } }

async function findings(freeBytes: number, parts: object = rooms, environment: Record<string, string> = {}) {
  await using directory = await temporaryDirectory('ready')
  const { config } = await loadConfig({ environment, cwd: directory.path })
  const statfs = (async () => ({ bavail: freeBytes, bsize: 1 })) as unknown as Files['statfs']
  using local = createLocalChecks(config, parts as Pick<Registry, 'metadata' | 'store'>, {
    ...systemPorts,
    files: { ...systemPorts.files, statfs },
  })
  const found: Record<string, string> = {}
  for (const { name, isShared = false, check } of local.checks) {
    const signal = new AbortController().signal
    found[`${name}${isShared ? ' (shared)' : ''}`] = await check(signal).then(
      () => 'ok',
      (error: Error) => error.message,
    )
  }
  return found
}

test('a full disk and an event loop that is held are faults of this process', async () => {
  assert.deepEqual(await findings(1e12), { database: 'ok', storage: 'ok', disk: 'ok', 'event-loop': 'ok' })
  assert.match((await findings(1000)).disk ?? '', /is full: 1000 bytes are left/)
})

test('a database and a store that other nodes use too are told as shared', async () => {
  const down = () => Promise.reject(new Error('away'))
  const parts = {
    metadata: { dialect: 'postgres', ping: down },
    store: { name: 's3', requireThere: async () => undefined, stat: down, space: async () => undefined },
  }
  assert.deepEqual(
    await findings(1e12, parts, {
      REGISTRY_STORAGE_S3_BUCKET: 'images',
      REGISTRY_STORAGE_S3_REGION: 'us-east-1',
      REGISTRY_DATABASE_FILE: '/tmp/none/berth.db',
    }),
    {
      'database (shared)': 'away',
      'storage (shared)': 'away',
      disk: 'ok',
      'event-loop': 'ok',
    },
  )
})

test('a store in whose place nothing is, such as a bucket that was never made, is told as shared, with the reason', async () => {
  const refused = new RegistryError('UNAVAILABLE', undefined, { cause: new Error('the object store answered 404 NoSuchBucket') })
  let lists = 0
  const list = () => (lists++, Promise.reject(refused))
  const parts = {
    metadata: rooms.metadata,
    store: { name: 's3', requireThere: async () => undefined, stat: async () => undefined, list, space: async () => undefined },
  }
  const found = await findings(1e12, parts, {
    REGISTRY_STORAGE_S3_BUCKET: 'images',
    REGISTRY_STORAGE_S3_REGION: 'us-east-1',
    REGISTRY_DATABASE_FILE: '/tmp/none/berth.db',
  })
  assert.match(found['storage (shared)'] ?? '', /NoSuchBucket/u)
  assert.equal(lists, 1)
})

test('half of all turns being late is a fault of the event loop', async () => {
  await using directory = await temporaryDirectory('lag')
  const { config } = await loadConfig({ environment: {}, cwd: directory.path })
  using local = createLocalChecks(config, rooms as unknown as Pick<Registry, 'metadata' | 'store'>, systemPorts)
  const lag = local.checks.find(({ name }) => name === 'event-loop')
  for (let turn = 0; turn < 3; turn += 1) {
    const until = performance.now() + 700
    while (performance.now() < until);
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await assert.rejects(async () => lag?.check(new AbortController().signal), /the event loop is \d+\.\d s late/)
})

test('while the registry starts, its port says so; then the port is free for the registry', async () => {
  await using directory = await temporaryDirectory('starting')
  const port = await freePort('127.0.0.1')
  const { config } = await loadConfig({ environment: { REGISTRY_HTTP_ADDR: `127.0.0.1:${port}` }, cwd: directory.path })
  const starting = await announceStart(config)
  const ask = async (path: string) => (await sendRequest(`http://127.0.0.1:${port}${path}`)).status
  assert.deepEqual(await Promise.all(['/healthz', '/readyz', '/readyz?verbose', '/startupz', '/v2/'].map(ask)), [200, 503, 503, 503, 503])
  assert.match((await sendRequest(`http://127.0.0.1:${port}/v2/`)).body.toString(), /"code":"UNAVAILABLE"/)
  starting?.[Symbol.dispose]()
  const next = await announceStart(config)
  assert.equal(await ask('/healthz'), 200)
  next?.[Symbol.dispose]()
})

test('a port that nobody can know and one that speaks TLS announce nothing', async () => {
  await using directory = await temporaryDirectory('starting')
  const { config } = await loadConfig({ environment: { REGISTRY_HTTP_ADDR: '127.0.0.1:0' }, cwd: directory.path })
  assert.equal(await announceStart(config), undefined)
})
