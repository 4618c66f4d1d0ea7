/**
 * What stands between a browser and its session, as pages: choosing a provider, a name, the second factor; and who is signed in, at the end. Each step sends
 * the browser back to `/sign-in`, which shows what is missing now, or sends it on to where it was going.
 */
import { chooseName, proposedName } from '#access/oidc-sign-in.ts'
import { listFactors, type FactorProof } from '#access/second-factors.ts'
import { proveSession, type OpenSession } from '#access/sessions.ts'
import { namesOfProviders, signInProviders } from '#access/sign-in-providers.ts'
import { oidcOf } from '#http/api/oidc-of.ts'
import { cookieOf } from '#http/api/session-cookie.ts'
import { proveBySecondFactor } from '#http/api/prove-by-second-factor.ts'
import { browserSession, byPerson, personOf, requireOrigin, type PersonSession } from '#http/api/session-person.ts'
import { personOfPassword } from '#http/api/session-password.ts'
import { startAtProvider } from '#http/api/session-providers.ts'
import { signOut } from '#http/api/sign-out.ts'
import { single } from '#http/token/token-form.ts'
import { RegistryError } from '#oci/errors.ts'
import { html, type Markup } from './markup.ts'
import { sentences, type Page } from './page.ts'
import { signInPath, type Step, type Visit, type VisitAnswer } from './visit.ts'

/** `/sign-in`: what is missing now. */
export const showSignIn: Step = async (visit) => {
  const { session, returnTo } = visit
  switch (session?.state) {
    case 'active':
      return returnTo === undefined ? { page: signedInPage(visit, session) } : { location: returnTo }
    case 'name':
      return { page: namePage(visit, proposedName(oidcOf(visit.exchange.site.parts), session)) }
    case 'second-factor':
      return { page: await factorPage(visit, personOf(session), 'second-factor') }
    case 'redirected':
    case 'terminal':
    case undefined:
      return { page: await providersPage(visit) }
  }
}

async function providersPage(visit: Visit): Promise<Page> {
  const { spoken, exchange } = visit
  const { words } = spoken
  const { directory, config } = exchange.site.parts
  const offered = (await signInProviders(directory)).filter(({ kind }) => kind === 'oidc')
  const query = new URLSearchParams({ returnTo: visit.returnTo ?? signInPath(visit) }).toString()
  const links = offered.map(({ name, title }) => {
    const target = `${config.http.prefix}api/v1/session/oidc/${encodeURIComponent(name)}?${query}`
    return html`<a class="button main" href="${target}">${title === '' ? name : title}</a>`
  })
  const ways =
    links.length === 0
      ? html`<p>${words.noProviders}</p>`
      : html`<p>${words.signInWith}</p>
          <p>${links}</p>`
  return {
    title: words.signIn,
    body: html`${ways}
      <p>${words.passwordHint}</p>
      <pre><code>berth login ${siteUrl(visit)}</code></pre>`,
  }
}

/** As the command line wants it. */
function siteUrl({ exchange }: Visit): string {
  const { prefix } = exchange.site.parts.config.http
  return `${requireOrigin(exchange)}${prefix.slice(0, -1)}`
}

function signedInPage(visit: Visit, { name }: OpenSession): Page {
  const { words } = visit.spoken
  const { prefix } = visit.exchange.site.parts.config.http
  const url = siteUrl(visit)
  const body = html` <h2>${words.next}</h2>
    <p>${words.nextCommand}</p>
    <pre><code>berth login ${url} --browser</code></pre>
    <p>${words.nextDocker}</p>
    <pre><code>berth token create docker --role developer
docker login ${new URL(url).host} -u ${name}</code></pre>
    ${prefix === '/' ? html`<p>${words.nextApi} <a href="/api/v1/docs">/api/v1/docs</a></p>` : undefined} ${signOutForm(visit)}`
  return { title: `${words.signedInAs} ${name}`, body }
}

/** The button by which somebody else may sign in. */
export function signOutForm(visit: Visit): Markup {
  return html`<form method="post" action="${signInPath(visit, 'sign-out')}"><button>${visit.spoken.words.signOut}</button></form>`
}

function namePage(visit: Visit, name: string, error?: RegistryError): Page {
  const { spoken } = visit
  const { words } = spoken
  const body = html` ${error && sentences(spoken, error)}
    <p>${words.chooseNameWhy}</p>
    <form method="post" action="${signInPath(visit, 'name')}">
      ${returnField(visit)}
      <label for="name">${words.name}</label>
      <input
        id="name"
        name="name"
        value="${name}"
        maxlength="255"
        autocomplete="username"
        autocapitalize="none"
        spellcheck="false"
        required
        autofocus
      />
      <button class="main">${words.makeAccount}</button>
    </form>
    ${signOutForm(visit)}`
  return { title: words.chooseName, body }
}

function returnField({ returnTo }: Visit): Markup | undefined {
  return returnTo === undefined ? undefined : html`<input type="hidden" name="returnTo" value="${returnTo}" />`
}

/** Back to `/sign-in`, with the cookie of the session that the step gave. */
function onward(visit: Visit, value?: string): VisitAnswer {
  const location = signInPath(visit, '', visit.returnTo)
  return value === undefined ? { location } : { location, headers: { 'Set-Cookie': cookieOf(visit.exchange, 'session', value) } }
}

/** Which refusals are about what was typed. */
const correctable: ReadonlySet<RegistryError['code']> = new Set(['CONFLICT', 'REQUEST_INVALID', 'UNAUTHORIZED', 'TOOMANYREQUESTS'])

/** Runs what a form asks for; what the person can correct shows the form again, with a sentence. */
async function tryForm(run: () => Promise<VisitAnswer>, again: (error: RegistryError) => Promise<Page> | Page): Promise<VisitAnswer> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof RegistryError) || !correctable.has(error.code)) throw error
    const wait = error.retryAfterSeconds
    const headers = wait === undefined ? {} : { 'Retry-After': String(wait) }
    return { page: await again(error), status: error.status, headers }
  }
}

/** `/sign-in/name`: makes the account of a first sign-in. */
export const takeName: Step = async (visit) => {
  const { session, given, exchange, who } = visit
  if (session?.state !== 'name') return onward(visit)
  const name = single(given, 'name')?.trim() ?? ''
  return await tryForm(
    async () => onward(visit, (await chooseName(oidcOf(exchange.site.parts), session, name, who)).value),
    (error) => namePage(visit, name, error),
  )
}

/** For the second half of a sign-in, and for stepping up. */
async function factorPage(
  visit: Visit,
  { userId }: PersonSession,
  page: 'second-factor' | 'elevation',
  error?: RegistryError,
): Promise<Page> {
  const { spoken } = visit
  const { words } = spoken
  const { factors } = await listFactors(visit.exchange.site.parts.directory, userId)
  const why = factors.some(({ kind }) => kind === 'totp') ? words.secondFactorWhy : words.passkeysNeedScript
  const body = html` ${error && sentences(spoken, error)}
    <p>${why}</p>
    <form method="post" action="${signInPath(visit, page)}">
      ${returnField(visit)}
      <label for="code">${words.code}</label>
      <input
        id="code"
        name="code"
        maxlength="64"
        autocomplete="one-time-code"
        autocapitalize="none"
        spellcheck="false"
        required
        autofocus
      />
      <button class="main">${words.proceed}</button>
    </form>
    ${signOutForm(visit)}`
  return { title: page === 'elevation' ? words.again : words.secondFactor, body }
}

function proofOf(given: URLSearchParams): FactorProof & { readonly code: string } {
  const code = single(given, 'code')?.trim() ?? ''
  return /^[\d ]{6,8}$/.test(code) ? { kind: 'totp', code } : { kind: 'recovery', code }
}

async function proveByFactor(visit: Visit, person: PersonSession): Promise<VisitAnswer> {
  const { exchange, given, who } = visit
  const { directory } = exchange.site.parts
  const proof = proofOf(given)
  await proveBySecondFactor(exchange, person, proof)
  return onward(visit, (await proveSession(directory, person, proof.kind, byPerson(who, person))).value)
}

/** `/sign-in/second-factor`: completes a sign-in. */
export const takeFactor: Step = async (visit) => {
  if (visit.session?.state !== 'second-factor') return onward(visit)
  const person = personOf(visit.session)
  return await tryForm(
    () => proveByFactor(visit, person),
    async (error) => {
      // After five wrong ones the sign-in is gone.
      const isOver = (await browserSession(visit.exchange)) === undefined
      return isOver ? await providersPage(visit) : await factorPage(visit, person, 'second-factor', error)
    },
  )
}

/** What asks a person who is signed in again who they are: the second factor, their identity provider, or their password. */
export async function elevationPage(visit: Visit, person: PersonSession, error?: RegistryError): Promise<Page> {
  const { spoken, exchange } = visit
  const { words } = spoken
  const { factors } = await listFactors(exchange.site.parts.directory, person.userId)
  if (factors.length > 0) return await factorPage(visit, person, 'elevation', error)
  const target = signInPath(visit, 'elevation', visit.returnTo)
  const way =
    person.providerId === undefined
      ? html`<form method="post" action="${signInPath(visit, 'elevation')}">
          ${returnField(visit)}
          <label for="password">${words.password}</label>
          <input id="password" name="password" type="password" maxlength="1024" autocomplete="current-password" required autofocus />
          <button class="main">${words.proceed}</button>
        </form>`
      : html`<p><a class="button main" href="${target}">${words.againThere}</a></p>`
  return {
    title: words.again,
    body: html`${error && sentences(spoken, error)}
      <p>${words.againWhy}</p>
      ${way}${signOutForm(visit)}`,
  }
}

/** `GET /sign-in/elevation`: to the identity provider, to show again who sits there. */
export const goToElevation: Step = async (visit) => {
  const { session, exchange, returnTo, who } = visit
  if (session?.state !== 'active') return onward(visit)
  const { id: sessionId, providerId } = session
  const provider = providerId === undefined ? undefined : (await namesOfProviders(exchange.site.parts.directory)).get(providerId)
  if (provider === undefined) return { page: await elevationPage(visit, personOf(session)) }
  const { url, headers } = await startAtProvider(exchange, { provider, purpose: 'elevation', sessionId, returnTo }, who)
  return { location: url, headers }
}

/** `POST /sign-in/elevation`: the second factor, or the password of an account without one. */
export const takeElevation: Step = async (visit) => {
  const { session, exchange, given, who } = visit
  if (session?.state !== 'active') return onward(visit)
  const person = personOf(session)
  const { directory } = exchange.site.parts
  return await tryForm(
    async () => {
      if (given.has('code')) return await proveByFactor(visit, person)
      const { factors } = await listFactors(directory, person.userId)
      if (factors.length > 0) throw new RegistryError('CONFLICT', undefined, { message: 'the account has a second factor: give that' })
      const userId = await personOfPassword(exchange, { name: person.name, password: single(given, 'password') ?? '' })
      if (userId !== person.userId) throw new RegistryError('UNAUTHORIZED')
      return onward(visit, (await proveSession(directory, person, 'password', byPerson(who, person))).value)
    },
    (error) => elevationPage(visit, person, error),
  )
}

/** `/sign-in/sign-out`: here at once; at the identity provider by a link, since browsers follow no redirect of a form to another site. */
export const leave: Step = async (visit) => {
  const { words } = visit.spoken
  const { headers, logoutUrl } = await signOut(visit.exchange, visit.who)
  const there = logoutUrl === undefined ? undefined : html`<p><a class="button" href="${logoutUrl}">${words.signOutThere}</a></p>`
  const body = html`<p>${words.signedOutHere}</p>
    ${there}
    <p><a href="${signInPath(visit)}">${words.signIn}</a></p>`
  return { page: { title: words.signedOut, body }, headers }
}
