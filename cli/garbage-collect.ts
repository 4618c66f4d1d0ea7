/** `registry garbage-collect`, with registry:2's arguments. Berth also collects by itself while it serves. */
import type { Command } from 'commander'
import { collectGarbage } from '#main.ts'
import { describeBytes, plural, withBerth } from './data-command.ts'

interface GarbageFlags {
  readonly dryRun?: boolean
  readonly deleteUntagged?: boolean
  readonly quiet?: boolean
  readonly now?: boolean
}

async function runGarbageCollect(source: string | undefined, { dryRun = false, deleteUntagged, quiet, now }: GarbageFlags): Promise<void> {
  await withBerth(source, async (berth, signal) => {
    const { manifests, blobs, keys, freedBytes } = await collectGarbage(berth, {
      signal,
      dryRun,
      deleteUntagged,
      sweep: true,
      immediately: now,
    })
    if (quiet === true) return
    const verb = dryRun ? 'would delete' : 'deleted'
    console.log(`${verb} ${plural(manifests, 'manifest')} and ${plural(blobs, 'blob')}`)
    console.log(`${dryRun ? 'would free' : 'freed'} ${describeBytes(freedBytes)} in ${plural(keys, 'file')}`)
    if (!dryRun && keys < blobs)
      console.log(
        'the bytes of the others go when no request can still be reading them: within an hour, by the running server or the next collection',
      )
  })
}

/** Adds the command to the program. */
export function registerGarbageCollect(program: Command): void {
  program
    .command('garbage-collect')
    .description('delete what nothing references any more; safe while Berth serves')
    .argument('[config-or-directory]', 'config.yml of the registry, or its data directory')
    .option('-d, --dry-run', 'only count what would go')
    .option('-m, --delete-untagged', 'delete manifests that no tag, index or subject keeps, too')
    .option('-q, --quiet', 'print nothing')
    .option('--now', 'wait for no grace time and no reader: only while no server runs')
    .action(runGarbageCollect)
}
