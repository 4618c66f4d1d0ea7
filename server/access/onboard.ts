/**
 * How a person whom a provider vouches for becomes an account here, and how the account follows what the provider says of it.
 *
 * The problem: two people of two directories may bear one name, an e-mail address may change hands, and a group that somebody lost must be lost here
 * too. The way: an account is found by (provider, issuer, subject) and by nothing else; a name that is taken is never taken over; at each sight the
 * memberships that this provider gave are replaced by those it speaks of now. When nothing changed nothing is written but, now and then, the time.
 */
import { accessTransaction } from '#metadata/access-epoch.ts'
import { recordEvent } from '#events/record.ts'
import type { Who } from '#events/event.ts'
import {
  addVouchedMember,
  ensureVouchedGroup,
  findIdentity,
  identitiesOfUser,
  insertIdentity,
  insertVouchedUser,
  refreshIdentity,
  removeVouchedMember,
  updateVouchedUser,
  vouchedGroups,
  type IdentityAttributes,
  type LinkedIdentity,
} from '#metadata/identities.ts'
import { withoutTurns } from '#lib/visible-text.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { findProviderFacts } from '#metadata/provider-facts.ts'
import { transaction } from '#metadata/transaction.ts'
import { isUserNameTaken } from '#metadata/users.ts'
import { RegistryError } from '#oci/errors.ts'
import { accountNameFrom, parseAccountName } from './account-name.ts'
import { NameCollision } from './name-collision.ts'
import type { Directory } from './directory.ts'
import { isGroupName } from './group-name.ts'
import { firstValueOf } from './ldap-dn.ts'
import type { ExternalIdentity } from './password-provider.ts'
import { isReservedByFile } from './reserved-names.ts'
import { endSessions } from './sessions.ts'

/** More groups than this are cut off: no directory means them as rights, and a token may be made to carry a million. */
export const vouchedGroupsMax = 1_000
const groupNameMax = 512
const textMax = 512
/** The time of the last look is written no more often. */
const touchIntervalMs = 60_000

/** Somebody whom a provider vouches for, just now. */
export interface Vouched {
  readonly providerId: number
  readonly identity: ExternalIdentity
  /** The name that the person chose for an account that is made now; else the provider's. */
  readonly onNewName?: string | undefined
}

/** The account of a provider's subject, as it is now. */
export interface OnboardedAccount {
  readonly userId: number
  readonly identityId: number
  readonly name: string
  readonly isDisabled: boolean
  /** Made by this very call. */
  readonly isNew: boolean
}

interface Sight {
  readonly providerId: number
  readonly identity: ExternalIdentity
  /** Of a new account. */
  readonly name: string
  readonly at: number
  readonly who: Who
}

/** What of a sight differs from the rows. */
interface Difference {
  readonly attributes: IdentityAttributes | undefined
  readonly account: { readonly displayName: string; readonly email: string; readonly isAdmin: boolean } | undefined
  readonly joined: readonly string[]
  readonly left: readonly string[]
}

/** Takes the account out of what the provider no longer speaks of, and into what it does. One transaction, rights die with its commit. */
const applySight = accessTransaction(import.meta.url, 'onboard/apply', async (tx, sight: Sight): Promise<OnboardedAccount> => {
  const known = await findIdentity(tx, keyOf(sight))
  if (known === undefined) return await makeAccount(tx, sight)
  await applyDifference(tx, sight, known, await compare(tx, sight, known))
  await refreshIdentity(tx, { id: known.id, at: sight.at })
  return accountOf(known, false)
})

const touchIdentity = transaction(import.meta.url, 'onboard/touch', (tx, input: { readonly id: number; readonly at: number }) =>
  refreshIdentity(tx, input),
)

/**
 * The account of a subject, made if there is none, and made to fit what the provider says. A disabled account is given back as such: the caller
 * refuses it. Throws CONFLICT when the name of a new account is taken, REQUEST_INVALID when it is no name.
 */
export async function onboard(directory: Directory, vouched: Vouched, who: Who): Promise<OnboardedAccount> {
  const { providerId } = vouched
  const { metadata, ports } = directory
  const at = ports.clock.now()
  const said = limited(vouched.identity)
  const known = await findIdentity(metadata.reader, { providerId, issuer: said.issuer, subject: said.subject })
  const name = vouched.onNewName ?? accountNameFrom(said.name) ?? ''
  const sight: Sight = { providerId, identity: said, name, at, who }
  if (known === undefined) {
    if (parseAccountName(name) === undefined) throw unusableName(name === '' ? said.name : name)
    if (await isReservedByFile(directory, name, providerId)) throw await noteCollision(directory, sight, nameTaken(name))
    return await metadata.write(applySight, sight).catch(async (error: unknown) => {
      throw await noteCollision(directory, sight, error)
    })
  }
  if (!isEmpty(await compare(metadata.reader, sight, known))) return await metadata.write(applySight, sight)
  if (at - known.refreshedAt >= touchIntervalMs) await metadata.write(touchIdentity, { id: known.id, at })
  return accountOf(known, false)
}

/** The provider no longer lets this person in: what it gave them here goes, and the sessions that it opened. Does nothing for a stranger. */
export async function withdraw(directory: Directory, { providerId, identity }: Vouched, who: Who): Promise<void> {
  const { issuer, subject } = identity
  if ((await findIdentity(directory.metadata.reader, { providerId, issuer, subject })) === undefined) return
  const bare = { ...identity, groups: [], isAdministrator: undefined }
  const { userId, name } = await onboard(directory, { providerId, identity: bare }, who)
  await endSessions(directory, { userId, name, providerId }, who)
}

/** Takes back the administrator flag that the provider gave, without a word from it; whether there was one to take. */
export async function applyStored(
  tx: Transactor,
  known: LinkedIdentity,
  { groups, at, who }: { readonly groups: readonly string[]; readonly at: number; readonly who: Who },
): Promise<boolean> {
  const { providerId, issuer, subject, attributes: said } = known
  const { name, displayName, email, other = {} } = said
  const identity = { issuer, subject, name, displayName, email, groups, isAdministrator: undefined, attributes: other }
  const sight: Sight = { providerId, identity, name: known.account.name, at, who }
  const difference = await compare(tx, sight, known)
  await applyDifference(tx, sight, known, difference)
  return difference.account?.isAdmin === false
}

function limited(identity: ExternalIdentity): ExternalIdentity {
  const groups = [...new Set(identity.groups)].filter((group) => group !== '' && group.length <= groupNameMax).slice(0, vouchedGroupsMax)
  return { ...identity, groups, displayName: withoutTurns(identity.displayName).slice(0, textMax), email: identity.email.slice(0, textMax) }
}

function keyOf({ providerId, identity }: Sight) {
  return { providerId, issuer: identity.issuer, subject: identity.subject }
}

function accountOf(known: LinkedIdentity, isNew: boolean): OnboardedAccount {
  return { userId: known.userId, identityId: known.id, name: known.account.name, isDisabled: known.account.isDisabled, isNew }
}

async function makeAccount(tx: Transactor, sight: Sight): Promise<OnboardedAccount> {
  const { identity, name, at, who } = sight
  const isAdmin = identity.isAdministrator === true
  if (await isUserNameTaken(tx, name)) throw nameTaken(name)
  const userId = await insertVouchedUser(tx, { name, displayName: identity.displayName, email: identity.email, isAdmin, at })
  if (userId === 'exists') throw nameTaken(name)
  const attributes = attributesOf(identity, isAdmin)
  const identityId = await insertIdentity(tx, { ...keyOf(sight), userId, attributes, at })
  if (identityId === 'exists') throw new Error('an identity was linked in between')
  const provider = await findProviderFacts(tx, { id: sight.providerId })
  await recordEvent(tx, {
    action: 'user.created',
    target: `user:${name}`,
    detail: { provider: provider?.name ?? '', issuer: identity.issuer, subject: identity.subject, isAdministrator: isAdmin },
    at,
    ...who,
  })
  await join(tx, sight, { userId, name, groups: identity.groups })
  return { userId, identityId, name, isDisabled: false, isNew: true }
}

async function compare(reader: Reader | Transactor, sight: Sight, known: LinkedIdentity): Promise<Difference> {
  const { identity, providerId } = sight
  const { account } = known
  const present = await vouchedGroups(reader, { userId: known.userId, providerId })
  const identities = await identitiesOfUser(reader, known.userId)
  const others = identities.filter(({ id }) => id !== known.id)
  const wanted = new Set(identity.groups)
  const have = new Set(present.map(({ externalName }) => externalName))
  const { isAdmin, gaveAdministrator } = administration(identity, known, others)
  const attributes = attributesOf(identity, gaveAdministrator)
  // Name and address come from the identity that made the account, or two providers would take turns.
  const leads = account.passwordHash === '' && others.every(({ id }) => id > known.id)
  const displayName = leads ? identity.displayName : account.displayName
  const email = leads ? identity.email : account.email
  const isSame = displayName === account.displayName && email === account.email && isAdmin === account.isAdmin
  return {
    attributes: JSON.stringify(attributes) === JSON.stringify(known.attributes) ? undefined : attributes,
    account: isSame ? undefined : { displayName, email, isAdmin },
    joined: [...wanted].filter((group) => !have.has(group)),
    left: present.filter(({ externalName, isVouched }) => isVouched && !wanted.has(externalName)).map(({ externalName }) => externalName),
  }
}

/** A flag that a person set stays; one that a provider gave goes when no provider gives it any more. */
function administration(identity: ExternalIdentity, known: LinkedIdentity, others: readonly LinkedIdentity[]) {
  const { account, attributes } = known
  const gave = attributes.gaveAdministrator === true
  if (identity.isAdministrator === true) return { isAdmin: true, gaveAdministrator: gave || !account.isAdmin }
  const isGivenByOther = others.some((other) => other.attributes.gaveAdministrator === true)
  return { isAdmin: account.isAdmin && (!gave || isGivenByOther), gaveAdministrator: false }
}

function attributesOf(identity: ExternalIdentity, gaveAdministrator: boolean): IdentityAttributes {
  const { name, displayName, email, attributes } = identity
  return { name, displayName, email, ...(gaveAdministrator ? { gaveAdministrator } : {}), other: attributes }
}

function isEmpty({ attributes, account, joined, left }: Difference): boolean {
  return attributes === undefined && account === undefined && joined.length === 0 && left.length === 0
}

async function applyDifference(tx: Transactor, sight: Sight, known: LinkedIdentity, difference: Difference): Promise<void> {
  const { at, who, providerId } = sight
  const { name } = known.account
  const { attributes, account, joined, left } = difference
  if (attributes !== undefined) await refreshIdentity(tx, { id: known.id, at, attributes })
  if (account !== undefined) {
    await updateVouchedUser(tx, { id: known.userId, ...account, at })
    const before = known.account
    const changed = (['displayName', 'email', 'isAdmin'] as const).filter((member) => before[member] !== account[member])
    await recordEvent(tx, {
      action: 'user.updated',
      target: `user:${name}`,
      detail: { changed, by: 'provider', ...(changed.includes('isAdmin') ? { isAdministrator: account.isAdmin } : {}) },
      at,
      ...who,
    })
  }
  if (left.length > 0) {
    await removeVouchedMember(tx, { userId: known.userId, providerId, externalNames: left })
    for (const group of left) await recordMembership(tx, sight, { action: 'group.member-removed', group, name })
  }
  await join(tx, sight, { userId: known.userId, name, groups: joined })
}

async function join(
  tx: Transactor,
  sight: Sight,
  member: { readonly userId: number; readonly name: string; readonly groups: readonly string[] },
): Promise<void> {
  const { providerId, at, who } = sight
  if (member.groups.length === 0) return
  const provider = await findProviderFacts(tx, { id: providerId })
  for (const externalName of member.groups) {
    const names = groupNames(externalName, provider?.name ?? String(providerId), sight.identity.groupNames?.get(externalName))
    const group = await ensureVouchedGroup(tx, { providerId, externalName, names, at })
    if (group.createdAs !== undefined) {
      const detail = { provider: provider?.name ?? '', externalName }
      await recordEvent(tx, { action: 'group.created', target: `group:${group.createdAs}`, detail, at, ...who })
    }
    await addVouchedMember(tx, { groupId: group.id, userId: member.userId, providerId, at })
    await recordMembership(tx, sight, { action: 'group.member-added', group: externalName, name: member.name })
  }
}

async function recordMembership(
  tx: Transactor,
  { at, who, providerId }: Sight,
  change: { readonly action: 'group.member-added' | 'group.member-removed'; readonly group: string; readonly name: string },
): Promise<void> {
  const detail = { externalName: change.group, providerId, by: 'provider' }
  await recordEvent(tx, { action: change.action, target: `user:${change.name}`, detail, at, ...who })
}

/** What people call the group: as the provider does, or the first name of a DN, else all of it, else with the provider behind it. A local group's name is never shared. */
function groupNames(externalName: string, provider: string, spelled?: string): readonly string[] {
  const isSpelled = spelled !== undefined && isGroupName(spelled)
  const short = isSpelled ? spelled : /^cn=((?:[^,\\]|\\.)+),/i.exec(externalName)?.[1]?.replaceAll(/\\(.)/g, '$1')
  // A name that is no part of the DN would be lost with it.
  const isElsewhere = isSpelled && !isSameName(firstValueOf(externalName), spelled)
  const named = [...(short === undefined ? [] : [short]), ...(isElsewhere ? [`${spelled} (${provider})`] : []), externalName]
  return [...named, `${short ?? externalName} (${provider})`, `${externalName} (${provider})`]
}

function isSameName(one: string | undefined, other: string): boolean {
  return one?.toLowerCase() === other.toLowerCase()
}

/** Whoever runs the registry reads it too: the person may sign in by a program that shows no sentences. */
async function noteCollision({ metadata, log }: Directory, { providerId, name }: Sight, error: unknown): Promise<unknown> {
  if (!(error instanceof RegistryError) || error.code !== 'CONFLICT') return error
  const provider = (await findProviderFacts(metadata.reader, { id: providerId }))?.name ?? ''
  const cause = new NameCollision(name, provider)
  log.warn({ provider, user: name }, cause.message)
  return new RegistryError('CONFLICT', error.detail, { message: error.message, cause })
}

/** What to do when the name that a new account would get belongs to another. */
export function nameTaken(name: string): RegistryError {
  return new RegistryError(
    'CONFLICT',
    { name },
    {
      message: `the name ${name} belongs to another account: if it is yours, sign in to it and link this identity there, else choose another name or ask an administrator`,
    },
  )
}

function unusableName(name: string): RegistryError {
  return new RegistryError(
    'REQUEST_INVALID',
    { name },
    {
      message:
        'no account can have this name: use letters, digits and _ . @ + - (not first or last), 255 characters at most, not beginning with robot-',
    },
  )
}
