// Installs what is missing, then runs test/combinations on both databases, each with every kind of store: `npm run test:combinations [-- sqlite|postgres]`.
// PostgreSQL and Ceph RGW come from Debian, Azurite from npm; each lives as long as the run.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { installAzurite, startAzurite } from './azurite.mjs'
import { installCeph, startCeph } from './ceph-rgw.mjs'
import { ensure } from './ensure.mjs'
import { startPostgres } from './postgres-cluster.mjs'

const checkout = fileURLToPath(new URL('..', import.meta.url))
const limitMs = 10 * 60_000

function run(node, env) {
  const command = [
    '--test',
    '--test-isolation=none',
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-timeout=${limitMs}`,
  ]
  const child = spawn(node, [...command, 'test/combinations/registry.test.ts'], { cwd: checkout, stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}

async function main() {
  const wanted = process.argv.slice(2)
  const databases = ['sqlite', 'postgres'].filter((name) => wanted.length === 0 || wanted.includes(name))
  if (databases.length === 0) throw new Error('name sqlite or postgres, or neither for both')
  const node = ensure({ dev: true })
  installCeph()
  const azuriteProgram = installAzurite()
  const [ceph, azurite, cluster] = await Promise.all([
    startCeph({ storeBytes: 2 ** 31 }),
    startAzurite(azuriteProgram),
    databases.includes('postgres') ? startPostgres() : undefined,
  ])
  const { stop: stopAzurite, ...azureService } = azurite
  const { stop: stopCeph, ...s3Service } = ceph
  const stores = { BERTH_TEST_RGW: JSON.stringify(s3Service), BERTH_TEST_AZURITE: JSON.stringify(azureService) }
  const more = { sqlite: {}, postgres: { BERTH_TEST_DATABASE: 'postgres', BERTH_TEST_POSTGRES_URL: cluster?.url } }
  try {
    for (const name of databases) {
      const code = await run(node, { ...process.env, ...stores, ...more[name] })
      if (code !== 0) process.exitCode = code
    }
  } finally {
    await Promise.all([stopCeph(), stopAzurite(), cluster?.remove()])
  }
}

await main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
