/** The thread of bcrypt.ts where no native addon loads. */
import bcrypt from 'bcryptjs'
import { serveTasks } from '#lib/worker-task.ts'

/** One task of the thread: `verify` answers with a boolean, `hash` with a modular crypt string. `cost` is the base-2 logarithm of the rounds. */
export type BcryptTask =
  | { readonly verb: 'verify'; readonly password: string; readonly hash: string }
  | { readonly verb: 'hash'; readonly password: string; readonly cost: number }

serveTasks((task: BcryptTask) =>
  task.verb === 'verify' ? bcrypt.compareSync(task.password, task.hash) : bcrypt.hashSync(task.password, task.cost),
)
