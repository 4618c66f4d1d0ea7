/** `berth account …`: one's own account, its password and its sessions. */
import type { Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import { endSession, endSessions, listSessions } from '#api/routes/session.ts'
import { readAccount, updateAccount } from '#api/routes/users.ts'
import { apiOptions, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { printFacts, printRows } from './print.ts'
import { confirm, yesOption } from './prompt.ts'
import { changeOwnPassword } from './user.ts'

type Account = ResponseOf<typeof readAccount>

function show(account: Account): void {
  printFacts({
    id: account.id,
    name: account.name,
    'display name': account.displayName,
    'e-mail': account.email,
    administrator: account.isAdministrator,
    'password here': account.hasPassword,
    providers: account.providers.join(', '),
    created: account.createdAt,
    'last login': account.lastLoginAt,
  })
}

async function runShow(flags: ApiFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const account = await client.call(readAccount)
    print(account, () => show(account))
  })
}

interface UpdateFlags extends ApiFlags {
  readonly displayName?: string
  readonly email?: string
}

async function runUpdate(flags: UpdateFlags): Promise<void> {
  const { displayName, email } = flags
  if (displayName === undefined && email === undefined) throw new WrongUsage('say what is to change: --display-name or --email')
  await withClient(flags, async ({ client, print }) => {
    const { version } = await client.call(readAccount)
    const body = { ...(displayName !== undefined && { displayName }), ...(email !== undefined && { email }) }
    const account = await client.call(updateAccount, { body, ifMatch: version })
    print(account, () => show(account))
  })
}

async function runListSessions(flags: ApiFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const found = await client.call(listSessions)
    const rows = found.items.map(({ id, address, userAgent, createdAt, lastSeenAt, expiresAt }) => [
      id,
      address,
      createdAt,
      lastSeenAt,
      expiresAt,
      userAgent,
    ])
    print(found, () => printRows(['ID', 'FROM', 'SINCE', 'LAST SEEN', 'UNTIL', 'BY'], rows))
  })
}

interface EndFlags extends ApiFlags {
  readonly all?: boolean
  readonly yes?: boolean
}

async function runEndSession(session: number | undefined, flags: EndFlags): Promise<void> {
  if ((session === undefined) !== (flags.all === true))
    throw new WrongUsage('say which: its number in berth account session list, or --all')
  await withClient(flags, async ({ client }) => {
    if (session !== undefined) {
      await client.call(endSession, { params: { session } })
      console.error(`ended session ${session}`)
      return
    }
    await confirm('End all your sessions? Browsers that are signed in must sign in again.', flags)
    await client.call(endSessions, { query: {} })
    console.error('ended all your sessions; personal tokens stay: see berth token list')
  })
}

/** Adds the command to the program. */
export function registerAccount(program: Command): void {
  const account = program.command('account').description('one’s own account')
  apiOptions(account.command('show').description('show your account')).action(runShow)
  apiOptions(account.command('update').description('change your account'))
    .option('--display-name <text>', 'the name for people')
    .option('--email <address>', 'where you are written to')
    .action(runUpdate)
  apiOptions(account.command('password').description('change your password; your sessions end'))
    .option('--password-stdin', 'read two lines from standard input: the present password, then the new one')
    .action(changeOwnPassword)
  const session = account.command('session').description('where you are signed in with a browser')
  apiOptions(session.command('list').description('list your sessions, the latest first')).action(runListSessions)
  apiOptions(session.command('end').description('sign a browser out').argument('[id]', 'see account session list', wholeNumber))
    .option('--all', 'all of them')
    .option(...yesOption)
    .action(runEndSession)
}
