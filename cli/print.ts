/**
 * What verbs print. Tables are plain text: two spaces between columns, no colour, no lines, nothing cut, so that they survive a pipe into `awk` or
 * `grep`. What came from a server goes through {@link printable} first: a description must not move the cursor of who reads it.
 */
import { stripVTControlCharacters } from 'node:util'

/** A cell of a table; undefined and null are shown as `-`. */
export type Cell = string | number | boolean | null | undefined

/** One row a line under a line of titles; the last column is not filled up. */
export function printRows(columns: readonly string[], rows: readonly (readonly Cell[])[]): void {
  printTable(columns)(rows)
}

/** A table that comes in parts: the titles are printed with the first. A column grows when a later part needs it, what was printed stays. */
export function printTable(columns: readonly string[]): (rows: readonly (readonly Cell[])[]) => void {
  const widths = columns.map(() => 0)
  let titles = [columns]
  return (rows) => {
    const lines = [...titles, ...rows.map((row) => row.map(cellText))]
    titles = []
    for (const line of lines) for (const [index, text] of line.entries()) widths[index] = Math.max(widths[index] ?? 0, text.length)
    for (const line of lines) {
      console.log(
        line
          .map((text, index) => (index === line.length - 1 ? text : text.padEnd(widths[index] ?? 0)))
          .join('  ')
          .trimEnd(),
      )
    }
  }
}

/** One thing: a line for each of its facts. */
export function printFacts(facts: Readonly<Record<string, Cell>>): void {
  const width = Math.max(...Object.keys(facts).map((name) => name.length))
  for (const [name, value] of Object.entries(facts)) console.log(`${`${name}:`.padEnd(width + 2)}${cellText(value)}`)
}

/** What the server says beside its answer, to standard error. */
export function tellWarnings({ warnings = [] }: { readonly warnings?: readonly string[] }): void {
  for (const warning of warnings) console.error(`warning: ${printable(warning)}`)
}

/** For programs: the answer as it came. */
export function printJson(value: unknown): void {
  console.log(JSON.stringify(value, undefined, 2))
}

function cellText(cell: Cell): string {
  if (cell === undefined || cell === null || cell === '') return '-'
  if (typeof cell === 'boolean') return cell ? 'yes' : 'no'
  return printable(String(cell))
}

// Control characters, and those that turn the direction of what follows.
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff\u202a-\u202e\u2066-\u2069]+/g

/** Text in one line that does nothing to a terminal but stand there. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replaceAll(unprintable, ' ')
}
