/** Migration 4: which of several processes writes to an upload. */
import type { Kysely } from 'kysely'
import { builderFor, widen } from './builder.ts'

/** Widens `upload_sessions` by its holder. */
export async function addUploadHolders(db: Kysely<unknown>): Promise<void> {
  await widen(db, builderFor(db), 'upload_sessions', { holder: '', holder_until: 0, fence: 0 })
}
