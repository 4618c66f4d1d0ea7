/** `berth trash`: what was deleted and can be restored. */
import type { Command } from 'commander'
import { deleteTrash, listTrash, restoreTrash } from '#api/routes/trash.ts'
import type { ResponseOf } from '#api/contract.ts'
import { apiOptions, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { CommandFailure } from './command-failure.ts'
import { describeBytes } from './data-command.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { confirm, yesOption } from './prompt.ts'

const kinds = ['tag', 'manifest', 'repository', 'project'] as const

interface ListTrashFlags extends ListFlags {
  readonly kind?: string
  readonly project?: string
  readonly repository?: string
}

type Trash = ResponseOf<typeof listTrash>['items'][number]

/** `team/app:1.2`, `team/app@sha256:…`, `team/app`, `team`. */
function nameOf({ kind, project, repository = '', digest = '', tags }: Trash): string {
  if (kind === 'tag') return `${repository}:${tags[0] ?? ''}`
  if (kind === 'manifest') return `${repository}@${digest}`
  return kind === 'repository' ? repository : project
}

function list(flags: ListTrashFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    const kind = kinds.find((each) => each === flags.kind)
    if (flags.kind !== undefined && kind === undefined) throw new CommandFailure(`--kind is one of ${kinds.join(', ')}`)
    const { project, repository } = flags
    await printPages(readPages(client, listTrash, flags, { query: { kind, project, repository } }), flags, {
      columns: ['ID', 'KIND', 'WHAT', 'TAGS', 'SIZE', 'DELETED', 'BY', 'REASON', 'UNTIL'],
      row: (item) => [
        item.id,
        item.kind,
        nameOf(item),
        item.kind === 'manifest' ? `${item.tags.join(',')}${item.hasMoreTags ? ',…' : ''}` : '',
        item.kind === 'tag' ? '' : describeBytes(item.sizeBytes),
        item.deletedAt,
        item.deletedBy,
        item.reason,
        item.expiresAt,
      ],
    })
  })
}

type Restored = ResponseOf<typeof restoreTrash>

function describeRestored({ kind, project, repository = '', digest = '', manifests, tags, takenTags }: Restored): string {
  const what = { tag: `${repository}:${tags.join()}`, manifest: `${repository}@${digest}`, repository, project }[kind]
  const parts = [`restored ${kind} ${what}`]
  if (manifests > 1) parts.push(`with ${manifests - 1} more that belong to it`)
  if (kind === 'manifest' && tags.length > 0) parts.push(`tagged ${tags.join(', ')}`)
  if (takenTags.length > 0) parts.push(`${takenTags.join(', ')} point elsewhere by now and stay there`)
  return parts.join('; ')
}

function restore(id: number, name: string | undefined, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const restored = await client.call(restoreTrash, { params: { trash: id }, body: name === undefined ? {} : { name } })
    print(restored, () => console.log(describeRestored(restored)))
  })
}

function remove(id: number, flags: ApiFlags & { readonly yes?: boolean }): Promise<void> {
  return withClient(flags, async ({ client, server }) => {
    await confirm(`Delete number ${id} of the trash of ${server} for good? Nothing brings it back.`, flags)
    await client.call(deleteTrash, { params: { trash: id } })
    console.error(`deleted ${id} for good`)
  })
}

/** Adds the command to the program. */
export function registerTrash(program: Command): void {
  const trash = program.command('trash').description('what was deleted and can be restored for a while')
  apiOptions(listOptions(trash.command('list').description('list what is in the trash, latest first'), listTrash))
    .option('--kind <kind>', `only one kind: ${kinds.join(', ')}`)
    .option('--project <name>', 'only what was in this project, or the project itself')
    .option('--repository <name>', 'only what was in this repository, or the repository itself')
    .action(list)
  apiOptions(
    trash
      .command('restore')
      .description('restore something whole')
      .argument('<id>', 'of the list', wholeNumber)
      .argument('[name]', 'for a repository or a project: another name than it had'),
  ).action(restore)
  apiOptions(trash.command('delete').description('delete something of the trash for good').argument('<id>', 'of the list', wholeNumber))
    .option(...yesOption)
    .action(remove)
}
