/**
 * Step-up: destructive administration asks again who sits at the screen.
 *
 * A session must have proved its person within the last ten minutes ({@link elevationMs}): by the sign-in, or by password or second factor again. A
 * password that comes with each request is proof by itself, for accounts with a second factor never come in by it. A program has no screen: a personal
 * token or bearer token must name the permission in its scopes, so that a token for all and sundry destroys nothing; a robot has it by a grant. A client
 * certificate is a file like a token, and has no scopes. What one may not do without a proof one cannot give away without it either: {@link unprovedOf}.
 */
import type { Permission } from '#api/permissions.ts'
import { hasSecondFactor } from '#metadata/second-factors.ts'
import { userRecord } from '#metadata/users.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Unproved } from './acting.ts'
import type { Directory } from './directory.ts'
import type { Principal } from './principal.ts'
import { requireOpenSession } from './sessions.ts'

/**
 * Throws ELEVATION_REQUIRED. `permission` is what the route demands; without one (one's own factors and sessions) only a session or a password will do.
 */
export async function requireElevation(directory: Directory, principal: Principal, permission: Permission | undefined): Promise<void> {
  const { credential, kind } = principal
  if (kind === 'robot') {
    if (permission === undefined) throw refusal('this is for people: robots have no sessions and no second factor')
    return
  }
  switch (credential.kind) {
    case 'session':
      return await requireFreshSession(directory, principal)
    case 'personal':
    case 'bearer':
      return requireNamed(principal, permission)
    case 'certificate':
      throw refusal(certificateMessage)
    // The password came with this very request; whoever has a second factor was refused with it.
    case 'password':
      return await requireNoFactor(directory, principal)
    case 'workload':
    case 'robot':
    case 'none':
      return
  }
}

/** Throws ELEVATION_REQUIRED as {@link requireElevation} does for one's own, for people with a second factor only. */
export async function requireElevationWithFactor(directory: Directory, principal: Principal): Promise<void> {
  if (await hasFactor(directory, principal)) await requireElevation(directory, principal, undefined)
}

/**
 * Which of these permissions the caller would be refused for by {@link requireElevation}, with what they are then told; undefined for none. Whoever gives a
 * permission away gives no more than they could use themselves at that moment.
 */
export async function unprovedOf(
  directory: Directory,
  principal: Principal,
  permissions: readonly Permission[],
): Promise<Unproved | undefined> {
  const { credential, kind } = principal
  if (kind === 'robot') return undefined
  switch (credential.kind) {
    case 'session': {
      const message = await staleSessionMessage(directory, principal)
      return message === undefined ? undefined : { permissions, message }
    }
    case 'personal':
    case 'bearer':
      return unnamedOf(principal, permissions)
    case 'certificate':
      return { permissions, message: certificateMessage }
    case 'password':
      return (await hasFactor(directory, principal)) ? { permissions, message: factorMessage } : undefined
    case 'workload':
    case 'robot':
    case 'none':
      return undefined
  }
}

/** What a caller by a session that has proved nobody of late is told; undefined for a fresh one, and for credentials of other kinds. */
export async function staleSessionMessage(directory: Directory, { credential }: Principal): Promise<string | undefined> {
  if (credential.kind !== 'session') return undefined
  if (credential.id === undefined) throw new RegistryError('UNAUTHORIZED')
  const session = await requireOpenSession(directory, credential.id)
  if (session.elevatedUntil > directory.ports.clock.now()) return undefined
  return await messageOfStale(directory, session.userId)
}

/** By which of the ways that the account has it is to be proved. */
async function messageOfStale({ metadata: { reader } }: Directory, userId: number | undefined): Promise<string> {
  const has = userId !== undefined && (await hasSecondFactor(reader, userId))
  if (has) return `this needs your second factor again: ${stepUpHow}`
  const record = userId === undefined ? undefined : await userRecord(reader, userId)
  if (record?.hasPassword !== false) return `this needs your password again: ${stepUpHow}`
  return 'this needs a sign-in of the last minutes, and your account has neither a password here nor a second factor: go to your identity provider again (POST /api/v1/session/elevation/provider), or sign out and in, then repeat the request'
}

const stepUpHow = 'POST /api/v1/session/elevation, then repeat the request'

/** Throws ELEVATION_REQUIRED for a session that has proved nobody of late. */
async function requireFreshSession(directory: Directory, principal: Principal): Promise<void> {
  const message = await staleSessionMessage(directory, principal)
  if (message !== undefined) throw refusal(message)
}

function isNamed({ rights }: Principal, permission: Permission): boolean {
  return rights.limits?.some(({ permissions }) => permissions.has(permission)) === true
}

function unnamedOf(principal: Principal, permissions: readonly Permission[]): Unproved | undefined {
  const unnamed = permissions.filter((permission) => !isNamed(principal, permission))
  return unnamed.length === 0 ? undefined : { permissions: unnamed, message: unnamedGiving }
}

function requireNamed(principal: Principal, permission: Permission | undefined): void {
  if (permission !== undefined && isNamed(principal, permission)) return
  throw refusal(
    permission === undefined
      ? 'a token cannot do this: sign in, or use the berth command with your password'
      : `a token can do this only when its scopes name ${permission}`,
  )
}

const unnamedGiving =
  'a token can delete or take over, or give away what does, only when its scopes name the permission: give your password instead'
const certificateMessage =
  'a client certificate is a file, and no proof of its person: give your password, or use a personal access token whose scopes name the permission'
const factorMessage = 'this needs your second factor: sign in, or use a personal access token whose scopes name the permission'

async function hasFactor({ metadata }: Directory, { kind, id }: Principal): Promise<boolean> {
  return kind === 'user' && id !== undefined && (await hasSecondFactor(metadata.reader, id))
}

async function requireNoFactor(directory: Directory, principal: Principal): Promise<void> {
  if (await hasFactor(directory, principal)) throw refusal(factorMessage)
}

function refusal(message: string): RegistryError {
  return new RegistryError('ELEVATION_REQUIRED', undefined, { message })
}
