/**
 * What a request meets before its verb: the networks of the registry and of projects, limits of rate, and read-only mode.
 *
 * In order: {@link gateAddress} before anybody is asked who they are, {@link gatePrincipal} once that and the project are known, {@link gateWrite} for what
 * would change something. Probes pass by. Limits count in this process; with none set, nothing is counted. Addresses are those behind trusted proxies.
 */
import type { ProjectFacts } from '#access/decide.ts'
import { clientNetwork } from '#access/networks.ts'
import type { Principal } from '#access/principal.ts'
import type { RouteContract } from '#api/contract.ts'
import type { Permission } from '#api/permissions.ts'
import type { SystemState } from '#features/system-rules.ts'
import { TokenBuckets, type BucketLimit, type BucketState } from '#lib/token-buckets.ts'
import { RegistryError } from '#oci/errors.ts'
import { readOnlyRefusal } from '#oci/read-only.ts'
import type { Admitted } from './authenticate.ts'
import { exchangeCaller, type Exchange, type HttpParts } from './exchange.ts'
import { whoOf } from './requester.ts'

/** Senders that are remembered: some 20 MiB at worst. */
const bucketsMax = 100_000
/** A wrong credential counts as much as so many requests. */
const wrongCredentialTokens = 10

interface Limiter {
  readonly addresses: TokenBuckets
  readonly credentials: TokenBuckets
}

const limiters = new WeakMap<HttpParts, Limiter>()

function limiterOf(parts: HttpParts): Limiter {
  const known = limiters.get(parts)
  if (known !== undefined) return known
  const made = { addresses: new TokenBuckets(bucketsMax), credentials: new TokenBuckets(bucketsMax) }
  limiters.set(parts, made)
  return made
}

/** The limit that a request was counted under. */
const limits = new WeakMap<Exchange['notes'], BucketLimit>()

/** Throws ADDRESS_DENIED or TOOMANYREQUESTS by the caller's address. */
export async function gateAddress(exchange: Exchange): Promise<void> {
  const { parts } = exchange.site
  const { settings, networks } = await parts.system.current()
  const { address } = exchangeCaller(exchange)
  if (!networks.admits(address)) throw refusedAddress(exchange, address)
  const limit = settings.rateLimits.perAddress
  if (limit === null) return
  limits.set(exchange.notes, limit)
  const state = limiterOf(parts).addresses.take(clientNetwork(address), limit, parts.ports.clock.monotonic())
  limitHeaders(exchange, 'address', limit, state)
  if (!state.isAllowed) throw tooMany(exchange, 'address', state)
}

/** Throws ADDRESS_DENIED when the project is not for the caller's address, TOOMANYREQUESTS by the credential. */
export async function gatePrincipal(exchange: Exchange, principal: Principal, project: ProjectFacts | undefined): Promise<void> {
  const { parts } = exchange.site
  const { settings, projectNetworks } = await parts.system.current()
  if (project !== undefined && projectNetworks.size > 0) gateProject(exchange, project, projectNetworks)
  const limit = settings.rateLimits.perCredential
  if (limit === null || principal.isAnonymous) return
  const { kind, id } = principal.credential
  const key = `${principal.key} ${kind} ${id ?? ''}`
  const state = limiterOf(parts).credentials.take(key, limit, parts.ports.clock.monotonic())
  limitHeaders(exchange, 'credential', limit, state)
  if (!state.isAllowed) throw tooMany(exchange, 'credential', state)
}

/** {@link gatePrincipal} for a request on /v2, whose repository the caller may see. */
export async function gateAdmitted(exchange: Exchange, { principal, repository, isAbsent }: Admitted): Promise<void> {
  const { access, system } = exchange.site.parts
  const hasRules = repository !== undefined && !isAbsent && (await system.current()).projectNetworks.size > 0
  await gatePrincipal(exchange, principal, hasRules ? (await access.locate(repository)).project : undefined)
}

/** What belongs to sessions by its path, and changes the account. */
const ofTheAccount = /^\/session\/(?:password|account|factors|identities)(?:\/|$)/u

/** What ends a way in: a secret that leaked, or a right of somebody who left, must not wait for the end of a move. */
const waysOut: ReadonlySet<string> = new Set([
  'DELETE /tokens/{token}',
  'DELETE /users/{user}/tokens/{token}',
  'DELETE /robots/{robot}/secrets/{secret}',
  'DELETE /projects/{project}/robots/{robot}/secrets/{secret}',
  'DELETE /grants/{grant}',
  'DELETE /projects/{project}/grants/{grant}',
])

/** What still works while the registry is read-only: signing in and out, taking back what lets somebody in, and switching it off (whose handler looks at the rest). */
function worksReadOnly({ method, path, tag }: RouteContract): boolean {
  return (
    method === 'GET' || (tag === 'session' && !ofTheAccount.test(path)) || path === '/system/settings' || waysOut.has(`${method} ${path}`)
  )
}

/** {@link gatePrincipal} and {@link gateWrite} for a call of the management API. */
export async function gateCall(
  exchange: Exchange,
  contract: RouteContract,
  { principal, project }: { readonly principal: Principal; readonly project: ProjectFacts | undefined },
): Promise<void> {
  await gatePrincipal(exchange, principal, keepsTheRules(contract, principal) ? undefined : project)
  if (!worksReadOnly(contract)) await gateWrite(exchange)
}

/** What shows a project and its lists of addresses, and changes those: no content. */
const ruleCalls: ReadonlySet<string> = new Set([
  'GET /projects/{project}',
  'GET /projects/{project}/networks',
  'PUT /projects/{project}/networks',
])

/** Whether an administrator of the system looks after the lists of a project: from anywhere, or nobody could ever open again what shut everybody out. */
function keepsTheRules({ method, path }: RouteContract, { rights }: Principal): boolean {
  return rights.isAdministrator && ruleCalls.has(`${method} ${path}`)
}

/** Of the project and of those above it: each may refuse. */
function gateProject(exchange: Exchange, project: ProjectFacts, projectNetworks: SystemState['projectNetworks']): void {
  const { address } = exchangeCaller(exchange)
  if (!admits(projectNetworks, project.lineage, address)) throw refusedAddress(exchange, address, project.name)
}

function admits(projectNetworks: SystemState['projectNetworks'], projectIds: Iterable<number>, address: string): boolean {
  for (const id of projectIds) if (projectNetworks.get(id)?.admits(address) === false) return false
  return true
}

/** Whether what is in the project may be had from the caller's address; without a project: what is in any. */
export async function isInReach(exchange: Exchange, project: ProjectFacts | undefined): Promise<boolean> {
  const { projectNetworks } = await exchange.site.parts.system.current()
  return admits(projectNetworks, project?.lineage ?? projectNetworks.keys(), exchangeCaller(exchange).address)
}

type Seen = Awaited<ReturnType<HttpParts['access']['visibility']>>

/** What of lists the caller may see from where they are. */
export async function visibleHere(exchange: Exchange, principal: Principal, permission: Permission): Promise<Seen> {
  const { access, system } = exchange.site.parts
  const visible = await access.visibility(principal, permission)
  // That a project is there is no content, and administrators of the system are who opens one again.
  if (permission === 'project:list' && principal.rights.isAdministrator) return visible
  const reach = await system.reach(exchangeCaller(exchange).address)
  return reach === undefined ? visible : bounded(visible, reach)
}

function bounded(visible: Seen, reach: Seen): Seen {
  if (visible.kind === 'everything') return reach
  if (visible.kind === 'nothing') return visible
  return { ...visible, within: visible.within === undefined ? reach : bounded(visible.within, reach) }
}

/** Throws UNSUPPORTED while administrators, or the configuration, keep the registry read-only. */
export async function gateWrite({ site }: Exchange): Promise<void> {
  const { config, system } = site.parts
  if (config.storage.readOnly) throw readOnlyRefusal()
  if ((await system.current()).settings.isReadOnly) throw readOnlyRefusal('an administrator has switched that on')
}

/** A wrong credential was shown: guessing is limited more strictly than asking. */
export function chargeWrongCredential(exchange: Exchange): void {
  const { parts } = exchange.site
  const limit = limits.get(exchange.notes)
  if (limit === undefined) return
  const sender = clientNetwork(exchangeCaller(exchange).address)
  limiterOf(parts).addresses.charge(sender, limit, { nowMs: parts.ports.clock.monotonic(), tokens: wrongCredentialTokens - 1 })
}

function refusedAddress(exchange: Exchange, address: string, project?: string): RegistryError {
  noteGate(exchange, { target: project === undefined ? 'system' : `project:${project}`, project }, 'ADDRESS_DENIED')
  const rule =
    project === undefined
      ? 'administrators of the registry set which addresses are'
      : `administrators of project ${project} set which addresses are, and administrators of the registry may from anywhere`
  const message = `access from ${address === '' ? 'this address' : address} is not allowed: ${rule}`
  return new RegistryError('ADDRESS_DENIED', undefined, { message })
}

/** draft-ietf-httpapi-ratelimit-headers: what the policy is, and what is left of it. */
function limitHeaders({ response }: Exchange, name: string, { requestsPerSecond, burst }: BucketLimit, state: BucketState): void {
  response.appendHeader('RateLimit-Policy', `"${name}";q=${Math.floor(burst)};w=${Math.max(1, Math.ceil(burst / requestsPerSecond))}`)
  response.appendHeader('RateLimit', `"${name}";r=${state.remaining};t=${Math.ceil(state.resetSeconds)}`)
}

/** Counted in memory until it is written, so a flood of refused pulls is one row every few seconds. */
function noteGate(
  exchange: Exchange,
  subject: { readonly target: string; readonly project?: string | undefined; readonly detail?: Readonly<Record<string, unknown>> },
  reason: 'ADDRESS_DENIED' | 'TOOMANYREQUESTS',
): void {
  const { principal } = exchange.notes
  const who =
    principal === undefined
      ? {
          actor: '',
          requestId: exchange.requestId,
          address: exchangeCaller(exchange).address,
          userAgent: exchange.request.headers['user-agent'],
        }
      : whoOf(exchange, principal)
  exchange.site.parts.audit.note({ action: 'access.refused', ...subject }, { ...who, outcome: 'failure', reason })
}

function tooMany(exchange: Exchange, limit: 'address' | 'credential', { waitSeconds }: BucketState): RegistryError {
  exchange.site.parts.metrics.limited(limit)
  noteGate(exchange, { target: 'system', detail: { limit } }, 'TOOMANYREQUESTS')
  return new RegistryError('TOOMANYREQUESTS', undefined, { retryAfterSeconds: Math.max(1, Math.ceil(waitSeconds)) })
}
