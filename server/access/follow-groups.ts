/**
 * People who are signed in, when a provider's `adminGroups` or `requiredGroups` change.
 *
 * The problem: both are judged at a sign-in, and a session or a personal token may go on for weeks after it. The way: a directory is asked again about each
 * person at their next request, whatever they come with. An OpenID Connect provider cannot be asked, so the memberships stored here decide at once:
 * flags that it gave are taken back, and who is in none of the required groups is signed out and loses the tokens. Nothing is given by stored memberships,
 * only taken. A group that `groupPatterns` leave out is stored for nobody: its members keep the flag until their next sign-in, and are signed out for it.
 */
import type { LdapSettings, OidcSettings } from '#api/provider-settings.ts'
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { findIdentity, refreshIdentity, vouchedGroups, type LinkedIdentity } from '#metadata/identities.ts'
import { isKnownOtherwise, presencesOfProvider, type IdentityPresence } from '#metadata/identity-presence.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { administratorsOf, type ProviderRecord } from '#metadata/providers.ts'
import { deleteSessionsOfUser } from '#metadata/sessions.ts'
import { endPersonalTokens, endRefreshTokens } from '#metadata/users.ts'
import { normalizeDn } from './ldap-dn.ts'
import { fitsPattern } from './oidc-claims.ts'
import { applyStored } from './onboard.ts'

type Groups = Pick<OidcSettings & LdapSettings, 'adminGroups' | 'requiredGroups'> & Partial<Pick<OidcSettings, 'groupPatterns'>>

/** A provider before the change, its settings after it, and who changed them. */
export interface GroupsChange {
  readonly provider: Pick<ProviderRecord, 'id' | 'name' | 'kind' | 'settings'>
  readonly settings: unknown
  readonly at: number
  readonly who: Who
}

/** How many flags were taken back, and how many people were signed out. */
export interface GroupsFollowed {
  readonly administratorsTaken: number
  readonly signedOut: number
}

const pageRows = 500

/** In the transaction of the change. Undefined when neither list changed. */
export async function followGroups(tx: Transactor, change: GroupsChange): Promise<GroupsFollowed | undefined> {
  const rules = rulesOf(change)
  if (rules === undefined) return undefined
  const { id: providerId } = change.provider
  const given = new Set((await administratorsOf(tx, providerId)).filter(gaveFlag).map(({ userId }) => userId))
  let [administratorsTaken, signedOut] = [0, 0]
  let page: readonly IdentityPresence[]
  let afterId = 0
  do {
    page = await presencesOfProvider(tx, { providerId, afterId, limit: pageRows })
    for (const presence of page.filter(({ isGone }) => !isGone)) {
      const followed = await followOne(tx, change, { rules, presence, hasFlag: given.has(presence.userId) })
      if (followed.losesFlag) administratorsTaken++
      if (followed.isOut) signedOut++
    }
    afterId = page.at(-1)?.id ?? 0
  } while (page.length === pageRows)
  return { administratorsTaken, signedOut }
}

interface Rules {
  readonly isDirectory: boolean
  readonly before: Groups
  readonly after: Groups
  readonly changes: { readonly admin: boolean; readonly required: boolean }
}

/** Undefined where nothing of them changed. */
function rulesOf({ provider, settings }: GroupsChange): Rules | undefined {
  if (settings === undefined || (provider.kind !== 'ldap' && provider.kind !== 'oidc')) return undefined
  const [before, after] = [provider.settings as unknown as Groups, settings as Groups]
  const admin = isChanged(before.adminGroups, after.adminGroups)
  const required = isChanged(before.requiredGroups, after.requiredGroups)
  return admin || required ? { isDirectory: provider.kind === 'ldap', before, after, changes: { admin, required } } : undefined
}

interface OnePerson {
  readonly rules: Rules
  readonly presence: IdentityPresence
  /** The provider gave them the administrator flag. */
  readonly hasFlag: boolean
}

async function followOne(tx: Transactor, change: GroupsChange, { rules, presence, hasFlag }: OnePerson) {
  const { after, changes, isDirectory } = rules
  const groups = await storedGroups(tx, presence)
  const mustGo = changes.required && !isDirectory && !isIn(groups, after.requiredGroups, rules)
  const isKnown = unstored(after, after.requiredGroups).length === 0
  const isOut = mustGo && (await signOut(tx, change, { presence, isKnown }))
  const losesFlag = hasFlag && (mustGo || !keepsFlag(groups, rules)) && (await takeFlag(tx, change, { presence, groups }))
  // Asked again at the next request, whatever it comes with.
  if (isDirectory) await refreshIdentity(tx, { id: presence.id, at: 0 })
  return { isOut, losesFlag }
}

function isChanged(one: readonly string[], other: readonly string[]): boolean {
  return JSON.stringify(one.toSorted()) !== JSON.stringify(other.toSorted())
}

function gaveFlag({ attributes }: { readonly attributes: string }): boolean {
  return (JSON.parse(attributes) as { readonly gaveAdministrator?: unknown }).gaveAdministrator === true
}

async function storedGroups(tx: Transactor, { userId, providerId }: IdentityPresence): Promise<readonly string[]> {
  return (await vouchedGroups(tx, { userId, providerId })).flatMap(({ externalName, isVouched }) => (isVouched ? [externalName] : []))
}

function isIn(groups: readonly string[], wanted: readonly string[], { isDirectory }: Rules): boolean {
  if (wanted.length === 0) return true
  return wanted.some((group) => groups.includes(isDirectory ? (normalizeDn(group) ?? '') : group))
}

/** Of these groups, those whose members are not stored. */
function unstored({ groupPatterns = [] }: Groups, wanted: readonly string[]): readonly string[] {
  return groupPatterns.length === 0 ? [] : wanted.filter((group) => !groupPatterns.some((pattern) => fitsPattern(group, pattern)))
}

/** A group that made administrators before, and still does, may be one that is not stored. */
function keepsFlag(groups: readonly string[], rules: Rules): boolean {
  const { before, after } = rules
  if (after.adminGroups.length === 0) return false
  const remaining = after.adminGroups.filter((group) => before.adminGroups.includes(group))
  return isIn(groups, after.adminGroups, rules) || unstored(before, remaining).length > 0
}

/** Of a provider that cannot be asked. Tokens stay for who has another way in, and where nobody knows who is in the groups. */
async function signOut(
  tx: Transactor,
  { provider, at, who }: GroupsChange,
  { presence: { userId, providerId, issuer, subject }, isKnown }: { readonly presence: IdentityPresence; readonly isKnown: boolean },
): Promise<boolean> {
  const count = await deleteSessionsOfUser(tx, { userId, providerId })
  const endsTokens = isKnown && !(await isKnownOtherwise(tx, { userId, providerId }))
  if (endsTokens) {
    await endPersonalTokens(tx, userId)
    await endRefreshTokens(tx, userId)
  }
  const known = await findIdentity(tx, { providerId, issuer, subject })
  if (known === undefined || (count === 0 && !endsTokens)) return false
  const reason = 'the account is in none of the groups that the provider requires'
  const detail = { user: known.account.name, provider: provider.name, reason, endedTokens: endsTokens }
  await recordEvent(tx, { action: 'session.closed', target: `user:${known.account.name}`, detail, at, ...who, count: Math.max(1, count) })
  return true
}

async function takeFlag(
  tx: Transactor,
  { at, who }: GroupsChange,
  { presence, groups }: { readonly presence: IdentityPresence; readonly groups: readonly string[] },
): Promise<boolean> {
  const known: LinkedIdentity | undefined = await findIdentity(tx, presence)
  if (known === undefined) return false
  return await applyStored(tx, known, { groups, at, who })
}
