/** `berth restore`: a backup becomes an installation. */
import type { Command } from 'commander'
import { restoreFrom } from '#main.ts'
import { archiveInput } from './archive-input.ts'
import { configOf, describeBytes, plural, progressPrinter, withSignal } from './data-command.ts'
import { printJson } from './print.ts'

interface RestoreFlags {
  readonly from?: string
  readonly id?: string
  readonly keyFile?: string
  readonly keepBlobs?: boolean
  readonly restoreKey?: boolean
  readonly skipDamaged?: boolean
  readonly json?: boolean
}

async function runRestore(source: string | undefined, flags: RestoreFlags): Promise<void> {
  await withSignal(async (signal) => {
    const print = progressPrinter()
    const config = await configOf(source)
    await using archive = flags.from === '-' ? await archiveInput(signal) : undefined
    const report = await restoreFrom({
      config,
      ...(archive === undefined ? { path: flags.from } : { input: archive }),
      keyFile: flags.keyFile,
      id: flags.id,
      mayHaveBlobs: flags.keepBlobs,
      restoresKey: flags.restoreKey,
      skipsDamaged: flags.skipDamaged,
      signal,
      onStep: (text) => print(() => text),
      // With --json, too: a refusal says nothing of them by itself.
      onLost: tellLost,
    })
    if (report.lostCount > 0) process.exitCode = 1
    if (flags.json === true) return printJson({ ...report, madeAt: new Date(report.madeAt).toISOString() })
    tellRestored(report)
  })
}

type Report = Awaited<ReturnType<typeof restoreFrom>>

function tellRestored(report: Report): void {
  const { id, madeAt, rows, textsChanged, blobs, lostCount, proved, secrets } = report
  console.log(
    `backup ${id} of ${new Date(madeAt).toISOString()} is restored: ${plural(rows, 'row')}, ${plural(blobs.count, 'blob')} (${describeBytes(blobs.bytes)})`,
  )
  console.log(`${plural(proved, 'blob')} read back and found right`)
  if (lostCount > 0)
    console.log(
      `${plural(lostCount, 'blob')} could not be given back (named above), missing until pushed again: what scrub finds has them, too`,
    )
  if (blobs.missing > 0)
    console.log(`${plural(blobs.missing, 'blob')} ${blobs.missing === 1 ? 'is' : 'are'} not in the backup: missing until pushed again`)
  if (textsChanged > 0) console.log(`${plural(textsChanged, 'text')} had a character that this database does not take`)
  if (secrets.isKeyRestored) console.log('the file of secrets.keyfile is restored, too')
  if (secrets.count > 0 && !secrets.opens)
    console.log(
      `${plural(secrets.count, 'secret')} in it ${secrets.count === 1 ? 'is' : 'are'} sealed under a key that is not here: put the file of secrets.keyfile back before the start, or berth secrets start-anew`,
    )
}

function tellLost({ digest, detail, neededBy, areMore }: Report['lost'][number]): void {
  console.error([`blob ${digest} ${detail}`, ...(neededBy === undefined ? [] : [neededText(neededBy, areMore)])].join('; '))
}

function neededText(neededBy: readonly string[], areMore: boolean): string {
  return neededBy.length === 0 ? 'no image needs it' : `needed by ${neededBy.join(', ')}${areMore ? ' and others' : ''}`
}

/** Adds the command to the program. */
export function registerRestore(program: Command): void {
  program
    .command('restore')
    .description(
      'make an installation of a backup: into the empty database and store that a configuration names, of whatever kind. A restore that was stopped goes on when it is run again. Status 1 when a blob could not be given back',
    )
    .argument('[config-or-directory]', 'config.yml of the registry to be, or its data directory')
    .option('--from <place>', 'a directory of backups, an archive (.tar), or - for an archive on standard input, in place of backup.store')
    .option('--id <backup>', 'which backup; else the newest')
    .option('--key-file <file>', 'the file of the key that the backups are encrypted with, in place of backup.keyfile')
    .option('--restore-key', 'write the file of secrets.keyfile, where the backup has it and there is none')
    .option(
      '--skip-damaged',
      'go on without blobs that are damaged in the backup, or gone from it: they are named, and missing until pushed again',
    )
    .option('--keep-blobs', 'the store may have blobs: they stay, as bytes that no row names')
    .option('--json', 'print what was done as JSON')
    .action(runRestore)
}
