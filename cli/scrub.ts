/**
 * `berth scrub`: proves what is stored. Against a server it begins a pass there; with a configuration or a directory it makes one here, beside a running
 * server too.
 */
import { InvalidArgumentError, Option, type Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import * as routes from '#api/routes/scrub.ts'
import { scrub } from '#main.ts'
import { apiOptions, chooseServer, withClient, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { describeBytes, plural, progressPrinter, withBerth } from './data-command.ts'
import { showDefaultVerb } from './default-verb.ts'
import { followJob, requireDone } from './follow-job.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { printFacts, printRows } from './print.ts'
import { confirm, yesOption } from './prompt.ts'

interface LocalFlags {
  readonly rate?: number
  readonly after?: number
}

interface ScrubFlags extends LocalFlags, ApiFlags {
  readonly wait?: boolean
  readonly full?: boolean
  readonly sample?: number
}

function parseNumber(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('a whole number is expected')
  return value
}

async function runScrub(source: string | undefined, flags: ScrubFlags): Promise<void> {
  const namesServer = flags.server !== undefined || flags.wait === true || flags.full === true || flags.sample !== undefined
  if (source !== undefined && namesServer)
    throw new WrongUsage('--server, --wait, --full and --sample are for a server: leave the configuration or directory out')
  if (source === undefined && (namesServer || (await knowsServer(flags)))) await scrubThere(flags)
  else await scrubHere(source, flags)
}

/** Whether there is a server to ask where nothing else is named. */
async function knowsServer(flags: ApiFlags): Promise<boolean> {
  if (process.env['REGISTRY_CONFIGURATION_PATH'] !== undefined) return false
  const chosen = await chooseServer(flags).catch(() => undefined)
  return chosen !== undefined
}

async function scrubThere(flags: ScrubFlags): Promise<void> {
  if (flags.rate !== undefined || flags.after !== undefined)
    throw new WrongUsage('--rate and --after are for a configuration or directory; a server has scrub.rate, and goes on by itself')
  await withClient(flags, async ({ client, print }) => {
    const body = { ...(flags.full === true && { full: true }), ...(flags.sample !== undefined && { sample: flags.sample }) }
    const started = await client.call(routes.startScrub, { body })
    if (flags.wait !== true) {
      print(started, () =>
        console.log(
          `job ${started.job} ${started.isNew ? 'begins' : 'is under way already'}: follow it with berth job watch ${started.job}`,
        ),
      )
      return
    }
    requireDone(await followJob(client, started.job))
    const status = await client.call(routes.readScrub)
    print(status, () => printStatus(status))
    if (status.findings.length > 0) process.exitCode = 1
  })
}

function isOfBlob(kind: string): boolean {
  return kind === 'missing' || kind === 'damaged'
}

async function scrubHere(source: string | undefined, { rate, after }: LocalFlags): Promise<void> {
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
        onFinding: ({ kind, key, digest, detail }, isNew) => {
          const known = isNew ? '' : ' (known before)'
          console.log(isOfBlob(kind) ? `${digest}: ${detail}${known}` : `${kind} ${key}: ${detail}${known}`)
        },
      })
      const wrong = report.findings.reduce((sum, { count }) => sum + count, 0)
      const damaged = report.findings.filter(({ kind }) => isOfBlob(kind)).reduce((sum, { count }) => sum + count, 0)
      console.log(
        `${plural(report.blobs, 'blob')} read, ${describeBytes(report.bytes)}; ${report.quarantined} quarantined, ${report.released} found right again`,
      )
      console.log(
        wrong === 0
          ? 'Nothing is known to be wrong.'
          : `Wrong now: ${plural(damaged, 'blob')} missing or damaged, ${plural(wrong - damaged, 'other finding')}`,
      )
      console.log(`${plural(report.manifests, 'manifest')}, ${plural(report.tags, 'tag')} and ${plural(report.keys, 'file')} looked at`)
      if (wrong > 0) process.exitCode = 1
    } catch (error) {
      if (signal.aborted && lastId !== undefined) console.error(`go on with --after ${lastId}`)
      throw error
    }
  })
}

function printStatus({ last, current, nextAt, findings }: ResponseOf<typeof routes.readScrub>): void {
  printFacts({
    'Last pass': last === null ? 'none' : `${last.startedAt} to ${last.endedAt}`,
    ...(last !== null && {
      'Looked at': `${plural(last.blobs, 'blob')}, ${plural(last.manifests, 'manifest')}, ${plural(last.tags, 'tag')}, ${plural(last.keys, 'file')}`,
      Read: `${describeBytes(last.bytes)}, the bytes of ${last.sample === 100 ? 'all' : `${last.sample} % of the`} blobs`,
      'Put in quarantine': last.quarantined,
      'Right again': last.released,
    }),
    'Under way': current === null ? 'no' : `job ${current.job}, ${current.state}`,
    'Next pass': nextAt ?? 'not by itself',
  })
  if (findings.length === 0) console.log('Nothing is known to be wrong.')
  else
    printRows(
      ['WRONG NOW', 'COUNT', 'SIZE'],
      findings.map(({ kind, count, sizeBytes }) => [kind, count, describeBytes(sizeBytes)]),
    )
}

function showStatus(flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const status = await client.call(routes.readScrub)
    print(status, () => printStatus(status))
  })
}

interface Filter {
  readonly kind?: string
  readonly resolved?: boolean
}

function listFindings(flags: ListFlags & Filter): Promise<void> {
  const { kind, resolved } = flags
  return withClient(flags, ({ client }) =>
    printPages(readPages(client, routes.listScrubFindings, flags, { query: { kind, resolved } }), flags, {
      columns: ['KIND', 'KEY', 'SIZE', 'FOUND', resolved === true ? 'GONE' : 'SEEN', 'DETAIL'],
      row: (found) => [found.kind, found.key, found.sizeBytes, found.foundAt, found.resolvedAt ?? found.seenAt, found.detail],
    }),
  )
}

function deleteOrphans(flags: ApiFlags & { readonly yes?: boolean; readonly wait?: boolean }): Promise<void> {
  return withClient(flags, async ({ client, print, server }) => {
    const { findings } = await client.call(routes.readScrub)
    const { count = 0, sizeBytes = 0 } = findings.find(({ kind }) => kind === 'orphan') ?? {}
    await confirm(`Delete ${plural(count, 'orphan')} (${describeBytes(sizeBytes)}) of ${server} for good?`, flags)
    const started = await client.call(routes.deleteOrphans)
    if (flags.wait === true) {
      const ended = await followJob(client, started.job)
      requireDone(ended)
      const { keys = 0, sizeBytes: freed = 0 } = (ended.result ?? {}) as { readonly keys?: number; readonly sizeBytes?: number }
      print(ended, () => console.log(`${plural(keys, 'orphan')} noted: garbage collection frees ${describeBytes(freed)} in its next turn`))
    } else print(started, () => console.log(`job ${started.job} begins: follow it with berth job watch ${started.job}`))
  })
}

/** Adds the commands to the program. */
export function registerScrub(program: Command): void {
  const command = program.command('scrub').description('prove what is stored: files against rows, bytes against digests')
  const run = apiOptions(
    command
      .command('run', { isDefault: true })
      .description(
        'make a pass (the verb may be left out); what is wrong is quarantined, and the next push heals it. Status 1 when something is wrong',
      )
      .argument(
        '[config-or-directory]',
        'scrub here, with the config.yml of a registry or its data directory; else the server begins a pass',
      )
      .option('--wait', 'of a server: until the pass has ended')
      .option('--full', 'of a server: read all bytes, whatever scrub.sample says')
      .option('--sample <percent>', 'of a server: of a hundred blobs, read the bytes of so many', parseNumber)
      .option('--rate <MiB>', 'here: MiB a second to read at most', parseNumber)
      .option('--after <id>', 'here: go on behind this blob, as a stopped scrub says', parseNumber),
  ).action(runScrub)
  showDefaultVerb(command, run)
  apiOptions(command.command('status').description('print the last pass, the next one, and what is wrong now')).action(showStatus)
  apiOptions(listOptions(command.command('findings').description('list what is wrong, found last first'), routes.listScrubFindings))
    .addOption(new Option('--kind <kind>', 'only this').choices(routes.findingKinds))
    .option('--resolved', 'what is no longer so, instead')
    .action(listFindings)
  const orphans = command.command('orphans').description('bytes in the store that no row names')
  apiOptions(orphans.command('delete').description('delete those that are known and still are orphans'))
    .option('--wait', 'until all are noted for garbage collection')
    .option(...yesOption)
    .action(deleteOrphans)
}
