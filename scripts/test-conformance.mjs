// Installs the official OCI conformance suite with Go, then runs it and the project's own conformance tests.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { conformanceSuite } from './conformance-suite.mjs'
import { ensure } from './ensure.mjs'

try {
  const node = ensure({ dev: true })
  const found = conformanceSuite()
  const env = { ...process.env, BERTH_CONFORMANCE_SUITE: found.program ?? '', BERTH_CONFORMANCE_LACKS: found.lacks ?? '' }
  const run = fileURLToPath(new URL('../test/conformance/run.ts', import.meta.url))
  process.exitCode = spawnSync(node, [run, ...process.argv.slice(2)], { stdio: 'inherit', env }).status ?? 1
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
