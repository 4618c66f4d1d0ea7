import assert from 'node:assert/strict'
import { hashSync } from 'bcryptjs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import { pino } from 'pino'
import { createFilesystemStore } from '#blobs/filesystem.ts'
import { systemPorts } from '#lib/ports.ts'
import { openPostgres } from '#metadata/postgres.ts'
import { openSession, targetOf } from '#metadata/test-postgres.ts'
import { checkInvariants } from '../invariants.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { registryClient, type RegistryClient } from '../support/registry-client.ts'
import { orphansOf } from '../support/orphans.ts'
import { tryBerth } from '../support/run-berth.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { until } from '../support/until.ts'
import { emptyTally, loadWith, lostOf, makeImage, pull, push, type Image, type LoadPlan, type Tally } from './load.ts'
import { startPatroni, type PatroniCluster } from './patroni.ts'

const stack = new AsyncDisposableStack()
let cluster: PatroniCluster
let berths: readonly RunningBerth[]
let clients: readonly RegistryClient[]
let dataDir: string
let htpasswd: string
/** Each of them was pulled by both servers, once. */
const known: Image[] = []

before(
  async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'berth-failover-'))
    stack.defer(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }))
    cluster = stack.use(await startPatroni())
    htpasswd = join(dataDir, 'htpasswd')
    await writeFile(htpasswd, `alice:${hashSync('correct horse', 4).replace('$2b$', '$2y$')}\n`)
    const config = { database: { url: cluster.urlOf(cluster.nodes) }, auth: { htpasswd: { realm: 'berth', path: htpasswd } } }
    berths = [stack.use(await startBerth({ dataDir, config })), stack.use(await startBerth({ dataDir, config }))]
    clients = berths.map(clientOf)
    for (let index = 0; index < 10; index++) {
      const image = makeImage('team/known', `v${index}`)
      await push(clients[0] as RegistryClient, image, emptyTally())
      for (const client of clients) await pull(client, image, emptyTally())
      known.push(image)
    }
  },
  { timeout: 240_000 },
)

function clientOf({ url }: RunningBerth): RegistryClient {
  return registryClient(url, { authorization: basicAuthorization('alice', 'correct horse') })
}

async function command(url: string, statement: string): Promise<void> {
  await using session = await openSession(url)
  await session.script(statement)
}

after(() => stack.disposeAsync(), { timeout: 60_000 })

const limits = { timeout: 240_000 }

/** For a pull by digest of what this node has served, on a machine that all of this shares. */
const unnoticedMs = 3000
/** After so long a server that says nothing is given up. */
const silenceMs = 20_000

/** Strikes in the middle of a load; says what clients noticed. */
async function struck(
  t: TestContext,
  plan: Pick<LoadPlan, 'repository' | 'pushes' | 'pulls' | 'blow'>,
  noticedMs = unnoticedMs,
): Promise<Tally> {
  const tally = await loadWith({ ...plan, clients, images: known })
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
  t.diagnostic(
    `longest request of a push ${seconds(tally.longestPushMs)}, of a pull by digest ${seconds(tally.longestPullMs)}; ` +
      `${tally.repeated} requests of pushes repeated, ${tally.begunAnew} pushes begun anew`,
  )
  assert.deepEqual(tally.failedPulls, [])
  assert.equal(tally.pulled, plan.pulls)
  assert.equal(tally.acknowledged.length, plan.pushes)
  for (const client of clients) assert.deepEqual(await lostOf(client, tally.acknowledged), [])
  assert.ok(tally.longestPullMs < noticedMs, `a pull took ${tally.longestPullMs} ms`)
  return tally
}

test(
  'the primary is killed in the middle of 50 pushes and 200 pulls: every push ends with 201, no acknowledged tag is lost, no pull fails',
  limits,
  async (t) => {
    const primary = await cluster.primary()
    const begun: { at?: number; wroteAt?: number } = {}
    const blow = async () => {
      begun.at = performance.now()
      await primary.kill9()
      await cluster.primary(primary)
      begun.wroteAt = performance.now()
    }
    const { longestPushMs } = await struck(t, { repository: 'team/killed', pushes: 50, pulls: 200, blow })
    t.diagnostic(`another primary after ${(((begun.wroteAt ?? 0) - (begun.at ?? 0)) / 1000).toFixed(1)} s`)
    assert.ok(longestPushMs > 3000, 'somebody waited: the blow was felt')
    await primary.start()
    await cluster.whole()
  },
)

test('PostgreSQL alone is killed on the primary: Patroni starts it again, and clients wait that long', limits, async (t) => {
  const primary = await cluster.primary()
  await struck(t, { repository: 'team/crashed', pushes: 20, pulls: 80, blow: () => primary.crash() })
  await cluster.whole()
})

test('the primary is changed in order: clients wait for seconds', limits, async (t) => {
  await struck(t, { repository: 'team/switched', pushes: 20, pulls: 80, blow: () => cluster.switchOver() })
  await cluster.whole()
})

test('the primary stands still until another one writes, and wakes: nobody reads from it what is no longer true', limits, async (t) => {
  const primary = await cluster.primary()
  const [client, other] = clients as readonly [RegistryClient, RegistryClient]
  const blow = async () => {
    primary.freeze()
    await cluster.primary(primary)
  }
  await push(client, makeImage('team/frozen-tag', 'latest'), emptyTally())
  await struck(t, { repository: 'team/frozen', pushes: 20, pulls: 200, blow }, silenceMs)
  const now = makeImage('team/frozen-tag', 'latest')
  await push(client, now, emptyTally())
  primary.wakePostgres()
  // It takes whoever comes, and would commit.
  await command(cluster.urlOf([primary]), 'select 1')
  const wokeAt = performance.now()
  const seen = new Set<string | undefined>()
  while (performance.now() - wokeAt < 10_000) {
    const read = await Promise.all([client, other, client, other].map((each) => each.digestOf('team/frozen-tag', 'latest')))
    for (const digest of read) seen.add(digest)
  }
  assert.deepEqual([...seen], [now.digest])
  await primary.kill9()
  await primary.start()
  await cluster.whole()
})

test(
  'standbys that lag behind are listed first, and nobody reads from them: what was pushed is read at once, by every node',
  limits,
  async () => {
    const standbys = await cluster.standbys()
    const url = cluster.urlOf([...standbys, await cluster.primary()])
    const paused = standbys.map((node) => `${cluster.urlOf([node])}&target_session_attrs=any`)
    await Promise.all(paused.map((place) => command(place, 'select pg_wal_replay_pause()')))
    await using third = await startBerth({ dataDir, config: { database: { url }, auth: { htpasswd: { realm: 'berth', path: htpasswd } } } })
    const all = [...clients, clientOf(third)]
    const images = [makeImage('team/behind', 'one'), makeImage('team/behind', 'two')]
    for (const image of images) await push(all[2] as RegistryClient, image, emptyTally())
    for (let round = 0; round < 30; round++) {
      const { manifest, digest } = images[round % 2] as Image
      await all[round % 3]?.pushManifest('team/behind', 'latest', manifest)
      assert.deepEqual(await Promise.all(all.map((client) => client.digestOf('team/behind', 'latest'))), [digest, digest, digest])
    }
    await Promise.all(paused.map((place) => command(place, 'select pg_wal_replay_resume()')))
    await cluster.whole()
  },
)

test('after all of that everything that the rows name is there, and nothing else', limits, async () => {
  await using metadata = await openPostgres({
    target: targetOf(cluster.urlOf(cluster.nodes)),
    ports: systemPorts,
    log: pino({ enabled: false }),
  })
  await using store = createFilesystemStore({ rootDirectory: dataDir, files: systemPorts.files })
  assert.deepEqual(await checkInvariants({ metadata, store, rootDirectory: dataDir }), [])
})

test(
  'without synchronous replication a failover may lose an acknowledged push: doctor says so before, and scrub names its bytes after',
  limits,
  async () => {
    const doctor = () => tryBerth('doctor', berths[0]?.configFile ?? '')
    assert.doesNotMatch((await doctor()).stdout, /none of them is synchronous/u)
    await cluster.configure({ synchronous_mode: false })
    await until('asynchronous standbys', async () => (await cluster.members()).every(({ role }) => role !== 'sync_standby'), 60_000)
    assert.match((await doctor()).stdout, /WARNING {2}database {7}2 standbys follow and none of them is synchronous/u)
    const [primary, standbys] = [await cluster.primary(), await cluster.standbys()]
    await Promise.all(standbys.map((node) => node.stop()))
    const lost = makeImage('team/lost', 'v1')
    await push(clients[0] as RegistryClient, lost, emptyTally())
    await primary.kill9()
    await Promise.all(standbys.map((node) => node.start()))
    await cluster.primary(primary)
    for (const client of clients) assert.equal(await client.digestOf('team/lost', 'v1'), undefined, 'it was acknowledged, and is gone')
    for (const client of clients) assert.deepEqual(await lostOf(client, known), [])
    assert.deepEqual(await orphansOf(berths[0]?.configFile ?? ''), [...lost.blobs.keys()].toSorted())
    assert.match((await doctor()).stdout, /scrub knows of 2 things that are wrong/u)
    await push(clients[0] as RegistryClient, lost, emptyTally())
    for (const client of clients) assert.deepEqual(await lostOf(client, [lost]), [])
    await primary.start()
    await cluster.whole()
  },
)
