/** `berth robot …`: accounts of programs. With `--project` through that project's routes, which its administrators may use. */
import type { Command } from 'commander'
import type { BodyOf, ResponseOf } from '#api/contract.ts'
import * as routes from '#api/routes/robots.ts'
import { apiOptions, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { confirmEverything, type EverythingFlags, everythingOption, isEveryName } from './confirm-everything.ts'
import { endOf, expiresOption } from './end-of.ts'
import { findRobot } from './find-robot.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { placeText } from './place-text.ts'
import { printFacts, printRows } from './print.ts'
import { confirm, yesOption } from './prompt.ts'

type Robot = ResponseOf<typeof routes.readRobot>
type Grants = NonNullable<BodyOf<typeof routes.createRobot>['grants']>

interface PlaceFlags extends ApiFlags {
  readonly project?: string
}

interface RobotListFlags extends ListFlags {
  readonly project?: string
  readonly name?: string
}

interface SettingFlags extends PlaceFlags, EverythingFlags {
  readonly description?: string
  readonly grant?: readonly string[]
  readonly allow?: readonly string[]
  readonly expires?: string
}

interface CreateFlags extends SettingFlags {
  readonly secret?: boolean
}

interface ConfirmFlags extends PlaceFlags {
  readonly yes?: boolean
}

interface SecretFlags extends PlaceFlags {
  readonly name?: string
  readonly expires?: string
}

interface TrustFlags extends PlaceFlags {
  readonly provider: string
  readonly audience: string
  readonly claim: readonly string[]
  readonly description?: string
}

function grantText({ role, ...place }: Robot['grants'][number]): string {
  return `${role} on ${placeText(place)}`
}

/** With what became of them, where they are no longer who they were. */
function makerText({ createdBy, createdByState }: Pick<Robot, 'createdBy' | 'createdByState'>): string {
  return createdByState === 'disabled' || createdByState === 'gone' ? `${createdBy} (${createdByState})` : createdBy
}

function show(robot: Robot): void {
  printFacts({
    id: robot.id,
    login: robot.login,
    description: robot.description,
    disabled: robot.isDisabled,
    grants: robot.grants.map(grantText).join('; '),
    'let in from': robot.allowedAddresses.length === 0 ? 'anywhere' : robot.allowedAddresses.join(', '),
    until: robot.expiresAt,
    'last used': robot.lastUsedAt,
    'made by': makerText(robot),
    made: robot.createdAt,
  })
}

/** `role`, `role@project` or `role@project:glob`; `role:glob` on repositories wherever they are. */
function grantsOf(texts: readonly string[] | undefined): { readonly grants?: Grants } {
  if (texts === undefined) return {}
  return {
    grants: texts.map((text) => {
      const match = /^([^@:\s]+)(?:@([^:\s]+))?(?::(\S+))?$/.exec(text)
      if (match?.[1] === undefined) throw new WrongUsage(`${text} is no grant: developer@team or developer@team:team/web/** is one`)
      return {
        role: match[1],
        ...(match[2] !== undefined && { project: match[2] }),
        ...(match[3] !== undefined && { repositories: match[3] }),
      }
    }),
  }
}

function settingsOf({ description, grant, allow, expires }: SettingFlags) {
  return {
    ...(description !== undefined && { description }),
    ...grantsOf(grant),
    ...(allow !== undefined && { allowedAddresses: allow.filter((each) => each !== 'anywhere') }),
    ...endOf(expires),
  }
}

async function runList(flags: RobotListFlags): Promise<void> {
  await withClient(flags, async ({ client }) => {
    const { project, name } = flags
    const query = { name }
    const pages =
      project === undefined
        ? readPages(client, routes.listRobots, flags, { query })
        : readPages(client, routes.listProjectRobots, flags, { params: { project }, query })
    await printPages(pages, flags, {
      columns: ['ID', 'LOGIN', 'DISABLED', 'UNTIL', 'LAST USED', 'CREATED BY'],
      row: (robot) => [robot.id, robot.login, robot.isDisabled, robot.expiresAt, robot.lastUsedAt, makerText(robot)],
    })
  })
}

async function runShow(named: string, flags: PlaceFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const { robot, project } = await findRobot(client, named, flags.project)
    const found =
      project === undefined
        ? await client.call(routes.readRobot, { params: { robot } })
        : await client.call(routes.readProjectRobot, { params: { project, robot } })
    print(found, () => show(found))
  })
}

/** Of a robot of the system: in a project, a role without a place is in that project. */
async function confirmGrants(name: string, grants: Grants = [], flags: EverythingFlags): Promise<void> {
  const roles = grants.filter((grant) => grant.project === undefined && isEveryName(grant.repositories ?? '**')).map(({ role }) => role)
  if (roles.length > 0) await confirmEverything(`${roles.join(', ')} for the robot ${name}`, flags)
}

async function runCreate(name: string, flags: CreateFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const { project } = flags
    const body = { name, ...settingsOf(flags), hasSecret: flags.secret !== false }
    if (project === undefined) await confirmGrants(name, body.grants, flags)
    const made =
      project === undefined
        ? await client.call(routes.createRobot, { body })
        : await client.call(routes.createProjectRobot, { params: { project }, body })
    print(made, () => {
      show(made.robot)
      if (made.secret === null) return
      printFacts({ secret: made.secret })
      console.error('(the secret is shown this once)')
    })
  })
}

async function change(named: string, flags: PlaceFlags & EverythingFlags, body: BodyOf<typeof routes.updateRobot>): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const { robot, project } = await findRobot(client, named, flags.project)
    if (project === undefined) await confirmGrants(named, body.grants, flags)
    const changed =
      project === undefined
        ? await client.call(routes.updateRobot, { params: { robot }, body })
        : await client.call(routes.updateProjectRobot, { params: { project, robot }, body })
    print(changed, () => show(changed))
  })
}

async function runDelete(named: string, flags: ConfirmFlags): Promise<void> {
  await withClient(flags, async ({ client }) => {
    await confirm(`Remove ${named} with its secrets and grants?`, flags)
    const { robot, project } = await findRobot(client, named, flags.project)
    if (project === undefined) await client.call(routes.deleteRobot, { params: { robot } })
    else await client.call(routes.deleteProjectRobot, { params: { project, robot } })
  })
}

async function runListSecrets(named: string, flags: ListFlags & PlaceFlags): Promise<void> {
  await withClient(flags, async ({ client }) => {
    const { robot, project } = await findRobot(client, named, flags.project)
    const pages =
      project === undefined
        ? readPages(client, routes.listRobotSecrets, flags, { params: { robot } })
        : readPages(client, routes.listProjectRobotSecrets, flags, { params: { project, robot } })
    await printPages(pages, flags, {
      columns: ['ID', 'NAME', 'BEGINS', 'UNTIL', 'LAST USED'],
      row: ({ id, name, hint, expiresAt, lastUsedAt }) => [id, name, hint, expiresAt, lastUsedAt],
    })
  })
}

async function runAddSecret(named: string, flags: SecretFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const { name } = flags
    const { robot, project } = await findRobot(client, named, flags.project)
    const body = { ...(name !== undefined && { name }), ...endOf(flags.expires) }
    const made =
      project === undefined
        ? await client.call(routes.addRobotSecret, { params: { robot }, body })
        : await client.call(routes.addProjectRobotSecret, { params: { project, robot }, body })
    print(made, () => {
      printFacts({ id: made.details.id, name: made.details.name, until: made.details.expiresAt, secret: made.secret })
      console.error('(the secret is shown this once)')
    })
  })
}

async function runRevokeSecret(named: string, secret: number, flags: ConfirmFlags): Promise<void> {
  await withClient(flags, async ({ client }) => {
    await confirm(`Revoke secret ${secret} of ${named}?`, flags)
    const { robot, project } = await findRobot(client, named, flags.project)
    if (project === undefined) await client.call(routes.revokeRobotSecret, { params: { robot, secret } })
    else await client.call(routes.revokeProjectRobotSecret, { params: { project, robot, secret } })
  })
}

async function runListTrusts(named: string, flags: PlaceFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const { robot, project } = await findRobot(client, named, flags.project)
    const list =
      project === undefined
        ? await client.call(routes.listRobotTrusts, { params: { robot } })
        : await client.call(routes.listProjectRobotTrusts, { params: { project, robot } })
    const claimsText = (claims: Readonly<Record<string, string>>) =>
      Object.entries(claims)
        .map((pair) => pair.join('='))
        .join(' ')
    const rows = list.items.map(({ id, provider, audience, claims }) => [id, provider, audience, claimsText(claims)])
    print(list, () => printRows(['ID', 'PROVIDER', 'AUDIENCE', 'CLAIMS'], rows))
  })
}

function claimsOf(pairs: readonly string[]): Record<string, string> {
  const entries = pairs.map((pair): [string, string] => {
    const at = pair.indexOf('=')
    if (at < 1) throw new WrongUsage(`${pair} is no rule: repository=team/* is one`)
    return [pair.slice(0, at), pair.slice(at + 1)]
  })
  return Object.fromEntries(entries)
}

async function runAddTrust(named: string, flags: TrustFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const { provider, audience, description } = flags
    const { robot, project } = await findRobot(client, named, flags.project)
    const body = { provider, audience, claims: claimsOf(flags.claim), ...(description !== undefined && { description }) }
    const made =
      project === undefined
        ? await client.call(routes.addRobotTrust, { params: { robot }, body })
        : await client.call(routes.addProjectRobotTrust, { params: { project, robot }, body })
    print(made, () => printFacts({ id: made.id, provider: made.provider, audience: made.audience, ...made.claims }))
  })
}

async function runRemoveTrust(named: string, trust: number, flags: ConfirmFlags): Promise<void> {
  await withClient(flags, async ({ client }) => {
    await confirm(`Stop the workloads of trust ${trust} from acting as ${named}?`, flags)
    const { robot, project } = await findRobot(client, named, flags.project)
    if (project === undefined) await client.call(routes.removeRobotTrust, { params: { robot, trust } })
    else await client.call(routes.removeProjectRobotTrust, { params: { project, robot, trust } })
  })
}

const projectOption = ['--project <name>', 'a robot of this project; without it of the whole system'] as const
const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

function settingOptions(command: Command): Command {
  return command
    .option(...projectOption)
    .option('--description <text>', 'for people')
    .option('--grant <grant>', 'developer, developer@team or developer@team:team/web/**; several times for several', collect)
    .option(...everythingOption)
    .option(...yesOption)
    .option(
      '--allow <network>',
      'let in from here only, such as 192.0.2.0/24; several times for several; anywhere: from everywhere',
      collect,
    )
    .option(...expiresOption)
}

/** Adds the command to the program. */
export function registerRobot(program: Command): void {
  const robot = program.command('robot').description('accounts of programs')
  const one = (name: string, description: string) =>
    apiOptions(robot.command(name).description(description).argument('<robot>', 'its login name, such as robot-ci@team, or its number'))
  apiOptions(listOptions(robot.command('list').description('list robots'), routes.listRobots))
    .option(...projectOption)
    .option('--name <prefix>', 'only names that begin so')
    .action(runList)
  one('show', 'show a robot')
    .option(...projectOption)
    .action(runShow)
  settingOptions(
    apiOptions(
      robot.command('create').description('make a robot; it may no more than you').argument('<name>', 'lower case, digits and . _ -'),
    ),
  )
    .option('--no-secret', 'without a secret, for workloads that are trusted by their own tokens')
    .action(runCreate)
  settingOptions(one('update', 'change a robot; --grant replaces all that it has')).action((named: string, flags: SettingFlags) =>
    change(named, flags, settingsOf(flags)),
  )
  one('disable', 'let a robot in no more')
    .option(...projectOption)
    .action((named: string, flags: PlaceFlags) => change(named, flags, { isDisabled: true }))
  one('enable', 'let a robot in again')
    .option(...projectOption)
    .action((named: string, flags: PlaceFlags) => change(named, flags, { isDisabled: false }))
  one('delete', 'remove a robot')
    .option(...projectOption)
    .option(...yesOption)
    .action(runDelete)
  registerSecrets(robot)
  registerTrusts(robot)
}

function registerSecrets(robot: Command): void {
  const secret = robot.command('secret').description('secrets of a robot, several at once')
  const one = (name: string, description: string) =>
    apiOptions(secret.command(name).description(description).argument('<robot>', 'its login name, or its number')).option(...projectOption)
  listOptions(one('list', 'list secrets: all about them but themselves'), routes.listRobotSecrets).action(runListSecrets)
  one('add', 'add a secret beside those it has')
    .option('--name <text>', 'for what it is')
    .option(...expiresOption)
    .action(runAddSecret)
  one('revoke', 'end a secret at once')
    .argument('<secret>', 'see robot secret list', wholeNumber)
    .option(...yesOption)
    .action(runRevokeSecret)
}

function registerTrusts(robot: Command): void {
  const trust = robot.command('trust').description('workloads that may act as a robot by their own tokens')
  const one = (name: string, description: string) =>
    apiOptions(trust.command(name).description(description).argument('<robot>', 'its login name, or its number')).option(...projectOption)
  one('list', 'list which workloads are trusted').action(runListTrusts)
  one('add', 'trust workloads whose tokens fit the rules')
    .requiredOption('--provider <name>', 'of workload tokens, see provider list')
    .requiredOption('--audience <text>', 'what the token must be made for')
    .requiredOption('--claim <rule>', 'such as repository=team/* or ref=refs/heads/main; several times for several', collect)
    .option('--description <text>', 'for people')
    .action(runAddTrust)
  one('remove', 'trust them no more')
    .argument('<trust>', 'see robot trust list', wholeNumber)
    .option(...yesOption)
    .action(runRemoveTrust)
}
