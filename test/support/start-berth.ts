import { hashSync } from 'bcryptjs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { postgresUrlFor, testDialect } from '#metadata/test-postgres.ts'
import type { Certificates } from './certificates.ts'
import { startDaemon } from './daemon.ts'
import type { Daemon } from './daemon.ts'
import { freePort } from './free-port.ts'
import { sendRequest } from './http-client.ts'

export interface BerthOptions {
  /** Keys of config.yml, laid over the defaults section by section. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
  /** Where blobs and metadata go; a temporary directory, removed at the end, when absent. */
  readonly dataDir?: string
  /** The loopback address to listen on. */
  readonly address?: '127.0.0.1' | '[::1]'
  /** The name in `url` and `host`; the address when absent. */
  readonly hostname?: string
  readonly tls?: Certificates
  /** As many processes behind the one port. */
  readonly workers?: number
  /** Users and their passwords for `auth.htpasswd`; the registry is open without. */
  readonly users?: Readonly<Record<string, string>>
}

/** A Berth in a process of its own, seen only from outside. */
export interface RunningBerth extends AsyncDisposable {
  readonly url: string
  /** `name:port`, as image references start. */
  readonly host: string
  readonly dataDir: string
  readonly configFile: string
  pid(): number
  logs(): string
  stop(): Promise<number | undefined>
  kill9(): Promise<void>
  /** Starts again on the same port and data after `stop` or `kill9`. */
  restart(): Promise<void>
}

const launcher = fileURLToPath(new URL('../../bin/berth.mjs', import.meta.url))

/** `BERTH_TEST_SERVER=docker-registry` runs the tests against Debian's registry:2 instead, to try the tests themselves. */
export const serverUnderTest = process.env['BERTH_TEST_SERVER'] ?? 'berth'

/** Starts a Berth with its own config.yml on a free port and waits until it answers. */
export async function startBerth(options: BerthOptions = {}): Promise<RunningBerth> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-server-'))
  const dataDir = options.dataDir ?? join(directory, 'data')
  await mkdir(dataDir, { recursive: true })
  const address = options.address ?? '127.0.0.1'
  const port = await freePort(address.replaceAll(/[[\]]/gu, ''))
  const host = `${options.hostname ?? address}:${port}`
  const scheme = options.tls === undefined ? 'http' : 'https'
  const probe = `${scheme}://${address}:${port}/v2/`
  const configFile = join(directory, 'config.yml')
  const sections = defaults({
    dataDir,
    listen: `${address}:${port}`,
    htpasswd: await writeHtpasswd(directory, options.users),
    tls: options.tls,
    // On PostgreSQL a data directory stands for the database that was made for it.
    databaseUrl: testDialect === 'postgres' && serverUnderTest === 'berth' ? await postgresUrlFor(join(dataDir, 'berth.db')) : undefined,
  })
  await writeFile(configFile, JSON.stringify(overlay(sections, options.config ?? {}), undefined, 2)) // JSON is YAML.
  const start = () =>
    startDaemon(commandLine(configFile, options.workers), () => answers(probe, options.tls?.authority), {
      env: { ...environment(), ...options.env },
    })
  let daemon: Daemon = await start()
  return {
    url: `${scheme}://${host}`,
    host,
    dataDir,
    configFile,
    pid: () => daemon.pid,
    logs: () => daemon.logs(),
    stop: () => daemon.stop(),
    kill9: () => daemon.kill9(),
    restart: async () => {
      daemon = await start()
    },
    [Symbol.asyncDispose]: async () => {
      await daemon.stop()
      await rm(directory, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

function commandLine(configFile: string, workers: number | undefined) {
  if (serverUnderTest === 'docker-registry') return ['docker-registry', 'serve', configFile]
  return [process.execPath, launcher, 'serve', ...(workers === undefined ? [] : ['--workers', String(workers)]), configFile]
}

/** Without `AWS_CA_BUNDLE`, which stops registry:2, and without the marks of the test runner and of a user's own Berth. */
function environment() {
  const dropped = /^(?:AWS_CA_BUNDLE|NODE_TEST_CONTEXT|NODE_OPTIONS|REGISTRY_.*|BERTH_.*)$/u
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !dropped.test(name)))
}

interface Place {
  readonly dataDir: string
  readonly listen: string
  readonly htpasswd: string | undefined
  readonly tls: Certificates | undefined
  readonly databaseUrl: string | undefined
}

function defaults({ dataDir, listen, htpasswd, tls, databaseUrl }: Place): Record<string, unknown> {
  return {
    version: 0.1,
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: dataDir }, delete: { enabled: true } },
    http: { addr: listen, ...(tls === undefined ? {} : { tls: { certificate: tls.certificateFile, key: tls.keyFile } }) },
    ...(databaseUrl === undefined ? {} : { database: { url: databaseUrl } }),
    ...(htpasswd === undefined ? {} : { auth: { htpasswd: { realm: 'berth-test', path: htpasswd } } }),
  }
}

async function writeHtpasswd(directory: string, users: BerthOptions['users']) {
  if (users === undefined) return undefined
  const path = join(directory, 'htpasswd')
  const lines = Object.entries(users).map(([user, password]) => `${user}:${hashSync(password, 4).replace('$2b$', '$2y$')}\n`)
  await writeFile(path, lines.join(''), { mode: 0o600 })
  return path
}

function overlay(below: Readonly<Record<string, unknown>>, above: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...below }
  for (const [key, value] of Object.entries(above)) {
    const under = merged[key]
    merged[key] = isSection(under) && isSection(value) ? overlay(under, value) : value
  }
  return merged
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

async function answers(url: string, ca: string | undefined) {
  try {
    const { status } = await sendRequest(url, { timeoutMs: 2000, ...(ca === undefined ? {} : { ca }) })
    return status === 200 || status === 401
  } catch {
    return false // Not listening yet.
  }
}
