/** Where the trash is that a command works on: that of a server, or that of data. What several items have in common is done the same way in both. */
import type { ApiClient } from '#api/client.ts'
import type { ResponseOf } from '#api/contract.ts'
import { deleteTrashItems, listTrash, restoreTrashItems, trashBatchMax } from '#api/routes/trash.ts'
import { openTrashDesk, type Berth } from '#main.ts'
import { RegistryError } from '#oci/errors.ts'
import { CommandFailure } from './command-failure.ts'
import { plural } from './data-command.ts'
import { readPages } from './list.ts'
import { printJson } from './print.ts'

/** What a list, or a bulk, is narrowed to. */
export interface TrashFilters {
  readonly kind?: 'tag' | 'manifest' | 'repository' | 'project' | undefined
  readonly project?: string | undefined
  readonly repository?: string | undefined
  readonly reason?: 'request' | 'retention' | 'expiry' | 'untagged' | undefined
  readonly run?: number | undefined
}

type Item = ResponseOf<typeof listTrash>['items'][number]

/** What became of one item. */
export interface TrashResult {
  readonly trash: number
  readonly outcome: 'restored' | 'deleted' | 'gone' | 'refused'
  readonly code?: string
  readonly reason?: string
}

/** The trash of a place. */
export interface TrashPlace {
  pages(filters: TrashFilters): AsyncGenerator<{ readonly items: readonly Item[] }>
  restore(ids: readonly number[], isForced: boolean): AsyncGenerator<readonly TrashResult[]>
  remove(ids: readonly number[]): AsyncGenerator<readonly TrashResult[]>
}

function* chunksOf(ids: readonly number[]): Generator<number[]> {
  for (let start = 0; start < ids.length; start += trashBatchMax) yield ids.slice(start, start + trashBatchMax)
}

/** That of a server. */
export function trashOfServer(client: ApiClient): TrashPlace {
  return {
    pages: (filters) => readPages(client, listTrash, { all: true }, { query: { ...filters } }),
    async *restore(ids, force) {
      for (const items of chunksOf(ids)) yield (await client.call(restoreTrashItems, { body: { items, force } })).results
    },
    async *remove(ids) {
      for (const items of chunksOf(ids)) yield (await client.call(deleteTrashItems, { body: { items } })).results
    },
  }
}

const pageItems = 1_000

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
    async *pages(filters) {
      for await (const rows of desk.list(filters, pageItems)) yield { items: rows.map(itemOf) }
    },
    restore: (ids, isForced) => each(ids, 'restored', (id) => desk.restore(id, { isForced })),
    remove: (ids) => each(ids, 'deleted', (id) => desk.remove(id)),
  }
}

function failureOf(trash: number) {
  return (error: unknown): TrashResult => {
    if (!(error instanceof RegistryError)) throw error
    const { code, message: reason } = error
    return code === 'RESOURCE_UNKNOWN' ? { trash, outcome: 'gone' } : { trash, outcome: 'refused', code, reason }
  }
}

type Desk = ReturnType<typeof openTrashDesk>
type RowsOf<Pages> = Pages extends AsyncGenerator<readonly (infer Row)[]> ? Row : never
type Row = RowsOf<ReturnType<Desk['list']>>
/** An entry of the history of a tag, as data has it. */
export type HistoryRow = RowsOf<ReturnType<Desk['history']>>

/** As the API has it. */
function itemOf(row: Row): Item {
  const { id, kind, project, repository, digest, hasMoreTags, tagCount, sizeBytes, reason, deletedBy } = row
  const named = { ...(repository !== '' && { repository }), ...(digest !== undefined && { digest }) }
  const [deletedAt, expiresAt] = [new Date(row.deletedAt).toISOString(), new Date(row.expiresAt).toISOString()]
  const counted = tagCount !== undefined && { tagCount }
  return { id, kind, project, ...named, tags: [...row.tags], hasMoreTags, ...counted, sizeBytes, reason, deletedBy, deletedAt, expiresAt }
}

/** Numbers of all that the filters leave. Throws when they leave nothing. */
export async function idsOf(place: TrashPlace, filters: TrashFilters): Promise<readonly number[]> {
  const ids: number[] = []
  for await (const { items } of place.pages(filters)) ids.push(...items.map(({ id }) => id))
  if (ids.length === 0) throw new CommandFailure('nothing of that is in the trash')
  return ids
}

/** Says what became of them; status 1 when something was refused, or nothing of what was named by its number was there. */
export async function tellResults(
  parts: AsyncIterable<readonly TrashResult[]>,
  { verb, areNamed, json }: { readonly verb: 'deleted' | 'restored'; readonly areNamed: boolean; readonly json: boolean | undefined },
): Promise<void> {
  const all: TrashResult[] = []
  for await (const results of parts) {
    all.push(...results)
    for (const result of results) tellFailure(result, areNamed)
  }
  if (json === true) printJson({ results: all })
  else console.log(sumOf(all, verb))
  const isNothing = areNamed && all.every(({ outcome }) => outcome === 'gone')
  if (isNothing || all.some(({ outcome }) => outcome === 'refused')) process.exitCode = 1
}

function tellFailure({ trash, outcome, code = '', reason = 'refused' }: TrashResult, isNamed: boolean): void {
  if (outcome === 'refused') console.error(`${trash}: ${reason} (${code})`)
  if (outcome === 'gone' && isNamed) console.error(`${trash}: not in the trash, or it came back with another`)
}

function sumOf(results: readonly TrashResult[], verb: 'deleted' | 'restored'): string {
  const count = (outcome: TrashResult['outcome']) => results.filter((each) => each.outcome === outcome).length
  const [gone, refused] = [count('gone'), count('refused')]
  const did = `${verb} ${plural(count(verb), 'item')}${verb === 'deleted' ? ' for good' : ''}`
  const others = [...(gone > 0 ? [`${gone} were gone or came back with another`] : []), ...(refused > 0 ? [`${refused} refused`] : [])]
  return [did, ...others].join('; ')
}
