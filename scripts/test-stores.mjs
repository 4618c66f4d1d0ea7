// Runs the tests of Azure Blob Storage on Azurite and those of Google Cloud Storage on fake-gcs-server, which it installs, starts and stops.
// `node scripts/test-stores.mjs [azure | gcs]`. Without Go the latter are left out, and said so; `npm test` runs all of Google's on a double.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { installAzurite, startAzurite } from './azurite.mjs'
import { ensure } from './ensure.mjs'
import { installFakeGcs, startFakeGcs } from './fake-gcs.mjs'

const stores = {
  azure: { install: installAzurite, start: startAzurite, variable: 'BERTH_TEST_AZURITE', file: 'test/stores/azurite.test.ts' },
  gcs: { install: installFakeGcs, start: startFakeGcs, variable: 'BERTH_TEST_FAKE_GCS', file: 'test/stores/fake-gcs.test.ts' },
}

async function run(name, node) {
  const { install, start, variable, file } = stores[name]
  const program = install()
  if (program === undefined) return console.log(`The tests of ${name} on an emulator are left out: Go, which makes it, is not there.`)
  const { stop, ...service } = await start(program)
  console.log(`The emulator of ${name} answers at ${service.endpoint}`)
  try {
    const { status } = spawnSync(node, ['--test', '--test-isolation=none', file], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      stdio: 'inherit',
      env: { ...process.env, [variable]: JSON.stringify(service) },
    })
    if (status !== 0) process.exitCode = status ?? 1
  } finally {
    await stop()
  }
}

try {
  const named = process.argv.slice(2).filter((name) => name in stores)
  const node = ensure({ dev: true })
  for (const name of named.length > 0 ? named : Object.keys(stores)) await run(name, node)
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
