/** `berth project`: the projects of a server. */
import type { Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import { createProject, deleteProject, listProjects, readProject, renameProject, updateProject } from '#api/routes/projects.ts'
import { readProjectNetworks, replaceProjectNetworks } from '#api/routes/system.ts'
import { apiOptions, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { printFacts, tellWarnings } from './print.ts'
import { confirm, yesOption } from './prompt.ts'
import { tellUndo } from './tell-undo.ts'

interface ListProjectsFlags extends ListFlags {
  readonly name?: string
  readonly public?: true
  readonly private?: true
  readonly mine?: true
}

interface Visibility {
  readonly public?: true
  readonly private?: true
}

/** Undefined when neither flag is given. */
function isPublicOf(flags: Visibility): boolean | undefined {
  if (flags.public === true && flags.private === true) throw new WrongUsage('a project is public or private: give one of the two')
  if (flags.public === true) return true
  return flags.private === true ? false : undefined
}

function list(flags: ListProjectsFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    const query = { name: flags.name, public: isPublicOf(flags), mine: flags.mine }
    await printPages(readPages(client, listProjects, flags, { query }), flags, {
      columns: ['NAME', 'PUBLIC', 'UPDATED', 'DESCRIPTION'],
      row: (each) => [each.name, each.isPublic, each.updatedAt, each.description],
    })
  })
}

function printProject(project: ResponseOf<typeof readProject>): void {
  printFacts({
    Name: project.name,
    Description: project.description,
    Public: project.isPublic,
    Default: project.isDefault,
    Repositories: project.repositoryCount,
    'Former names': project.formerNames.join(', '),
    Created: project.createdAt,
    By: project.createdBy,
    Updated: project.updatedAt,
    'Untagged manifests': untaggedWords(project.untaggedAfterDays),
  })
}

function untaggedWords(days: number | null): string {
  if (days === null) return 'kept'
  return days === 0 ? 'go when storage.garbagedelay is over' : `go after ${days} day${days === 1 ? '' : 's'}`
}

/** Commander knows no option whose value is null. */
function untaggedAfter(text: string): number | 'never' {
  return text === 'never' ? text : wholeNumber(text)
}

function show(project: string, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const found = await client.call(readProject, { params: { project } })
    print(found, () => printProject(found))
    tellWarnings(found)
  })
}

function create(name: string, flags: ApiFlags & Visibility & { readonly description?: string }): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const isPublic = isPublicOf(flags)
    const { description } = flags
    const body = { name, ...(description !== undefined && { description }), ...(isPublic !== undefined && { isPublic }) }
    const made = await client.call(createProject, { body })
    print(made, () => console.log(`created ${made.name}`))
    tellWarnings(made)
  })
}

interface UpdateFlags extends ApiFlags, Visibility {
  readonly description?: string
  readonly untaggedAfter?: number | 'never'
}

function update(project: string, flags: UpdateFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const isPublic = isPublicOf(flags)
    const { description, untaggedAfter: days } = flags
    const body = {
      ...(days !== undefined && { untaggedAfterDays: days === 'never' ? null : days }),
      ...(description !== undefined && { description }),
      ...(isPublic !== undefined && { isPublic }),
    }
    if (Object.keys(body).length === 0) throw new WrongUsage('nothing is to change: --help lists what can be')
    const changed = await client.call(updateProject, { params: { project }, body })
    print(changed, () => printProject(changed))
    tellWarnings(changed)
  })
}

interface NetworkFlags extends ApiFlags {
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
  readonly any?: true
  readonly force?: true
}

function networks(project: string, flags: NetworkFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const { allow, deny, any } = flags
    const isChange = allow !== undefined || deny !== undefined
    if (isChange && any === true) throw new WrongUsage('--any goes with no --allow and no --deny')
    const body = { allow: [...(allow ?? [])], deny: [...(deny ?? [])] }
    const query = flags.force === true ? { force: true } : {}
    const found =
      isChange || any === true
        ? await client.call(replaceProjectNetworks, { params: { project }, query, body })
        : await client.call(readProjectNetworks, { params: { project } })
    print(found, () => printFacts({ Allowed: found.allow.join(', '), Denied: found.deny.join(', ') }))
  })
}

function rename(project: string, name: string, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const renamed = await client.call(renameProject, { params: { project }, body: { name } })
    print(renamed, () => console.log(`${project} is ${renamed.name} now; the former name leads to it`))
    tellWarnings(renamed)
  })
}

function remove(project: string, flags: ApiFlags & { readonly yes?: boolean; readonly force?: true }): Promise<void> {
  return withClient(flags, async ({ client, server, print }) => {
    const what = flags.force === true ? ' with all its repositories and the projects below it' : ''
    await confirm(`Delete project ${project} of ${server}${what}?`, flags)
    await client.call(deleteProject, { params: { project }, query: flags.force === true ? { force: true } : {} })
    console.error(`deleted ${project}`)
    await tellUndo({ client, print }, { name: project, kind: 'project', project, isIt: () => true })
  })
}

/** Adds the command to the program. */
export function registerProject(program: Command): void {
  const project = program.command('project').description('projects of a server')
  apiOptions(listOptions(project.command('list').description('list the projects that you may see'), listProjects))
    .option('--name <prefix>', 'only names that begin so')
    .option('--public', 'only public ones')
    .option('--private', 'only private ones')
    .option('--mine', 'only those where you, or a group of yours, have a role')
    .action(list)
  apiOptions(project.command('show').description('show one project').argument('<project>', 'its name')).action(show)
  apiOptions(
    project.command('create').description('make a project; you become its administrator').argument('<name>', 'the name that it gets'),
  )
    .option('--description <text>', 'what it is for')
    .option('--public', 'whoever asks sees and pulls')
    .option('--private', 'only those with a role see and pull (default)')
    .action(create)
  apiOptions(project.command('update').description('change a project').argument('<project>', 'its name'))
    .option('--description <text>', 'what it is for')
    .option('--public', 'whoever asks sees and pulls')
    .option('--private', 'only those with a role see and pull')
    .option('--untagged-after <days>', 'delete manifests without a tag after so many days; never: keep them', untaggedAfter)
    .action(update)
  apiOptions(project.command('networks').description('show or set from where a project is used').argument('<project>', 'its name'))
    .option('--allow <network...>', 'from these addresses and ranges only')
    .option('--deny <network...>', 'not from these')
    .option('--any', 'from everywhere')
    .option('--force', 'even if it shuts you out')
    .action(networks)
  apiOptions(
    project
      .command('rename')
      .description('rename a project with everything below it; the former name leads to the new one')
      .argument('<project>', 'its name')
      .argument('<name>', 'the name that it gets'),
  ).action(rename)
  apiOptions(project.command('delete').description('delete an empty project').argument('<project>', 'its name'))
    .option('--force', 'with all its repositories, and the projects below it')
    .option(...yesOption)
    .action(remove)
}
