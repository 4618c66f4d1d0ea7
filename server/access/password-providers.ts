/**
 * The LDAP providers and htpasswd files of this process, as their rows are now, and how what they say of people is kept fresh.
 *
 * The problem: providers change while the server runs; groups of somebody who uses a token or a session are never seen again at a login; and asking a
 * directory for each request would make it part of every pull. The way: providers are made from rows by version and kept until the access epoch shows
 * another; {@link PasswordProviders.keepFresh} looks again at a person whose groups are older than the provider's lifetime, beside the request, and
 * makes the request wait only when they are older than two. Whom the directory no longer knows is disabled until it knows them again. A file is at hand: it
 * is looked at with each request (once a second at most), and when it changed its accounts follow (htpasswd-provider.ts).
 */
import type { LdapSettings } from '#api/provider-settings.ts'
import { recordEvent } from '#events/record.ts'
import type { AddressGuard } from '#lib/address-guard.ts'
import { ByteLru } from '#lib/lru.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import { presenceOfSubject, presencesOfUser, setPresence, type IdentityPresence } from '#metadata/identity-presence.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { listProviderRecords, type ProviderRecord } from '#metadata/providers.ts'
import type { Directory } from './directory.ts'
import { EpochMemory, type AccessEpoch } from '#metadata/watch-access.ts'
import { FileBook } from './file-book.ts'
import type { HtpasswdFile } from './htpasswd-file.ts'
import { followEntry, type PasswordFile } from './htpasswd-provider.ts'
import { createLdapProvider, type LdapProvider } from './ldap-provider.ts'
import { onboard } from './onboard.ts'
import type { ExternalIdentity, PasswordProvider } from './password-provider.ts'
import { openSecrets } from './provider-secrets.ts'

/** One per process. Disposing closes the connections to directories. */
export interface PasswordProviders extends AsyncDisposable {
  /** Those that are switched on, in the order in which they are asked. */
  list(): Promise<readonly PasswordProvider[]>
  /** Htpasswd files that are switched on, in the order in which they are asked. */
  files(): Promise<readonly PasswordFile[]>
  /**
   * Call it before the account's state and rights are read. Throws UNAVAILABLE when groups are too old to count and the directory cannot be asked.
   * Costs no read while what is known is fresh.
   */
  keepFresh(userId: number): Promise<void>
  /** Whether passwords of Berth's own open accounts. */
  isLocalOn(): Promise<boolean>
}

export interface PasswordProvidersParts {
  /** Its database is the watched one, so that a change ends what is remembered. */
  readonly directory: Directory
  readonly epoch: AccessEpoch
  readonly guard: AddressGuard
  /** The file of `auth.htpasswd`, which was read at the start. */
  readonly configuredFile?: HtpasswdFile | undefined
}

interface PresenceChange {
  readonly identityId: number
  readonly isGone: boolean
  readonly provider: string
  readonly at: number
}

const changePresence = accessTransaction(
  import.meta.url,
  'password-providers/presence',
  async (tx: Transactor, { identityId, isGone, provider, at }: PresenceChange) => {
    const changed = await setPresence(tx, { identityId, isGone, at })
    if (changed === undefined) return
    const reason = isGone ? 'the provider no longer knows the person, or no longer lets them in' : 'the provider knows the person again'
    await recordEvent(tx, {
      action: isGone ? 'user.disabled' : 'user.enabled',
      target: `user:${changed.name}`,
      detail: { provider, reason },
      at,
      ...whoOf(provider),
    })
  },
)

const rememberedPeople = 20_000
const rememberedLooks = 50_000

/** Connects to nothing yet. */
export function createPasswordProviders(parts: PasswordProvidersParts): PasswordProviders {
  return new Book(parts)
}

/** What the rows say. */
interface Known {
  readonly directories: readonly LdapProvider[]
  readonly files: readonly PasswordFile[]
  readonly isLocalOn: boolean
}

class Book implements PasswordProviders {
  readonly #parts: PasswordProvidersParts
  readonly #known: EpochMemory<Known>
  readonly #presences: EpochMemory<readonly IdentityPresence[]>
  /** By row and version. */
  readonly #made = new Map<string, LdapProvider>()
  /** When each identity was last looked at by this process. */
  readonly #looks = new ByteLru<number>({ maximumBytes: rememberedLooks, sizeOf: () => 1 })
  readonly #looking = new Map<number, Promise<void>>()
  readonly #files: FileBook

  constructor(parts: PasswordProvidersParts) {
    this.#parts = parts
    this.#known = new EpochMemory(parts.epoch, 1)
    this.#presences = new EpochMemory(parts.epoch, rememberedPeople)
    this.#files = new FileBook(parts)
  }

  async list(): Promise<readonly PasswordProvider[]> {
    return (await this.#current()).directories.map((provider) => this.#noting(provider))
  }

  async files(): Promise<readonly PasswordFile[]> {
    const { files } = await this.#current()
    // Who is refused here may be the only one who asks: an entry that is gone is noted before its name is another's.
    await this.#files.follow(files)
    return files
  }

  async isLocalOn(): Promise<boolean> {
    return (await this.#current()).isLocalOn
  }

  async keepFresh(userId: number): Promise<void> {
    const { directories: providers, files } = await this.#current()
    if (providers.length + files.length === 0) return
    await this.#files.follow(files)
    const { metadata, ports, log } = this.#parts.directory
    const presences = (await this.#presences.get(String(userId), () => presencesOfUser(metadata.reader, userId))) ?? []
    const now = ports.clock.now()
    for (const presence of presences) {
      const file = files.find(({ id }) => id === presence.providerId)
      if (file !== undefined) await followEntry(this.#parts.directory, file, presence)
      const provider = providers.find(({ id }) => id === presence.providerId)
      if (provider === undefined) continue
      const lifetimeMs = provider.settings.groupsLifetimeSeconds * 1000
      const ageMs = now - Math.max(presence.refreshedAt, this.#looks.get(lookKey(provider, presence)) ?? 0)
      if (ageMs < lifetimeMs) continue
      const look = this.#lookAgain(provider, presence)
      // Somebody who was gone gets in only on what is known now.
      if (ageMs >= 2 * lifetimeMs || presence.isGone) await look
      else
        look.catch((error: unknown) =>
          log.debug({ err: error, provider: provider.name }, 'groups could not be refreshed, and will be tried again'),
        )
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const provider of this.#made.values()) provider[Symbol.dispose]()
    this.#made.clear()
    await Promise.allSettled(this.#looking.values())
    await this.#files[Symbol.asyncDispose]()
  }

  async #current(): Promise<Known> {
    const load = async () => {
      const records = await listProviderRecords(this.#parts.directory.metadata.reader)
      const isLocalOn = records.every(({ kind, isEnabled }) => kind !== 'local' || isEnabled)
      return { directories: this.#make(records), files: this.#files.of(records), isLocalOn }
    }
    return (await this.#known.get('', load)) ?? (await load())
  }

  #make(records: readonly ProviderRecord[]): readonly LdapProvider[] {
    const enabled = records.filter(({ kind, isEnabled }) => kind === 'ldap' && isEnabled)
    const keys = new Set(enabled.map(keyOf))
    for (const [key, provider] of this.#made) {
      if (keys.has(key)) continue
      this.#made.delete(key)
      provider[Symbol.dispose]()
    }
    return enabled.map((record) => {
      const key = keyOf(record)
      const made = this.#made.get(key) ?? this.#open(record)
      this.#made.set(key, made)
      return made
    })
  }

  #open(record: ProviderRecord): LdapProvider {
    const { directory, guard } = this.#parts
    const bindPassword = openSecrets(directory, record)['bindPassword'] ?? ''
    const settings = record.settings as LdapSettings
    return createLdapProvider(record, { settings, bindPassword, guard, ports: directory.ports }, directory.log)
  }

  /** The provider, with what it says noted: a person who was gone is back, and has just been looked at. */
  #noting(provider: LdapProvider): PasswordProvider {
    const { id, name, version } = provider
    return {
      id,
      name,
      ...(version === undefined ? {} : { version }),
      verify: async (typed, password) => await this.#seen(provider, await provider.verify(typed, password)),
      knows: async (typed) => (await provider.knows?.(typed)) === true,
      refresh: async (identity) => await this.#seen(provider, await provider.refresh(identity)),
    }
  }

  async #seen(provider: LdapProvider, identity: ExternalIdentity | undefined): Promise<ExternalIdentity | undefined> {
    if (identity === undefined) return undefined
    const { metadata, ports } = this.#parts.directory
    const key = { providerId: provider.id, issuer: identity.issuer, subject: identity.subject }
    const presence = await presenceOfSubject(metadata.reader, key)
    const at = ports.clock.now()
    if (presence?.isGone === true)
      await metadata.write(changePresence, { identityId: presence.id, isGone: false, provider: provider.name, at })
    this.#looks.set(lookKey(provider, key), at)
    return identity
  }

  /** One look at a time for each identity. */
  async #lookAgain(provider: LdapProvider, presence: IdentityPresence): Promise<void> {
    const running = this.#looking.get(presence.id)
    if (running !== undefined) return await running
    const look = this.#look(provider, presence).finally(() => this.#looking.delete(presence.id))
    this.#looking.set(presence.id, look)
    await look
  }

  async #look(provider: LdapProvider, presence: IdentityPresence): Promise<void> {
    const { directory } = this.#parts
    const identity = await this.#seen(provider, await provider.refresh(presence))
    const at = directory.ports.clock.now()
    if (identity !== undefined) await onboard(directory, { providerId: provider.id, identity }, whoOf(provider.name))
    else if (!presence.isGone)
      await directory.metadata.write(changePresence, { identityId: presence.id, isGone: true, provider: provider.name, at })
    this.#looks.set(lookKey(provider, presence), at)
  }
}

function keyOf({ id, version }: ProviderRecord): string {
  return `${id}/${version}`
}

/** A look under other settings says nothing of these. */
function lookKey({ id, version }: LdapProvider, { issuer, subject }: Pick<IdentityPresence, 'issuer' | 'subject'>): string {
  return `${id}/${version ?? 0}/${issuer}/${subject}`
}

/** Nobody asked for it: it happened because of what the provider says. */
function whoOf(provider: string) {
  return { actor: `provider:${provider}`, requestId: '' }
}
