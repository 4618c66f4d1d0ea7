// Starts and stops a Ceph RGW for tests: one monitor, one OSD in memory and one gateway on the loopback interface, in a directory of its own.
// `node scripts/ceph-rgw.mjs install` installs what it takes; `start` and `stop` are for a shell, `serve` is for a container: until SIGTERM.
import { spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const packages = ['radosgw', 'ceph-mon', 'ceph-osd', 'ceph-mgr', 'ceph-base', 'ceph-common']
const programs = ['radosgw', 'radosgw-admin', 'ceph-mon', 'ceph-osd', 'ceph-mgr', 'ceph', 'ceph-authtool', 'monmaptool']

/** What of Ceph is not on this machine. */
export function missingPrograms() {
  return programs.filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0)
}

/** Installs Ceph from Debian. Throws one sentence that says what is lacking where that cannot be done. */
export function installCeph() {
  const missing = missingPrograms()
  if (missing.length === 0) return
  const lacking = `Ceph RGW lacks: ${missing.join(', ')}.`
  if (process.platform !== 'linux' || !existsSync('/usr/bin/apt-get')) throw new Error(`${lacking} It is installed by apt, on Debian only.`)
  if (process.getuid?.() !== 0)
    throw new Error(`${lacking} Run as root, or: sudo apt-get install --no-install-recommends ${packages.join(' ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  run('apt-get', ['update', '-q'], { env })
  run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], { env })
}

/**
 * Starts a gateway. Resolves when it answers: to its endpoint, its keys, and a function that stops it and removes its directory.
 * `address` and `port` are where the gateway listens: on loopback, where the kernel says, unless they are given.
 */
export async function startCeph({ storeBytes = 2 ** 31, address = '127.0.0.1', port } = {}) {
  const root = mkdtempSync(join(tmpdir(), 'berth-ceph-'))
  for (const name of ['mon', 'osd0', 'mgr', 'run']) mkdirSync(join(root, name))
  const ports = await freePorts(12)
  const [monitor2, monitor1, free] = ports
  const gateway = port ?? free
  const fsid = randomUUID()
  const osd = randomUUID()
  const conf = join(root, 'ceph.conf')
  writeFileSync(
    conf,
    configuration({ root, fsid, monitor1, monitor2, gateway: `${address}:${gateway}`, low: Math.min(...ports.slice(3)), storeBytes }),
  )
  const call = (program, ...args) => run(program, [...args], { cwd: root, quiet: true })
  const stop = () => stopAll(root)
  try {
    call('ceph-authtool', '--create-keyring', 'keyring', '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *')
    for (const [name, mon, others] of [
      ['client.admin', 'allow *', 'allow *'],
      ['osd.0', 'allow profile osd', 'allow *'],
      ['mgr.x', 'allow profile mgr', 'allow *'],
    ])
      call('ceph-authtool', 'keyring', '--gen-key', '-n', name, '--cap', 'mon', mon, '--cap', 'osd', others, '--cap', 'mgr', others)
    call('monmaptool', '--create', '--fsid', fsid, '--addv', 'a', `[v2:127.0.0.1:${monitor2}/0,v1:127.0.0.1:${monitor1}/0]`, 'monmap')
    call('ceph-mon', '-c', conf, '--mkfs', '-i', 'a', '--monmap', 'monmap', '--keyring', 'keyring')
    call('ceph-mon', '-c', conf, '-i', 'a')
    call('timeout', '30', 'ceph', '-c', conf, 'osd', 'new', osd)
    call('ceph-osd', '-c', conf, '-i', '0', '--mkfs', '--osd-uuid', osd)
    call('ceph-osd', '-c', conf, '-i', '0')
    call('ceph-mgr', '-c', conf, '-i', 'x')
    const log = openSync(join(root, 'rgw.out'), 'a')
    const child = spawn('radosgw', ['-c', conf, '-n', 'client.admin', '-f'], { cwd: root, detached: true, stdio: ['ignore', log, log] })
    child.unref()
    writeFileSync(join(root, 'run', 'rgw.pid'), String(child.pid))
    const endpoint = `http://127.0.0.1:${gateway}`
    await until(async () => (await fetch(endpoint)).status === 200, 120_000)
    const keys = { accessKeyId: 'AKTEST', secretAccessKey: 'SKTEST' }
    call(
      'timeout',
      '60',
      'radosgw-admin',
      '-c',
      conf,
      'user',
      'create',
      '--uid=test',
      '--display-name=test',
      `--access-key=${keys.accessKeyId}`,
      `--secret-key=${keys.secretAccessKey}`,
    )
    return { endpoint, ...keys, root, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function serve(place) {
  const asked = new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, resolve)
  })
  const stay = setInterval(() => {}, 60_000)
  const { stop } = await startCeph(place)
  console.log('Ceph RGW answers')
  await asked
  clearInterval(stay)
  await stop()
}

async function stopAll(root) {
  for (const name of readdirSync(join(root, 'run'))
    .filter((each) => each.endsWith('.pid'))
    .toSorted()
    .toReversed()) {
    const pid = Number(readFileSync(join(root, 'run', name), 'utf8'))
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
  await new Promise((resolve) => setTimeout(resolve, 200))
  rmSync(root, { recursive: true, force: true, maxRetries: 5 })
}

// The grace: read leases last as long, and a placement group whose only OSD was not scheduled for the usual 16 s stays laggy, and hangs, for ever.
function configuration({ root, fsid, monitor1, monitor2, gateway, low, storeBytes }) {
  return `[global]
fsid = ${fsid}
mon host = [v2:127.0.0.1:${monitor2}/0,v1:127.0.0.1:${monitor1}/0]
auth allow insecure global id reclaim = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
osd heartbeat grace = 3600
mon data avail warn = 1
mon data avail crit = 1
run dir = ${root}/run
admin socket = ${root}/run/$name.asok
pid file = ${root}/run/$name.pid
log file = ${root}/$name.log
keyring = ${root}/keyring
ms bind port min = ${low}
ms bind port max = ${low + 200}
public addr = 127.0.0.1
osd objectstore = memstore
memstore device bytes = ${storeBytes}
osd class load list = *
osd class default list = *
[mon.a]
mon data = ${root}/mon
[osd.0]
osd data = ${root}/osd0
[mgr.x]
mgr data = ${root}/mgr
[client.admin]
rgw frontends = beast endpoint=${gateway}
rgw enable apis = s3, admin
rgw thread pool size = 32
`
}

async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

async function until(isTrue, timeoutMs) {
  for (const end = Date.now() + timeoutMs; ;) {
    const done = await isTrue().catch(() => false)
    if (done) return
    if (Date.now() > end) throw new Error('Ceph RGW did not answer in time')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function run(program, args, { quiet = false, ...options } = {}) {
  const { status, error, stderr } = spawnSync(program, args, { stdio: quiet ? ['ignore', 'ignore', 'pipe'] : 'inherit', ...options })
  if (error !== undefined || status !== 0)
    throw new Error(
      `${program} ${args[0] ?? ''} failed: ${
        error?.message ??
        String(stderr ?? '')
          .trim()
          .slice(-300)
      }`,
    )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , verb, root, port] = process.argv
  if (verb === 'install') installCeph()
  else if (verb === 'start') {
    const { stop: _stop, ...told } = await startCeph()
    console.log(JSON.stringify(told))
  } else if (verb === 'serve' && port !== undefined) await serve({ address: root, port: Number(port) })
  else if (verb === 'stop' && root !== undefined) await stopAll(root)
  else throw new Error('usage: node scripts/ceph-rgw.mjs install | start | stop DIRECTORY | serve ADDRESS PORT')
}
