/** `berth backup …`: makes backups, lists, proves and removes them; on a server, or here, with a configuration or a directory. */
import { resolve } from 'node:path'
import { Option, type Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import * as routes from '#api/routes/backups.ts'
import { makeBackupAt, pruneBackupsAt, readBackupsAt, verifyBackupsAt } from '#main.ts'
import { apiOptions, chooseServer, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { archiveInput, type ArchiveInput } from './archive-input.ts'
import { standardOutput, withArchiveFile, type ArchiveOutput } from './archive-output.ts'
import { CommandFailure } from './command-failure.ts'
import { configOf, describeBytes, plural, progressPrinter, withBerth, withSignal } from './data-command.ts'
import { followJob, requireDone } from './follow-job.ts'
import { printFacts, printJson, printRows } from './print.ts'
import { confirm, yesOption } from './prompt.ts'

interface PlaceFlags extends ApiFlags {
  readonly at?: string
  readonly keyFile?: string
}

interface CreateFlags extends PlaceFlags {
  readonly includeKey?: boolean
  readonly wait?: boolean
}

/** Whether a server is to do it: nothing of this machine is named, and one is known. */
async function isThere(source: string | undefined, { at, keyFile, ...flags }: PlaceFlags): Promise<boolean> {
  if (source !== undefined || at !== undefined || keyFile !== undefined) {
    if (flags.server !== undefined)
      throw new CommandFailure('--at, --key-file and a configuration are for this machine: leave --server out')
    return false
  }
  if (flags.server !== undefined) return true
  if ((process.env['REGISTRY_CONFIGURATION_PATH'] ?? '') !== '') return false
  return await chooseServer(flags).then(
    () => true,
    () => false,
  )
}

type BackupRecord = Awaited<ReturnType<typeof makeBackupAt>>

/** Standard output may be the archive: then this goes to the other. */
function tellMade(record: BackupRecord, { json, at }: CreateFlags): void {
  const { id, rows, blobs, secrets } = record
  const say = at === '-' ? console.error : console.log
  if (json === true) return say(JSON.stringify(record))
  const count = Object.values(rows.counts).reduce((sum, each) => sum + each, 0)
  say(`backup ${id}: ${plural(count, 'row')}, ${plural(blobs.count, 'blob')} (${describeBytes(blobs.bytes)})`)
  say(`${plural(blobs.addedCount, 'blob')} (${describeBytes(blobs.addedBytes)}) were not there before`)
  if (secrets.count > 0 && !secrets.isKeyIncluded)
    say(
      `${plural(secrets.count, 'secret')} in it ${secrets.count === 1 ? 'is' : 'are'} sealed: keep the file of secrets.keyfile, too, apart from it`,
    )
}

async function runCreate(source: string | undefined, flags: CreateFlags): Promise<void> {
  if (await isThere(source, flags)) return await startThere(flags, routes.startBackup)
  const { at, keyFile, includeKey } = flags
  const make = (archive?: ArchiveOutput) =>
    withBerth(source, async (berth, signal) => {
      const print = progressPrinter()
      const path = archive === undefined ? at : undefined
      const onProgress = ({ rows, blobs, blobsAll, bytes }: { rows: number; blobs: number; blobsAll: number; bytes: number }) =>
        print(() =>
          blobsAll === 0 ? `${plural(rows, 'row')} …` : `${blobs} of ${plural(blobsAll, 'blob')}, ${describeBytes(bytes)} copied …`,
        )
      const record = await makeBackupAt(berth, {
        path,
        keyFile,
        archive,
        signal,
        onProgress,
        ...(includeKey === true && { includesKey: true }),
      })
      tellMade(record, flags)
      const { missingCount } = record.blobs
      if (missingCount === 0) return
      console.error(
        `${plural(missingCount, 'blob')} could not be read and ${missingCount === 1 ? 'is' : 'are'} not in it: berth scrub says which`,
      )
      process.exitCode = 1
    })
  if (at === '-') return await make(standardOutput)
  if (at?.endsWith('.tar') === true) return await withArchiveFile(resolve(at), make)
  await make()
}

async function startThere(flags: CreateFlags, route: typeof routes.startBackup | typeof routes.startPruning): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const started = await (route === routes.startBackup ? client.call(routes.startBackup) : client.call(routes.startPruning))
    if (flags.wait !== true)
      return print(started, () =>
        console.log(
          `job ${started.job} ${started.isNew ? 'begins' : 'is under way already'}: follow it with berth job watch ${started.job}`,
        ),
      )
    const ended = await followJob(client, started.job)
    print(ended, () => undefined)
    requireDone(ended)
  })
}

async function targetOf(source: string | undefined, { at, keyFile }: PlaceFlags, signal: AbortSignal) {
  return { config: await configOf(source, { withoutDatabase: true }), path: at, keyFile, signal }
}

type Target = Awaited<ReturnType<typeof targetOf>> & { readonly input?: ArchiveInput }

/** The same where an archive may come by standard input. */
async function withReadTarget(source: string | undefined, flags: PlaceFlags, run: (target: Target) => Promise<void>): Promise<void> {
  await withSignal(async (signal) => {
    const target = await targetOf(source, flags, signal)
    if (flags.at !== '-') return await run(target)
    await using input = await archiveInput(signal)
    await run({ ...target, path: undefined, input })
  })
}

type Listed = ResponseOf<typeof routes.listBackups>['items'][number]

function printBackups(items: readonly Listed[]): void {
  if (items.length === 0) return console.log('there is no backup yet')
  printRows(
    ['ID', 'MADE', 'ROWS', 'BLOBS', 'SIZE', 'NEW', 'MISSING', 'DAMAGED', 'OF'],
    items.map((each) =>
      each.fault === undefined
        ? [
            each.id,
            each.madeAt ?? '',
            each.rows ?? 0,
            each.blobs ?? 0,
            describeBytes(each.bytes ?? 0),
            describeBytes(each.addedBytes ?? 0),
            each.missingBlobs ?? 0,
            each.damagedBlobs ?? 0,
            each.database ?? '',
          ]
        : [each.id, each.fault, '', '', '', '', '', '', ''],
    ),
  )
}

interface ListFlags extends PlaceFlags {
  readonly limit?: number
}

async function runList(source: string | undefined, flags: ListFlags): Promise<void> {
  const { limit = 100 } = flags
  if (await isThere(source, flags))
    return await withClient(flags, async ({ client, print }) => {
      const found = await client.call(routes.listBackups, { query: { limit } })
      print(found, () => printBackups(found.items))
    })
  await withReadTarget(source, flags, async (target) => {
    const items = await readBackupsAt(target, limit)
    if (flags.json === true) printJson({ items })
    else printBackups(items)
  })
}

interface VerifyFlags extends PlaceFlags {
  readonly id?: string
  readonly quick?: boolean
  readonly wait?: boolean
}

async function runVerify(source: string | undefined, flags: VerifyFlags): Promise<void> {
  const { id, quick } = flags
  if (await isThere(source, flags)) return await verifyThere(flags)
  await withReadTarget(source, flags, async (target) => {
    const print = progressPrinter()
    const found = await verifyBackupsAt(target, { id, isQuick: quick }, ({ blobs, bytes }) =>
      print(() => `${plural(blobs, 'blob')}, ${describeBytes(bytes)} read …`),
    )
    if (flags.json === true) printJson(found)
    else tellVerified(found)
    if (found.broken.length > 0) process.exitCode = 1
  })
}

function tellVerified({ backups, blobs, bytes, problems, broken }: Awaited<ReturnType<typeof verifyBackupsAt>>): void {
  for (const problem of problems) console.log(problem)
  console.log(`${plural(backups, 'backup')}, ${plural(blobs, 'blob')}, ${describeBytes(bytes)} read`)
  tellBroken(broken)
}

function tellBroken(broken: readonly string[]): void {
  console.log(broken.length === 0 ? 'All is what was written.' : `Broken: ${broken.join(', ')}`)
}

async function verifyThere(flags: VerifyFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const body = { ...(flags.id !== undefined && { id: flags.id }), ...(flags.quick === true && { quick: true }) }
    const started = await client.call(routes.startVerification, { body })
    if (flags.wait !== true)
      return print(started, () =>
        console.log(
          `job ${started.job} proves backups: berth job watch ${started.job} shows what it finds, berth backup list what is damaged then; the exit status tells it with --wait alone`,
        ),
      )
    const ended = await followJob(client, started.job)
    requireDone(ended)
    const { broken = [] } = (ended.result ?? {}) as { readonly broken?: readonly string[] }
    print(ended, () => tellBroken(broken))
    if (broken.length > 0) process.exitCode = 1
  })
}

interface PruneFlags extends PlaceFlags {
  readonly dryRun?: boolean
  readonly keepLast?: number
  readonly keepDaily?: number
  readonly keepWeekly?: number
  readonly keepMonthly?: number
  readonly yes?: boolean
  readonly wait?: boolean
}

function keepOf({ keepLast, keepDaily, keepWeekly, keepMonthly }: PruneFlags) {
  const given = { last: keepLast, daily: keepDaily, weekly: keepWeekly, monthly: keepMonthly }
  const said = Object.entries(given).filter(([, count]) => count !== undefined)
  // Who says one of them means that alone.
  return said.length === 0 ? {} : { last: 0, daily: 0, weekly: 0, monthly: 0, ...(Object.fromEntries(said) as Record<string, number>) }
}

async function runPrune(source: string | undefined, flags: PruneFlags): Promise<void> {
  if (flags.at === '-') throw new CommandFailure('--at - is an archive on its way: nothing can be removed from it')
  if (await isThere(source, flags)) return await pruneThere(flags)
  await withSignal(async (signal) => {
    const target = await targetOf(source, flags, signal)
    const wanted = { keep: keepOf(flags) }
    if (flags.dryRun !== true) {
      const { removed } = await pruneBackupsAt(target, { ...wanted, isDry: true })
      if (removed.length > 0) await confirm(`Remove ${plural(removed.length, 'backup')} (${removed.join(', ')}) for good?`, flags)
    }
    const pruned = await pruneBackupsAt(target, { ...wanted, isDry: flags.dryRun === true })
    if (flags.json === true) return printJson(pruned)
    const [would, freed] = flags.dryRun === true ? ['would remove', 'would free'] : ['removed', 'freed']
    console.log(`kept ${pruned.kept.map(({ id, reasons }) => `${id} (${reasons.join(', ')})`).join(', ') || 'none'}`)
    console.log(
      `${would} ${plural(pruned.removed.length, 'backup')}, ${freed} ${plural(pruned.blobs, 'blob')} (${describeBytes(pruned.bytes)})`,
    )
    for (const id of pruned.broken) console.error(`${id} cannot be read: it stays, and so do all blobs (berth backup verify)`)
    if (pruned.broken.length > 0) process.exitCode = 1
  })
}

async function pruneThere(flags: PruneFlags): Promise<void> {
  if (flags.dryRun === true || Object.keys(keepOf(flags)).length > 0)
    throw new CommandFailure(
      'a server keeps what backup.keep says; --dry-run and --keep-… are for this machine: name a configuration, or --at',
    )
  await withClient(flags, async ({ server }) => {
    await confirm(`Remove the backups of ${server} that backup.keep does not keep?`, flags)
  })
  await startThere(flags, routes.startPruning)
}

async function runStatus(flags: ApiFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const found = await client.call(routes.readBackupStatus)
    print(found, () =>
      printFacts({
        Place: found.place ?? 'none: backup.store names one',
        'Last backup': found.last === null ? 'none' : `${found.last.id}, ended ${found.last.endedAt}, took ${found.last.durationMs} ms`,
        'Next backup': found.nextAt ?? 'not by itself',
        'Under way': found.current === null ? 'no' : `job ${found.current.job}, ${found.current.state}`,
        Failures: found.failure === null ? found.failures : `${found.failures}, the last at ${found.failure.at}: ${found.failure.error}`,
        Proved: found.verified === null ? 'never' : `${found.verified.at}, ${plural(found.verified.broken, 'broken backup')}`,
      }),
    )
  })
}

const sourceText = 'config.yml of the registry, or its data directory; without, a server is asked'

const readable = ', an archive (.tar), or - for an archive on standard input'

function placeOptions(command: Command, archive: string): Command {
  return apiOptions(command)
    .argument('[config-or-directory]', sourceText)
    .option('--at <place>', `here: a directory of backups${archive}, in place of backup.store`)
    .option('--key-file <file>', 'here: the file of the key that backups are encrypted with, in place of backup.keyfile')
}

/** Adds the commands to the program. */
export function registerBackup(program: Command): void {
  const command = program.command('backup').description('backups of all rows and blobs: make, list, prove and remove them')
  placeOptions(
    command.command('create').description('make a backup while all goes on; status 1 when a blob could not be read'),
    ', an archive (.tar), or - for an archive on standard output',
  )
    .option('--include-key', 'here: the key that seals secrets as well; encrypted backups only')
    .option('--wait', 'on a server: until it is made')
    .action(runCreate)
  placeOptions(command.command('list').description('list backups, newest first'), readable)
    .option('--limit <count>', 'so many at most', wholeNumber)
    .action(runList)
  placeOptions(
    command
      .command('verify')
      .description('read backups and compare all with what was written; status 1 when something is wrong, of a server with --wait'),
    readable,
  )
    .option('--id <backup>', 'this one; else all')
    .option('--quick', 'look at the size of blobs alone')
    .option('--wait', 'on a server: until it is done')
    .action(runVerify)
  const prune = placeOptions(
    command.command('prune').description('remove the backups that backup.keep does not keep, and blobs that none of the others needs'),
    '',
  )
  for (const [name, what] of [
    ['last', 'so many of the last ones'],
    ['daily', 'the last of each of so many days'],
    ['weekly', 'the last of each of so many weeks'],
    ['monthly', 'the last of each of so many months'],
  ] as const)
    prune.addOption(
      new Option(`--keep-${name} <count>`, `here: keep ${what}; who names one --keep-… means no others`).argParser(wholeNumber),
    )
  prune
    .option('-d, --dry-run', 'here: only say what would go')
    .option('--wait', 'on a server: until it is done')
    .option(...yesOption)
    .action(runPrune)
  apiOptions(
    command.command('status').description('print when a server made its last backup, when it makes the next, and what failed'),
  ).action(runStatus)
}
