/** The client's certificate of a TLS connection, in the form that access takes. */
import type { Socket } from 'node:net'
import { TLSSocket, type PeerCertificate } from 'node:tls'
import type { PeerCertificateFacts } from '#access/hooks.ts'

const known = new WeakMap<Socket, { readonly facts: PeerCertificateFacts | undefined }>()

/** Undefined when there is none, or TLS has not verified it against the authorities of `http.tls.clientcas`. Looked at once a connection. */
export function peerCertificate(socket: Socket): PeerCertificateFacts | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  let entry = known.get(socket)
  if (entry === undefined) known.set(socket, (entry = { facts: factsOf(socket.getPeerCertificate()) }))
  return entry.facts
}

function factsOf(certificate: PeerCertificate | undefined): PeerCertificateFacts | undefined {
  // Node gives an empty object where there is none.
  if (certificate?.fingerprint256 === undefined) return undefined
  const { subject, issuer, subjectaltname, fingerprint256, serialNumber } = certificate
  return {
    subject: distinguishedName(subject),
    commonName: commonNameOf(subject.CN),
    names: alternativeNames(subjectaltname ?? ''),
    fingerprint256,
    serialNumber,
    issuer: distinguishedName(issuer),
  }
}

/** An ambiguous name is none. */
function commonNameOf(name: string | readonly string[] | undefined): string | undefined {
  return typeof name === 'string' ? name : undefined
}

/** `CN=alice,OU=build,O=Example`: most specific first, values as in RFC 4514. */
function distinguishedName(name: object): string {
  const pairs = Object.entries(name as Readonly<Record<string, string | readonly string[]>>).flatMap(([type, values]) =>
    (typeof values === 'string' ? [values] : values).map((value) => `${type}=${value.replaceAll(/[\\,+"<>;=]/g, '\\$&')}`),
  )
  return pairs.toReversed().join(',')
}

/** Node quotes a name that holds a comma as JSON. Kinds that nobody maps are left out. */
function alternativeNames(text: string): readonly string[] {
  const names: string[] = []
  for (const match of text.matchAll(/(?:^|, )(DNS|email|URI|IP Address):("(?:[^"\\]|\\.)*"|[^,]*)/g)) {
    const [, kind = '', raw = ''] = match
    const value = raw.startsWith('"') ? unquoted(raw) : raw
    if (value !== undefined) names.push(`${kind === 'IP Address' ? 'IP' : kind}:${value}`)
  }
  return names
}

function unquoted(text: string): string | undefined {
  try {
    return JSON.parse(text) as string
  } catch {
    return undefined
  }
}
