import { mkdir, writeFile } from 'node:fs/promises'
import { startDaemon } from '../support/daemon.ts'
import type { Daemon } from '../support/daemon.ts'
import { tryCommand } from '../support/run-command.ts'
import { openWorkplace } from './workplace.ts'
import type { Workplace } from './workplace.ts'

/** A Docker engine of the test's own (data, socket, client configuration), apart from one that the machine may run. */
export interface DockerEngine extends AsyncDisposable {
  readonly work: Workplace
  /** Stops and starts the daemon on the same data: it reads some of its settings only when it starts. */
  restart(): Promise<void>
}

/** Starts dockerd without networks, on its own socket, with these `registry-mirrors`. */
export async function startDockerEngine(mirrors: readonly string[]): Promise<DockerEngine> {
  const work = await openWorkplace('docker', (file) => ({ DOCKER_HOST: `unix://${file('docker.sock')}`, DOCKER_CONFIG: file('config') }))
  await mkdir(work.file('config'))
  const network = { bridge: 'none', iptables: false, ip6tables: false, 'ip-forward': false, 'ip-masq': false }
  const places = {
    'deprecated-key-path': work.file('key.json'),
    'data-root': work.file('data'),
    'exec-root': work.file('exec'),
    pidfile: work.file('dockerd.pid'),
    hosts: [`unix://${work.file('docker.sock')}`],
  }
  await writeFile(
    work.file('daemon.json'),
    JSON.stringify({ ...network, ...places, 'storage-driver': 'overlay2', 'registry-mirrors': mirrors }),
  )
  const ready = async () => (await tryCommand(['/usr/bin/docker', 'info'], { env: work.env })).status === 0
  const start = () => startDaemon(['dockerd', '--config-file', work.file('daemon.json')], ready, { env: work.env, readyWithinMs: 60_000 })
  let daemon: Daemon = await start()
  return {
    work,
    restart: async () => {
      await daemon.stop()
      daemon = await start()
    },
    [Symbol.asyncDispose]: async () => {
      await daemon.stop()
      await work[Symbol.asyncDispose]()
    },
  }
}
