/** Follows a job of a server until it ends, for `berth job watch` and whatever waits for the work that it started. */
import type { ApiClient } from '#api/client.ts'
import type { ResponseOf } from '#api/contract.ts'
import { readJob, readJobLines } from '#api/routes/jobs.ts'
import { CommandFailure } from './command-failure.ts'
import { printable } from './print.ts'

/** A job as the server tells of it. */
export type Job = ResponseOf<typeof readJob>

type JobLine = ResponseOf<typeof readJobLines>['items'][number]

const shortestMs = 250
const longestMs = 2_000
const linesAtOnce = 1_000

/** Lines and progress go to standard error as they come. Gives the job when it has ended, in whatever way. */
export async function followJob(client: ApiClient, job: number): Promise<Job> {
  let after = 0
  let shown = ''
  for (let waitMs = shortestMs; ; waitMs = Math.min(longestMs, waitMs * 1.5)) {
    // Before its lines: those that it said last are then among them.
    const found = await client.call(readJob, { params: { job } })
    after = await printLines(client, job, after)
    const progress = describeProgress(found)
    if (progress !== shown && progress !== '') console.error(`${found.kind} ${job}: ${progress}`)
    shown = progress
    if (hasEnded(found)) return found
    await new Promise((resolve) => setTimeout(resolve, waitMs))
  }
}

/** Throws for a job that ended without doing its work. */
export function requireDone({ id, kind, state, error }: Job): void {
  if (state === 'done') return
  const reason = error === undefined ? '' : `: ${printable(error)}`
  throw new CommandFailure(`job ${id} (${kind}) is ${state}${reason}`)
}

function hasEnded({ state }: Job): boolean {
  return state !== 'waiting' && state !== 'running'
}

/** The id of the last line. */
async function printLines(client: ApiClient, job: number, after: number): Promise<number> {
  let last = after
  for await (const line of jobLines(client, job, after)) {
    console.error(lineText(line))
    last = line.id
  }
  return last
}

/** What a job said until now, behind the line of that id. */
export async function* jobLines(client: ApiClient, job: number, after = 0): AsyncGenerator<JobLine> {
  for (let last = after; ;) {
    const { items } = await client.call(readJobLines, { params: { job }, query: { after: last, limit: linesAtOnce } })
    yield* items
    last = items.at(-1)?.id ?? last
    if (items.length < linesAtOnce) return
  }
}

/** One line for people. */
export function lineText({ at, level, message }: JobLine): string {
  return `${at} ${level.padEnd(5)} ${printable(message)}`
}

/** `1,200 of 5,000 blobs (24 %)`; empty before there is any. */
export function describeProgress({ progress }: Pick<Job, 'progress'>): string {
  if (progress === undefined) return ''
  const { done, total, unit } = progress
  const of = total === undefined ? '' : ` of ${total.toLocaleString('en')}`
  const share = total === undefined || total <= 0 ? '' : ` (${Math.floor((done / total) * 100)} %)`
  return printable(`${done.toLocaleString('en')}${of}${unit === undefined ? '' : ` ${unit}`}${share}`)
}
