/** What the audit hears of logins and refusals at /v2. A challenge to who showed no credential is none of them. */
import type { Principal } from '#access/principal.ts'
import { parseBasicCredential } from '#access/basic-credential.ts'
import { refusalReason } from '#access/name-collision.ts'
import { refusedFactsOf, type RefusedFacts } from '#access/refused-credential.ts'
import type { RegistryError } from '#oci/errors.ts'
import { quotaFactsOf } from '#oci/quota-exceeded.ts'
import type { Wanted } from './wanted.ts'
import { credentialText, type Exchange } from './exchange.ts'
import { requesterOf, whoOf } from './requester.ts'

/** A credential that was not taken; what cannot be judged now is no wrong credential. */
export function noteWrongCredential(exchange: Exchange, error: RegistryError): void {
  const { authorization } = exchange.request.headers
  if (authorization === undefined || error.code === 'UNAVAILABLE') return
  noteRefusedCredential(exchange, { action: 'login.failed', name: parseBasicCredential(authorization)?.name ?? '' }, error)
}

/** A credential that was shown. */
interface Shown {
  readonly action: 'login.failed' | 'bearer.refused'
  /** As it was typed, where the credential itself is nobody's that is known. */
  readonly name: string
  /** Those behind the error, unless said. */
  readonly facts?: RefusedFacts | undefined
}

/** What is known of the credential is told to the record alone. */
export function noteRefusedCredential(exchange: Exchange, { action, name, facts }: Shown, error: RegistryError): void {
  const { address, userAgent, requestId } = requesterOf(exchange)
  const { why, credential, owner, hint, shown, more } = facts ?? refusedFactsOf(error) ?? {}
  const typed = name === '' ? undefined : `user:${name}`
  const target = owner ?? typed ?? (hint === undefined ? 'system' : `token:${hint}`)
  const detail = why === undefined ? undefined : { cause: why, hint, ...(typed !== undefined && typed !== target && { name }), ...more }
  exchange.site.parts.audit.note(
    { action, target, detail },
    {
      actor: '',
      credential: credential === undefined ? shown : credentialText(credential),
      requestId,
      address,
      userAgent,
      outcome: 'failure',
      reason: refusalReason(error),
    },
  )
}

/** Somebody signed in: `docker login` asks for nothing else. */
export function noteLogin(exchange: Exchange, principal: Principal): void {
  if (principal.isAnonymous) return
  exchange.site.parts.audit.note(
    { action: 'login.succeeded', target: `${principal.kind === 'robot' ? 'robot' : 'user'}:${principal.name}` },
    whoOf(exchange, principal),
  )
}

/** The same for a password that was checked just now. One that is remembered from a minute ago is no login, so a pull of many layers notes one. */
export function notePasswordLogin(exchange: Exchange, principal: Principal): void {
  if (principal.isPasswordFresh === true) noteLogin(exchange, principal)
}

/** A request that its sender's rights, or the bounds of the credential, do not cover; or (`UNSUPPORTED`) what is switched off for everybody. */
export function noteRefusal(
  exchange: Exchange,
  { permission, repository }: Wanted,
  reason: 'UNAUTHORIZED' | 'DENIED' | 'UNSUPPORTED',
): void {
  const { principal } = exchange.notes
  if (principal === undefined) return
  const happening = { action: 'access.refused', target: 'system', repository, detail: { permission } } as const
  exchange.site.parts.audit.note(happening, { ...whoOf(exchange, principal), outcome: 'failure', reason })
}

/** What did not fit a project's limits: many refusals of one sender become one record with a count. */
export function noteQuotaRefusal(exchange: Exchange, error: unknown): void {
  const facts = quotaFactsOf(error)
  const { principal } = exchange.notes
  if (facts === undefined || principal === undefined) return
  const { project, unit, limit, used } = facts
  exchange.site.parts.audit.note(
    { action: 'quota.exceeded', target: `project:${project}`, project, detail: { unit, limit, used } },
    { ...whoOf(exchange, principal), outcome: 'failure', reason: 'DENIED' },
  )
}
