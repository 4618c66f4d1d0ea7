/** `Strict-Transport-Security` (RFC 6797), as name and value in a list of headers. */
import type { HttpConfig } from '#config/config.ts'

const headerName = 'Strict-Transport-Security'

/** Empty without TLS here (§7.2 forbids it over plain HTTP), and where `http.headers` has one. */
export function strictTransportSecurity({ tls, headers }: Pick<HttpConfig, 'tls' | 'headers'>): readonly string[] {
  if (tls?.hsts === undefined || Object.keys(headers).some((name) => name.toLowerCase() === headerName.toLowerCase())) return []
  const { maxAgeMs, includeSubdomains } = tls.hsts
  return [headerName, `max-age=${Math.floor(maxAgeMs / 1000)}${includeSubdomains ? '; includeSubDomains' : ''}`]
}

/** The same headers for a listener that speaks plain HTTP. */
export function withoutStrictTransportSecurity(headers: readonly string[]): readonly string[] {
  const at = headers.findIndex((name, index) => index % 2 === 0 && name === headerName)
  return at < 0 ? headers : headers.toSpliced(at, 2)
}
