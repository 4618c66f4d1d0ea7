/** The database: is it whole, is it this program's, does it open with the keys that are there, and what lies in it that somebody should look at. */
import { join } from 'node:path'
import { openSealed } from '#access/reseal.ts'
import { loadSecretKeys } from '#access/secret-keys.ts'
import { createSecretBox } from '#access/secret-box.ts'
import type { PostgresConfig } from '#config/config.ts'
import { describeDatabase } from '#config/database-place.ts'
import { inspectPostgres } from '#metadata/inspect-postgres.ts'
import { inspectSqlite, type InspectedDatabase } from '#metadata/inspect-sqlite.ts'
import { readLeftovers, sampleBlobs } from '#metadata/doctor-reads.ts'
import type { Reader } from '#metadata/metadata.ts'
import { projectsWithNetworks } from '#metadata/project-networks.ts'
import { countQuarantined } from '#metadata/scrub-findings.ts'
import { sealedValues } from '#metadata/sealed-values.ts'
import { copyAdvice, copyMark } from '#metadata/schema-state.ts'
import { lockForServing } from '#metadata/sqlite-lock.ts'
import { readSystemSettings } from '#metadata/system-settings.ts'
import { verifyUsage } from '#metadata/usage-verify.ts'
import { checkBackups } from './doctor-backups.ts'
import { fine, problem, runChecks, warning, type Diagnosis } from './doctor-check.ts'
import { statOf, type DoctorParts } from './doctor-files.ts'
import { checkStoresOfRows } from './doctor-stores.ts'
import { checkMark, checkMarkAlone } from './doctor-mark.ts'
import { checkNodes } from './doctor-nodes.ts'
import { checkReplication } from './doctor-replication.ts'

const hourMs = 60 * 60 * 1_000
const dayMs = 24 * hourMs

/** All of it. Nothing is changed. */
export async function checkDatabase(parts: DoctorParts): Promise<readonly Diagnosis[]> {
  const { database: kept } = parts.config
  if (kept.driver === 'postgres') return await checkServer(parts, kept)
  const { file } = kept
  if (file === ':memory:') return [warning('database', 'the database is in memory and ends with the process: for trials only')]
  if (((await statOf(parts.ports, file))?.size ?? 0) === 0) {
    const absent = warning('database', `${file} is not there: the first start makes it`)
    return [absent, ...(await runChecks({ store: () => checkMarkAlone(parts) }))]
  }
  await using database = await inspectSqlite(file, parts.ports.files)
  return await runChecks({
    database: () => checkWhole(database, file),
    ...(database.missing.length + database.unknown.length === 0 && {
      usage: () => checkUsage(parts, file, database.reader),
      rows: () => checkRows(parts, database.reader),
    }),
  })
}

/** PostgreSQL looks after its own pages; what is asked is whether it answers and whose schema it has. */
async function checkServer(parts: DoctorParts, kept: PostgresConfig): Promise<readonly Diagnosis[]> {
  const place = describeDatabase(kept)
  const opened = await inspectPostgres({ ...kept, ports: parts.ports }).catch((error: unknown) => error as Error)
  if (opened instanceof Error) return [problem('database', `${place} does not answer (${opened.message}): see database.url`)]
  await using database = opened
  const answers = fine('database', `${place} answers (PostgreSQL ${database.version})`)
  const schema = checkSchema(database)
  const isOwn = database.missing.length + database.unknown.length === 0
  const replication = await runChecks({ database: () => checkReplication(database.reader) })
  return [answers, ...replication, schema, ...(isOwn ? await checkRows(parts, database.reader) : [])]
}

/** What can be asked of the rows of a database that is this program's, by a server of its own too. */
export function checkRows(parts: DoctorParts, reader: Reader): Promise<readonly Diagnosis[]> {
  return runChecks({
    store: () => checkMark(parts, reader),
    stores: () => checkStoresOfRows(parts, reader),
    blobs: () => checkBlobs(parts, reader),
    secrets: () => checkSecrets(parts, reader),
    leftovers: () => checkLeftovers(parts, reader),
    proxies: () => checkProxies(parts, reader),
    nodes: () => checkNodes(reader),
    backups: () => checkBackups(parts, reader),
  })
}

async function checkWhole(database: InspectedDatabase, file: string): Promise<readonly Diagnosis[]> {
  const faults = await database.integrityFaults()
  if (faults.length > 0)
    return [
      problem('database', `${file} is damaged (${faults.join('; ')}): stop the server and restore a backup, before anything is written`),
    ]
  const whole = fine('database', `${file} is whole`)
  return [whole, checkSchema(database)]
}

function checkSchema({ missing, unknown, mayServe }: Pick<InspectedDatabase, 'missing' | 'unknown' | 'mayServe'>): Diagnosis {
  if (unknown.includes(copyMark)) return problem('schema', copyAdvice)
  if (mayServe && unknown.length > 0) return fine('schema', `a newer Berth made it (${unknown.join(', ')}), and this one may run on it`)
  if (unknown.length > 0)
    return problem('schema', `a newer Berth wrote it (${unknown.join(', ')}): run that version, or restore the backup from before`)
  if (missing.length > 0)
    return warning('schema', `an older Berth wrote it: the next start brings it up to ${missing.at(-1)}; make a backup first`)
  return fine('schema', 'it is what this program writes')
}

/** Compares what is counted with what is there, where nobody writes meanwhile. */
async function checkUsage({ ports }: DoctorParts, file: string, reader: Reader): Promise<readonly Diagnosis[]> {
  // Making the lock's file as another user would keep the server from it.
  if ((await statOf(ports, `${file}.serving`)) === undefined) return []
  using lock = lockForServing(file)
  if (lock === undefined) return [fine('usage', 'a server is running: berth usage verify compares the counts beside it')]
  const { faults } = await verifyUsage(reader)
  if (faults.length === 0) return [fine('usage', 'what is counted is what is there')]
  return [warning('usage', `${faults.length} counts are not what is there: berth usage verify --repair sets them right`)]
}

/** Of the oldest and of the newest blobs, so many are looked for. */
const sampledBlobs = 10

/** A disk that is not mounted leaves an empty directory, which takes bytes as any other does. */
async function checkBlobs({ config, ports }: DoctorParts, reader: Reader): Promise<readonly Diagnosis[]> {
  const root = config.storage.rootDirectory
  if (root === undefined) return []
  const sample = await sampleBlobs(reader, config.storage.name, sampledBlobs)
  const absent = []
  for (const blob of sample) if ((await statOf(ports, join(root, blob.key))) === undefined) absent.push(blob)
  if (absent.length === sample.length && sample.length > 0)
    return [
      problem(
        'blobs',
        `none of ${sample.length} blobs that were looked for is in ${root}: is its disk mounted? Pulls fail until they are back`,
      ),
    ]
  const lost = absent.filter(({ isQuarantined }) => !isQuarantined).length
  const found: Diagnosis[] = []
  if (lost > 0)
    found.push(
      problem('blobs', `${lost} of ${sample.length} blobs that were looked for are not in ${root}: berth scrub finds all that are missing`),
    )
  const quarantined = await countQuarantined(reader)
  if (quarantined > 0)
    found.push(
      problem(
        'blobs',
        `${quarantined} blobs are in quarantine: they are missing for everyone until they are pushed again; see berth scrub findings`,
      ),
    )
  return found.length > 0 ? found : [fine('blobs', `${sample.length} that were looked for are there, and none is in quarantine`)]
}

async function checkSecrets({ config, ports }: DoctorParts, reader: Reader): Promise<readonly Diagnosis[]> {
  const { keyFile, keys } = config.secrets
  if (keys.length === 0 && keyFile === undefined) return [fine('secrets', 'the key that seals secrets lives as long as the process')]
  const sealed = await sealedValues(reader)
  if (keys.length === 0 && (keyFile === undefined || (await statOf(ports, keyFile)) === undefined)) {
    if (sealed.length === 0) return [fine('secrets', 'nothing is sealed yet')]
    return [
      problem(
        'secrets',
        `${keyFile ?? 'secrets.keyfile'} is not there, and ${sealed.length} values are sealed under it: put it back from its copy`,
      ),
    ]
  }
  const box = createSecretBox(await loadSecretKeys(config.secrets, ports), ports.random)
  const broken = sealed.filter((value) => openSealed(box, value) === undefined)
  if (broken.length > 0)
    return [
      problem(
        'secrets',
        `${broken.length} of ${sealed.length} sealed values do not open: bring the key back that sealed them (secrets.keyfile)`,
      ),
    ]
  return [fine('secrets', `all ${sealed.length} sealed values open`)]
}

async function checkLeftovers({ ports }: DoctorParts, reader: Reader): Promise<readonly Diagnosis[]> {
  const now = ports.clock.now()
  const left = await readLeftovers(reader, now - hourMs)
  const found: Diagnosis[] = []
  const say = (isSo: boolean, message: string) => void (isSo && found.push(warning('leftovers', message)))
  say(
    left.failedJobs > 0,
    `${left.failedJobs === 1 ? '1 job has' : `${left.failedJobs} jobs have`} failed: see berth job list --state failed`,
  )
  say(
    left.overdueJobs > 0,
    `${left.overdueJobs === 1 ? '1 job has' : `${left.overdueJobs} jobs have`} waited for more than an hour: does a server run?`,
  )
  say(
    left.findings > 0,
    `scrub knows of ${left.findings === 1 ? '1 thing that is' : `${left.findings} things that are`} wrong: see berth scrub findings`,
  )
  say(
    (left.oldestReviewAt ?? now) < now - dayMs,
    'garbage has waited for its review for more than a day: does a server run, and is garbage collection on?',
  )
  say(
    (left.oldestDeletionAt ?? now) < now - dayMs,
    'bytes have waited for their deletion for more than a day: does a server run, and is garbage collection on?',
  )
  say(
    left.unfinishedDeletions > 0,
    `${left.unfinishedDeletions === 1 ? '1 file is' : `${left.unfinishedDeletions} files are`} being deleted just now, or could not be: the lines of the last collection tell (berth job list --kind collect-garbage)`,
  )
  const { newestEventAt = 0 } = left
  if (newestEventAt > now + 60_000)
    found.push(
      problem(
        'clock',
        `the newest record is of ${new Date(newestEventAt).toISOString()}, which has not come yet: set the clock right (NTP)`,
      ),
    )
  return found.length > 0 ? found : [fine('leftovers', 'no work is left lying')]
}

const everyone = new Set(['0.0.0.0/0', '::/0'])

async function checkProxies({ config }: DoctorParts, reader: Reader): Promise<readonly Diagnosis[]> {
  const { trustedProxies, isEveryNeighbourTrusted } = config.http
  if (trustedProxies.some((range) => everyone.has(range)))
    return [problem('proxies', 'http.trustedproxies has every address: any client can claim to be another; name your proxies alone')]
  const { networks } = (await readSystemSettings(reader)).settings
  const hasRules = networks.allow.length + networks.deny.length > 0 || (await projectsWithNetworks(reader)).length > 0
  if (isEveryNeighbourTrusted && hasRules)
    return [
      warning(
        'proxies',
        'addresses decide who comes in, and http.trustedproxies has all private ones: name your proxies in place of `private`, or neighbours can claim any address',
      ),
    ]
  return [fine('proxies', hasRules ? 'rules of networks rest on known proxies' : 'no rule depends on addresses')]
}
