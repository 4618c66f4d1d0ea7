/** Where the trash is that a command works on: that of a server, or that of data. What several items have in common is done the same way in both. */
import { ApiProblem, type ApiClient } from '#api/client.ts'
import { deleteTrash, deleteTrashItems, listTrash, readTrash, restoreTrash, restoreTrashItems, trashBatchMax } from '#api/routes/trash.ts'
import { openTrashDesk, type Berth } from '#main.ts'
import { RegistryError } from '#oci/errors.ts'
import { CommandFailure, NothingThere } from './command-failure.ts'
import { plural } from './data-command.ts'
import { withOptions } from './describe-problem.ts'
import { readPages } from './list.ts'
import { printable, printJson } from './print.ts'
import type { Restored, Trash, TrashDetails } from './trash-words.ts'

/** What a list, or a bulk, is narrowed to. */
export interface TrashFilters {
  readonly kind?: 'tag' | 'manifest' | 'repository' | 'project' | undefined
  readonly project?: string | undefined
  readonly repository?: string | undefined
  readonly reason?: 'request' | 'retention' | 'expiry' | 'untagged' | undefined
  readonly run?: number | undefined
}

/** What became of one item. */
export interface TrashResult {
  readonly trash: number
  readonly outcome: 'restored' | 'deleted' | 'gone' | 'refused'
  readonly code?: string
  readonly reason?: string
}

/** How one is restored. */
interface How {
  readonly name?: string | undefined
  readonly isForced: boolean
}

/** The trash of a place. */
export interface TrashPlace {
  pages(filters: TrashFilters): AsyncGenerator<{ readonly items: readonly Trash[] }>
  /** Undefined: it is not there, or may be deleted by whom it is not shown. */
  find(id: number): Promise<TrashDetails | undefined>
  restore(id: number, how: How): Promise<Restored>
  restoreAll(ids: readonly number[], isForced: boolean): AsyncGenerator<readonly TrashResult[]>
  remove(id: number): Promise<void>
  removeAll(ids: readonly number[]): AsyncGenerator<readonly TrashResult[]>
}

function* chunksOf(ids: readonly number[]): Generator<number[]> {
  for (let start = 0; start < ids.length; start += trashBatchMax) yield ids.slice(start, start + trashBatchMax)
}

/** That of a server. */
export function trashOfServer(client: ApiClient): TrashPlace {
  return {
    pages: (filters) => readPages(client, listTrash, { all: true }, { query: { ...filters } }),
    find: async (id) =>
      await client.call(readTrash, { params: { trash: id } }).catch((error: unknown) => {
        if (error instanceof ApiProblem && (error.status === 403 || error.status === 404)) return undefined
        throw error
      }),
    restore: async (id, { name, isForced }) => {
      const body = { ...(name !== undefined && { name }), ...(isForced && { force: true }) }
      return await client.call(restoreTrash, { params: { trash: id }, body })
    },
    async *restoreAll(ids, force) {
      for (const items of chunksOf(ids)) yield (await client.call(restoreTrashItems, { body: { items, force } })).results
    },
    remove: async (id) => {
      await client.call(deleteTrash, { params: { trash: id } })
    },
    async *removeAll(ids) {
      for (const items of chunksOf(ids)) yield (await client.call(deleteTrashItems, { body: { items } })).results
    },
  }
}

/** That of data that is open here. */
export function trashOfData(berth: Berth): TrashPlace {
  const desk = openTrashDesk(berth)
  async function* each(ids: readonly number[], outcome: TrashResult['outcome'], act: (id: number) => Promise<unknown>) {
    for (const trash of ids) {
      const result = await act(trash).then((): TrashResult => ({ trash, outcome }), failureOf(trash))
      yield [result]
    }
  }
  return {
    pages: (filters) => desk.list(filters),
    find: async (id) =>
      await desk.describe(id).catch((error: unknown) => {
        if (error instanceof RegistryError && error.code === 'RESOURCE_UNKNOWN') return undefined
        throw error
      }),
    restore: (id, how) => desk.restore(id, how),
    restoreAll: (ids, isForced) => each(ids, 'restored', (id) => desk.restore(id, { isForced })),
    remove: (id) => desk.remove(id),
    removeAll: (ids) => each(ids, 'deleted', (id) => desk.remove(id)),
  }
}

/** Refusals of data in the words of the command, as a server's are. */
export async function withOptionWords(options: readonly string[] = [], run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (error) {
    throw error instanceof RegistryError ? new CommandFailure(printable(withOptions(error.message, options)), { cause: error }) : error
  }
}

function failureOf(trash: number) {
  return (error: unknown): TrashResult => {
    if (!(error instanceof RegistryError)) throw error
    const { code, message: reason } = error
    return code === 'RESOURCE_UNKNOWN' ? { trash, outcome: 'gone' } : { trash, outcome: 'refused', code, reason }
  }
}

/** All that the filters leave. Throws when they leave nothing. */
export async function filtered(place: TrashPlace, filters: TrashFilters): Promise<readonly Trash[]> {
  const found: Trash[] = []
  for await (const { items } of place.pages(filters)) found.push(...items)
  if (found.length === 0) throw new NothingThere('nothing of that is in the trash')
  return found
}

/** How results are told. */
interface Telling {
  readonly verb: 'deleted' | 'restored'
  /** By their numbers. */
  readonly areNamed: boolean
  readonly json: boolean | undefined
  readonly optionNames: readonly string[] | undefined
}

/** Says what became of them; status 1 when something was refused. Throws when nothing of what was named by its number was there. */
export async function tellResults(parts: AsyncIterable<readonly TrashResult[]>, telling: Telling): Promise<void> {
  const { verb, areNamed, json } = telling
  const all: TrashResult[] = []
  for await (const results of parts) {
    all.push(...results)
    for (const result of results) tellFailure(result, telling)
  }
  if (json === true) printJson({ results: all })
  else console.log(sumOf(all, verb))
  if (all.some(({ outcome }) => outcome === 'refused')) process.exitCode = 1
  else if (areNamed && all.every(({ outcome }) => outcome === 'gone')) throw new NothingThere('nothing of these numbers is in the trash')
}

function tellFailure({ trash, outcome, code = '', reason = 'refused' }: TrashResult, { areNamed, optionNames = [] }: Telling): void {
  if (outcome === 'refused') console.error(`${trash}: ${printable(withOptions(reason, optionNames))} (${code})`)
  if (outcome === 'gone' && areNamed) console.error(`${trash}: not in the trash, or it came back with another`)
}

function sumOf(results: readonly TrashResult[], verb: 'deleted' | 'restored'): string {
  const count = (outcome: TrashResult['outcome']) => results.filter((each) => each.outcome === outcome).length
  const [gone, refused] = [count('gone'), count('refused')]
  const did = `${verb} ${plural(count(verb), 'item')}${verb === 'deleted' ? ' for good' : ''}`
  const others = [...(gone > 0 ? [`${gone} were gone or came back with another`] : []), ...(refused > 0 ? [`${refused} refused`] : [])]
  return [did, ...others].join('; ')
}
