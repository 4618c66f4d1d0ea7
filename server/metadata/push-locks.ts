/**
 * What transactions of pushes lock on PostgreSQL, where they run READ COMMITTED beside each other.
 *
 * The problem: SERIALIZABLE watches pages of indexes. Rows that pushes add lie side by side at the end of them, so that nearly every two pushes at once
 * look as if each had read what the other wrote, and one of them begins again: a quarter of all attempts, and more the more writers wait. The way:
 * the transactions of pushes (`'read committed'` in their definitions) see each statement's latest commits and say themselves what must not change under
 * them. All other transactions, collecting garbage, deleting, moving, changing rights, rules and limits, never run at the same time
 * (postgres-transaction.ts): only pushes have to be looked at beside pushes. What they have in common, and what keeps it right:
 *
 * | what | kept right by |
 * |---|---|
 * | what a tag points at, and how many tags there are | {@link lockTags}, taken before they are read |
 * | a manifest's row and references | unique by repository and digest; who comes second waits, and finds the row, which it locks to mend it |
 * | blobs that a manifest names before they come | {@link lockReferences}: its push, alone, looks again for them; a blob's link looks for manifests that wait |
 * | links that count again | one statement changes those that do not count, and gives them |
 * | a repository's row, made by the first push | unique by name; who comes second waits, and reads the first one's |
 * | a blob's row, lease and key | {@link lockBlob}, taken before the row is judged |
 * | a blob that counts in a project | unique by blob and project; only who inserted the row counts it |
 * | what a project may hold | {@link lockQuota}, held from before the sum is read until the commit; usage itself is rows that are only added |
 * | how many uploads somebody may have | {@link lockUploadsOf}, the same |
 * | offset, holder and fence of an upload; notes of keys | statements that change a row only while it is as it was |
 * | usage that is folded | deletes of rows: who comes second deletes what is left; levels by {@link lockFolding} |
 *
 * Locks are taken in the order of this table; where two wait for each other all the same PostgreSQL ends one, and it begins again. A unique key that
 * another push took first ends the transaction too, which then finds the other's row.
 * To make another transaction one of these: prove it against each of the others here, and add it to the tests of registry/pushes-at-once.test.ts.
 */
import { sql } from 'kysely'
import { dialectOf } from './dialect.ts'
import type { Transactor } from './metadata.ts'
import { together } from './together.ts'

/** Apart from each other, and from locks that others take on the same database: the first half of a lock's number. */
const spaces = { references: 0x6272_0001, tag: 0x6272_0005, quota: 0x6272_0002, uploads: 0x6272_0003, folding: 0x6272_0004 } as const

async function lock(
  tx: Transactor,
  space: keyof typeof spaces,
  { name, isShared = false }: { name: string; isShared?: boolean },
): Promise<void> {
  if (dialectOf(tx) === 'sqlite') return
  const acquire = isShared ? sql`pg_advisory_xact_lock_shared` : sql`pg_advisory_xact_lock`
  await sql`select ${acquire}(${sql.lit(spaces[space])}, hashtext(${name}))`.execute(tx)
}

/** Until the commit: nobody else moves or makes these tags. Before they are read. */
export async function lockTags(tx: Transactor, repository: string, tags: readonly string[]): Promise<void> {
  // In one order for all.
  await together(...tags.toSorted().map((tag) => lock(tx, 'tag', { name: `${repository}:${tag}` })))
}

/** Until the commit: `alone`, for a manifest that names blobs which are not in the repository, or beside others, for a blob that comes to be in it. */
export async function lockReferences(tx: Transactor, repository: string, mode: 'alone' | 'beside'): Promise<void> {
  await lock(tx, 'references', { name: repository, isShared: mode === 'beside' })
}

/** Until the commit: nobody else adds to what the project uses. Before that is read. */
export async function lockQuota(tx: Transactor, projectId: number): Promise<void> {
  await lock(tx, 'quota', { name: String(projectId) })
}

/** Until the commit: nobody begins an upload in the same name. */
export async function lockUploadsOf(tx: Transactor, actor: { readonly name: string; readonly key: string }): Promise<void> {
  await lock(tx, 'uploads', { name: `${actor.key} ${actor.name}` })
}

/** Until the commit: nobody else folds usage. */
export async function lockFolding(tx: Transactor): Promise<void> {
  await lock(tx, 'folding', { name: '' })
}

/** Until the commit: the row of this digest, if there is one, stays as it is. */
export async function lockBlob(tx: Transactor, digest: Buffer): Promise<void> {
  // References to the row do not wait for it.
  if (dialectOf(tx) === 'postgres') await sql`select id from blobs where digest = ${digest} for no key update`.execute(tx)
}
