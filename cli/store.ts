/** `berth store`: the place where the bytes of blobs are. */
import type { Command } from 'commander'
import { withBerth } from './data-command.ts'

async function runAccept(source: string | undefined): Promise<void> {
  const accept = async ({ config }: Parameters<Parameters<typeof withBerth>[1]>[0]) =>
    console.log(
      `${config.storage.rootDirectory ?? 'memory'} is the store of this database from now on: berth scrub says whether all of it is there`,
    )
  await withBerth(source, accept, { acceptsStore: true })
}

/** Adds the command to the program. */
export function registerStore(program: Command): void {
  const store = program.command('store').description('the place where the bytes of blobs are')
  store
    .command('accept')
    .description(
      'take what lies in the data directory as the store of the database, after a restore that left out blobs/.berth-store. A server that runs goes on by itself',
    )
    .argument('[config-or-directory]', 'config.yml of the registry, or its data directory')
    .action(runAccept)
}
