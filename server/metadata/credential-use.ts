/** When credentials were last used: told in batches, off the path of requests. */
import { sql } from 'kysely'
import type { Transactor } from './metadata.ts'
import { refreshIdleMs } from './tokens.ts'

/** One use; at least one of the ids is there. `at` is in milliseconds. */
export interface CredentialUse {
  readonly tokenId?: number | undefined
  readonly robotId?: number | undefined
  /** Of a person who gave a password. */
  readonly userId?: number | undefined
  readonly at: number
}

/** Writes the uses down; rows that are gone are passed over. Does not touch versions: nothing of the account changed. Moves the end of refresh tokens. */
export async function noteCredentialUses(tx: Transactor, uses: readonly CredentialUse[]): Promise<void> {
  for (const { tokenId, robotId, userId, at } of uses) {
    if (tokenId !== undefined) {
      const end = sql<number | null>`case when kind = 'refresh' then ${at + refreshIdleMs} else expires_at end`
      await tx.updateTable('tokens').set({ last_used_at: at, expires_at: end }).where('id', '=', tokenId).execute()
    }
    if (robotId !== undefined) await tx.updateTable('robots').set({ last_used_at: at }).where('id', '=', robotId).execute()
    if (userId !== undefined) await tx.updateTable('users').set({ last_login_at: at }).where('id', '=', userId).execute()
  }
}
