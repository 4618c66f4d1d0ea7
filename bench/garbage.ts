/**
 * Garbage collection beside docker-registry's, over two copies of one data directory in registry:2's layout: blobs that no manifest needs, linked from
 * repositories as deleted images leave them, beside images that stay. Berth collects while it is pulled from and pushed to; its peer is stopped for the
 * time, as its documentation asks.
 *
 * npm run bench -- garbage [--blobs N]
 */
import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { HttpConnection, locationOf, requestBytes, type Answer } from './http-connection.ts'
import { cpuMs, dockerRegistry, writeConfig } from './peers.ts'
import { call, startGuarded } from './token-requests.ts'

const repositories = 100
const leaseSeconds = 30
const calmSeconds = 10
const mediaType = 'application/vnd.docker.distribution.manifest.v2+json'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** Writes the directory: an image in each repository, and the garbage spread over them. */
function seed(root: string, blobs: number): void {
  const base = join(root, 'docker/registry/v2')
  const put = (bytes: Buffer): string => {
    const hex = sha256(bytes)
    const directory = join(base, 'blobs/sha256', hex.slice(0, 2), hex)
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, 'data'), bytes)
    return hex
  }
  const link = (directory: string, hex: string) => {
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, 'link'), `sha256:${hex}`)
  }
  for (let n = 0; n < repositories; n++) {
    const repository = join(base, 'repositories/team', `app-${n}`)
    const config = put(Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', n })))
    const layer = put(randomBytes(20_000))
    const document = {
      schemaVersion: 2,
      mediaType,
      config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: 50, digest: `sha256:${config}` },
      layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', size: 20_000, digest: `sha256:${layer}` }],
    }
    const manifest = put(Buffer.from(JSON.stringify(document)))
    const garbage = Array.from({ length: Math.ceil(blobs / repositories) }, () => put(randomBytes(200)))
    for (const hex of [config, layer, ...garbage]) link(join(repository, '_layers/sha256', hex), hex)
    link(join(repository, '_manifests/revisions/sha256', manifest), manifest)
    link(join(repository, '_manifests/tags/latest/current'), manifest)
    link(join(repository, '_manifests/tags/latest/index/sha256', manifest), manifest)
  }
}

function countBlobs(root: string): number {
  const base = join(root, 'docker/registry/v2/blobs/sha256')
  return readdirSync(base).reduce((sum, prefix) => sum + readdirSync(join(base, prefix)).length, 0)
}

function expectStatus(answer: Answer, status: number): Answer {
  if (answer.status !== status) throw new Error(`expected ${status}, got\n${answer.headers}`)
  return answer
}

interface Load {
  readonly pulls: number[]
  pushes: number
}

/** Pulls and pushes at a steady pace until it is stopped. What is measured is one pull: a manifest by tag and a small blob. */
async function load({ port, authorization: Authorization }: Place, signal: AbortSignal): Promise<Load> {
  const done: Load = { pulls: [], pushes: 0 }
  const pull = async () => {
    const connection = await HttpConnection.open(port)
    for (let n = 0; !signal.aborted; n++) {
      const at = performance.now()
      const manifest = requestBytes('GET', `/v2/team/app-${n % repositories}/manifests/latest`, {
        headers: { Accept: mediaType, Authorization },
      })
      expectStatus(await connection.request(manifest), 200)
      done.pulls.push(performance.now() - at)
      await sleep(Math.max(0, 10 - (performance.now() - at)))
    }
    connection.close()
  }
  const push = async () => {
    const connection = await HttpConnection.open(port)
    for (; !signal.aborted; done.pushes++) {
      const bytes = randomBytes(2_000)
      const digest = `sha256:${sha256(bytes)}`
      const started = expectStatus(
        await connection.request(requestBytes('POST', '/v2/team/pushed/blobs/uploads/', { headers: { Authorization } })),
        202,
      )
      const location = locationOf(started)
      const put = `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`
      expectStatus(
        await connection.request(
          requestBytes('PUT', put, { headers: { Authorization, 'Content-Type': 'application/octet-stream' }, body: bytes }),
        ),
        201,
      )
      const config = { mediaType: 'application/vnd.docker.container.image.v1+json', size: bytes.length, digest }
      const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [] }))
      const request = requestBytes('PUT', `/v2/team/pushed/manifests/t${done.pushes}`, {
        headers: { Authorization, 'Content-Type': mediaType },
        body,
      })
      expectStatus(await connection.request(request), 201)
      await sleep(50)
    }
    connection.close()
  }
  await Promise.all([pull(), pull(), pull(), pull(), push()])
  return done
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

function describe(name: string, { pulls, pushes }: Load): string {
  const ms = (q: number) => quantile(pulls, q).toFixed(1)
  return `${name}: ${pulls.length} pulls, p50 ${ms(0.5)} ms, p99 ${ms(0.99)} ms, worst ${ms(1)} ms; ${pushes} pushes`
}

interface Job {
  readonly state: string
  readonly startedAt: string
  readonly endedAt: string
  readonly result: { readonly links: number; readonly blobs: number; readonly keys: number; readonly freedBytes: number }
}

/** A server, and as whom it is asked. */
interface Place {
  readonly port: number
  readonly authorization: string
}

async function collect({ port, authorization }: Place): Promise<Job> {
  const headers = { authorization, 'content-type': 'application/json' }
  const started = await call(port, '/api/v1/garbage/runs', { method: 'POST', headers, body: JSON.stringify({ sweep: true }) })
  const { job } = started.body as { job: number }
  for (;;) {
    const found = (await call(port, `/api/v1/jobs/${job}`, { headers })).body as Job
    if (found.state === 'failed') throw new Error(JSON.stringify(found))
    if (found.state === 'done') return found
    await sleep(100)
  }
}

async function during<T>(place: Place, work: () => Promise<T>): Promise<{ readonly load: Load; readonly value: T }> {
  const stop = new AbortController()
  const loaded = load(place, stop.signal)
  try {
    const value = await Promise.race([work(), loaded.then(() => Promise.reject(new Error('the load ended')))])
    stop.abort()
    return { load: await loaded, value }
  } finally {
    stop.abort()
  }
}

async function measureBerth(root: string, workDirectory: string): Promise<void> {
  process.env['REGISTRY_STORAGE_GARBAGEDELAY'] = `${leaseSeconds}s`
  process.env['REGISTRY_STORAGE_READERSDELAY'] = '0s'
  const { peer, password } = await startGuarded(workDirectory)
  const place: Place = { port: peer.port, authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}` }
  try {
    console.log(`berth adopted the directory in ${(peer.startMs / 1000).toFixed(1)} s; waiting ${leaseSeconds} s for leases`)
    await sleep(leaseSeconds * 1000)
    const before = countBlobs(root)
    const calm = await during(place, () => sleep(calmSeconds * 1000))
    console.log(describe('calm', calm.load))
    const cpu = cpuMs(peer)
    const busy = await during(place, () => collect(place))
    const { startedAt, endedAt, result } = busy.value
    const seconds = (Date.parse(endedAt) - Date.parse(startedAt)) / 1000
    console.log(describe('during collection', busy.load))
    console.log(
      `berth: ${JSON.stringify(result)} in ${seconds.toFixed(1)} s, ${((cpuMs(peer) - cpu) / 1000).toFixed(1)} s of CPU with the load; ${before} → ${countBlobs(root)} blobs in the store`,
    )
  } finally {
    await peer.stop()
  }
}

function measurePeer(root: string, workDirectory: string): void {
  const file = join(workDirectory, 'peer.yml')
  writeConfig(file, { root, port: 0, accessLog: false })
  const before = countBlobs(root)
  const started = performance.now()
  // AWS_CA_BUNDLE makes its s3 driver refuse to load on some machines; REGISTRY_* variables are meant for Berth.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:AWS_CA_BUNDLE|REGISTRY_.*)$/.test(name)))
  const run = spawnSync('docker-registry', ['garbage-collect', file], { env, stdio: 'ignore' })
  const seconds = (performance.now() - started) / 1000
  console.log(
    `docker-registry (stopped): status ${run.status} in ${seconds.toFixed(1)} s; ${before} → ${countBlobs(root)} blobs in the store`,
  )
}

/** Prints what it finds. */
export async function benchGarbage(blobs: number): Promise<void> {
  const workDirectory = mkdtempSync(join(tmpdir(), 'berth-garbage-'))
  try {
    const [ours, theirs] = [join(workDirectory, 'data'), join(workDirectory, 'peer-data')]
    console.log(`writing ${blobs} blobs that nothing needs, in ${repositories} repositories`)
    seed(ours, blobs)
    if (spawnSync('cp', ['-a', ours, theirs]).status !== 0) throw new Error('the directory cannot be copied')
    spawnSync('sync')
    await measureBerth(ours, workDirectory)
    spawnSync('sync')
    if (dockerRegistry.command('') === undefined)
      console.log('docker-registry is not installed here (Debian: apt-get install docker-registry)')
    else measurePeer(theirs, workDirectory)
  } finally {
    rmSync(workDirectory, { recursive: true, force: true })
  }
}
