/**
 * Makes connections: tries the hosts in their order, checks that the one that answers writes, and sets up the session.
 *
 * What a session has set: plans by index (`writes`: a sequential scan of a small table would let every two writers conflict), no JIT, times after which the
 * server gives up a client that is gone, and a commit that waits for the disk where the cluster's default does not.
 */
import { readFile as readAnyFile } from 'node:fs/promises'
import type { ConnectionOptions } from 'node:tls'
import type { ClientConfig } from 'pg'
import type { PostgresTarget } from '#config/postgres-url.ts'
import type { Files, Timers } from '#lib/ports.ts'
import { PostgresConnection, type ServerFacts } from './postgres-connection.ts'
import { codeOf, ConnectionLostError } from './postgres-errors.ts'
import type { StatementNames } from './postgres-statements.ts'
import type { Timelines } from './postgres-timelines.ts'

/** What a session may do. */
export type SessionKind = 'reads' | 'writes'

/** Where to, and how to prove who asks. `password` is asked for each connection, so that it may change while the program runs. */
export interface ConnectorOptions {
  readonly target: PostgresTarget
  readonly password: () => Promise<string>
  readonly files: Pick<Files, 'readFile'>
  readonly timers: Pick<Timers, 'after'>
  readonly names: StatementNames
  /** Of a process that opens several sessions, one after the other. */
  readonly timelines?: Timelines
}

/** Opens sessions. */
export interface Connector {
  /** Rejects with ConnectionLostError when no host answers and writes. */
  connect(kind: SessionKind): Promise<PostgresConnection>
}

const keepAliveDelayMs = 10_000

/** Milliseconds and seconds, as each setting takes them. A server that does not know the peer is gone keeps its locks so long. */
const commonSettings = [
  `client_min_messages = warning`,
  `timezone = 'UTC'`,
  `bytea_output = hex`,
  `extra_float_digits = 1`,
  `jit = off`,
  `tcp_keepalives_idle = 15`,
  `tcp_keepalives_interval = 5`,
  `tcp_keepalives_count = 3`,
  `tcp_user_timeout = 30000`,
]

const settings: Readonly<Record<SessionKind, readonly string[]>> = {
  reads: [
    ...commonSettings,
    'idle_in_transaction_session_timeout = 60000',
    'default_transaction_read_only = on',
    'statement_timeout = 300000',
  ],
  // A transaction waits for nothing but its own statements; one whose process is gone or stands still must not have others wait for its locks.
  writes: [...commonSettings, 'idle_in_transaction_session_timeout = 15000', 'enable_seqscan = off', 'lock_timeout = 30000'],
}

const factsQuery = `select pg_is_in_recovery() as standby, current_setting('transaction_read_only') as read_only,
  case when pg_is_in_recovery() then '' else substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) end as timeline,
  current_setting('server_version_num')::bigint as version, pg_backend_pid() as process_id`

const systemQuery = 'select system_identifier::text as system from pg_control_system()'

/** Empty where the server keeps it to itself. */
async function systemOf(connection: PostgresConnection): Promise<string> {
  try {
    const [row] = await connection.script(systemQuery)
    const told = row?.['system']
    return typeof told === 'string' ? told : ''
  } catch (error) {
    if (error instanceof ConnectionLostError) throw error
    return ''
  }
}

function sessionScript(kind: SessionKind): string {
  const commits = `select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'`
  return [...settings[kind].map((setting) => `set ${setting}`), commits].join('; ')
}

/** Opens sessions at the target. */
export function createConnector(options: ConnectorOptions): Connector {
  return { connect: (kind) => connectToAny(options, kind) }
}

async function connectToAny(options: ConnectorOptions, kind: SessionKind): Promise<PostgresConnection> {
  const faults: Error[] = []
  for (const { host, port } of options.target.hosts) {
    const place = `${host}:${port}`
    try {
      const connection = await connectTo(options, { host, port })
      // A network may be cut between two questions.
      using _limit = options.timers.after(options.target.connectTimeoutMs, () => connection.destroy())
      try {
        return await prepareSession(connection, options, { kind, place })
      } catch (error) {
        connection.destroy()
        throw error
      }
    } catch (error) {
      faults.push(new ConnectionLostError(`${place}: ${(error as Error).message}`, { cause: (error as Error).cause ?? error }))
    }
  }
  const message = faults.map((fault) => fault.message).join('; ')
  throw new ConnectionLostError(message, { cause: faults.at(-1)?.cause })
}

interface Wanted {
  readonly kind: SessionKind
  readonly place: string
}

async function prepareSession(
  connection: PostgresConnection,
  { target, timelines }: ConnectorOptions,
  { kind, place }: Wanted,
): Promise<PostgresConnection> {
  // First of all, before the session makes itself one that only reads.
  const row = (await connection.script(factsQuery))[0] as FactsRow | undefined
  if (row === undefined) throw new ConnectionLostError('the server gave no answer')
  const readsOnly = row.standby === 1 || row.read_only === 'on'
  if (readsOnly && target.session === 'read-write') throw new ConnectionLostError('it only reads: a standby, or one that is set to')
  connection.facts = { ...factsOf(row, place), system: await systemOf(connection) }
  if (timelines?.meet(connection.facts) === false) throw new ConnectionLostError('another server has taken its place')
  await connection.script(sessionScript(kind))
  return connection
}

interface FactsRow {
  readonly standby: number
  readonly read_only: string
  readonly timeline: string
  readonly version: number
  readonly process_id: number
}

function factsOf({ standby, timeline, version, process_id }: FactsRow, place: string): Omit<ServerFacts, 'system'> {
  return { place, isStandby: standby === 1, timeline, version, processId: process_id }
}

type Host = PostgresTarget['hosts'][number]

/** `prefer` and `allow` try twice, as libpq does. */
async function connectTo(options: ConnectorOptions, { host, port }: Host): Promise<PostgresConnection> {
  const { target } = options
  const base: ClientConfig = {
    host,
    port,
    user: target.user,
    database: target.database,
    password: options.password,
    application_name: target.applicationName,
    connectionTimeoutMillis: target.connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveDelayMs,
  }
  const attempts = await sslAttempts(options, host)
  for (const [index, ssl] of attempts.entries()) {
    try {
      return await PostgresConnection.open({ ...base, ssl }, options)
    } catch (error) {
      if (index === attempts.length - 1 || !isAboutEncryption(error)) throw error
    }
  }
  throw new ConnectionLostError('no way to connect')
}

/** What the other way of connecting may mend: the server has no TLS, its handshake fails, or pg_hba.conf refuses this way. */
function isAboutEncryption(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  return codeOf(cause) === '28000' || (error instanceof Error && /SSL|TLS|handshake|certificate/i.test(error.message))
}

async function sslAttempts(options: ConnectorOptions, host: string): Promise<readonly (false | ConnectionOptions)[]> {
  const { sslMode } = options.target
  if (sslMode === 'disable' || host.startsWith('/')) return [false]
  const ssl = await sslOptions(options)
  if (sslMode === 'prefer') return [ssl, false]
  return sslMode === 'allow' ? [false, ssl] : [ssl]
}

async function sslOptions({ target, files }: ConnectorOptions): Promise<ConnectionOptions> {
  const { sslMode, sslRootCert, sslCert, sslKey } = target
  const read = async (name: 'ca' | 'cert' | 'key', path: string | undefined) =>
    path === undefined || path === 'system' ? {} : { [name]: await files.readFile(path, 'utf8') }
  return {
    // libpq: with a root certificate `require` checks the chain too.
    rejectUnauthorized: sslMode.startsWith('verify') || (sslMode === 'require' && sslRootCert !== undefined),
    ...(await read('ca', sslRootCert)),
    ...(await read('cert', sslCert)),
    ...(await read('key', sslKey)),
    ...(sslMode !== 'verify-full' && { checkServerIdentity: () => undefined }),
  }
}

/** The password of the URL, or of a file that is read for each connection. */
export function passwordSource(
  { password }: PostgresTarget,
  file: string | undefined,
  readFile: Pick<Files, 'readFile'>['readFile'] = readAnyFile,
): () => Promise<string> {
  if (file === undefined) return () => Promise.resolve(password ?? '')
  return async () => (await readFile(file, 'utf8')).replace(/\r?\n$/, '')
}
