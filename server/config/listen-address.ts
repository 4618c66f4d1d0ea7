/** `host:port`, as Go's `net.Listen` takes it. */

/** Where a TCP listener binds; an IPv6 address stands without its brackets. */
export interface TcpAddress {
  /** Undefined: all addresses. */
  readonly host: string | undefined
  readonly port: number
}

/** `:5000`, `127.0.0.1:5000`, `[::1]:5000`, `registry.local:5000`; undefined for anything else. */
export function parseTcpAddress(text: string): TcpAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([A-Za-z0-9._-]*)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) return undefined
  const host = match[1] ?? match[2]
  return { host: host === '' ? undefined : host, port }
}
