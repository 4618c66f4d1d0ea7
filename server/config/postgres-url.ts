/**
 * Connection strings of PostgreSQL, as libpq reads them (its manual, 34.1.1.2): several hosts, `sslmode` and its files, `target_session_attrs`.
 * pg's own parser knows one host, and takes `sslmode=require` for what libpq calls verify-full.
 */

const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const

/** How the connection is encrypted and what of the server's certificate is checked, in libpq's words. */
export type SslMode = (typeof sslModes)[number]

/** Where the database is and who asks. */
export interface PostgresTarget {
  /** Tried in this order. A host that begins with `/` is the directory of a unix socket. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  readonly database: string
  readonly user: string
  readonly password: string | undefined
  readonly sslMode: SslMode
  /** A path, or `system` for the authorities of the system. */
  readonly sslRootCert: string | undefined
  readonly sslCert: string | undefined
  readonly sslKey: string | undefined
  /** `any`: the first host that answers is taken for the one that writes. */
  readonly session: 'read-write' | 'any'
  readonly connectTimeoutMs: number
  readonly applicationName: string
}

const defaultPort = 5432
const defaultConnectTimeoutMs = 5000
const shape =
  /^postgres(?:ql)?:\/\/(?:(?<user>[^:@/?#]*)(?::(?<password>[^@/?#]*))?@)?(?<hosts>[^/?#]*)(?:\/(?<database>[^?#]*))?(?:\?(?<query>[^#]*))?$/

const known: ReadonlySet<string> = new Set([
  'host',
  'port',
  'user',
  'password',
  'dbname',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'target_session_attrs',
  'connect_timeout',
  'application_name',
])

/** The target, or what is wrong with the text in one phrase that quotes no secret. */
export function parsePostgresUrl(text: string): PostgresTarget | { readonly fault: string } {
  const groups = shape.exec(text)?.groups
  if (groups === undefined) return { fault: 'is no postgres://user@host/database' }
  try {
    return targetOf(groups)
  } catch (error) {
    return { fault: error instanceof UrlFault ? error.message : 'has a % that starts no escape' }
  }
}

class UrlFault extends Error {}

type Given = ReadonlyMap<string, string>

function targetOf(groups: Readonly<Record<string, string | undefined>>): PostgresTarget {
  const given = parametersOf(groups['query'] ?? '')
  const user = decoded(groups['user']) ?? given.get('user')
  if (user === undefined) throw new UrlFault('names no user')
  const attributes = oneOf(given, 'target_session_attrs', ['read-write', 'primary', 'any'])
  return {
    hosts: hostsOf(groups['hosts'] ?? '', given),
    database: decoded(groups['database']) ?? given.get('dbname') ?? user,
    user,
    password: decoded(groups['password']) ?? given.get('password'),
    ...encryptionOf(given),
    session: attributes === 'any' ? 'any' : 'read-write',
    connectTimeoutMs: timeoutOf(given.get('connect_timeout')),
    applicationName: given.get('application_name') ?? 'berth',
  }
}

function encryptionOf(given: Given): Pick<PostgresTarget, 'sslMode' | 'sslRootCert' | 'sslCert' | 'sslKey'> {
  const [sslRootCert, sslCert, sslKey] = ['sslrootcert', 'sslcert', 'sslkey'].map((name) => given.get(name))
  const sslMode = oneOf(given, 'sslmode', sslModes) ?? (sslRootCert === 'system' ? 'verify-full' : 'prefer')
  if (sslRootCert === 'system' && sslMode !== 'verify-full') throw new UrlFault('has sslrootcert=system without sslmode=verify-full')
  if ((sslCert === undefined) !== (sslKey === undefined)) throw new UrlFault('has one of sslcert and sslkey')
  return { sslMode, sslRootCert, sslCert, sslKey }
}

function decoded(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : decodeURIComponent(text)
}

function parametersOf(query: string): Given {
  const given = new Map<string, string>()
  for (const pair of query.split('&').filter((part) => part !== '')) {
    const [name = '', value = ''] = pair.split('=', 2)
    const key = decodeURIComponent(name)
    if (!known.has(key)) throw new UrlFault(`has ${JSON.stringify(key)}, which is not known here: ${[...known].join(', ')} are`)
    given.set(key, decodeURIComponent(value))
  }
  return given
}

function oneOf<Word extends string>(given: Given, name: string, words: readonly Word[]): Word | undefined {
  const value = given.get(name)
  if (value === undefined) return undefined
  const word = words.find((candidate) => candidate === value)
  if (word === undefined) throw new UrlFault(`has ${name}=${value}, and none of ${words.join(', ')}`)
  return word
}

function timeoutOf(text: string | undefined): number {
  if (text === undefined) return defaultConnectTimeoutMs
  if (!/^\d{1,5}$/.test(text)) throw new UrlFault('has a connect_timeout that is no number of seconds')
  return text === '0' ? defaultConnectTimeoutMs : Number(text) * 1000
}

function hostsOf(authority: string, given: Given): PostgresTarget['hosts'] {
  const written = authority === '' ? (given.get('host') ?? '').split(',') : authority.split(',')
  const ports = authority === '' ? (given.get('port') ?? '').split(',') : []
  return written.map((part, index) => {
    const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(part) ?? []
    const host = decoded(bracketed ?? plain)
    if (host === undefined) throw new UrlFault('has a host that is none')
    return { host, port: portOf(port ?? (ports.length > 1 ? ports[index] : ports[0]), given) }
  })
}

function portOf(text: string | undefined, given: Given): number {
  const chosen = text === undefined || text === '' ? given.get('port')?.split(',')[0] : text
  const port = chosen === undefined || chosen === '' ? defaultPort : Number(chosen)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new UrlFault('has a port that is none')
  return port
}
