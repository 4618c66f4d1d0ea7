/** Pages of rows as bodies of answers. */
import type { PagePlace } from './pages.ts'

/** Presents each row of a page. The app writes where the next page begins as the cursor that the contract says, hence the type. */
export function pageBody<Row, Item>(
  page: { readonly items: readonly Row[]; readonly next?: PagePlace | undefined },
  present: (row: Row) => Item,
): { items: Item[]; next?: string } {
  const { next } = page
  return { items: page.items.map(present), next: next as unknown as string }
}

/** RFC 3339 of milliseconds since the epoch. */
export function instantOf(ms: number): string {
  return new Date(ms).toISOString()
}

/** The same, for what may be absent. */
export function instantOrNull(ms: number | null): string | null {
  return ms === null ? null : instantOf(ms)
}
