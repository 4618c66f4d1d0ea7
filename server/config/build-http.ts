/** The values of `http` → {@link HttpConfig}. */
import { resolve } from 'node:path'
import { buildTls, type TlsPlaces } from './build-tls.ts'
import type { HttpConfig, TlsConfig } from './config.ts'
import type { Listener } from './environment.ts'
import { addressGroups, isHeaderName } from './keys-http.ts'
import { parseTcpAddress, type TcpAddress } from './listen-address.ts'
import type { Values } from './validate.ts'

/** The listener's configuration; what is wrong goes to `listener`. */
export function buildHttp(values: Values, places: TlsPlaces, listener: Listener): HttpConfig {
  const headers = values.get('http.headers')
  for (const name of Object.keys(headers)) {
    if (!isHeaderName(name)) listener.problem({ path: 'http.headers', expected: 'names of HTTP headers', found: JSON.stringify(name) })
  }
  const host = values.get('http.host')
  const tls = buildTls(values, places, listener)
  return {
    listen: listenAddress(values, places.cwd, listener),
    prefix: normalPrefix(values.get('http.prefix')),
    host: host === '' ? undefined : host?.replace(/\/+$/, ''),
    relativeUrls: values.get('http.relativeurls'),
    drainTimeoutMs: values.get('http.draintimeout'),
    drainDelayMs: values.get('http.draindelay'),
    accelPath: accelPath(values),
    tls,
    redirect: redirectAddress(values, tls, listener),
    proxyProtocol: proxyProtocol(values, tls, listener),
    headers,
    debug: debugAddress(values, listener),
    insecureSessions: values.get('http.insecuresessions'),
    hasPortal: values.get('http.portal.enabled'),
    trustedProxies: values.get('http.trustedproxies').flatMap((entry) => addressGroups[entry] ?? [entry]),
    isEveryNeighbourTrusted: values.get('http.trustedproxies').includes('private'),
  }
}

function accelPath(values: Values): string | undefined {
  const path = values.get('http.accel') ?? ''
  return path === '' ? undefined : normalPrefix(path)
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

function redirectAddress(values: Values, tls: TlsConfig | undefined, listener: Listener): HttpConfig['redirect'] {
  const address = values.get('http.redirect.addr') ?? ''
  if (address === '') return undefined
  if (tls === undefined)
    listener.problem({ path: 'http.redirect.addr', expected: 'no address without http.tls', why: 'there is no HTTPS to send anybody to' })
  return tcpAddress('http.redirect.addr', address, listener)
}

function proxyProtocol(values: Values, tls: TlsConfig | undefined, { problem, warn }: Listener): boolean {
  const isOn = values.get('http.proxyprotocol')
  if (isOn && tls !== undefined && values.get('http.net') === 'unix')
    problem({ path: 'http.proxyprotocol', expected: 'false for TLS on a socket', why: 'on a unix socket the balancer ends TLS' })
  if (isOn && values.get('http.net') !== 'unix' && !values.has('http.trustedproxies'))
    warn('http.proxyprotocol: only of balancers on this machine: http.trustedproxies names no others')
  return isOn
}
