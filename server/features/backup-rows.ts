/**
 * Rows of all tables as text, the same whatever database they come from and go to.
 *
 * One line each: a head with the schema's migrations and the last ids; for each table its columns, then each row as a JSON array (bytes as `{"b":"<base64>"}`),
 * then how many there were and the SHA-256 of their lines; and a last line that says that it is the last. The text is compressed by gzip.
 */
import { createHash } from 'node:crypto'
import type { Reader } from '#metadata/metadata.ts'
import {
  readRows,
  readSequences,
  tablesInOrder,
  type ColumnValue,
  type Sequences,
  type TableName,
  type TableRow,
} from '#metadata/table-rows.ts'
import { BackupBroken } from './backup-seal.ts'

/** Of what ends with a process, or is about bytes of the store that was. */
const leftOut: ReadonlySet<string> = new Set<TableName>([
  'upload_sessions',
  'blob_deletions',
  'leases',
  'sessions',
  'scrub_findings',
  'acme_challenges',
  'nodes',
])

/** The first line. */
export interface RowsHead {
  readonly format: 'berth-rows'
  readonly version: 1
  /** Names of migrations. */
  readonly schema: readonly string[]
  readonly sequences: Sequences
}

/** How many rows of each table there are. */
export type RowCounts = Readonly<Record<string, number>>

const rowsAtOnce = 500
const linesAtOnce = 64 * 1024

/** All lines, several at once; `counts` has the number of rows of each table when they have ended. */
export async function* rowsText(
  { reader, schema }: { readonly reader: Reader; readonly schema: readonly string[] },
  counts: Record<string, number>,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const head: RowsHead = { format: 'berth-rows', version: 1, schema, sequences: await readSequences(reader) }
  yield `${JSON.stringify(head)}\n`
  for (const table of tablesInOrder) if (!leftOut.has(table)) yield* tableText(reader, table, { counts, signal })
  yield `${JSON.stringify({ end: true })}\n`
}

async function* tableText(
  reader: Reader,
  table: TableName,
  { counts, signal }: { readonly counts: Record<string, number>; readonly signal: AbortSignal },
): AsyncGenerator<string> {
  const hash = createHash('sha256')
  let [after, columns, count]: [number | undefined, readonly string[] | undefined, number] = [undefined, undefined, 0]
  do {
    signal.throwIfAborted()
    const page = await readRows(reader, table, { after, limit: rowsAtOnce })
    let text = ''
    for (const row of page.rows) {
      if (columns === undefined) yield `${JSON.stringify({ table, columns: (columns = Object.keys(row)) })}\n`
      const line = `${JSON.stringify(columns.map((column) => written(row[column] ?? null)))}\n`
      hash.update(line)
      text += line
      if (text.length < linesAtOnce) continue
      yield text
      text = ''
    }
    if (text !== '') yield text
    count += page.rows.length
    after = page.next
    // A page is read at once on SQLite: others get their turn between two.
    await new Promise((resolve) => setImmediate(resolve))
  } while (after !== undefined)
  counts[table] = count
  if (count > 0) yield `${JSON.stringify({ end: table, rows: count, sha256: hash.digest('hex') })}\n`
}

function written(value: ColumnValue): unknown {
  if (value instanceof Uint8Array) return { b: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') }
  return typeof value === 'bigint' ? Number(value) : value
}

/** Some rows of one table, or the head. */
export type RowsPiece = { readonly head: RowsHead } | { readonly table: TableName; readonly rows: readonly TableRow[] }

const lineMax = 512 * 1024 * 1024
const pieceBytesMax = 4 * 1024 * 1024

/** What {@link rowsText} wrote, in batches. Throws {@link BackupBroken} where it is not whole, which may show only at the end of a table. */
export async function* readRowsText(text: AsyncIterable<Uint8Array>): AsyncGenerator<RowsPiece> {
  const reading = new RowsReading()
  for await (const line of linesOf(text)) {
    const piece = reading.take(line)
    if (piece !== undefined) yield piece
  }
  reading.requireEnd()
}

interface Control {
  readonly format?: string
  readonly version?: number
  readonly table?: string
  readonly columns?: readonly string[]
  readonly end?: string | true
  readonly rows?: number
  readonly sha256?: string
}

const known: ReadonlySet<string> = new Set(tablesInOrder)

/** Where the reading is: the table, its hash so far, and rows that were not given yet. */
class RowsReading {
  #table: { readonly name: TableName; readonly columns: readonly string[] } | undefined
  #hash = createHash('sha256')
  #count = 0
  #rows: TableRow[] = []
  #bytes = 0
  #isBegun = false
  #hasEnded = false

  take(line: Buffer): RowsPiece | undefined {
    if (this.#hasEnded) throw new BackupBroken('rows go on behind their end')
    if (line[0] === 0x5b) return this.#row(line)
    const control = parsed(line) as Control
    if (control.format !== undefined) return this.#head(control)
    if (control.table !== undefined) return this.#begin(control)
    return this.#end(control)
  }

  requireEnd(): void {
    if (!this.#hasEnded) throw new BackupBroken('the rows end early')
  }

  #head(control: Control): RowsPiece {
    if (control.format !== 'berth-rows' || this.#isBegun) throw new BackupBroken('these are no rows of a backup')
    if (control.version !== 1) throw new BackupBroken('the rows are of a later version of Berth: restore them with that one')
    this.#isBegun = true
    return { head: control as unknown as RowsHead }
  }

  #begin({ table = '', columns = [] }: Control): undefined {
    if (!known.has(table)) throw new BackupBroken(`there is no table ${table}`)
    this.#table = { name: table as TableName, columns }
    this.#hash = createHash('sha256')
    this.#count = 0
  }

  #row(line: Buffer): RowsPiece | undefined {
    const table = this.#table
    if (table === undefined) throw new BackupBroken('a row is of no table')
    this.#hash.update(line).update('\n')
    this.#count++
    this.#bytes += line.length
    const values = parsed(line) as readonly unknown[]
    this.#rows.push(Object.fromEntries(table.columns.map((column, index) => [column, readValue(values[index])])))
    return this.#rows.length >= rowsAtOnce || this.#bytes >= pieceBytesMax ? this.#flush(table.name) : undefined
  }

  #end({ end, rows, sha256 }: Control): RowsPiece | undefined {
    if (end === true) {
      this.#hasEnded = true
      return undefined
    }
    const table = this.#table
    if (table === undefined || end !== table.name || rows !== this.#count || sha256 !== this.#hash.digest('hex'))
      throw new BackupBroken(`the rows of ${String(end)} are not those that were written`)
    this.#table = undefined
    return this.#rows.length > 0 ? this.#flush(table.name) : undefined
  }

  #flush(table: TableName): RowsPiece {
    const rows = this.#rows
    this.#rows = []
    this.#bytes = 0
    return { table, rows }
  }
}

function parsed(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'))
  } catch (cause) {
    throw new BackupBroken('a line is no JSON', { cause })
  }
}

function readValue(value: unknown): ColumnValue {
  if (typeof value === 'object' && value !== null) return Buffer.from((value as { readonly b: string }).b, 'base64')
  return (value ?? null) as ColumnValue
}

/** Lines without their ends. */
export async function* linesOf(text: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = []
  let count = 0
  for await (const piece of text) {
    let start = 0
    for (let end = piece.indexOf(0x0a); end !== -1; end = piece.indexOf(0x0a, start)) {
      yield Buffer.concat([...waiting, piece.subarray(start, end)])
      start = end + 1
      ;[waiting, count] = [[], 0]
    }
    if (start < piece.length) waiting.push(piece.subarray(start))
    count += piece.length - start
    if (count > lineMax) throw new BackupBroken('a line has no end')
  }
  if (count > 0) throw new BackupBroken('the last line has no end')
}
