/**
 * What a quota costs: a thousand uploads that are open at once, into a project with a limit and into one without, in interleaved pairs on one server. Each of a
 * pair is three rounds, in an order in which neither comes first nor last more than the other: what else the machine does, and what grows, is shared by both.
 *
 * npm run bench -- quota
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HttpConnection, locationOf, requestBytes } from './http-connection.ts'
import { cpuMs } from './peers.ts'
import { median } from './report.ts'
import { call, startGuarded } from './token-requests.ts'

const uploads = 1_000
const connections = 100
const pairs = 7
const orders = [
  ['limited', 'unlimited', 'unlimited', 'limited', 'limited', 'unlimited'],
  ['unlimited', 'limited', 'limited', 'unlimited', 'unlimited', 'limited'],
] as const
const rounds = 3
const sizeBytes = 20_000

const limitedBytes = (pairs * rounds + 1) * uploads * sizeBytes

interface Site {
  readonly port: number
  readonly authorization: string
}

/** Runs `step` for each upload over the connections; throws when one is not answered so. */
async function each(open: readonly HttpConnection[], step: (connection: HttpConnection, index: number) => Promise<void>): Promise<void> {
  let next = 0
  await Promise.all(
    open.map(async (connection) => {
      while (next < uploads) await step(connection, next++)
    }),
  )
}

/** How many seconds it takes: all are begun, then all are sent, so that they are open at once. */
async function round({ port, authorization }: Site, project: string): Promise<number> {
  const blobs = Array.from({ length: uploads }, () => randomBytes(sizeBytes))
  const digests = blobs.map((blob) => `sha256:${createHash('sha256').update(blob).digest('hex')}`)
  const open = await Promise.all(Array.from({ length: connections }, () => HttpConnection.open(port)))
  const headers = { Authorization: authorization }
  const locations: string[] = []
  const begin = performance.now()
  await each(open, async (connection, index) => {
    const answer = await connection.request(requestBytes('POST', `/v2/${project}/app${index % 4}/blobs/uploads/`, { headers }))
    if (answer.status !== 202) throw new Error(`got\n${answer.headers}`)
    locations[index] = locationOf(answer)
  })
  await each(open, async (connection, index) => {
    const location = locations[index] ?? ''
    const target = `${location}${location.includes('?') ? '&' : '?'}digest=${digests[index]}`
    const answer = await connection.request(requestBytes('PUT', target, { headers, body: blobs[index] ?? Buffer.alloc(0) }))
    if (answer.status !== 201) throw new Error(`got\n${answer.headers}`)
  })
  const seconds = (performance.now() - begin) / 1000
  for (const connection of open) connection.close()
  return seconds
}

interface Pair {
  readonly limited: number
  readonly unlimited: number
}

/** Prints uploads a second with a quota and without, and the medians of the ratios pair by pair: of uploads a second, and of the server's CPU time. */
export async function benchQuota(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-bench-'))
  const { peer, password } = await startGuarded(directory, 'limits: { uploadsperactor: 5000 }')
  try {
    const authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`
    const headers = { authorization, 'content-type': 'application/json' }
    for (const name of ['limited', 'unlimited'])
      await call(peer.port, '/api/v1/projects', { method: 'POST', headers, body: JSON.stringify({ name }) })
    // Only just enough, so that every upload is held against it: three bytes of four are used in the end.
    const bytesMax = Math.ceil((limitedBytes * 4) / 3)
    const body = JSON.stringify({ bytesMax, repositoriesMax: 10, tagsMax: 10 })
    await call(peer.port, '/api/v1/projects/limited/quota', { method: 'PUT', headers, body })
    const site = { port: peer.port, authorization }
    for (const project of ['limited', 'unlimited']) await round(site, project)
    const found: { readonly rates: Pair; readonly cpu: Pair }[] = []
    for (let pair = 0; pair < pairs; pair++) {
      const [seconds, cpu] = [
        { limited: 0, unlimited: 0 },
        { limited: 0, unlimited: 0 },
      ]
      for (const project of orders[pair % 2] ?? []) {
        const before = cpuMs(peer)
        seconds[project] += await round(site, project)
        cpu[project] += cpuMs(peer) - before
      }
      const rateOf = (project: keyof Pair) => (rounds * uploads) / seconds[project]
      const rates = { limited: rateOf('limited'), unlimited: rateOf('unlimited') }
      found.push({ rates, cpu })
      console.log(`pair ${pair + 1}: ${rates.limited.toFixed(0)} uploads/s with a quota, ${rates.unlimited.toFixed(0)} without`)
    }
    const { used } = (await call(peer.port, '/api/v1/projects/limited/quota', { headers })).body as { used: { bytes: number } }
    if (used.bytes !== limitedBytes) throw new Error(`${used.bytes} bytes are counted`)
    const ratios = found.map(({ rates }) => rates.limited / rates.unlimited).toSorted((one, other) => one - other)
    const ratio = median(ratios)
    const cpuRatio = median(found.map(({ cpu }) => cpu.limited / cpu.unlimited))
    console.log(
      `| ${uploads} uploads of 20 KB, all open at once, ${connections} connections | ${median(found.map(({ rates }) => rates.limited)).toFixed(0)}/s with a quota` +
        ` | ${median(found.map(({ rates }) => rates.unlimited)).toFixed(0)}/s without` +
        ` | **${ratio.toFixed(2)}×** (${ratios[0]?.toFixed(2)} to ${ratios.at(-1)?.toFixed(2)}) | ${cpuRatio.toFixed(2)}× |`,
    )
  } finally {
    await peer.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}
