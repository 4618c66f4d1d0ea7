/**
 * What the verbs that talk to a server share: which server, as whom, and how answers and refusals are shown.
 *
 * A verb is a few lines:
 *
 *     export function registerWidget(program: Command): void {
 *       const widget = program.command('widget').description('widgets of the registry')
 *       apiOptions(listOptions(widget.command('list').description('list widgets')))
 *         .option('--name <prefix>', 'only names that begin so')
 *         .action((flags: ListFlags & { name?: string }) =>
 *           withClient(flags, async ({ client, print }) => {
 *             const list = await readList(client, listWidgets, flags, { query: { name: flags.name } })
 *             print(list, () => printRows(['ID', 'NAME'], list.items.map(({ id, name }) => [id, name])))
 *           }),
 *         )
 *       apiOptions(widget.command('delete').description('delete one').argument('<id>', 'of the list')).option('--yes', 'do not ask')
 *         .action((id: string, flags: ApiFlags & { yes?: boolean }) =>
 *           withClient(flags, async ({ client }) => {
 *             await confirm(`Delete widget ${id}?`, flags)
 *             await client.call(deleteWidget, { params: { widget: Number(id) } })
 *           }),
 *         )
 *     }
 *
 * With `--json` the answer is printed as it came; else `print` runs what shows it to people (print.ts). A refusal of the server becomes a sentence on
 * standard error and exit status 1. Secrets are read with prompt.ts, never from arguments. Each argument and option has a description. Add the verb to
 * `apiVerbs` of program.ts, which loads its file when it is needed.
 */
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { ApiProblem, createClient, type ApiClient, type CallInput, type ClientCredential } from '#api/client.ts'
import type { ResponseOf, RouteContract } from '#api/contract.ts'
import { CommandFailure } from './command-failure.ts'
import { readLogins, type StoredLogin } from './credential-store.ts'
import { printable, printJson } from './print.ts'
import { serverFetch } from './server-fetch.ts'
import { versionText } from './version-text.ts'

/** Of {@link apiOptions}. */
export interface ApiFlags {
  readonly server?: string | undefined
  readonly json?: boolean | undefined
  readonly ca?: string | undefined
}

/** Of {@link listOptions}. */
export interface ListFlags extends ApiFlags {
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
  readonly sort?: string | undefined
  readonly all?: boolean | undefined
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
    .option('--server <url>', 'the server; else BERTH_SERVER, else the one that berth login was last used with')
    .option('--ca <file>', 'trust the certificate authority in this PEM file, too')
    .option('--json', 'print the answer as JSON')
}

/** Adds `--limit`, `--cursor`, `--sort` and `--all`. */
export function listOptions(command: Command): Command {
  return command
    .option('--limit <count>', 'how many at most (100)', wholeNumber)
    .option('--cursor <text>', 'go on where a list with --json ended: its `next`')
    .option('--sort <name>', 'by which column; with a - before it in descending order')
    .option('--all', 'to the end, however many there are')
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
  await withServer({ server, ca, credential: credentialOf(login, process.env) }, async (client) => {
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

/** The same for a server and a credential that are known. */
export async function withServer(
  { server, ca, credential }: { readonly server: string; readonly ca?: string | undefined; readonly credential: ClientCredential },
  run: (client: ApiClient) => Promise<void>,
): Promise<void> {
  await using reach = await serverFetch(ca === undefined ? undefined : resolve(ca))
  const client = createClient({ baseUrl: server, credential, fetch: reach.fetch, userAgent: `berth-cli/${versionText()}` })
  try {
    await run(client)
  } catch (error) {
    throw error instanceof ApiProblem ? new CommandFailure(describeProblem(error, server)) : error
  }
}

/** A list as one answer. */
export interface ReadList<Item> {
  readonly items: readonly Item[]
  /** For `--cursor`, when there is more. */
  readonly next?: string
}

type ItemOf<Route extends RouteContract> = ResponseOf<Route> extends { items: (infer Item)[] } ? Item : never

/** The page that the flags ask for, or all of them with `--all`. Tells on standard error when there is more. */
export async function readList<Route extends RouteContract>(
  client: ApiClient,
  route: Route,
  flags: ListFlags,
  input: Omit<CallInput<Route>, 'query'> & { readonly query?: Readonly<Record<string, unknown>> } = {} as never,
): Promise<ReadList<ItemOf<Route>>> {
  const { limit, cursor, sort } = flags
  const query = { ...input.query, limit: limit ?? (flags.all === true ? pageItemsMax : undefined), cursor, sort }
  const items: ItemOf<Route>[] = []
  let next: string | undefined
  // The flags and the rest fit the route's query, or the server says what does not.
  for await (const page of client.pages(route, ...([{ ...input, query }] as never))) {
    const body = page as { readonly items: readonly ItemOf<Route>[]; readonly next?: string }
    for (const item of body.items) items.push(item)
    next = body.next
    if (flags.all !== true) break
  }
  if (next !== undefined && flags.json !== true) console.error('(there are more: --all lists them, --limit sets how many)')
  return { items, ...(next !== undefined && { next }) }
}

/** The most that a server gives at once. */
const pageItemsMax = 1_000

/** `https://host` from what people write. A name without a scheme means TLS, except for this very machine. */
export function parseServer(text: string): string {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `${isThisMachine(text) ? 'http' : 'https'}://${text}`
  const url = URL.parse(withScheme)
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.hostname === '')
    throw new CommandFailure(`${printable(text)} is no address of a server: https://registry.example.com is one`)
  if (url.username !== '' || url.password !== '') throw new CommandFailure('a server address holds no name or password: see berth login -u')
  if (url.search !== '' || url.hash !== '') throw new CommandFailure(`${printable(text)} is more than the address of a server`)
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
  if (server === undefined) throw new CommandFailure('no server is known: run berth login URL, or name one with --server')
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

const advice: Readonly<Record<string, string>> = {
  UNAUTHORIZED: 'log in with berth login',
  PRECONDITION_FAILED: 'look at it again, then repeat the change',
}

/** The refusal as a sentence: what, which parts, what to do, and the id by which it is found in the server's log. */
export function describeProblem(problem: ApiProblem, server: string): string {
  const parts = problem.errors.map(({ path, message }) => `${path} ${message}`).filter((part) => !problem.title.includes(part))
  const hint = problem.code === 'UNAUTHORIZED' ? `${advice['UNAUTHORIZED']} ${server}` : advice[problem.code]
  const wait = problem.retryAfterSeconds === undefined ? undefined : `try again in ${problem.retryAfterSeconds} s`
  const sentence = [problem.message, ...parts, hint, wait].filter((part) => part !== undefined).join('; ')
  const id = problem.requestId === undefined ? '' : `, request ${problem.requestId}`
  return printable(`${sentence} (${problem.code}${id})`)
}

/** Under which name a token for this machine is made. */
export function deviceName(): string {
  return `berth-cli@${hostname()}`.slice(0, 100)
}
