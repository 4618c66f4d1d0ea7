// Installs what is missing, then runs several nodes for real: `npm run test:nodes [-- docker restart …]`. HAProxy, PostgreSQL, Ceph RGW and Docker's engine come from
// Debian; one PostgreSQL and one gateway live as long as the run.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installCeph, startCeph } from './ceph-rgw.mjs'
import { conformanceSuite } from './conformance-suite.mjs'
import { ensure } from './ensure.mjs'
import { installPackages } from './install-test-tools.mjs'
import { startPostgres } from './postgres-cluster.mjs'

const checkout = fileURLToPath(new URL('..', import.meta.url))
const limitMs = 10 * 60_000
/** An image of a gibibyte, what a killed node leaves of it, and what its push sends again. */
const storeBytes = 6 * 2 ** 30

/** Debian packages and the program by which each is known to be there. */
const debianPackages = {
  'docker.io': '/usr/bin/docker',
  containerd: 'containerd',
  runc: 'runc',
  iproute2: 'ip',
  haproxy: '/usr/sbin/haproxy',
  openssl: 'openssl',
}

async function main() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    throw new Error('The tests of several nodes need Linux and root: they run servers and a container engine of their own.')
  const node = ensure({ dev: true })
  installPackages(debianPackages, 'The tests of several nodes')
  installCeph()
  const wanted = process.argv.slice(2)
  const files = readdirSync(join(checkout, 'test/nodes'))
    .filter((name) => name.endsWith('.test.ts') && (wanted.length === 0 || wanted.includes(name.replace('.test.ts', ''))))
    .toSorted()
    .map((name) => `test/nodes/${name}`)
  if (files.length === 0 && !wanted.includes('--serve')) throw new Error(`There is no test of several nodes ${wanted.join(' or ')}.`)
  const [ceph, cluster] = await Promise.all([startCeph({ storeBytes }), startPostgres()])
  const { endpoint, accessKeyId, secretAccessKey } = ceph
  const suite = conformanceSuite()
  const told = {
    BERTH_TEST_DATABASE: 'postgres',
    BERTH_TEST_POSTGRES_URL: cluster.url,
    BERTH_TEST_RGW: JSON.stringify({ endpoint, accessKeyId, secretAccessKey }),
    BERTH_CONFORMANCE_SUITE: suite.program ?? '',
    BERTH_CONFORMANCE_LACKS: suite.lacks ?? '',
  }
  try {
    process.exitCode = wanted.includes('--serve') ? await serve(told) : await run(node, files, { ...process.env, ...told })
  } finally {
    await Promise.all([ceph.stop(), cluster.remove()])
  }
}

/** Nothing is run; tests are run by hand on it until it is interrupted. */
async function serve(told) {
  for (const [name, value] of Object.entries(told)) console.log(`export ${name}='${value}'`)
  await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve))
  return 0
}

/** Two files at a time: much of a test is waiting for leases to end. */
async function run(node, files, env) {
  const options = ['--test', '--test-concurrency=2', '--test-reporter=spec', '--test-reporter-destination=stdout']
  const child = spawn(node, [...options, `--test-timeout=${limitMs}`, ...files], { cwd: checkout, stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  return await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}

await main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
