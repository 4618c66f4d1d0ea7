/** The URLs in answers: Location and Link. */
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { exchangeCaller, type Exchange } from './exchange.ts'

/**
 * What URLs begin with, up to and with the prefix: `http.host` if it is set, nothing but the path with `http.relativeurls`, else scheme and host as the
 * client used them. A Host that is no host is not repeated: the path alone does as well.
 */
function baseUrl(exchange: Exchange): string {
  const { host, prefix, relativeUrls } = exchange.site.parts.config.http
  if (relativeUrls) return prefix
  if (host !== undefined) return withPrefix(host, prefix)
  const caller = exchangeCaller(exchange)
  return caller.host === undefined ? prefix : `${caller.scheme}://${caller.host}${prefix}`
}

/** A configured URL that already names the prefix is taken as it is. */
function withPrefix(host: string, prefix: string): string {
  const origin = host.endsWith('/') ? host.slice(0, -1) : host
  return prefix !== '/' && origin.endsWith(prefix.slice(0, -1)) ? `${origin}/` : `${origin}${prefix}`
}

/** Scheme, host and port as the client knows them; undefined when it did not say, and no configuration does. */
export function originOf(exchange: Exchange): string | undefined {
  const { host } = exchange.site.parts.config.http
  if (host !== undefined) return new URL(host).origin
  const caller = exchangeCaller(exchange)
  return caller.host === undefined ? undefined : `${caller.scheme}://${caller.host}`
}

/** Where Docker's clients ask for tokens. Absolute always: they take a realm for nothing else. */
export function tokenUrl(exchange: Exchange): string | undefined {
  const { host, prefix } = exchange.site.parts.config.http
  const origin = originOf(exchange)
  return origin && `${host === undefined ? `${origin}${prefix}` : withPrefix(host, prefix)}token`
}

export function blobLocation(exchange: Exchange, repository: RepositoryName, digest: Digest): string {
  return `${baseUrl(exchange)}v2/${repository}/blobs/${digest}`
}

export function manifestLocation(exchange: Exchange, repository: RepositoryName, digest: Digest): string {
  return `${baseUrl(exchange)}v2/${repository}/manifests/${digest}`
}

/** `_state` means nothing here: scripts written for registry:2 append `&digest=…` because its URLs always have a query. */
export function uploadLocation(exchange: Exchange, repository: RepositoryName, uploadId: string): string {
  return `${baseUrl(exchange)}v2/${repository}/blobs/uploads/${uploadId}?_state=${uploadId}`
}

/** The value of a Link to the next page (RFC 8288), relative as registry:2 sends it unless `http.host` gives the registry another path. */
export function nextPage(exchange: Exchange, path: string, parameters: Readonly<Record<string, string>>): string {
  const { host, prefix, relativeUrls } = exchange.site.parts.config.http
  const base = host === undefined || relativeUrls ? prefix : withPrefix(host, prefix)
  return `<${base}v2/${path}?${new URLSearchParams(parameters).toString()}>; rel="next"`
}
