/** Refusals of the two routes that a person's browser is sent to: a page in place of a problem for programs. */
import type { FastifyReply } from 'fastify'
import type { Exchange } from '#http/exchange.ts'
import { pageHeaders, pageText, refusalPage } from '#http/sign-in/page.ts'
import { wordsFor } from '#http/sign-in/words.ts'
import type { RegistryError } from '#oci/errors.ts'

const seenByPeople: ReadonlySet<string> = new Set(['GET /session/oidc/{provider}', 'GET /session/oidc/{provider}/callback'])

/** The page, its headers set; undefined for every other route, for programs, and for faults of ours. `route` is the contract's. */
export function problemPage(
  exchange: Exchange,
  reply: FastifyReply,
  { error, route }: { readonly error: RegistryError; readonly route: string },
): string | undefined {
  const { accept = '', 'accept-language': languages } = exchange.request.headers
  const isFault = error.status >= 500 && error.code !== 'UNAVAILABLE'
  if (isFault || !seenByPeople.has(route) || !/\btext\/html\b/i.test(accept)) return undefined
  const spoken = wordsFor(languages)
  reply.headers(pageHeaders(spoken))
  const { config, portal } = exchange.site.parts
  return pageText(spoken, refusalPage(spoken, error, `${config.http.prefix}${portal === undefined ? 'sign-in' : 'login'}`))
}
