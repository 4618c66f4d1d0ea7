/**
 * The PROXY protocol before TLS and HTTP: a balancer that passes bytes on says in a header of each connection whose it is.
 *
 * The problem: whoever may write such a header may be anybody. The way: only peers of `http.trustedproxies` are asked for one, and then each of their
 * connections must begin with one, within a bound of bytes and time; where that is optional, a client behind a balancer that sends none could write its own.
 * What is not one closes the connection. The listener gets the connection as if the header had never been there; the address is in connection-source.ts.
 */
import type { Server, Socket } from 'node:net'
import type { Logger } from '#lib/logger.ts'
import type { Timers } from '#lib/ports.ts'
import { noteSource } from './connection-source.ts'
import { isTrustedPeer, type TrustedProxies } from './forwarded.ts'
import { parseProxyHeader, proxyHeaderBytesMax } from './proxy-protocol-header.ts'

/** Of {@link readProxyHeaders}. */
export interface ProxyProtocolOptions {
  readonly proxies: TrustedProxies
  /** How long a header may take. */
  readonly timeoutMs: number
  readonly timers: Pick<Timers, 'after'>
  readonly log: Logger
}

/**
 * Puts itself before the listeners that the server has for its connections. Disposing cuts the connections whose header is not there yet, and takes no
 * further ones.
 */
export function readProxyHeaders(server: Server, options: ProxyProtocolOptions): Disposable {
  const listeners = server.listeners('connection') as ((socket: Socket) => void)[]
  server.removeAllListeners('connection')
  const waiting = new Set<Socket>()
  let isOver = false
  const handOver = (socket: Socket) => {
    for (const listener of listeners) listener.call(server, socket)
  }
  server.on('connection', (socket: Socket) => {
    const peer = socket.remoteAddress
    if (peer !== undefined && !isTrustedPeer(peer, options.proxies)) handOver(socket)
    else if (isOver) socket.destroy()
    else awaitHeader(socket, { options, waiting, handOver })
  })
  return {
    [Symbol.dispose]() {
      isOver = true
      for (const socket of waiting) socket.destroy()
    },
  }
}

interface Reading {
  readonly options: ProxyProtocolOptions
  readonly waiting: Set<Socket>
  readonly handOver: (socket: Socket) => void
}

function awaitHeader(socket: Socket, { options, waiting, handOver }: Reading): void {
  let seen: Buffer = Buffer.alloc(0)
  waiting.add(socket)
  const refuse = (reason: string) => {
    options.log.info({ address: socket.remoteAddress, reason }, 'refused a connection without a PROXY header')
    socket.destroy()
  }
  const timer = options.timers.after(options.timeoutMs, () => refuse('it took too long'))
  const stop = () => {
    timer[Symbol.dispose]()
    waiting.delete(socket)
    socket.off('readable', onReadable).off('close', stop).off('error', onError)
  }
  const onError = () => socket.destroy()
  const onReadable = () => {
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
      const header = parseProxyHeader(seen)
      if (header === 'invalid' || (header === 'more' && seen.length > proxyHeaderBytesMax)) return refuse('it is none')
      if (header === 'more') continue
      stop()
      if (header.source !== undefined) noteSource(socket, header.source)
      if (seen.length > header.sizeBytes) socket.unshift(seen.subarray(header.sizeBytes))
      return handOver(socket)
    }
  }
  socket.on('readable', onReadable).once('close', stop).on('error', onError)
  socket.once('end', () => waiting.has(socket) && socket.destroy())
}
