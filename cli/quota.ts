/** `berth quota`: what projects may use. */
import { InvalidArgumentError, type Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import * as routes from '#api/routes/quotas.ts'
import { parseSize } from '#config/quantity.ts'
import { apiOptions, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { describeBytes } from './data-command.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { printFacts } from './print.ts'
import { confirm, yesOption } from './prompt.ts'

type Quota = ResponseOf<typeof routes.readQuota>
type Unit = 'bytes' | 'repositories' | 'tags'

/** `1.5 GiB of 10 GiB (15 %)`. */
function levelText({ used, ...quota }: Quota, unit: Unit): string {
  const limit = quota[`${unit}Max`]
  const show = (count: number) => (unit === 'bytes' ? describeBytes(count) : String(count))
  if (limit === null) return `${show(used[unit])}, no limit`
  const percent = limit === 0 ? 100 : Math.floor((used[unit] / limit) * 100)
  return `${show(used[unit])} of ${show(limit)} (${percent} %)`
}

/** `bytes, tags`: of what people were warned; null: of nothing. */
function warnedText({ warnedAt }: Quota): string | null {
  const units = (['bytes', 'repositories', 'tags'] as const).filter((unit) => warnedAt[unit] !== null)
  return units.length === 0 ? null : units.join(', ')
}

function printQuota(quota: Quota): void {
  printFacts({
    Project: quota.project,
    Bytes: levelText(quota, 'bytes'),
    'Being uploaded': describeBytes(quota.uploadingBytes),
    Repositories: levelText(quota, 'repositories'),
    Tags: levelText(quota, 'tags'),
    'Warned at': `${quota.warnPercent} %`,
    Warned: warnedText(quota),
    Updated: quota.updatedAt,
  })
}

function list(flags: ListFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    await printPages(readPages(client, routes.listQuotas, flags), flags, {
      columns: ['PROJECT', 'BYTES', 'REPOSITORIES', 'TAGS', 'WARNED'],
      row: (each) => [each.project, levelText(each, 'bytes'), levelText(each, 'repositories'), levelText(each, 'tags'), warnedText(each)],
    })
  })
}

function show(project: string, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const found = await client.call(routes.readQuota, { params: { project } })
    print(found, () => printQuota(found))
  })
}

/** `none`: no limit. */
type Limit = number | 'none'

interface SetFlags extends ApiFlags {
  readonly bytes?: Limit
  readonly repositories?: Limit
  readonly tags?: Limit
  readonly warn?: number
}

function limitOf(given: Limit | undefined, before: number | null): number | null {
  if (given === undefined) return before
  return given === 'none' ? null : given
}

function set(project: string, flags: SetFlags): Promise<void> {
  const { bytes, repositories, tags, warn } = flags
  if ([bytes, repositories, tags, warn].every((each) => each === undefined))
    throw new WrongUsage('nothing is to change: --bytes, --repositories, --tags and --warn can be set')
  return withClient(flags, async ({ client, print }) => {
    const { body: before, etag } = await client.send(routes.readQuota, { params: { project } })
    const body = {
      bytesMax: limitOf(bytes, before.bytesMax),
      repositoriesMax: limitOf(repositories, before.repositoriesMax),
      tagsMax: limitOf(tags, before.tagsMax),
      warnPercent: warn ?? before.warnPercent,
    }
    const after = await client.call(routes.replaceQuota, { params: { project }, body, ifMatch: etag })
    print(after, () => printQuota(after))
  })
}

function remove(project: string, flags: ApiFlags & { readonly yes?: boolean }): Promise<void> {
  return withClient(flags, async ({ client }) => {
    await confirm(`Take the limits of project ${project} away?`, flags)
    await client.call(routes.deleteQuota, { params: { project } })
    console.error(`project ${project} has no limits`)
  })
}

function size(text: string): Limit {
  const bytes = text === 'none' ? 'none' : parseSize(text)
  if (bytes === undefined) throw new InvalidArgumentError('a size is expected: 500MiB, 10GiB, a number of bytes, or none')
  return bytes
}

function count(text: string): Limit {
  return text === 'none' ? 'none' : wholeNumber(text)
}

/** Adds the command to the program. */
export function registerQuota(program: Command): void {
  const quota = program.command('quota').description('what projects may use')
  apiOptions(listOptions(quota.command('list').description('list the projects with limits'), routes.listQuotas)).action(list)
  apiOptions(quota.command('show').description('show what a project may use and uses').argument('<project>', 'its name')).action(show)
  apiOptions(quota.command('set').description('limit a project and those below it').argument('<project>', 'its name'))
    .option('--bytes <size>', 'blobs, each once, and documents: 10GiB, or none', size)
    .option('--repositories <count>', 'or none', count)
    .option('--tags <count>', 'or none', count)
    .option('--warn <percent>', 'from this part of a limit on it is recorded that it is near (80)', wholeNumber)
    .action(set)
  apiOptions(quota.command('remove').description('take the limits of a project away').argument('<project>', 'its name'))
    .option(...yesOption)
    .action(remove)
}
