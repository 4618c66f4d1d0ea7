/** From a password that was found right to a session, and how often second factors may be guessed at. */
import type { Who } from '#events/event.ts'
import { findUserFacts } from '#metadata/account-facts.ts'
import { hasSecondFactor } from '#metadata/second-factors.ts'
import { RegistryError } from '#oci/errors.ts'
import { BackOff } from './back-off.ts'
import type { Directory } from './directory.ts'
import { proveFactor, type FactorProof, type Person } from './second-factors.ts'
import { createSession, noteWrongFactor, type FreshSession } from './sessions.ts'
import type { RelyingParty } from './webauthn.ts'

/** Opens a session for whoever has just given the right password; one that asks for the second factor when the account has one. */
export async function openByPassword(
  directory: Directory,
  opening: { readonly userId: number; readonly replaces: number | undefined },
  who: Who,
): Promise<FreshSession> {
  const { reader } = directory.metadata
  const user = await findUserFacts(reader, { id: opening.userId })
  if (user === undefined || user.isDisabled) throw new RegistryError('UNAUTHORIZED')
  const state = (await hasSecondFactor(reader, user.id)) ? 'second-factor' : 'active'
  return await createSession(directory, { state, user, data: { method: 'password' }, isFresh: true, replaces: opening.replaces }, who)
}

const counts = new WeakMap<Directory['metadata'], BackOff>()

/**
 * Counts of what is tried past `Access.authenticate`. Guesses at second factors count under names of their own: whoever knows the password must not clear
 * those by it.
 */
export function backOffOf({ metadata, ports }: Pick<Directory, 'metadata' | 'ports'>): BackOff {
  const known = counts.get(metadata)
  if (known !== undefined) return known
  const backOff = new BackOff(metadata, ports.clock)
  counts.set(metadata, backOff)
  return backOff
}

/** Throws UNAUTHORIZED for a proof that is not one, TOOMANYREQUESTS after several. */
export async function requireFactor(
  directory: Directory,
  person: Person,
  shown: { readonly proof: FactorProof; readonly party: RelyingParty; readonly address: string },
): Promise<void> {
  const attempt = { name: `second factor of ${person.name}`, address: shown.address }
  const isRight = await backOffOf(directory).judge(attempt, () => proveFactor(directory, person, shown.proof, shown.party))
  if (isRight) return
  await noteWrongFactor(directory, person.id)
  throw new RegistryError('UNAUTHORIZED', undefined, { message: 'this is not the second factor of the account, or it was used before' })
}
