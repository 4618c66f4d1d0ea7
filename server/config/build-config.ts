/** Values → {@link Config}: the defaults that depend on other keys, and the rules that span keys. */
import { resolve } from 'node:path'
import { buildOutsideToken, buildSecrets, buildTokens } from './build-access.ts'
import { buildBackup } from './build-backup.ts'
import { buildAzure, buildGcs } from './build-cloud-stores.ts'
import { buildDatabase } from './build-database.ts'
import { buildHttp } from './build-http.ts'
import type {
  AuditConfig,
  AuthConfig,
  Config,
  HealthConfig,
  LimitsConfig,
  LogConfig,
  ContentsConfig,
  ScrubConfig,
  StorageConfig,
  ValidationConfig,
} from './config.ts'
import { buildStores } from './build-stores.ts'
import { buildRedirects, buildS3 } from './build-object-stores.ts'
import type { Listener } from './environment.ts'
import { parseTcpAddress } from './listen-address.ts'
import { objectStores } from './schema.ts'
import { choicesOf, type Values } from './validate.ts'

/** Where the values came from, as far as defaults depend on it. */
export interface Source {
  /** Absolute; undefined when Berth runs without a file. */
  readonly file: string | undefined
  readonly cwd: string
}

/** The configuration; what is wrong with it goes to the listener, and then the result means nothing. */
export function buildConfig(values: Values, source: Source, listener: Listener): Omit<Config, 'effective'> {
  checkVersion(values, source, listener)
  const storage = buildStorage(values, source, listener)
  const database = buildDatabase(values, source, storage, listener)
  return {
    file: source.file,
    log: buildLog(values),
    storage,
    database,
    http: buildHttp(values, { cwd: source.cwd, dataDirectory: storage.rootDirectory }, listener),
    auth: buildAuth(values, source, listener),
    secrets: buildSecrets(values, source, { database, storage }, listener),
    tokens: buildTokens(values),
    health: buildHealth(values, source, listener),
    limits: buildLimits(values),
    validation: buildValidation(values, listener),
    audit: buildAudit(values, source),
    outgoing: { allowedNetworks: values.get('outgoing.allowednetworks') },
    scrub: buildScrub(values),
    backup: buildBackup(values, source.cwd, { storage, listener }),
    contents: buildContents(values),
  }
}

function buildContents(values: Values): ContentsConfig {
  return {
    entries: values.get('contents.entries'),
    layerBytes: values.get('contents.layerbytes'),
    fileBytes: values.get('contents.filebytes'),
    cacheBytes: values.get('contents.cachebytes'),
    readers: values.get('contents.readers'),
    archiveBytes: values.get('contents.archivebytes'),
  }
}

function buildScrub(values: Values): ScrubConfig {
  const schedule = values.get('scrub.schedule')
  return {
    bytesPerSecond: values.get('scrub.rate'),
    sample: values.get('scrub.sample'),
    schedule: schedule === 'off' ? undefined : schedule,
  }
}

function buildAudit(values: Values, { cwd }: Source): AuditConfig {
  const file = values.get('audit.file')
  const pulls = values.get('audit.pulls') === 'log'
  const isStandardOutput = file === '-' || (file === undefined && pulls)
  return {
    output: isStandardOutput ? 'standard-output' : file === undefined ? undefined : { file: resolve(cwd, file) },
    hasRecords: file !== undefined,
    hasPulls: pulls,
    retentionMs: values.get('audit.retention'),
  }
}

function checkVersion(values: Values, { file }: Source, { problem }: Listener): void {
  if (file !== undefined && !values.has('version')) problem({ path: 'version', expected: '0.1' })
}

function buildLog(values: Values): LogConfig {
  return {
    level: values.get('log.level') ?? values.get('loglevel') ?? 'info',
    formatter: values.get('log.formatter'),
    fields: values.get('log.fields'),
    accessLog: !values.get('log.accesslog.disabled'),
  }
}

function buildStorage(values: Values, { file, cwd }: Source, listener: Listener): StorageConfig {
  const driver = chooseDriver(values, file, listener)
  const root = values.get('storage.filesystem.rootdirectory') ?? (file === undefined ? 'data' : '/var/lib/registry')
  if (root === '') listener.problem({ path: 'storage.filesystem.rootdirectory', expected: 'a directory', found: '""' })
  checkPurging(values, listener)
  const rootDirectory = driver === 'filesystem' ? resolve(cwd, root) : undefined
  return {
    driver,
    rootDirectory,
    ...buildStores(values, cwd, { primary: { driver, rootDirectory }, listener }),
    s3: driver === 's3' ? buildS3(values, listener) : undefined,
    azure: driver === 'azure' ? buildAzure(values, listener) : undefined,
    gcs: driver === 'gcs' ? buildGcs(values, cwd, listener) : undefined,
    redirects: buildRedirects(values, cwd, listener),
    bufferBytes: values.get('storage.buffer'),
    deleteEnabled: values.get('storage.delete.enabled') ?? file === undefined,
    readOnly: values.get('storage.maintenance.readonly.enabled'),
    minimumFreeBytes: values.get('storage.minfreespace'),
    uploadPurging: {
      enabled: values.get('storage.maintenance.uploadpurging.enabled'),
      ageMs: values.get('storage.maintenance.uploadpurging.age'),
      intervalMs: values.get('storage.maintenance.uploadpurging.interval'),
      dryRun: values.get('storage.maintenance.uploadpurging.dryrun'),
    },
    garbageDelayMs: values.get('storage.garbagedelay'),
    readersDelayMs: values.get('storage.readersdelay'),
    trashWindowMs: values.get('storage.trash.window'),
  }
}

function chooseDriver(values: Values, file: string | undefined, { problem }: Listener): StorageConfig['driver'] {
  const { storage } = values.chosen
  if (storage.length > 1) problem({ path: 'storage', expected: 'exactly one driver', found: storage.join(', ') })
  if (storage.length === 0 && file !== undefined)
    problem({ path: 'storage', expected: `one of ${choicesOf('storage').join(', ')}`, found: 'no driver' })
  if (storage.some((name) => objectStores.has(name)) && !values.has('database.file') && !values.has('database.url')) {
    const kinds = 'database.file, on a disk of this machine (database: {file: /var/lib/berth/berth.db}), or database.url, PostgreSQL'
    const expected = `a place for the database, which cannot be kept in an object store: ${kinds} (database: {url: postgres://berth@host/berth})`
    problem({ path: 'database', expected })
  }
  const objectStore = (['s3', 'azure', 'gcs'] as const).find((name) => storage.includes(name))
  if (objectStore !== undefined) return objectStore
  return storage.includes('inmemory') ? 'memory' : 'filesystem'
}

/** registry:2 refuses to start when a key of a switched-on section is missing. */
function checkPurging(values: Values, { problem }: Listener): void {
  const section = 'storage.maintenance.uploadpurging'
  if (!values.has(section) || !values.get(`${section}.enabled`)) return
  const given = (['enabled', 'age', 'interval', 'dryrun'] as const).map((name) => `${section}.${name}` as const)
  if (!given.some((path) => values.has(path))) return
  for (const path of given) if (!values.has(path)) problem({ path, expected: 'a value, as the section is there' })
}

function buildAuth(values: Values, { file, cwd }: Source, { problem, warn }: Listener): AuthConfig {
  const kinds = values.chosen.auth
  if (kinds.length > 1) problem({ path: 'auth', expected: 'exactly one kind', found: kinds.join(', ') })
  const kind = kinds[0] ?? (file === undefined ? 'accounts' : 'none')
  if (kind === 'accounts') return { kind, realm: values.get('auth.accounts.realm') }
  if (kind === 'htpasswd') return buildHtpasswd(values, cwd, problem)
  if (kind === 'token') return buildOutsideToken(values, cwd, problem)
  if (kind === 'none') {
    const where = values.origin('auth') ?? 'no auth in the file'
    warn(
      `auth: this registry is open: whoever reaches it may use it without an account (${where}); add auth.htpasswd or auth: accounts to close it`,
    )
  }
  return { kind: 'open' }
}

function buildHtpasswd(values: Values, cwd: string, problem: Listener['problem']): AuthConfig {
  const realm = values.get('auth.htpasswd.realm') ?? ''
  const path = values.get('auth.htpasswd.path') ?? ''
  if (realm === '' && !values.has('auth.htpasswd.realm')) problem({ path: 'auth.htpasswd.realm', expected: 'a name for the realm' })
  if (path === '') problem({ path: 'auth.htpasswd.path', expected: 'the path of the password file' })
  return { kind: 'htpasswd', realm, path: resolve(cwd, path) }
}

const checkIntervalMs = 10_000
const checkTimeoutMs = 5000

function buildHealth(values: Values, { file, cwd }: Source, { problem }: Listener): HealthConfig {
  for (const [index, { addr }] of values.get('health.tcp').entries()) {
    if (parseTcpAddress(addr)?.host === undefined)
      problem({ path: `health.tcp[${index}].addr`, expected: 'host:port', found: JSON.stringify(addr) })
  }
  return {
    storageDriver: {
      enabled: values.get('health.storagedriver.enabled') ?? file === undefined,
      intervalMs: values.get('health.storagedriver.interval'),
      threshold: values.get('health.storagedriver.threshold') ?? (file === undefined ? 3 : 0),
    },
    file: values.get('health.file').map((check) => ({ file: resolve(cwd, check.file), intervalMs: check.interval ?? checkIntervalMs })),
    http: values.get('health.http').map((check) => ({
      uri: check.uri,
      headers: check.headers ?? {},
      statusCode: check.statuscode ?? 200,
      timeoutMs: check.timeout ?? checkTimeoutMs,
      intervalMs: check.interval ?? checkIntervalMs,
      threshold: check.threshold ?? 0,
    })),
    tcp: values.get('health.tcp').map((check) => ({
      addr: check.addr,
      timeoutMs: check.timeout ?? checkTimeoutMs,
      intervalMs: check.interval ?? checkIntervalMs,
      threshold: check.threshold ?? 0,
    })),
  }
}

function buildLimits(values: Values): LimitsConfig {
  const page = (entries: number) => (entries > 0 ? entries : 1000)
  return {
    manifestBytes: values.get('limits.manifestbytes'),
    cacheBytes: values.get('limits.cachebytes'),
    catalogEntries: page(values.get('catalog.maxentries')),
    tagEntries: page(values.get('tags.maxtags')),
    headerBytes: values.get('limits.headerbytes'),
    headersTimeoutMs: values.get('limits.headerstimeout'),
    bodyIdleTimeoutMs: values.get('limits.bodyidletimeout'),
    bodyBytesPerSecond: values.get('limits.bodybytespersecond'),
    uploadsPerActor: values.get('limits.uploadsperactor'),
  }
}

function buildValidation(values: Values, { problem }: Listener): ValidationConfig {
  const allow = values.get('validation.manifests.urls.allow')
  const deny = values.get('validation.manifests.urls.deny')
  const isOff = values.get('validation.disabled') && values.get('validation.enabled') !== true
  const platforms = values.get('validation.manifests.indexes.platforms')
  const list = values.get('validation.manifests.indexes.platformlist')
  if (platforms === 'list' && list.length === 0)
    problem({ path: 'validation.manifests.indexes.platformlist', expected: 'at least one platform' })
  return {
    indexPlatforms: platforms === 'list' ? list : platforms,
    // With neither list registry:2 refuses every URL, and with it every non-distributable layer, which the OCI specification wants accepted.
    urlsAllow: isOff || allow.length === 0 ? undefined : allow,
    urlsDeny: isOff || deny.length === 0 ? undefined : deny,
    referrersMayPrecedeBlobs: values.get('validation.manifests.referrersbeforeblobs'),
    verifyBlobsOnRead: values.get('validation.blobs.verifyonread'),
  }
}
