/**
 * `berth login --browser`: for people who sign in at an identity provider and have no password here (RFC 8252).
 *
 * The browser goes to a page of the registry with the hash of a secret that stays in this process. Whoever is signed in there, or signs in now, says yes, and the
 * browser brings a code back to a port of this machine; code and secret together get a personal token. A browser on another machine cannot reach the
 * port: then the address where it ends is pasted at the terminal.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline/promises'
import { readSession } from '#api/routes/session.ts'
import { exchangeTerminalCode } from '#api/routes/tokens.ts'
import { deviceName, withServer } from './api-command.ts'
import { CommandFailure, NotLetIn } from './command-failure.ts'
import type { StoredLogin } from './credential-store.ts'
import { openReception, verdictOfPasted, type Verdict } from './login-reception.ts'
import { openBrowser } from './open-browser.ts'
import { printable } from './print.ts'

/** As long as the server waits for somebody who is at an identity provider. */
const patienceMs = 10 * 60_000

/** A login that is to be made in the browser. */
export interface BrowserLogin {
  readonly server: string
  readonly ca: string | undefined
  /** By its name at the server; undefined: the page offers all. */
  readonly provider: string | undefined
}

/** What stands between this and the person; a test puts its own in place. */
export interface Screen {
  readonly show: (line: string) => void
  /** Whether a browser was asked to open the page. */
  readonly open: (url: string) => Promise<boolean>
  /** A line that the person types, until the signal aborts; undefined when there is nobody. */
  readonly paste: ((question: string, signal: AbortSignal) => Promise<string>) | undefined
}

/** A provider that a browser can sign in at. */
export interface BrowserProvider {
  readonly name: string
  readonly title: string
}

/** Those that the server offers. */
export async function browserProviders(server: string, ca: string | undefined): Promise<readonly BrowserProvider[]> {
  let found: readonly BrowserProvider[] = []
  await withServer({ server, ca, credential: { kind: 'none' } }, async (client) => {
    const { providers } = await client.call(readSession)
    found = providers.filter(({ kind }) => kind === 'oidc')
  })
  return found
}

/** The provider that is meant: the one that is named, or the only one. Throws a sentence when there is none, or none of that name. */
export function chosenProvider(offered: readonly BrowserProvider[], name: string | undefined): string | undefined {
  const names = offered.map((each) => printable(each.name)).join(', ')
  if (names === '') throw new CommandFailure('this server has no identity provider to sign in at: log in with a password')
  if (name === undefined) return offered.length === 1 ? offered[0]?.name : undefined
  if (offered.some((each) => each.name === name)) return name
  throw new CommandFailure(`this server has no identity provider ${printable(name)}: it has ${names}`)
}

/** Waits for the person to sign in and say yes; the login to keep. Throws sentences. */
export async function logInByBrowser(wanted: BrowserLogin, screen: Screen): Promise<StoredLogin> {
  const [state, verifier] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')]
  await using reception = await openReception(state)
  const url = linkOf(wanted, { state, verifier, redirectUri: reception.redirectUri })
  const isOpened = await screen.open(url)
  screen.show(
    isOpened ? 'Your browser is asked to open this address; if it does not, open it yourself:' : 'Open this address in a browser:',
  )
  screen.show(`\n  ${url}\n`)
  const verdict = await verdictFrom(reception.arrived, state, screen)
  if ('refusal' in verdict) throw new NotLetIn('the login was refused in the browser')
  const login = await exchange(wanted, { code: verdict.code, verifier, state })
  reception.tell(true)
  return login
}

interface Secrets {
  readonly state: string
  readonly verifier: string
  readonly redirectUri: string
}

function linkOf({ server, provider }: BrowserLogin, { state, verifier, redirectUri }: Secrets): string {
  const challenge = createHash('sha256').update(verifier).digest('base64url')
  const query = new URLSearchParams({ redirect_uri: redirectUri, code_challenge: challenge, state, device: deviceName() })
  if (provider !== undefined) query.set('provider', provider)
  return `${server}/sign-in/terminal?${query.toString()}`
}

/** Whichever comes first: the browser, somebody who pastes, or the end of patience. */
async function verdictFrom(arrived: Promise<Verdict>, state: string, screen: Screen): Promise<Verdict> {
  const over = new AbortController()
  const timer = setTimeout(
    () => over.abort(new CommandFailure('nobody answered in the browser within ten minutes: start again')),
    patienceMs,
  )
  const late = new Promise<never>((_, reject) => {
    over.signal.addEventListener('abort', () => reject(over.signal.reason as Error))
  })
  // Aborted below too, when nobody listens any more.
  late.catch(() => undefined)
  try {
    const pasted = screen.paste === undefined ? [] : [pastedVerdict(screen.paste, { state, signal: over.signal, show: screen.show })]
    return await Promise.race([arrived, late, ...pasted])
  } finally {
    clearTimeout(timer)
    over.abort(new CommandFailure('the login is over'))
  }
}

interface Pasting {
  readonly state: string
  readonly signal: AbortSignal
  readonly show: (line: string) => void
}

async function pastedVerdict(paste: NonNullable<Screen['paste']>, { state, signal, show }: Pasting): Promise<Verdict> {
  for (;;) {
    const text = await paste('If the browser cannot reach this machine, paste the address where it ends: ', signal)
    const verdict = verdictOfPasted(text, state)
    if (verdict !== undefined) return verdict
    if (text.trim() !== '') show('That is not where this login ends: the address begins with http://127.0.0.1 and holds a code.')
  }
}

async function exchange({ server, ca }: BrowserLogin, body: { code: string; verifier: string; state: string }): Promise<StoredLogin> {
  let login: StoredLogin | undefined
  await withServer({ server, ca, credential: { kind: 'none' } }, async (client) => {
    const { secret, token, user } = await client.call(exchangeTerminalCode, { body })
    login = { name: user, token: secret, tokenId: token.id }
  })
  if (login === undefined) throw new CommandFailure('the server gave no token')
  return login
}

/** The person's terminal and browser. */
export function ownScreen(isOpening: boolean): Screen {
  return {
    show: (line) => console.error(line),
    open: isOpening ? openBrowser : () => Promise.resolve(false),
    paste: process.stdin.isTTY ? pasteAtTerminal : undefined,
  }
}

/** Ctrl-C ends the login; the end of the input only the pasting. */
async function pasteAtTerminal(question: string, signal: AbortSignal): Promise<string> {
  const reading = createInterface({ input: process.stdin, output: process.stderr, terminal: true })
  try {
    return await new Promise<string>((resolve, reject) => {
      reading.once('SIGINT', () => reject(new CommandFailure('nothing was done')))
      reading.question(question, { signal }).then(resolve, (error: unknown) => {
        if (signal.aborted) reject(error as Error)
      })
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  } finally {
    reading.close()
  }
}
