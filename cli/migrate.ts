/** `berth migrate status|up`: how far the schema of the database is, and bringing it to this version's before a server does. */
import type { Command } from 'commander'
import { describeDatabase } from '#config/database-place.ts'
import { adviceOnCopy, migrateDatabase, readMigrationState } from '#main.ts'
import { configOf, isDirectory, plural, requireData } from './data-command.ts'

async function runStatus(source: string | undefined): Promise<void> {
  const config = await configOf(source)
  const state = await readMigrationState(config)
  const place = describeDatabase(config.database)
  if (state === undefined) {
    console.log(`${place} is not there: the first start makes it`)
    return
  }
  for (const name of state.applied) console.log(`${name}  ${howApplied(state, name)}`)
  for (const name of state.missing) console.log(`${name}  missing`)
  if (!state.mayServe) {
    const newer = 'was changed by a newer version, and this one must not run on it: start that version, or a newer one'
    console.error(`${place}: ${adviceOnCopy(state) ?? newer}`)
    process.exitCode = 1
  } else if (state.missing.length > 0) {
    console.error(`${plural(state.missing.length, 'migration')} missing: berth migrate up applies them, and so does the next start`)
    process.exitCode = 1
  }
}

function howApplied(state: { readonly unknown: readonly string[] }, name: string): string {
  if (!state.unknown.includes(name)) return 'applied'
  return adviceOnCopy(state) === undefined ? 'applied by a newer version' : 'a copy is under way'
}

async function runUp(source: string | undefined): Promise<void> {
  const config = await configOf(source)
  // A database is made by the first start. In a directory that was mistyped none is.
  if (await isDirectory(source)) await requireData(config)
  const before = await readMigrationState(config)
  await migrateDatabase(config)
  const done = before?.missing.length ?? (await readMigrationState(config))?.applied.length ?? 0
  console.log(done === 0 ? 'nothing is missing' : `${plural(done, 'migration')} applied to ${describeDatabase(config.database)}`)
}

const configOrDirectory = ['[config-or-directory]', 'config.yml of the registry, or its data directory'] as const

/** Adds the command to the program. */
export function registerMigrate(program: Command): void {
  const migrate = program.command('migrate').description('the schema of the database')
  migrate
    .command('status')
    .description('list the migrations; ends with 1 when some are missing, or when this version must not run on the schema. Changes nothing')
    .argument(...configOrDirectory)
    .action(runStatus)
  migrate
    .command('up')
    .description('apply what is missing, all or nothing. Works beside running servers of the version before')
    .argument(...configOrDirectory)
    .action(runUp)
}
