/** Migration 12: since when the bytes of a blob are where they are. */
import type { Kysely } from 'kysely'
import { builderFor, widen } from './builder.ts'

/** Widens `blobs` by the time of its last move between stores; null: it never moved. */
export async function addBlobMoves(db: Kysely<unknown>): Promise<void> {
  await widen(db, builderFor(db), 'blobs', { placed_at: undefined })
}
