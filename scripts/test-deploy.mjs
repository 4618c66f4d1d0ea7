// Installs what is missing, then runs what stands in deploy/ for real: `npm run test:deploy [-- image balancers …]`.
// Balancers, Docker's engine, debootstrap and promtool come from Debian; Helm from the package that the client tests use.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildWeb } from './build-web.mjs'
import { ensure } from './ensure.mjs'
import { installHelm, isInstalled, toolsDirectory } from './install-test-tools.mjs'

const checkout = fileURLToPath(new URL('..', import.meta.url))
const limitMs = 10 * 60_000

/** Debian packages and the program by which each is known to be there. */
const debianPackages = {
  'docker.io': '/usr/bin/docker',
  'docker-compose': '/usr/bin/docker-compose',
  containerd: 'containerd',
  runc: 'runc',
  iproute2: 'ip',
  haproxy: '/usr/sbin/haproxy',
  nginx: '/usr/sbin/nginx',
  debootstrap: '/usr/sbin/debootstrap',
  openssl: 'openssl',
  prometheus: 'promtool',
}
const suite = 'bookworm'
/** Debian packages of what stands beside Berth. */
const services = ['postgresql-15', 'haproxy', 'radosgw', 'ceph-mon', 'ceph-osd', 'ceph-mgr', 'ceph-base', 'ceph-common']

try {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    throw new Error('The deploy tests need Linux and root: they run a container engine of their own.')
  const node = ensure({ dev: true })
  buildWeb({ node })
  installPackages()
  const env = {
    ...process.env,
    BERTH_TEST_HELM: installHelm(),
    BERTH_TEST_BASE: makeBase(),
    BERTH_TEST_SERVICES: makeServices(),
    BERTH_TEST_PRODUCTION: installProduction(),
  }
  run(node, env)
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}

function installPackages() {
  const missing = Object.keys(debianPackages).filter((name) => !isInstalled(debianPackages[name]))
  if (missing.length === 0) return
  if (!isInstalled('apt-get')) throw new Error(`The deploy tests lack ${missing.join(', ')}, which apt installs on Debian only.`)
  console.log(`Installing ${missing.join(', ')} …`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  check(['apt-get', 'update', '-q'], { env })
  check(['apt-get', 'install', '-y', '-q', '--no-install-recommends', ...missing], { env })
}

/** The smallest Debian, as a tar that `docker import` takes; made once. */
function makeBase() {
  const file = join(toolsDirectory, `debian-${suite}-minbase.tar`)
  if (existsSync(file)) return file
  console.log(`Making a Debian ${suite} with debootstrap (a minute) …`)
  mkdirSync(toolsDirectory, { recursive: true })
  const work = mkdtempSync(join(tmpdir(), 'berth-base-'))
  try {
    check(['debootstrap', '--variant=minbase', suite, join(work, 'root'), 'http://deb.debian.org/debian'])
    check(['tar', '-C', join(work, 'root'), '--numeric-owner', '-cf', `${file}.part`, '.'])
    renameSync(`${file}.part`, file)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return file
}

/** What the Compose files run beside Berth, on the same Debian: PostgreSQL, HAProxy and Ceph; made once. */
function makeServices() {
  const file = join(toolsDirectory, `debian-${suite}-services.tar`)
  if (existsSync(file)) return file
  const base = makeBase()
  console.log(`Installing ${services.join(', ')} on it (a minute) …`)
  const root = mkdtempSync(join(tmpdir(), 'berth-services-'))
  try {
    check(['tar', '-C', root, '-xf', base])
    copyFileSync('/etc/resolv.conf', join(root, 'etc/resolv.conf'))
    // Nothing is started while packages are installed.
    writeFileSync(join(root, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 })
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const apt = (...args) => check(['chroot', root, 'apt-get', '-q', ...args], { env })
    apt('update')
    apt('install', '-y', '--no-install-recommends', ...services)
    apt('clean')
    rmSync(join(root, 'var/lib/apt/lists'), { recursive: true })
    check(['tar', '-C', root, '--numeric-owner', '-cf', `${file}.part`, '.'])
    renameSync(`${file}.part`, file)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
  return file
}

/** node_modules without what only developers need, as the image has it; made once for each lockfile. */
function installProduction() {
  const lock = readFileSync(join(checkout, 'package-lock.json'))
  const name = `production-${createHash('sha256').update(lock).digest('hex').slice(0, 16)}`
  const directory = join(toolsDirectory, name)
  if (existsSync(directory)) return directory
  console.log('Installing the packages that Berth runs on, for the image …')
  mkdirSync(toolsDirectory, { recursive: true })
  for (const old of readdirSync(toolsDirectory).filter((each) => each.startsWith('production-')))
    rmSync(join(toolsDirectory, old), { recursive: true, force: true })
  const part = `${directory}.part`
  mkdirSync(part, { recursive: true })
  for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(checkout, file), join(part, file))
  const options = ['install', '--no-save', '--omit=dev', '--include=optional', '--ignore-scripts', '--no-audit', '--no-fund']
  check(['npm', ...options], { cwd: part })
  renameSync(part, directory)
  return directory
}

function check([command, ...args], options = {}) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 << 20, ...options })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? ''}\n${stdout ?? ''}${stderr ?? ''}`)
}

/** One file at a time: they share two cores with what they start. */
function run(node, env) {
  const wanted = process.argv.slice(2)
  const files = readdirSync(join(checkout, 'test/deploy'))
    .filter((name) => name.endsWith('.test.ts') && (wanted.length === 0 || wanted.includes(name.replace('.test.ts', ''))))
    .sort()
    .map((name) => `test/deploy/${name}`)
  if (files.length === 0) throw new Error(`There is no deploy test ${wanted.join(' or ')}.`)
  const options = ['--test', '--test-concurrency=1', '--test-reporter=spec', '--test-reporter-destination=stdout']
  const child = spawn(node, [...options, `--test-timeout=${limitMs}`, ...files], { cwd: checkout, stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.once('exit', (code) => process.exit(code ?? 1))
}
