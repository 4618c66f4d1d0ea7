/** The values of `http` → {@link HttpConfig}. */
import { resolve } from 'node:path'
import { opensslCipherSuites } from './cipher-suites.ts'
import type { HttpConfig, TlsConfig } from './config.ts'
import type { Listener } from './environment.ts'
import { addressGroups, isHeaderName } from './keys-http.ts'
import { parseTcpAddress, type TcpAddress } from './listen-address.ts'
import type { Values } from './validate.ts'

/** The listener's configuration; what is wrong goes to `listener`. */
export function buildHttp(values: Values, cwd: string, listener: Listener): HttpConfig {
  const headers = values.get('http.headers')
  for (const name of Object.keys(headers)) {
    if (!isHeaderName(name)) listener.problem({ path: 'http.headers', expected: 'names of HTTP headers', found: JSON.stringify(name) })
  }
  const host = values.get('http.host')
  return {
    listen: listenAddress(values, cwd, listener),
    prefix: normalPrefix(values.get('http.prefix')),
    host: host === '' ? undefined : host?.replace(/\/+$/, ''),
    relativeUrls: values.get('http.relativeurls'),
    drainTimeoutMs: values.get('http.draintimeout'),
    tls: buildTls(values, cwd, listener),
    headers,
    debug: debugAddress(values, listener),
    insecureSessions: values.get('http.insecuresessions'),
    trustedProxies: values.get('http.trustedproxies').flatMap((entry) => addressGroups[entry] ?? [entry]),
    isEveryNeighbourTrusted: !values.has('http.trustedproxies'),
  }
}

function normalPrefix(prefix: string): string {
  return prefix.endsWith('/') ? prefix : `${prefix}/`
}

function listenAddress(values: Values, cwd: string, listener: Listener): HttpConfig['listen'] {
  const address = values.get('http.addr')
  if (values.get('http.net') !== 'unix') return tcpAddress('http.addr', address === '' ? ':5000' : address, listener)
  if (!values.has('http.addr')) listener.problem({ path: 'http.addr', expected: 'the path of a socket, as http.net is unix' })
  return { path: resolve(cwd, address) }
}

function tcpAddress(path: string, text: string, { problem }: Listener): TcpAddress {
  const address = parseTcpAddress(text)
  if (address === undefined) problem({ path, expected: 'host:port, such as :5000 or 127.0.0.1:5000', found: JSON.stringify(text) })
  return address ?? { host: undefined, port: 0 }
}

function debugAddress(values: Values, listener: Listener): HttpConfig['debug'] {
  const address = values.get('http.debug.addr') ?? ''
  if (address === '') {
    if (values.get('http.debug.prometheus.enabled')) listener.warn('http.debug.prometheus: without effect: http.debug.addr is not given')
    return undefined
  }
  return {
    ...tcpAddress('http.debug.addr', address, listener),
    metricsPath: values.get('http.debug.prometheus.enabled') ? values.get('http.debug.prometheus.path') : undefined,
  }
}

const acmeKeys = ['cachefile', 'email', 'hosts', 'directoryurl'] as const

function buildTls(values: Values, cwd: string, { problem, warn }: Listener): TlsConfig | undefined {
  const certificate = values.get('http.tls.certificate') ?? ''
  const key = values.get('http.tls.key') ?? ''
  const acme = acmeKeys.filter((name) => (values.get(`http.tls.letsencrypt.${name}`) ?? '').length > 0)
  if (certificate === '' && acme.length > 0) {
    problem({
      path: 'http.tls.letsencrypt',
      expected: 'no such key',
      why: 'certificates by ACME are not available in this version: use http.tls.certificate and http.tls.key',
    })
  }
  if (certificate === '' && key === '') {
    if (values.get('http.tls.clientcas').length > 0)
      problem({ path: 'http.tls.certificate', expected: 'a PEM file, as http.tls.clientcas is given' })
    return undefined
  }
  if (key === '') problem({ path: 'http.tls.key', expected: 'the PEM file of the private key, as http.tls.certificate is given' })
  if (certificate === '') problem({ path: 'http.tls.certificate', expected: 'the PEM file of the certificate, as http.tls.key is given' })
  return {
    certificate: resolve(cwd, certificate),
    key: resolve(cwd, key),
    clientCas: values.get('http.tls.clientcas').map((file) => resolve(cwd, file)),
    crls: values.get('http.tls.crls').map((file) => resolve(cwd, file)),
    clientAuth: values.get('http.tls.clientauth'),
    minimumVersion: minimumVersion(values.get('http.tls.minimumtls'), warn),
    cipherSuites: cipherSuites(values, problem),
  }
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
