/** Secrets that Berth made, personal tokens and those of robots, remembered by hash until the access epoch changes. */
import { createHash } from 'node:crypto'
import type { Clock } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'
import type { AccountBook } from './accounts.ts'
import type { CredentialUses } from './credential-uses.ts'
import { EpochMemory, type AccessEpoch } from './epoch.ts'
import type { SignInHooks, TokenOwner } from './hooks.ts'
import type { Principal } from './principal.ts'
import type { Requester } from './requester.ts'

const rememberedTokens = 20_000

/** What tokens are judged with. */
export interface TokenBookParts {
  readonly accounts: AccountBook
  readonly uses: CredentialUses
  readonly clock: Clock
  readonly hooks: SignInHooks
  readonly epoch: AccessEpoch
}

/** Judges secrets. One per process. */
export class TokenBook {
  readonly #parts: TokenBookParts
  readonly #owners: EpochMemory<TokenOwner>

  constructor(parts: TokenBookParts) {
    this.#parts = parts
    this.#owners = new EpochMemory(parts.epoch, rememberedTokens)
  }

  /** `name` as it came with the secret, empty for none: it must be the owner's. Throws UNAUTHORIZED. */
  async authenticate(secret: string, name: string, requester: Requester): Promise<Principal> {
    const owner = await this.#find(secret)
    const kind = secret.startsWith('berth_rob_') ? 'robot' : 'personal'
    try {
      if (owner === undefined) throw new RegistryError('UNAUTHORIZED')
      const principal = await this.#principalOf(owner, { secret, name }, requester)
      this.#parts.hooks.noteAttempt?.(kind, 'success')
      this.#parts.uses.take({ tokenId: owner.id, robotId: owner.robotId })
      return principal
    } catch (error) {
      this.#parts.hooks.noteAttempt?.(kind, 'failure')
      throw error
    }
  }

  async #find(secret: string): Promise<TokenOwner | undefined> {
    const { findToken } = this.#parts.hooks
    if (findToken === undefined) return undefined
    // The memory holds no secret: who reads it cannot sign in.
    return await this.#owners.get(createHash('sha256').update(secret).digest('base64'), () => findToken(secret))
  }

  async #isThere(secret: string, { id }: TokenOwner): Promise<boolean> {
    return (await this.#find(secret))?.id === id
  }

  async #principalOf(
    owner: TokenOwner,
    { secret, name }: { readonly secret: string; readonly name: string },
    { address }: Requester,
  ): Promise<Principal> {
    const { accounts, clock } = this.#parts
    const now = clock.now()
    if (owner.expiresAt !== undefined && owner.expiresAt <= now) throw new RegistryError('UNAUTHORIZED')
    const entrance = { credential: { kind: owner.kind, id: owner.id }, limits: owner.scopes }
    if (owner.robotId !== undefined) {
      const robot = await accounts.robot(owner.robotId)
      if (robot === undefined || (name !== '' && !(await accounts.isNameOfRobot(name, robot)))) throw new RegistryError('UNAUTHORIZED')
      return await accounts.robotPrincipal(robot, entrance, { now, address })
    }
    const user = owner.userId === undefined ? undefined : await accounts.user({ id: owner.userId })
    if (user === undefined || (name !== '' && name !== user.name)) throw new RegistryError('UNAUTHORIZED')
    const principal = await accounts.personPrincipal(user, entrance)
    // The look at what the account comes from may just have ended its tokens.
    if (!(await this.#isThere(secret, owner))) throw new RegistryError('UNAUTHORIZED')
    return principal
  }
}
