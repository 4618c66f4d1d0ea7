/** `berth label`: labels of a server, and on manifests. */
import type { Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import * as routes from '#api/routes/labels.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { parseDigested } from './manifest.ts'
import { findLabel, findManifestLabel, findUsableLabel } from './find-label.ts'
import { listOptions, printPages, readPages, type ListFlags, type TableShape } from './list.ts'
import { printable, printFacts, printRows } from './print.ts'
import { confirm, yesOption } from './prompt.ts'

type Label = ResponseOf<typeof routes.readLabel>

interface Place extends ApiFlags {
  readonly project?: string
}

const table: TableShape<Label> = {
  columns: ['ID', 'NAME', 'COLOR', 'PROJECT', 'DESCRIPTION'],
  row: ({ id, name, color, project, description }) => [id, name, color, project, description],
}

function printLabel({ id, name, color, project, description, createdAt, updatedAt }: Label): void {
  printFacts({ Id: id, Name: name, Color: color, Project: project, Description: description, Created: createdAt, Updated: updatedAt })
}

function list(flags: ListFlags & Place & { readonly name?: string; readonly usable?: true; readonly manifest?: string }): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const { name, project, usable, manifest } = flags
    if (usable === true && project === undefined) throw new WrongUsage('--usable goes with --project')
    if (manifest !== undefined) {
      const found = await client.call(routes.listManifestLabels, { params: parseDigested(manifest) })
      print(found, () => printRows(table.columns, found.items.map(table.row)))
      return
    }
    const pages =
      project === undefined
        ? readPages(client, routes.listLabels, flags, { query: { name } })
        : readPages(client, routes.listProjectLabels, flags, { params: { project }, query: { name, usable } })
    await printPages(pages, flags, table)
  })
}

function show(named: string, flags: Place): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const { project } = flags
    const { id: label } = await findLabel(client, named, project)
    const found =
      project === undefined
        ? await client.call(routes.readLabel, { params: { label } })
        : await client.call(routes.readProjectLabel, { params: { project, label } })
    print(found, () => printLabel(found))
  })
}

interface Members {
  readonly color?: string
  readonly description?: string
}

function membersOf({ color, description }: Members) {
  return { ...(color !== undefined && { color }), ...(description !== undefined && { description }) }
}

function create(name: string, flags: Place & Members): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const { project } = flags
    const body = { name, ...membersOf(flags) }
    const made =
      project === undefined
        ? await client.call(routes.createLabel, { body })
        : await client.call(routes.createProjectLabel, { params: { project }, body })
    print(made, () => printLabel(made))
  })
}

function update(named: string, flags: Place & Members & { readonly name?: string }): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const { project, name } = flags
    const body = { ...(name !== undefined && { name }), ...membersOf(flags) }
    if (Object.keys(body).length === 0) throw new WrongUsage('nothing is to change: --help lists what can be')
    const { id: label } = await findLabel(client, named, project)
    const changed =
      project === undefined
        ? await client.call(routes.updateLabel, { params: { label }, body })
        : await client.call(routes.updateProjectLabel, { params: { project, label }, body })
    print(changed, () => printLabel(changed))
  })
}

function remove(named: string, flags: Place & { readonly yes?: boolean }): Promise<void> {
  return withClient(flags, async ({ client }) => {
    const { project } = flags
    const { id: label, name } = await findLabel(client, named, project)
    const said = `label ${printable(name)} (number ${label})`
    await confirm(`Delete ${said}, and take it off every manifest?`, flags)
    if (project === undefined) await client.call(routes.deleteLabel, { params: { label } })
    else await client.call(routes.deleteProjectLabel, { params: { project, label } })
    console.error(`deleted ${said}`)
  })
}

function add(manifest: string, named: string, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    const params = parseDigested(manifest)
    const label = await findUsableLabel(client, params.repository, named)
    await client.call(routes.addManifestLabel, { params: { ...params, label } })
  })
}

function takeOff(manifest: string, named: string, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    const params = parseDigested(manifest)
    const label = await findManifestLabel(client, params, named)
    await client.call(routes.removeManifestLabel, { params: { ...params, label } })
  })
}

const projectOption = ['--project <name>', 'of this project; else those that are for all'] as const
const colorOption = ['--color <#rrggbb>', 'such as #0a7bbc'] as const
const descriptionOption = ['--description <text>', 'what it says of a manifest'] as const

/** Adds the command to the program. */
export function registerLabel(program: Command): void {
  const label = program.command('label').description('labels of a server, and on manifests')
  apiOptions(listOptions(label.command('list').description('list labels'), routes.listLabels))
    .option(...projectOption)
    .option('--usable', 'with those of the projects above it, and those for all')
    .option('--manifest <repository@digest>', 'those of this manifest')
    .option('--name <prefix>', 'only names that begin so')
    .action(list)
  apiOptions(label.command('show').description('show one label').argument('<label>', 'its name, or its number'))
    .option(...projectOption)
    .action(show)
  apiOptions(label.command('create').description('make a label').argument('<name>', 'what it is called'))
    .option(...projectOption)
    .option(...colorOption)
    .option(...descriptionOption)
    .action(create)
  apiOptions(label.command('update').description('change a label').argument('<label>', 'its name, or its number'))
    .option(...projectOption)
    .option('--name <name>', 'another name')
    .option(...colorOption)
    .option(...descriptionOption)
    .action(update)
  apiOptions(label.command('delete').description('delete a label').argument('<label>', 'its name, or its number'))
    .option(...projectOption)
    .option(...yesOption)
    .action(remove)
  const onManifest = (name: string, description: string) =>
    apiOptions(
      label
        .command(name)
        .description(description)
        .argument('<repository@digest>', 'such as team/app@sha256:…')
        .argument('<label>', 'its name, or its number'),
    )
  onManifest('add', 'put a label on a manifest').action(add)
  onManifest('remove', 'take a label off a manifest').action(takeOff)
}
