// Installs strace where it is missing, then runs the tests that make the kernel fail: `npm run test:faults [-- FILE … | --node-options …]`.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensure } from './ensure.mjs'
import { isInstalled } from './install-test-tools.mjs'

const checkout = fileURLToPath(new URL('..', import.meta.url))
const limitMs = 10 * 60_000

try {
  if (process.platform !== 'linux')
    throw new Error('The fault tests lack Linux: they inject faults with strace and fill disks made with tmpfs.')
  if (process.getuid?.() !== 0) throw new Error('The fault tests need root: they mount small disks and trace the server.')
  installStrace()
  requireTracing()
  requireMounts()
  run(ensure({ dev: true }))
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}

function installStrace() {
  if (isInstalled('strace')) return
  if (!isInstalled('apt-get'))
    throw new Error('The fault tests lack strace. It is installed by apt, on Debian only: install it in another way.')
  console.log('Installing strace …')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const step of [
    ['update', '-q'],
    ['install', '-y', '-q', '--no-install-recommends', 'strace'],
  ])
    check(['apt-get', ...step], 'The fault tests lack strace, and apt-get could not install it', { env })
}

function requireTracing() {
  check(
    ['strace', '-o', '/dev/null', '-e', 'inject=getpid:delay_enter=1', 'true'],
    'The fault tests lack the right to trace a process (CAP_SYS_PTRACE), or a strace that injects faults (4.16)',
  )
}

function requireMounts() {
  const path = mkdtempSync(join(tmpdir(), 'berth-mount-'))
  try {
    check(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path], 'The fault tests lack the right to mount a small disk (CAP_SYS_ADMIN)')
    check(['umount', path], 'A small disk could not be unmounted')
  } finally {
    rmdirSync(path)
  }
}

function check([command, ...args], lack, options = {}) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', ...options })
  if (status !== 0)
    throw new Error(`${lack}: ${command} ${args.join(' ')}\n${error?.message ?? ''}${stdout ?? ''}${stderr ?? ''}`.trimEnd())
}

/** One file at a time: each starts servers whose system calls are counted or delayed. */
function run(node) {
  const rest = process.argv.slice(2)
  const flags = rest.filter((argument) => argument.startsWith('-'))
  const named = rest.filter((argument) => !argument.startsWith('-'))
  const files = readdirSync(join(checkout, 'test/faults'))
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
    .map((name) => `test/faults/${name}`)
  const options = [
    '--test',
    '--test-concurrency=1',
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-timeout=${limitMs}`,
  ]
  const child = spawn(node, [...options, ...flags, ...(named.length > 0 ? named : files)], { cwd: checkout, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.once('exit', (code) => process.exit(code ?? 1))
}
