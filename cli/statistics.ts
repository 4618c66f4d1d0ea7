/** `berth statistics`: how it went, hour by hour or day by day. */
import { Option, type Command } from 'commander'
import { readProjectStatistics, readStatistics } from '#api/routes/statistics.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { describeBytes } from './data-command.ts'
import { printRows } from './print.ts'

interface StatisticsFlags extends ApiFlags {
  readonly project?: string
  readonly step: 'hour' | 'day'
  readonly from?: string
  readonly to?: string
}

/** A day means its beginning in UTC. */
function instantOf(flag: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) throw new WrongUsage(`${flag} is a day or an instant: 2026-01-31, 2026-01-31T12:00:00Z`)
  return new Date(ms).toISOString()
}

function queryOf({ step, from, to }: StatisticsFlags) {
  const [begin, end] = [instantOf('--from', from), instantOf('--to', to)]
  return { step, ...(begin !== undefined && { from: begin }), ...(end !== undefined && { to: end }) }
}

function size(bytes: number | null): string {
  return bytes === null ? '-' : describeBytes(bytes)
}

function show(flags: StatisticsFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const query = queryOf(flags)
    const { project } = flags
    if (project === undefined) {
      const found = await client.call(readStatistics, { query })
      print(found, () =>
        printRows(
          ['AT', 'PULLS', 'PUSHES', 'REQUESTS', 'ERRORS', 'P50 MS', 'P99 MS', 'STORED', 'LOGICAL', 'RECLAIMABLE'],
          found.items.map((each) => [
            each.at,
            each.pulls,
            each.pushes,
            each.requests,
            each.errors,
            each.latencyP50Ms,
            each.latencyP99Ms,
            size(each.storedBytes),
            size(each.logicalBytes),
            size(each.reclaimableBytes),
          ]),
        ),
      )
      return
    }
    const found = await client.call(readProjectStatistics, { params: { project }, query })
    print(found, () =>
      printRows(
        ['AT', 'PULLS', 'PUSHES', 'ERRORS', 'STORED', 'LOGICAL'],
        found.items.map((each) => [each.at, each.pulls, each.pushes, each.errors, size(each.storedBytes), size(each.logicalBytes)]),
      ),
    )
  })
}

/** Adds the command to the program. */
export function registerStatistics(program: Command): void {
  apiOptions(program.command('statistics').description('pulls, pushes, errors, latency and sizes, hour by hour or day by day'))
    .option('--project <name>', 'of this project, in place of everything')
    .addOption(new Option('--step <step>', 'how long a row is').choices(['hour', 'day']).default('hour'))
    .option('--from <instant>', 'from then on: 2026-01-31, 2026-01-31T12:00:00Z; 24 hours or 30 days ago unless said')
    .option('--to <instant>', 'up to then; now unless said')
    .action(show)
}
