/**
 * A name and a password: an account's own, an entry of an htpasswd file, or somebody whom a directory knows.
 *
 * Sources are asked in this order, and the first that knows the name decides: an account of the database is opened by its own password, or by the
 * providers that it is linked with, never by a source that merely knows the same name; then htpasswd files; then directories. Both may make the account.
 * A wrong password costs the same whoever it was tried at: each kind of hash that could have been checked is checked once. To add a source, add a
 * step to {@link PasswordSignIn.authenticate}.
 */
import { ByteLru } from '#lib/lru.ts'
import type { Logger } from '#lib/logger.ts'
import type { Ports } from '#lib/ports.ts'
import { linkedIdentities, type UserFacts } from '#metadata/account-facts.ts'
import type { AwaySignal, Reader } from '#metadata/metadata.ts'
import { RegistryError } from '#oci/errors.ts'
import { bareRefusal } from './bare-password.ts'
import type { AccountBook } from './accounts.ts'
import { askProviders } from './ask-providers.ts'
import type { Attempt, BackOff } from './back-off.ts'
import type { BasicCredential } from './basic-credential.ts'
import type { CredentialUses } from './credential-uses.ts'
import type { AccessEpoch } from '#metadata/watch-access.ts'
import { FileEntries, type FileEntry, type FileFinding } from './file-entries.ts'
import type { SignInHooks } from './hooks.ts'
import { NameCollision, NameCollisions } from './name-collision.ts'
import { clientNetwork } from './networks.ts'
import { unmatchablePasswordHash, verifyPassword } from './password.ts'
import type { Principal } from './principal.ts'
import { RefusalPace } from './refusal-pace.ts'
import { RememberedCredentials, type Door } from './remembered-credentials.ts'
import type { Requester } from './requester.ts'
import { WrongCredentials } from './wrong-credentials.ts'

/** Questions to directories under way at once: they wait for the network, not for a core. */
const askedAtOnce = 16
const rememberedNames = 10_000
/** What a client makes of one typing error (wrong-credentials.ts); whoever repeats it more often is a loop. */
const repeatsMax = 10

/** What passwords are judged with. */
export interface PasswordParts {
  readonly accounts: AccountBook
  readonly backOff: BackOff
  readonly uses: CredentialUses
  readonly hooks: SignInHooks
  readonly epoch: AccessEpoch
  readonly reader: Reader
  /** Of the database. */
  readonly away: AwaySignal | undefined
  readonly ports: Pick<Ports, 'clock' | 'random' | 'timers'>
  readonly log: Logger
}

/** A name, a password, and the request that they came with. */
interface SignIn {
  readonly credential: BasicCredential
  readonly requester: Requester
}

/** How a password is judged. */
interface Judging {
  /** What it is remembered against. */
  readonly storedHash: string
  readonly check: () => Promise<boolean>
  /** What to say instead after a check that came out wrong. */
  readonly refusal?: () => RegistryError | undefined
}

/** Judges passwords. One per process. */
export class PasswordSignIn {
  readonly #parts: PasswordParts
  readonly #hashed: RememberedCredentials
  readonly #asked: RememberedCredentials
  readonly #wrong: WrongCredentials
  readonly #pace: RefusalPace
  readonly #collisions: NameCollisions
  readonly #files: FileEntries
  readonly #unmatchable: string
  /** Name as it was typed → account, of those whom a provider knows by another spelling. A hint: the password decides. */
  readonly #spellings: ByteLru<number>

  constructor(parts: PasswordParts) {
    this.#parts = parts
    const { away } = parts
    this.#hashed = new RememberedCredentials(parts.ports, { away })
    this.#asked = new RememberedCredentials(parts.ports, { away, maximumRunning: askedAtOnce })
    this.#wrong = new WrongCredentials(parts.ports)
    this.#pace = new RefusalPace(parts.ports.timers)
    this.#collisions = new NameCollisions(parts)
    this.#files = new FileEntries(parts)
    this.#unmatchable = unmatchablePasswordHash(parts.ports.random)
    this.#spellings = new ByteLru({ maximumBytes: rememberedNames, sizeOf: () => 1 })
  }

  /** Throws UNAUTHORIZED, TOOMANYREQUESTS, and UNAVAILABLE when a source that might know the name cannot be asked. */
  async authenticate(credential: BasicCredential, requester: Requester): Promise<Principal> {
    const signIn: SignIn = { credential, requester }
    const user = await this.#parts.accounts.user({ name: credential.name })
    if (user !== undefined) {
      return await this.#openAccount(signIn, user).catch(async (error: unknown) => {
        throw await this.#collisions.explained(error, user)
      })
    }
    return await this.#openFrom(signIn, await this.#files.named(credential.name), undefined)
  }

  async #openAccount(signIn: SignIn, user: UserFacts): Promise<Principal> {
    const isLocal = user.passwordHash !== '' && (await this.#parts.hooks.isLocalOn?.()) !== false
    if (!isLocal) {
      const stray = await this.#files.strayOf(user)
      if (stray !== undefined) return await this.#refuseStray(signIn, stray, user)
      return await this.#openFrom(signIn, await this.#files.of(user.id), user)
    }
    const isFresh = await this.#require(signIn, user.passwordHash, (password) => verifyPassword(password, user.passwordHash))
    return await this.#person(user, signIn, isFresh)
  }

  /** Who has the password of a file's entry hears why it opens nothing; anybody else, what a wrong password hears. */
  async #refuseStray(signIn: SignIn, { file, hash }: FileEntry, user: UserFacts): Promise<never> {
    await this.#require(signIn, hash, (password) => file.verify(password, hash))
    // For the log, which says what to do.
    await this.#collisions.explained(new RegistryError('UNAUTHORIZED'), user)
    throw nameStands(new NameCollision(user.name, file.name))
  }

  /** By the entry of a file, or else by a directory. */
  async #openFrom(signIn: SignIn, { entry, unavailable }: FileFinding, user: UserFacts | undefined): Promise<Principal> {
    if (entry !== undefined) return await this.#openEntry(signIn, entry, user)
    try {
      return await this.#askProviders(signIn, user)
    } catch (error) {
      // The file that cannot be read may have the name.
      if (unavailable !== undefined && error instanceof RegistryError && error.code === 'UNAUTHORIZED') throw unavailable
      throw error
    }
  }

  async #openEntry(signIn: SignIn, entry: FileEntry, user: UserFacts | undefined): Promise<Principal> {
    const { file, hash } = entry
    const isFresh = await this.#require(signIn, hash, (password) => file.verify(password, hash))
    const person = user ?? (await this.#accountOf(signIn, entry))
    if (person === undefined) throw new RegistryError('UNAUTHORIZED')
    return await this.#person(person, signIn, isFresh)
  }

  /** Of somebody whose account, if there is one, is called otherwise than the entry. */
  async #accountOf({ credential, requester }: SignIn, entry: FileEntry): Promise<UserFacts | undefined> {
    const { accounts } = this.#parts
    const spelled = this.#spellings.get(credential.name)
    if (spelled !== undefined && (await this.#files.isLinked(spelled, entry))) return await accounts.user({ id: spelled })
    const id = await entry.file.open(entry.name, requester).catch(refuseConflict)
    this.#spellings.set(credential.name, id)
    return await accounts.user({ id })
  }

  async #require(signIn: SignIn, hash: string, verify: (password: string) => Promise<boolean>): Promise<boolean> {
    const check = async () => {
      const isRight = await verify(signIn.credential.password)
      if (!isRight) await this.#spend(signIn.credential.password, hash)
      return isRight
    }
    return await this.#judge(signIn, this.#hashed, { storedHash: hash, check })
  }

  /** `user`: the account of that very name, which only the providers that it is linked with may open. */
  async #askProviders(signIn: SignIn, user: UserFacts | undefined): Promise<Principal> {
    const { accounts, hooks, reader } = this.#parts
    const { name } = signIn.credential
    const spelled = this.#spellings.get(name)
    const expected = user ?? (spelled === undefined ? undefined : await accounts.user({ id: spelled }))
    let full: RegistryError | undefined
    const check = async () => {
      const links = user === undefined ? undefined : await linkedIdentities(reader, user.id)
      const userId = await askProviders(hooks, { ...signIn, links }).catch(refuseTaken)
      if (userId === undefined) full = await this.#spendInTurn(signIn)
      else this.#spellings.set(name, userId)
      return userId !== undefined
    }
    // A provider that was changed or switched off since has said nothing of this password.
    const versions = ((await hooks.passwordProviders?.()) ?? []).map((provider) => `${provider.id}/${provider.version ?? 0}`).join()
    const storedHash = `provider:${expected?.id ?? 'new'}:${versions}`
    const isFresh = await this.#judge(signIn, this.#asked, { storedHash, check, refusal: () => full })
    const id = user?.id ?? this.#spellings.get(name)
    const found = id === undefined ? undefined : await accounts.user({ id })
    if (found === undefined) throw new RegistryError('UNAUTHORIZED')
    const network = clientNetwork(signIn.requester.address)
    if (expected === undefined) this.#asked.remember(signIn.credential, `provider:${found.id}:${versions}`, network)
    return await this.#person(found, signIn, isFresh)
  }

  /** Throws for a wrong password, by `refusal` where it is another one than that; whether it was checked now rather than remembered. */
  async #judge(
    { credential, requester }: SignIn,
    memory: RememberedCredentials,
    { storedHash, check, refusal }: Judging,
  ): Promise<boolean> {
    const { backOff, hooks } = this.#parts
    const { address } = requester
    const attempt = { name: credential.name, address }
    const wrong = { credential, address, storedHash }
    let isFresh = false
    let repeats = 0
    try {
      repeats = this.#wrong.repeat(wrong)
      if (repeats > 0) throw new RegistryError('UNAUTHORIZED')
      const verify = async () => {
        isFresh = true
        const isRight = await backOff.judge(attempt, check)
        const otherwise = isRight ? undefined : refusal?.()
        if (otherwise !== undefined) throw otherwise
        return isRight
      }
      if (!(await memory.check(credential, storedHash, verify, this.#doorOf(attempt, requester)))) {
        this.#wrong.add(wrong)
        throw new RegistryError('UNAUTHORIZED')
      }
      hooks.noteAttempt?.('password', 'success')
      return isFresh
    } catch (error) {
      const code = error instanceof RegistryError ? error.code : undefined
      const isBlocked = code === 'TOOMANYREQUESTS'
      hooks.noteAttempt?.('password', isBlocked ? 'blocked' : 'failure')
      if (isBlocked || code === 'UNAUTHORIZED') await this.#pace.turn(isBlocked || repeats > repeatsMax, requester.awaited)
      throw error
    }
  }

  #doorOf(attempt: Attempt, { address, awaited }: Requester): Door {
    const { backOff } = this.#parts
    const network = clientNetwork(address)
    const isGone = () => awaited?.isGone() === true
    return {
      network,
      isBesieged: () => backOff.isBesieged(attempt),
      admit: async () => ({ network, isKnown: await backOff.admit(attempt), isGone }),
    }
  }

  /** A full queue must not keep a wrong password from being counted. But it is answered as it is for accounts that are there: what it gives is the refusal. */
  async #spendInTurn({ credential, requester }: SignIn): Promise<RegistryError | undefined> {
    try {
      const seeker = { network: clientNetwork(requester.address), isKnown: false }
      await this.#hashed.spendInTurn(seeker, () => this.#spend(credential.password))
      return undefined
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'TOOMANYREQUESTS') return error
      throw error
    }
  }

  /** Checks what a wrong password would have cost elsewhere; `checked` was paid for already. */
  async #spend(password: string, checked?: string): Promise<void> {
    const isArgon2 = checked?.startsWith('$argon2') === true
    if (!isArgon2) await verifyPassword(password, this.#unmatchable)
    if (checked === undefined || isArgon2) await this.#files.spend(password)
  }

  async #person(user: UserFacts, { requester }: SignIn, isFresh: boolean): Promise<Principal> {
    const { accounts } = this.#parts
    const principal = await accounts.personPrincipal(user, { credential: { kind: 'password' } })
    // As it is after the look at what the account comes from: somebody else's second factor may just have gone.
    const { hasSecondFactor } = (await accounts.user({ id: user.id })) ?? user
    if (hasSecondFactor && requester.isSignIn !== true) throw bareRefusal()
    this.#parts.uses.take({ userId: user.id })
    return { ...principal, isPasswordFresh: isFresh }
  }
}

/** A client of /v2 knows what to do about a refusal, and nothing of a conflict. */
function refuseConflict(error: unknown): never {
  throw error instanceof RegistryError && error.code === 'CONFLICT' ? nameStands(error) : error
}

/** The same for somebody of a directory, whom nobody asks for another name here: no program that sends a password could show the question. */
function refuseTaken(error: unknown): never {
  const taken =
    error instanceof RegistryError && error.code === 'CONFLICT' && error.cause instanceof NameCollision ? error.cause : undefined
  if (taken === undefined) throw error
  const message = `the password is right, but the name ${taken.user} belongs to another account here: an administrator renames or deletes that account, or its owner links this identity to it`
  throw new RegistryError('UNAUTHORIZED', undefined, { message, cause: error })
}

/** For whoever came with the right password of a file that does not open the account of their name. */
function nameStands(cause: unknown): RegistryError {
  const message =
    'the password is right, but the name belongs to another account here: an administrator renames or deletes that account, or makes the deleted provider that opened it again under the same name'
  return new RegistryError('UNAUTHORIZED', undefined, { message, cause })
}
