/** Keyset paging for lists: a page begins after a row, never at an offset, so the thousandth costs what the first does. */
import { sql, type RawBuilder, type SqlBool } from 'kysely'

/** Where a page begins: the sort value and the id of the last row before it. */
export interface PageAfter {
  readonly value: string | number
  readonly id: number
}

/** What a list is asked for. `column` is one of the list's own words, never a caller's text. */
export interface PageRequest<Column extends string = string> {
  readonly limit: number
  readonly column: Column
  readonly isDescending: boolean
  readonly after?: PageAfter | undefined
}

/** A page; `next` is where the page after it begins, undefined on the last. */
export interface Page<Item> {
  readonly items: readonly Item[]
  readonly next?: PageAfter | undefined
}

interface Pageable {
  where(condition: RawBuilder<SqlBool>): this
  orderBy(expression: RawBuilder<unknown>): this
  limit(limit: number): this
}

/** Orders by (column, id), begins after the given row, and asks for one row more than the page, by which {@link pageFrom} knows that there is more. */
export function paged<Query>(query: Query, page: PageRequest, refs: { readonly column: string; readonly id: string }): Query {
  const column = sql.ref(refs.column)
  const id = sql.ref(refs.id)
  const direction = page.isDescending ? sql`desc` : sql`asc`
  const compare = page.isDescending ? sql`<` : sql`>`
  const { after } = page
  const pageable = query as unknown as Pageable
  const begun = after === undefined ? pageable : pageable.where(sql<SqlBool>`(${column}, ${id}) ${compare} (${after.value}, ${after.id})`)
  return begun
    .orderBy(sql`${column} ${direction}`)
    .orderBy(sql`${id} ${direction}`)
    .limit(page.limit + 1) as unknown as Query
}

/** The page of what {@link paged} found. `valueOf` gives the sort value of a row. */
export function pageFrom<Row extends { readonly id: number }>(
  rows: readonly Row[],
  page: PageRequest,
  valueOf: (row: Row) => string | number,
): Page<Row> {
  const items = rows.slice(0, page.limit)
  const last = items.at(-1)
  return rows.length > page.limit && last !== undefined ? { items, next: { value: valueOf(last), id: last.id } } : { items }
}
