/** `berth recover`: a store whose database is lost gets another one. */
import { InvalidArgumentError, type Command } from 'commander'
import { open, recoverFrom } from '#main.ts'
import { CommandFailure } from './command-failure.ts'
import { configOf, plural, progressPrinter, withSignal } from './data-command.ts'
import { printJson } from './print.ts'
import { confirm, yesOption } from './prompt.ts'

/** What is in no journal. */
const unknown = [
  'accounts, groups, roles, grants, robots, tokens and identity providers: the first start makes an admin, as of a fresh registry',
  'settings of projects (who may see them, quotas, rules, retention policies, labels): projects come back private and without any',
  'what was in the trash, the history of tags, pull statistics, the audit log, and uploads that were under way',
  'the keys under which secrets were sealed are of no use any more: nothing is sealed',
]

type OtherDatabase = Parameters<NonNullable<Parameters<typeof recoverFrom>[1]['onTakeOver']>>[0]
type Recovery = Awaited<ReturnType<typeof recoverFrom>>

interface RecoverFlags {
  readonly yes?: boolean
  readonly json?: boolean
  readonly epoch?: readonly number[]
  readonly skipDamaged?: boolean
}

/** An option that may be given several times. */
function collectEpoch(text: string, before: readonly number[] = []): readonly number[] {
  if (!/^[1-9]\d{0,7}$/.test(text)) throw new InvalidArgumentError('the number of an epoch is expected, such as 3')
  return [...before, Number(text)]
}

const reasons = {
  unfinished: 'not read: it did not come to the end of its beginning, and says nothing',
  'not chosen': 'not read: others were chosen',
} as const

/** Which journals there are, where that is more than one. */
function printEpochs(epochs: Recovery['epochs']): void {
  if (epochs.length < 2) return
  console.log(`the journal has ${epochs.length} epochs, oldest first:`)
  for (const { epoch, baseAt, use, replacedBy, repositories, manifests, tags } of epochs) {
    const since = baseAt === undefined ? '' : ` (written anew at ${new Date(baseAt).toISOString()})`
    const told = `${repositories} ${repositories === 1 ? 'repository' : 'repositories'}, ${plural(manifests, 'manifest')}, ${plural(tags, 'tag')} that none before it had`
    const what = use === 'read' ? told : use === 'replaced' ? `not read: epoch ${replacedBy} has what it says` : reasons[use]
    console.log(`  epoch ${epoch}${since}: ${what}`)
  }
  if (epochs.filter(({ use }) => use === 'read').length > 1)
    console.log(
      'They are of several databases, and the newest that one of them says holds. What one deleted may come back from another: --epoch chooses',
    )
}

async function runRecover(source: string | undefined, { json, epoch, skipDamaged, yes }: RecoverFlags): Promise<void> {
  if (source === undefined && (process.env['REGISTRY_CONFIGURATION_PATH'] ?? '') === '')
    throw new CommandFailure('name the config.yml of the registry, or its data directory')
  await withSignal(async (signal) => {
    const print = progressPrinter()
    const onTakeOver = async ({ path, writtenAt }: OtherDatabase) =>
      await confirm(
        `${path} is the mark of another database, which wrote to its journal last at ${new Date(writtenAt).toISOString()}. A server that still runs with that one takes no push any more from then on. Is it lost, and is another one to be made for this store?`,
        { yes },
      )
    const onStep = (text: string) => print(() => `${text} …`)
    const found = await recoverFrom(await configOf(source), { open, signal, epochs: epoch, skipsDamaged: skipDamaged, onStep, onTakeOver })
    if (found.missing.length + found.problems.length > 0) process.exitCode = 1
    if (json === true)
      return printJson({ ...found, epochs: found.epochs.map(({ baseAt, ...told }) => ({ ...told, ...instant(baseAt) })), unknown })
    const { projects, repositories, manifests, tags, blobs, moved, missing, problems } = found
    console.log(
      `recovered ${repositories} ${repositories === 1 ? 'repository' : 'repositories'} in ${plural(projects, 'project')}: ${plural(manifests, 'manifest')}, ${plural(tags, 'tag')}, ${plural(blobs, 'blob')}`,
    )
    printEpochs(found.epochs)
    if (moved > 0) console.log(`${plural(moved, 'blob')} found under another key than the journal says`)
    if (missing.length > 0)
      console.log(
        `${plural(missing.length, 'blob')} ${missing.length === 1 ? 'is' : 'are'} not in the store, and missing until pushed again:`,
      )
    for (const digest of missing) console.log(`  ${digest}`)
    for (const problem of problems) console.log(problem)
    console.log('What no journal knows, and is not there any more:')
    for (const sentence of unknown) console.log(`  ${sentence}`)
    console.log('The bytes were looked for by their size: berth scrub reads them')
  })
}

function instant(baseAt: number | undefined): { readonly baseAt?: string } {
  return baseAt === undefined ? {} : { baseAt: new Date(baseAt).toISOString() }
}

/** Adds the command to the program. */
export function registerRecover(program: Command): void {
  program
    .command('recover')
    .description(
      'make the database of a store again from the journal in it, where that database and its backups are lost: repositories, manifests and tags. It says what it cannot know. Status 1 when something is missing',
    )
    .argument(
      '[config-or-directory]',
      'config.yml of the registry, or its data directory; the database that it names must be empty, or not there',
    )
    .option(
      '--epoch <number>',
      'read this epoch of the journal, and no other that is not named too; without it all are read whose place no newer one took',
      collectEpoch,
    )
    .option('--skip-damaged', 'go on without files of the journal that are missing or cannot be read, and name them')
    .option(...yesOption)
    .option('--json', 'print what was made as JSON')
    .action(runRecover)
}
