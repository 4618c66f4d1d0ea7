/**
 * How a server ends without failing anybody.
 *
 * In three steps: it *leaves* (`/readyz` says 503 and every answer closes its connection, but all is served as before, until balancers have noticed:
 * `http.draindelay`), it *drains* (what is under way finishes, what comes is refused), it closes. A server whose listener is shared with others on this machine, and
 * that one of them replaces, stops listening first of all: what comes next is theirs.
 */
import type * as http from 'node:http'
import type * as https from 'node:https'
import type { Connections } from './connections.ts'
import type { Site } from './exchange.ts'

/** How to end. */
export interface CloseOptions {
  /** Another process listens at the same place and goes on: nobody needs to be told. */
  readonly isReplaced?: boolean
}

interface Draining {
  readonly site: Site
  readonly connections: Connections
  readonly server: http.Server | https.Server
}

/** Connections that were taken just before, and those whose next request is on its way, get their answers still. */
const replacedDelayMs = 2_000

/** Ends the server; resolves when its last connection is closed. */
export async function drain({ site, connections, server }: Draining, { isReplaced = false }: CloseOptions = {}): Promise<void> {
  const { state, parts } = site
  const { drainDelayMs, drainTimeoutMs } = parts.config.http
  state.isLeaving = true
  if (!server.listening) {
    state.isDraining = true
    return
  }
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  const stopListening = () => server.close(() => resolve())
  if (isReplaced) stopListening()
  const delayMs = isReplaced ? Math.max(drainDelayMs, replacedDelayMs) : drainDelayMs
  if (delayMs > 0) await parts.ports.timers.sleep(delayMs)
  // Who comes to a replaced server over an open connection is still served; everybody else is told to come back.
  state.isDraining = !isReplaced
  // Held answers to wrong passwords are nothing that a stop waits for.
  for (const leave of site.held) leave()
  using _limit = limit({ site, connections, server }, drainTimeoutMs)
  await connections.settle()
  if (!isReplaced) stopListening()
  await connections.drain()
  await closed
}

/** Cuts what takes longer than it may. */
function limit({ site, connections, server }: Draining, drainTimeoutMs: number): Disposable | undefined {
  if (drainTimeoutMs === 0) return undefined
  const { log, ports } = site.parts
  return ports.timers.after(drainTimeoutMs, () => {
    log.warn({ drainTimeoutMs }, 'requests were cut: they took longer than http.draintimeout')
    connections.destroyAll()
    server.closeAllConnections()
  })
}
