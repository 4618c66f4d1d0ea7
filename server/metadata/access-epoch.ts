/**
 * The access epoch: one number that counts changes of who may do what (accounts, groups, roles, grants, robots, tokens, projects, providers).
 *
 * The problem: rights are remembered in memory, and a disabled account must lose them at once, on other processes within a second. The way: each
 * transaction that changes them is made by {@link accessTransaction}, which raises the number in the same commit; whoever remembers compares it.
 */
import { sql } from 'kysely'
import type { Reader, Transactor, TransactionDefinition } from './metadata.ts'
import { transaction } from './transaction.ts'

const setting = 'access-epoch'

/** The number; 0 before the first change. */
export async function readAccessEpoch(reader: Reader | Transactor): Promise<number> {
  const row = await reader.selectFrom('settings').select('value').where('name', '=', setting).executeTakeFirst()
  return row === undefined ? 0 : Number(row.value)
}

async function raiseAccessEpoch(tx: Transactor): Promise<void> {
  await tx
    .insertInto('settings')
    .values({ name: setting, value: '1' })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: sql`cast(cast(settings.value as integer) + 1 as text)` }))
    .execute()
}

const changing = new WeakSet<object>()

/** Whether the transaction changes who may do what: what this process remembers of that is stale after it. */
export function changesAccess(definition: object): boolean {
  return changing.has(definition)
}

/** As {@link transaction}, for one that changes who may do what. */
export function accessTransaction<Input, Output>(
  moduleUrl: string,
  name: string,
  run: (tx: Transactor, input: Input) => Promise<Output>,
): TransactionDefinition<Input, Output> {
  const definition = transaction(moduleUrl, name, async (tx, input: Input) => {
    const output = await run(tx, input)
    await raiseAccessEpoch(tx)
    return output
  })
  changing.add(definition)
  return definition
}
