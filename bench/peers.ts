/** The servers that are measured: how to start each, and what the system says of its CPU time and memory. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

export interface Peer {
  readonly name: string
  readonly port: number
  readonly process: ChildProcess
  readonly startMs: number
  stop(): Promise<void>
}

export interface PeerKind {
  readonly name: string
  /** Undefined: not on this machine; why is said. */
  readonly command: (configFile: string) => readonly [string, readonly string[]] | undefined
  readonly version: () => string
}

const checkout = join(import.meta.dirname, '..')

export const berth: PeerKind = {
  name: 'berth',
  command: (configFile) => [process.execPath, [join(checkout, 'bin/berth.mjs'), 'serve', configFile]],
  version: () =>
    `berth ${(JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { version: string }).version}, Node ${process.version}`,
}

export const dockerRegistry: PeerKind = {
  name: 'docker-registry',
  command: (configFile) =>
    spawnSync('docker-registry', ['--version']).status === 0 ? ['docker-registry', ['serve', configFile]] : undefined,
  version: () => spawnSync('docker-registry', ['--version'], { encoding: 'utf8' }).stdout.trim(),
}

export const peerKinds: readonly PeerKind[] = [berth, dockerRegistry]

/** The same config.yml for all. The access log is on for Berth and off for its peers: Berth carries it in every figure. */
export function writeConfig(file: string, options: { root: string; port: number; accessLog: boolean }): void {
  const level = options.accessLog ? 'info' : 'error'
  writeFileSync(
    file,
    `version: 0.1
log: { level: ${level}, accesslog: { disabled: ${String(!options.accessLog)} } }
storage:
  filesystem: { rootdirectory: ${options.root} }
  cache: { blobdescriptor: inmemory }
  delete: { enabled: true }
http: { addr: "127.0.0.1:${options.port}" }
`,
  )
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}

export async function startPeer(kind: PeerKind, root: string, workDirectory: string): Promise<Peer | undefined> {
  const configFile = join(workDirectory, `${kind.name}.yml`)
  const port = await freePort()
  writeConfig(configFile, { root, port, accessLog: kind === berth })
  const command = kind.command(configFile)
  if (command === undefined) return undefined
  const log = openSync(join(workDirectory, `${kind.name}.log`), 'a')
  // AWS_CA_BUNDLE makes docker-registry's s3 driver refuse to load on some machines; neither server needs it.
  const { AWS_CA_BUNDLE: _, ...env } = process.env
  const started = performance.now()
  const child = spawn(command[0], [...command[1]], { stdio: ['ignore', log, log], env })
  await firstAnswer(port, child)
  return { name: kind.name, port, process: child, startMs: performance.now() - started, stop: () => stopProcess(child) }
}

async function firstAnswer(port: number, child: ChildProcess): Promise<void> {
  for (let i = 0; i < 60_000; i++) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}; its log is in the work directory`)
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/v2/`)
      await answer.arrayBuffer()
      return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  throw new Error('no answer within five minutes')
}

function stopProcess(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
    setTimeout(() => child.kill('SIGKILL'), 5_000).unref()
  })
}

/** User and system time of the process and its threads, in milliseconds (proc(5): fields 14 and 15, in ticks of 10 ms). */
export function cpuMs(peer: Peer): number {
  const stat = readFileSync(`/proc/${peer.process.pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** Resident memory now and at its peak, in bytes. */
export function residentBytes(peer: Peer): { now: number; peak: number } {
  const status = readFileSync(`/proc/${peer.process.pid}/status`, 'utf8')
  const read = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) * 1024
  return { now: read('VmRSS'), peak: read('VmHWM') }
}
