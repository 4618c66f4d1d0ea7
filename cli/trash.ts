/** `berth trash`: what was deleted and can be restored. */
import type { Command } from 'commander'
import { readProject } from '#api/routes/projects.ts'
import { deleteTrash, listTrash, readTrash, restoreTrash } from '#api/routes/trash.ts'
import type { ApiClient } from '#api/client.ts'
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
function nameOf({ kind, project, repository = '', digest = '', tags }: Omit<Trash, 'hasMoreTags'>): string {
  if (kind === 'tag') return `${repository}:${tags[0] ?? ''}`
  if (kind === 'manifest') return `${repository}@${digest}`
  return kind === 'repository' ? repository : project
}

function list(flags: ListTrashFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    const kind = kinds.find((each) => each === flags.kind)
    if (flags.kind !== undefined && kind === undefined) throw new CommandFailure(`--kind is one of ${kinds.join(', ')}`)
    const { project, repository } = flags
    if (project !== undefined) await requireProject(client, project)
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

/** One of the trash may have the name. Throws what the server says of a project that is not there, or not for the caller to see. */
async function requireProject(client: ApiClient, project: string): Promise<void> {
  const { items } = await client.call(listTrash, { query: { project, limit: 1 } })
  if (items.length === 0) await client.call(readProject, { params: { project } })
}

type Restored = ResponseOf<typeof restoreTrash>

function describeRestored(restored: Restored): string {
  const { kind, project, repository = '', digest = '', tags = [] } = restored
  const what = { tag: `${repository}:${tags.join()}`, manifest: `${repository}@${digest}`, repository, project }[kind]
  const parts = [`restored ${kind} ${what}`]
  if (kind === 'repository') parts.push(`it is in the project ${project}, which ${readers(restored)}`)
  if (kind === 'project') parts.push(`it is one that ${readers(restored)}`)
  return [...parts, ...(kind === 'tag' || kind === 'manifest' ? tagFacts(restored) : []), ...whatIsNotBack(restored)].join('; ')
}

function tagFacts({ kind, manifests = 0, tags = [], takenTags = [] }: Restored): readonly string[] {
  const parts: string[] = []
  if (manifests > 1) parts.push(`with ${manifests - 1} more that belong to it`)
  if (kind === 'manifest' && tags.length > 0) parts.push(`tagged ${tags.join(', ')}`)
  if (tags.length > 0) parts.push(`${tags.length === 1 ? 'the tag does' : 'the tags do'} not expire: berth tag expire says otherwise`)
  if (takenTags.length > 0) parts.push(`${takenTags.join(', ')} point elsewhere by now and stay there`)
  return parts
}

function whatIsNotBack({ missing, lostLabels }: Restored): readonly string[] {
  const parts: string[] = []
  if (missing.length > 0) parts.push(`without ${missing.join(', ')}, which it needs: push that again`)
  if (lostLabels.length > 0) parts.push(`labels that did not come along: ${lostLabels.join(', ')}`)
  return parts
}

function readers({ isPublic }: Restored): string {
  return isPublic ? 'everyone can read' : 'only its members can read'
}

function restore(id: number, name: string | undefined, flags: ApiFlags & { readonly force?: boolean }): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const body = { ...(name !== undefined && { name }), ...(flags.force === true && { force: true }) }
    const restored = await client.call(restoreTrash, { params: { trash: id }, body })
    print(restored, () => console.log(describeRestored(restored)))
  })
}

function remove(id: number, flags: ApiFlags & { readonly yes?: boolean }): Promise<void> {
  return withClient(flags, async ({ client, server }) => {
    // Who may delete it and not see it is asked without its name.
    const item = await client.call(readTrash, { params: { trash: id } }).catch(() => undefined)
    const what = item === undefined ? `number ${id}` : `the ${item.kind} ${nameOf(item)}`
    const needers =
      item === undefined || item.neededBy.length === 0 ? '' : ` ${item.neededBy.join(', ')} needs it and is broken without it.`
    await confirm(`Delete ${what} of the trash of ${server} for good?${needers} Nothing brings it back.`, flags)
    if (flags.yes === true && needers !== '') console.error(needers.trim())
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
  )
    .option('--force', 'also without what it needs and is gone for good; also out of a private project into a public one')
    .action(restore)
  apiOptions(trash.command('delete').description('delete something of the trash for good').argument('<id>', 'of the list', wholeNumber))
    .option(...yesOption)
    .action(remove)
}
