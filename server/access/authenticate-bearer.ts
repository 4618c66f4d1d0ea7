/** Bearer tokens: Berth's own, those of an outside token server, and personal tokens sent as Bearer. */
import type { Clock } from '#lib/ports.ts'
import type { Reader } from '#metadata/metadata.ts'
import { findUploadStart } from '#metadata/uploads.ts'
import { RegistryError } from '#oci/errors.ts'
import type { AccountBook } from './accounts.ts'
import type { BearerIdentity, SignInHooks } from './hooks.ts'
import type { Principal } from './principal.ts'
import type { Requester } from './requester.ts'

/** How long after its end a token may still finish an upload that began under it. */
const graceMs = 24 * 60 * 60_000

/** What bearer tokens are judged with. */
export interface BearerParts {
  readonly accounts: AccountBook
  readonly hooks: SignInHooks
  readonly reader: Reader
  readonly clock: Clock
}

/** Throws UNAUTHORIZED. */
export async function authenticateBearer(parts: BearerParts, token: string, requester: Requester): Promise<Principal> {
  try {
    const identity = await parts.hooks.verifyBearer?.(token)
    if (identity === undefined) throw new RegistryError('UNAUTHORIZED')
    const principal = await principalOf(parts, identity, requester)
    if (identity.expiresAt <= parts.clock.now()) await requireOwnUpload(parts, { identity, principal }, requester.uploadId)
    parts.hooks.noteAttempt?.('bearer', 'success')
    return principal
  } catch (error) {
    parts.hooks.noteAttempt?.('bearer', 'failure')
    throw error
  }
}

async function principalOf(parts: BearerParts, identity: BearerIdentity, { address }: Requester): Promise<Principal> {
  const { accounts, clock } = parts
  const { owner, limits, accountVersion } = identity
  const entrance = { credential: { kind: 'bearer' }, limits } as const
  const isStale = (account: { readonly version: number }) => accountVersion !== undefined && accountVersion !== account.version
  switch (owner.kind) {
    case 'user': {
      const user = await accounts.user({ id: owner.id })
      if (user === undefined || isStale(user)) throw new RegistryError('UNAUTHORIZED')
      const principal = await accounts.personPrincipal(user, entrance)
      // The look at what the account comes from may just have changed it.
      const now = await accounts.user({ id: owner.id })
      if (now === undefined || isStale(now)) throw new RegistryError('UNAUTHORIZED')
      return principal
    }
    case 'robot': {
      const robot = await accounts.robot(owner.id)
      if (robot === undefined || isStale(robot)) throw new RegistryError('UNAUTHORIZED')
      return await accounts.robotPrincipal(robot, entrance, { now: clock.now(), address })
    }
    case 'external':
      // The outside server has judged: its token is the right, and its bounds.
      return external(owner.name, { credential: entrance.credential, rights: { isAdministrator: false, rights: limits, limits } })
    case 'anonymous':
      return await accounts.anonymous(entrance)
  }
}

function external(name: string, rest: Pick<Principal, 'credential' | 'rights'>): Principal {
  // An outside server may vouch for nobody in particular.
  if (name === '') return { key: '', name: '', kind: 'anonymous', isAnonymous: true, ...rest }
  return { key: `external:${name}`, name, kind: 'external', isAnonymous: false, ...rest }
}

/** A token that has ended may go on with an upload of its owner that began while it was good. */
async function requireOwnUpload(
  { reader, clock }: BearerParts,
  { identity, principal }: { readonly identity: BearerIdentity; readonly principal: Principal },
  uploadId: string | undefined,
): Promise<void> {
  const upload = uploadId === undefined ? undefined : await findUploadStart(reader, uploadId)
  const isGood =
    upload?.actorKey === principal.key &&
    upload.startedAt >= identity.issuedAt &&
    upload.startedAt < identity.expiresAt &&
    clock.now() - identity.expiresAt < graceMs
  if (!isGood) throw new RegistryError('UNAUTHORIZED')
}
