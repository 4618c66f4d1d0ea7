/** Secrets that Berth made, personal tokens and those of robots, remembered by hash until the access epoch changes. */
import { createHash } from 'node:crypto'
import type { Clock } from '#lib/ports.ts'
import { targetOfRobot, type AccountBook, type Entrance } from './accounts.ts'
import type { CredentialUses } from './credential-uses.ts'
import { EpochMemory, type AccessEpoch } from '#metadata/watch-access.ts'
import type { SignInHooks, TokenOwner } from './hooks.ts'
import type { Principal } from './principal.ts'
import { refused } from './refused-credential.ts'
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

/** What was sent. */
interface Came {
  readonly secret: string
  readonly name: string
}

interface RobotCase {
  readonly owner: TokenOwner
  readonly came: Came
  readonly requester: Requester
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
      if (owner === undefined) throw refused((await this.#parts.hooks.explainToken?.(secret)) ?? { why: 'unknown' })
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

  async #principalOf(owner: TokenOwner, came: Came, requester: Requester): Promise<Principal> {
    const credential = { kind: owner.kind, id: owner.id }
    const entrance = { credential, limits: owner.scopes }
    return owner.robotId === undefined
      ? await this.#person(owner, entrance, came)
      : await this.#robot(owner.robotId, entrance, { owner, came, requester })
  }

  async #person(owner: TokenOwner, entrance: Entrance, { secret, name }: Came): Promise<Principal> {
    const { accounts } = this.#parts
    const { credential } = entrance
    const user = owner.userId === undefined ? undefined : await accounts.user({ id: owner.userId })
    if (user === undefined) throw refused({ why: 'gone-account', credential })
    const target = `user:${user.name}`
    if (this.#hasEnded(owner)) throw refused({ why: 'ended', credential, owner: target })
    if (name !== '' && name !== user.name) throw refused({ why: 'another-owner', credential, owner: target })
    const principal = await accounts.personPrincipal(user, entrance)
    // The look at what the account comes from may just have ended its tokens.
    if (!(await this.#isThere(secret, owner))) throw refused({ why: 'revoked', credential, owner: target })
    return principal
  }

  async #robot(id: number, entrance: Entrance, { owner, came: { name }, requester }: RobotCase): Promise<Principal> {
    const { accounts, clock } = this.#parts
    const { credential } = entrance
    const robot = await accounts.robot(id)
    if (robot === undefined) throw refused({ why: 'gone-account', credential })
    const target = targetOfRobot(robot)
    if (this.#hasEnded(owner)) throw refused({ why: 'ended', credential, owner: target })
    if (name !== '' && !(await accounts.isNameOfRobot(name, robot))) throw refused({ why: 'another-owner', credential, owner: target })
    return await accounts.robotPrincipal(robot, entrance, { now: clock.now(), address: requester.address })
  }

  #hasEnded({ expiresAt }: TokenOwner): boolean {
    return expiresAt !== undefined && expiresAt <= this.#parts.clock.now()
  }
}
