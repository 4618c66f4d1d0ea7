/**
 * Federated workloads: the token that a CI system or a cluster gives to each of its jobs (GitHub Actions, GitLab CI, Kubernetes, any OIDC issuer) as the
 * password of a robot, so that no secret lies in the CI.
 *
 * The problem: an issuer signs for everybody in the world, so its signature alone says nothing. The way: the issuer must be one enabled provider's, to the
 * letter; signature, times and age are checked by the provider's algorithms and keys; then a rule of a robot (robot-trusts.ts) must name the token's
 * audience and fit its claims. A name that is a robot's asks for that robot; any other name takes the one robot whose rules fit, if there is only one.
 */
import { createHash } from 'node:crypto'
import { decodeJwt, errors, jwtVerify, type JWTPayload } from 'jose'
import type { WorkloadSettings } from '#api/provider-settings.ts'
import { isThisMachine, type OutgoingHttp } from '#lib/outgoing-http.ts'
import { trustsInProvider, type TrustedRobot } from '#metadata/robot-trusts.ts'
import { workloadProviders, type WorkloadProviderRow } from '#metadata/workload-providers.ts'
import { RegistryError } from '#oci/errors.ts'
import { claimsFit, nameSomebody } from './claim-rules.ts'
import type { Directory } from './directory.ts'
import { EpochMemory, type AccessEpoch } from '#metadata/watch-access.ts'
import type { VerifyWorkload, WorkloadIdentity } from './hooks.ts'
import { IssuerKeys } from './issuer-keys.ts'
import { parseRobotName } from './robot-name.ts'

/** What workloads are verified with. `outgoing` gives a way out that trusts these authorities (PEM; empty: the well-known ones), and does without TLS where that is said. */
export interface WorkloadParts {
  readonly directory: Pick<Directory, 'metadata' | 'ports' | 'log'>
  readonly epoch: AccessEpoch
  readonly outgoing: (authorities: string, allowHttp: boolean) => Pick<OutgoingHttp, 'fetch'>
}

const ageMaxSeconds = 3600
const tokenLengthMax = 16 * 1024
const providersMax = 100
const trustsMax = 1_000
const remembered = 10_000

interface Issuer {
  readonly id: number
  readonly name: string
  readonly settings: WorkloadSettings
  readonly keys: IssuerKeys
}

/** Made once; remembers keys of issuers, and tokens until the access epoch changes. */
export function workloadVerifier(parts: WorkloadParts): VerifyWorkload {
  const verified = new EpochMemory<WorkloadIdentity>(parts.epoch, remembered)
  const issuers = new Issuers(parts)
  return async (token, name) => {
    if (token.length > tokenLengthMax) return undefined
    const id = createHash('sha256').update(name).update('\0').update(token).digest('base64')
    const identity = await verified.get(id, () => identify(parts, issuers, { token, name }))
    return identity === undefined || identity.expiresAt <= parts.directory.ports.clock.now() ? undefined : identity
  }
}

interface Presented {
  readonly token: string
  readonly name: string
}

async function identify({ directory }: WorkloadParts, issuers: Issuers, { token, name }: Presented): Promise<WorkloadIdentity | undefined> {
  const issuer = await issuers.named(issuerOf(token))
  const claims = issuer && (await claimsOf(directory, issuer, token))
  if (issuer === undefined || claims?.exp === undefined || claims.iat === undefined) return undefined
  const robot = parseRobotName(name)
  const trusts = await trustsInProvider(directory.metadata.reader, { providerId: issuer.id, ...(robot && { robot }), max: trustsMax })
  const robotId = onlyRobot(trusts.filter((trust) => isTrusted(directory.log, trust, { claims, settings: issuer.settings })))
  return robotId === undefined ? undefined : { robotId, expiresAt: Math.min(claims.exp, claims.iat + ageMaxSeconds) * 1000 }
}

/** Nothing that stands in the token is believed yet: this only says whose keys are to be asked. */
function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss
  } catch {
    return undefined
  }
}

async function claimsOf({ ports, log }: WorkloadParts['directory'], issuer: Issuer, token: string): Promise<JWTPayload | undefined> {
  const { settings, keys, name } = issuer
  try {
    const { payload } = await jwtVerify(token, keys.find, {
      issuer: settings.issuer,
      algorithms: settings.algorithms,
      clockTolerance: settings.clockToleranceSeconds,
      maxTokenAge: ageMaxSeconds,
      requiredClaims: ['iss', 'aud', 'exp', 'iat'],
      currentDate: new Date(ports.clock.now()),
    })
    return payload
  } catch (error) {
    // The issuer cannot be asked: that is no word about the token. All else is (a key that does not fit the algorithm throws what WebCrypto throws).
    if (error instanceof RegistryError) throw error
    log.info({ provider: name, reason: error instanceof errors.JOSEError ? error.code : 'unusable key' }, 'a workload token was refused')
    return undefined
  }
}

function isTrusted(
  log: WorkloadParts['directory']['log'],
  trust: TrustedRobot,
  { claims, settings }: { readonly claims: JWTPayload; readonly settings: WorkloadSettings },
): boolean {
  const { audience, claims: rules } = trust
  const audiences = Array.isArray(claims.aud) ? claims.aud : [claims.aud]
  if (!audiences.includes(audience) || !claimsFit(rules, claims)) return false
  // Verbs refuse such rules; a row may be older than that, or come from a copy of another database.
  if (nameSomebody(rules, settings)) return true
  const { id, robotName, project, provider } = trust
  log.warn(
    { trust: id, robot: robotName, project, provider },
    'a trust lets nobody in, for no rule of it says whose job it is: remove it, and add one with such a rule',
  )
  return false
}

/** Undefined when rules of several robots fit: which one is meant must be said by name. */
function onlyRobot(trusts: readonly TrustedRobot[]): number | undefined {
  const robots = new Set(trusts.map(({ robotId }) => robotId))
  const [robotId] = robots
  return robots.size === 1 && trusts.length < trustsMax ? robotId : undefined
}

/** Providers by the name of their issuer, each with its keys, which outlive changes of other rows. */
class Issuers {
  readonly #parts: WorkloadParts
  readonly #rows: EpochMemory<readonly WorkloadProviderRow[]>
  /** By id and version of the row. */
  readonly #known = new Map<string, Issuer>()

  constructor(parts: WorkloadParts) {
    this.#parts = parts
    this.#rows = new EpochMemory(parts.epoch, 1)
  }

  /** Undefined when no provider, or more than one, has this issuer. */
  async named(issuer: string | undefined): Promise<Issuer | undefined> {
    if (issuer === undefined) return undefined
    const all = (await this.#all()).filter(({ settings }) => settings.issuer === issuer)
    return all.length === 1 ? all[0] : undefined
  }

  async #all(): Promise<readonly Issuer[]> {
    const { directory } = this.#parts
    const rows = (await this.#rows.get('', () => workloadProviders(directory.metadata.reader, providersMax))) ?? []
    const current = new Set(rows.map(keyOf))
    for (const key of this.#known.keys()) if (!current.has(key)) this.#known.delete(key)
    return rows.map((row) => this.#open(row)).filter((issuer) => issuer !== undefined)
  }

  #open(row: WorkloadProviderRow): Issuer | undefined {
    const known = this.#known.get(keyOf(row))
    if (known !== undefined) return known
    const { directory, outgoing } = this.#parts
    try {
      // The provider's verbs let nothing in that is not complete.
      const settings = JSON.parse(row.settings) as WorkloadSettings
      const from = settings.jwksUrl === '' ? settings.issuer : settings.jwksUrl
      const isHere = URL.canParse(from) && isThisMachine(new URL(from))
      const keys = new IssuerKeys({ settings, http: outgoing(settings.authorities, isHere), ports: directory.ports, log: directory.log })
      const issuer = { id: row.id, name: row.name, settings, keys }
      this.#known.set(keyOf(row), issuer)
      return issuer
    } catch (error) {
      directory.log.error({ err: error, provider: row.name }, 'settings of a workload provider cannot be used')
      return undefined
    }
  }
}

function keyOf({ id, version }: WorkloadProviderRow): string {
  return `${id}/${version}`
}
