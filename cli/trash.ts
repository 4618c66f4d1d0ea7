/** `berth trash`: what was deleted and can be restored. */
import type { Command } from 'commander'
import { readProject } from '#api/routes/projects.ts'
import { listTrash } from '#api/routes/trash.ts'
import type { ApiClient } from '#api/client.ts'
import { apiOptions, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { describeBytes, withBerth } from './data-command.ts'
import { dataArgument, dataMeant, dataOption, type DataFlags } from './data-meant.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { printable, printJson, tellWarnings } from './print.ts'
import { confirm, requireSomebody, yesOption } from './prompt.ts'
import { filtered, tellResults, trashOfData, trashOfServer, withOptionWords, type TrashFilters, type TrashPlace } from './trash-place.ts'
import { describeGoing, describeRestored, nameOf, needsOf, tagsOf, type Going, type Trash } from './trash-words.ts'

const kinds = ['tag', 'manifest', 'repository', 'project'] as const

const reasons = ['request', 'retention', 'expiry', 'untagged'] as const

interface FilterFlags extends ApiFlags, DataFlags, Pick<TrashFilters, 'project' | 'repository' | 'run'> {
  readonly kind?: string
  readonly reason?: string
}

type ListTrashFlags = ListFlags & FilterFlags

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

/** Of an item: numbers begin with 1. */
function itemNumber(word: string): number {
  const id = wholeNumber(word)
  if (id === 0) throw new WrongUsage('0 is no number of the trash: berth trash list shows them')
  return id
}

/** Numbers, and for one of them another name. */
function parseWords(words: readonly string[]): { readonly ids: readonly number[]; readonly name: string | undefined } {
  const [first = '', name] = words
  if (words.length === 2 && name !== undefined && !/^\d+$/.test(name)) return { ids: [itemNumber(first)], name }
  return { ids: words.map(itemNumber), name: undefined }
}

/** The place of the flags, and what it is called. */
async function withTrash(flags: ApiFlags & DataFlags, run: (place: TrashPlace, of: string) => Promise<void>): Promise<void> {
  const data = dataMeant(undefined, flags)
  if (data === undefined) await withClient(flags, ({ client, server }) => run(trashOfServer(client), server))
  else await withOptionWords(flags.optionNames, () => withBerth(data, (berth) => run(trashOfData(berth), data)))
}

/** The filters, where no number was named. Throws where both were, or neither. */
function filtersMeant(ids: readonly number[], flags: FilterFlags): TrashFilters | undefined {
  const filters = filtersOf(flags)
  const isFiltered = Object.values(filters).some((filter) => filter !== undefined)
  if (ids.length > 0 && isFiltered) throw new WrongUsage('name numbers or filters, not both')
  if (ids.length > 0) return undefined
  if (!isFiltered)
    throw new WrongUsage('name what is meant: numbers of berth trash list, or --project, --repository, --kind, --reason, --run')
  return filters
}

function restore(words: readonly string[], flags: FilterFlags & { readonly force?: boolean }): Promise<void> {
  const { ids, name } = parseWords(words)
  const filters = filtersMeant(ids, flags)
  const isForced = flags.force === true
  const { json, optionNames } = flags
  return withTrash(flags, async (place) => {
    const [id, ...others] = ids
    if (id === undefined || others.length > 0) {
      const meant = filters === undefined ? ids : (await filtered(place, filters)).map((item) => item.id)
      return await tellResults(place.restoreAll(meant, isForced), { verb: 'restored', areNamed: filters === undefined, json, optionNames })
    }
    const restored = await place.restore(id, { name, isForced })
    if (json === true) printJson(restored)
    else console.log(describeRestored(restored))
    tellWarnings(restored)
  })
}

function remove(words: readonly string[], flags: FilterFlags & { readonly yes?: boolean }): Promise<void> {
  const ids = words.map(itemNumber)
  const filters = filtersMeant(ids, flags)
  const { json, optionNames } = flags
  return withTrash(flags, async (place, of) => {
    const going = await lookUp(place, ids, filters).catch((error: unknown) => {
      // Nothing is wrong before somebody could say yes.
      requireSomebody(`Delete ${ids.length === 0 ? 'that' : ids.join(', ')} of the trash of ${of} for good?`, flags)
      throw error
    })
    await confirmRemoval(going, of, flags)
    const [id, ...others] = ids
    if (id === undefined || others.length > 0) {
      const removal = place.removeAll(going.map((item) => item.id))
      return await tellResults(removal, { verb: 'deleted', areNamed: filters === undefined, json, optionNames })
    }
    await place.remove(id)
    console.error(`deleted ${id} for good`)
  })
}

/** So many are asked for at once. */
const askedTogether = 8

async function eachOf<Item, Result>(items: readonly Item[], ask: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  for (let start = 0; start < items.length; start += askedTogether)
    results.push(...(await Promise.all(items.slice(start, start + askedTogether).map(ask))))
  return results
}

async function lookUp(place: TrashPlace, ids: readonly number[], filters: TrashFilters | undefined): Promise<Going[]> {
  return filters === undefined ? await named(place, ids) : await detailed(place, await filtered(place, filters))
}

/** Who may delete one and not see it has its number. */
async function named(place: TrashPlace, ids: readonly number[]): Promise<Going[]> {
  return await eachOf(ids, async (id) => (await place.find(id)) ?? { id })
}

/** Manifests alone are needed by others. */
async function detailed(place: TrashPlace, items: readonly Trash[]): Promise<Going[]> {
  return await eachOf(items, async (item) => (item.kind === 'manifest' ? await place.find(item.id) : undefined) ?? item)
}

const askedAbout = 5

/** Says first what would be broken, also to who is not asked. */
async function confirmRemoval(going: readonly Going[], of: string, flags: { readonly yes?: boolean }): Promise<void> {
  const needs = needsOf(going)
  const areMany = needs.length > askedAbout
  if (flags.yes === true || areMany) for (const need of needs) console.error(printable(need))
  const broken = areMany ? [`${needs.length} of them are needed, as said above.`] : needs
  const last = `Nothing brings ${going.length === 1 ? 'it' : 'them'} back.`
  await confirm(printable([`Delete ${describeGoing(going)} of the trash of ${of} for good?`, ...broken, last].join(' ')), flags)
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
