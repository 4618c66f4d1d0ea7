/** Medians, spread, and the ratio of Berth to each peer, pair by pair; the table of bench/README.md. */
import { cpus, totalmem } from 'node:os'
import { readFileSync, writeFileSync } from 'node:fs'

export interface Measurement {
  readonly perSecond: number
  /** CPU time of the server for one unit of work, in milliseconds. */
  readonly cpuMsPerUnit: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface PeerFacts {
  readonly name: string
  readonly version: string
  readonly startMs: number
  readonly idleBytes: number
  readonly peakBytes: number
}

interface Input {
  readonly results: ReadonlyMap<string, ReadonlyMap<string, readonly Measurement[]>>
  readonly facts: readonly PeerFacts[]
  readonly units: ReadonlyMap<string, string>
  readonly rounds: number
}

interface Report {
  readonly table: string
  readonly json: unknown
  writeReadme(file: string): void
}

const begin = '<!-- figures -->'
const end = '<!-- end of figures -->'

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2
}

/** Ratio of round i of one to round i of the other, then the median: drift of the machine falls out. */
function pairedRatio(ours: readonly number[], theirs: readonly number[]): number {
  return median(ours.map((value, i) => value / (theirs[i] ?? Number.NaN)))
}

function spread(values: readonly number[]): string {
  const low = Math.min(...values)
  const high = Math.max(...values)
  return `±${Math.round(((high - low) / 2 / median(values)) * 100)} %`
}

function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(2)
}

function row(name: string, unit: string, ofScenario: ReadonlyMap<string, readonly Measurement[]>): string {
  const ours = ofScenario.get('berth') ?? []
  const rate = ours.map((m) => m.perSecond)
  const cells = [name, `${figure(median(rate))} ${unit}/s ${spread(rate)}`, `${figure(median(ours.map((m) => m.p99Ms)))} ms`]
  for (const [peer, theirs] of ofScenario) {
    if (peer === 'berth') continue
    const peerRate = theirs.map((m) => m.perSecond)
    cells.push(`${figure(median(peerRate))} ${spread(peerRate)}`, `**${figure(pairedRatio(rate, peerRate))}×**`)
    const cpuRatio = pairedRatio(
      theirs.map((m) => m.cpuMsPerUnit),
      ours.map((m) => m.cpuMsPerUnit),
    )
    cells.push(Number.isFinite(cpuRatio) ? `${figure(cpuRatio)}×` : '–')
  }
  return `| ${cells.join(' | ')} |`
}

export function record(input: Input): Report {
  const peers = input.facts.filter((fact) => fact.name !== 'berth')
  const head = ['scenario', 'berth', 'p99', ...peers.flatMap((peer) => [peer.name, 'throughput ratio', 'CPU ratio'])]
  const lines = [
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---').join('|')}|`,
    ...[...input.results].map(([name, ofScenario]) => row(name, input.units.get(name) ?? '', ofScenario)),
    '',
    '| server | version | start to first answer | RSS idle | RSS peak over the run |',
    '|---|---|---|---|---|',
    ...input.facts.map(
      (f) =>
        `| ${f.name} | ${f.version} | ${f.startMs.toFixed(0)} ms | ${(f.idleBytes / 1e6).toFixed(0)} MB | ${(f.peakBytes / 1e6).toFixed(0)} MB |`,
    ),
  ]
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, loopback, client on the same cores; ${input.rounds} interleaved rounds.`
  const table = lines.join('\n')
  return {
    table,
    json: {
      machine,
      rounds: input.rounds,
      facts: input.facts,
      results: Object.fromEntries([...input.results].map(([name, m]) => [name, Object.fromEntries(m)])),
    },
    writeReadme(file) {
      const text = readFileSync(file, 'utf8')
      const before = text.slice(0, text.indexOf(begin) + begin.length)
      const after = text.slice(text.indexOf(end))
      writeFileSync(file, `${before}\n${machine}\n\n${table}\n${after}`)
    },
  }
}
