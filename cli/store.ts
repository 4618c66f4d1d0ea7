/** `berth store`: the place where the bytes of blobs are. */
import type { Command } from 'commander'
import type { Config } from '#config/config.ts'
import { describeStorage } from '#config/storage-place.ts'
import { isStoreUsed, type OpenOptions } from '#main.ts'
import { plural, requireData, withBerth } from './data-command.ts'
import { confirm, yesOption } from './prompt.ts'

type StoreLook = Parameters<NonNullable<OpenOptions['acceptStore']>>[0]

interface AcceptFlags {
  readonly yes?: boolean
  readonly json?: boolean
}

async function runAccept(source: string | undefined, { yes, json = false }: AcceptFlags): Promise<void> {
  const looks: StoreLook[] = []
  const acceptStore = async (look: StoreLook) => {
    looks.push(look)
    const doubts = doubtsOf(look)
    if (doubts.length === 0) return
    if (json && yes !== true && !process.stdin.isTTY) console.log(JSON.stringify({ ...look, accepted: false }))
    await confirm(`${doubts.join(', and ')}. Take what lies there as the store of this database?`, { yes })
  }
  const tell = async ({ config }: Parameters<Parameters<typeof withBerth>[1]>[0]) => {
    const [look, ...others] = looks
    if (json) return console.log(JSON.stringify({ ...look, ...(others.length > 0 && { others }), accepted: true }))
    for (const { path, looked, there } of looks)
      if (looked > 0)
        console.log(`of ${plural(looked, 'blob')} that were looked for ${there} are there${others.length > 0 ? ` (${path})` : ''}`)
    const place = describeStorage(config.storage) ?? 'memory'
    console.log(`${place} is the store of this database from now on: berth scrub says whether all of it is there`)
  }
  await withBerth(source, tell, { acceptStore, mayMake: true, requirePlace })
}

/** A database that was lost may be made anew where its store is. */
async function requirePlace(config: Config): Promise<void> {
  if (!(await isStoreUsed(config))) await requireData(config)
}

/** What speaks against it, for people. */
function doubtsOf({ path, mark, holds, looked, there }: StoreLook): readonly string[] {
  return [
    ...(holds === undefined
      ? []
      : [
          `${path} is not there, but ${holds === 'journal' ? 'the journal' : 'blobs'} of a registry, of which this empty database knows nothing (berth recover reads a journal)`,
        ]),
    ...(mark === 'another' ? [`${path} is the mark of another database's store`] : []),
    ...(there * 2 < looked
      ? [`of ${plural(looked, 'blob')} that were looked for ${there === 0 ? 'none is' : `only ${there} are`} there`]
      : []),
  ]
}

/** Adds the command to the program. */
export function registerStore(program: Command): void {
  const store = program.command('store').description('the place where the bytes of blobs are')
  store
    .command('accept')
    .description(
      'take what lies in the data directory, or the bucket, as the store of the database, after a restore that left out blobs/.berth-store; asks when it looks like another. Where the database was lost, berth recover is what is wanted. A server that runs on a data directory goes on by itself',
    )
    .argument('[config-or-directory]', 'config.yml of the registry, or its data directory')
    .option(...yesOption)
    .option('--json', 'print what was found as JSON')
    .action(runAccept)
}
