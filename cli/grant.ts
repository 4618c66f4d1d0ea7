/** `berth grant …`: who has which role where. With `--project` through that project's routes, which its administrators may use. */
import type { Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import {
  createGrant,
  createProjectGrant,
  deleteGrant,
  deleteProjectGrant,
  listGrants,
  listProjectGrants,
  readGrant,
  readProjectGrant,
  updateGrant,
  updateProjectGrant,
} from '#api/routes/grants.ts'
import { apiOptions, listOptions, readList, wholeNumber, withClient, type ApiFlags, type ListFlags } from './api-command.ts'
import { CommandFailure } from './command-failure.ts'
import { printFacts, printRows } from './print.ts'
import { confirm } from './prompt.ts'

type Grant = ResponseOf<typeof readGrant>
type Kind = Grant['subject']['kind']

interface PlaceFlags extends ApiFlags {
  readonly project?: string
}

interface GrantFlags extends PlaceFlags {
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
  readonly role?: string
  readonly subject?: Kind
}

function subjectText({ kind, name }: Grant['subject']): string {
  return name === undefined ? kind : `${kind} ${name}`
}

function placeText({ project, repositories }: Grant): string {
  if (project === null) return repositories === null ? 'everything' : `repositories ${repositories}`
  return `project ${project}${repositories === null ? '' : `, repositories ${repositories}`}`
}

function show(grant: Grant): void {
  const { id, subject, role, expiresAt, createdBy, createdAt } = grant
  printFacts({ id, for: subjectText(subject), role, on: placeText(grant), until: expiresAt, 'given by': createdBy, given: createdAt })
}

function subjectOf(flags: GrantFlags) {
  const named = (['user', 'group', 'robot'] as const).flatMap((kind) => (flags[kind] === undefined ? [] : [{ kind, name: flags[kind] }]))
  const open = [...(flags.everyone === true ? ['everyone' as const] : []), ...(flags.signedIn === true ? ['signed-in' as const] : [])]
  const [subject, ...others] = [...named, ...open.map((kind) => ({ kind }))]
  if (subject !== undefined && others.length === 0) return subject
  throw new CommandFailure('for whom? Say one of --user, --group, --robot, --everyone, --signed-in')
}

/** RFC 3339 from a date, a time or nothing; `never` is null. */
function endOf(text: string | undefined): { readonly expiresAt?: string | null } {
  if (text === undefined) return {}
  if (text === 'never') return { expiresAt: null }
  const at = new Date(text)
  if (Number.isNaN(at.getTime())) throw new CommandFailure(`${text} is no time: 2030-01-31 or 2030-01-31T12:00:00Z is one`)
  return { expiresAt: at.toISOString() }
}

function repositoriesOf(text: string | undefined): { readonly repositories?: string | null } {
  if (text === undefined) return {}
  return { repositories: text === 'all' ? null : text }
}

async function runList(flags: GrantListFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const { project, role, subject } = flags
    const query = { role, subject }
    const list =
      project === undefined
        ? await readList(client, listGrants, flags, { query })
        : await readList(client, listProjectGrants, flags, { params: { project }, query })
    const rows = list.items.map((grant) => [grant.id, subjectText(grant.subject), grant.role, placeText(grant), grant.expiresAt])
    print(list, () => printRows(['ID', 'FOR', 'ROLE', 'ON', 'UNTIL'], rows))
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
    const made =
      project === undefined
        ? await client.call(createGrant, { body })
        : await client.call(createProjectGrant, { params: { project }, body })
    print(made, () => show(made))
  })
}

async function runUpdate(grant: number, flags: GrantFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const { project, role } = flags
    const body = { ...(role !== undefined && { role }), ...repositoriesOf(flags.repositories), ...endOf(flags.expires) }
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

const projectOption = ['--project <name>', 'in this project; without it on the whole system'] as const
const repositoriesOption = ['--repositories <glob>', 'only on repositories whose whole names match; all: on every one'] as const
const expiresOption = ['--expires <time>', 'when it ends, such as 2030-01-31; never: without end'] as const

/** Adds the command to the program. */
export function registerGrant(program: Command): void {
  const grant = program.command('grant').description('who has which role where')
  apiOptions(listOptions(grant.command('list').description('list grants')))
    .option(...projectOption)
    .option('--role <name>', 'only of this role')
    .option('--subject <kind>', 'only for user, group, robot, everyone or signed-in')
    .action(runList)
  apiOptions(grant.command('show').description('show a grant').argument('<id>', 'see grant list', wholeNumber))
    .option(...projectOption)
    .action(runShow)
  apiOptions(grant.command('create').description('give a role').argument('<role>', 'see role list'))
    .option('--user <name>', 'to this account')
    .option('--group <name>', 'to this group')
    .option('--robot <name>', 'to this robot, by the name that it logs in with')
    .option('--everyone', 'to all, without an account too')
    .option('--signed-in', 'to all who have an account')
    .option(...projectOption)
    .option(...repositoriesOption)
    .option(...expiresOption)
    .action(runCreate)
  apiOptions(grant.command('update').description('change a grant').argument('<id>', 'see grant list', wholeNumber))
    .option('--role <name>', 'another role')
    .option(...projectOption)
    .option(...repositoriesOption)
    .option(...expiresOption)
    .action(runUpdate)
  apiOptions(grant.command('delete').description('take a role away').argument('<id>', 'see grant list', wholeNumber))
    .option(...projectOption)
    .option('--yes', 'do not ask')
    .action(runDelete)
}
