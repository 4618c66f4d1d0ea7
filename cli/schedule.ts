/** `berth schedule`: what a server begins by itself, and when. */
import type { Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import * as routes from '#api/routes/jobs.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { followJob, requireDone } from './follow-job.ts'
import { printJob } from './job.ts'
import { printFacts, printRows } from './print.ts'

type Schedule = ResponseOf<typeof routes.readSchedule>

function list(flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const found = await client.call(routes.listSchedules)
    const rows = found.items.map(({ name, cron, timeZone, isEnabled, nextAt, lastAt, lastJob, title }) => [
      name,
      cron,
      timeZone,
      isEnabled,
      nextAt,
      lastAt,
      lastJob,
      title,
    ])
    print(found, () => printRows(['NAME', 'WHEN', 'TIME ZONE', 'ON', 'NEXT', 'LAST', 'LAST JOB', 'WHAT'], rows))
  })
}

function printSchedule({ name, title, cron, timeZone, isEnabled, nextAt, lastAt, lastJob }: Schedule): void {
  printFacts({ Name: name, What: title, When: cron, 'Time zone': timeZone, On: isEnabled, Next: nextAt, Last: lastAt, 'Last job': lastJob })
}

interface Decision extends ApiFlags {
  readonly cron?: string
  readonly timeZone?: string
  readonly on?: true
  readonly off?: true
}

function set(schedule: string, { cron, timeZone, on, off, ...flags }: Decision): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    if (on === true && off === true) throw new WrongUsage('it is --on or --off')
    const isEnabled = on === true ? true : off === true ? false : undefined
    const body = {
      ...(cron !== undefined && { cron }),
      ...(timeZone !== undefined && { timeZone }),
      ...(isEnabled !== undefined && { isEnabled }),
    }
    if (Object.keys(body).length === 0) throw new WrongUsage('nothing is to change: --help lists what can be')
    const changed = await client.call(routes.updateSchedule, { params: { schedule }, body })
    print(changed, () => printSchedule(changed))
  })
}

function run(schedule: string, flags: ApiFlags & { readonly wait?: true }): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const made = await client.call(routes.runSchedule, { params: { schedule } })
    const job = flags.wait === true ? await followJob(client, made.id) : made
    print(job, () => printJob(job))
    if (flags.wait === true) requireDone(job)
  })
}

/** Adds the command to the program. */
export function registerSchedule(program: Command): void {
  const schedule = program.command('schedule').description('what a server begins by itself, and when')
  apiOptions(schedule.command('list').description('list what begins by itself')).action(list)
  apiOptions(schedule.command('set').description('change when it begins, or whether it does').argument('<name>', 'of the list'))
    .option('--cron <text>', 'minute hour day month weekday, such as "0 3 * * *"; or "every 10m"')
    .option('--time-zone <name>', 'by whose clock, such as Europe/Berlin')
    .option('--on', 'it begins by itself')
    .option('--off', 'it does not')
    .action(set)
  apiOptions(schedule.command('run').description('begin it now, beside its times').argument('<name>', 'of the list'))
    .option('--wait', 'follow it until it ends; exit status 1 when its work was not done')
    .action(run)
}
