/**
 * One connection to one directory server.
 *
 * The socket is opened here, to judged addresses only, and handed to the client library once it stands: so the library can never connect again by itself,
 * on a connection that nobody has bound. The signal of each operation destroys the connection: half an answer is of no use, and no later operation may
 * read the rest of it. What the server sends in answer to one operation is bounded.
 */
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Client, Entry, SearchOptions } from 'ldapts'
import type { AddressGuard } from '#lib/address-guard.ts'
import { failureOf, LdapFailure } from './ldap-failures.ts'

/** How servers of one provider are spoken to. */
export interface LdapTrust {
  readonly startTls: boolean
  /** PEM; empty: Node's. */
  readonly authorities: string
  readonly verifyCertificate: boolean
}

export interface LdapPlace {
  readonly url: string
  readonly trust: LdapTrust
  readonly guard: AddressGuard
  readonly signal: AbortSignal
}

/** Of the answer to one operation; a person in 5,000 groups needs 1 MiB. */
const answerBytesMax = 16 * 1024 * 1024

const startTlsOid = '1.3.6.1.4.1.1466.20037'

/** A connection that stands. Disposing closes it; an operation that fails by more than the server's refusal closes it too. */
export class LdapConnection implements Disposable {
  readonly url: string
  readonly #client: Client
  readonly #socket: Socket
  #receivedBytes = 0

  constructor(url: string, socket: Socket, client: Client) {
    this.url = url
    this.#socket = socket
    this.#client = client
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      this.#receivedBytes += chunk.length
      if (this.#receivedBytes > answerBytesMax) socket.destroy()
    })
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#socket.writable && this.#socket.readable
  }

  /** Whether an idle connection lets the process end. */
  set isIdle(isIdle: boolean) {
    if (isIdle) this.#socket.unref()
    else this.#socket.ref()
  }

  /** Throws what the client library throws for the server's refusal (see ldap-failures.ts), {@link LdapFailure} for all else. */
  async bind(dn: string, password: string, signal: AbortSignal): Promise<void> {
    // RFC 4513 §5.1.2: a name without a password is an unauthenticated bind, which servers answer with success.
    if (dn !== '' && password === '') throw new LdapFailure('bad-bind', `${this.url}: an empty password never binds`)
    await this.#run('bind', signal, () => this.#client.bind(dn, password))
  }

  /** The entries found; references to other servers are left out, never followed. */
  async search(base: string, options: SearchOptions, signal: AbortSignal): Promise<readonly Entry[]> {
    const { searchEntries } = await this.#run('search', signal, () => this.#client.search(base, options))
    return searchEntries
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }

  async #run<Result>(what: string, signal: AbortSignal, operation: () => Promise<Result>): Promise<Result> {
    this.#receivedBytes = 0
    try {
      return await raced(signal, operation())
    } catch (error) {
      if (typeof (error as { readonly code?: unknown }).code === 'number') throw error
      this.#socket.destroy()
      if (this.#receivedBytes > answerBytesMax) throw tooMuch(this.url)
      throw abortedOr(error, signal, `${what} at ${this.url}`)
    }
  }
}

/** Connects, with TLS where the URL or the settings say so. Throws {@link LdapFailure} or `AddressRefused`. */
export async function connectLdap(place: LdapPlace): Promise<LdapConnection> {
  const { url, trust, signal } = place
  const { Client: LdapClient } = await import('ldapts')
  const clientOn = (socket: Socket) => new LdapClient({ url: 'ldap://established', createConnection: onceOnly(socket) })
  const sockets: Socket[] = []
  try {
    const isTls = url.toLowerCase().startsWith('ldaps:')
    const plain = await opened(sockets, signal, await plainSocket(place))
    if (isTls) return connected(url, await opened(sockets, signal, tlsSocket(plain, place)), clientOn)
    if (!trust.startTls) return connected(url, plain, clientOn)
    await raced(signal, clientOn(plain).exop(startTlsOid))
    // From here on nothing that came in the clear may count.
    plain.removeAllListeners('data')
    return connected(url, await opened(sockets, signal, tlsSocket(plain, place)), clientOn)
  } catch (error) {
    for (const socket of sockets) socket.destroy()
    throw abortedOr(error, signal, url)
  }
}

function connected(url: string, socket: Socket, clientOn: (socket: Socket) => Client): LdapConnection {
  return new LdapConnection(url, socket, clientOn(socket))
}

/** The library asks for a connection whenever it has none: it gets this one, once. */
function onceOnly(socket: Socket) {
  let isTaken = false
  return () => {
    if (isTaken || socket.destroyed) throw Object.assign(new Error('the connection is closed'), { code: 'ECONNRESET' })
    isTaken = true
    return socket
  }
}

async function plainSocket({ url, guard, signal }: LdapPlace): Promise<Socket> {
  const { hostname, port } = serverOf(url)
  // For hosts that are addresses nobody asks `lookup`.
  await raced(signal, guard.resolve(hostname))
  return connectPlain({ host: hostname, port, lookup: guard.lookup, autoSelectFamily: true, noDelay: true, keepAlive: true })
}

function tlsSocket(plain: Socket, { url, trust }: LdapPlace): TLSSocket {
  const { hostname } = serverOf(url)
  return connectTls({
    socket: plain,
    host: hostname,
    ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
    ...(trust.authorities === '' ? {} : { ca: trust.authorities }),
    rejectUnauthorized: trust.verifyCertificate,
    minVersion: 'TLSv1.2',
  })
}

/** Host without brackets, and the port, by the scheme where the URL has none. */
export function serverOf(url: string): { readonly hostname: string; readonly port: number } {
  const { protocol, hostname, port } = new URL(url)
  return { hostname: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? (protocol === 'ldaps:' ? 636 : 389) : Number(port) }
}

async function opened<Opened extends Socket>(sockets: Socket[], signal: AbortSignal, socket: Opened): Promise<Opened> {
  sockets.push(socket)
  const { promise, resolve, reject } = Promise.withResolvers<Opened>()
  const done = 'getPeerCertificate' in socket ? 'secureConnect' : 'connect'
  const onClose = () => reject(Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' }))
  socket
    .once(done, () => resolve(socket))
    .once('error', reject)
    .once('close', onClose)
  try {
    return await raced(signal, promise)
  } finally {
    socket.off('error', reject).off('close', onClose)
    // An error without a listener ends the process; the next one to care listens by itself.
    socket.on('error', () => socket.destroy())
  }
}

/** The promise, or the signal's reason, whichever is first. */
export async function raced<Result>(signal: AbortSignal, promise: Promise<Result>): Promise<Result> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason as Error)
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  promise.catch(() => undefined)
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function abortedOr(error: unknown, signal: AbortSignal, where: string): Error {
  if (signal.aborted && signal.reason instanceof LdapFailure) return signal.reason
  return error instanceof Error && error.name === 'AddressRefused'
    ? new LdapFailure('address-refused', error.message, { cause: error })
    : failureOf(error, where)
}

function tooMuch(url: string): LdapFailure {
  return new LdapFailure('limit', `${url}: the answer has more than ${answerBytesMax} bytes`)
}
