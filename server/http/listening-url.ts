import type { Server } from 'node:net'

/** Where a server listens, as a URL for people; an address that means all is shown as the loopback one. */
export function listeningUrl(server: Server, scheme: 'http' | 'https'): string {
  const address = server.address()
  if (address === null) throw new Error('the server does not listen')
  if (typeof address === 'string') return `unix:${address}`
  const host = address.address === '::' || address.address === '0.0.0.0' ? '127.0.0.1' : address.address
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${address.port}/`
}
