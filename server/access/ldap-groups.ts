/**
 * Groups of a person, in as few searches as the directory allows.
 *
 * Direct groups stand in the entry (`memberOf`, no search at all) or are found by one search. Groups of groups: Active Directory follows the chain itself
 * (matching rule LDAP_MATCHING_RULE_IN_CHAIN), others are asked level by level, all groups of a level in one search. Circles end, for no group is asked
 * for twice; depth and number are bounded.
 */
import type { Entry } from 'ldapts'
import type { LdapSettings } from '#api/provider-settings.ts'
import type { LdapConnection } from './ldap-connection.ts'
import { firstValueOf, normalizeDn } from './ldap-dn.ts'
import { fillFilter } from './ldap-filter.ts'
import { valuesOf, type LdapPerson } from './ldap-person.ts'

/** A group as the directory writes it. */
export interface LdapGroup {
  readonly dn: string
  /** For people. */
  readonly name: string
}

/** By normalised DN. */
export type LdapGroups = ReadonlyMap<string, LdapGroup>

const inChain = '1.2.840.113556.1.4.1941'
const activeDirectoryCapability = '1.2.840.113556.1.4.800'
const depthMax = 10
const groupsMax = 5000
const dnsPerSearch = 50
const pageSize = 500

/** Whether the server says that it is an Active Directory. */
export async function isActiveDirectory(connection: LdapConnection, signal: AbortSignal): Promise<boolean> {
  const [root] = await connection.search('', { scope: 'base', filter: '(objectClass=*)', attributes: ['supportedCapabilities'] }, signal)
  return root !== undefined && valuesOf(root, 'supportedCapabilities').some((value) => value.toString() === activeDirectoryCapability)
}

export interface GroupSearch {
  readonly connection: LdapConnection
  readonly settings: LdapSettings
  readonly isActiveDirectory: boolean
  readonly signal: AbortSignal
}

/** Throws what the connection throws. */
export async function groupsOf(search: GroupSearch, person: LdapPerson): Promise<LdapGroups> {
  const { source, nested, filter } = search.settings.groups
  if (source === 'none') return new Map()
  const chained = nested && search.isActiveDirectory ? chainFilter(source === 'memberOf' ? '(member={dn})' : filter) : undefined
  if (chained !== undefined) return await searchGroups(search, fillFor(chained, person))
  // The directory gives very long lists in parts; a search gives the same in pages.
  const direct = source === 'memberOf' && person.memberOf !== undefined ? groupsNamed(person.memberOf) : undefined
  const groups = direct ?? (await searchGroups(search, fillFor(source === 'memberOf' ? '(member={dn})' : filter, person)))
  return nested ? await withParents(search, groups) : groups
}

/** The filter that follows memberships up the chain; undefined when it does not ask by `member`. */
function chainFilter(filter: string): string | undefined {
  return /\(member=\{dn\}\)/i.test(filter) ? filter.replaceAll(/\(member=\{dn\}\)/gi, `(member:${inChain}:={dn})`) : undefined
}

function fillFor(filter: string, { dn, name }: LdapPerson): string {
  return fillFilter(filter, { dn, name })
}

/** Groups of which only the DNs are known. */
export function groupsNamed(dns: readonly string[]): LdapGroups {
  const groups = new Map<string, LdapGroup>()
  for (const dn of dns.slice(0, groupsMax)) {
    const normal = normalizeDn(dn)
    if (normal !== undefined) groups.set(normal, { dn, name: firstValueOf(dn) ?? dn })
  }
  return groups
}

async function searchGroups({ connection, settings, signal }: GroupSearch, filter: string): Promise<LdapGroups> {
  const { searchBase, nameAttribute } = settings.groups
  const entries = await connection.search(
    searchBase === '' ? settings.searchBase : searchBase,
    { scope: 'sub', filter, attributes: [nameAttribute === '' ? '1.1' : nameAttribute], paged: { pageSize } },
    signal,
  )
  const groups = new Map<string, LdapGroup>()
  for (const entry of entries.slice(0, groupsMax)) {
    const normal = normalizeDn(entry.dn)
    if (normal !== undefined) groups.set(normal, { dn: entry.dn, name: nameOf(entry, nameAttribute) })
  }
  return groups
}

function nameOf(entry: Entry, nameAttribute: string): string {
  return valuesOf(entry, nameAttribute)[0]?.toString('utf8') ?? firstValueOf(entry.dn) ?? entry.dn
}

async function withParents(search: GroupSearch, direct: LdapGroups): Promise<LdapGroups> {
  const { source, filter } = search.settings.groups
  const template = source === 'memberOf' ? '(member={dn})' : filter
  // A filter by name finds groups of people; groups have no such name.
  if (!template.includes('{dn}')) return direct
  const all = new Map(direct)
  let level: LdapGroups = direct
  for (let depth = 1; depth < depthMax && level.size > 0 && all.size < groupsMax; depth++) {
    const parents = await parentsOf(search, template, level)
    level = new Map([...parents].filter(([key]) => !all.has(key)))
    for (const [key, group] of level) all.set(key, group)
  }
  return all
}

async function parentsOf(search: GroupSearch, template: string, level: LdapGroups): Promise<LdapGroups> {
  const parents = new Map<string, LdapGroup>()
  const dns = [...level.values()].map(({ dn }) => dn)
  for (let start = 0; start < dns.length; start += dnsPerSearch) {
    const each = dns.slice(start, start + dnsPerSearch).map((dn) => fillFilter(template, { dn, name: '' }))
    for (const [key, group] of await searchGroups(search, `(|${each.join('')})`)) parents.set(key, group)
  }
  return parents
}
