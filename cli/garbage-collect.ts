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

type GarbageReport = Awaited<ReturnType<typeof collectGarbage>>

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
    if (now !== true)
      console.log(waitingLine(await collectGarbage(berth, { signal, deleteUntagged, dryRun: true, immediately: true }), dryRun))
  })
}

/** What nothing references and is kept for a while all the same, with the reason and the way around it. */
function waitingLine({ manifests, blobs, keys, freedBytes }: GarbageReport, isDryRun: boolean): string {
  if (manifests + blobs + keys === 0) return 'nothing else waits to be deleted'
  const of = isDryRun ? ' (what would go now included)' : ''
  return (
    `${plural(manifests, 'manifest')}, ${plural(blobs, 'blob')} and ${plural(keys, 'file')} of ${describeBytes(freedBytes)} wait${of}: a push under way may rely on what lost ` +
    `its last reference less than storage.garbagedelay ago, a pull on files until an hour later. Blobs and files then go by themselves while Berth ` +
    `serves, untagged manifests by the next -m; --now takes all at once, while no server runs`
  )
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
