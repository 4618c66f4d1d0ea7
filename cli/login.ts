/**
 * `berth login` and `berth logout`.
 *
 * A password is used once: it makes a personal token for this machine, and only that is kept, so that it can be taken back without changing the
 * password. Where the server makes no tokens (one with an outside token service, a read-only one) nothing is kept, unless `--keep-password` says that the
 * password is to be.
 */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { ApiProblem, type ApiClient, type ClientCredential } from '#api/client.ts'
import type { ResponseOf } from '#api/contract.ts'
import { readSession } from '#api/routes/session.ts'
import { createToken, listTokens, revokeToken } from '#api/routes/tokens.ts'
import { chooseServer, credentialOfLogin, deviceName, parseServer, withServer } from './api-command.ts'
import { CommandFailure, NotLetIn, WrongUsage } from './command-failure.ts'
import { browserProviders, chosenProvider, logInByBrowser, ownScreen } from './browser-login.ts'
import { credentialsFile, forgetLogin, readLogins, storeLogin, type StoredLogin } from './credential-store.ts'
import { printable } from './print.ts'
import { ask, promptAtTerminal, readSecretFromInput } from './prompt.ts'
import { withSession } from './session-client.ts'

interface LoginFlags {
  readonly username?: string
  readonly passwordStdin?: boolean
  readonly ca?: string
  readonly browser?: boolean
  readonly provider?: string
  /** False with `--no-open`. */
  readonly open?: boolean
  readonly keepPassword?: boolean
}

type Session = ResponseOf<typeof readSession>

/** A secret that is a token already is kept as it is. */
const isToken = (session: Session) => session.credential === 'personal' || session.credential === 'robot'

/** `askCode`: the terminal, unless a test says otherwise. */
export async function login(url: string, flags: LoginFlags, askCode: typeof promptAtTerminal = promptAtTerminal): Promise<void> {
  const server = parseServer(url)
  if (server.startsWith('http:') && !/^http:\/\/(?:localhost|127\.|\[::1\])/.test(server))
    console.error(`warning: ${server} has no TLS: whoever is in between reads the password`)
  const before = (await readLogins()).servers[server]
  const ca = flags.ca === undefined ? before?.ca : resolve(flags.ca)
  if (await isByBrowser(server, ca, flags)) await byBrowser(server, ca, flags)
  else await byName({ server, ca }, flags, askCode)
  // What was kept until now is of no use any more.
  if (before !== undefined) await takeBack(server, before, { keepsMakers: true })
}

/** Asked for; or the server has providers, nothing was said of a password, and the person at the terminal agrees. */
async function isByBrowser(server: string, ca: string | undefined, flags: LoginFlags): Promise<boolean> {
  const isNamed = flags.username !== undefined || flags.passwordStdin === true
  const isAskedFor = flags.browser === true || flags.provider !== undefined
  if (isAskedFor && isNamed) throw new WrongUsage('a login by the browser takes no name and no password: leave out -u and --password-stdin')
  if (isAskedFor || isNamed || !process.stdin.isTTY) return isAskedFor
  const offered = await browserProviders(server, ca)
  if (offered.length === 0) return false
  const titles = offered.map(({ name, title }) => printable(title === '' ? name : title)).join(', ')
  return /^(?:y(?:es)?)?$/i.test((await ask(`Log in with the browser (${titles})? [Y/n]`)).trim())
}

async function byBrowser(server: string, ca: string | undefined, flags: LoginFlags): Promise<void> {
  const provider = chosenProvider(await browserProviders(server, ca), flags.provider)
  const login = await logInByBrowser({ server, ca, provider }, ownScreen(flags.open !== false))
  await withServer({ server, ca, credential: credentialOfLogin(login) }, (client) => finish(client, { server, ca }, login))
}

async function byName({ server, ca }: Place, flags: LoginFlags, askCode: typeof promptAtTerminal): Promise<void> {
  const name = flags.username ?? (await ask('Username'))
  const password = flags.passwordStdin === true ? await readSecretFromInput() : await ask('Password', { hidden: true })
  const given: Given = { server, ca, name, password, mayKeepPassword: flags.keepPassword === true }
  await byPassword(given).catch((error: unknown) => bySecondFactor(given, error, askCode))
}

interface Place {
  readonly server: string
  readonly ca: string | undefined
}

interface Given extends Place {
  readonly name: string
  readonly password: string
  readonly mayKeepPassword: boolean
}

async function byPassword(given: Given): Promise<void> {
  const { server, ca, name, password, mayKeepPassword } = given
  await withServer({ server, ca, credential: { kind: 'basic', name, password } }, async (client) => {
    const session = await whoIs(client, name)
    const isKept = isToken(session)
    await finish(
      client,
      given,
      isKept ? { name: session.user?.name ?? name, token: password } : await keep(client, { name, password, session, mayKeepPassword }),
    )
  })
}

/** Where there is nobody to give a code, what the server said stands. */
async function bySecondFactor(given: Given, refused: unknown, askCode: typeof promptAtTerminal): Promise<void> {
  const code = refused instanceof MoreIsNeeded ? await askCode('Code of the second factor (empty: none)') : undefined
  if (code === undefined || code.trim() === '') throw refused
  await withSession({ ...given, askCode: () => Promise.resolve(code) }, async (client) => {
    const { secret, token } = await client.call(createToken, { body: { name: deviceName() } })
    await finish(client, given, { name: given.name, token: secret, tokenId: token.id })
  })
}

async function finish(client: ApiClient, { server, ca }: Place, kept: StoredLogin): Promise<void> {
  await storeOrRevoke(client, server, { ...kept, ...(ca !== undefined && { ca }) })
  console.error(`logged in to ${server} as ${printable(kept.name)}`)
}

/** A token that cannot be kept is of no use to anybody. */
async function storeOrRevoke(client: ApiClient, server: string, made: StoredLogin): Promise<void> {
  try {
    await storeLogin(server, made)
  } catch (error) {
    if (made.tokenId !== undefined) await client.call(revokeToken, { params: { token: made.tokenId } }).catch(() => undefined)
    throw error
  }
}

async function whoIs(client: ApiClient, name: string): Promise<Session> {
  const session = await client.call(readSession).catch((error: unknown) => {
    if (!(error instanceof ApiProblem) || error.code !== 'UNAUTHORIZED') throw error
    // A sentence of its own is more than a wrong password: the account asks for a second factor, say.
    if (error.detail !== undefined) throw new MoreIsNeeded(printable(error.detail), { cause: error })
    throw new NotLetIn(`name or password of ${printable(name)} is wrong`, { cause: error })
  })
  if (session.state === 'active' && session.user !== undefined) return session
  if (session.state === 'anonymous') throw new CommandFailure('the server took no notice of name and password: it has no accounts')
  throw new NotLetIn('this account needs more than a password: use a personal access token as the password')
}

/** The password was right, and is not enough. */
class MoreIsNeeded extends NotLetIn {}

/** Refusals after which the password itself may be kept: this server, or this account, makes no tokens. */
const noTokens: ReadonlySet<string> = new Set([
  'DENIED',
  'NOT_FOUND',
  'RESOURCE_UNKNOWN',
  'UNSUPPORTED',
  'CONFLICT',
  'ELEVATION_REQUIRED',
  'REQUEST_INVALID',
])

async function keep(
  client: ApiClient,
  { name, password, session, mayKeepPassword }: Pick<Given, 'name' | 'password' | 'mayKeepPassword'> & { readonly session: Session },
): Promise<StoredLogin> {
  const known = session.user?.name ?? name
  try {
    const { secret, token } = await client.call(createToken, { body: { name: deviceName() } })
    return { name: known, token: secret, tokenId: token.id }
  } catch (error) {
    if (!(error instanceof ApiProblem) || !noTokens.has(error.code)) throw error
    const why = `no token was made (${printable(error.message)})`
    if (!mayKeepPassword)
      throw new CommandFailure(`${why}, and nothing was kept: --keep-password keeps the password itself, readable in ${credentialsFile()}`)
    console.error(`warning: ${why}, so the password itself is kept in ${credentialsFile()}`)
    return { name: known, password }
  }
}

/**
 * Revokes the token that a login made, and with it the tokens that it made; what fails is told, and no reason to stay logged in. `keepsMakers`: one that made
 * others stays, for whoever logs in again does not mean to end those.
 */
async function takeBack(
  server: string,
  login: StoredLogin,
  { keepsMakers = false }: { readonly keepsMakers?: boolean } = {},
): Promise<void> {
  const { tokenId } = login
  if (tokenId === undefined) return
  const credential: ClientCredential = credentialOfLogin(login)
  try {
    await withServer({ server, ca: login.ca, credential }, async (client) => {
      try {
        const made = await namesMadeBy(client, tokenId)
        if (keepsMakers && made.length > 0) {
          console.error(`token ${tokenId} of before stays, for ${made.join(', ')} end with it: berth token revoke ${tokenId} ends them all`)
          return
        }
        await client.call(revokeToken, { params: { token: tokenId } })
        if (made.length > 0) console.error(`revoked with the token of this login, which made them: ${made.join(', ')}`)
      } catch (error) {
        // It has ended already.
        if (!(error instanceof ApiProblem) || !['UNAUTHORIZED', 'RESOURCE_UNKNOWN'].includes(error.code)) throw error
      }
    })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    console.error(
      `warning: token ${tokenId} of before was not revoked, and is forgotten here (berth token revoke ${tokenId} ends it): ${why}`,
    )
  }
}

/** What the token made, as people know it. */
async function namesMadeBy(client: ApiClient, tokenId: number): Promise<readonly string[]> {
  const { items } = await client.call(listTokens, { query: { kind: 'personal', limit: 1000 } })
  return items.flatMap(({ id, name, madeBy }) => (madeBy === tokenId ? [`${id} (${printable(name)})`] : []))
}

async function logout(url: string | undefined): Promise<void> {
  const { server, login: found } = await chooseServer({ server: url })
  if (found === undefined) throw new CommandFailure(`not logged in to ${server}`)
  await takeBack(server, found)
  const { default: next, servers } = await forgetLogin(server)
  console.error(`logged out of ${server}`)
  const others = Object.keys(servers)
  if (next === undefined && others.length > 0)
    console.error(
      `no server is asked by itself now: --server names one you are logged in to (${others.join(', ')}), and berth login makes one the default`,
    )
}

/** Adds `login` to the program. */
export function registerLogin(program: Command): void {
  program
    .command('login')
    .description('log in to a server, and keep a token for it')
    .argument('<url>', 'such as https://registry.example.com')
    .option('-u, --username <name>', 'the account, or the robot')
    .option('--password-stdin', 'read the password, or a token, from standard input')
    .option('--keep-password', 'keep the password itself, as plain text, where the server makes no token')
    .option('--browser', 'sign in with the browser, at an identity provider of the server')
    .option('--provider <name>', 'the same, at this one')
    .option('--no-open', 'show the address only, and open no browser')
    .option('--ca <file>', 'trust the certificate authority in this PEM file, too, from now on')
    .action((url: string, flags: LoginFlags) => login(url, flags))
}

/** Adds `logout` to the program. */
export function registerLogout(program: Command): void {
  program
    .command('logout')
    .description('forget a server, and revoke the token that was kept for it and the tokens that it made')
    .argument('[url]', 'the one that was last logged in to, unless said; no other takes its place')
    .action(logout)
}
