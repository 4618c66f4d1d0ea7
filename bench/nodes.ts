/**
 * Three nodes against one, on one PostgreSQL and one Ceph RGW (scripts/bench.mjs starts both), and blobs sent by redirect against blobs that pass through Berth.
 * All on one machine: throughput says how far its processors go, CPU time per request what a node more costs. Connections go to the nodes in turn, as a
 * balancer of connections would send them, so that none takes a part of the processors. Pairs are interleaved rounds, the order turned round each time.
 *
 * npm run bench -- nodes
 * npm run bench -- redirect
 */
import { spawn } from 'node:child_process'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { S3Connection } from '#blobs/s3-requests.ts'
import { systemPorts } from '#lib/ports.ts'
import { HttpConnection, requestBytes, type Answer } from './http-connection.ts'
import { berth, cpuMs, freePort, type Peer } from './peers.ts'
import { median } from './report.ts'
import { push, freshBlob, rounds, type Work } from './scenarios.ts'

const nodeCount = 3
const pairs = 7
const connections = 24
/** Clients that say this are not sent to the store. */
const directUserAgent = 'bench-direct'
const oci = 'application/vnd.oci.image.manifest.v1+json'

interface Backends {
  readonly databaseUrl: string
  readonly rgw: { readonly endpoint: string; readonly accessKeyId: string; readonly secretAccessKey: string }
}

interface Nodes extends AsyncDisposable {
  readonly peers: readonly Peer[]
}

function backends(): Backends {
  const told = process.env['BERTH_BENCH_BACKENDS']
  if (told === undefined) throw new Error('run it by npm run bench -- nodes, which starts PostgreSQL and Ceph RGW')
  return JSON.parse(told) as Backends
}

async function makeDatabase(superuserUrl: string): Promise<string> {
  const name = `bench_${randomUUID().replaceAll('-', '')}`
  const client = new Client({ connectionString: superuserUrl })
  await client.connect()
  await client.query(`create database ${name}`)
  await client.end()
  const url = new URL(superuserUrl)
  url.pathname = `/${name}`
  return url.href
}

async function makeBucket({ endpoint, ...keys }: Backends['rgw']): Promise<string> {
  const bucket = `bench-${randomUUID()}`
  const place = { region: 'us-east-1', bucket, endpoint: new URL(endpoint), isPathStyle: true }
  await using connection = new S3Connection({ place, credentials: async () => keys, clock: systemPorts.clock })
  await connection.ask({ method: 'PUT', signal: AbortSignal.timeout(60_000) })
  return bucket
}

async function startNodes(count: number): Promise<Nodes> {
  const { databaseUrl, rgw } = backends()
  const directory = mkdtempSync(join(tmpdir(), 'berth-bench-nodes-'))
  const s3 = {
    bucket: await makeBucket(rgw),
    region: 'us-east-1',
    regionendpoint: rgw.endpoint,
    accesskey: rgw.accessKeyId,
    secretkey: rgw.secretAccessKey,
  }
  const shared = {
    version: 0.1,
    log: { level: 'info' },
    storage: { s3, delete: { enabled: true }, redirect: { useragents: [`^${directUserAgent}$`] } },
    database: { url: await makeDatabase(databaseUrl) },
    secrets: { keyfile: join(directory, 'berth.key') },
  }
  const peers: Peer[] = []
  for (let at = 0; at < count; at += 1) {
    const port = await freePort()
    const configFile = join(directory, `${at}.yml`)
    writeFileSync(configFile, JSON.stringify({ ...shared, http: { addr: `127.0.0.1:${port}` } }))
    peers.push(await startNode(configFile, port))
  }
  return {
    peers,
    async [Symbol.asyncDispose]() {
      await Promise.all(peers.map((peer) => peer.stop()))
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function startNode(configFile: string, port: number): Promise<Peer> {
  const command = berth.command(configFile)
  if (command === undefined) throw new Error('no Berth')
  const log = openSync(`${configFile}.log`, 'a')
  const started = performance.now()
  const child = spawn(command[0], [...command[1]], { stdio: ['ignore', log, log] })
  const stop = () =>
    new Promise<void>((resolve) => {
      child.once('exit', () => resolve())
      child.kill('SIGTERM')
      setTimeout(() => child.kill('SIGKILL'), 5_000).unref()
    })
  for (;;) {
    if (child.exitCode !== null) throw new Error(`a node ended with ${child.exitCode}; its log is ${configFile}.log`)
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`)
      await answer.arrayBuffer()
      if (answer.ok) return { name: 'berth', port, process: child, startMs: performance.now() - started, stop }
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function expectStatus(answer: Answer, status: number): Answer {
  if (!answer.headers.startsWith(`HTTP/1.1 ${status}`)) throw new Error(`expected ${status}, got\n${answer.headers}`)
  return answer
}

interface Figures {
  readonly perSecond: number
  readonly cpuMsPerUnit: number
  readonly p99Ms: number
}

type Step = (connection: HttpConnection, n: number) => Promise<number>

/** The step over connections to these nodes in turn, and what the processors of all nodes spent on it. */
async function measure(all: readonly Peer[], used: readonly Peer[], step: Step, count = connections): Promise<Figures> {
  const cpu = () => all.reduce((sum, peer) => sum + cpuMs(peer), 0)
  const before = cpu()
  const works: Work[] = await Promise.all(used.map(({ port }) => rounds(port, Math.ceil(count / used.length), step)))
  const spent = cpu() - before
  const units = works.reduce((sum, work) => sum + work.units, 0)
  return {
    perSecond: units / Math.max(...works.map((work) => work.seconds)),
    cpuMsPerUnit: spent / units,
    p99Ms: Math.max(...works.map((work) => work.p99Ms)),
  }
}

/** Rounds of the one and the other in turn; medians, and the median of the ratios of the pairs. */
async function compare(name: string, unit: string, sides: readonly [() => Promise<Figures>, () => Promise<Figures>]): Promise<void> {
  const found: [Figures[], Figures[]] = [[], []]
  for (let pair = 0; pair < pairs; pair += 1)
    for (const side of pair % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) found[side].push(await sides[side]())
  const of = (side: 0 | 1, pick: (figures: Figures) => number) => found[side].map(pick)
  const mid = (side: 0 | 1, pick: (figures: Figures) => number) => median(of(side, pick))
  const ratio = median(of(1, (figures) => figures.perSecond).map((value, i) => value / (found[0][i]?.perSecond ?? Number.NaN)))
  const rate = (side: 0 | 1) =>
    `${round(mid(side, (figures) => figures.perSecond))} ${unit}/s, p99 ${round(mid(side, (figures) => figures.p99Ms))} ms`
  const cpu = (side: 0 | 1) => `${round(mid(side, (figures) => figures.cpuMsPerUnit) * 1000)} µs`
  console.log(`| ${name} | ${rate(0)} | ${rate(1)} | ${ratio.toFixed(2)}× | ${cpu(0)} | ${cpu(1)} |`)
}

function round(value: number): string {
  return value >= 10 ? Math.round(value).toLocaleString('en') : value.toPrecision(2)
}

interface Seeded {
  readonly small: string
  readonly large: string
  readonly manifest: (nonce: string) => Buffer
}

/** A small and a large blob, and manifests over them. */
async function seed({ port }: Peer): Promise<Seeded> {
  const connection = await HttpConnection.open(port)
  const [small, large] = [freshBlob(5_000), freshBlob(64 << 20)]
  for (const blob of [small, large]) await push(connection, 'bench/image', blob)
  const manifest = (nonce: string) =>
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: oci,
        config: { mediaType: 'application/vnd.oci.image.config.v1+json', size: 5_000, digest: small.digest },
        layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', size: 64 << 20, digest: large.digest }],
        annotations: { nonce },
      }),
    )
  expectStatus(await connection.request(putManifest('latest', manifest('first'))), 201)
  connection.close()
  return { small: small.digest, large: large.digest, manifest }
}

function putManifest(tag: string, body: Buffer): Buffer {
  return requestBytes('PUT', `/v2/bench/image/manifests/${tag}`, { headers: { 'Content-Type': oci }, body })
}

const head = '| | before the line | after it | throughput | CPU of Berth, before | after |\n|---|---|---|---|---|---|'

/** Prints a table: one node, three nodes. */
export async function benchNodes(): Promise<void> {
  await using nodes = await startNodes(nodeCount)
  const { peers } = nodes
  const [first] = peers
  if (first === undefined) return
  const { small, manifest } = await seed(first)
  console.log(
    head
      .replace('before the line', 'one node')
      .replace('after it', `${nodeCount} nodes`)
      .replace('before', 'one')
      .replace('after', `${nodeCount}`),
  )
  const sides = (step: Step, count?: number) =>
    [() => measure(peers, [first], step, count), () => measure(peers, peers, step, count)] as const
  const get = (path: string, headers: Record<string, string>): Step => {
    const bytes = requestBytes('GET', path, { headers })
    return async (connection) => (expectStatus(await connection.request(bytes), 200), 1)
  }
  await compare('manifest GET by tag', 'requests', sides(get('/v2/bench/image/manifests/latest', { Accept: oci })))
  await compare('config blob GET, 5 KB', 'requests', sides(get(`/v2/bench/image/blobs/${small}`, {})))
  const putOne: Step = async (connection, n) => (
    expectStatus(await connection.request(putManifest(`run-${n % 50}`, manifest(randomBytes(8).toString('hex')))), 201),
    1
  )
  await compare('manifest PUT, one repository', 'requests', sides(putOne, 12))
  const pushOne: Step = async (connection) => (
    await push(connection, `bench/uploads-${createHash('sha256').update(randomBytes(4)).digest()[0]}`, freshBlob(20_000)),
    1
  )
  await compare('push of a blob of 20 KB, 256 repositories', 'pushes', sides(pushOne, 12))
}

/** A GET of a presigned URL, which is of its host alone. */
function presigned(location: string): { readonly port: number; readonly bytes: Buffer } {
  const url = new URL(location)
  return { port: Number(url.port), bytes: Buffer.from(`GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`) }
}

/** Prints a table: through Berth, by redirect. */
export async function benchRedirect(): Promise<void> {
  await using nodes = await startNodes(1)
  const { peers } = nodes
  const [first] = peers
  if (first === undefined) return
  const { large } = await seed(first)
  console.log(
    head
      .replace('before the line', 'through Berth')
      .replace('after it', 'by redirect')
      .replace('before', 'through it')
      .replace('after', 'by redirect'),
  )
  const connection = await HttpConnection.open(first.port)
  const medium = freshBlob(200_000)
  await push(connection, 'bench/image', medium)
  connection.close()
  const atStore = new Map<HttpConnection, HttpConnection>()
  for (const [name, digest, unit, count] of [
    ['blob GET 64 MiB, 1 stream', large, 64, 1],
    ['blob GET 64 MiB, 8 streams', large, 64, 8],
    ['blob GET 200 KB, 16 connections', medium.digest, 200_000 / 2 ** 20, 16],
  ] as const) {
    const path = `/v2/bench/image/blobs/${digest}`
    const through = requestBytes('GET', path, { headers: { 'User-Agent': directUserAgent } })
    // Another client each time: who asks for the same blob again within a minute is taken for one that cannot reach the store.
    const sent = () => requestBytes('GET', path, { headers: { Authorization: `Bearer ${randomUUID()}` } })
    const proxied: Step = async (at) => (expectStatus(await at.request(through), 200), unit)
    const redirected: Step = async (at) => {
      const location = /\r\nlocation: *([^\r]+)/i.exec(expectStatus(await at.request(sent()), 307).headers)?.[1] ?? ''
      const { port, bytes } = presigned(location)
      const store = atStore.get(at) ?? (await HttpConnection.open(port))
      atStore.set(at, store)
      expectStatus(await store.request(bytes), 200)
      return unit
    }
    const forget = () => {
      for (const each of atStore.values()) each.close()
      atStore.clear()
    }
    await compare(name, 'MiB', [
      () => measure(peers, peers, proxied, count),
      () => measure(peers, peers, redirected, count).finally(forget),
    ])
  }
}
