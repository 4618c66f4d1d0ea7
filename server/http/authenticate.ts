/** Who asks, and whether they may: the only place that turns a principal's rights into 401, 403 or 405. */
import type { AccessAction } from '#access/access.ts'
import type { Principal } from '#access/principal.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import type { Exchange } from './exchange.ts'

/** What a request wants, as rights; `repository` is absent where none is concerned. */
export interface Demand {
  readonly action: AccessAction
  readonly repository: RepositoryName | undefined
}

/**
 * Throws UNAUTHORIZED (anonymous) or DENIED. The answer depends on the name and the rights alone, never on whether the repository exists. Returns
 * the principal and keeps it for the log.
 */
export async function authenticate(exchange: Exchange, { action, repository }: Demand): Promise<Principal> {
  const { access } = exchange.site.parts
  const principal = await authenticated(exchange, action, repository)
  exchange.notes.principal = principal
  if (access.may(principal, action, repository)) return principal
  const detail = accessDetail(action, repository)
  throw new RegistryError(principal.isAnonymous ? 'UNAUTHORIZED' : 'DENIED', detail)
}

async function authenticated(exchange: Exchange, action: AccessAction, repository: RepositoryName | undefined): Promise<Principal> {
  try {
    return await exchange.site.parts.access.authenticate(exchange.request.headers.authorization)
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code !== 'UNAUTHORIZED') throw error
    throw new RegistryError('UNAUTHORIZED', accessDetail(action, repository), { cause: error })
  }
}

/** Throws UNSUPPORTED (405) for a write to a read-only registry and for a delete where deletes are switched off, as registry:2 does. */
export function refuseSwitchedOff(exchange: Exchange, kind: 'read' | 'write' | 'delete'): void {
  const { storage } = exchange.site.parts.config
  if (kind === 'read') return
  if (storage.readOnly) throw new RegistryError('UNSUPPORTED', undefined, { message: 'the registry is read-only' })
  if (kind === 'delete' && !storage.deleteEnabled)
    throw new RegistryError('UNSUPPORTED', undefined, { message: 'deletes are switched off' })
}

/** registry:2's detail of a refusal: the rights that were asked for. */
function accessDetail(action: AccessAction, repository: RepositoryName | undefined): unknown {
  if (action === 'base') return null
  if (repository === undefined) return [{ Type: 'registry', Class: '', Name: 'catalog', Action: '*' }]
  const actions = action === 'push' ? ['pull', 'push'] : [action]
  return actions.map((one) => ({ Type: 'repository', Class: '', Name: repository, Action: one }))
}
