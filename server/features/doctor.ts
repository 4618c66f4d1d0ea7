/**
 * The doctor: quick looks at what a registry stands on, each with a sentence that says what to do.
 *
 * The problem: most of what goes wrong with a registry is not in it: a disk that is full or mounted read-only, a file of another user, a certificate that
 * ends, a clock that stepped. The way: checks that change nothing, each apart, so that one that cannot be made is itself a finding. {@link examine} looks from
 * outside, at a configuration, whether a server runs or not; {@link examineServer} from inside one. To add a look, add it to one of the lists.
 */
import { createServer } from 'node:net'
import type { Config } from '#config/config.ts'
import type { Ports } from '#lib/ports.ts'
import type { Reader } from '#metadata/metadata.ts'
import { codeOf, describe, fine, problem, runChecks, warning, type Diagnosis } from './doctor-check.ts'
import { checkAcme, checkCertificates } from './doctor-certificates.ts'
import { checkCache } from './doctor-cache.ts'
import { checkDatabase, checkRows } from './doctor-database.ts'
import { checkHtpasswd, checkPrivacy, checkSpace, checkStore, type DoctorParts } from './doctor-files.ts'
import { withoutWrongDisk } from './doctor-mark.ts'
import { checkOtherStores } from './doctor-stores.ts'

/** What is looked at from outside. `warnings` are those of the configuration. */
export interface Examined {
  readonly config: Config
  readonly warnings: readonly string[]
  readonly ports: Pick<Ports, 'clock' | 'files' | 'random' | 'timers'>
}

/** Everything that can be seen without a server. Opens the database for reading alone; makes one file in the data directory, and removes it. */
export async function examine({ warnings, ...parts }: Examined): Promise<Diagnosis[]> {
  const found = await runChecks({
    configuration: async () => checkConfiguration(parts, warnings),
    program: async () => [checkProgram()],
    storage: () => checkStore(parts),
    stores: () => checkOtherStores(parts),
    cache: () => checkCache(parts),
    'free space': () => checkSpace(parts),
    permissions: () => checkPrivacy(parts),
    database: () => checkDatabase(parts),
    certificate: () => checkCertificates(parts),
    htpasswd: () => checkHtpasswd(parts),
    port: () => checkPort(parts.config),
  })
  return withoutWrongDisk(found, parts)
}

/** What makes sense within a server: its reader is asked little, and never for all of the database. */
export async function examineServer(parts: DoctorParts, reader: Reader): Promise<Diagnosis[]> {
  const found = await runChecks({
    program: async () => [checkProgram()],
    storage: () => checkStore(parts),
    stores: () => checkOtherStores(parts),
    cache: () => checkCache(parts),
    'free space': () => checkSpace(parts),
    permissions: () => checkPrivacy(parts),
    rows: () => checkRows(parts, reader),
    certificate: () => checkCertificates(parts),
    'certificates by ACME': () => checkAcme(parts, reader),
    htpasswd: () => checkHtpasswd(parts),
  })
  return withoutWrongDisk(found, parts)
}

function checkConfiguration({ config }: DoctorParts, warnings: readonly string[]): readonly Diagnosis[] {
  const name = config.file ?? 'the configuration without a file'
  if (warnings.length === 0) return [fine('configuration', `${name} is fine`)]
  return warnings.map((text) => warning('configuration', text))
}

const leastMajor = 24

function checkProgram(): Diagnosis {
  const [major = '0'] = process.versions.node.split('.')
  if (Number(major) < leastMajor) return problem('program', `Node.js ${process.version} is too old: Berth needs ${leastMajor}`)
  return fine('program', `Node.js ${process.version}`)
}

/** A listener for an instant: the port is free, or taken by a server, or not to be had. */
async function checkPort({ http: { listen } }: Config): Promise<readonly Diagnosis[]> {
  if ('path' in listen || listen.port === 0) return []
  const { host, port } = listen
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const server = createServer().once('error', reject).listen({ host, port, exclusive: true }, resolve)
  try {
    await promise
    server.close()
    return [fine('port', `port ${port} is free`)]
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EADDRINUSE') return [fine('port', `port ${port} is in use: by a server that runs, or else the next start fails`)]
    if (code === 'EACCES') return [problem('port', `port ${port} is not for this user: choose one above 1023 in http.addr`)]
    return [problem('port', `port ${port} cannot be listened on: ${describe(error)}`)]
  }
}
