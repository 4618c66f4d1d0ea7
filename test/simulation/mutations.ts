/**
 * `npm run simulation:mutations [-- NAME …]`: makes each mistake of mutation-list.ts in a copy of server/ and runs seeds on it until one fails. Prints the rows of the
 * table in docs/reference/simulation.md, or with `--write` puts them there; exits with 1 when a mistake was not found. `--listed` runs the seed alone that the page
 * has for each, in half a minute for all of them, and exits with 1 where the page is out of date.
 */
import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { mutations } from './mutation-list.ts'
import type { Edit, Mutation } from './mutation.ts'

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const page = new URL('../../docs/reference/simulation.md', import.meta.url)
/** Of the table of mistakes. */
const head = '| mistake | what would go wrong | seed: violation |'
const seedsMax = 10_000

/** The text with the mistake in it. Throws when the place is not there, or there twice. */
export function mutate(text: string, { file, find, replace }: Edit): string {
  const parts = text.split(find)
  if (parts.length !== 2) throw new Error(`server/${file} has ${parts.length - 1} places that read: ${find}`)
  return parts.join(replace)
}

async function copyTo(directory: string): Promise<void> {
  await cp(join(checkout, 'server'), join(directory, 'server'), { recursive: true })
  await mkdir(join(directory, 'test'))
  await cp(join(checkout, 'test/simulation'), join(directory, 'test/simulation'), { recursive: true })
  for (const file of ['test/invariants.ts', 'package.json']) await cp(join(checkout, file), join(directory, file))
  await symlink(join(checkout, 'node_modules'), join(directory, 'node_modules'))
}

async function withMistake(directory: string, { edits }: Mutation, run: () => Promise<void>): Promise<void> {
  const originals = new Map<string, string>()
  for (const edit of edits) {
    const path = join(directory, 'server', edit.file)
    const text = await readFile(path, 'utf8')
    if (!originals.has(path)) originals.set(path, text)
    await writeFile(path, mutate(text, edit))
  }
  try {
    await run()
  } finally {
    for (const [path, text] of originals) await writeFile(path, text)
  }
}

interface Found {
  readonly seed: number
  readonly violation: string
}

/** Which seeds: from that one on, so many at most. */
interface Seeds {
  readonly from: number
  readonly count: number
}

function runSeeds(directory: string, { from, count }: Seeds): Promise<Found | undefined> {
  const seeds = ['--from', String(from), '--seeds', String(count), '--seconds', '0']
  const args = ['test/simulation/run.ts', '--workers', '0', ...seeds, '--stop-after', '1', '--brief']
  const child = spawn(process.execPath, args, { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  return new Promise((resolve) => {
    child.once('exit', () => {
      const match = /^seed (\d+) fails:\n {2}(.*)/m.exec(output)
      resolve(match === null ? undefined : { seed: Number(match[1]), violation: shown(match[2] ?? '') })
    })
  })
}

/** As the page has it: digests in short. */
function shown(violation: string): string {
  const short = violation.replace(/^step \d+: /, '').replaceAll('|', '/')
  return short.replaceAll(/([0-9a-f]{8})[0-9a-f]{8,}/g, '$1…').slice(0, 150)
}

function rowOf({ name, harm }: Mutation, found: Found | undefined): string {
  return `| ${name} | ${harm} | ${found === undefined ? `none of ${seedsMax}` : `${found.seed}: ${found.violation}`} |`
}

/** What is done with each mistake. */
type Trial = (mutation: Mutation, run: (seeds: Seeds) => Promise<Found | undefined>) => Promise<void>

/** One processor's part, in a copy of its own. */
async function tryAll(queue: Iterator<Mutation>, trial: Trial): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-mutations-'))
  try {
    await copyTo(directory)
    for (let next = queue.next(); next.done !== true; next = queue.next()) {
      const mutation = next.value
      await withMistake(directory, mutation, () => trial(mutation, (seeds) => runSeeds(directory, seeds)))
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** The row of each mistake on the page, by its name. */
function rowsOf(text: string): ReadonlyMap<string, string> {
  const rows = text.split('\n').filter((line) => line.startsWith('| '))
  return new Map(rows.map((row) => [row.split(' | ')[0]?.slice(2) ?? '', row]))
}

/** Runs seeds from 1 on. */
function findAnew(rows: Map<string, string>): Trial {
  return async (mutation, run) => {
    const found = await run({ from: 1, count: seedsMax })
    if (found === undefined) process.exitCode = 1
    const row = rowOf(mutation, found)
    rows.set(mutation.name, row)
    console.log(row)
  }
}

/** Runs the seed of the page. A row with another violation of the same seed is worth a word, and still true. */
function compareWith(rows: ReadonlyMap<string, string>): Trial {
  return async (mutation, run) => {
    const row = rows.get(mutation.name)
    const seed = Number(/ \| (\d+): [^|]* \|$/.exec(row ?? '')?.[1] ?? Number.NaN)
    const found = Number.isNaN(seed) ? undefined : await run({ from: seed, count: 1 })
    if (found !== undefined && row === rowOf(mutation, found)) return
    if (found === undefined) process.exitCode = 1
    const says = found === undefined ? 'does not fail' : `says by now: ${found.violation}`
    console.log(`${mutation.name}: ${Number.isNaN(seed) ? 'there is no seed' : `seed ${seed} ${says}`}`)
  }
}

async function main(): Promise<void> {
  const options = { write: { type: 'boolean' }, listed: { type: 'boolean' } } as const
  const { values, positionals: names } = parseArgs({ options, allowPositionals: true })
  const queue = mutations.filter(({ name }) => names.length === 0 || names.some((part) => name.includes(part))).values()
  const text = await readFile(page, 'utf8')
  const rows = new Map(rowsOf(text))
  const trial = values.listed === true ? compareWith(rows) : findAnew(rows)
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: availableParallelism() }, () => tryAll(queue, trial)))
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0)
  if (values.listed === true) {
    const verdict =
      process.exitCode === 1 ? 'the page is out of date: npm run simulation:mutations -- --write' : 'each fails at the seed of its row'
    console.log(`mistakes of docs/reference/simulation.md: ${verdict} (${seconds} s)`)
  }
  if (values.write !== true) return
  const lines = text.split('\n')
  const [first, last] = [lines.indexOf(head) + 2, lines.findLastIndex((line) => line.startsWith('| ')) + 1]
  const table = mutations.flatMap(({ name }) => rows.get(name) ?? [])
  await writeFile(page, [...lines.slice(0, first), ...table, ...lines.slice(last)].join('\n'))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
