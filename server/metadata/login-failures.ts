/** The table `login_failures`: wrong passwords by subject, for back-off. A subject is what {@link access/back-off.ts} counts by. */
import type { Reader, Transactor } from './metadata.ts'
import { prepare } from './prepared.ts'

/** How often, and until when nobody is let try. Instants are milliseconds since the epoch. */
export interface LoginFailures {
  readonly subject: string
  readonly failures: number
  readonly lastAt: number
  readonly blockedUntil: number
}

const find = prepare<{ first: string; second: string; third: string }, LoginFailures>((db, param) =>
  db
    .selectFrom('login_failures')
    .select(['subject', 'failures', 'last_at as lastAt', 'blocked_until as blockedUntil'])
    .where('subject', 'in', [param('first'), param('second'), param('third')]),
)

/** Rows of those subjects that have one. Asked for every password that is tried, a flood of them too. */
export async function findLoginFailures(
  reader: Reader | Transactor,
  [first, second, third = second]: readonly [string, string, string | undefined],
): Promise<readonly LoginFailures[]> {
  return await find(reader, { first, second, third })
}

/** Writes the row, whether there is one or not. */
export async function putLoginFailures(tx: Transactor, row: LoginFailures): Promise<void> {
  const values = { failures: row.failures, last_at: row.lastAt, blocked_until: row.blockedUntil }
  await tx
    .insertInto('login_failures')
    .values({ subject: row.subject, ...values })
    .onConflict((conflict) => conflict.column('subject').doUpdateSet(values))
    .execute()
}

/** Forgets what nothing happened to since `before`; at most `limit` rows, so that no commit is long. */
export async function purgeLoginFailures(
  tx: Transactor,
  { before, limit }: { readonly before: number; readonly limit: number },
): Promise<void> {
  await tx
    .deleteFrom('login_failures')
    .where('id', 'in', (eb) => eb.selectFrom('login_failures').select('id').where('last_at', '<', before).orderBy('last_at').limit(limit))
    .execute()
}
