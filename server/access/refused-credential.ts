/**
 * Why a credential was not taken, for the record alone: whoever came with it hears the same whatever it was.
 *
 * The problem: a token that ended, one that was revoked and one that nobody ever made are one answer, and those who run the registry must tell them apart.
 * The way: the refusal has this as its cause, never in its message or detail. Second factors and identity providers refuse in the same words.
 */
import { revocationOf } from '#metadata/events.ts'
import type { Reader } from '#metadata/metadata.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Credential } from './principal.ts'
import { hintOf, parseToken } from './token-format.ts'

/**
 * `unknown`: there is no such secret; `wrong-secret`: it cannot be one; `another-owner`: it came with a name that is not its owner's; `name-taken`: a provider
 * that the account is not linked with has somebody of the name. From `not-begun-here` on: of sign-ins at an OpenID Connect provider.
 */
export type RefusalCause =
  | 'unknown'
  | 'wrong-secret'
  | 'revoked'
  | 'ended'
  | 'disabled-account'
  | 'ended-account'
  | 'gone-account'
  | 'another-owner'
  | 'name-taken'
  | 'second-factor'
  | 'not-begun-here'
  | 'refused-there'
  | 'wrong-answer'
  | 'required-groups'
  | 'not-linked'
  | 'another-person'
  | 'signed-out'
  | 'not-asked-again'
  | 'no-account'

/** What is known of a credential that was refused. */
export interface RefusedFacts {
  readonly why: RefusalCause
  readonly credential?: Credential | undefined
  /** As records name whose it is: `user:alice`, `robot:ci@team`. */
  readonly owner?: string | undefined
  /** The first characters of a secret, by which lists tell it from others. */
  readonly hint?: string | undefined
  /** What stands for `credential` where there is no row of it: `totp`, `oidc:248289761001`. */
  readonly shown?: string | undefined
  /** What else is known. Never a secret. */
  readonly more?: Readonly<Record<string, string>> | undefined
}

/** The cause of a refusal. */
export class RefusedCredential extends Error {
  override readonly name = 'RefusedCredential'
  readonly facts: RefusedFacts

  constructor(facts: RefusedFacts) {
    super(`the credential was refused: ${facts.why}`)
    this.facts = facts
  }
}

/** The refusal to throw, for whoever hears what a wrong password hears. */
export function refused(facts: RefusedFacts): RegistryError {
  return new RegistryError('UNAUTHORIZED', undefined, { cause: new RefusedCredential(facts) })
}

/** The facts behind a refusal; undefined where nothing is known. */
export function refusedFactsOf(error: unknown): RefusedFacts | undefined {
  let cause = error
  while (cause instanceof RegistryError) cause = cause.cause
  return cause instanceof RefusedCredential ? cause.facts : undefined
}

/** What records say of a secret that is in no row: a revoked one leaves its first characters there. */
export async function unknownSecret(reader: Reader, secret: string): Promise<RefusedFacts> {
  const parsed = parseToken(secret)
  // Refresh tokens are no credentials, whatever became of them.
  if (parsed === undefined || parsed.kind === 'refresh') return { why: 'wrong-secret' }
  const { kind } = parsed
  const hint = hintOf(secret)
  const revocation = await revocationOf(reader, { action: kind === 'robot' ? 'robot.secret-revoked' : 'token.revoked', hint })
  if (revocation === undefined) return { why: 'unknown', hint }
  const { target, detail } = revocation
  const { id } = JSON.parse(detail) as { readonly id?: unknown }
  return {
    why: 'revoked',
    hint,
    ...(typeof id === 'number' && { credential: { kind, id } }),
    ...(kind === 'robot' && { owner: target }),
  }
}
