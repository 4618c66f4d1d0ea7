/**
 * What a handshake asks the certificates for: the one of a name, and the proof of RFC 8737 when an ACME authority looks whether a host is ours.
 *
 * OpenSSL asks for the protocol (at once) and for the certificate (which may wait for the database); in this order in TLS 1.3, in the other one before. So in
 * TLS 1.3 only who asks for a proof has the database asked, and before that everybody who asks for one of the hosts.
 */
import { createSecureContext, type SecureContext, type TlsOptions, type TLSSocket } from 'node:tls'
import type { AcmeCertificates } from '#features/acme.ts'
import type { Logger } from '#lib/logger.ts'
import { applicationProtocol } from './tls.ts'
import type { Certificates } from './tls-certificates.ts'

/** RFC 8737 §6.2. */
export const challengeProtocol = 'acme-tls/1'

type Done = (error: Error | null, context?: SecureContext) => void

/** `certificates` is undefined until they are read. */
export function handshakeOptions(
  certificates: () => Certificates | undefined,
  acme: AcmeCertificates | undefined,
  log: Logger,
): Pick<TlsOptions, 'SNICallback' | 'ALPNCallback' | 'ALPNProtocols'> {
  const find = (serverName: string, done: Done) => done(null, certificates()?.find(serverName))
  if (acme?.answersHandshakes !== true) return { ALPNProtocols: [applicationProtocol], SNICallback: find }
  const asking = new WeakSet<TLSSocket>()
  const proofs = new WeakMap<TLSSocket, SecureContext>()
  return {
    SNICallback(this: TLSSocket, serverName: string, done: Done) {
      const isAsking = asking.has(this)
      if (!isAsking && (isCurrent(this) || !acme.hosts.has(serverName.toLowerCase()))) return find(serverName, done)
      const take = async () => {
        const proof = await readProof(acme, serverName, log)
        if (proof !== undefined) proofs.set(this, proof)
        if (!isAsking) find(serverName, done)
        else if (proof === undefined) done(new Error('no challenge is open for this host'))
        else done(null, proof)
      }
      void take()
    },
    ALPNCallback(this: TLSSocket, { servername, protocols }) {
      if (!protocols.includes(challengeProtocol)) return protocols.includes(applicationProtocol) ? applicationProtocol : undefined
      if (!acme.hosts.has(servername.toLowerCase())) return undefined
      const proof = proofs.get(this)
      if (isCurrent(this)) asking.add(this)
      else if (proof === undefined) return undefined
      else this.setKeyCert(proof)
      return challengeProtocol
    },
  }
}

function isCurrent(socket: TLSSocket): boolean {
  return socket.getProtocol() === 'TLSv1.3'
}

async function readProof(acme: AcmeCertificates, serverName: string, log: Logger): Promise<SecureContext | undefined> {
  try {
    const proof = await acme.tlsChallenge(serverName.toLowerCase())
    return proof === undefined ? undefined : createSecureContext({ cert: proof.certificate, key: proof.key })
  } catch (error) {
    log.warn({ err: error }, 'challenges of ACME cannot be read')
    return undefined
  }
}
