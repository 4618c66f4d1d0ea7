/** TLS of the data port: what is asked of clients, and a certificate that is taken up again when its file changes. */
import { constants } from 'node:crypto'
import type { SecureContextOptions, TlsOptions, TLSSocket } from 'node:tls'
import type { TlsConfig } from '#config/config.ts'
import type { Ports } from '#lib/ports.ts'

/** The part of the options that never changes while the server runs. HTTP/1.1 only: HTTP/2's default windows throttle large blobs. */
export function tlsServerOptions({ clientCas, clientAuth }: TlsConfig): TlsOptions {
  const asksClients = clientCas.length > 0
  return {
    ALPNProtocols: ['http/1.1'],
    requestCert: asksClients,
    rejectUnauthorized: asksClients && clientAuth === 'require-and-verify-client-cert',
  }
}

/** Whether a client that finished its handshake may go on, for the kinds of `clientauth` that Node does not decide by itself. */
export function isClientWelcome(socket: TLSSocket, { clientCas, clientAuth }: TlsConfig): boolean {
  if (clientCas.length === 0 || clientAuth === 'request-client-cert') return true
  const hasCertificate = Object.keys(socket.getPeerCertificate()).length > 0
  if (clientAuth === 'require-any-client-cert') return hasCertificate
  return socket.authorized || (clientAuth === 'verify-client-cert-if-given' && !hasCertificate)
}

/** Reads key, certificate, authorities and revocation lists. Throws what the file system says. */
export async function readSecureContext({ files }: Ports, tls: TlsConfig): Promise<SecureContextOptions> {
  const read = (names: readonly string[]) => Promise.all(names.map((file) => files.readFile(file)))
  const [[cert, key], ca, crl] = await Promise.all([read([tls.certificate, tls.key]), read(tls.clientCas), read(tls.crls)])
  const optional = {
    // A resumed session would bring back a certificate that was revoked meanwhile.
    ...(ca.length > 0 ? { ca, secureOptions: constants.SSL_OP_NO_TICKET } : {}),
    ...(crl.length > 0 ? { crl } : {}),
    ...(tls.cipherSuites === undefined ? {} : { ciphers: tls.cipherSuites.join(':') }),
  }
  if (cert === undefined || key === undefined) throw new Error('certificate or key is missing')
  return { cert, key, minVersion: tls.minimumVersion, ...optional }
}

/** What changes when a file of the set is replaced, by name or by content. */
export async function certificateStamp({ files }: Ports, tls: TlsConfig): Promise<string> {
  const stats = await Promise.all([tls.certificate, tls.key, ...tls.clientCas, ...tls.crls].map((file) => files.stat(file)))
  return stats.map(({ ino, size, mtimeMs }) => `${ino}:${size}:${mtimeMs}`).join(' ')
}
