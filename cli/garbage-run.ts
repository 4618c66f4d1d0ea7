/** `berth garbage-collect` without data of its own: a run on a server, and what there is to free there. */
import { readGarbage, startGarbageRun } from '#api/routes/garbage.ts'
import type { ResponseOf } from '#api/contract.ts'
import { withClient, type ApiFlags } from './api-command.ts'
import { describeGarbage } from '#main.ts'
import { describeBytes, plural, waits, withBerth } from './data-command.ts'
import { followJob, requireDone } from './follow-job.ts'
import { reportLines, requireAllDeleted, trashLine, untaggedLine } from './garbage-collect.ts'
import { printFacts, printJson } from './print.ts'

interface RunFlags extends ApiFlags {
  readonly dryRun?: boolean
  readonly deleteUntagged?: boolean
  readonly sweep?: boolean
  readonly wait?: boolean
}

type Garbage = ResponseOf<typeof readGarbage>

/** Starts a run; with --wait follows it, and prints what it did. */
export async function collectOnServer(flags: RunFlags): Promise<void> {
  const body = {
    ...(flags.dryRun === true && { dryRun: true }),
    ...(flags.deleteUntagged === true && { deleteUntagged: true }),
    ...(flags.sweep === true && { sweep: true }),
  }
  const optionNames = ['server', 'ca', 'json', 'dryRun', 'deleteUntagged', 'sweep', 'wait']
  await withClient({ ...flags, optionNames }, async ({ client, print }) => {
    const started = await client.call(startGarbageRun, { body })
    if (flags.wait !== true) {
      print(started, () =>
        console.log(`job ${started.job} ${started.isNew ? 'collects' : 'collects already'}: berth job watch ${started.job}`),
      )
      return
    }
    const ended = await followJob(client, started.job)
    print(ended, () => undefined)
    requireDone(ended)
    const result = ended.result as Parameters<typeof reportLines>[0]
    if (flags.json !== true) {
      for (const line of reportLines(result)) console.log(line)
      for (const line of statusLines(await client.call(readGarbage, {}), flags)) console.log(line)
    }
    requireAllDeleted(result, `berth job lines ${started.job} tells which and why`)
  })
}

/** The same of data, beside a server or without one. */
export async function showStatusOfData(source: string | undefined, json: boolean): Promise<void> {
  await withBerth(source, async (berth) => {
    const found = await describeGarbage(berth)
    if (json) printJson(found)
    else printFacts(factsOf(found))
  })
}

/** All that the server knows of its garbage. */
export async function showStatus(flags: ApiFlags): Promise<void> {
  await withClient({ ...flags, optionNames: ['server', 'ca', 'json'] }, async ({ client, print }) => {
    const found = await client.call(readGarbage, {})
    print(found, () => printFacts(factsOf(found)))
  })
}

function factsOf({ isExact, queue, oldestDueSeconds, reclaimable, untagged, leaving, trash, freed, lastRun }: Garbage) {
  const least = isExact ? '' : 'at least '
  const some = ({ blobs, bytes }: Garbage['reclaimable']['now']) => `${least}${plural(blobs, 'blob')} of ${describeBytes(bytes)}`
  const files = ({ files: count, bytes }: Garbage['freed']) => `${describeBytes(bytes)} in ${plural(count, 'file')}`
  return {
    'To look at': `${plural(queue.manifests, 'manifest')}, ${plural(queue.links, 'blob')} of repositories, ${plural(queue.blobs, 'blob')} of none`,
    'Due for': `${oldestDueSeconds} s`,
    'Goes now': some(reclaimable.now),
    'Goes later': `${some(reclaimable.later)}, those of now included`,
    'Untagged that wait': `${plural(untagged.manifests, 'manifest')} of up to ${describeBytes(untagged.bytes)}${untagged.until === null ? '' : `, the first until ${untagged.until}`}`,
    'Kept for pulls': files(leaving),
    'In the trash': `${plural(trash.items, 'deletion')} of up to ${describeBytes(trash.bytes)}`,
    'Freed so far': files(freed),
    'Last run':
      lastRun === null ? 'none' : `job ${lastRun.job}, ${lastRun.state}${lastRun.endedAt === null ? '' : `, ended ${lastRun.endedAt}`}`,
  }
}

/** What waits, and why. What a collection of now takes was told by it. */
export function statusLines({ isExact, reclaimable, untagged, leaving, trash }: Garbage, flags: RunFlags = {}): readonly string[] {
  const least = isExact ? '' : 'at least '
  const later = {
    blobs: Math.max(0, reclaimable.later.blobs - reclaimable.now.blobs),
    bytes: Math.max(0, reclaimable.later.bytes - reclaimable.now.bytes),
  }
  const waiting =
    later.blobs === 0
      ? []
      : [`${least}${waits(later.blobs, 'blob', `of ${describeBytes(later.bytes)}`)} for storage.garbagedelay to be over`]
  const manifests = flags.deleteUntagged === true && untagged.until !== null ? [`${least}${untaggedLine(untagged)}`] : []
  const included = flags.dryRun === true ? ' (what would be freed now included)' : ''
  const read =
    leaving.files === 0
      ? []
      : [`${least}${describeBytes(leaving.bytes)} in ${waits(leaving.files, 'file')} for storage.readersdelay to be over${included}`]
  const held = trash.items === 0 ? [] : [trashLine({ count: trash.items, bytes: trash.bytes })]
  const lines = [...manifests, ...waiting, ...read, ...held]
  return lines.length === 0 ? ['nothing else waits to be deleted'] : lines
}
