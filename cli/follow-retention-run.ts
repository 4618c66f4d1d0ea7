/** Waits for a run of a retention policy: by the run itself, for who may run policies need not see jobs. */
import type { ApiClient } from '#api/client.ts'
import type { ResponseOf } from '#api/contract.ts'
import { readRetentionRun } from '#api/routes/retention.ts'
import { CommandFailure } from './command-failure.ts'
import { printable } from './print.ts'

/** A run as the server tells of it. */
export type Run = ResponseOf<typeof readRetentionRun>

const shortestMs = 250
const longestMs = 2_000

/** The run when it has ended, in whatever way. How far it is goes to standard error. */
export async function followRun(client: ApiClient, project: string, started: Run): Promise<Run> {
  let shown = ''
  for (let waitMs = shortestMs; ; waitMs = Math.min(longestMs, waitMs * 1.5)) {
    const run = await client.call(readRetentionRun, { params: { project, run: started.id } })
    if (run.state !== 'waiting' && run.state !== 'running') return run
    const progress = `run ${run.id} is ${run.state}${run.removed > 0 ? `: ${run.removed.toLocaleString('en')} removed` : ''}`
    if (progress !== shown) console.error(progress)
    shown = progress
    await new Promise((resolve) => setTimeout(resolve, waitMs))
  }
}

/** Throws for a run that ended without doing its work. */
export function requireRunDone({ id, state, error, failed }: Run): void {
  if (state !== 'done') throw new CommandFailure(`run ${id} is ${state}${error === null ? '' : `: ${printable(error)}`}`)
  if (failed > 0) throw new CommandFailure(`run ${id} could not remove ${failed} tags: --action failed lists them`)
}
