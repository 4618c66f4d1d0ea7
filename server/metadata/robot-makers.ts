/** Who made robots. A robot's row keeps the name that its maker had, for it outlives them. */
import { sql } from 'kysely'
import type { Reader, Transactor } from './metadata.ts'

/** A person who may have made robots. */
export interface MakerRow {
  readonly name: string
  readonly createdAt: number
  /** By hand, or since nothing that could open the account is switched on. */
  readonly isDisabled: boolean
}

/** Accounts of these names. */
export async function accountsOfMakers(reader: Reader, names: readonly string[]): Promise<readonly MakerRow[]> {
  if (names.length === 0) return []
  const rows = await reader
    .selectFrom('users')
    .select(['users.name', 'users.created_at', 'users.is_disabled', 'users.password_hash'])
    .select((eb) =>
      eb
        .selectFrom('identities')
        .innerJoin('providers', 'providers.id', 'identities.provider_id')
        .select((inner) => inner.fn.max('providers.is_enabled').as('open_provider'))
        .whereRef('identities.user_id', '=', 'users.id')
        .as('open_provider'),
    )
    .where('users.name', 'in', names)
    .execute()
  return rows.map((row) => ({
    name: row.name,
    createdAt: row.created_at,
    isDisabled: row.is_disabled === 1 || (row.password_hash === '' && row.open_provider === 0),
  }))
}

/** Robots go on naming their maker when that gets another name; those of somebody who had the name before do not. */
export async function renameMaker(
  tx: Transactor,
  { userId, from, to }: { readonly userId: number; readonly from: string; readonly to: string },
): Promise<void> {
  await tx
    .updateTable('robots')
    .set({ created_by: to })
    .where('created_by', '=', from)
    .where('created_at', '>=', (eb) =>
      eb
        .selectFrom('users')
        .select(sql<number>`created_at`.as('since'))
        .where('id', '=', userId),
    )
    .execute()
}
