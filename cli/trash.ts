/** `berth trash`: what was deleted and can be restored. */
import type { Command } from 'commander'
import { readProject } from '#api/routes/projects.ts'
import { deleteTrash, listTrash, readTrash, restoreTrash } from '#api/routes/trash.ts'
import type { ApiClient } from '#api/client.ts'
import type { ResponseOf } from '#api/contract.ts'
import { apiOptions, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { openTrashDesk } from '#main.ts'
import { describeBytes, plural, withBerth } from './data-command.ts'
import { dataArgument, dataMeant, dataOption, type DataFlags } from './data-meant.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { tellWarnings } from './print.ts'
import { confirm, yesOption } from './prompt.ts'
import { idsOf, tellResults, trashOfData, trashOfServer, type TrashFilters, type TrashPlace } from './trash-place.ts'

const kinds = ['tag', 'manifest', 'repository', 'project'] as const

const reasons = ['request', 'retention', 'expiry', 'untagged'] as const

interface FilterFlags extends ApiFlags, DataFlags, Pick<TrashFilters, 'project' | 'repository' | 'run'> {
  readonly kind?: string
  readonly reason?: string
}

type ListTrashFlags = ListFlags & FilterFlags

type Trash = ResponseOf<typeof listTrash>['items'][number]

/** `team/app:1.2`, `team/app@sha256:…`, `team/app`, `team`. */
function nameOf({ kind, project, repository = '', digest = '', tags }: Omit<Trash, 'hasMoreTags'>): string {
  if (kind === 'tag') return `${repository}:${tags[0] ?? ''}`
  if (kind === 'manifest') return `${repository}@${digest}`
  return kind === 'repository' ? repository : project
}

/** Of a manifest by name, of a repository how many. */
function tagsOf({ kind, tags, hasMoreTags, tagCount = 0 }: Trash): string {
  if (kind === 'repository') return `${plural(tagCount, 'tag')}${tagCount === countedTags ? ' or more' : ''}`
  return kind === 'manifest' ? `${tags.join(',')}${hasMoreTags ? ',…' : ''}` : ''
}

const countedTags = 1_000

function filtersOf({ kind: kindText, reason: reasonText, project, repository, run }: FilterFlags): TrashFilters {
  const kind = kinds.find((each) => each === kindText)
  if (kindText !== undefined && kind === undefined) throw new WrongUsage(`--kind is one of ${kinds.join(', ')}`)
  const reason = reasons.find((each) => each === reasonText)
  if (reasonText !== undefined && reason === undefined) throw new WrongUsage(`--reason is one of ${reasons.join(', ')}`)
  return { kind, project, repository, reason, run }
}

const table = {
  columns: ['ID', 'KIND', 'WHAT', 'TAGS', 'SIZE', 'DELETED', 'BY', 'REASON', 'UNTIL'],
  row: (item: Trash) => [
    item.id,
    item.kind,
    nameOf(item),
    tagsOf(item),
    item.kind === 'tag' ? '' : describeBytes(item.sizeBytes),
    item.deletedAt,
    item.deletedBy,
    item.reason,
    item.expiresAt,
  ],
}

function list(source: string | undefined, flags: ListTrashFlags): Promise<void> {
  const filters = filtersOf(flags)
  const data = dataMeant(source, flags)
  if (data !== undefined)
    // All of it: who looks at data has no pages to ask for one after the other.
    return withBerth(data, (berth) => printPages(trashOfData(berth).pages(filters), { ...flags, all: true }, table))
  return withClient(flags, async ({ client }) => {
    if (filters.project !== undefined) await requireProject(client, filters.project)
    await printPages(readPages(client, listTrash, flags, { query: { ...filters } }), flags, table)
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

function whatIsNotBack({
  missing,
  lostLabels,
  endedNames,
}: Pick<Restored, 'missing' | 'lostLabels'> & { readonly endedNames: readonly string[] }): readonly string[] {
  const parts: string[] = []
  if (missing.length > 0) parts.push(`without ${missing.join(', ')}, which it needs: push that again`)
  if (lostLabels.length > 0) parts.push(`labels that did not come along: ${lostLabels.join(', ')}`)
  if (endedNames.length > 0)
    parts.push(`former names that others led elsewhere meanwhile, and that are its own again: ${endedNames.join(', ')}`)
  return parts
}

function readers({ isPublic }: Restored): string {
  return isPublic ? 'everyone can read' : 'only its members can read'
}

/** Numbers, and for one of them another name. */
function parseWords(words: readonly string[]): { readonly ids: readonly number[]; readonly name: string | undefined } {
  const [first = '', name] = words
  if (words.length === 2 && name !== undefined && !/^\d+$/.test(name)) return { ids: [wholeNumber(first)], name }
  return { ids: words.map((word) => wholeNumber(word)), name: undefined }
}

/** The place of the flags. */
async function withTrash(flags: ApiFlags & DataFlags, run: (place: TrashPlace, of: string) => Promise<void>): Promise<void> {
  const data = dataMeant(undefined, flags)
  if (data === undefined) await withClient(flags, ({ client, server }) => run(trashOfServer(client), server))
  else await withBerth(data, (berth) => run(trashOfData(berth), data))
}

/** What was named, or what the filters leave. */
async function meant(place: TrashPlace, ids: readonly number[], flags: FilterFlags): Promise<readonly number[]> {
  const filters = filtersOf(flags)
  const isFiltered = Object.values(filters).some((filter) => filter !== undefined)
  if (ids.length > 0 && isFiltered) throw new WrongUsage('name numbers or filters, not both')
  if (ids.length > 0) return ids
  if (!isFiltered)
    throw new WrongUsage('name what is meant: numbers of berth trash list, or --project, --repository, --kind, --reason, --run')
  return await idsOf(place, filters)
}

function restore(words: readonly string[], flags: FilterFlags & { readonly force?: boolean }): Promise<void> {
  const { ids, name } = parseWords(words)
  const [id, ...others] = ids
  if (id !== undefined && others.length === 0) return restoreOne(id, name, flags)
  const isForced = flags.force === true
  return withTrash(flags, async (place) =>
    tellResults(place.restore(await meant(place, ids, flags), isForced), { verb: 'restored', areNamed: ids.length > 0, json: flags.json }),
  )
}

function restoreOne(id: number, name: string | undefined, flags: FilterFlags & { readonly force?: boolean }): Promise<void> {
  const data = dataMeant(undefined, flags)
  const isForced = flags.force === true
  if (data !== undefined)
    return withBerth(data, async (berth) => {
      const restored = await openTrashDesk(berth).restore(id, { name, isForced })
      const { kind, project, repository, endedNames } = restored
      console.log([`restored ${kind} ${repository ?? project}`, ...whatIsNotBack({ missing: [], lostLabels: [], endedNames })].join('; '))
      tellWarnings(restored)
    })
  return withClient(flags, async ({ client, print }) => {
    const body = { ...(name !== undefined && { name }), ...(isForced && { force: true }) }
    const restored = await client.call(restoreTrash, { params: { trash: id }, body })
    print(restored, () => console.log(describeRestored(restored)))
    tellWarnings(restored)
  })
}

function remove(words: readonly string[], flags: FilterFlags & { readonly yes?: boolean }): Promise<void> {
  const ids = words.map((word) => wholeNumber(word))
  const [id, ...others] = ids
  if (id !== undefined && others.length === 0 && flags.data === undefined) return removeOne(id, flags)
  return withTrash(flags, async (place, of) => {
    const chosen = await meant(place, ids, flags)
    await confirm(`Delete ${plural(chosen.length, 'item')} of the trash of ${of} for good? Nothing brings them back.`, flags)
    await tellResults(place.remove(chosen), { verb: 'deleted', areNamed: ids.length > 0, json: flags.json })
  })
}

function removeOne(id: number, flags: ApiFlags & { readonly yes?: boolean }): Promise<void> {
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

function filterOptions(command: Command): Command {
  return command
    .option('--kind <kind>', `only one kind: ${kinds.join(', ')}`)
    .option('--project <name>', 'only what was in this project, or the project itself')
    .option('--repository <name>', 'only what was in this repository, or the repository itself')
    .option('--reason <reason>', `only what went so: ${reasons.join(', ')}`)
    .option('--run <number>', 'only what this run of a retention policy removed', wholeNumber)
}

/** Adds the command to the program. */
export function registerTrash(program: Command): void {
  const trash = program.command('trash').description('what was deleted and can be restored for a while')
  filterOptions(
    apiOptions(
      listOptions(
        trash
          .command('list')
          .description('list what is in the trash, latest first')
          .argument(...dataArgument),
        listTrash,
      ),
    ),
  )
    .option(...dataOption)
    .action(list)
  filterOptions(
    apiOptions(
      trash
        .command('restore')
        .description('restore things whole: one, several, or all that the filters leave')
        .argument(
          '[id...]',
          'of the list; behind a single one, for a repository or a project: the name that it gets, its own too where that is in another project by now',
        ),
    ),
  )
    .option('--force', 'also without what it needs and is gone for good; also out of a private project into a public one')
    .option(...dataOption)
    .action(restore)
  filterOptions(
    apiOptions(
      trash
        .command('delete')
        .description('delete things of the trash for good: one, several, or all that the filters leave')
        .argument('[id...]', 'of the list'),
    ),
  )
    .option(...dataOption)
    .option(...yesOption)
    .action(remove)
}
