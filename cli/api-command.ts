/**
 * What the verbs that talk to a server share: which server, as whom, and how answers and refusals are shown.
 *
 * A verb is a few lines:
 *
 *     export function registerWidget(program: Command): void {
 *       const widget = program.command('widget').description('widgets of the registry')
 *       apiOptions(widget.command('show').description('show one').argument('<id>', 'of the list', wholeNumber))
 *         .action((id: number, flags: ApiFlags) =>
 *           withClient(flags, async ({ client, print }) => {
 *             const found = await client.call(readWidget, { params: { widget: id } })
 *             print(found, () => printFacts({ Id: found.id, Name: found.name }))
 *           }),
 *         )
 *       apiOptions(widget.command('delete').description('delete one').argument('<id>', 'of the list', wholeNumber)).option(...yesOption)
 *         .action((id: number, flags: ApiFlags & { yes?: boolean }) =>
 *           withClient(flags, async ({ client }) => {
 *             await confirm(`Delete widget ${id}?`, flags)
 *             await client.call(deleteWidget, { params: { widget: id } })
 *           }),
 *         )
 *     }
 *
 * Lists are printed with list.ts.
 * With `--json` the answer is printed as it came; else `print` runs what shows it to people (print.ts). A refusal of the server becomes a sentence on
 * standard error, and an exit status of exit-status.ts. Secrets are read with prompt.ts, never from arguments. Each argument and option has a description. Add the verb to
 * `apiVerbs` of program.ts, which loads its file when it is needed.
 */
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { ApiProblem, createClient, type ApiClient, type ClientCredential } from '#api/client.ts'
import { CommandFailure, NotLetIn, WrongUsage } from './command-failure.ts'
import { describeProblem } from './describe-problem.ts'
import { readLogins, type StoredLogin } from './credential-store.ts'
import { printable, printJson } from './print.ts'
import { serverFetch } from './server-fetch.ts'
import { steppingUp } from './step-up.ts'
import { versionText } from './version-text.ts'

/** Of {@link apiOptions}. */
export interface ApiFlags {
  readonly server?: string | undefined
  readonly json?: boolean | undefined
  readonly ca?: string | undefined
  /** Of all options that the verb has, for what is said of them. */
  readonly optionNames?: readonly string[] | undefined
}

/** What a verb works with. */
export interface ApiCommand {
  readonly client: ApiClient
  /** The server's URL, without a slash at its end. */
  readonly server: string
  /** The answer as JSON with `--json`, else by `asText`. */
  readonly print: (answer: unknown, asText: () => void) => void
}

/** Adds `--server`, `--json` and `--ca`. */
export function apiOptions(command: Command): Command {
  return command
    .hook('preAction', (_, running) => {
      const names = running.options.map((option) => option.name())
      running.setOptionValue('optionNames', names)
    })
    .option('--server <url>', 'the server; else BERTH_SERVER, else the one that berth login was last used with')
    .option('--ca <file>', 'trust the certificate authority in this PEM file, too')
    .option('--json', 'print the answer as JSON')
}

/** For options and arguments that are numbers. */
export function wholeNumber(text: string): number {
  const value = Number(text)
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('a whole number is expected')
  return value
}

/** Runs a verb against the server of the flags, the environment or the last login. Throws sentences. */
export async function withClient(flags: ApiFlags, run: (command: ApiCommand) => Promise<void>): Promise<void> {
  const { server, login } = await chooseServer(flags)
  const ca = flags.ca ?? login?.ca
  const credential = credentialOf(login, process.env)
  const stepUp = login !== undefined && credential.kind === 'bearer' && credential.token === login.token ? login.name : undefined
  await withServer({ server, ca, credential, stepUp, options: flags.optionNames }, async (client) => {
    await run({
      client,
      server,
      print(answer, asText) {
        if (flags.json === true) printJson(answer)
        else asText()
      },
    })
  })
}

/** A server, and as whom it is asked. `stepUp`: whose password is asked for when the credential is not enough. */
interface Reached {
  readonly server: string
  readonly ca?: string | undefined
  readonly credential: ClientCredential
  readonly stepUp?: string | undefined
  /** Names of the verb's options. */
  readonly options?: readonly string[] | undefined
}

/** The same for a server and a credential that are known. */
export async function withServer(
  { server, ca, credential, stepUp, options = [] }: Reached,
  run: (client: ApiClient) => Promise<void>,
): Promise<void> {
  await using reach = await serverFetch(ca === undefined ? undefined : resolve(ca))
  await using endings = new AsyncDisposableStack()
  const send = stepUp === undefined ? reach.fetch : steppingUp(reach.fetch, { server, name: stepUp, endings })
  const client = createClient({ baseUrl: server, credential, fetch: send, userAgent: `berth-cli/${versionText()}` })
  try {
    await run(client)
  } catch (error) {
    throw error instanceof ApiProblem ? new CommandFailure(describeProblem(error, { server, options }), { cause: error }) : error
  }
}

/** `https://host` from what people write. A name without a scheme means TLS, except for this very machine. */
export function parseServer(text: string): string {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `${isThisMachine(text) ? 'http' : 'https'}://${text}`
  const url = URL.parse(withScheme)
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.hostname === '')
    throw new WrongUsage(`${printable(text)} is no address of a server: https://registry.example.com is one`)
  if (url.username !== '' || url.password !== '') throw new WrongUsage('a server address holds no name or password: see berth login -u')
  if (url.search !== '' || url.hash !== '') throw new WrongUsage(`${printable(text)} is more than the address of a server`)
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}

function isThisMachine(text: string): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?(?:\/|$)/i.test(text)
}

/** The server that is meant, with its login if there is one. */
export async function chooseServer(flags: ApiFlags): Promise<{ readonly server: string; readonly login: StoredLogin | undefined }> {
  const logins = await readLogins()
  const named = flags.server ?? process.env['BERTH_SERVER']
  const server = named === undefined || named === '' ? logins.default : parseServer(named)
  if (server === undefined) {
    const known = Object.keys(logins.servers)
    if (known.length === 0) throw new NotLetIn('no server is known: run berth login URL, or name one with --server')
    throw new NotLetIn(`which server? Name one with --server (you are logged in to ${known.join(', ')}), or run berth login URL`)
  }
  return { server, login: Object.hasOwn(logins.servers, server) ? logins.servers[server] : undefined }
}

/** BERTH_TOKEN (with BERTH_USER: as its password) goes before what is stored. */
function credentialOf(login: StoredLogin | undefined, environment: NodeJS.ProcessEnv): ClientCredential {
  const { BERTH_TOKEN: token = '', BERTH_USER: name = '' } = environment
  if (token !== '' && name !== '') return { kind: 'basic', name, password: token }
  if (token !== '') return { kind: 'bearer', token }
  return credentialOfLogin(login)
}

/** What a stored login proves itself with. */
export function credentialOfLogin(login: StoredLogin | undefined): ClientCredential {
  if (login?.token !== undefined) return { kind: 'bearer', token: login.token }
  return login?.password === undefined ? { kind: 'none' } : { kind: 'basic', name: login.name, password: login.password }
}

/** Under which name a token for this machine is made. */
export function deviceName(): string {
  return `berth-cli@${hostname()}`.slice(0, 100)
}
