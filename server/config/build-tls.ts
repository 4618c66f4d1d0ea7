/** The values of `http.tls` → {@link TlsConfig}. */
import { join, resolve } from 'node:path'
import { opensslCipherSuites } from './cipher-suites.ts'
import type { AcmeConfig, TlsConfig } from './config.ts'
import type { Listener } from './environment.ts'
import type { Values } from './validate.ts'

/** What relative paths are relative to, and where Berth keeps what it makes itself; undefined for a registry in memory. */
export interface TlsPlaces {
  readonly cwd: string
  readonly dataDirectory: string | undefined
}

type Own = Pick<TlsConfig, 'certificate' | 'key' | 'certificates' | 'acme' | 'selfSigned'>

/** Undefined for plain HTTP; what is wrong goes to the listener. */
export function buildTls(values: Values, places: TlsPlaces, listener: Listener): TlsConfig | undefined {
  const own = ownCertificates(values, places, listener)
  if (own === undefined) {
    if (values.get('http.tls.clientcas').length > 0)
      listener.problem({ path: 'http.tls.certificate', expected: 'a PEM file, as http.tls.clientcas is given' })
    return undefined
  }
  const maxAgeMs = values.get('http.tls.hsts.maxage')
  return {
    ...own,
    clientCas: values.get('http.tls.clientcas').map((file) => resolve(places.cwd, file)),
    crls: values.get('http.tls.crls').map((file) => resolve(places.cwd, file)),
    clientAuth: values.get('http.tls.clientauth'),
    minimumVersion: minimumVersion(values.get('http.tls.minimumtls'), listener.warn),
    cipherSuites: cipherSuites(values, listener.problem),
    ...(maxAgeMs > 0 ? { hsts: { maxAgeMs, includeSubdomains: values.get('http.tls.hsts.includesubdomains') } } : {}),
  }
}

function ownCertificates(values: Values, places: TlsPlaces, listener: Listener): Own | undefined {
  const files = fileCertificates(values, places, listener)
  const isSelfSigned = values.get('http.tls.selfsigned')
  if (isSelfSigned && files !== undefined) {
    listener.problem({
      path: 'http.tls.selfsigned',
      expected: 'false beside http.tls.certificate',
      why: 'there is a certificate already: berth serve without --tls-self-signed uses it',
    })
  }
  const acme = files === undefined && !isSelfSigned ? buildAcme(values, places, listener) : undefined
  if (isSelfSigned) return selfSigned(values, places, listener)
  if (files !== undefined) return files
  return acme === undefined ? undefined : { certificate: undefined, key: undefined, acme }
}

function fileCertificates(values: Values, { cwd }: TlsPlaces, { problem }: Listener): Own | undefined {
  const certificate = values.get('http.tls.certificate') ?? ''
  const key = values.get('http.tls.key') ?? ''
  const further = values
    .get('http.tls.certificates')
    .map((entry) => ({ certificate: resolve(cwd, entry.certificate), key: resolve(cwd, entry.key) }))
  if (certificate === '' && key === '') {
    const [first, ...others] = further
    return first === undefined ? undefined : { ...first, ...(others.length === 0 ? {} : { certificates: others }) }
  }
  if (key === '') problem({ path: 'http.tls.key', expected: 'the PEM file of the private key, as http.tls.certificate is given' })
  if (certificate === '') problem({ path: 'http.tls.certificate', expected: 'the PEM file of the certificate, as http.tls.key is given' })
  return { certificate: resolve(cwd, certificate), key: resolve(cwd, key), ...(further.length === 0 ? {} : { certificates: further }) }
}

function selfSigned(values: Values, { dataDirectory }: TlsPlaces, { problem }: Listener): Own {
  if (dataDirectory === undefined)
    problem({ path: 'http.tls.selfsigned', expected: 'false for a registry in memory', why: 'there is no data directory to keep it in' })
  const directory = join(dataDirectory ?? '', 'tls')
  const host = values.get('http.host') ?? ''
  return {
    certificate: join(directory, 'server.pem'),
    key: join(directory, 'server.pem'),
    selfSigned: {
      authority: join(directory, 'ca.crt'),
      authorityKey: join(directory, 'ca.pem'),
      hosts: URL.canParse(host) ? [new URL(host).hostname.replace(/^\[|\]$/g, '')] : [],
    },
  }
}

const acmeKeys = ['email', 'hosts', 'cachefile', 'directoryurl', 'challenge', 'trustedca', 'eab.keyid', 'eab.hmackey'] as const

function buildAcme(values: Values, { cwd }: TlsPlaces, { problem }: Listener): AcmeConfig | undefined {
  const isGiven = acmeKeys.some((name) => {
    const path = `http.tls.letsencrypt.${name}` as const
    return values.has(path) && (values.get(path) ?? '').length > 0
  })
  if (!isGiven) return undefined
  const hosts = [...new Set(values.get('http.tls.letsencrypt.hosts').map((host) => host.toLowerCase()))]
  if (hosts.length === 0)
    problem({
      path: 'http.tls.letsencrypt.hosts',
      expected: 'the host names that certificates are for',
      why: 'Berth asks for no certificate because a stranger names a host, as registry:2 without hosts does',
    })
  const challenge = values.get('http.tls.letsencrypt.challenge')
  if (challenge === 'http-01' && (values.get('http.redirect.addr') ?? '') === '')
    problem({ path: 'http.redirect.addr', expected: 'an address such as :80, as http.tls.letsencrypt.challenge is http-01' })
  const trustedCa = values.get('http.tls.letsencrypt.trustedca') ?? ''
  const email = values.get('http.tls.letsencrypt.email') ?? ''
  return {
    directoryUrl: values.get('http.tls.letsencrypt.directoryurl'),
    email: email === '' ? undefined : email,
    hosts,
    challenge,
    termsAgreed: values.get('http.tls.letsencrypt.termsagreed'),
    trustedCa: trustedCa === '' ? undefined : resolve(cwd, trustedCa),
    externalAccount: externalAccount(values, problem),
  }
}

function externalAccount(values: Values, problem: Listener['problem']): AcmeConfig['externalAccount'] {
  const keyId = values.get('http.tls.letsencrypt.eab.keyid') ?? ''
  const hmacKey = values.get('http.tls.letsencrypt.eab.hmackey') ?? ''
  if (keyId === '' && hmacKey === '') return undefined
  if (keyId === '') problem({ path: 'http.tls.letsencrypt.eab.keyid', expected: 'a text, as eab.hmackey is given' })
  if (hmacKey === '') problem({ path: 'http.tls.letsencrypt.eab.hmackey', expected: 'a key in base64url, as eab.keyid is given' })
  return { keyId, hmacKey }
}

function minimumVersion(written: 'tls1.0' | 'tls1.1' | 'tls1.2' | 'tls1.3', warn: Listener['warn']): TlsConfig['minimumVersion'] {
  if (written === 'tls1.0' || written === 'tls1.1')
    warn(`http.tls.minimumtls: ${written} is not spoken any more, tls1.2 is the oldest version`)
  return written === 'tls1.3' ? 'TLSv1.3' : 'TLSv1.2'
}

function cipherSuites(values: Values, problem: Listener['problem']): readonly string[] | undefined {
  const written = values.get('http.tls.ciphersuites')
  const known = written.map((name, index) => {
    const suite = opensslCipherSuites[name]
    if (suite === undefined) {
      problem({
        path: `http.tls.ciphersuites[${index}]`,
        expected: 'a cipher suite by its name in Go that is still spoken',
        found: JSON.stringify(name),
      })
    }
    return suite ?? ''
  })
  return known.length === 0 ? undefined : known
}
