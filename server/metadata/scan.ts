/**
 * Pages of lists whose filter no index answers, at a bounded cost.
 *
 * The problem: a filter that fits one row of a million makes a query read them all. The way: a page looks at so many rows in the list's order and no
 * more; if they do not fill it, it is short, or empty, and its `next` is the last row that was looked at.
 */
import type { Page, PageAfter, PageRequest } from './page.ts'

/** The page of the rows that fitted. `lastSeen` gives the last row that was looked at when the scan ended at its bound, and is asked only when needed. */
export async function scannedPage<Row extends { readonly id: number }>(
  rows: readonly Row[],
  page: PageRequest,
  { valueOf, lastSeen }: { readonly valueOf: (row: Row) => string | number; readonly lastSeen: () => Promise<PageAfter | undefined> },
): Promise<Page<Row>> {
  const items = rows.slice(0, page.limit)
  const last = items.at(-1)
  if (rows.length > page.limit && last !== undefined) return { items, next: { value: valueOf(last), id: last.id } }
  const next = await lastSeen()
  return next === undefined ? { items } : { items, next }
}
