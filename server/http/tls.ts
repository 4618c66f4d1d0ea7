/** TLS of the data port: what is asked of clients, and what every certificate of it is served with. */
import { constants, X509Certificate } from 'node:crypto'
import type { SecureContextOptions, TlsOptions, TLSSocket } from 'node:tls'
import type { CertificateFiles, TlsConfig } from '#config/config.ts'
import type { Ports } from '#lib/ports.ts'

/** What connections speak once they are encrypted. HTTP/1.1 only: HTTP/2's default windows throttle large blobs. */
export const applicationProtocol = 'http/1.1'

/** The part of the options that never changes while the server runs. */
export function tlsServerOptions({ clientCas, clientAuth }: TlsConfig): TlsOptions {
  const asksClients = clientCas.length > 0
  return {
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

/** What all certificates are served with: authorities and revocation lists for clients, versions, ciphers. Throws what the file system says. */
export async function readTrust({ files }: Pick<Ports, 'files'>, tls: TlsConfig): Promise<SecureContextOptions> {
  const read = (names: readonly string[]) => Promise.all(names.map((file) => files.readFile(file)))
  const [ca, crl] = await Promise.all([read(tls.clientCas), read(tls.crls)])
  for (const [index, pem] of ca.entries()) checkAuthority(pem, tls.clientCas[index] ?? '')
  return {
    minVersion: tls.minimumVersion,
    // A resumed session would bring back a certificate that was revoked meanwhile.
    ...(ca.length > 0 ? { ca, secureOptions: constants.SSL_OP_NO_TICKET } : {}),
    ...(crl.length > 0 ? { crl } : {}),
    ...(tls.cipherSuites === undefined ? {} : { ciphers: tls.cipherSuites.join(':') }),
  }
}

/** OpenSSL takes nonsense for no authority at all, and then every client would be a stranger. */
function checkAuthority(pem: Buffer, file: string): void {
  try {
    void new X509Certificate(pem)
  } catch (cause) {
    throw new Error(`${file} has no certificate in PEM`, { cause })
  }
}

/** The pairs of files, the default one first; none where all certificates come by ACME. */
export function certificateFilesOf({ certificate, key, certificates = [] }: TlsConfig): readonly CertificateFiles[] {
  return certificate === undefined || key === undefined ? certificates : [{ certificate, key }, ...certificates]
}

/** What changes when a file is replaced, by name or by content. */
export async function stampOf({ files }: Pick<Ports, 'files'>, names: readonly string[]): Promise<string> {
  const stats = await Promise.all(names.map((file) => files.stat(file)))
  return stats.map(({ ino, size, mtimeMs }) => `${ino}:${size}:${mtimeMs}`).join(' ')
}
