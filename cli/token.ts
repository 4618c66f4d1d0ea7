/** `berth token …`: personal access tokens; with `--user` those of another account. */
import type { Command } from 'commander'
import type { ApiClient } from '#api/client.ts'
import type { BodyOf, ResponseOf } from '#api/contract.ts'
import { parsePermission, type Permission } from '#api/permissions.ts'
import { listRoles } from '#api/routes/roles.ts'
import { createToken, listTokens, listUserTokens, revokeToken, revokeUserToken, type readToken } from '#api/routes/tokens.ts'
import { apiOptions, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { endOf, expiresOption } from './end-of.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { placeText } from './place-text.ts'
import { printFacts } from './print.ts'
import { confirm, yesOption } from './prompt.ts'

type Token = ResponseOf<typeof readToken>
type Scopes = NonNullable<BodyOf<typeof createToken>['scopes']>

interface UserFlags extends ApiFlags {
  readonly user?: number
}

interface TokenListFlags extends ListFlags {
  readonly user?: number
  readonly kind?: 'personal' | 'refresh'
}

interface CreateFlags extends ApiFlags {
  readonly permission?: readonly Permission[]
  readonly role?: string
  readonly project?: string
  readonly repositories?: string
  readonly expires?: string
}

function scopeText({ scopes }: Token): string {
  if (scopes === null) return 'all that you may'
  return scopes
    .map(({ permissions, project, repositories }) => {
      return `${permissions.length > 3 ? `${permissions.length} permissions` : permissions.join(' ')} on ${placeText({ project, repositories })}`
    })
    .join('; ')
}

async function runList(flags: TokenListFlags): Promise<void> {
  await withClient(flags, async ({ client }) => {
    const { user, kind } = flags
    const query = { kind }
    const pages =
      user === undefined
        ? readPages(client, listTokens, flags, { query })
        : readPages(client, listUserTokens, flags, { params: { user }, query })
    await printPages(pages, flags, {
      columns: ['ID', 'NAME', 'BEGINS', 'ALLOWS', 'UNTIL', 'LAST USED', 'MADE BY'],
      row: (token) => [
        token.id,
        token.kind === 'refresh' ? `(${token.client === '' ? 'client' : token.client})` : token.name,
        token.hint,
        scopeText(token),
        token.expiresAt,
        token.lastUsedAt,
        token.madeBy,
      ],
    })
  })
}

/** A role's permissions as they are now: a token keeps what it was made with. */
async function permissionsOf(client: ApiClient, { permission = [], role }: CreateFlags): Promise<readonly Permission[]> {
  if (role === undefined) return permission
  const roles = (await client.call(listRoles)).items
  const found = roles.find(({ name }) => name === role)
  if (found === undefined) throw new WrongUsage(`there is no role ${role}: one of ${roles.map(({ name }) => name).join(', ')}`)
  const held = found.permissions.map(parsePermission).filter((each) => each !== undefined)
  return [...new Set([...permission, ...held])]
}

async function scopesOf(client: ApiClient, flags: CreateFlags): Promise<{ readonly scopes?: Scopes }> {
  const permissions = await permissionsOf(client, flags)
  const { project, repositories } = flags
  if (permissions.length === 0) {
    if (project === undefined && repositories === undefined) return {}
    throw new WrongUsage('what may it there? Say --role or --permission')
  }
  return {
    scopes: [{ permissions: [...permissions], project: project ?? null, repositories: repositories ?? null }],
  }
}

async function runCreate(name: string, flags: CreateFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const made = await client.call(createToken, { body: { name, ...(await scopesOf(client, flags)), ...endOf(flags.expires) } })
    print(made, () => {
      const { token, secret } = made
      printFacts({ id: token.id, name: token.name, allows: scopeText(token), until: token.expiresAt, secret })
      console.error('(the secret is shown this once)')
    })
  })
}

async function runRevoke(token: number, flags: UserFlags & { readonly yes?: boolean }): Promise<void> {
  await withClient(flags, async ({ client }) => {
    await confirm(`Revoke token ${token}, and the tokens that were made with it?`, flags)
    const { user } = flags
    if (user === undefined) await client.call(revokeToken, { params: { token } })
    else await client.call(revokeUserToken, { params: { user, token } })
  })
}

function collect(text: string, before: readonly Permission[] = []): readonly Permission[] {
  const permission = parsePermission(text)
  if (permission === undefined) throw new WrongUsage(`${text} is no permission: berth role permissions lists them`)
  return [...before, permission]
}

/** Adds the command to the program. */
export function registerToken(program: Command): void {
  const token = program.command('token').description('personal access tokens')
  apiOptions(listOptions(token.command('list').description('list your tokens, and the clients that signed in as you'), listTokens))
    .option('--user <id>', 'of another account, see user list', wholeNumber)
    .option('--kind <kind>', 'only personal ones, or only refresh tokens of clients')
    .action(runList)
  apiOptions(token.command('create').description('make a token; it may no more than you').argument('<name>', 'for what it is'))
    .option('--role <name>', 'what this role may now, such as developer; see role list')
    .option('--permission <name>', 'such as repository:pull; several times for several', collect)
    .option('--project <name>', 'in this project only')
    .option('--repositories <glob>', 'only on repositories whose whole names match')
    .option(...expiresOption)
    .action(runCreate)
  apiOptions(
    token
      .command('revoke')
      .description('end a token, and the tokens that it made, at once')
      .argument('<id>', 'see token list', wholeNumber),
  )
    .option('--user <id>', 'of another account, see user list', wholeNumber)
    .option(...yesOption)
    .action(runRevoke)
}
