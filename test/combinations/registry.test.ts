/** The same tests on one database (`BERTH_TEST_DATABASE`) and every kind of store: what a client is promised, and the life of an image from push to freed bytes. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { testDialect } from '#metadata/test-postgres.ts'
import { givenVariable, type GivenRegistry } from '../conformance/with-berth.ts'
import { fetchBlob } from '../support/cloud-registry.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { digestOfBytes, pushImage, registryClient, type RegistryClient } from '../support/registry-client.ts'
import { runBerth } from '../support/run-berth.ts'
import { run } from '../support/run-command.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'
import { closing, offsetOf, startUpload } from '../support/upload.ts'
import { violationsOf } from '../support/violations.ts'
import { openPlaces, type Place } from './places.ts'

const mebibyte = 1024 ** 2
const shown = /^ +password +(\S+)$/m
const conformance = fileURLToPath(new URL('../conformance', import.meta.url))
/** Who is not sent to the store. */
const directUserAgent = 'berth-conformance'

/** A server whose blobs are there; database and keys have a directory of their own. */
async function startAt(place: Place, storage: object, more: object = {}): Promise<RunningBerth> {
  const data = await temporaryDirectory('combination')
  const far = await place.make()
  const database = testDialect === 'sqlite' && { database: { file: join(data.path, 'berth.db') } }
  const where = far === undefined ? {} : { filesystem: undefined, ...far, redirect: { useragents: [`^${directUserAgent}$`] } }
  const secrets = { keyfile: join(data.path, 'berth.key') }
  const config = { ...database, secrets, ...more, storage: { delete: { enabled: true }, ...storage, ...where } }
  const berth = await startBerth({ dataDir: data.path, config })
  const end = async () => {
    await berth[Symbol.asyncDispose]()
    await data[Symbol.asyncDispose]()
  }
  return { ...berth, [Symbol.asyncDispose]: end }
}

async function passesConformance(place: Place): Promise<void> {
  await using berth = await startAt(place, {})
  const given: GivenRegistry = { url: berth.url, userAgent: directUserAgent }
  const files = (await readdir(conformance)).filter((name) => name.endsWith('.test.ts'))
  const { NODE_TEST_CONTEXT: _, ...env } = process.env as Record<string, string>
  const { stdout } = await run([process.execPath, '--test', '--test-reporter=tap', ...files.map((name) => join(conformance, name))], {
    env: { ...env, [givenVariable]: JSON.stringify(given) },
    timeoutMs: 300_000,
  })
  assert.ok(Number(/^# pass (\d+)$/m.exec(stdout)?.[1]) > 50, stdout.slice(-2_000))
  assert.match(stdout, /^# fail 0$/m)
}

interface Stage {
  readonly berth: RunningBerth
  readonly client: RegistryClient
  call(method: string, path: string, body?: object): Promise<{ readonly status: number; readonly text: string }>
}

async function openStage(place: Place): Promise<Stage> {
  const delays = { garbagedelay: '0s', readersdelay: '0s', trash: { window: '1h' } }
  const berth = await startAt(place, delays, { auth: { accounts: {} } })
  await until('the password is shown', () => shown.test(berth.logs()))
  const client = registryClient(berth.url, { authorization: basicAuthorization('admin', shown.exec(berth.logs())?.[1] ?? '') })
  const headers = { 'content-type': 'application/json' }
  const call: Stage['call'] = async (method, path, body) => {
    const answer = await client.send(`/api/v1${path}`, { method, ...(body && { headers, body: JSON.stringify(body) }) })
    return { status: answer.status, text: answer.body.toString() }
  }
  assert.equal((await call('POST', '/projects', { name: 'team' })).status, 201)
  return { berth, client, call }
}

/** As clients do: where the store itself, to which they are sent, is busy, they begin again. */
async function pullBlob(client: RegistryClient, repository: string, digest: string): ReturnType<typeof fetchBlob> {
  for (let attempt = 1; ; attempt++) {
    const answer = await fetchBlob(client, repository, digest)
    if (answer.location === undefined || answer.status < 500 || attempt === 5) return answer
  }
}

async function pullsWhole(client: RegistryClient, repository: string, bytes: Buffer): Promise<void> {
  const { status, bytes: pulled } = await pullBlob(client, repository, digestOfBytes(bytes))
  assert.ok(status === 200 && bytes.equals(pulled), `${status}`)
}

/** In requests between which the process dies; what a client goes on from is what it is told. */
async function pushesOverKills({ berth, client }: Stage): Promise<void> {
  const bytes = randomBytes(13 * mebibyte)
  const begun = await startUpload(client, berth.url, 'team/app')
  let from = 0
  for (const end of [6 * mebibyte, 6 * mebibyte + 1_000, bytes.length]) {
    const headers = { 'content-type': 'application/octet-stream' }
    assert.equal((await client.send(begun, { method: 'PATCH', body: bytes.subarray(from, end), headers })).status, 202)
    await berth.kill9()
    await berth.restart()
    from = offsetOf((await client.send(begun)).headers['range'])
    assert.equal(from, end, 'what was acknowledged is there')
  }
  assert.equal((await client.send(closing(begun, digestOfBytes(bytes)), { method: 'PUT', body: '' })).status, 201)
  await pullsWhole(client, 'team/app', bytes)
}

async function sharesAndLimits({ client, call }: Stage): Promise<void> {
  const layer = randomBytes(mebibyte)
  const pushed = await Promise.all(Array.from({ length: 8 }, () => client.pushBlob('team/same', layer)))
  assert.equal(new Set(pushed.map(({ digest }) => digest)).size, 1)
  const mount = `/v2/team/other/blobs/uploads/?mount=${digestOfBytes(layer)}&from=team/same`
  assert.equal((await client.send(mount, { method: 'POST', body: '' })).status, 201)
  await pullsWhole(client, 'team/other', layer)
  assert.equal((await call('PUT', '/projects/team/quota', { bytesMax: 20 * mebibyte })).status, 200)
  const refused = await client.send('/v2/team/app/blobs/uploads/', { method: 'POST', body: '' })
  assert.equal(refused.status, 202, refused.body.toString())
  const tooMuch = randomBytes(10 * mebibyte)
  const answer = await client.send(`/v2/team/app/blobs/uploads/?digest=${digestOfBytes(tooMuch)}`, { method: 'POST', body: tooMuch })
  assert.match(`${answer.status} ${answer.body.toString()}`, /^403 .*DENIED.*quota of project team exceeded/u)
}

async function succeeds(answer: ReturnType<Stage['call']>): Promise<void> {
  const { status, text } = await answer
  assert.ok(status < 300, `${status} ${text}`)
}

async function comesBackAndGoes(stage: Stage): Promise<void> {
  const { berth, client, call } = stage
  const image = await pushImage(client, 'team/life', 'v1', { files: { who: 'team/life' } })
  assert.equal((await call('POST', '/projects/team/immutable-tag-rules', { tags: 'fixed' })).status, 201)
  await client.pushManifest('team/life', 'fixed', image.bytes)
  assert.equal((await call('DELETE', '/repositories/team%2Flife/tags/fixed')).status, 409)
  await succeeds(call('DELETE', '/repositories/team%2Flife/tags/v1'))
  await succeeds(call('POST', '/repositories/team%2Flife/tags/v1/restore', {}))
  assert.equal(await client.digestOf('team/life', 'v1'), image.descriptor.digest)
  await pushImage(client, 'team/gone', 'v1', { files: { who: 'team/gone' } })
  await succeeds(call('DELETE', '/repositories/team%2Fgone'))
  await runBerth('trash', 'delete', '--repository', 'team/gone', '--yes', '--data', berth.configFile)
  await runBerth('garbage-collect', berth.configFile)
  const freed = await runBerth('garbage-collect', berth.configFile)
  assert.match(freed.stdout, /nothing else waits|the trash holds/u)
  for (const { digest } of [image.config, ...image.layers]) assert.equal((await pullBlob(client, 'team/life', digest)).status, 200)
}

for (const place of await openPlaces())
  suite(`${testDialect} and ${place.name}`, () => {
    after(() => place.end?.())

    test('the conformance tests of this project pass', () => passesConformance(place))

    test('an image lives from its push, over kills, limits and its trash, to the end of its bytes', async () => {
      const stage = await openStage(place)
      await using berth = stage.berth
      await pushesOverKills(stage)
      await sharesAndLimits(stage)
      await comesBackAndGoes(stage)
      const scrubbed = await runBerth('scrub', berth.configFile)
      assert.doesNotMatch(scrubbed.stdout, /missing|wrong digest/u)
      assert.match((await runBerth('usage', 'verify', berth.configFile)).stdout, /all numbers are right/u)
      assert.deepEqual(await violationsOf(berth), [])
    })
  })
