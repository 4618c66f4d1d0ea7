// Installs what is missing, then runs the real-client tests: `npm run test:clients [-- docker helm …]`.
import { ensure } from './ensure.mjs'
import { installDebianPackages, installHelm } from './install-test-tools.mjs'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

try {
  if (process.getuid?.() !== 0) throw new Error('The real-client tests need root: they run container engines of their own.')
  installDebianPackages()
  const env = { ...process.env, BERTH_TEST_HELM: installHelm() }
  const run = fileURLToPath(new URL('../test/clients/run.ts', import.meta.url))
  process.exitCode = spawnSync(ensure({ dev: true }), [run, ...process.argv.slice(2)], { stdio: 'inherit', env }).status ?? 1
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
