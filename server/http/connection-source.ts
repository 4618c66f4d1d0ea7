/** Where connections come from, when their balancer said so (proxy-protocol.ts). */
import type { Socket } from 'node:net'
import type { ProxiedSource } from './proxy-protocol-header.ts'

const sources = new WeakMap<Socket, ProxiedSource>()
/** A TLS socket is another object than the one that its bytes come by; both have the same four ends. */
const sourcesByEnds = new Map<string, ProxiedSource>()

/** The address that a connection comes from: what its balancer said, or else its own end; empty on a unix socket. */
export function peerOf(socket: Socket): string {
  return (sources.get(socket) ?? sourcesByEnds.get(endsOf(socket)))?.address ?? socket.remoteAddress ?? ''
}

/** Remembers what the balancer said until the connection closes. */
export function noteSource(socket: Socket, source: ProxiedSource): void {
  sources.set(socket, source)
  const ends = endsOf(socket)
  if (ends === '') return
  sourcesByEnds.set(ends, source)
  socket.once('close', () => {
    if (sourcesByEnds.get(ends) === source) sourcesByEnds.delete(ends)
  })
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return remoteAddress === undefined ? '' : `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
