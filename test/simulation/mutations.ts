/**
 * `npm run simulation:mutations [-- NAME …]`: makes each mistake of mutation-list.ts in a copy of server/ and runs seeds on it until one fails. Prints the rows of the
 * table in docs/reference/simulation.md; exits with 1 when a mistake was not found.
 */
import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mutations, type Edit, type Mutation } from './mutation-list.ts'

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const seedsMax = 2_000

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
  readonly seed: string
  readonly violation: string
  readonly ran: number
}

function runSeeds(directory: string): Promise<Found | undefined> {
  const args = ['test/simulation/run.ts', '--workers', '0', '--seeds', String(seedsMax), '--seconds', '0', '--stop-after', '1', '--brief']
  const child = spawn(process.execPath, args, { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  return new Promise((resolve) => {
    child.once('exit', () => {
      const match = /^seed (\d+) fails:\n {2}(.*)/m.exec(output)
      resolve(
        match === null
          ? undefined
          : { seed: match[1] ?? '', violation: (match[2] ?? '').replace(/^step \d+: /, ''), ran: Number(match[1]) },
      )
    })
  })
}

/** One processor's part, in a copy of its own. */
async function tryAll(queue: Iterator<Mutation>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-mutations-'))
  try {
    await copyTo(directory)
    for (let next = queue.next(); next.done !== true; next = queue.next()) {
      const { name, harm } = next.value
      await withMistake(directory, next.value, async () => {
        const found = await runSeeds(directory)
        if (found === undefined) process.exitCode = 1
        const finding = found === undefined ? `none of ${seedsMax}` : `${found.seed}: ${found.violation.replaceAll('|', '/').slice(0, 150)}`
        console.log(`| ${name} | ${harm} | ${finding} |`)
      })
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function main(names: readonly string[]): Promise<void> {
  const queue = mutations.filter(({ name }) => names.length === 0 || names.some((part) => name.includes(part))).values()
  await Promise.all(Array.from({ length: availableParallelism() }, () => tryAll(queue)))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2))
