/** The thread of bcrypt.ts where no native addon loads. */
import bcrypt from 'bcryptjs'
import { serveTasks } from '#lib/worker-task.ts'

export type BcryptTask =
  | { readonly verb: 'verify'; readonly password: string; readonly hash: string }
  | { readonly verb: 'hash'; readonly password: string; readonly cost: number }

serveTasks((task: BcryptTask) =>
  task.verb === 'verify' ? bcrypt.compareSync(task.password, task.hash) : bcrypt.hashSync(task.password, task.cost),
)
