import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testDialect } from '#metadata/test-postgres.ts'
import { startBerth, type BerthOptions, type RunningBerth } from './start-berth.ts'
import { until } from './until.ts'

/**
 * Two processes that serve the same data: on SQLite the workers of one server, which take connections in turn behind one port, on PostgreSQL two servers
 * with one database and a directory that both see.
 */
export interface TwoProcesses extends AsyncDisposable {
  /** Where to ask one and the other; on SQLite the same, where each connection comes to the next one. */
  readonly urls: readonly [string, string]
  /** Of a server; on PostgreSQL the first one. */
  readonly berth: RunningBerth
  /** SIGKILL for the process at the other end of this connection. */
  killReceiver(socket: Socket): Promise<void>
}

/** Starts them and waits until both answer. */
export async function startTwoProcesses(options: Omit<BerthOptions, 'dataDir' | 'workers'> = {}): Promise<TwoProcesses> {
  await using stack = new AsyncDisposableStack()
  const dataDir = await mkdtemp(join(tmpdir(), 'berth-shared-'))
  stack.defer(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }))
  const isOne = testDialect === 'sqlite'
  const first = stack.use(await startBerth({ ...options, dataDir, ...(isOne && { workers: 2 }) }))
  const second = isOne ? first : stack.use(await startBerth({ ...options, dataDir }))
  const processes = async () => (isOne ? await childrenOf(first.pid()) : [first.pid(), second.pid()])
  if (isOne) await until('two workers', async () => (await processes()).length === 2)
  const all = stack.move()
  return {
    urls: [first.url, second.url],
    berth: first,
    async killReceiver(socket) {
      process.kill(await receiverOf(socket, await processes()), 'SIGKILL')
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map(Number)
}

const hexPort = (port = 0) => port.toString(16).toUpperCase().padStart(4, '0')

/** Which of these processes holds the other end of a connection over IPv4's loopback. */
async function receiverOf({ localPort, remotePort }: Socket, pids: readonly number[]): Promise<number> {
  const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/u))
  const end = lines.find(
    ([, local = '', remote = '']) => local.endsWith(`:${hexPort(remotePort)}`) && remote.endsWith(`:${hexPort(localPort)}`),
  )
  const wanted = `socket:[${end?.[9] ?? ''}]`
  for (const pid of pids) {
    const names = await readdir(`/proc/${pid}/fd`)
    const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')))
    if (links.includes(wanted)) return pid
  }
  throw new Error(`none of ${pids.join(', ')} holds the other end of port ${localPort}`)
}
