/**
 * Lists of a server, a page at a time: what came is printed before the next page is asked for, and the next page waits until what was printed is read.
 * So a list may be longer than memory, and `| head` ends it early.
 *
 *     apiOptions(listOptions(widget.command('list').description('list widgets'), listWidgets))
 *       .option('--name <prefix>', 'only names that begin so')
 *       .action((flags: ListFlags & { name?: string }) =>
 *         withClient(flags, ({ client }) =>
 *           printPages(readPages(client, listWidgets, flags, { query: { name: flags.name } }), flags, {
 *             columns: ['ID', 'NAME'],
 *             row: ({ id, name }) => [id, name],
 *           }),
 *         ),
 *       )
 */
import { Option, type Command } from 'commander'
import type { ApiClient, CallInput } from '#api/client.ts'
import type { ResponseOf, RouteContract } from '#api/contract.ts'
import { wholeNumber, type ApiFlags } from './api-command.ts'
import { printTable, type Cell } from './print.ts'
import { flushed } from './flushed.ts'

/** Of {@link listOptions}. */
export interface ListFlags extends ApiFlags {
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
  readonly sort?: string | undefined
  readonly all?: boolean | undefined
}

/** Adds `--limit`, `--cursor`, `--all`, and `--sort` with what the route can sort by. */
export function listOptions(command: Command, route: RouteContract): Command {
  command
    .option('--limit <count>', 'how many at most (100); with --all how many are asked for at once', wholeNumber)
    .option('--cursor <text>', 'go on where a list with --json ended: its `next`')
  const sorts = sortsOf(route)
  if (sorts.length > 0) command.addOption(new Option('--sort <name>', 'by which column; with a - before it descending').choices(sorts))
  return command.option('--all', 'to the end, however many there are')
}

function sortsOf(route: RouteContract): readonly string[] {
  const { sort } = (route.query?.properties ?? {}) as { readonly sort?: { readonly enum?: readonly string[] } }
  return sort?.enum ?? []
}

/** A part of a list. */
export interface Page<Item> {
  readonly items: readonly Item[]
  /** For `--cursor`, when there is more. */
  readonly next?: string
}

type ItemOf<Route extends RouteContract> = ResponseOf<Route> extends { items: (infer Item)[] } ? Item : never

/** The page that the flags ask for, or one after the other with `--all`. */
export async function* readPages<Route extends RouteContract>(
  client: ApiClient,
  route: Route,
  flags: ListFlags,
  input: Omit<CallInput<Route>, 'query'> & { readonly query?: Readonly<Record<string, unknown>> } = {} as never,
): AsyncGenerator<Page<ItemOf<Route>>, void, void> {
  const { limit, cursor, sort, all } = flags
  const query = { ...input.query, limit: limit ?? (all === true ? pageItemsMax : undefined), cursor, sort }
  // The flags and the rest fit the route's query, or the server says what does not.
  for await (const page of client.pages(route, ...([{ ...input, query }] as never))) {
    yield page as Page<ItemOf<Route>>
    if (all !== true) return
  }
}

/** The most that a server gives at once. */
const pageItemsMax = 1_000

/** How an item is shown to people. */
export interface TableShape<Item> {
  readonly columns: readonly string[]
  readonly row: (item: Item) => readonly Cell[]
}

/** Prints pages as they come: a table, or with `--json` one answer. Ends early when nobody reads on. */
export async function printPages<Item>(
  pages: AsyncIterable<Page<Item>>,
  flags: ApiFlags & { readonly all?: boolean | undefined },
  { columns, row }: TableShape<Item>,
): Promise<void> {
  const printer = flags.json === true ? jsonPrinter<Item>() : tablePrinter<Item>(columns, row)
  let next: string | undefined
  for await (const page of pages) {
    printer.print(page.items)
    if (!(await flushed(process.stdout))) return
    next = flags.all === true ? undefined : page.next
  }
  printer.end(next)
}

interface ListPrinter<Item> {
  print(items: readonly Item[]): void
  end(next: string | undefined): void
}

function tablePrinter<Item>(columns: readonly string[], row: TableShape<Item>['row']): ListPrinter<Item> {
  const print = printTable(columns)
  return {
    print: (items) => print(items.map(row)),
    end(next) {
      if (next !== undefined) console.error('(there are more: --all lists them, --limit sets how many)')
    },
  }
}

/** The same text as that of the whole list in one. An item waits until it is known whether a comma comes behind it. */
function jsonPrinter<Item>(): ListPrinter<Item> {
  let waiting: string | undefined
  return {
    print(items) {
      for (const item of items) {
        console.log(waiting === undefined ? '{\n  "items": [' : `${waiting},`)
        waiting = JSON.stringify(item, undefined, 2).replaceAll(/^/gm, '    ')
      }
    },
    end(next) {
      const more = next === undefined ? '' : `,\n  "next": ${JSON.stringify(next)}`
      console.log(waiting === undefined ? `{\n  "items": []${more}\n}` : `${waiting}\n  ]${more}\n}`)
    },
  }
}
