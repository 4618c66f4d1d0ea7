/** `berth scrub`: reads every blob and compares it with its digest. */
import { InvalidArgumentError, type Command } from 'commander'
import { scrub } from '#main.ts'
import { describeBytes, plural, progressPrinter, withBerth } from './data-command.ts'

interface ScrubFlags {
  readonly rate?: number
  readonly after?: number
}

function parseNumber(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('a whole number is expected')
  return value
}

async function runScrub(source: string | undefined, { rate, after }: ScrubFlags): Promise<void> {
  await withBerth(source, async (berth, signal) => {
    const print = progressPrinter()
    let lastId = after
    try {
      const report = await scrub(berth, {
        signal,
        bytesPerSecond: rate === undefined ? undefined : rate * 1024 * 1024,
        afterId: after,
        onProgress: (progress) => {
          lastId = progress.lastId
          print(() => `${plural(progress.blobs, 'blob')}, ${describeBytes(progress.bytes)} read …`)
        },
      })
      for (const { digest, reason } of report.quarantined) console.log(`${digest}: ${reason}`)
      console.log(
        `${plural(report.blobs, 'blob')} read, ${describeBytes(report.bytes)}; ${report.quarantinedCount} quarantined, ${report.released} found right again`,
      )
      if (report.quarantinedCount > 0) process.exitCode = 1
    } catch (error) {
      if (signal.aborted && lastId !== undefined) console.error(`go on with --after ${lastId}`)
      throw error
    }
  })
}

/** Adds the command to the program. */
export function registerScrub(program: Command): void {
  program
    .command('scrub')
    .description('read every blob and quarantine what does not match its digest; the next push heals it. Status 1 when something was found')
    .argument('[config-or-directory]', 'config.yml of the registry, or its data directory')
    .option('--rate <MiB>', 'MiB a second to read at most', parseNumber)
    .option('--after <id>', 'go on behind this blob, as a stopped scrub says', parseNumber)
    .action(runScrub)
}
