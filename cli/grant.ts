/** `berth grant …`: who has which role where. With `--project` through that project's routes, which its administrators may use. */
import type { Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import {
  createGrant,
  createProjectGrant,
  deleteGrant,
  deleteProjectGrant,
  listCandidates,
  listGrants,
  listProjectGrants,
  readGrant,
  readOwnPermissions,
  readOwnRepositoryPermissions,
  readPermissionsThere,
  readProjectGrant,
  updateGrant,
  updateProjectGrant,
} from '#api/routes/grants.ts'
import type { ApiClient } from '#api/client.ts'
import { listRoles } from '#api/routes/roles.ts'
import { apiOptions, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { confirmEverything, everythingOption, isEveryName, type EverythingFlags } from './confirm-everything.ts'
import { endOf, expiresOption } from './end-of.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { placeText } from './place-text.ts'
import { printable, printFacts, printRows } from './print.ts'
import { confirm, yesOption } from './prompt.ts'

type Grant = ResponseOf<typeof readGrant>
type Kind = Grant['subject']['kind']

interface PlaceFlags extends ApiFlags {
  readonly project?: string
}

interface GrantFlags extends PlaceFlags, EverythingFlags {
  readonly user?: string
  readonly group?: string
  readonly robot?: string
  readonly everyone?: boolean
  readonly signedIn?: boolean
  readonly repositories?: string
  readonly expires?: string
  readonly role?: string
}

interface GrantListFlags extends ListFlags {
  readonly project?: string
  readonly user?: string
  readonly group?: string
  readonly robot?: string
  readonly role?: string
  readonly subject?: Kind
  readonly inherited?: boolean
}

/** A provider's group as it can be said again. */
function subjectText({ kind, name, provider }: { readonly kind: Kind; readonly name?: string; readonly provider?: string }): string {
  if (name === undefined) return kind
  return `${kind} ${provider === undefined ? '' : `${provider}:`}${name}`
}

/** The end, and whether it is past: such a grant gives nothing. */
function untilText({ expiresAt, isExpired }: Grant): string | null {
  return expiresAt !== null && isExpired ? `${expiresAt} (ended)` : expiresAt
}

function show(grant: Grant): void {
  const { id, subject, role, createdBy, createdAt } = grant
  printFacts({
    id,
    for: subjectText(subject),
    role,
    on: placeText(grant),
    until: untilText(grant),
    'given by': createdBy,
    given: createdAt,
  })
}

function subjectOf(flags: GrantFlags) {
  const named = (['user', 'group', 'robot'] as const).flatMap((kind) => (flags[kind] === undefined ? [] : [{ kind, name: flags[kind] }]))
  const open = [...(flags.everyone === true ? ['everyone' as const] : []), ...(flags.signedIn === true ? ['signed-in' as const] : [])]
  const [subject, ...others] = [...named, ...open.map((kind) => ({ kind }))]
  if (subject !== undefined && others.length === 0) return subject
  throw new WrongUsage('for whom? Say one of --user, --group, --robot, --everyone, --signed-in')
}

function repositoriesOf(text: string | undefined): { readonly repositories?: string | null } {
  if (text === undefined) return {}
  return { repositories: text === 'all' ? null : text }
}

async function runList(flags: GrantListFlags): Promise<void> {
  await withClient(flags, async ({ client }) => {
    const { project, role, subject, user, group, robot, inherited } = flags
    if (inherited === true && project === undefined) throw new WrongUsage('--inherited goes with --project')
    const query = { role, subject, user, group, robot }
    const pages =
      project === undefined
        ? readPages(client, listGrants, flags, { query })
        : readPages(client, listProjectGrants, flags, { params: { project }, query: { ...query, inherited } })
    await printPages(pages, flags, {
      columns: ['ID', 'FOR', 'ROLE', 'ON', 'UNTIL'],
      row: (grant) => [grant.id, subjectText(grant.subject), grant.role, placeText(grant), untilText(grant)],
    })
  })
}

async function runShow(grant: number, flags: PlaceFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const { project } = flags
    const found =
      project === undefined
        ? await client.call(readGrant, { params: { grant } })
        : await client.call(readProjectGrant, { params: { project, grant } })
    print(found, () => show(found))
  })
}

async function runCreate(role: string, flags: GrantFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const { project } = flags
    const body = { subject: subjectOf(flags), role, ...repositoriesOf(flags.repositories), ...endOf(flags.expires) }
    const isBounded = project !== undefined || (body.repositories ?? null) !== null
    const isEverything = !isBounded || (project === undefined && isEveryName(flags.repositories ?? ''))
    if (flags.everything === true && !isEverything) throw new WrongUsage('--everything goes with neither --project nor --repositories')
    if (isEverything) await confirmEverything(`${role} for ${subjectText(body.subject)}`, flags)
    if (body.subject.kind === 'everyone') await confirmOpenToPushes(client, role, flags)
    const made =
      project === undefined
        ? await client.call(createGrant, { body })
        : await client.call(createProjectGrant, { params: { project }, body })
    print(made, () => show(made))
  })
}

/** Pushes without an account are seldom meant. */
async function confirmOpenToPushes(client: ApiClient, role: string, flags: GrantFlags): Promise<void> {
  if (flags.yes === true) return
  // A role that is not there is for the grant to refuse.
  const found = (await client.call(listRoles)).items.find(({ name }) => name === role)
  if (found?.permissions.includes('repository:push') !== true) return
  await confirm(`Let everybody push there, who shows no account too? The role ${printable(role)} holds repository:push.`, flags)
}

async function runUpdate(grant: number, flags: GrantFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const { project, role } = flags
    const body = { ...(role !== undefined && { role }), ...repositoriesOf(flags.repositories), ...endOf(flags.expires) }
    if (project === undefined && (body.repositories === null || isEveryName(body.repositories ?? ''))) {
      const before = await client.call(readGrant, { params: { grant } })
      const isWidened = before.project === null && before.repositories !== null
      if (isWidened) await confirmEverything(`${before.role} for ${subjectText(before.subject)}`, flags)
    }
    const changed =
      project === undefined
        ? await client.call(updateGrant, { params: { grant }, body })
        : await client.call(updateProjectGrant, { params: { project, grant }, body })
    print(changed, () => show(changed))
  })
}

async function runDelete(grant: number, flags: PlaceFlags & { readonly yes?: boolean }): Promise<void> {
  await withClient(flags, async ({ client }) => {
    await confirm(`Take grant ${grant} away?`, flags)
    const { project } = flags
    if (project === undefined) await client.call(deleteGrant, { params: { grant } })
    else await client.call(deleteProjectGrant, { params: { project, grant } })
  })
}

interface CandidateFlags extends ApiFlags {
  readonly project: string
  readonly limit?: number
}

async function runCandidates(name: string, { project, limit, ...flags }: CandidateFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const found = await client.call(listCandidates, { params: { project }, query: { name, ...(limit !== undefined && { limit }) } })
    const rows = found.items.map((each) => [each.id, each.kind, each.name, each.provider, each.displayName])
    print(found, () => printRows(['ID', 'KIND', 'NAME', 'PROVIDER', 'DISPLAY NAME'], rows))
  })
}

interface PermissionFlags extends ApiFlags {
  readonly project: string
  readonly user?: string
  readonly robot?: string
  readonly repository?: string
}

async function runPermissions({ project, user, robot, repository, ...flags }: PermissionFlags): Promise<void> {
  if ((user === undefined) === (robot === undefined)) throw new WrongUsage('say whom it is about: --user or --robot, one of them')
  await withClient(flags, async ({ client, print }) => {
    const query = {
      ...(user !== undefined && { user }),
      ...(robot !== undefined && { robot }),
      ...(repository !== undefined && { repository }),
    }
    const found = await client.call(readPermissionsThere, { params: { project }, query })
    print(found, () => showPermissions(found, repository ?? `project ${project}`))
  })
}

function showPermissions({ user, robot, permissions, repositories }: ResponseOf<typeof readPermissionsThere>, place: string): void {
  const rows = [
    ...permissions.map((permission) => [permission, place, null]),
    ...repositories.flatMap((some) => some.permissions.map((permission) => [permission, some.repositories, some.expiresAt])),
  ]
  printRows(['PERMISSION', 'ON', 'UNTIL'], rows)
  const who = user ?? robot
  if (user?.isAdministrator === true) console.error(`${printable(user.name)} is an administrator of the system and may do everything`)
  if (who?.isDisabled === true) console.error(`${printable(who.name)} is disabled, and can do nothing of it now`)
}

async function runMine({
  project,
  repository,
  ...flags
}: ApiFlags & { readonly project?: string; readonly repository?: string }): Promise<void> {
  if ((project === undefined) === (repository === undefined)) throw new WrongUsage('say where: --project or --repository, one of them')
  await withClient(flags, async ({ client, print }) => {
    const found =
      repository === undefined
        ? await client.call(readOwnPermissions, { params: { project: project ?? '' } })
        : await client.call(readOwnRepositoryPermissions, { params: { repository } })
    print(found, () =>
      printRows(
        ['PERMISSION'],
        found.permissions.map((permission) => [permission]),
      ),
    )
  })
}

const projectOption = ['--project <name>', 'in this project; without it on the whole system'] as const
const repositoriesOption = ['--repositories <glob>', 'only on repositories whose whole names match; all: on every one'] as const

/** Adds the command to the program. */
export function registerGrant(program: Command): void {
  const grant = program.command('grant').description('who has which role where')
  apiOptions(listOptions(grant.command('list').description('list grants'), listGrants))
    .option(...projectOption)
    .option('--user <name>', 'only those of this account; its number does, too')
    .option('--group <name>', 'only those of this group; its number does, too')
    .option('--robot <name>', 'only those of this robot, by the name that it logs in with; its number does, too')
    .option('--role <name>', 'only of this role')
    .option('--inherited', 'with --project: also those from above it, on everything and by glob that hold there')
    .option('--subject <kind>', 'only for user, group, robot, everyone or signed-in')
    .action(runList)
  apiOptions(grant.command('show').description('show a grant').argument('<id>', 'see grant list', wholeNumber))
    .option(...projectOption)
    .action(runShow)
  apiOptions(grant.command('create').description('give a role').argument('<role>', 'see role list'))
    .option('--user <name>', 'to this account')
    .option(
      '--group <name>',
      'to this group, by its name here or by what its provider calls it, such as a DN; provider:name where several have it',
    )
    .option('--robot <name>', 'to this robot, by the name that it logs in with')
    .option('--everyone', 'to all, without an account too')
    .option('--signed-in', 'to all who have an account')
    .option(...projectOption)
    .option(...repositoriesOption)
    .option(...everythingOption)
    .option(...expiresOption)
    .option(...yesOption)
    .action(runCreate)
  apiOptions(grant.command('update').description('change a grant').argument('<id>', 'see grant list', wholeNumber))
    .option('--role <name>', 'another role')
    .option(...projectOption)
    .option(...repositoriesOption)
    .option(...everythingOption)
    .option(...expiresOption)
    .option(...yesOption)
    .action(runUpdate)
  apiOptions(grant.command('delete').description('take a role away').argument('<id>', 'see grant list', wholeNumber))
    .option(...projectOption)
    .option(...yesOption)
    .action(runDelete)
  registerQuestions(grant)
}

/** What who administers a project asks before giving a role there, and after. */
function registerQuestions(grant: Command): void {
  const ofProject = ['--project <name>', 'in this project'] as const
  apiOptions(
    grant
      .command('candidates')
      .description('find people and groups to give a role to')
      .argument('<beginning>', 'of their names')
      .requiredOption(...ofProject),
  )
    .option('--limit <count>', 'how many of each kind at most (20)', wholeNumber)
    .action(runCandidates)
  apiOptions(
    grant
      .command('permissions')
      .description('tell what somebody may do in a project, by all grants together')
      .requiredOption(...ofProject),
  )
    .option('--user <name>', 'this person: what they and their groups have, and what is public')
    .option('--robot <name>', 'this robot, by the name that it logs in with')
    .option('--repository <name>', 'on this repository of the project')
    .action(runPermissions)
  apiOptions(grant.command('mine').description('tell what you yourself may do in a project or on a repository'))
    .option('--project <name>', 'in this project and on everything in it')
    .option('--repository <name>', 'on this repository, where patterns count')
    .action(runMine)
}
