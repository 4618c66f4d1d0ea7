// Installs the official OCI conformance suite with Go, then runs it and the project's own conformance tests.
import { ensure } from './ensure.mjs'
import { isInstalled, toolsDirectory } from './install-test-tools.mjs'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const suite = 'github.com/opencontainers/distribution-spec/conformance'
const version = 'v0.0.0-20260716174315-967efdc079b9'

try {
  const node = ensure({ dev: true })
  const found = officialSuite()
  const env = { ...process.env, BERTH_CONFORMANCE_SUITE: found.program ?? '', BERTH_CONFORMANCE_LACKS: found.lacks ?? '' }
  const run = fileURLToPath(new URL('../test/conformance/run.ts', import.meta.url))
  process.exitCode = spawnSync(node, [run, ...process.argv.slice(2)], { stdio: 'inherit', env }).status ?? 1
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}

/** The suite's program, given by BERTH_CONFORMANCE_SUITE or installed from the Go module proxy; or why there is none. */
function officialSuite() {
  const given = process.env.BERTH_CONFORMANCE_SUITE
  if (given !== undefined && given !== '') {
    if (!existsSync(given)) throw new Error(`BERTH_CONFORMANCE_SUITE: there is no ${given}`)
    return { program: given }
  }
  const directory = join(toolsDirectory, `conformance-${version}`)
  const program = join(directory, 'conformance')
  if (existsSync(program)) return { program }
  if (!isInstalled('go')) return { lacks: 'Go 1.24 or newer is not on PATH.' }
  mkdirSync(toolsDirectory, { recursive: true })
  const { status, stderr, error } = spawnSync('go', ['install', `${suite}@${version}`], {
    encoding: 'utf8',
    env: { ...process.env, GOBIN: directory, GOFLAGS: '' },
  })
  return status === 0 ? { program } : { lacks: `go install ${suite}@${version} failed:\n${error?.message ?? stderr}` }
}
