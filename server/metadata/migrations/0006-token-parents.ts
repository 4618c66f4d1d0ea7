/** Migration 6: which token made a token, with which it ends. */
import type { Kysely } from 'kysely'
import { builderFor, widen } from './builder.ts'

/** Widens `tokens` by the token that each was made with; null: by a password, a session, or before this was kept. */
export async function addTokenParents(db: Kysely<unknown>): Promise<void> {
  await widen(db, builderFor(db), 'tokens', { parent_id: undefined })
}
