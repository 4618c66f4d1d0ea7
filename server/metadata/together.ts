/**
 * Statements of one transaction that do not wait for each other.
 *
 * The problem: each answer that a transaction waits for is a round trip on PostgreSQL, while others wait for its locks. The way: what does not need each
 * other's answers is sent {@link together}; what nobody needs an answer of goes out {@link later}, with the commit right behind; and a check that nearly
 * always passes is a statement that fails where it does not ({@link isHasty}). On SQLite they run one after the other as they are begun.
 */
import type { Transactor } from './metadata.ts'

interface Flow {
  readonly isHasty: boolean
  readonly tasks: Promise<unknown>[]
}

const flows = new WeakMap<Transactor, Flow>()

/** Lets {@link later} leave its tasks to who commits, which are in the array that is given back. */
export function openFlow(tx: Transactor, isHasty: boolean): readonly Promise<unknown>[] {
  const flow = { isHasty, tasks: [] }
  flows.set(tx, flow)
  return flow.tasks
}

/**
 * Whether a check may be a statement that fails (SQLSTATE 22P02) where it does not pass: the transaction then begins again and is not hasty, so that it
 * finds out what to say.
 */
export function isHasty(tx: Transactor): boolean {
  return flows.get(tx)?.isHasty === true
}

/** One statement whose outcome only the commit waits for. It is begun already, and comes before all that are begun from now on. */
export async function later(tx: Transactor, task: Promise<unknown>): Promise<void> {
  const flow = flows.get(tx)
  if (flow === undefined) return void (await task)
  task.catch(() => undefined)
  flow.tasks.push(task)
}

/**
 * Waits for all of them, however they end, and gives their results, or throws the first fault. They reach the database in the order in which they were
 * begun. Unlike `Promise.all` it leaves nothing under way when it throws, which would come after the transaction's end.
 */
export async function together<const Tasks extends readonly unknown[]>(
  ...tasks: Tasks
): Promise<{ -readonly [Index in keyof Tasks]: Awaited<Tasks[Index]> }> {
  const outcomes = await Promise.allSettled(tasks)
  const fault = outcomes.find((outcome) => outcome.status === 'rejected')
  if (fault !== undefined) throw fault.reason
  return outcomes.map((outcome) => (outcome as PromiseFulfilledResult<unknown>).value) as never
}
