/**
 * `berth factor …`: second factors, one's own or, with `--user`, another account's.
 *
 * Changing one's own takes a session (docs/guides/two-factor.md): the password is asked for, and a session is open for as long as the command runs. Passkeys
 * and security keys are added with a browser, which talks to them.
 */
import type { Command } from 'commander'
import type { ApiClient } from '#api/client.ts'
import type { ResponseOf } from '#api/contract.ts'
import {
  confirmTotp,
  listFactors,
  listFactorsOfUser,
  removeFactor,
  removeFactorsOfUser,
  renewRecoveryCodes,
  startTotp,
} from '#api/routes/session.ts'
import { apiOptions, chooseServer, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { CommandFailure, WrongUsage } from './command-failure.ts'
import { printable, printJson, printRows } from './print.ts'
import { ask, confirm, promptAtTerminal, readSecretFromInput, yesOption } from './prompt.ts'
import { withSession } from './session-client.ts'
import { findUserNamed } from './user.ts'

interface ListFlags extends ApiFlags {
  readonly user?: string
}

interface OwnFlags extends ApiFlags {
  readonly username?: string
  readonly passwordStdin?: boolean
}

interface AddFlags extends OwnFlags {
  readonly name: string
}

interface RemoveFlags extends OwnFlags {
  readonly user?: string
  readonly yes?: boolean
}

/** Whoever is asked for the codes of apps: the terminal, or a test. */
type AskCode = (question: string) => Promise<string | undefined>

async function runList(flags: ListFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const { user } = flags
    const found =
      user === undefined
        ? await client.call(listFactors)
        : await client.call(listFactorsOfUser, { params: { user: (await findUserNamed(client, user)).id } })
    print(found, () => showFactors(found))
  })
}

function showFactors({ items, recoveryCodesLeft }: ResponseOf<typeof listFactors>): void {
  printRows(
    ['ID', 'KIND', 'NAME', 'ADDED', 'LAST USED'],
    items.map(({ id, kind, name, createdAt, lastUsedAt }) => [id, kind, name, createdAt, lastUsedAt]),
  )
  if (items.length > 0) console.log(`\n${recoveryCodesLeft === 1 ? '1 recovery code is' : `${recoveryCodesLeft} recovery codes are`} left`)
}

/** As for every other verb the environment goes before what is stored. What BERTH_USER comes with in BERTH_TOKEN is a password, or a token, which opens no session. */
function environmentLogin({ BERTH_USER: name = '', BERTH_TOKEN: secret = '' }: NodeJS.ProcessEnv) {
  if (name === '') return undefined
  return { name, password: secret === '' || secret.startsWith('berth_') ? undefined : secret }
}

async function passwordOf({ passwordStdin }: OwnFlags, name: string, known: string | undefined): Promise<string> {
  if (passwordStdin === true) return await readSecretFromInput()
  return known ?? (await ask(`Password of ${printable(name)}`, { hidden: true }))
}

/** As oneself, by the password. */
async function withOwnSession(flags: OwnFlags, run: (client: ApiClient) => Promise<void>, askCode: AskCode): Promise<void> {
  const { server, login } = await chooseServer(flags)
  const given = flags.username === undefined ? environmentLogin(process.env) : undefined
  const name = flags.username ?? given?.name ?? login?.name ?? (await ask('Username'))
  const password = await passwordOf(flags, name, given?.password)
  await withSession({ server, ca: flags.ca ?? login?.ca, name, password, askCode, options: flags.optionNames }, run)
}

/** Adds an authenticator app over a client that is signed in. Nothing is added unless a code of the app is given. */
async function addTotp(client: ApiClient, { name, json, askCode }: { name: string; json: boolean; askCode: AskCode }): Promise<void> {
  const { secret, uri } = await client.call(startTotp)
  console.error(`For the app, as a QR code or typed:\n  ${uri}\n  ${secret}`)
  const code = await askCode('Code that the app shows')
  if (code === undefined) throw new CommandFailure('nobody is there to give the code of the app: run this at a terminal')
  const added = await client.call(confirmTotp, { body: { code: code.trim(), name } })
  if (json) printJson(added)
  else {
    console.log(`added ${printable(name)}; the password alone opens nothing any more: programs use personal access tokens`)
    showCodes(added.recoveryCodes)
  }
}

function showCodes(codes: readonly string[] | undefined): void {
  if (codes === undefined) return
  console.log('Recovery codes, each for one sign-in, shown now and never again:')
  for (const code of codes) console.log(`  ${code}`)
}

/** `askCode`: the terminal, unless a test says otherwise. */
export async function runAddTotp(flags: AddFlags, askCode: AskCode = promptAtTerminal): Promise<void> {
  const { name, json = false } = flags
  await withOwnSession(flags, (client) => addTotp(client, { name, json, askCode }), askCode)
}

/** As {@link runAddTotp}. */
export async function runRenew(flags: OwnFlags & { readonly yes?: boolean }, askCode: AskCode = promptAtTerminal): Promise<void> {
  await confirm('Make ten other recovery codes? Those of before end.', flags)
  const renew = async (client: ApiClient) => {
    const made = await client.call(renewRecoveryCodes)
    if (flags.json === true) printJson(made)
    else showCodes(made.recoveryCodes)
  }
  await withOwnSession(flags, renew, askCode)
}

/** As {@link runAddTotp}. */
export async function runRemove(id: number | undefined, flags: RemoveFlags, askCode: AskCode = promptAtTerminal): Promise<void> {
  const { user } = flags
  if ((user === undefined) === (id === undefined))
    throw new WrongUsage('say the id of one of yours (see berth factor list), or --user for all of another account’s')
  if (user !== undefined) {
    await withClient(flags, async ({ client }) => {
      const found = await findUserNamed(client, user)
      await confirm(`Remove all second factors and recovery codes of ${printable(user)}? The password alone opens the account then.`, flags)
      await client.call(removeFactorsOfUser, { params: { user: found.id } })
      console.error(`removed the second factors of ${printable(user)}`)
    })
  } else if (id !== undefined) {
    await confirm(`Remove your second factor ${id}?`, flags)
    await withOwnSession(flags, (client) => client.call(removeFactor, { params: { factor: id } }), askCode)
    console.error(`removed the second factor ${id}`)
  }
}

function ownOptions(command: Command): Command {
  return apiOptions(command)
    .option('-u, --username <name>', 'the account; else BERTH_USER, else the one of berth login')
    .option('--password-stdin', 'read the password from standard input')
}

/** Adds the command to the program. */
export function registerFactor(program: Command): void {
  const factor = program.command('factor').description('second factors of accounts')
  apiOptions(factor.command('list').description('list second factors, one’s own unless said'))
    .option('--user <name>', 'of this account, for administrators')
    .action(runList)
  const adding = factor.command('add').description('add a second factor to one’s own account')
  ownOptions(adding.command('totp').description('add an authenticator app: prints its secret and asks for a code'))
    .option('--name <name>', 'what to call it', 'app')
    .action((flags: AddFlags) => runAddTotp(flags))
  ownOptions(factor.command('recovery-codes').description('make ten other recovery codes for one’s own account'))
    .option(...yesOption)
    .action((flags: OwnFlags) => runRenew(flags))
  ownOptions(
    factor
      .command('remove')
      .description('remove a second factor of one’s own, or all of an account')
      .argument('[id]', 'see factor list', wholeNumber),
  )
    .option('--user <name>', 'all of this account, for administrators: when a phone is lost')
    .option(...yesOption)
    .action((id: number | undefined, flags: RemoveFlags) => runRemove(id, flags))
}
