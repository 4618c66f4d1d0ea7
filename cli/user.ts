/** `berth user …`: accounts of people. `--data` works on the database itself, for those who are locked out of the server. */
import type { Command } from 'commander'
import type { ApiClient } from '#api/client.ts'
import type { ResponseOf } from '#api/contract.ts'
import { changePassword, createUser, deleteUser, listUsers, type readUser, resetUserPassword, updateUser } from '#api/routes/users.ts'
import { createAccount, setAccountPassword } from '#main.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'
import { CommandFailure, NothingThere, WrongUsage } from './command-failure.ts'
import { withBerth } from './data-command.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { printFacts } from './print.ts'
import { ask, confirm, newSecret, readSecretFromInput, yesOption } from './prompt.ts'

type User = ResponseOf<typeof readUser>

interface UserListFlags extends ListFlags {
  readonly name?: string
  readonly admins?: boolean
  readonly disabled?: boolean
  readonly provider?: string
}

interface CreateFlags extends ApiFlags {
  readonly admin?: boolean
  readonly displayName?: string
  readonly email?: string
  readonly password: boolean
  readonly passwordStdin?: boolean
  readonly data?: string
}

interface UpdateFlags extends ApiFlags {
  readonly name?: string
  readonly displayName?: string
  readonly email?: string
  /** `--admin` and `--no-admin`. */
  readonly admin?: boolean
}

interface PasswordFlags extends ApiFlags {
  readonly passwordStdin?: boolean
  readonly data?: string
}

/** The account of that name. Its own name sorts before all that begin with it. */
export async function findUserNamed(client: ApiClient, name: string): Promise<User> {
  const { items } = await client.call(listUsers, { query: { name, sort: 'name', limit: 1 } })
  const [user] = items
  if (user?.name !== name) throw new NothingThere(`there is no account ${name}`)
  return user
}

function show(user: User): void {
  printFacts({
    id: user.id,
    name: user.name,
    'display name': user.displayName,
    'e-mail': user.email,
    administrator: user.isAdministrator,
    disabled: user.isDisabled,
    'password here': user.hasPassword,
    providers: user.providers.join(', '),
    created: user.createdAt,
    'last login': user.lastLoginAt,
  })
}

async function runList(flags: UserListFlags): Promise<void> {
  await withClient(flags, async ({ client }) => {
    const { name, admins, disabled, provider } = flags
    const query = { name, isAdministrator: admins, isDisabled: disabled, provider }
    await printPages(readPages(client, listUsers, flags, { query }), flags, {
      columns: ['ID', 'NAME', 'ADMINISTRATOR', 'DISABLED', 'E-MAIL', 'LAST LOGIN'],
      row: (user) => [user.id, user.name, user.isAdministrator, user.isDisabled, user.email, user.lastLoginAt],
    })
  })
}

async function runShow(name: string, flags: ApiFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const user = await findUserNamed(client, name)
    print(user, () => show(user))
  })
}

async function runCreate(name: string, flags: CreateFlags): Promise<void> {
  const { data, admin = false, displayName, email } = flags
  const password = flags.password || flags.passwordStdin === true ? await newSecret('Password', flags) : undefined
  if (data !== undefined) {
    await withBerth(data, (berth) => createAccount(berth, { name, displayName, email, isAdministrator: admin, password }), {
      mayMakeAsConfigured: true,
    })
    console.log(`made ${name}`)
    return
  }
  await withClient(flags, async ({ client, print }) => {
    const body = { name, isAdministrator: admin, ...given({ displayName, email, password }) }
    const user = await client.call(createUser, { body })
    print(user, () => console.log(`made ${user.name}`))
  })
}

/** Without the members that nobody gave: the server takes no undefined ones. */
function given<Members extends Readonly<Record<string, unknown>>>(
  members: Members,
): { [Key in keyof Members]?: NonNullable<Members[Key]> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Members]?: NonNullable<Members[Key]>
  }
}

async function change(name: string, flags: ApiFlags, body: Parameters<typeof given>[0]): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const { id, version } = await findUserNamed(client, name)
    const user = await client.call(updateUser, { params: { user: id }, body: given(body), ifMatch: version })
    print(user, () => show(user))
  })
}

async function runUpdate(name: string, flags: UpdateFlags): Promise<void> {
  await change(name, flags, { name: flags.name, displayName: flags.displayName, email: flags.email, isAdministrator: flags.admin })
}

async function runDisable(name: string, flags: ApiFlags & { readonly yes?: boolean }): Promise<void> {
  await confirm(`Disable the account ${name}? Its sessions end, and its tokens open nothing until it is enabled again.`, flags)
  await change(name, flags, { isDisabled: true })
}

async function runDelete(name: string, flags: ApiFlags & { readonly yes?: boolean }): Promise<void> {
  await withClient(flags, async ({ client }) => {
    const { id } = await findUserNamed(client, name)
    await confirm(`Remove the account ${name} with its tokens, grants and memberships?`, flags)
    await client.call(deleteUser, { params: { user: id } })
  })
}

async function runPassword(name: string | undefined, flags: PasswordFlags): Promise<void> {
  const { data } = flags
  if (data !== undefined) {
    if (name === undefined) throw new WrongUsage('whose password? Name the account')
    const password = await newSecret(`New password of ${name}`, flags)
    await withBerth(data, (berth) => setAccountPassword(berth, { name, password }))
    console.log(`${name} has a new password and is enabled; ${tokensStay}`)
    return
  }
  if (name === undefined) return await changeOwnPassword(flags)
  await withClient(flags, async ({ client }) => {
    const { id } = await findUserNamed(client, name)
    await client.call(resetUserPassword, { params: { user: id }, body: { password: await newSecret(`New password of ${name}`, flags) } })
    console.log(`${name} has a new password, and sessions and docker’s logins are ended; ${tokensStay}`)
  })
}

/** Asks for the present one and the new one, or reads a line for each. */
export async function changeOwnPassword(flags: Pick<PasswordFlags, 'passwordStdin'> & ApiFlags): Promise<void> {
  await withClient(flags, async ({ client }) => {
    await client.call(changePassword, { body: flags.passwordStdin === true ? await twoLines() : await twoAnswers() })
    console.log(`your password is changed, and sessions and docker’s logins are ended; ${tokensStay}`)
  })
}

async function twoLines() {
  const [currentPassword = '', password = '', ...more] = (await readSecretFromInput()).split(/\r?\n/)
  if (currentPassword === '' || password === '' || more.length > 0)
    throw new CommandFailure('standard input must have two lines: the present password, then the new one')
  return { currentPassword, password }
}

async function twoAnswers() {
  const currentPassword = await ask('Present password', { hidden: true })
  return { currentPassword, password: await newSecret('New password', {}) }
}

const tokensStay = 'personal tokens stay, those of berth login too: see berth token list and berth token revoke'

const dataOption = ['--data <config-or-directory>', 'work on this data itself, beside a running server too, without logging in'] as const
const stdinOption = ['--password-stdin', 'read the password from standard input'] as const
const ownStdinOption = ['--password-stdin', 'read it from standard input; of your own the present one in the line before'] as const

/** Adds the command to the program. */
export function registerUser(program: Command): void {
  const user = program.command('user').description('accounts of people')
  apiOptions(listOptions(user.command('list').description('list accounts'), listUsers))
    .option('--name <prefix>', 'only names that begin so')
    .option('--admins', 'only administrators')
    .option('--disabled', 'only disabled accounts')
    .option('--provider <name>', 'only accounts of this identity provider; local: with a password kept here')
    .action(runList)
  apiOptions(user.command('show').description('show an account').argument('<name>', 'its name')).action(runShow)
  apiOptions(user.command('create').description('make an account').argument('<name>', 'its name'))
    .option('--admin', 'who may do everything')
    .option('--display-name <text>', 'the name for people')
    .option('--email <address>', 'where they are written to')
    .option(...stdinOption)
    .option('--no-password', 'an identity provider, or a password set later, opens it')
    .option(...dataOption)
    .action(runCreate)
  apiOptions(user.command('update').description('change an account').argument('<name>', 'its name'))
    .option('--name <name>', 'rename it')
    .option('--display-name <text>', 'the name for people')
    .option('--email <address>', 'where they are written to')
    .option('--admin', 'make it an administrator')
    .option('--no-admin', 'make it an administrator no longer')
    .action(runUpdate)
  apiOptions(user.command('disable').description('end all that an account may do, and its sessions').argument('<name>', 'its name'))
    .option(...yesOption)
    .action(runDisable)
  apiOptions(user.command('enable').description('let a disabled account be used again').argument('<name>', 'its name')).action(
    (name: string, flags: ApiFlags) => change(name, flags, { isDisabled: false }),
  )
  apiOptions(user.command('delete').description('remove an account').argument('<name>', 'its name'))
    .option(...yesOption)
    .action(runDelete)
  apiOptions(
    user.command('password').description('set the password of an account; without a name your own').argument('[name]', 'whose it is'),
  )
    .option(...ownStdinOption)
    .option(...dataOption)
    .action(runPassword)
}
