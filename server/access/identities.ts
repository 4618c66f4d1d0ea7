/** The ways in that outside providers give to an account: which there are, adding one, taking one away. */
import { recordEvent } from '#events/record.ts'
import type { Who } from '#events/event.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { findUserFacts } from '#metadata/account-facts.ts'
import {
  deleteIdentity,
  findIdentity,
  identitiesOfUser,
  insertIdentity,
  removeVouchedMember,
  updateVouchedUser,
  type IdentityAttributes,
  type LinkedIdentity,
} from '#metadata/identities.ts'
import { findProviderFacts } from '#metadata/provider-facts.ts'
import { deleteSessionsOfUser } from '#metadata/sessions.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Directory } from './directory.ts'
import { onboard, type Vouched } from './onboard.ts'

interface LinkInput {
  readonly userId: number
  readonly providerId: number
  readonly issuer: string
  readonly subject: string
  readonly attributes: IdentityAttributes
  readonly at: number
  readonly who: Who
}

const linkTransaction = accessTransaction(import.meta.url, 'identities/link', async (tx, { who, ...input }: LinkInput): Promise<void> => {
  const before = await identitiesOfUser(tx, input.userId)
  const { providerId, issuer, subject, at } = input
  if (before.some((each) => each.providerId === providerId && each.issuer === issuer && each.subject === subject)) return
  if ((await insertIdentity(tx, input)) === 'exists') {
    throw new RegistryError('CONFLICT', undefined, {
      message: 'this identity is linked with another account: unlink it there first, or ask an administrator',
    })
  }
  const linked = await findIdentity(tx, input)
  const provider = await findProviderFacts(tx, { id: providerId })
  const detail = { provider: provider?.name ?? '', issuer, subject }
  await recordEvent(tx, { action: 'identity.linked', target: `user:${linked?.account.name ?? ''}`, detail, at, ...who })
})

/** Links a subject with the account, which gets the groups that the provider speaks of. Throws CONFLICT when it is another account's. */
export async function linkIdentity(
  directory: Directory,
  { userId, providerId, identity }: Vouched & { readonly userId: number },
  who: Who,
): Promise<void> {
  const { metadata, ports } = directory
  const { issuer, subject, name, displayName, email } = identity
  const attributes = { name, displayName, email, other: identity.attributes }
  await metadata.write(linkTransaction, { userId, providerId, issuer, subject, attributes, at: ports.clock.now(), who })
  await onboard(directory, { providerId, identity }, who)
}

interface UnlinkInput {
  readonly id: number
  readonly userId: number
  readonly exceptSession?: number | undefined
  readonly at: number
  readonly who: Who
}

const unlinkTransaction = accessTransaction(import.meta.url, 'identities/unlink', async (tx, input: UnlinkInput): Promise<void> => {
  const { id, userId, exceptSession: exceptId, at, who } = input
  const identities = await identitiesOfUser(tx, userId)
  const identity = identities.find((each) => each.id === id)
  if (identity === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  const others = identities.filter((each) => each.id !== id)
  const { account, providerId } = identity
  if (account.passwordHash === '' && others.length === 0) {
    throw new RegistryError('CONFLICT', undefined, {
      message: 'this is the only way into the account: link another identity or have a password set first',
    })
  }
  await deleteIdentity(tx, { id, userId })
  if (!others.some((other) => other.providerId === providerId)) await removeVouchedMember(tx, { userId, providerId })
  await takeBackAdministration(tx, { identity, others, at })
  await deleteSessionsOfUser(tx, { userId, providerId, exceptId })
  const detail = { providerId, issuer: identity.issuer, subject: identity.subject }
  await recordEvent(tx, { action: 'identity.unlinked', target: `user:${account.name}`, detail, at, ...who })
})

async function takeBackAdministration(
  tx: Parameters<typeof updateVouchedUser>[0],
  { identity, others, at }: { readonly identity: LinkedIdentity; readonly others: readonly LinkedIdentity[]; readonly at: number },
): Promise<void> {
  const { account, attributes, userId } = identity
  const isGivenByOther = others.some((other) => other.attributes.gaveAdministrator === true)
  if (attributes.gaveAdministrator !== true || isGivenByOther || !account.isAdmin) return
  await updateVouchedUser(tx, { id: userId, displayName: account.displayName, email: account.email, isAdmin: false, at })
}

/** Takes a way in away, with the groups it gave and the sessions it opened but one. Throws CONFLICT for the last one. */
export async function unlinkIdentity({ metadata, ports }: Directory, which: Omit<UnlinkInput, 'at' | 'who'>, who: Who): Promise<void> {
  await metadata.write(unlinkTransaction, { ...which, at: ports.clock.now(), who })
}

/** The identities of an account, and whether it has a password of its own. */
export async function listIdentities(
  { metadata }: Directory,
  userId: number,
): Promise<{ readonly identities: readonly LinkedIdentity[]; readonly hasPassword: boolean }> {
  const user = await findUserFacts(metadata.reader, { id: userId })
  return { identities: await identitiesOfUser(metadata.reader, userId), hasPassword: user !== undefined && user.passwordHash !== '' }
}
