/**
 * Copies a database of SQLite into one of PostgreSQL, so that an installation can grow past one machine.
 *
 * The problem: rows name each other by id, seals are over ids, secrets are sealed with what stands beside them; and a copy of millions of rows is killed or
 * loses its connection. The way: every row with its id, table by table behind those that it refers to, a page and its place in one transaction
 * (metadata/copy-state.ts), so that a copy goes on where it was; then both sides are read and compared row by row; then ids go on where they were, the audit
 * log gets a record, and servers may start. Whatever happens before that, the source is not changed and the target refuses to serve.
 * Its first start writes marks of its own into the stores (store-mark.ts), so the source is not served on them beside it.
 */
import { createHash } from 'node:crypto'
import { recordEvent } from '#events/record.ts'
import { resealAfter } from '#events/reseal.ts'
import type { Who } from '#events/event.ts'
import type { Clock, Random } from '#lib/ports.ts'
import { clearForCopy, countAllRows, forgetCopy, noteCopyStep, noteCopySum, readCopyState, type TableCopy } from '#metadata/copy-state.ts'
import { knownStoreSettings, takeStoreOver } from '#metadata/known-store.ts'
import type { Metadata, Reader } from '#metadata/metadata.ts'
import {
  insertRows,
  readRows,
  readSequences,
  resetSequences,
  tablesInOrder,
  type ColumnValue,
  type Sequences,
  type TableName,
  type TableRow,
} from '#metadata/table-rows.ts'
import { transaction } from '#metadata/transaction.ts'
import { RegistryError } from '#oci/errors.ts'

/** From where to where; the names are for the audit log and for people, without secrets. */
export interface CopyParts {
  readonly source: { readonly reader: Reader; readonly name: string }
  readonly target: { readonly metadata: Metadata; readonly name: string }
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
  readonly random: Pick<Random, 'uuid'>
  readonly who: Who
}

/** How far it is. */
export interface CopyProgress {
  readonly phase: 'copy' | 'verify'
  readonly table: TableName
  readonly rows: number
  readonly ofRows: number
}

/** An abort leaves a copy that the next run goes on with. */
export interface CopyOptions {
  readonly signal: AbortSignal
  readonly onProgress?: (progress: CopyProgress) => void
}

/** One table, as it is in both databases. */
export interface CopiedTable {
  readonly table: TableName
  readonly rows: number
  /** Of its rows in a fixed form. */
  readonly sha256: string
}

/** What was copied, and found to be the same on both sides. */
export interface CopyReport {
  readonly tables: readonly CopiedTable[]
  readonly rows: number
  /** It went on with a copy that had not ended. */
  readonly isResumed: boolean
  /** Texts in which U+0000, which PostgreSQL does not take, became U+FFFD. */
  readonly textsChanged: number
  /** Seals of the audit log that were made anew, as texts under them were changed. */
  readonly seals: number
  readonly durationMs: number
}

const rowsAtOnce = 1_000

/** What tells the source from another one, and from itself after somebody wrote to it: the ids that were given, and the oldest rows. */
async function fingerprintOf(reader: Reader, sequences: Sequences): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(tablesInOrder.map((table) => sequences[table] ?? 0)))
  for (const table of ['settings', 'projects', 'users', 'events'] as const)
    hash.update(canonicalRows((await readRows(reader, table, { limit: 50 })).rows))
  return hash.digest('hex')
}

const begin = transaction(import.meta.url, 'database-copy/begin', async (tx, { source }: { readonly source: string }) => {
  const known = await readCopyState(tx)
  if (known.length === 0) await clearForCopy(tx, source)
  return known
})

interface Page {
  readonly table: TableName
  readonly rows: readonly TableRow[]
  readonly after: number | null
  readonly next: number | undefined
}

const copyPage = transaction(import.meta.url, 'database-copy/page', async (tx, { table, rows, after, next }: Page): Promise<boolean> => {
  const { inserted, textsChanged } = await insertRows.run(tx, { table, rows })
  const through = rows.length === 0 ? after : Number(rows.at(-1)?.['id'])
  return await noteCopyStep(tx, { table, after, through, isWhole: next === undefined, rows: inserted, textsChanged })
})

const noteSum = transaction(import.meta.url, 'database-copy/sum', noteCopySum)

interface End {
  readonly sequences: Sequences
  readonly at: number
  readonly who: Who
  readonly detail: Readonly<Record<string, unknown>>
  readonly name: string
  /** Ids of the stores by their settings. */
  readonly stores: Readonly<Record<string, string>>
}

const end = transaction(
  import.meta.url,
  'database-copy/end',
  async (tx, { sequences, at, who, detail, name, stores }: End): Promise<void> => {
    await resetSequences.run(tx, sequences)
    for (const [setting, id] of Object.entries(stores)) await takeStoreOver(tx, setting, id)
    await forgetCopy(tx)
    await recordEvent(tx, { action: 'database.copied', target: `database:${name}`, detail, at, ...who })
  },
)

/** Copies, or goes on, and compares. Rejects with a sentence when the sides differ: then nothing may be served from the target. */
export async function copyDatabase(parts: CopyParts, options: CopyOptions): Promise<CopyReport> {
  const { source, target, clock } = parts
  const startedAt = clock.monotonic()
  const sequences = await readSequences(source.reader)
  const fingerprint = await fingerprintOf(source.reader, sequences)
  const known = await target.metadata.write(begin, { source: fingerprint })
  if (known.some((table) => table.source !== fingerprint))
    throw refused(
      `a copy of another database, or of this one as it was before it was changed, was begun in ${target.name}: empty that database, and begin anew`,
    )
  const counts = await countAllRows(source.reader)
  const states = new Map(known.map((table) => [table.name, table]))
  for (const table of tablesInOrder) await copyTable(parts, { table, state: states.get(table), ofRows: counts[table] }, options)
  const tables: CopiedTable[] = []
  for (const table of tablesInOrder)
    tables.push(await verifyTable(parts, { table, state: states.get(table), ofRows: counts[table] }, options))
  const { textsChanged, seals } = await mendTexts(target.metadata, source.reader)
  const rows = tables.reduce((sum, each) => sum + each.rows, 0)
  const detail = { from: source.name, rows, textsChanged, seals }
  const settings = await knownStoreSettings(source.reader)
  const stores = Object.fromEntries(settings.map((setting) => [setting, parts.random.uuid()]))
  await target.metadata.write(end, { sequences, at: clock.now(), who: parts.who, detail, name: target.name, stores })
  return { tables, rows, isResumed: known.length > 0, textsChanged, seals, durationMs: clock.monotonic() - startedAt }
}

interface Table {
  readonly table: TableName
  /** As it was when this run began. */
  readonly state: TableCopy | undefined
  readonly ofRows: number
}

async function copyTable(
  { source, target }: CopyParts,
  { table, state, ofRows }: Table,
  { signal, onProgress }: CopyOptions,
): Promise<void> {
  if (state?.is_whole === 1) return
  let after = state?.after_id ?? null
  let rows = state?.row_count ?? 0
  for (;;) {
    signal.throwIfAborted()
    const page = await readRows(source.reader, table, { after: after ?? undefined, limit: rowsAtOnce })
    const isTaken = await target.metadata.write(copyPage, { table, rows: page.rows, after, next: page.next })
    if (!isTaken) throw refused('another process copies into the same database: let one of them end')
    rows += page.rows.length
    onProgress?.({ phase: 'copy', table, rows, ofRows })
    if (page.next === undefined) return
    after = page.next
  }
}

async function verifyTable(parts: CopyParts, { table, state, ofRows }: Table, options: CopyOptions): Promise<CopiedTable> {
  if (state !== undefined && state.sha256 !== '') return { table, rows: ofRows, sha256: state.sha256 }
  const { source, target } = parts
  const wanted = await sumOf(source.reader, table, options.signal)
  const found = await sumOf(target.metadata.reader, table, options.signal, (rows) =>
    options.onProgress?.({ phase: 'verify', table, rows, ofRows }),
  )
  if (wanted.sha256 !== found.sha256)
    throw refused(
      `the ${found.rows} rows of ${table} in ${target.name} are not the ${wanted.rows} of ${source.name}: empty that database, and begin anew`,
    )
  await target.metadata.write(noteSum, { table, sha256: found.sha256 })
  return { table, ...found }
}

async function sumOf(
  reader: Reader,
  table: TableName,
  signal: AbortSignal,
  onRows?: (rows: number) => void,
): Promise<{ readonly rows: number; readonly sha256: string }> {
  const hash = createHash('sha256')
  let rows = 0
  for (let after: number | undefined, isLast = false; !isLast;) {
    signal.throwIfAborted()
    const page = await readRows(reader, table, { after, limit: rowsAtOnce })
    hash.update(canonicalRows(page.rows))
    rows += page.rows.length
    onRows?.(rows)
    after = page.next
    isLast = after === undefined
  }
  return { rows, sha256: hash.digest('hex') }
}

/** The same text for the same rows, whatever database and page they come from. */
function canonicalRows(rows: readonly TableRow[]): string {
  return rows
    .map(
      (row) =>
        `${JSON.stringify(
          Object.keys(row)
            .toSorted()
            .map((column) => [column, canonicalValue(row[column] ?? null)]),
        )}\n`,
    )
    .join('')
}

function canonicalValue(value: ColumnValue): unknown {
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') }
  if (typeof value === 'string') return value.replaceAll('\0', '\uFFFD')
  return typeof value === 'bigint' ? Number(value) : value
}

/** Where records of the audit log were changed, its seals are made anew from the first of them on. */
async function mendTexts(target: Metadata, source: Reader): Promise<{ readonly textsChanged: number; readonly seals: number }> {
  const state = await readCopyState(target.reader)
  const textsChanged = state.reduce((sum, table) => sum + table.texts_changed, 0)
  if ((state.find(({ name }) => name === 'events')?.texts_changed ?? 0) === 0) return { textsChanged, seals: 0 }
  const first = await firstChangedEvent(source)
  return { textsChanged, seals: first === undefined ? 0 : await resealAfter(target, first) }
}

async function firstChangedEvent(source: Reader): Promise<number | undefined> {
  for (let after: number | undefined, isLast = false; !isLast;) {
    const page = await readRows(source, 'events', { after, limit: rowsAtOnce })
    const found = page.rows.find((row) => Object.values(row).some((value) => typeof value === 'string' && value.includes('\0')))
    if (found !== undefined) return Number(found['id'])
    after = page.next
    isLast = after === undefined
  }
  return undefined
}

function refused(message: string): RegistryError {
  return new RegistryError('CONFLICT', undefined, { message })
}
