/**
 * Certificates and requests for them (RFC 5280, RFC 2986), with keys on P-256.
 *
 * The problem: Node reads certificates but makes none, and libraries that do bring a polyfill of metadata and a container for dependencies. The way: the three
 * shapes that Berth needs, written in DER: a request for names (ACME), a small authority with a certificate below it (a first try of TLS), and the
 * certificate that answers a challenge of RFC 8737.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPair, sign, type KeyObject } from 'node:crypto'
import { isIP, isIPv4 } from 'node:net'
import { promisify } from 'node:util'
import * as der from './der.ts'
import type { Random } from './ports.ts'

const oids = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  extensionRequest: '1.2.840.113549.1.9.14',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAlternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuthentication: '1.3.6.1.5.5.7.3.1',
  acmeIdentifier: '1.3.6.1.5.5.7.1.31',
} as const

/** A certificate and its private key (PKCS #8), both PEM. */
export interface KeyedCertificate {
  readonly certificate: string
  readonly key: string
}

/** Makes a private key on P-256: PKCS #8 as PEM. */
export async function makeKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
  return String(privateKey.export({ type: 'pkcs8', format: 'pem' }))
}

/** A request for a certificate of these names (host names or IP addresses): DER. */
export function makeRequest(keyPem: string, names: readonly string[]): Buffer {
  const key = createPrivateKey(keyPem)
  const attribute = der.sequence(der.objectId(oids.extensionRequest), der.setOf(der.sequence(alternativeNames(names))))
  // The subject stays empty: names count where subjectAltName says them.
  const information = der.sequence(der.integer(0), der.sequence(), publicKeyOf(key), der.context(0, attribute))
  return signed(information, key)
}

/** What makes a certificate. Instants are milliseconds. */
export interface CertificateWanted {
  readonly commonName: string
  readonly names: readonly string[]
  readonly notBefore: number
  readonly notAfter: number
}

/** An authority that signs certificates of servers, and no further authorities. */
export async function makeAuthority(random: Pick<Random, 'bytes'>, wanted: Omit<CertificateWanted, 'names'>): Promise<KeyedCertificate> {
  const keyPem = await makeKey()
  const key = createPrivateKey(keyPem)
  const extensions = [
    extension(oids.basicConstraints, der.sequence(der.boolean(true), der.integer(0)), 'critical'),
    // keyCertSign, cRLSign.
    extension(oids.keyUsage, der.bits(Buffer.from([0x06]), 1), 'critical'),
    extension(oids.subjectKeyIdentifier, der.octets(keyIdentifier(key))),
  ]
  return { key: keyPem, certificate: issue({ random, wanted, key, extensions, issuer: { name: wanted.commonName, key } }) }
}

/** A server's certificate, signed by an authority of {@link makeAuthority} that goes by `issuerName`. */
export async function makeServerCertificate(
  random: Pick<Random, 'bytes'>,
  wanted: CertificateWanted,
  authority: { readonly name: string; readonly key: string },
): Promise<KeyedCertificate> {
  const keyPem = await makeKey()
  const key = createPrivateKey(keyPem)
  const issuerKey = createPrivateKey(authority.key)
  const extensions = [
    ...leafExtensions,
    extension(oids.extendedKeyUsage, der.sequence(der.objectId(oids.serverAuthentication))),
    extension(oids.subjectKeyIdentifier, der.octets(keyIdentifier(key))),
    extension(oids.authorityKeyIdentifier, der.sequence(der.contextString(0, keyIdentifier(issuerKey)))),
    alternativeNames(wanted.names),
  ]
  return { key: keyPem, certificate: issue({ random, wanted, key, extensions, issuer: { name: authority.name, key: issuerKey } }) }
}

/** The certificate that proves control over a host on its TLS port (RFC 8737 §3): `keyAuthorization` is the challenge's. */
export async function makeChallengeCertificate(
  random: Pick<Random, 'bytes'>,
  wanted: Omit<CertificateWanted, 'commonName' | 'names'> & { readonly host: string; readonly keyAuthorization: string },
): Promise<KeyedCertificate> {
  const keyPem = await makeKey()
  const key = createPrivateKey(keyPem)
  const proof = createHash('sha256').update(wanted.keyAuthorization).digest()
  const extensions = [...leafExtensions, alternativeNames([wanted.host]), extension(oids.acmeIdentifier, der.octets(proof), 'critical')]
  const commonName = 'Berth answers a challenge'
  return {
    key: keyPem,
    certificate: issue({ random, wanted: { ...wanted, commonName }, key, extensions, issuer: { name: commonName, key } }),
  }
}

const leafExtensions = [
  extension(oids.basicConstraints, der.sequence(), 'critical'),
  // digitalSignature.
  extension(oids.keyUsage, der.bits(Buffer.from([0x80]), 7), 'critical'),
]

interface Issue {
  readonly random: Pick<Random, 'bytes'>
  readonly wanted: Omit<CertificateWanted, 'names'>
  readonly key: KeyObject
  readonly extensions: readonly Buffer[]
  readonly issuer: { readonly name: string; readonly key: KeyObject }
}

function issue({ random, wanted, key, extensions, issuer }: Issue): string {
  const serial = random.bytes(16)
  // Positive and of full length, whatever was drawn.
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40
  const body = der.sequence(
    der.context(0, der.integer(2)),
    der.integer(serial),
    signatureAlgorithm,
    distinguishedName(issuer.name),
    der.sequence(der.time(wanted.notBefore), der.time(wanted.notAfter)),
    distinguishedName(wanted.commonName),
    publicKeyOf(key),
    der.context(3, der.sequence(...extensions)),
  )
  return pemOf(signed(body, issuer.key))
}

const signatureAlgorithm = der.sequence(der.objectId(oids.ecdsaWithSha256))

function signed(body: Buffer, key: KeyObject): Buffer {
  return der.sequence(body, signatureAlgorithm, der.bits(sign('sha256', body, key)))
}

function publicKeyOf(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' })
}

/** RFC 5280 §4.2.1.2 leaves the way open as long as it is the same each time. */
function keyIdentifier(key: KeyObject): Buffer {
  return createHash('sha256').update(publicKeyOf(key)).digest().subarray(0, 20)
}

function distinguishedName(commonName: string): Buffer {
  return der.sequence(der.setOf(der.sequence(der.objectId(oids.commonName), der.utf8(commonName))))
}

function extension(oid: string, value: Buffer, critical?: 'critical'): Buffer {
  return der.sequence(der.objectId(oid), ...(critical === undefined ? [] : [der.boolean(true)]), der.octets(value))
}

function alternativeNames(names: readonly string[]): Buffer {
  const written = names.map((name) =>
    isIP(name) === 0 ? der.contextString(2, Buffer.from(name, 'latin1')) : der.contextString(7, addressBytes(name)),
  )
  return extension(oids.subjectAlternativeName, der.sequence(...written))
}

/** Of an IPv4 or IPv6 address as `net.isIP` takes it. */
function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  // URL writes every form the same way, with IPv4 in hexadecimal.
  const [head = '', tail] = new URL(`http://[${address.replace(/%.*$/, '')}]/`).hostname.slice(1, -1).split('::')
  const groupsOf = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const [before, after] = [groupsOf(head), groupsOf(tail ?? '')]
  const groups = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
  return Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff]))
}

/** DER of a certificate as PEM. */
function pemOf(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
