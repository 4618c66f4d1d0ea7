import assert from 'node:assert/strict'
import { fork, type ChildProcess, type Serializable } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { after, before, suite, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { basicAuthorization } from '../support/http-client.ts'
import { pushImage, registryClient } from '../support/registry-client.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { until } from '../support/until.ts'
import type { Door, FloodOrder, FloodReport } from './flood-sender.ts'
import type { PullOrder } from './pull-clock.ts'

/**
 * Pulls are timed by one process and passwords sent by another, each as cheap as can be, beside the server. Calm and flooded stretches follow each other, so that what
 * else the machine does meets both alike. The p99 of one stretch is the third slowest of its three hundred pulls, which says little: it is taken over the pulls of all
 * calm stretches, and of all flooded ones.
 */
const rounds = 7
const stretch = { forMs: 2_000, intervalMs: 3 }
const targets = ['a manifest by its digest', 'a blob of 64 KiB'] as const
const doors: readonly Door[] = ['basic', 'token-get', 'token-post', 'session']
const connections = 64
/** What waits for its hash when a flood stops is hashed still; a stretch is calm without that. */
const calmCores = 0.05
const calmLookMs = 250
/** Far above what people do, and a fifth of what the machine can answer. */
const perSecond = 200
const ratioMax = 2

const shown = /^ +password +(\S+)$/m

async function asked<Reply>(child: ChildProcess, message: Serializable): Promise<Reply> {
  child.send(message)
  const [reply] = (await once(child, 'message')) as [Reply]
  return reply
}

/** CPU time of all threads, in milliseconds: the kernel counts in hundredths of a second. */
function cpuMs(berth: RunningBerth): number {
  const stat = readFileSync(`/proc/${berth.pid()}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

interface Stretch {
  /** Milliseconds of each pull, by target. */
  readonly times: readonly (readonly number[])[]
  /** Of the server, parts of a core. */
  readonly cores: number
}

interface Round {
  readonly calm: Stretch
  readonly flooded: Stretch
  readonly report: FloodReport
}

function middle(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return Number((sorted[Math.floor(sorted.length * part)] ?? Number.NaN).toFixed(2))
}

suite('wrong passwords double the p99 of a pull at most', { skip: process.platform !== 'linux', timeout: 15 * 60_000 }, () => {
  let berth: RunningBerth
  let puller: ChildProcess
  let flooder: ChildProcess
  let pulls: Omit<PullOrder, 'forMs' | 'intervalMs'>

  before(async () => {
    berth = await startBerth({ config: { auth: { accounts: {} }, log: { level: 'warn', accesslog: { disabled: true } } } })
    await until('the password is shown', () => shown.test(berth.logs()))
    const authorization = basicAuthorization('admin', shown.exec(berth.logs())?.[1] ?? '')
    const client = registryClient(berth.url, { authorization })
    await pushImage(client, 'flooded/app', 'v1')
    const bytes = randomBytes(64 * 1024)
    const blobDigest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    const started = await client.send('/v2/flooded/app/blobs/uploads/', { method: 'POST' })
    const upload = new URL(started.headers.location ?? '', berth.url)
    upload.searchParams.set('digest', blobDigest)
    assert.equal((await client.send(upload.pathname + upload.search, { method: 'PUT', body: bytes })).status, 201)
    const manifestDigest = String((await client.send('/v2/flooded/app/manifests/v1')).headers['docker-content-digest'])
    const paths = [`/v2/flooded/app/manifests/${manifestDigest}`, `/v2/flooded/app/blobs/${blobDigest}`]
    pulls = { port: Number(new URL(berth.url).port), authorization, paths }
    puller = fork(new URL('./pull-clock.ts', import.meta.url))
    flooder = fork(new URL('./flood-sender.ts', import.meta.url))
    await timed(3_000)
  })
  after(async () => {
    puller?.kill()
    flooder?.kill()
    await berth?.[Symbol.asyncDispose]()
  })

  async function timed(forMs = stretch.forMs): Promise<Stretch> {
    const before = cpuMs(berth)
    const startedAt = performance.now()
    const { times, error } = await asked<{ times?: Stretch['times']; error?: string }>(puller, { ...pulls, ...stretch, forMs })
    assert.ok(times, error)
    return { times, cores: Number(((cpuMs(berth) - before) / (performance.now() - startedAt)).toFixed(2)) }
  }

  async function isCalm(): Promise<boolean> {
    const before = cpuMs(berth)
    await sleep(calmLookMs)
    return cpuMs(berth) - before < calmCores * calmLookMs
  }

  async function pair(order: FloodOrder): Promise<Round> {
    await until('the server is calm', async () => (await isCalm()) && (await isCalm()), 60_000)
    const calm = await timed()
    flooder.send(order)
    await sleep(500)
    const flooded = await timed()
    const report = await asked<FloodReport>(flooder, 'stop')
    return { calm, flooded, report }
  }

  async function measure(t: TestContext, { load, isSpread }: { readonly load: FloodOrder['load']; readonly isSpread: boolean }) {
    const found: Round[] = []
    for (let round = 0; round < rounds; round++) {
      // Another one each time: who is shut out already costs no hash.
      const address = isSpread ? undefined : `198.18.${'connections' in load ? 1 : 2}.${round}`
      const door = doors[round % doors.length] ?? 'basic'
      const measured = await pair({ port: pulls.port, door, path: pulls.paths[0] ?? '', address, load })
      found.push(measured)
      t.diagnostic(`${door}: ${JSON.stringify({ ...measured.report, cores: measured.flooded.cores })}`)
      const answers = Object.keys(measured.report.statuses)
      assert.ok(
        answers.length > 0 && answers.every((status) => status === '401' || status === '429'),
        'all are refused, and nothing breaks',
      )
    }
    for (const [index, target] of targets.entries()) {
      const calmTimes = found.flatMap(({ calm }) => calm.times[index] ?? [])
      const floodedTimes = found.flatMap(({ flooded }) => flooded.times[index] ?? [])
      const at = (part: number) => [percentile(calmTimes, part), percentile(floodedTimes, part)] as const
      const [calm, flooded] = at(0.99)
      const ratio = flooded / calm
      const cores = `${middle(found.map((round) => round.calm.cores))} and ${middle(found.map((round) => round.flooded.cores))} cores`
      t.diagnostic(
        `${target}: p50 ${at(0.5).join(' and ')} ms, p99 ${calm} and ${flooded} ms in the flood, ratio ${ratio.toFixed(2)}; the server took ${cores}`,
      )
      assert.ok(ratio <= ratioMax, `the p99 of ${target} is ${ratio.toFixed(2)} times what it is without the flood`)
    }
  }

  for (const isSpread of [false, true]) {
    const from = isSpread ? 'from ever new addresses' : 'from one address'
    test(`${from}, as fast as ${connections} connections are answered`, (t) => measure(t, { load: { connections }, isSpread }))
    test(`${from}, ${perSecond} a second whatever is answered`, (t) => measure(t, { load: { perSecond }, isSpread }))
  }
})
