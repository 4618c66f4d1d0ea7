/** `berth job`: work in the background of a server. */
import { Option, type Command } from 'commander'
import * as routes from '#api/routes/jobs.ts'
import { apiOptions, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { describeProgress, followJob, jobLines, lineText, requireDone, type Job } from './follow-job.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { printFacts } from './print.ts'
import { confirm, yesOption } from './prompt.ts'

const states = ['waiting', 'running', 'done', 'failed', 'stopped'] as const

interface Filter {
  readonly kind?: string
  readonly state?: (typeof states)[number]
}

function list(flags: ListFlags & Filter): Promise<void> {
  return withClient(flags, ({ client }) =>
    printPages(readPages(client, routes.listJobs, flags, { query: { kind: flags.kind, state: flags.state } }), flags, {
      columns: ['ID', 'KIND', 'STATE', 'PROGRESS', 'BY', 'MADE', 'ENDED', 'ERROR'],
      row: (job) => [job.id, job.kind, stateOf(job), describeProgress(job), job.createdBy, job.createdAt, job.endedAt, job.error],
    }),
  )
}

function stateOf({ state, stopRequested }: Job): string {
  return stopRequested ? 'stopping' : state
}

/** One job for people. */
export function printJob(job: Job): void {
  printFacts({
    Id: job.id,
    Kind: job.kind,
    Title: job.title,
    State: stateOf(job),
    Progress: describeProgress(job),
    Error: job.error,
    Result: job.result === undefined || job.result === null ? undefined : JSON.stringify(job.result),
    Payload: job.payload === null ? undefined : JSON.stringify(job.payload),
    Project: job.project,
    Tries: `${job.attempts} of ${job.attemptsMax}`,
    'Not before': job.runAfter,
    By: job.createdBy,
    Made: job.createdAt,
    Started: job.startedAt,
    Ended: job.endedAt,
  })
}

function show(job: number, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const found = await client.call(routes.readJob, { params: { job } })
    print(found, () => printJob(found))
  })
}

function watch(job: number, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const ended = await followJob(client, job)
    print(ended, () => printJob(ended))
    requireDone(ended)
  })
}

function lines(job: number, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    if (flags.json === true) {
      const items = await Array.fromAsync(jobLines(client, job))
      print({ items }, () => undefined)
      return
    }
    for await (const line of jobLines(client, job)) console.log(lineText(line))
  })
}

function stop(job: number, flags: ApiFlags & { readonly yes?: boolean }): Promise<void> {
  return withClient(flags, async ({ client, print, server }) => {
    await confirm(`Stop job ${job} of ${server}?`, flags)
    const stopped = await client.call(routes.stopJob, { params: { job } })
    print(stopped, () => printJob(stopped))
  })
}

function retry(job: number, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const waiting = await client.call(routes.retryJob, { params: { job } })
    print(waiting, () => printJob(waiting))
  })
}

/** Adds the command to the program. */
export function registerJob(program: Command): void {
  const job = program.command('job').description('work in the background of a server')
  const one = (name: string, description: string) =>
    apiOptions(job.command(name).description(description).argument('<id>', 'of the list', wholeNumber))
  apiOptions(listOptions(job.command('list').description('list jobs, those that were made last first'), routes.listJobs))
    .option('--kind <name>', 'only those of this kind, such as collect-garbage')
    .addOption(new Option('--state <state>', 'only those in this state').choices(states))
    .action(list)
  one('show', 'show one job').action(show)
  one('lines', 'print what a job said, in order').action(lines)
  one('watch', 'follow a job until it ends; exit status 1 when its work was not done').action(watch)
  one('stop', 'stop a job; what it did stays done')
    .option(...yesOption)
    .action(stop)
  one('retry', 'let a job that failed or was stopped go on from where it was').action(retry)
}
