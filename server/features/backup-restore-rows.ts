/**
 * The rows of a backup into an empty database, of either kind.
 *
 * They go in under the schema that they had; what came since is brought by the migrations, as in an upgrade. A row of `settings` says from the first row on
 * that a restore is under way: nothing serves on such a database, and a restore that is run again begins with emptying it, or goes on where all rows are in.
 */
import { sql, type Kysely } from 'kysely'
import { knownStoreSetting } from '#metadata/known-store.ts'
import type { Metadata, Reader, Transactor } from '#metadata/metadata.ts'
import { deleteSetting, findSetting, putSetting } from '#metadata/settings.ts'
import { insertRows, resetSequences, tablesInOrder, type Sequences, type TableName, type TableRow } from '#metadata/table-rows.ts'
import { transaction } from '#metadata/transaction.ts'
import { digestFromBytes, type Digest } from '#oci/digest.ts'
import { BackupRefused } from './backup-repository.ts'
import type { RowsHead, RowsPiece } from './backup-rows.ts'
import { BackupBroken } from './backup-seal.ts'

const markerSetting = 'restore'

/** How far a restore is. */
export interface RestoreMarker {
  readonly backup: string
  readonly phase: 'rows' | 'blobs'
  readonly sequences: Sequences
}

/** Undefined where none is under way. */
export async function findRestore(reader: Reader): Promise<RestoreMarker | undefined> {
  return (await findSetting(reader, markerSetting)) as RestoreMarker | undefined
}

/** Throws one sentence where a restore did not come to its end. */
export async function refuseHalfRestored(reader: Reader): Promise<void> {
  const marker = await findRestore(reader)
  if (marker !== undefined)
    throw new Error(`the restore of backup ${marker.backup} did not come to its end: run berth restore again, with the same configuration`)
}

async function tablesThere(db: Reader | Transactor): Promise<readonly TableName[]> {
  const found = new Set((await (db as unknown as Kysely<unknown>).introspection.getTables()).map(({ name }) => name))
  return tablesInOrder.filter((table) => found.has(table))
}

/** The name of a table that has something in it which no restore put there; undefined: it is as the migrations made it. */
export async function tableInUse(reader: Reader): Promise<TableName | undefined> {
  for (const table of await tablesThere(reader)) {
    const own = table === 'projects' ? sql` where is_default = 0` : sql``
    const { rows } = await sql`select 1 from ${sql.table(table)}${own} limit 1`.execute(reader)
    if (rows.length > 0) return table
  }
  return undefined
}

interface Begin {
  readonly tables: readonly TableName[]
  readonly marker: RestoreMarker
}

const begin = transaction(import.meta.url, 'backup-restore-rows/begin', async (tx, { tables, marker }: Begin) => {
  for (const table of tables.toReversed()) await sql`delete from ${sql.table(table)}`.execute(tx)
  // With an id that no row of a backup has.
  await tx
    .insertInto('settings')
    .values({ id: -1, name: markerSetting, value: JSON.stringify(marker) })
    .execute()
})

const finishRows = transaction(import.meta.url, 'backup-restore-rows/finish-rows', (tx, marker: RestoreMarker) =>
  putSetting(tx, markerSetting, marker),
)

const endRestore = transaction(import.meta.url, 'backup-restore-rows/end', (tx) => deleteSetting(tx, markerSetting))

/** What a row becomes here: where its blob will be, and whether there are bytes for it. */
export interface RowsTarget {
  readonly storeName: string
  readonly keyOf: (digest: Digest) => string
  /** Blobs whose bytes the backup has not: they are missing for everyone, until they are pushed. */
  readonly missing: ReadonlySet<Digest>
}

/** What was put in. */
export interface RestoredRows {
  readonly rows: number
  /** Texts with U+0000, which this database does not take. */
  readonly textsChanged: number
}

/** Empties the database, which must be one of {@link tableInUse} or of a restore, and inserts all. At the end it waits for its blobs. */
export async function restoreRows(
  metadata: Metadata,
  { backup, pieces }: { readonly backup: string; readonly pieces: AsyncIterable<RowsPiece> },
  target: RowsTarget,
): Promise<RestoredRows> {
  const tables = await tablesThere(metadata.reader)
  let head: RowsHead | undefined
  let [rows, textsChanged] = [0, 0]
  for await (const piece of pieces) {
    if ('head' in piece) {
      head = piece.head
      await metadata.write(begin, { tables, marker: { backup, phase: 'rows', sequences: head.sequences } })
      continue
    }
    const kept = piece.rows.map((row) => restoredRow(piece.table, row, target)).filter((row) => row !== undefined)
    const inserted = await metadata.write(insertRows, { table: piece.table, rows: kept })
    rows += inserted.inserted
    textsChanged += inserted.textsChanged
  }
  if (head === undefined) throw new BackupBroken('the backup has no rows')
  await metadata.write(finishRows, { backup, phase: 'blobs', sequences: head.sequences })
  return { rows, textsChanged }
}

/** Facts about the store, the process or the backups of the installation that was. */
function isOfOldPlace(name: string): boolean {
  return (
    name === markerSetting ||
    name === 'journal' ||
    name.startsWith('backup.') ||
    name === knownStoreSetting('filesystem') ||
    name.startsWith('store:')
  )
}

function restoredRow(table: TableName, row: TableRow, { storeName, keyOf, missing }: RowsTarget): TableRow | undefined {
  if (table === 'settings') return isOfOldPlace(String(row['name'])) ? undefined : row
  if (table === 'jobs') return restoredJob(row)
  if (table !== 'blobs') return row
  const digest = digestFromBytes(row['digest'] as Uint8Array)
  return { ...row, store: storeName, key: keyOf(digest), state: missing.has(digest) ? 'quarantined' : 'live' }
}

/** The backup that was under way is this one. */
function restoredJob(row: TableRow): TableRow {
  const isOpen = row['state'] === 'running' || row['state'] === 'waiting'
  return isOpen && row['kind'] === 'create-backup' ? { ...row, state: 'stopped', unique_key: null, ended_at: row['created_at'] ?? 0 } : row
}

/** Once all rows are in, under the newest schema: ids go on behind those that were ever given. */
export async function settleSequences(metadata: Metadata): Promise<RestoreMarker> {
  const marker = await findRestore(metadata.reader)
  if (marker?.phase !== 'blobs') throw new BackupRefused('no restore is under way here')
  await metadata.write(resetSequences, marker.sequences)
  return marker
}

/** From now on it is a registry. */
export async function finishRestore(metadata: Metadata): Promise<void> {
  await metadata.write(endRestore, undefined)
}
