/** `berth label`: labels of a server, and on manifests. */
import type { Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import * as routes from '#api/routes/labels.ts'
import { apiOptions, listOptions, readList, wholeNumber, withClient, type ApiFlags, type ListFlags } from './api-command.ts'
import { CommandFailure } from './command-failure.ts'
import { parseDigested } from './manifest.ts'
import { printFacts, printRows } from './print.ts'
import { confirm } from './prompt.ts'

type Label = ResponseOf<typeof routes.readLabel>

interface Place extends ApiFlags {
  readonly project?: string
}

function printLabels(labels: readonly Label[]): void {
  printRows(
    ['ID', 'NAME', 'COLOR', 'PROJECT', 'DESCRIPTION'],
    labels.map(({ id, name, color, project, description }) => [id, name, color, project, description]),
  )
}

function printLabel({ id, name, color, project, description, createdAt, updatedAt }: Label): void {
  printFacts({ Id: id, Name: name, Color: color, Project: project, Description: description, Created: createdAt, Updated: updatedAt })
}

function list(flags: ListFlags & Place & { readonly name?: string; readonly usable?: true; readonly manifest?: string }): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const { name, project, usable, manifest } = flags
    if (usable === true && project === undefined) throw new CommandFailure('--usable goes with --project')
    const read = () => {
      if (manifest !== undefined) return client.call(routes.listManifestLabels, { params: parseDigested(manifest) })
      if (project === undefined) return readList(client, routes.listLabels, flags, { query: { name } })
      return readList(client, routes.listProjectLabels, flags, { params: { project }, query: { name, usable } })
    }
    const page = await read()
    print(page, () => printLabels(page.items))
  })
}

function show(label: number, flags: Place): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const { project } = flags
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

function update(label: number, flags: Place & Members & { readonly name?: string }): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const { project, name } = flags
    const body = { ...(name !== undefined && { name }), ...membersOf(flags) }
    if (Object.keys(body).length === 0) throw new CommandFailure('nothing is to change: --help lists what can be')
    const changed =
      project === undefined
        ? await client.call(routes.updateLabel, { params: { label }, body })
        : await client.call(routes.updateProjectLabel, { params: { project, label }, body })
    print(changed, () => printLabel(changed))
  })
}

function remove(label: number, flags: Place & { readonly yes?: boolean }): Promise<void> {
  return withClient(flags, async ({ client }) => {
    await confirm(`Delete label ${label}, and take it off every manifest?`, flags)
    const { project } = flags
    if (project === undefined) await client.call(routes.deleteLabel, { params: { label } })
    else await client.call(routes.deleteProjectLabel, { params: { project, label } })
    console.error(`deleted label ${label}`)
  })
}

function add(manifest: string, label: number, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    await client.call(routes.addManifestLabel, { params: { ...parseDigested(manifest), label } })
  })
}

function takeOff(manifest: string, label: number, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    await client.call(routes.removeManifestLabel, { params: { ...parseDigested(manifest), label } })
  })
}

const projectOption = ['--project <name>', 'of this project; else those that are for all'] as const
const colorOption = ['--color <#rrggbb>', 'such as #0a7bbc'] as const
const descriptionOption = ['--description <text>', 'what it says of a manifest'] as const

/** Adds the command to the program. */
export function registerLabel(program: Command): void {
  const label = program.command('label').description('labels of a server, and on manifests')
  apiOptions(listOptions(label.command('list').description('list labels')))
    .option(...projectOption)
    .option('--usable', 'with those of the projects above it, and those for all')
    .option('--manifest <repository@digest>', 'those of this manifest')
    .option('--name <prefix>', 'only names that begin so')
    .action(list)
  apiOptions(label.command('show').description('show one label').argument('<id>', 'its number', wholeNumber))
    .option(...projectOption)
    .action(show)
  apiOptions(label.command('create').description('make a label').argument('<name>', 'what it is called'))
    .option(...projectOption)
    .option(...colorOption)
    .option(...descriptionOption)
    .action(create)
  apiOptions(label.command('update').description('change a label').argument('<id>', 'its number', wholeNumber))
    .option(...projectOption)
    .option('--name <name>', 'another name')
    .option(...colorOption)
    .option(...descriptionOption)
    .action(update)
  apiOptions(label.command('delete').description('delete a label').argument('<id>', 'its number', wholeNumber))
    .option(...projectOption)
    .option('-y, --yes', 'do not ask')
    .action(remove)
  const onManifest = (name: string, description: string) =>
    apiOptions(
      label
        .command(name)
        .description(description)
        .argument('<repository@digest>', 'such as team/app@sha256:…')
        .argument('<id>', 'the label', wholeNumber),
    )
  onManifest('add', 'put a label on a manifest').action(add)
  onManifest('remove', 'take a label off a manifest').action(takeOff)
}
