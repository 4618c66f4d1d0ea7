// `npm run test:failover`: Berth on three nodes of PostgreSQL under Patroni, whose primary is killed, crashes, stands still and is changed in order.
// Installs Patroni and etcd from Debian, whose stable releases keep their versions (Patroni 3.0, etcd 3.4, PostgreSQL 15). Needs root.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ensure } from './ensure.mjs'

/** Debian packages and the program by which each is known to be there. */
const packages = {
  patroni: '/usr/bin/patroni',
  'etcd-server': '/usr/bin/etcd',
  'postgresql-15': '/usr/lib/postgresql/15/bin/initdb',
}

function install() {
  const missing = Object.keys(packages).filter((name) => !existsSync(packages[name]))
  if (missing.length === 0) return
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get'))
    throw new Error(`The failover tests lack ${missing.join(', ')}: run as root on Debian, or install them.`)
  console.log(`Installing ${missing.join(', ')} …`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const step of [
    ['update', '-q'],
    ['install', '-y', '-q', '--no-install-recommends', ...missing],
  ]) {
    const { status, stderr } = spawnSync('apt-get', step, { env, encoding: 'utf8' })
    if (status !== 0) throw new Error(`apt-get could not install ${missing.join(', ')}:\n${stderr}`)
  }
}

try {
  install()
  const limit = `--test-timeout=${10 * 60_000}`
  const command = ['--test', '--test-isolation=none', '--test-reporter=spec', '--test-reporter-destination=stdout', limit]
  const child = spawn(ensure({ dev: true }), [...command, ...process.argv.slice(2), 'test/failover/patroni.test.ts'], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: 'inherit',
  })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.once('exit', (code) => (process.exitCode = code ?? 1))
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
