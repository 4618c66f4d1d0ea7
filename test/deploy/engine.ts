import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startDaemon } from '../support/daemon.ts'
import { run, tryCommand } from '../support/run-command.ts'
import type { CommandOptions, CommandResult } from '../support/run-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** A Docker engine of the test's own that can publish ports, apart from one that the machine may run. */
export interface Engine extends AsyncDisposable {
  file(name: string): string
  readonly env: Readonly<Record<string, string>>
  /** A docker command that must succeed. */
  docker(args: readonly string[], options?: CommandOptions): Promise<CommandResult>
  /** The same, whatever its status. */
  tryDocker(args: readonly string[]): Promise<CommandResult>
}

const docker = '/usr/bin/docker'
/** Where the machine's own networks are not. */
const gateway = '10.213.47.1/24'

/** Starts dockerd on its own socket and data, and on a bridge of its own; no rules of the firewall are touched: ports are published by Docker's proxy. */
export async function startEngine(): Promise<Engine> {
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(await temporaryDirectory('engine'))
  stack.defer(() => unmountUnder(directory.path))
  // Names of network interfaces have 15 characters.
  const bridge = `berth${process.pid}`.slice(0, 15)
  await run(['ip', 'link', 'add', bridge, 'type', 'bridge'])
  stack.defer(async () => void (await tryCommand(['ip', 'link', 'delete', bridge])))
  await run(['ip', 'address', 'add', gateway, 'dev', bridge])
  await run(['ip', 'link', 'set', bridge, 'up'])
  const file = (name: string) => join(directory.path, name)
  const env = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: file('home'),
    DOCKER_HOST: `unix://${file('docker.sock')}`,
    DOCKER_CONFIG: file('config'),
  }
  await Promise.all([mkdir(file('home')), mkdir(file('config'))])
  const network = { bridge, iptables: false, ip6tables: false, 'ip-forward': false, 'ip-masq': false, 'userland-proxy': true }
  const places = {
    'deprecated-key-path': file('key.json'),
    'data-root': file('data'),
    'exec-root': file('exec'),
    pidfile: file('dockerd.pid'),
    hosts: [env.DOCKER_HOST],
  }
  await writeFile(file('daemon.json'), JSON.stringify({ ...network, ...places, 'storage-driver': 'overlay2' }))
  const ready = async () => (await tryCommand([docker, 'info'], { env })).status === 0
  const command = ['dockerd', '--config-file', file('daemon.json')]
  stack.use(await startDaemon(command, ready, { env, readyWithinMs: 60_000, stopWithinMs: 30_000 }))
  const running = stack.move()
  return {
    file,
    env,
    docker: (args, options = {}) => run([docker, ...args], { ...options, env: { ...env, ...options.env } }),
    tryDocker: (args) => tryCommand([docker, ...args], { env }),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** The deepest first. */
async function unmountUnder(directory: string) {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${directory}/`))
  for (const point of mounts.toReversed()) await tryCommand(['umount', point])
}
