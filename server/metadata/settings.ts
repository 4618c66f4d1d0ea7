/** Queries on `settings`: small facts of this installation, JSON under a name. */
import type { Reader, Transactor } from './metadata.ts'

/** The value as it was set; its shape is for the caller to check. Undefined when there is none. */
export async function findSetting(reader: Reader | Transactor, name: string): Promise<unknown> {
  const row = await reader.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst()
  return row && (JSON.parse(row.value) as unknown)
}

/** Sets the value, whether there is one or not. */
export async function putSetting(tx: Transactor, name: string, value: unknown): Promise<void> {
  const text = JSON.stringify(value)
  await tx
    .insertInto('settings')
    .values({ name, value: text })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: text }))
    .execute()
}

/** Sets the value if there is none; false when there is one. Of two transactions at once, exactly one gets true. */
export async function insertSetting(tx: Transactor, name: string, value: unknown): Promise<boolean> {
  const row = await tx
    .insertInto('settings')
    .values({ name, value: JSON.stringify(value) })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

/** Forgets the setting; an absent one is fine. */
export async function deleteSetting(tx: Transactor, name: string): Promise<void> {
  await tx.deleteFrom('settings').where('name', '=', name).execute()
}
