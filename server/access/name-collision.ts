/**
 * Somebody of a directory whose name is another account's here.
 *
 * The problem: such a sign-in is refused, for a name is never taken over, and the person hears what whoever types a wrong password hears; those who run the
 * registry must hear more. The way: after the refusal the directories that the account is not linked with are asked whether they know the name (without the
 * password, which is not theirs to see); the log says it, and so does the record of the refusal, as a hint beside UNAUTHORIZED: it may be a guess at the account as
 * well. Who gave the right password of their provider is no guesser: {@link refusalReason} tells that.
 */
import type { Ports } from '#lib/ports.ts'
import type { Logger } from '#lib/logger.ts'
import { ByteLru } from '#lib/lru.ts'
import { linkedIdentities } from '#metadata/account-facts.ts'
import type { Reader } from '#metadata/metadata.ts'
import { errorTable, RegistryError } from '#oci/errors.ts'
import type { SignInHooks } from './hooks.ts'
import { refused, refusedFactsOf } from './refused-credential.ts'

/** How long an answer counts: a wrong password is no reason to search a directory each time. */
const rememberedMs = 10 * 60_000
const rememberedNames = 10_000

/** The cause of a refusal; `provider` vouches for somebody of that name, who is not the account. */
export class NameCollision extends Error {
  override readonly name = 'NameCollision'
  readonly user: string
  readonly provider: string

  constructor(user: string, provider: string) {
    super(nameCollisionAdvice(user, provider))
    this.user = user
    this.provider = provider
  }
}

/** What to do, for the log and for whoever tries a provider out. */
export function nameCollisionAdvice(user: string, provider: string): string {
  return `the name ${user} belongs to another account here, so ${provider}’s ${user} is not let in: rename that account (berth user update ${user} --name …), or delete it, or have its owner link the identity to it`
}

/** Stands in records beside the error codes. */
export const nameTaken = 'NAME_TAKEN'

/** An error code for the audit, which tells a right password that the name stands in the way of from a wrong one. */
export function refusalReason(error: RegistryError): string {
  let { cause } = error
  while (cause instanceof RegistryError) cause = cause.cause
  return cause instanceof NameCollision ? nameTaken : error.code
}

interface Parts {
  readonly hooks: SignInHooks
  readonly reader: Reader
  readonly ports: Pick<Ports, 'clock'>
  readonly log: Logger
}

/** Looks for collisions. One per process. */
export class NameCollisions {
  readonly #parts: Parts
  /** Name → what was found, and when. */
  readonly #known = new ByteLru<{ readonly provider: string | undefined; readonly until: number }>({
    maximumBytes: rememberedNames,
    sizeOf: () => 1,
  })

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** The refusal to throw: with the other holder of the name as its cause when there is one. What is no refusal of a credential is given back as it is. */
  async explained(error: unknown, user: { readonly id: number; readonly name: string }): Promise<unknown> {
    if (!(error instanceof RegistryError) || error.code !== 'UNAUTHORIZED' || error.message !== errorTable.UNAUTHORIZED.message)
      return error
    const provider = await this.#otherHolder(user)
    if (provider === undefined || refusedFactsOf(error) !== undefined) return error
    return refused({ why: 'name-taken', owner: `user:${user.name}`, more: { provider } })
  }

  async #otherHolder({ id, name }: { readonly id: number; readonly name: string }): Promise<string | undefined> {
    const { hooks, reader, ports, log } = this.#parts
    const now = ports.clock.now()
    const known = this.#known.get(name)
    if (known !== undefined && known.until > now) return known.provider
    const providers = [...(await filesAsHolders(hooks)), ...((await hooks.passwordProviders?.()) ?? [])]
    const links = providers.length === 0 ? [] : await linkedIdentities(reader, id)
    let found: string | undefined
    for (const provider of providers) {
      if (links.some(({ providerId }) => providerId === provider.id)) continue
      // One that is away says nothing: the refusal stands without it.
      if (await provider.knows?.(name).catch(() => false)) {
        found = provider.name
        break
      }
    }
    this.#known.set(name, { provider: found, until: now + rememberedMs })
    if (found !== undefined) log.warn({ provider: found, user: name }, nameCollisionAdvice(name, found))
    return found
  }
}

interface Holder {
  readonly id: number
  readonly name: string
  readonly knows?: (name: string) => Promise<boolean>
}

async function filesAsHolders({ passwordFiles }: SignInHooks): Promise<readonly Holder[]> {
  const files = (await passwordFiles?.()) ?? []
  return files.map((file) => ({ id: file.id, name: file.name, knows: async (name) => (await file.find(name)).hash !== undefined }))
}
