/** `berth provider`: where identities come from. Settings are options named as in the API; secrets come from standard input or a file, never from arguments. */
import { readFile } from 'node:fs/promises'
import { InvalidArgumentError, type Command } from 'commander'
import type { BodyOf, ResponseOf } from '#api/contract.ts'
import {
  createProvider,
  deleteProvider,
  listProviders,
  readProvider,
  testProvider,
  testSettings,
  updateProvider,
} from '#api/routes/providers.ts'
import { settingsChangeSchemas, secretMembers, type ProviderKind } from '#api/provider-settings.ts'
import { reasonOf } from '#lib/reason-of.ts'
import { apiOptions, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { CommandFailure, NothingThere, WrongUsage } from './command-failure.ts'
import { printable, printFacts, printRows } from './print.ts'
import { ask, confirm, readSecretFromInput, yesOption } from './prompt.ts'

type Kind = Exclude<ProviderKind, 'local'>
type Provider = ResponseOf<typeof readProvider>

interface SettingFlags extends ApiFlags {
  readonly set?: readonly string[]
  readonly settings?: string
  readonly authorities?: string
  readonly secretStdin?: boolean
  readonly title?: string
}

interface CreateFlags extends SettingFlags {
  readonly disabled?: boolean
  readonly test?: boolean
}

interface UpdateFlags extends SettingFlags {
  readonly position?: number
}

interface TestFlags extends ApiFlags {
  readonly user?: string
  readonly passwordStdin?: boolean
  readonly askPassword?: boolean
}

interface Schema {
  readonly type?: string
  readonly items?: { readonly type?: string }
  readonly properties?: Readonly<Record<string, Schema>>
}

/** `groups.nested=true` as a member of the settings, with the type that the schema says. A list is comma-separated, or a JSON array. */
export function parseSetting(kind: Kind, text: string): { readonly path: readonly string[]; readonly value: unknown } {
  const equals = text.indexOf('=')
  if (equals < 1) throw new WrongUsage(`${text} is no setting: --set name=value`)
  const path = text.slice(0, equals).split('.')
  const written = text.slice(equals + 1)
  let schema: Schema | undefined = settingsChangeSchemas[kind]
  for (const name of path)
    schema = schema?.properties !== undefined && Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined
  if (path.some((name) => secretMembers[kind].includes(name))) throw new WrongUsage('a secret is no argument: use --secret-stdin')
  if (schema === undefined || schema.properties !== undefined) throw new WrongUsage(`${path.join('.')} is no setting of kind ${kind}`)
  return { path, value: valueOf(schema, written, path.join('.')) }
}

function valueOf(schema: Schema, written: string, name: string): unknown {
  if (schema.type === 'array') return listOf(written, name)
  if (schema.type === 'boolean') {
    if (written !== 'true' && written !== 'false') throw new WrongUsage(`${name} is true or false`)
    return written === 'true'
  }
  if (schema.type === 'integer') {
    if (!/^\d{1,9}$/.test(written)) throw new CommandFailure(`${name} is a whole number`)
    return Number(written)
  }
  return written
}

/** DNs have commas of their own, so lists of them are JSON. */
function listOf(written: string, name: string): readonly string[] {
  if (written.startsWith('[')) {
    try {
      const list: unknown = JSON.parse(written)
      if (Array.isArray(list) && list.every((each) => typeof each === 'string')) return list
    } catch {
      // Said below.
    }
    throw new WrongUsage(`${name}: a JSON array of texts is expected`)
  }
  if (written === '') return []
  return /=/.test(written) ? [written] : written.split(',')
}

async function settingsOf(kind: Kind, flags: SettingFlags): Promise<Readonly<Record<string, unknown>>> {
  const settings = flags.settings === undefined ? {} : await readSettings(flags.settings)
  for (const text of flags.set ?? []) {
    const { path, value } = parseSetting(kind, text)
    const [first = '', second] = path
    if (second === undefined) settings[first] = value
    else settings[first] = { ...(settings[first] as Readonly<Record<string, unknown>> | undefined), [second]: value }
  }
  if (flags.authorities !== undefined) settings['authorities'] = await readAuthorities(flags.authorities)
  const [secret] = secretMembers[kind]
  if (flags.secretStdin === true) {
    if (secret === undefined) throw new WrongUsage(`kind ${kind} has no secret`)
    settings[secret] = await readSecretFromInput()
  }
  return settings
}

async function readAuthorities(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new NothingThere(`there is no file ${path}, which --authorities names`)
    throw new CommandFailure(`${path}, which --authorities names, cannot be read (${reasonOf(error)}): a PEM file is expected`)
  }
}

async function readSettings(path: string): Promise<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  } catch (cause) {
    throw new CommandFailure(`${path} cannot be read as JSON`, { cause })
  }
  throw new CommandFailure(`${path} has no JSON object`)
}

function list(flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const answer = await client.call(listProviders)
    print(answer, () =>
      printRows(
        ['NAME', 'KIND', 'ON', 'TITLE', 'UPDATED'],
        answer.items.map((each) => [each.name, each.kind, each.isEnabled, each.title, each.updatedAt]),
      ),
    )
  })
}

function printProvider(provider: Provider): void {
  const settings = Object.entries(provider.settings).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.entries(value as Readonly<Record<string, unknown>>).map(([inner, each]) => [`${name}.${inner}`, each] as const)
      : [[name, value] as const],
  )
  const shown = settings.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)] as const)
  const { name, kind, title, isEnabled, position, createdAt, updatedAt } = provider
  printFacts({ Name: name, Kind: kind, Title: title, On: isEnabled, Position: position, Created: createdAt, Updated: updatedAt })
  if (shown.length === 0) return
  console.log('')
  printFacts(Object.fromEntries(shown))
}

function show(name: string, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const provider = await client.call(readProvider, { params: { provider: name } })
    print(provider, () => printProvider(provider))
  })
}

function create(kind: Kind, name: string, flags: CreateFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    // The server says what does not fit.
    const settings = (await settingsOf(kind, flags)) as BodyOf<typeof createProvider>['settings']
    if (flags.test === true) {
      const test = await client.call(testSettings, { body: { kind, settings } })
      print(test, () => printTest(test))
      if (!test.passed) throw new CommandFailure('the test failed: nothing was made')
    }
    const { title } = flags
    const provider = await client.call(createProvider, {
      body: { name, kind, isEnabled: flags.disabled !== true, settings, ...(title === undefined ? {} : { title }) },
    })
    print(provider, () => printProvider(provider))
    printWarnings(provider)
  })
}

function printWarnings({ warnings = [] }: Provider): void {
  for (const warning of warnings) console.error(`warning: ${printable(warning)}`)
}

function update(name: string, flags: UpdateFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const before = await client.send(readProvider, { params: { provider: name } })
    const { kind } = before.body
    const settings = kind === 'local' ? {} : await settingsOf(kind, flags)
    const { title, position } = flags
    const body: BodyOf<typeof updateProvider> = {
      ...(title === undefined ? {} : { title }),
      ...(position === undefined ? {} : { position }),
      ...(Object.keys(settings).length === 0 ? {} : { settings }),
    }
    if (Object.keys(body).length === 0) throw new WrongUsage('nothing is to be changed: see berth provider update --help')
    const provider = await client.call(updateProvider, { params: { provider: name }, body, ifMatch: before.etag })
    print(provider, () => printProvider(provider))
    printWarnings(provider)
    warnOfLostSecret(before.body, provider)
  })
}

function warnOfLostSecret(before: Provider, after: Provider): void {
  const had = before.settings as Readonly<Record<string, unknown>>
  const has = after.settings as Readonly<Record<string, unknown>>
  const lost = ['hasBindPassword', 'hasClientSecret'].some((name) => had[name] === true && has[name] === false)
  if (lost)
    console.error('(the secret was forgotten, for it would have gone to another server or in the clear: give it again with --secret-stdin)')
}

function turn(isEnabled: boolean): (name: string, flags: ApiFlags) => Promise<void> {
  return (name, flags) =>
    withClient(flags, async ({ client, print }) => {
      const provider = await client.call(updateProvider, { params: { provider: name }, body: { isEnabled } })
      print(provider, () => console.log(`${name} is ${isEnabled ? 'on' : 'off'}`))
      if (!isEnabled && provider.kind !== 'local')
        console.error(
          'until it is on again, accounts that nothing else opens cannot sign in and use no token: no password here, no other provider that is on',
        )
    })
}

function remove(name: string, flags: ApiFlags & { readonly yes?: boolean; readonly force?: boolean }): Promise<void> {
  return withClient(flags, async ({ client, server }) => {
    await confirm(`Delete the provider ${name} of ${server}?`, flags)
    await client.call(deleteProvider, { params: { provider: name }, query: flags.force === true ? { force: true } : {} })
    console.error(`deleted ${name}`)
  })
}

function printTest(test: ResponseOf<typeof testProvider>): void {
  printRows(
    ['STEP', 'PASSED', 'MS', 'MESSAGE'],
    test.steps.map(({ step, passed, durationMs, message }) => [step, passed, durationMs, message]),
  )
  const { person } = test
  if (person === null) return
  console.log('')
  const { name, displayName, email, isAdministrator, groups } = person
  printFacts({ Name: name, 'Display name': displayName, 'E-mail': email, Administrator: isAdministrator })
  for (const group of groups) console.log(`  ${group}`)
}

function tryOut(name: string, flags: TestFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const { user } = flags
    const password = await passwordOf(flags)
    const body = { ...(user === undefined ? {} : { name: user }), ...(password === undefined ? {} : { password }) }
    const test = await client.call(testProvider, { params: { provider: name }, body })
    print(test, () => printTest(test))
    if (!test.passed) throw new CommandFailure('the test failed')
  })
}

async function passwordOf({ user, passwordStdin, askPassword }: TestFlags): Promise<string | undefined> {
  if (passwordStdin !== true && askPassword !== true) return undefined
  if (user === undefined) throw new WrongUsage('whose password? Name them with --user')
  return passwordStdin === true ? await readSecretFromInput() : await ask(`Password of ${user}`, { hidden: true })
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  if (!text.includes('=')) throw new InvalidArgumentError('name=value is expected')
  return [...before, text]
}

function settingOptions(command: Command): Command {
  return apiOptions(command)
    .option('--title <text>', 'what people see on the sign-in page')
    .option('--set <name=value>', 'a setting, as in the API: urls=ldaps://a,ldaps://b or groups.nested=true; again for more', collect)
    .option('--settings <file>', 'settings as a JSON object; --set goes before it')
    .option('--authorities <file>', 'certificate authorities to trust, PEM')
    .option('--secret-stdin', 'read the bind password or client secret from standard input')
}

const kinds: Readonly<Record<Kind, string>> = {
  ldap: 'an LDAP directory or Active Directory',
  oidc: 'an OpenID Connect provider',
  workload: 'an issuer of tokens for programs, such as a CI system',
  certificate: 'client certificates',
  htpasswd: 'an htpasswd file in the directory htpasswd.d beside the server’s database',
}

/** Adds the command to the program. */
export function registerProvider(program: Command): void {
  const provider = program.command('provider').description('identity providers: where people and programs are known from')
  apiOptions(provider.command('list').description('list providers in the order in which they are asked')).action(list)
  apiOptions(provider.command('show').description('show one provider').argument('<name>', 'its name, which stands in URLs')).action(show)
  const creating = provider.command('create').description('make a provider')
  for (const [kind, description] of Object.entries(kinds) as [Kind, string][]) {
    settingOptions(
      creating.command(kind).description(`make a provider: ${description}`).argument('<name>', 'its name, which stands in URLs'),
    )
      .option('--disabled', 'do not switch it on yet')
      .option('--test', 'try the settings out first, and make nothing if that fails')
      .action((name: string, flags: CreateFlags) => create(kind, name, flags))
  }
  settingOptions(
    provider
      .command('update')
      .description('change a provider; what is not said stays')
      .argument('<name>', 'its name, which stands in URLs'),
  )
    .option('--position <number>', 'where it is asked, from 1', wholeNumber)
    .action(update)
  apiOptions(provider.command('enable').description('switch a provider on').argument('<name>', 'its name, which stands in URLs')).action(
    turn(true),
  )
  apiOptions(
    provider
      .command('disable')
      .description(
        'switch a provider off, and end the sessions that began there; accounts that it alone opens can do nothing until it is on again',
      )
      .argument('<name>', 'its name, which stands in URLs'),
  ).action(turn(false))
  apiOptions(provider.command('test').description('try a provider out, step by step').argument('<name>', 'its name, which stands in URLs'))
    .option('--user <name>', 'LDAP and htpasswd: look for this person')
    .option('--ask-password', 'sign in as them, with a password that is asked for')
    .option('--password-stdin', 'sign in as them, with a password from standard input')
    .action(tryOut)
  apiOptions(provider.command('delete').description('delete a provider').argument('<name>', 'its name, which stands in URLs'))
    .option('--force', 'with the accounts’ links, groups, grants and trusts that depend on it')
    .option(...yesOption)
    .action(remove)
}
