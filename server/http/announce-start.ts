/**
 * What answers while the registry starts: a migration, or taking up a large data directory of registry:2, may take minutes, and whoever looks (a balancer, Kubernetes, a
 * person) should read that instead of a refused connection. The true listener takes its place on the same port.
 */
import * as http from 'node:http'
import * as net from 'node:net'
import type { Config } from '#config/config.ts'

const unready = 'starting\n'
const retryAfterSeconds = 5

/**
 * Listens until it is disposed: `/healthz` says yes, everything else 503. Only on a TCP port that is known and speaks no TLS; undefined elsewhere, where a
 * refused connection says the same to every balancer. Rejects with what the system says.
 */
export async function announceStart({ http: { listen, tls } }: Config): Promise<Disposable | undefined> {
  if (tls !== undefined || 'path' in listen || listen.port === 0) return undefined
  const server = http.createServer({ headersTimeout: 10_000, requestTimeout: 10_000, requireHostHeader: false }, answer)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject).listen({ port: listen.port, host: listen.host, backlog: 1024 }, resolve)
  await promise
  server.off('error', reject).on('error', () => undefined)
  return {
    [Symbol.dispose]() {
      // The socket is closed at once, so that the true listener can have the port in the same turn.
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Rejects with what the system says where nobody can listen: a port in use, an address of another machine. Leaves the port free. */
export async function requireAddress({ http: { listen } }: Pick<Config, 'http'>): Promise<void> {
  if ('path' in listen || listen.port === 0) return
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const server = net.createServer((socket) => socket.destroy())
  server.once('error', reject).listen({ port: listen.port, host: listen.host, exclusive: true }, resolve)
  await promise
  const closed = Promise.withResolvers<void>()
  server.close(() => closed.resolve())
  await closed.promise
}

function answer({ url = '/' }: http.IncomingMessage, response: http.ServerResponse): void {
  const path = url.split('?')[0]
  const plain = { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store', Connection: 'close' }
  if (path === '/healthz') response.writeHead(200, plain).end('ok\n')
  else if (path === '/readyz' || path === '/startupz') response.writeHead(503, plain).end(unready)
  else {
    const body = JSON.stringify({ errors: [{ code: 'UNAVAILABLE', message: 'the registry is starting', detail: null }] })
    const headers = { ...plain, 'Content-Type': 'application/json; charset=utf-8', 'Retry-After': String(retryAfterSeconds) }
    response.writeHead(503, headers).end(body)
  }
}
