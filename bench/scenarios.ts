/** What is measured. Each scenario runs against one server for a while and says how much it did. To add one, add a row to {@link scenarios}. */
import { createHash, randomBytes } from 'node:crypto'
import { HttpConnection, locationOf, requestBytes, type Answer } from './http-connection.ts'
import type { Seed } from './seed.ts'

export interface Work {
  /** Requests, pushes, or bytes. */
  readonly units: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface Target {
  readonly port: number
  readonly seed: Seed
}

export interface Scenario {
  readonly name: string
  readonly unit: 'requests' | 'pushes' | 'MiB'
  /** Writes much memory or disk: memory is touched before each run (a virtual machine may have handed it back to its host). */
  readonly heavy?: boolean
  readonly run: (target: Target) => Promise<Work>
}

const seconds = 3
const docker = 'application/vnd.docker.distribution.manifest.v2+json'

function expectStatus(answer: Answer, ...statuses: readonly number[]): Answer {
  if (!statuses.includes(answer.status)) throw new Error(`expected ${statuses.join(' or ')}, got\n${answer.headers}`)
  return answer
}

/** `connections` kept-alive connections, each running `step` again and again for the time of a round. */
export async function rounds(
  port: number,
  connections: number,
  step: (connection: HttpConnection, n: number) => Promise<number>,
  count = Infinity,
): Promise<Work> {
  const open = await Promise.all(Array.from({ length: connections }, () => HttpConnection.open(port)))
  const latencies: number[] = []
  let units = 0
  let started = 0
  const begin = performance.now()
  await Promise.all(
    open.map(async (connection) => {
      while (started < count && performance.now() - begin < seconds * 1000) {
        const at = performance.now()
        const done = await step(connection, started++)
        units += done
        latencies.push(performance.now() - at)
      }
    }),
  )
  const elapsed = (performance.now() - begin) / 1000
  for (const connection of open) connection.close()
  latencies.sort((a, b) => a - b)
  const quantile = (q: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))] ?? 0
  return { units, seconds: elapsed, p50Ms: quantile(0.5), p99Ms: quantile(0.99) }
}

/** The same request over and over. */
function reading(method: 'GET' | 'HEAD', path: (seed: Seed) => string, connections = 32): Scenario['run'] {
  return ({ port, seed }) => {
    const bytes = requestBytes(method, path(seed), { headers: { Accept: docker } })
    return rounds(port, connections, async (connection) => {
      expectStatus(await connection.request(bytes, method === 'GET'), 200)
      return 1
    })
  }
}

function download(connections: number): Scenario['run'] {
  return ({ port, seed }) => {
    const bytes = requestBytes('GET', `/v2/bench/image/blobs/${seed.layerDigest}`)
    return rounds(port, connections, async (connection) => expectStatus(await connection.request(bytes), 200).bodyBytes / (1 << 20))
  }
}

const filler = randomBytes(1 << 20)

/** Content that no one pushed before: a random head, then the same filler. */
export function freshBlob(sizeBytes: number): { head: Buffer; digest: string; parts: readonly Buffer[] } {
  const head = randomBytes(64)
  const hash = createHash('sha256').update(head)
  const parts: Buffer[] = [head]
  for (let left = sizeBytes - head.length; left > 0; left -= filler.length) parts.push(filler.subarray(0, Math.min(left, filler.length)))
  for (const part of parts.slice(1)) hash.update(part)
  return { head, digest: `sha256:${hash.digest('hex')}`, parts }
}

/** One blob: POST and PUT; `frame` bytes in each chunk of a PATCH before, as docker sends. */
export async function push(
  connection: HttpConnection,
  repository: string,
  blob: ReturnType<typeof freshBlob>,
  frame?: number,
): Promise<void> {
  const started = expectStatus(await connection.request(requestBytes('POST', `/v2/${repository}/blobs/uploads/`)), 202)
  let location = locationOf(started)
  const sizeBytes = blob.parts.reduce((sum, part) => sum + part.length, 0)
  if (frame === undefined) {
    const answer = connection.expect()
    const query = location.includes('?') ? '&' : '?'
    await connection.send(
      Buffer.from(
        `PUT ${location}${query}digest=${blob.digest} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\nContent-Length: ${sizeBytes}\r\n\r\n`,
      ),
    )
    for (const part of blob.parts) await connection.send(part)
    expectStatus(await answer, 201)
    return
  }
  const patched = connection.expect()
  await connection.send(Buffer.from(`PATCH ${location} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n`))
  for (const part of blob.parts) {
    for (let at = 0; at < part.length; at += frame) {
      const piece = part.subarray(at, at + frame)
      await connection.send(Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]))
    }
  }
  await connection.send(Buffer.from('0\r\n\r\n'))
  location = locationOf(expectStatus(await patched, 202))
  expectStatus(await connection.request(requestBytes('PUT', `${location}${location.includes('?') ? '&' : '?'}digest=${blob.digest}`)), 201)
}

/** `count` uploads of `sizeBytes`, over `connections`; `frame` bytes in each chunk of a PATCH, as docker sends, or one PUT. */
function upload(options: {
  sizeBytes: number
  count: number
  connections: number
  unit: 'MiB' | 'pushes'
  frame?: number
}): Scenario['run'] {
  return ({ port }) => {
    const blobs = Array.from({ length: options.count }, () => freshBlob(options.sizeBytes))
    return rounds(
      port,
      options.connections,
      async (connection, n) => {
        const blob = blobs[n]
        if (blob === undefined) return 0
        await push(connection, 'bench/uploads', blob, options.frame)
        return options.unit === 'MiB' ? options.sizeBytes / (1 << 20) : 1
      },
      options.count,
    )
  }
}

/** A new manifest a time, under one tag of its own; its config and layer are there. */
const manifestPut: Scenario['run'] = ({ port, seed }) =>
  rounds(port, 8, async (connection, n) => {
    const body = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: docker,
        config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: 5060, digest: seed.configDigest },
        layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', size: seed.layerBytes, digest: seed.layerDigest }],
        annotations: { nonce: randomBytes(8).toString('hex') },
      }),
    )
    const request = requestBytes('PUT', `/v2/bench/image/manifests/run-${n % 50}`, { headers: { 'Content-Type': docker }, body })
    expectStatus(await connection.request(request), 201)
    return 1
  })

export const scenarios: readonly Scenario[] = [
  { name: 'manifest GET by tag, 32 connections', unit: 'requests', run: reading('GET', () => '/v2/bench/image/manifests/latest') },
  { name: 'manifest GET by digest', unit: 'requests', run: reading('GET', (seed) => `/v2/bench/image/manifests/${seed.manifestDigest}`) },
  { name: 'manifest HEAD by tag', unit: 'requests', run: reading('HEAD', () => '/v2/bench/image/manifests/latest') },
  { name: 'config blob GET, 5 KB', unit: 'requests', run: reading('GET', (seed) => `/v2/bench/image/blobs/${seed.configDigest}`) },
  { name: 'blob GET 256 MiB, 1 stream', unit: 'MiB', run: download(1) },
  { name: 'blob GET 256 MiB, 8 streams', unit: 'MiB', run: download(8) },
  {
    name: 'blob PUT 512 MiB, 1 stream',
    unit: 'MiB',
    heavy: true,
    run: upload({ sizeBytes: 512 << 20, count: 1, connections: 1, unit: 'MiB' }),
  },
  {
    name: 'blob PUT 256 MiB, 4 streams',
    unit: 'MiB',
    heavy: true,
    run: upload({ sizeBytes: 256 << 20, count: 4, connections: 4, unit: 'MiB' }),
  },
  {
    name: 'blob PATCH 256 MiB in 32 KiB chunks, 1 stream',
    unit: 'MiB',
    heavy: true,
    run: upload({ sizeBytes: 256 << 20, count: 1, connections: 1, unit: 'MiB', frame: 32 << 10 }),
  },
  {
    name: '200 pushes of 20 KB, 8 at once',
    unit: 'pushes',
    run: upload({ sizeBytes: 20_000, count: 200, connections: 8, unit: 'pushes' }),
  },
  { name: 'manifest PUT, 8 at once', unit: 'requests', run: manifestPut },
  { name: 'tags/list?n=100 of 10,000', unit: 'requests', run: reading('GET', () => '/v2/bench/tags/tags/list?n=100', 8) },
  { name: 'tags/list, all of 10,000', unit: 'requests', run: reading('GET', () => '/v2/bench/tags/tags/list', 8) },
  { name: '_catalog?n=1000 of 5,000', unit: 'requests', run: reading('GET', () => '/v2/_catalog?n=1000', 8) },
  { name: '_catalog?n=100 from the middle', unit: 'requests', run: reading('GET', () => '/v2/_catalog?n=100&last=many/repo-2500', 8) },
]
