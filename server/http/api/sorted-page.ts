/** Pages as the rooms below want them: a column by one of their own words, and a beginning of the type that the column has. */
import { RegistryError } from '#oci/errors.ts'
import type { PagePlace, PageWanted } from './pages.ts'

/** A page in the order of one of these columns. */
export interface SortedPage<Column extends string> {
  readonly limit: number
  readonly column: Column
  readonly isDescending: boolean
  readonly after?: PagePlace | undefined
}

/** `columns` says of each sort of the contract what its values are. Throws REQUEST_INVALID for a cursor whose value is none of them. */
export function sortedPage<Column extends string>(
  page: PageWanted,
  columns: Readonly<Record<Column, 'text' | 'number'>>,
): SortedPage<Column> {
  const { limit, isDescending, after } = page
  const column = page.column as Column
  if (after !== undefined && !fits(after.value, columns[column])) {
    throw new RegistryError('REQUEST_INVALID', { cursor: 'not of this list and order' }, { message: 'the cursor is not one of this list' })
  }
  return { limit, column, isDescending, after }
}

function fits(value: unknown, kind: 'text' | 'number'): boolean {
  return kind === 'text' ? typeof value === 'string' : Number.isSafeInteger(value)
}
