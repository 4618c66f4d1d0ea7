/** A Berth with accounts of its own, over TLS, that a test sets up as an administrator does: with the printed password and the command line. */
import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { makeCertificates } from '../support/certificates.ts'
import { basicAuthorization } from '../support/http-client.ts'
import { registryClient } from '../support/registry-client.ts'
import type { RegistryClient } from '../support/registry-client.ts'
import { tryCommand } from '../support/run-command.ts'
import type { CommandOptions, CommandResult } from '../support/run-command.ts'
import { startBerth } from '../support/start-berth.ts'
import type { RunningBerth } from '../support/start-berth.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'
import type { Account } from './real-clients.ts'

/** The name under which run.ts lets the machine find ::1. */
const hostname = 'berth.test'
const launcher = fileURLToPath(new URL('../../bin/berth.mjs', import.meta.url))

export interface AccountsServer extends AsyncDisposable {
  readonly berth: RunningBerth
  readonly url: string
  readonly host: string
  readonly authorityFile: string
  readonly authority: string
  /** A directory for files of the test. */
  readonly path: string
  /** `berth …` as the first administrator, who has logged in. */
  admin(...args: readonly string[]): Promise<CommandResult>
  /** The answer of a verb as its `--json` prints it. */
  adminJson(...args: readonly string[]): Promise<Record<string, unknown>>
  /** The same with the administrator's password, which some verbs want in place of the token of a login; with standard input. */
  adminByPassword(input: string, ...args: readonly string[]): Promise<CommandResult>
  /** The same at a terminal, where the administrator types the password, with standard input from another command. */
  adminAtTerminal(piped: string, ...args: readonly string[]): Promise<CommandResult>
  /** Logs somebody in with `berth login`, in a home of their own; what they then run. */
  commandLine(account: Account): Promise<CommandLine>
  /** Requests with name and password in Basic, past any client. */
  direct(account: Account): RegistryClient
  /** The administrator's. */
  readonly root: RegistryClient
}

/** `berth …` as somebody. */
export type CommandLine = (...args: readonly string[]) => Promise<CommandResult>

/** Starts it. Tokens live for the shortest time that can be configured. */
export async function startAccountsServer(name: string): Promise<AccountsServer> {
  await using stack = new AsyncDisposableStack()
  const work = stack.use(await temporaryDirectory(name))
  const certificates = await makeCertificates(work.path, [`DNS:${hostname}`, 'IP:::1'])
  const config = { auth: 'accounts', tokens: { lifetime: '1m' }, outgoing: { allowednetworks: ['loopback'] } }
  const berth = stack.use(await startBerth({ config, tls: certificates, address: '[::1]', hostname }))
  const { url, host } = berth
  const { authority, authorityFile } = certificates
  const secret = await printedPassword(berth)
  const direct = (account: Account) =>
    registryClient(url, { authorization: basicAuthorization(account.name, account.secret), ca: authority })

  async function logIn(account: Account) {
    const home = `${work.path}/home-${account.name.replaceAll(/[^a-z]/gu, '_')}`
    await mkdir(home, { recursive: true })
    const own = { PATH: process.env['PATH'] ?? '', HOME: home, XDG_CONFIG_HOME: home }
    const command = async (args: readonly string[], options: CommandOptions & { readonly before?: readonly string[] } = {}) => {
      const { before = [process.execPath, launcher], input = '', env = {} } = options
      const result = await tryCommand([...before, ...args], { env: { ...own, ...env }, input })
      if (result.status !== 0) throw new Error(`berth ${args.join(' ')} ended with ${result.status}:\n${result.output}`)
      return result
    }
    await command(['login', url, '-u', account.name, '--password-stdin', '--ca', authorityFile], { input: account.secret })
    return command
  }
  const administrator = { name: 'admin', secret }
  const admin = await logIn(administrator)
  const opened = stack.move()
  return {
    berth,
    url,
    host,
    authorityFile,
    authority,
    path: work.path,
    admin: (...args) => admin(args),
    adminJson: async (...args) => JSON.parse((await admin([...args, '--json'])).stdout) as Record<string, unknown>,
    adminByPassword: (input, ...args) => admin(args, { input, env: { BERTH_USER: 'admin', BERTH_TOKEN: secret } }),
    adminAtTerminal: (piped, ...args) => {
      const line = [process.execPath, launcher, ...args].map((word) => `'${word}'`).join(' ')
      return admin([`printf %s '${piped}' | ${line}`, '/dev/null'], { before: ['script', '-q', '-e', '-c'], input: `${secret}\n` })
    },
    commandLine: async (account) => {
      const command = await logIn(account)
      return (...args) => command(args)
    },
    direct,
    root: direct(administrator),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** It answers a moment before it prints. */
async function printedPassword(berth: RunningBerth): Promise<string> {
  const find = () => /^ +password +(\S+)$/mu.exec(berth.logs())?.[1]
  await until('the password of the first administrator is printed', () => find() !== undefined)
  return find() ?? ''
}
