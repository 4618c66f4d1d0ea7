/**
 * `berth storage`: the stores that have the bytes of blobs, and moving blobs between them. Against a server the work is a job there; with a configuration
 * it is done here, beside a running server too.
 */
import { InvalidArgumentError, type Command } from 'commander'
import * as routes from '#api/routes/storage.ts'
import type { ResponseOf } from '#api/contract.ts'
import { migrateStorage, moveToCold, readStorage } from '#main.ts'
import { parseSize } from '#config/quantity.ts'
import { apiOptions, withClient, type ApiCommand, type ApiFlags } from './api-command.ts'
import { describeBytes, plural, progressPrinter, withBerth } from './data-command.ts'
import { CommandFailure } from './command-failure.ts'
import { followJob, requireDone } from './follow-job.ts'
import { printRows } from './print.ts'
import { confirm, yesOption } from './prompt.ts'

interface MoveFlags extends ApiFlags {
  readonly dryRun?: boolean
  readonly wait?: boolean
}

interface MigrateFlags extends MoveFlags {
  readonly from: string
  readonly to: string
  readonly rate?: number
  readonly dropDamaged?: boolean
  readonly yes?: boolean
}

function parseRate(written: string): number {
  const bytes = parseSize(written)
  if (bytes === undefined) throw new InvalidArgumentError('a size such as 50MiB is expected')
  return bytes
}

/** Whether the data is meant. Throws a sentence for flags that are about a server. */
function isAboutData(source: string | undefined, flags: MoveFlags): boolean {
  const { server, wait, json, ca } = flags
  if (source !== undefined && (server !== undefined || wait === true || json === true || ca !== undefined))
    throw new CommandFailure('a configuration is about data; --server, --wait, --json and --ca about a server')
  return source !== undefined
}

type Stores = ResponseOf<typeof routes.readStorage>['stores']

function printStores(stores: readonly Omit<Stores[number], 'isConfigured'>[]): void {
  printRows(
    ['NAME', 'DRIVER', 'ROLE', 'BLOBS', 'SIZE', 'DAMAGED', 'UPLOADS', 'LEAVING'],
    stores.map(({ name, driver, role, blobs, bytes, quarantined, uploads, leaving }) => [
      name,
      driver ?? 'not in the configuration',
      role,
      blobs,
      describeBytes(bytes),
      quarantined,
      uploads,
      leaving,
    ]),
  )
}

async function runList(source: string | undefined, flags: ApiFlags): Promise<void> {
  if (isAboutData(source, flags)) {
    return await withBerth(source, async (berth) => {
      const stores = await readStorage(berth)
      printStores(
        stores.map(({ driver = null, leavingUntil: _until, liveBytes: _live, ...state }) => ({ ...state, driver, leavingUntil: null })),
      )
    })
  }
  await withClient(flags, async ({ client, print }) => {
    const answer = await client.call(routes.readStorage)
    print(answer, () => printStores(answer.stores))
  })
}

type Planned = ResponseOf<typeof routes.startMigration>

function describePlan({ blobs, bytes }: Pick<Planned, 'blobs' | 'bytes'>): string {
  return `${plural(blobs, 'blob')}, ${describeBytes(bytes)}`
}

/** Follows the job where that is wanted; prints what it said at its end. */
async function followPlanned({ client, print }: ApiCommand, planned: Planned, { wait }: MoveFlags): Promise<void> {
  const { job, isNew } = planned
  if (job === null) return print(planned, () => console.log(`would move ${describePlan(planned)}`))
  if (wait !== true) {
    const state = isNew ? 'begins' : 'is under way already'
    return print(planned, () => console.log(`job ${job} ${state} (${describePlan(planned)}): follow it with berth job watch ${job}`))
  }
  const ended = await followJob(client, job)
  requireDone(ended)
  const { moved = 0, bytes = 0, damaged = 0 } = (ended.result ?? {}) as Readonly<Partial<Record<'moved' | 'bytes' | 'damaged', number>>>
  print(ended, () => console.log(movedLine({ moved, bytes, damaged })))
}

function movedLine({ moved, bytes, damaged }: { readonly moved: number; readonly bytes: number; readonly damaged: number }): string {
  const left = damaged === 0 ? '' : `; ${plural(damaged, 'blob')} had bytes that are not their own, and stayed in quarantine`
  return `${plural(moved, 'blob')} moved, ${describeBytes(bytes)}${left}`
}

async function runMigrate(source: string | undefined, flags: MigrateFlags): Promise<void> {
  const { from, to, rate: bytesPerSecond = 0, dropDamaged = false, dryRun = false } = flags
  if (dropDamaged && !dryRun) await confirm(`Give up what ${from} has of damaged blobs for good?`, flags)
  if (!isAboutData(source, flags)) {
    return await withClient(flags, async (command) => {
      const body = { from, to, bytesPerSecond, dropDamaged, dryRun }
      await followPlanned(command, await command.client.call(routes.startMigration, { body }), flags)
    })
  }
  await withBerth(source, async (berth, signal) => {
    const print = progressPrinter()
    const outcome = await migrateStorage(berth, {
      migration: { from, to, bytesPerSecond, dropDamaged },
      dryRun,
      signal,
      onProgress: ({ done, total }) => print(() => `${describeBytes(done)} of ${describeBytes(total ?? done)} moved …`),
      onLine: (_level, message) => console.error(message),
    })
    if ('moved' in outcome) console.log(movedLine(outcome))
    else console.log(`would move ${describePlan(outcome)}`)
  })
}

async function runMoveCold(source: string | undefined, flags: MoveFlags): Promise<void> {
  const { dryRun = false } = flags
  if (!isAboutData(source, flags)) {
    return await withClient(flags, async (command) => {
      await followPlanned(command, await command.client.call(routes.startMoveToCold, { body: { dryRun } }), flags)
    })
  }
  await withBerth(source, async (berth, signal) => {
    const outcome = await moveToCold(berth, { dryRun, signal, onLine: (_level, message) => console.error(message) })
    if ('moved' in outcome) console.log(movedLine(outcome))
    else console.log(`would move ${describePlan(outcome)}`)
  })
}

const sourceArgument = ['[config]', 'do it here, with the config.yml of a registry; else on the server'] as const

/** Adds the commands to the program. */
export function registerStorage(program: Command): void {
  const storage = program.command('storage').description('the stores that have the bytes of blobs, and moving blobs between them')
  apiOptions(
    storage
      .command('list')
      .description('list the stores and what is in each, the one that pushes go to first')
      .argument(...sourceArgument),
  ).action(runList)
  apiOptions(
    storage
      .command('migrate')
      .description(
        'move all blobs of a store to another one while pushes and pulls go on; stopped, it goes on where it was. At its end it says whether the store may leave the configuration',
      )
      .argument(...sourceArgument)
      .requiredOption('--from <store>', 'the store that is emptied, by its name in the configuration')
      .requiredOption('--to <store>', 'the store that gets the blobs')
      .option('--rate <size>', 'bytes a second on average, such as 50MiB; as fast as it goes unless said', parseRate)
      .option('--drop-damaged', 'give up what the store has of blobs in quarantine')
      .option('--dry-run', 'only count')
      .option('--wait', 'of a server: until all is moved')
      .option(...yesOption),
  ).action(runMigrate)
  apiOptions(
    storage
      .command('move-cold')
      .description('move what the rules of storage.tiers name to the cold store now')
      .argument(...sourceArgument)
      .option('--dry-run', 'only count')
      .option('--wait', 'of a server: until all is moved'),
  ).action(runMoveCold)
}
