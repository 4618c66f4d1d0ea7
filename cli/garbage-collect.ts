/**
 * `berth garbage-collect`: on a running server, as a job of its own; and `registry garbage-collect config.yml`, with registry:2's arguments, on the data,
 * beside a running server too. What is named tells the two apart: a config.yml or a data directory means the data, and so do REGISTRY_CONFIGURATION_PATH,
 * --now and --quiet; else it is the server of --server, BERTH_SERVER or the last login. `status` is told apart in the same way.
 */
import type { Command } from 'commander'
import { reasonOf } from '#lib/reason-of.ts'
import { collectGarbage, readGarbageStatus, readWaitingUntagged } from '#main.ts'
import { CommandFailure, WrongUsage } from './command-failure.ts'
import { describeBytes, plural, waits, withBerth } from './data-command.ts'
import { dataArgument } from './data-meant.ts'
import { showDefaultVerb } from './default-verb.ts'
import { printable } from './print.ts'

interface GarbageFlags {
  readonly dryRun?: boolean
  readonly deleteUntagged?: boolean
  readonly sweep?: boolean
  readonly quiet?: boolean
  readonly now?: boolean
  readonly wait?: boolean
  readonly server?: string
  readonly ca?: string
  readonly json?: boolean
}

type GarbageReport = Awaited<ReturnType<typeof collectGarbage>>

/** Whether the arguments are about data, not about a server. Throws a sentence when they are about both. */
export function isAboutData(source: string | undefined, flags: GarbageFlags, environment: NodeJS.ProcessEnv): boolean {
  const { server, wait, json, ca } = flags
  const named = source !== undefined || flags.now === true || flags.quiet === true
  const isAboutServer = server !== undefined || wait === true || json === true || ca !== undefined
  if (named && isAboutServer)
    throw new WrongUsage('a configuration, a directory, --now and --quiet are about data; --server, --wait, --json and --ca about a server')
  return named || (!isAboutServer && (environment['REGISTRY_CONFIGURATION_PATH'] ?? '') !== '')
}

async function runGarbageCollect(source: string | undefined, flags: GarbageFlags): Promise<void> {
  if (isAboutData(source, flags, process.env)) return await collectFromData(source, flags)
  // The HTTP client and its schemas take a tenth of a second, which the work on data has no use for.
  const { collectOnServer } = await import('./garbage-run.ts')
  await collectOnServer(flags)
}

async function collectFromData(source: string | undefined, { dryRun = false, deleteUntagged, quiet, now }: GarbageFlags): Promise<void> {
  await withBerth(source, async (berth, signal) => {
    const failures: string[] = []
    const onFailed = (key: string, error: unknown) => {
      if (failures.length < toldFailures) failures.push(`${key}: ${reasonOf(error)}`)
    }
    const report = await collectGarbage(berth, { signal, dryRun, deleteUntagged, sweep: true, immediately: now, onFailed })
    if (quiet === true) {
      requireAllDeleted(report, failures.join('; '))
      return
    }
    for (const line of reportLines({ ...report, dryRun, waitsForReaders: now !== true })) console.log(line)
    if (now !== true) {
      const waiting = { signal, deleteUntagged, sweep: dryRun, dryRun: true, immediately: true }
      const all = await collectGarbage(berth, waiting)
      console.log(waitingLine(without(all, dryRun ? report : { ...nothing, keys: report.failedKeys })))
      const untagged = await readWaitingUntagged(berth)
      if (deleteUntagged === true && untagged.until !== undefined) console.log(untaggedLine(untagged))
    }
    const { trash } = await readGarbageStatus(berth)
    if (trash.count > 0) console.log(trashLine({ ...trash, data: source ?? berth.config.file ?? berth.config.storage.rootDirectory }))
    requireAllDeleted(report, failures.join('; '))
  })
}

const toldFailures = 10

/** Throws a sentence where bytes are left. `where` tells which: an older server counts none. */
export function requireAllDeleted({ failedKeys = 0 }: Partial<GarbageReport>, where: string): void {
  if (failedKeys > 0)
    throw new CommandFailure(
      `${plural(failedKeys, 'file')} could not be deleted, which the next collection tries again: ${printable(where)}`,
    )
}

/** What a run did, or would do, in two lines. What is counted of blobs that would go is freed by a later run, when nobody can still be reading them. */
export function reportLines(report: GarbageReport & { readonly dryRun: boolean; readonly waitsForReaders?: boolean }): readonly string[] {
  const { dryRun, manifests, links, blobs, keys, freedBytes, waitsForReaders = true } = report
  const isLater = dryRun && waitsForReaders && blobs > 0 && keys > 0
  const verb = dryRun ? 'would delete' : 'deleted'
  const left = links === blobs ? '' : ` (${plural(links, 'blob')} ${dryRun ? 'would leave' : 'left'} a repository that did not need them)`
  return [
    `${verb} ${plural(manifests, 'manifest')} and ${plural(blobs, 'blob')}${left}`,
    `${dryRun ? 'would free' : 'freed'} ${describeBytes(freedBytes)} in ${plural(keys, 'file')}${isLater ? ', those of blobs that would go after storage.readersdelay' : ''}`,
  ]
}

type Waiting = Pick<GarbageReport, 'manifests' | 'blobs' | 'keys' | 'freedBytes'>

const nothing: Waiting = { manifests: 0, blobs: 0, keys: 0, freedBytes: 0 }

/** Of what goes sooner or later, what does not go now, and what could not. */
function without(all: GarbageReport, now: Waiting): Waiting {
  const rest = (member: keyof Waiting) => Math.max(0, all[member] - now[member])
  return { manifests: rest('manifests'), blobs: rest('blobs'), keys: rest('keys'), freedBytes: rest('freedBytes') }
}

/** Manifests that nothing keeps and that were not taken all the same. */
export function untaggedLine({ manifests, bytes, until }: Untagged): string {
  const first = manifests === 1 ? '' : ', the first of them'
  const instant = new Date(until ?? 0).toISOString()
  return `${waits(manifests, 'untagged manifest', `of up to ${describeBytes(bytes)}`)}${first} until ${instant}: a push may still rely on what lost its tag lately`
}

interface Untagged {
  readonly manifests: number
  readonly bytes: number
  /** As the API or the server tell time. */
  readonly until: number | string | null | undefined
}

/** What nothing references and is kept for a while all the same, with the reason and the way around it. */
function waitingLine({ manifests, blobs, keys, freedBytes }: Waiting): string {
  if (manifests + blobs + keys === 0) return 'nothing else waits to be deleted'
  return (
    `${plural(manifests, 'manifest')}, ${plural(blobs, 'blob')} and ${plural(keys, 'file')} of ${describeBytes(freedBytes)} wait: a push under way may rely on what lost ` +
    `its last reference less than storage.garbagedelay ago, a pull on files until storage.readersdelay later. Blobs and files then go by themselves while ` +
    `Berth serves, untagged manifests by the next -m or as their project says; --now takes all at once, while no server runs`
  )
}

/** What can be restored is no garbage yet. */
export function trashLine({
  count,
  bytes,
  data,
}: {
  readonly count: number
  readonly bytes: number
  readonly data?: string | undefined
}): string {
  const on = data === undefined ? '' : ` ${data}`
  const by = data === undefined ? '' : ` --data ${data}`
  return (
    `the trash holds ${plural(count, 'deletion')} of up to ${describeBytes(bytes)}, which stay until storage.trash.window after they were deleted: ` +
    `berth trash list${on} shows them, berth trash delete${by} ends them at once`
  )
}

/** Adds the command to the program. */
export function registerGarbageCollect(program: Command): void {
  const command = program.command('garbage-collect').description('bytes and manifests that nothing needs: delete them, see what there is')
  const run = command
    .command('run', { isDefault: true })
    .description(
      'delete what nothing references any more (the verb may be left out): on a server, or on the data that a configuration names; safe while Berth serves',
    )
    .argument('[config-or-directory]', 'config.yml of the registry, or its data directory; without, a server is asked')
    .option('-d, --dry-run', 'only count what would go')
    .option('-m, --delete-untagged', 'delete manifests that no tag, index or subject keeps, too')
    .option('--sweep', 'on a server: look for what an import brought and nothing needs, too; on data that is always done')
    .option('-q, --quiet', 'on data: print nothing')
    .option('--now', 'on data: wait for no grace time and no reader: only while no server runs')
    .option('--wait', 'on a server: follow the run until it ends')
    .option('--server <url>', 'the server; else BERTH_SERVER, else the one that berth login was last used with')
    .option('--ca <file>', 'trust the certificate authority in this PEM file, too')
    .option('--json', 'print the answer of the server as JSON')
    .action(runGarbageCollect)
  showDefaultVerb(command, run)
  command
    .command('status')
    .description('print what there is to free, when, and what was freed: on a server, or of the data that a configuration names')
    .argument(...dataArgument)
    .option('--server <url>', 'the server; else BERTH_SERVER, else the one that berth login was last used with')
    .option('--ca <file>', 'trust the certificate authority in this PEM file, too')
    .option('--json', 'print the answer as JSON')
    .action(async (source: string | undefined, flags: Pick<GarbageFlags, 'server' | 'ca' | 'json'>) => {
      const { showStatus, showStatusOfData } = await import('./garbage-run.ts')
      const { json = false, ...ofServer } = flags
      if (isAboutData(source, ofServer, process.env)) await showStatusOfData(source, json)
      else await showStatus(flags)
    })
}
