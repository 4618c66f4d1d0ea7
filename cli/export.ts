/** `berth export`: writes what is in the registry in the layout of another, so that nobody is locked in. */
import { resolve } from 'node:path'
import { Option, type Command } from 'commander'
import { exportRegistry2 } from '#main.ts'
import { describeBytes, progressPrinter, withBerth } from './data-command.ts'

interface ExportFlags {
  readonly force?: boolean
}

async function runExport(directory: string, source: string | undefined, { force = false }: ExportFlags): Promise<void> {
  await withBerth(source, async (berth, signal) => {
    const print = progressPrinter()
    const { tally, problems, durationMs } = await exportRegistry2(berth, {
      directory: resolve(directory),
      force,
      signal,
      onProgress: (so) => print(() => `${so.repositories} repositories, ${so.manifests} manifests, ${so.layerLinks} blob links …`),
      onProblems: (found) => {
        for (const { text } of found) console.error(text)
      },
    })
    console.log(`exported in ${(durationMs / 1000).toFixed(1)} s:`)
    console.log(`  repositories  ${tally.repositories}`)
    console.log(`  manifests     ${tally.manifests}`)
    console.log(`  tags          ${tally.tags}`)
    const bytes = describeBytes(tally.bytesCopied)
    console.log(
      `  blobs         ${tally.blobsLinked} hard-linked, ${tally.blobsCopied} copied (${bytes}), ${tally.blobsKept} there already`,
    )
    for (const [kind, count] of Object.entries(problems)) console.log(`  ${kind.padEnd(20)} ${count}`)
  })
}

/** Adds the command to the program. */
export function registerExport(program: Command): void {
  program
    .command('export')
    .description('write all images into a directory that another registry can serve; works while Berth serves')
    .addOption(new Option('--layout <layout>', 'layout of the directory').choices(['registry2']).makeOptionMandatory())
    .option('--force', 'write into a directory that is neither empty nor an earlier export')
    .argument('<directory>', 'where to write; on the file system of the data, blobs are hard links')
    .argument('[config-or-directory]', 'config.yml of the registry, or its data directory')
    .action(runExport)
}
