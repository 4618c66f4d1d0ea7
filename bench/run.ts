/**
 * Runs the scenarios against Berth and its peers in interleaved rounds (A B A B …) on one machine in one run, and reports medians and the
 * ratio pair by pair. Absolute figures belong to the machine; the ratios and the server's CPU time per unit are what can be compared.
 *
 * npm run bench -- tokens
 * npm run bench -- garbage [--blobs N]
 * npm run bench -- quota
 * npm run bench -- jobs
 * npm run bench -- nodes
 * npm run bench -- redirect
 * npm run bench:portal
 * npm run bench [-- PART-OF-A-SCENARIO'S-NAME] [--rounds N] [--against PEER] [--no-record]
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { benchJobs } from './jobs.ts'
import { benchGarbage } from './garbage.ts'
import { benchNodes, benchRedirect } from './nodes.ts'
import { berth, cpuMs, peerKinds, residentBytes, startPeer, type Peer } from './peers.ts'
import { median, record, type Measurement, type PeerFacts } from './report.ts'
import { scenarios, type Scenario } from './scenarios.ts'
import { seedRegistry2, type Seed } from './seed.ts'
import { benchQuota } from './quota.ts'
import { benchTokens } from './token-requests.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    against: { type: 'string' },
    'no-record': { type: 'boolean', default: false },
    blobs: { type: 'string', default: '100000' },
    tags: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '10' },
    profile: { type: 'string' },
  },
})

/** Writes to memory that a virtual machine may have given back to its host, so that the first server does not pay for fetching it. */
function touchMemory(): void {
  Buffer.alloc(1 << 30, 1)
}

async function measure(scenario: Scenario, peer: Peer, seed: Seed): Promise<Measurement> {
  if (scenario.heavy === true) touchMemory()
  const before = cpuMs(peer)
  const work = await scenario.run({ port: peer.port, seed })
  const cpu = cpuMs(peer) - before
  return { perSecond: work.units / work.seconds, cpuMsPerUnit: cpu / work.units, p50Ms: work.p50Ms, p99Ms: work.p99Ms }
}

/** All rounds of one scenario, the order of the servers turned round each time. */
async function rounds(scenario: Scenario, peers: readonly Peer[], seed: Seed): Promise<Map<string, Measurement[]>> {
  const found = new Map<string, Measurement[]>(peers.map((peer) => [peer.name, []]))
  for (let round = 0; round < Number(values.rounds); round++) {
    const order = round % 2 === 0 ? peers : peers.toReversed()
    for (const peer of order) found.get(peer.name)?.push(await measure(scenario, peer, seed))
  }
  console.log(scenario.name, ...[...found].map(([name, list]) => `${name}: ${list.map((m) => m.perSecond.toFixed(1)).join(' ')}`))
  return found
}

async function startAll(workDirectory: string, seedDirectory: string): Promise<Peer[]> {
  const peers: Peer[] = []
  for (const kind of peerKinds) {
    if (values.against !== undefined && kind !== berth && kind.name !== values.against) continue
    const root = join(workDirectory, `${kind.name}-data`)
    cpSync(seedDirectory, root, { recursive: true })
    const peer = await startPeer(kind, root, workDirectory)
    if (peer === undefined)
      console.log(`${kind.name} is not installed here; figures for Berth alone (Debian: apt-get install docker-registry)`)
    else peers.push(peer)
  }
  return peers
}

interface Start {
  /** To the first answer, the median of five. */
  readonly ms: number
  readonly idleBytes: number
}

/** Starts over data that is already there. */
async function startTimes(workDirectory: string): Promise<Map<string, Start>> {
  const times = new Map<string, Start>()
  for (const kind of peerKinds) {
    const samples: number[] = []
    const idle: number[] = []
    for (let i = 0; i < 5; i++) {
      const peer = await startPeer(kind, join(workDirectory, `${kind.name}-data`), workDirectory)
      if (peer === undefined) break
      samples.push(peer.startMs)
      idle.push(residentBytes(peer).now)
      await peer.stop()
    }
    if (samples.length > 0) times.set(kind.name, { ms: median(samples), idleBytes: median(idle) })
  }
  return times
}

async function main(): Promise<void> {
  const workDirectory = mkdtempSync(join(tmpdir(), 'berth-bench-'))
  const chosen = scenarios.filter((scenario) => positionals.every((word) => scenario.name.includes(word)))
  let peers: Peer[] = []
  try {
    const seedDirectory = join(workDirectory, 'seed')
    mkdirSync(seedDirectory)
    console.log('writing the seed: 10,000 tags, 5,000 repositories, a layer of 256 MiB')
    const seed = seedRegistry2(seedDirectory)
    peers = await startAll(workDirectory, seedDirectory)
    const results = new Map<string, Map<string, Measurement[]>>()
    for (const scenario of chosen) results.set(scenario.name, await rounds(scenario, peers, seed))
    const peaks = new Map(peers.map((peer) => [peer.name, residentBytes(peer).peak]))
    await Promise.all(peers.map((peer) => peer.stop()))
    const starts = await startTimes(workDirectory)
    const facts: PeerFacts[] = peerKinds
      .filter((kind) => peers.some((peer) => peer.name === kind.name))
      .map((kind) => ({
        name: kind.name,
        version: kind.version(),
        startMs: starts.get(kind.name)?.ms ?? 0,
        idleBytes: starts.get(kind.name)?.idleBytes ?? 0,
        peakBytes: peaks.get(kind.name) ?? 0,
      }))
    const units = new Map(chosen.map((scenario) => [scenario.name, scenario.unit]))
    const report = record({ results, facts, units, rounds: Number(values.rounds) })
    console.log(`\n${report.table}`)
    if (!values['no-record'] && positionals.length === 0) {
      writeFileSync(join(import.meta.dirname, 'results/latest.json'), `${JSON.stringify(report.json, null, 2)}\n`)
      report.writeReadme(join(import.meta.dirname, 'README.md'))
    }
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()))
    rmSync(workDirectory, { recursive: true, force: true })
  }
}

// Accounts and jobs are Berth's alone, so there is nothing to compare with.
if (positionals[0] === 'tokens') await benchTokens()
else if (positionals[0] === 'garbage') await benchGarbage(Number(values.blobs))
else if (positionals[0] === 'quota') await benchQuota()
else if (positionals[0] === 'jobs') await benchJobs()
else if (positionals[0] === 'nodes') await benchNodes()
else if (positionals[0] === 'redirect') await benchRedirect()
else if (positionals[0] === 'portal') {
  // Its browser is driven by what only tests need.
  const { benchPortal } = await import('./portal.ts')
  await benchPortal({ tags: Number(values.tags), seconds: Number(values.seconds), profile: values.profile })
} else await main()
