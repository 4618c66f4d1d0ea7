// The official OCI conformance suite as a program: given by BERTH_CONFORMANCE_SUITE, or installed with Go.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { isInstalled, toolsDirectory } from './install-test-tools.mjs'

const suite = 'github.com/opencontainers/distribution-spec/conformance'
const version = 'v0.0.0-20260716174315-967efdc079b9'

/** The suite's program, given by BERTH_CONFORMANCE_SUITE or installed from the Go module proxy; or why there is none. */
export function conformanceSuite() {
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
