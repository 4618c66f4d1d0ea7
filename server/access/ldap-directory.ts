/**
 * One LDAP directory, asked for people and their groups.
 *
 * A login is: find exactly one entry by the name that was typed (as the account that searches), bind as that entry on another connection, find the groups
 * (mostly in the same answer). One deadline bounds all of it. Somebody who is not there costs a bind too, so that the time does not tell.
 */
import type { Entry, Filter, SearchOptions } from 'ldapts'
import type { LdapSettings } from '#api/provider-settings.ts'
import { raced, type LdapConnection } from './ldap-connection.ts'
import { failureOf, LdapFailure, refusalOf, type LdapRefusal } from './ldap-failures.ts'
import { fillFilter, filterForAnybody } from './ldap-filter.ts'
import { groupsNamed, groupsOf, isActiveDirectory, type LdapGroups } from './ldap-groups.ts'
import { isBinaryAttribute, personAttributes, personOf, type LdapPerson } from './ldap-person.ts'
import { LdapServers, type LdapServersOptions } from './ldap-servers.ts'

/** What the directory says of somebody. */
export type LdapFinding =
  | { readonly kind: 'person'; readonly person: LdapPerson; readonly groups: LdapGroups }
  | { readonly kind: 'nobody' }
  /** The filter finds several entries: letting one in would be a guess. */
  | { readonly kind: 'several' }
  | { readonly kind: 'refused'; readonly person: LdapPerson; readonly refusal: LdapRefusal }

const nameMax = 256
const passwordMax = 1024

/** Asks one directory. Disposing closes its connections. */
export class LdapDirectory implements Disposable {
  readonly servers: LdapServers
  readonly #options: LdapServersOptions
  #isActiveDirectory: Promise<boolean> | undefined

  constructor(options: LdapServersOptions) {
    this.#options = options
    this.servers = new LdapServers(options)
  }

  get settings(): LdapSettings {
    return this.#options.settings
  }

  /** Whoever has this name and this password. Throws {@link LdapFailure} when the directory cannot be asked. */
  async signIn(name: string, password: string): Promise<LdapFinding> {
    // RFC 4513 §5.1.2: an empty password would "succeed" without proving anything.
    if (!isTyped(name, nameMax) || !isTyped(password, passwordMax)) return { kind: 'nobody' }
    return await this.within(async (signal) => {
      const found = await this.#findByName(name, signal)
      const refusal = await this.#refusal(found.kind === 'person' ? found.person.dn : this.#nobodyDn(), password, signal)
      if (found.kind !== 'person') return found
      const closed = refusal ?? found.person.closed
      if (closed !== undefined) return { kind: 'refused', person: found.person, refusal: closed }
      return { ...found, groups: await this.#groups(found.person, signal) }
    })
  }

  /** Whoever has this name, without a password: for tests of settings. */
  async lookUp(name: string): Promise<LdapFinding> {
    if (!isTyped(name, nameMax)) return { kind: 'nobody' }
    return await this.within(async (signal) => await this.#completed(await this.#findByName(name, signal), signal))
  }

  /** Whoever has this identifier, if the settings would still let them in. */
  async findAgain(id: string): Promise<LdapFinding> {
    return await this.within(async (signal) => await this.#completed(await this.#findById(id, signal), signal))
  }

  /** Runs `work` within the deadline of the settings. */
  async within<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const { timeoutMs, urls } = this.settings
    const aborter = new AbortController()
    const late = new LdapFailure('timeout', `${urls.join(', ')}: no answer within ${timeoutMs} ms`, { isOfServer: true })
    using _timer = this.#options.ports.timers.after(timeoutMs, () => aborter.abort(late))
    try {
      return await raced(aborter.signal, work(aborter.signal))
    } catch (error) {
      throw failureOf(error, urls.join(', '))
    } finally {
      // What still runs of it (a connection that is being made) ends with it.
      aborter.abort(late)
    }
  }

  [Symbol.dispose](): void {
    this.servers[Symbol.dispose]()
  }

  async #completed(found: Found, signal: AbortSignal): Promise<LdapFinding> {
    if (found.kind !== 'person') return found
    const { person } = found
    if (person.closed !== undefined) return { kind: 'refused', person, refusal: person.closed }
    return { ...found, groups: await this.#groups(person, signal) }
  }

  async #findByName(name: string, signal: AbortSignal): Promise<Found> {
    const filter = fillFilter(this.settings.userFilter, { input: name })
    return await this.servers.searching(signal, (connection) => this.#search(connection, filter, signal))
  }

  async #findById(id: string, signal: AbortSignal): Promise<Found> {
    const { AndFilter, EqualityFilter, FilterParser } = await import('ldapts')
    const { attributes, userFilter } = this.settings
    const value = isBinaryAttribute(attributes.id) ? Buffer.from(id, 'hex') : id
    const byId = new EqualityFilter({ attribute: attributes.id, value })
    const filter = new AndFilter({ filters: [byId, FilterParser.parseString(filterForAnybody(userFilter))] })
    return await this.servers.searching(signal, (connection) => this.#search(connection, filter, signal))
  }

  async #search(connection: LdapConnection, filter: string | Filter, signal: AbortSignal): Promise<Found> {
    const { settings } = this
    let entries: readonly Entry[]
    try {
      entries = await connection.search(settings.searchBase, searchOptions(settings, filter), signal)
    } catch (error) {
      throw failureOf(error, `search at ${connection.url}`)
    }
    if (entries.length > 1) return { kind: 'several' }
    const person = entries[0] && personOf(entries[0], settings, this.#options.ports.clock.now())
    return person === undefined ? { kind: 'nobody' } : { kind: 'person', person }
  }

  async #refusal(dn: string, password: string, signal: AbortSignal): Promise<LdapRefusal | undefined> {
    return await this.servers.apart(signal, async (connection) => {
      try {
        await connection.bind(dn, password, signal)
        return undefined
      } catch (error) {
        const refusal = refusalOf(error)
        if (refusal === undefined) throw failureOf(error, `bind of a person at ${connection.url}`)
        return refusal
      }
    })
  }

  async #groups(person: LdapPerson, signal: AbortSignal): Promise<LdapGroups> {
    const { settings } = this
    const { source, nested } = settings.groups
    if (source === 'none') return new Map()
    // Everything stands in the entry: no search is needed.
    if (source === 'memberOf' && !nested && person.memberOf !== undefined) return groupsNamed(person.memberOf)
    return await this.servers.searching(signal, async (connection) => {
      try {
        const isAd = nested && (await this.#activeDirectory(connection, signal))
        return await groupsOf({ connection, settings, isActiveDirectory: isAd, signal }, person)
      } catch (error) {
        throw failureOf(error, `search for groups at ${connection.url}`)
      }
    })
  }

  async #activeDirectory(connection: LdapConnection, signal: AbortSignal): Promise<boolean> {
    this.#isActiveDirectory ??= isActiveDirectory(connection, signal)
    try {
      return await this.#isActiveDirectory
    } catch (error) {
      this.#isActiveDirectory = undefined
      throw error
    }
  }

  /** Nobody's name, of the usual length, where a bind costs what a person's does. */
  #nobodyDn(): string {
    return `${this.settings.attributes.name}=${this.#options.ports.random.uuid()},${this.settings.searchBase}`
  }
}

type Found = { readonly kind: 'person'; readonly person: LdapPerson } | { readonly kind: 'nobody' } | { readonly kind: 'several' }

function isTyped(text: string, max: number): boolean {
  return text !== '' && text.length <= max && !text.includes('\0')
}

function searchOptions(settings: LdapSettings, filter: string | Filter): SearchOptions {
  return {
    scope: settings.searchScope,
    filter,
    attributes: personAttributes(settings),
    explicitBufferAttributes: [settings.attributes.id],
    // Two tell as well as a thousand that it is not exactly one.
    sizeLimit: 2,
    timeLimit: Math.ceil(settings.timeoutMs / 1000),
  }
}
