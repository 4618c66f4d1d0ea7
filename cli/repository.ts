/** `berth repository`: the repositories of a server. */
import type { Command } from 'commander'
import { deleteRepository, listRepositories, readRepository, updateRepository } from '#api/routes/repositories.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'
import { describeBytes } from './data-command.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { printFacts } from './print.ts'
import { confirm, yesOption, requireSomebody } from './prompt.ts'
import { calledNow, presentName, tellUndo } from './tell-undo.ts'
import { addRepositoryMove } from './repository-move.ts'

interface ListRepositoriesFlags extends ListFlags {
  readonly name?: string
  readonly q?: string
  readonly project?: string
}

/** A number that may be more. */
export function atLeast(count: number, isExact: boolean): string {
  return isExact ? String(count) : `${count}+`
}

function list(flags: ListRepositoriesFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    const { name, q, project } = flags
    await printPages(readPages(client, listRepositories, flags, { query: { name, q, project } }), flags, {
      columns: ['NAME', 'PROJECT', 'TAGS', 'UPDATED'],
      row: (each) => [each.name, each.project, atLeast(each.tagCount, each.tagCountIsExact), each.updatedAt],
    })
  })
}

function show(repository: string, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const found = await client.call(readRepository, { params: { repository } })
    print(found, () =>
      printFacts({
        Name: found.name,
        Project: found.project,
        Description: found.description,
        Tags: atLeast(found.tagCount, found.tagCountIsExact),
        Manifests: atLeast(found.manifestCount, found.manifestCountIsExact),
        Size: `${describeBytes(found.sizeBytes)}${found.sizeIsExact ? '' : ' or more'}`,
        Created: found.createdAt,
        Updated: found.updatedAt,
      }),
    )
  })
}

function describe(repository: string, description: string, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const changed = await client.call(updateRepository, { params: { repository }, body: { description } })
    print(changed, () => console.log(`described ${changed.name}`))
  })
}

function remove(repository: string, flags: ApiFlags & { readonly yes?: boolean }): Promise<void> {
  return withClient(flags, async ({ client, server, print }) => {
    requireSomebody(`Delete ${repository} of ${server} with everything in it?`, flags)
    const name = await presentName({ client }, repository)
    const what = calledNow(repository, name)
    await confirm(`Delete ${what} of ${server} with everything in it?`, flags)
    await client.call(deleteRepository, { params: { repository: name } })
    console.error(`deleted ${what}`)
    await tellUndo({ client, print }, { name, kind: 'repository', repository: name, isIt: () => true })
  })
}

/** Adds the command to the program. */
export function registerRepository(program: Command): void {
  const repository = program.command('repository').description('repositories of a server')
  apiOptions(listOptions(repository.command('list').description('list the repositories that you may see'), listRepositories))
    .option('--name <prefix>', 'only names that begin so')
    .option('--q <text>', 'only names with this in them')
    .option('--project <name>', 'only those of this project')
    .action(list)
  apiOptions(repository.command('show').description('show one repository').argument('<repository>', 'its full name')).action(show)
  apiOptions(
    repository
      .command('describe')
      .description('set the description')
      .argument('<repository>', 'its full name')
      .argument('<text>', 'the description; empty to remove it'),
  ).action(describe)
  apiOptions(
    repository.command('delete').description('delete a repository with everything in it').argument('<repository>', 'its full name'),
  )
    .option(...yesOption)
    .action(remove)
  addRepositoryMove(repository)
}
