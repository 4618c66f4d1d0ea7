/** `berth import`: adopts the data directory of registry:2 in place, without serving. */
import { Option, type Command } from 'commander'
import { importRegistry2, refuseForeignStore, requireRegistry2 } from '#main.ts'
import { describeBytes, loadSource, plural, progressPrinter, withBerth } from './data-command.ts'

interface ImportFlags {
  readonly verify: 'size' | 'digest'
  readonly dryRun?: boolean
}

type Report = Awaited<ReturnType<typeof importRegistry2>>

async function runImport(source: string | undefined, { verify, dryRun = false }: ImportFlags): Promise<void> {
  const importInto = async (berth: Parameters<typeof importRegistry2>[0], signal: AbortSignal) => {
    const print = progressPrinter()
    const report = await importRegistry2(berth, {
      verify,
      dryRun,
      signal,
      onProgress: ({ phase, tally }) => print(() => progressLine(phase, tally)),
      onProblems: (problems) => problems.forEach(({ text }) => console.error(text)),
    })
    for (const line of dryRun ? foundLines(report) : adoptedLines(report)) console.log(line)
    console.log(`  problems      ${Object.values(report.problems).reduce((sum, count) => sum + count, 0)}`)
    for (const [kind, count] of Object.entries(report.problems)) console.log(`    ${kind.padEnd(20)} ${count}`)
  }
  const requirePlace = async (config: Parameters<typeof requireRegistry2>[0]) => {
    await requireRegistry2(config)
    // A dry run has a database of its own, and would not see what refuses the import.
    if (dryRun) await refuseForeignStore((await loadSource(source)).config)
  }
  await withBerth(source, importInto, { withoutDatabase: dryRun, mayMake: true, requirePlace })
}

function progressLine(phase: string, tally: Report['tally']): string {
  if (phase !== 'repositories') return `${plural(tally.blobsVerified, 'blob')} read …`
  return `${tally.repositories} repositories, ${plural(tally.manifests, 'manifest')}, ${plural(tally.tags, 'tag')}, ${plural(tally.links, 'blob link')} …`
}

function foundLines({ tally }: Report): string[] {
  return [
    'found, and nothing written:',
    `  repositories  ${tally.repositories}`,
    `  manifests     ${tally.manifests}`,
    `  tags          ${tally.tags}`,
    `  blob links    ${tally.links}`,
  ]
}

function adoptedLines({ tally, isResumed, durationMs }: Report): string[] {
  return [
    `adopted in ${(durationMs / 1000).toFixed(1)} s${isResumed ? ' (numbers include the run that was stopped)' : ''}:`,
    `  repositories  ${tally.repositories}`,
    `  manifests     ${tally.manifests} (${tally.manifestsAdded} new)`,
    `  tags          ${tally.tags} (${tally.tagsAdded} new, ${tally.tagsMoved} moved, ${tally.tagsKept} kept as set in Berth)`,
    `  blob links    ${tally.links} (${tally.blobsAdded} new blobs, ${describeBytes(tally.bytesAdded)})`,
    ...(tally.blobsVerified > 0 ? [`  blobs read    ${tally.blobsVerified}`] : []),
  ]
}

/** Adds the command to the program. */
export function registerImport(program: Command): void {
  const verify = new Option('--verify <what>', 'compare the sizes of blobs, or read all their bytes; manifests are always read')
  program
    .command('import')
    .description('adopt the data directory of registry:2 where it is: nothing is copied, moved or changed')
    .argument('[config-or-directory]', 'config.yml of the registry, or its data directory')
    .addOption(verify.choices(['size', 'digest']).default('size'))
    .option('--dry-run', 'only look and report')
    .action(runImport)
}
