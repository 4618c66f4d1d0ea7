// `npm test [-- FILE … | --node-options …]`: installs what is missing, then runs the tests as one run of node:test.
// Unit tests (beside their source) share one process, which spares a start of 0.15 s for each file; those in test/ have a process each.
// `--long` runs the ones of test/long instead.
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensure } from './ensure.mjs'
import { partOf } from './test-parts.mjs'

const checkout = fileURLToPath(new URL('..', import.meta.url))
/** Suites with scripts of their own: they need more than npm gives. */
const elsewhere = ['clients', 'combinations', 'conformance', 'deploy', 'failover', 'faults', 'nodes', 'portal', 's3', 'stores']

/** The test files below test/, without those of other scripts. */
function testFiles(isLong) {
  return readdirSync(join(checkout, 'test'), { recursive: true })
    .map((file) => file.split('\\').join('/'))
    .filter((file) => file.endsWith('.test.ts') && !elsewhere.includes(file.split('/')[0]) && file.startsWith('long/') === isLong)
    .sort()
    .map((file) => `test/${file}`)
}

/** Patterns are for the Node that runs the tests: the one that runs this may be too old to know them. */
function filesOfPart(node, patterns) {
  if (process.env.BERTH_TEST_PART === undefined) return patterns
  const script = 'console.log(JSON.stringify(process.argv.slice(1).flatMap((name) => require("node:fs").globSync(name).sort())))'
  const { stdout } = spawnSync(node, ['-e', script, '--', ...patterns], { cwd: checkout, encoding: 'utf8' })
  return partOf(JSON.parse(stdout))
}

function run(node) {
  const isLong = process.argv.includes('--long')
  const rest = process.argv.slice(2).filter((argument) => argument !== '--long')
  const flags = rest.filter((argument) => argument.startsWith('-'))
  const named = rest.filter((argument) => !argument.startsWith('-'))
  const files = named.length > 0 ? filesOfPart(node, named) : [...(isLong ? [] : ['scripts/unit-tests.mjs']), ...partOf(testFiles(isLong))]
  const limit = `--test-timeout=${(isLong ? 60 : 10) * 60_000}`
  // Of its own accord node:test leaves one processor idle, which is half of a machine with two. What measures runs alone, and parts beside each other.
  const atOnce = `--test-concurrency=${isLong || process.env.BERTH_TEST_PART !== undefined ? 1 : availableParallelism()}`
  const child = spawn(node, ['--test', '--test-reporter=spec', '--test-reporter-destination=stdout', atOnce, limit, ...flags, ...files], {
    cwd: checkout,
    stdio: 'inherit',
    // Hundreds of processes load the same modules.
    env: { NODE_COMPILE_CACHE: join(checkout, 'node_modules/.cache/berth-tests'), ...process.env },
  })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.once('exit', (code) => process.exit(code ?? 1))
}

try {
  run(ensure({ dev: true }))
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
