/**
 * Which group a name means.
 *
 * The problem: several providers have a `devs`, and names here are unique, so the first that came has the plain name and the others one made longer; whoever says `devs` must not
 * get the first one's people. The way: a bare name is compared with what each provider calls its groups, and one that fits several is refused with the list of them;
 * `PROVIDER:GROUP` (`local:GROUP` for one that is kept here) says which.
 */
import { oneSpelling } from '#lib/visible-text.ts'
import { groupsCalled, type GroupRecord } from '#metadata/groups.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import { normalizeDn } from './ldap-dn.ts'
import { localProviderName } from './local-provider.ts'

/** The group, or how to name each of those that it could be; none of them: there is no such group. */
export type GroupMeant = { readonly id: number } | { readonly id?: undefined; readonly candidates: readonly string[] }

const shownMax = 10

/** By its name here or there, with its provider before it or without. Groups of here have one spelling of what looks the same. */
export async function groupMeant(reader: Reader | Transactor, text: string): Promise<GroupMeant> {
  const meant = await groupWritten(reader, text)
  const spelled = oneSpelling(text)
  return meant.id === undefined && meant.candidates.length === 0 && spelled !== text ? await groupWritten(reader, spelled) : meant
}

async function groupWritten(reader: Reader | Transactor, text: string): Promise<GroupMeant> {
  const colon = text.indexOf(':')
  const [provider, rest] = [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)]
  const bare = bareMatches(text, await groupsCalled(reader, wantedOf(text)))
  const ofProvider =
    provider === '' || rest === '' ? [] : providerMatches(rest, provider, await groupsCalled(reader, { ...wantedOf(rest), provider }))
  // A group's own name may look like another's with its provider.
  const found = [...new Map([...bare, ...ofProvider].map((group) => [group.id, group])).values()]
  const [only] = found
  const isKnown = only !== undefined && found.length === 1 && (ofProvider.length > 0 || !(await isForged(reader, text, only)))
  return isKnown ? { id: only.id } : { candidates: found.slice(0, shownMax).map((group) => saidOf(group, found)) }
}

/**
 * A whole DN means a group of a directory, which Berth may not have seen yet. Other providers can call a group so, too: theirs is meant with the provider before
 * it alone.
 */
async function isForged(reader: Reader | Transactor, text: string, { provider }: GroupRecord): Promise<boolean> {
  const isWholeDn = /^[^=,]+=.*,[^=,]+=/.test(text) && normalizeDn(text) !== undefined
  if (!isWholeDn || provider === null) return false
  const row = await reader.selectFrom('providers').select('kind').where('name', '=', provider).executeTakeFirst()
  return row?.kind !== 'ldap'
}

/** What of a DN begins with `cn=`, for groups of directories that are called so by its first part. */
export function commonNameStart(name: string): string | undefined {
  const escaped = name.replaceAll(/[\\,+"<>;=]/g, String.raw`\$&`).replace(/^#/, String.raw`\#`)
  return normalizeDn(`cn=${escaped}`)
}

function wantedOf(name: string) {
  const start = commonNameStart(name)
  const externalNames = [...new Set([name, normalizeDn(name) ?? name])]
  return { name, externalNames, externalStart: start === undefined ? undefined : `${start},` }
}

/** What a group is called without its provider; `isSpelled` false: upper and lower case are not known. */
interface Call {
  readonly group: GroupRecord
  readonly name: string
  readonly isSpelled: boolean
}

function callsOf(wanted: string, group: GroupRecord): readonly Call[] {
  const { name, provider, externalName } = group
  const suffix = ` (${provider ?? ''})`
  const ends = [name, ...(provider !== null && name.endsWith(suffix) ? [name.slice(0, -suffix.length)] : [])]
  const spelled = ends.filter((end) => isSame(end, wanted)).map((end) => ({ group, name: end, isSpelled: true }))
  if (spelled.length > 0) return spelled
  return name === externalName && isCommonName(externalName, wanted) ? [{ group, name: wanted, isSpelled: false }] : []
}

const isSame = (one: string, other: string) => one.toLowerCase() === other.toLowerCase()

function isCommonName(externalName: string, name: string): boolean {
  const start = commonNameStart(name)
  return start !== undefined && externalName.startsWith(`${start},`)
}

/** What several providers call so; where nobody does, what a provider's own name for it is. */
function bareMatches(wanted: string, groups: readonly GroupRecord[]): readonly GroupRecord[] {
  const calls = groups.flatMap((group) => callsOf(wanted, group))
  // Two that differ in case are told apart by who writes one of them so; one whose case is not known may be either.
  const isWritten = calls.some(({ name, isSpelled }) => isSpelled && name === wanted)
  const meant = isWritten ? calls.filter(({ name, isSpelled }) => !isSpelled || name === wanted) : calls
  if (meant.length > 0) return (meant.length === 1 ? meant : calls).map(({ group }) => group)
  const externalNames = wantedOf(wanted).externalNames
  return groups.filter(({ externalName }) => externalName !== null && externalNames.includes(externalName))
}

/** Of one provider: what it calls exactly so, else what is called so here, else what fits in any way. */
function providerMatches(wanted: string, provider: string, groups: readonly GroupRecord[]): readonly GroupRecord[] {
  const own = groups.filter((group) => (group.provider ?? localProviderName) === provider)
  const { externalNames } = wantedOf(wanted)
  const exactly = own.filter(({ externalName }) => externalName !== null && externalNames.includes(externalName))
  if (exactly.length > 0) return exactly
  const twins = own.filter(({ externalName }) => externalName !== null && isCommonName(externalName, wanted))
  const named = own.filter(({ name }) => name === wanted)
  return twins.length > 1 ? twins : named.length > 0 ? named : own
}

/** With its provider; where that has several of the name, as it calls them itself. */
function saidOf({ provider, name, externalName }: GroupRecord, among: readonly GroupRecord[]): string {
  const isAlone = among.filter((group) => group.provider === provider).length === 1
  return `${provider ?? localProviderName}:${isAlone || externalName === null ? name : externalName}`
}
