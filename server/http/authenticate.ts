/** Who asks, and whether they may: the only place that turns a principal's rights on /v2 into 401, 403, 404 or 405. */
import type { Principal } from '#access/principal.ts'
import type { Permission } from '#api/permissions.ts'
import { RegistryError } from '#oci/errors.ts'
import { readOnlyRefusal } from '#oci/read-only.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { repositoryExists } from '#registry/find-repository.ts'
import { refusalDetail, scopeText, type Wanted } from './wanted.ts'
import type { Exchange } from './exchange.ts'
import { judge, type Verdict } from './hiding.ts'
import { makeProjectForPush } from './make-project.ts'
import { noteLogin, notePasswordLogin, noteRefusal, noteWrongCredential } from './note-refusal.ts'
import { requesterOf } from './requester.ts'

/** What a request wants. */
export interface Demand extends Wanted {
  /** Of the route, where it goes on with an upload. */
  readonly uploadId?: string | undefined
  /** The request makes the repository where it is not there yet. */
  readonly createsRepository?: boolean | undefined
}

/** A request that may go on. `absent`: with the answer of a repository that is not there. */
export interface Admitted {
  readonly principal: Principal
  /** By its present name; undefined where the request is about none. */
  readonly repository: RepositoryName | undefined
  readonly isAbsent: boolean
}

/**
 * Throws UNAUTHORIZED (no credential, a wrong one, or a token without the scope) or DENIED. The answer depends on the name and the rights alone, never
 * on what is there that the caller may not see. Keeps the principal for the log.
 */
export async function authenticate(exchange: Exchange, demand: Demand): Promise<Admitted> {
  const principal = await identify(exchange, demand)
  if (demand.permission === 'identity') {
    if (principal.credential.kind === 'none' && exchange.site.parts.config.auth.kind !== 'open') throw refusal(exchange, demand, 'refused')
    noteLogin(exchange, principal)
    return { principal, repository: undefined, isAbsent: false }
  }
  if (demand.permission === 'visible' || demand.repository === undefined) return { principal, repository: undefined, isAbsent: false }
  return await admit(exchange, { principal, demand, permission: demand.permission, asked: demand.repository })
}

interface Wish {
  readonly principal: Principal
  readonly demand: Demand
  readonly permission: Permission
  readonly asked: RepositoryName
}

async function admit(exchange: Exchange, { principal, demand, permission, asked }: Wish): Promise<Admitted> {
  const { access, registry } = exchange.site.parts
  const judged = await judge(access, principal, permission, asked)
  const { repository, project } = judged
  let { verdict } = judged
  const mayBeNew = demand.createsRepository === true && (verdict === 'allowed' || verdict === 'refused')
  if (mayBeNew && project.isDefault && (await makeProjectForPush(exchange, principal, repository))) {
    const maker = await identify(exchange, demand)
    return await admit(exchange, { principal: maker, demand, permission, asked })
  }
  if (mayBeNew && verdict === 'allowed' && !(await access.may(principal, 'repository:create', { repository }))) {
    if (!(await repositoryExists(registry, repository))) verdict = (await judge(access, principal, 'repository:create', asked)).verdict
  }
  if (verdict === 'allowed') {
    exchange.notes.project = project
    return { principal, repository, isAbsent: false }
  }
  if (verdict === 'absent') return { principal, repository: asked, isAbsent: true }
  throw refusal(exchange, demand, verdict)
}

/** A catalog or the like that its credential does not reach: UNAUTHORIZED with the scope that would. */
export function refuseScope(exchange: Exchange, wanted: Wanted): RegistryError {
  return refusal(exchange, wanted, 'scope')
}

/** A person or program that has shown no credential: UNAUTHORIZED with a challenge. */
export function refuseAnonymous(exchange: Exchange, wanted: Wanted): RegistryError {
  return refusal(exchange, wanted, 'refused')
}

async function identify(exchange: Exchange, demand: Demand): Promise<Principal> {
  const { access } = exchange.site.parts
  const requester = { ...requesterOf(exchange), isRegistryRequest: true, uploadId: demand.uploadId }
  try {
    const principal = await access.authenticate(requester)
    exchange.notes.principal = principal
    // A ping is a login whatever the memory knew; `authenticate` notes it.
    if (demand.permission !== 'identity') notePasswordLogin(exchange, principal)
    return principal
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error
    noteWrongCredential(exchange, error)
    if (error.code !== 'UNAUTHORIZED') throw error
    exchange.notes.challenge = { scope: scopeText(demand), error: 'invalid_token' }
    throw new RegistryError('UNAUTHORIZED', refusalDetail(demand), { cause: error, message: error.message })
  }
}

/** What is thrown. Asking for a credential, or for a wider token, is no answer to who has shown a whole one that does not do. */
function refusal(exchange: Exchange, wanted: Wanted, verdict: Exclude<Verdict, 'allowed' | 'absent'>): RegistryError {
  const { principal } = exchange.notes
  const isBearer = principal?.credential.kind === 'bearer'
  const asksAnew = principal === undefined || principal.isAnonymous || (isBearer && (verdict === 'scope' || principal.kind === 'external'))
  exchange.notes.challenge = { scope: scopeText(wanted), error: isBearer ? 'insufficient_scope' : undefined }
  if (principal !== undefined && principal.credential.kind !== 'none') noteRefusal(exchange, wanted, asksAnew ? 'UNAUTHORIZED' : 'DENIED')
  return new RegistryError(asksAnew ? 'UNAUTHORIZED' : 'DENIED', refusalDetail(wanted))
}

/** Throws UNSUPPORTED (405) for a write to a read-only registry and for a delete where deletes are switched off, as registry:2 does. */
export function refuseSwitchedOff(exchange: Exchange, kind: 'read' | 'write' | 'delete'): void {
  const { storage } = exchange.site.parts.config
  if (kind === 'read') return
  if (storage.readOnly) throw readOnlyRefusal()
  if (kind === 'delete' && !storage.deleteEnabled)
    throw new RegistryError('UNSUPPORTED', undefined, { message: 'deletes are switched off' })
}
