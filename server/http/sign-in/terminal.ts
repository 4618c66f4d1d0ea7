/**
 * `/sign-in/terminal`: where `berth login --browser` sends the person, and where they say yes or no (access/terminal-login.ts has the why).
 *
 * What is handed over makes a token without scopes, so the person must have shown of late who they are, as for such a token over the API.
 */
import { staleSessionMessage } from '#access/elevation.ts'
import { allowTerminal, parseTerminalRequest, type TerminalRequest } from '#access/terminal-login.ts'
import { byPerson, personOf, type PersonSession } from '#http/api/session-person.ts'
import { gateWrite } from '#http/gate.ts'
import { single } from '#http/token/token-form.ts'
import { RegistryError } from '#oci/errors.ts'
import { html } from './markup.ts'
import type { Page } from './page.ts'
import { elevationPage, signOutForm } from './steps.ts'
import { signInPath, type Step, type Visit } from './visit.ts'

/** Throws REQUEST_INVALID for what no command asks. */
function requestOf(given: URLSearchParams): TerminalRequest {
  const text = (name: string) => single(given, name) ?? ''
  const request = parseTerminalRequest({
    redirectUri: text('redirect_uri'),
    challenge: text('code_challenge'),
    state: text('state'),
    device: text('device'),
  })
  if (request !== undefined) return request
  throw new RegistryError('REQUEST_INVALID', undefined, { message: 'this is not the whole link that berth login shows: start it again' })
}

/** The request as the query of its own link. */
function pathOf(visit: Visit, { redirectUri, challenge, state, device }: TerminalRequest): string {
  const query = new URLSearchParams({ redirect_uri: redirectUri, code_challenge: challenge, state, device })
  return `${signInPath(visit, 'terminal')}?${query.toString()}`
}

/** The person, once they are signed in and have shown of late who they are; else what they must do first. */
async function requireFreshPerson(visit: Visit, request: TerminalRequest): Promise<PersonSession | { readonly page: Page }> {
  const { session, exchange } = visit
  const person = personOf(session)
  const principal = exchange.notes.principal
  if (principal === undefined) throw new RegistryError('UNAUTHORIZED')
  const stale = await staleSessionMessage(exchange.site.parts.directory, principal)
  if (stale === undefined) return person
  return { page: await elevationPage({ ...visit, returnTo: pathOf(visit, request) }, person) }
}

/** Asks. Whoever is not signed in does that first, at the provider that the command named, and comes back. */
export const askForTerminal: Step = async (visit) => {
  const { session, given, exchange } = visit
  const request = requestOf(given)
  const here = pathOf(visit, request)
  const provider = single(given, 'provider')
  if (session === undefined && provider !== undefined) {
    const query = new URLSearchParams({ returnTo: here }).toString()
    return { location: `${exchange.site.parts.config.http.prefix}api/v1/session/oidc/${encodeURIComponent(provider)}?${query}` }
  }
  if (session?.state !== 'active') return { location: signInPath(visit, '', here) }
  const person = await requireFreshPerson(visit, request)
  return 'page' in person ? person : { page: confirmPage(visit, person, request) }
}

function confirmPage(visit: Visit, person: PersonSession, request: TerminalRequest): Page {
  const { words } = visit.spoken
  const { redirectUri, challenge, state, device } = request
  const fields = { redirect_uri: redirectUri, code_challenge: challenge, state, device, account: String(person.userId) }
  const hidden = Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`)
  const body = html` <p>${words.terminalAsk} <strong>${person.name}</strong>?</p>
    <p>${words.terminalMachine} <strong>${device}</strong>. ${words.terminalToken}</p>
    <p class="bad">${words.terminalWarning}</p>
    <form method="post" action="${signInPath(visit, 'terminal')}">
      ${hidden}
      <button class="main" name="decision" value="allow">${words.allow}</button>
      <button name="decision" value="refuse">${words.refuse}</button>
    </form>
    <p>${words.terminalAfter}</p>
    <pre><code>${redirectUri}</code></pre>
    ${signOutForm(visit)}`
  return { title: words.terminal, body, formTargets: [formTarget(redirectUri)] }
}

/** CSP has no word for an IPv6 address. */
function formTarget(redirectUri: string): string {
  return redirectUri.includes('[') ? 'http:' : new URL(redirectUri).origin
}

/** Takes the answer to the command. */
export const answerTerminal: Step = async (visit) => {
  const { session, given, exchange, who } = visit
  const request = requestOf(given)
  const { redirectUri, state } = request
  const decision = single(given, 'decision')
  if (decision !== 'allow') return { location: `${redirectUri}?${new URLSearchParams({ error: 'access_denied', state }).toString()}` }
  // Signed out since, or as somebody else than the page named: asked anew.
  if (session?.state !== 'active' || String(session.userId) !== single(given, 'account')) return { location: pathOf(visit, request) }
  const person = await requireFreshPerson(visit, request)
  if ('page' in person) return person
  await gateWrite(exchange)
  const code = await allowTerminal(exchange.site.parts.directory, { session: person, request }, byPerson(who, person))
  return { location: `${redirectUri}?${new URLSearchParams({ code, state }).toString()}` }
}
