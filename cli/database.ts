/** `berth database copy`: moves the rows of an installation from SQLite to PostgreSQL. */
import { access, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { describeDatabase } from '#config/database-place.ts'
import { loadConfig } from '#config/load.ts'
import { parsePostgresUrl } from '#config/postgres-url.ts'
import { copyDatabase } from '#main.ts'
import { CommandFailure, NothingThere } from './command-failure.ts'
import { plural, progressPrinter } from './data-command.ts'

interface CopyFlags {
  readonly from: string
  readonly to: string
  readonly passwordFile?: string
  readonly json?: boolean
}

type Plan = Parameters<typeof copyDatabase>[0]

/** Where to, as config.yml would have it, so that a URL means the same in both. */
async function planOf({ from, to, passwordFile }: CopyFlags): Promise<Plan> {
  const parsed = parsePostgresUrl(to)
  if ('fault' in parsed) throw new CommandFailure(`--to ${parsed.fault}: expected postgres://user@host:5432/database`)
  const environment = {
    REGISTRY_DATABASE_URL: to,
    ...(passwordFile !== undefined && { REGISTRY_DATABASE_PASSWORDFILE: passwordFile }),
  }
  const { config } = await loadConfig({ file: undefined, environment, cwd: process.cwd() })
  return { from: await fileOf(resolve(from)), to: config }
}

/** A data directory stands for the database in it. */
async function fileOf(path: string): Promise<string> {
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
  const file = isDirectory ? join(path, 'berth.db') : path
  await access(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR')
      throw new NothingThere(
        `${file} cannot be read (${error.code}): name the file of SQLite, berth.db, or the data directory that it is in`,
      )
  })
  return file
}

async function runCopy(flags: CopyFlags): Promise<void> {
  const plan = await planOf(flags)
  const place = describeDatabase(plan.to.database)
  const controller = new AbortController()
  const stop = () => controller.abort(new Error('stopped; run the same command again to go on'))
  process.once('SIGINT', stop).once('SIGTERM', stop)
  const print = progressPrinter()
  try {
    const report = await copyDatabase(plan, {
      signal: controller.signal,
      onProgress: ({ phase, table, rows, ofRows }) =>
        print(() => `${phase === 'copy' ? 'copying' : 'comparing'} ${table}: ${rows.toLocaleString('en')} of ${plural(ofRows, 'row')} …`),
    })
    if (flags.json === true) return console.log(JSON.stringify({ from: plan.from, to: place, ...report }))
    for (const { table, rows, sha256 } of report.tables)
      if (rows > 0) console.log(`${table.padEnd(20)} ${String(rows).padStart(10)}  ${sha256}`)
    if (report.textsChanged > 0)
      console.log(`${plural(report.textsChanged, 'text')} had U+0000, which PostgreSQL does not take, and has U+FFFD in its place now`)
    if (report.seals > 0) console.log(`${plural(report.seals, 'seal')} of the audit log were made anew, as texts under them were changed`)
    const how = report.isResumed ? 'copied, going on where an earlier run ended' : 'copied'
    console.log(`${plural(report.rows, 'row')} ${how}, and found to be the same in ${place}, in ${(report.durationMs / 1000).toFixed(1)} s`)
    console.log('set database.url in config.yml, and start: the file of SQLite is not used any more')
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

/** Adds the command to the program. */
export function registerDatabase(program: Command): void {
  const database = program.command('database').description('the database of a registry that is stopped')
  database
    .command('copy')
    .description(
      'copy all rows from SQLite into an empty database of PostgreSQL, and compare both. Goes on where it was stopped; changes nothing in the source',
    )
    .requiredOption('--from <file>', 'the file of SQLite, berth.db, or the data directory that it is in; no server may run on it')
    .requiredOption('--to <url>', 'postgres://user@host:5432/database, as database.url; an empty database for Berth alone')
    .option('--password-file <file>', 'file with the password of the user in the URL, as database.passwordfile')
    .option('--json', 'print what was copied as JSON')
    .action(runCopy)
}
