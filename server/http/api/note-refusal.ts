/** What the audit hears of calls that were refused. A challenge to who showed no credential is none of them. */
import { nameTaken, refusalReason } from '#access/name-collision.ts'
import { looksLikeToken } from '#access/token-format.ts'
import type { Exchange } from '#http/exchange.ts'
import { noteWrongCredential } from '#http/note-refusal.ts'
import { whoOf } from '#http/requester.ts'
import type { RegistryError } from '#oci/errors.ts'

const refusals: ReadonlySet<RegistryError['code']> = new Set(['DENIED', 'UNAUTHORIZED', 'ELEVATION_REQUIRED'])

/** `route` is the contract's: method and path with the names of its parameters. `params` as they came. */
export interface RefusedCall {
  readonly route: string
  readonly params: unknown
}

/** Notes a refusal with what it was aimed at; an error that is none is passed by. What limits of rate refuse is noted by the gate. */
export function noteRefusedCall(exchange: Exchange, error: RegistryError, call: RefusedCall): void {
  const { principal, aim } = exchange.notes
  if (principal === undefined) {
    // Too many wrong ones before: this one was not even judged.
    if (isDenied(error) || error.code === 'TOOMANYREQUESTS') noteWrongCredential(exchange, error)
    return
  }
  const isShown = principal.credential.kind !== 'none'
  const isNoted = error.code === 'UNSUPPORTED' || (isShown && (isDenied(error) || isHidden(error, aim)))
  if (!isNoted) return
  const circumstances = { ...whoOf(exchange, principal), outcome: 'failure', reason: error.code } as const
  const happening = { action: 'access.refused', target: targetOf(call), detail: { call: call.route } } as const
  exchange.site.parts.audit.note({ ...happening, project: aim?.project, repository: aim?.repository }, circumstances)
}

function isDenied(error: RegistryError): boolean {
  return refusals.has(error.code) || refusalReason(error) === nameTaken
}

/** The caller hears that nothing is there, and something is. */
function isHidden({ code }: RegistryError, aim: Exchange['notes']['aim']): boolean {
  return code === 'RESOURCE_UNKNOWN' && aim?.isHidden === true
}

/** `api:DELETE /projects/crew`: the parameters' values, which are the caller's own text, in their places. */
function targetOf({ route, params }: RefusedCall): string {
  const given = (typeof params === 'object' ? params : null) as Readonly<Record<string, unknown>> | null
  return `api:${route.replaceAll(/\{(\w+)\}/g, (placeholder, name: string) => {
    const value = given?.[name]
    // A secret that was pasted in place of its id is nobody's to read.
    return typeof value === 'string' && !looksLikeToken(value) ? value.replaceAll(/\p{C}/gu, '?') : placeholder
  })}`
}
