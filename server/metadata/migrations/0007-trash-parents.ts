/** Migration 7: below which project a deleted project was. */
import type { Kysely } from 'kysely'
import { builderFor, widen } from './builder.ts'

/** Widens `trash` by the project that was above one; null: none, or of before this was kept. */
export async function addTrashParents(db: Kysely<unknown>): Promise<void> {
  await widen(db, builderFor(db), 'trash', { parent_id: undefined })
}
