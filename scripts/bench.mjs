// Installs what is missing, then runs bench/run.ts with the project's Node; for several nodes with a PostgreSQL and a Ceph RGW that live as long as the run,
// for the portal with the portal built and a Chromium.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { buildWeb } from './build-web.mjs'
import { installCeph, startCeph } from './ceph-rgw.mjs'
import { ensure } from './ensure.mjs'
import { installPackages } from './install-test-tools.mjs'
import { startPostgres } from './postgres-cluster.mjs'

const needsBackends = ['nodes', 'redirect'].includes(process.argv[2])
const needsBrowser = process.argv[2] === 'portal'
const node = ensure({ dev: needsBackends || needsBrowser })
const run = fileURLToPath(new URL('../bench/run.ts', import.meta.url))

async function bench(env) {
  const child = spawn(node, [run, ...process.argv.slice(2)], { stdio: 'inherit', env: { ...process.env, ...env } })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  process.exitCode = await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}

async function benchWithBackends() {
  installCeph()
  // Every commit is synced, as it is where it matters.
  const [ceph, cluster] = await Promise.all([startCeph({ storeBytes: 6 * 2 ** 30 }), startPostgres({ durable: true })])
  try {
    const { endpoint, accessKeyId, secretAccessKey } = ceph
    await bench({ BERTH_BENCH_BACKENDS: JSON.stringify({ databaseUrl: cluster.url, rgw: { endpoint, accessKeyId, secretAccessKey } }) })
  } finally {
    await Promise.all([ceph.stop(), cluster.remove()])
  }
}

if (needsBrowser) {
  installPackages({ chromium: '/usr/bin/chromium' }, 'Figures of the portal')
  buildWeb({ node })
}
await (needsBackends ? benchWithBackends() : bench({}))
