/**
 * The pages by which people sign in with a browser: `/sign-in` and what is below it.
 *
 * The problem: a person who comes back from an identity provider may still have to choose a name or give a second factor, and `berth login` must ask
 * somebody for leave; both happen in whatever browser there is. The way: pages of plain HTML with forms, without a script, served by the registry itself;
 * they go by the session's cookie alone, and lead back to any path of this site (`returnTo`). To add a page, add a step to `steps`.
 */
import { parseReturnPath } from '#access/return-path.ts'
import { noteRefusedCall } from '#http/api/note-refusal.ts'
import { browserSession } from '#http/api/session-person.ts'
import { readCookie } from '#http/api/session-cookie.ts'
import type { TargetedExchange } from '#http/exchange.ts'
import { gatePrincipal } from '#http/gate.ts'
import { requesterOf, whoOf } from '#http/requester.ts'
import { respondError } from '#http/respond-error.ts'
import { respond, type HeaderList } from '#http/respond.ts'
import { readForm, single } from '#http/token/token-form.ts'
import { RegistryError } from '#oci/errors.ts'
import { pageHeaders, pageText, refusalPage, type Page } from './page.ts'
import { goToElevation, leave, showSignIn, takeElevation, takeFactor, takeName } from './steps.ts'
import { answerTerminal, askForTerminal } from './terminal.ts'
import { requireOwnPage, signInPath, type Step, type Visit, type VisitAnswer } from './visit.ts'
import { wordsFor, type Spoken } from './words.ts'

/** By what comes after `/sign-in`. */
const steps: Readonly<Record<string, { readonly GET?: Step; readonly POST?: Step }>> = {
  '': { GET: showSignIn },
  '/name': { POST: takeName },
  '/second-factor': { POST: takeFactor },
  '/elevation': { GET: goToElevation, POST: takeElevation },
  '/sign-out': { POST: leave },
  '/terminal': { GET: askForTerminal, POST: answerTerminal },
}

/** Answers with a page, a refusal included: whoever is here looks at a browser. */
export async function answerSignIn(exchange: TargetedExchange): Promise<void> {
  const spoken = wordsFor(exchange.request.headers['accept-language'])
  try {
    const page = exchange.target.path.slice(`${exchange.site.parts.config.http.prefix}sign-in`.length)
    const step = Object.hasOwn(steps, page) ? steps[page] : undefined
    if (step === undefined) throw new RegistryError('NOT_FOUND')
    const method = exchange.request.method === 'HEAD' ? 'GET' : exchange.request.method
    const run = method === 'GET' || method === 'POST' ? step[method] : undefined
    if (run === undefined) {
      respondError(exchange, new RegistryError('UNSUPPORTED'), ['Allow', step.GET === undefined ? 'POST' : allowOf(step)])
      return
    }
    answerWith(exchange, spoken, await run(await visitOf(exchange, spoken)))
  } catch (error) {
    refuse(exchange, spoken, error)
  }
}

function allowOf({ POST: post }: { readonly POST?: Step }): string {
  return post === undefined ? 'GET, HEAD' : 'GET, HEAD, POST'
}

async function visitOf(exchange: TargetedExchange, spoken: Spoken): Promise<Visit> {
  const { access } = exchange.site.parts
  const by = { ...requesterOf(exchange), authorization: undefined, certificate: undefined, session: readCookie(exchange, 'session') }
  const principal = await access.authenticate(by)
  exchange.notes.principal = principal
  const isForm = exchange.request.method === 'POST'
  if (isForm) requireOwnPage(exchange)
  await gatePrincipal(exchange, principal, undefined)
  const given = isForm ? await readForm(exchange) : exchange.target.query
  const session = await browserSession(exchange)
  const returnTo = single(given, 'returnTo')
  const path = returnTo === undefined ? undefined : parseReturnPath(returnTo)
  if (returnTo !== undefined && path === undefined) {
    throw new RegistryError('REQUEST_INVALID', undefined, { message: 'returnTo is not a path of this site: it begins with one slash' })
  }
  return { exchange, spoken, session, who: whoOf(exchange, principal), given, returnTo: path }
}

function answerWith(exchange: TargetedExchange, spoken: Spoken, answer: VisitAnswer): void {
  const { headers = {} } = answer
  if ('page' in answer) respondPage(exchange, spoken, { page: answer.page, status: answer.status ?? 200, headers })
  else
    respond(exchange, 303, flat({ ...headers, Location: answer.location, 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' }))
}

interface Sent {
  readonly page: Page
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

function respondPage(exchange: TargetedExchange, spoken: Spoken, { page, status, headers }: Sent): void {
  respond(exchange, status, flat({ ...pageHeaders(spoken, page), ...headers }), pageText(spoken, page))
}

function flat(headers: Readonly<Record<string, string>>): HeaderList {
  return Object.entries(headers).flat()
}

/** A fault of ours is logged and told as everywhere. */
function refuse(exchange: TargetedExchange, spoken: Spoken, error: unknown): void {
  if (!(error instanceof RegistryError) || (error.status >= 500 && error.code !== 'UNAVAILABLE')) throw error
  exchange.notes.errorCode = error.code
  noteRefusedCall(exchange, error, { route: `${exchange.request.method} ${exchange.target.path}`, params: {} })
  const wait = error.retryAfterSeconds
  const headers = wait === undefined ? {} : { 'Retry-After': String(wait) }
  respondPage(exchange, spoken, { page: refusalPage(spoken, error, signInPath({ exchange })), status: error.status, headers })
}
