/** The questions that registry:2's `health` section can ask: of a file, an HTTP server, a TCP port. Each throws when the answer is bad. */
import { connect } from 'node:net'
import type { Config } from '#config/config.ts'
import type { Ports } from '#lib/ports.ts'

/** Something that is asked again and again; ill after `threshold` bad answers in a row. */
export interface Probe {
  readonly name: string
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly threshold: number
  readonly ask: (signal: AbortSignal) => Promise<void>
}

type HealthConfig = Config['health']

/** The probes that the configuration names, the storage driver's left out. */
export function configuredProbes(health: HealthConfig, ports: Ports): readonly Probe[] {
  return [...health.file.map((file) => fileProbe(file, ports)), ...health.http.map(httpProbe), ...health.tcp.map(tcpProbe)]
}

/** A file whose presence says: send no more clients. */
function fileProbe({ file, intervalMs }: HealthConfig['file'][number], ports: Ports): Probe {
  const ask = async () => {
    const isThere = await ports.files.stat(file).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
    )
    if (isThere) throw new Error('file exists')
  }
  return { name: file, intervalMs, timeoutMs: intervalMs, threshold: 1, ask }
}

function httpProbe({ uri, headers, statusCode, ...probe }: HealthConfig['http'][number]): Probe {
  const pairs = Object.entries(headers).flatMap(([name, values]) => values.map((value): [string, string] => [name, value]))
  const ask = async (signal: AbortSignal) => {
    const answer = await fetch(uri, { method: 'HEAD', headers: pairs, signal })
    await answer.body?.cancel()
    if (answer.status !== statusCode) throw new Error(`status ${answer.status} where ${statusCode} was expected`)
  }
  return { name: uri, ...probe, timeoutMs: probe.timeoutMs || probe.intervalMs, ask }
}

function tcpProbe({ addr, ...probe }: HealthConfig['tcp'][number]): Probe {
  const portAt = addr.lastIndexOf(':')
  const host = addr.slice(0, portAt).replace(/^\[(.*)\]$/, '$1')
  const port = Number(addr.slice(portAt + 1))
  const ask = async (signal: AbortSignal) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const socket = connect({ host: host === '' ? 'localhost' : host, port, signal }, resolve)
    socket.once('error', reject)
    try {
      await promise
    } finally {
      socket.destroy()
    }
  }
  return { name: addr, ...probe, timeoutMs: probe.timeoutMs || probe.intervalMs, ask }
}
