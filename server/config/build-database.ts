/** Values → the part of Config about the database. */
import { resolve } from 'node:path'
import type { DatabaseConfig, StorageConfig } from './config.ts'
import type { Listener } from './environment.ts'
import { parsePostgresUrl, type PostgresTarget } from './postgres-url.ts'
import type { Values } from './validate.ts'

/** Where the database is; PostgreSQL when its URL is given. */
export function buildDatabase(
  values: Values,
  { cwd }: { readonly cwd: string },
  storage: Pick<StorageConfig, 'rootDirectory'>,
  listener: Listener,
): DatabaseConfig {
  const file = values.get('database.file')
  const driver = values.has('database.driver') ? values.get('database.driver') : values.has('database.url') ? 'postgres' : 'sqlite'
  if (driver === 'postgres') return buildPostgres(values, cwd, listener)
  if (values.has('database.url')) listener.problem({ path: 'database.url', expected: 'no such key with database.driver sqlite' })
  if (file === ':memory:' || (file === undefined && storage.rootDirectory === undefined)) return { driver, file: ':memory:' }
  return { driver, file: resolve(cwd, file ?? resolve(storage.rootDirectory ?? '', 'berth.db')) }
}

const nowhere: PostgresTarget = {
  hosts: [],
  database: '',
  user: '',
  password: undefined,
  sslMode: 'prefer',
  sslRootCert: undefined,
  sslCert: undefined,
  sslKey: undefined,
  session: 'read-write',
  connectTimeoutMs: 0,
  applicationName: '',
}

function buildPostgres(values: Values, cwd: string, { problem }: Listener): DatabaseConfig {
  const url = values.get('database.url')
  const parsed = url === undefined || url === '' ? { fault: 'is missing' } : parsePostgresUrl(url)
  const hasFault = 'fault' in parsed
  if (hasFault)
    problem({
      path: 'database.url',
      expected: 'postgres://user@host:5432/database',
      why: `expected postgres://user@host:5432/database; this one ${parsed.fault}`,
    })
  if (values.has('database.file')) problem({ path: 'database.file', expected: 'no such key with database.driver postgres' })
  const passwordFile = values.get('database.passwordfile')
  const absolute = (path: string | undefined) => (path === undefined || path === 'system' ? path : resolve(cwd, path))
  const target = hasFault ? nowhere : parsed
  return {
    driver: 'postgres',
    target: {
      ...target,
      sslRootCert: absolute(target.sslRootCert),
      sslCert: absolute(target.sslCert),
      sslKey: absolute(target.sslKey),
    },
    passwordFile: passwordFile === undefined || passwordFile === '' ? undefined : resolve(cwd, passwordFile),
    poolMaximum: values.get('database.pool.max'),
    holdMs: values.get('database.hold.time'),
    holdRequests: values.get('database.hold.requests'),
    staleTags: values.get('database.staletags'),
  }
}
