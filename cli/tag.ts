/** `berth tag`: tags of repositories. */
import type { Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import { createTag, deleteTag, listTagHistory, listTags, readTag, restoreTag, updateTag } from '#api/routes/tags.ts'
import { parseLifetime } from '#lib/lifetime.ts'
import { apiOptions, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { openTrashDesk } from '#main.ts'
import { describeBytes, withBerth } from './data-command.ts'
import { dataArgument, dataMeant, dataOption, type DataFlags } from './data-meant.ts'
import { findUsableLabel } from './find-label.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { timeOf } from './end-of.ts'
import { printFacts, printJson, tellWarnings } from './print.ts'
import { confirm, yesOption, requireSomebody } from './prompt.ts'
import { calledNow, presentName, tellUndo } from './tell-undo.ts'
import { withOptionWords } from './trash-place.ts'
import { describeRestoredTag } from './trash-words.ts'

interface ListTagsFlags extends ListFlags {
  readonly q?: string
  readonly label?: string
}

/** `team/app:1.2` taken apart. */
export function parseTagged(text: string): { readonly repository: string; readonly tag: string } {
  const colon = text.lastIndexOf(':')
  if (colon < 1 || text.includes('/', colon) || colon === text.length - 1)
    throw new WrongUsage(`${JSON.stringify(text)} names no tag: team/app:1.2 does`)
  return { repository: text.slice(0, colon), tag: text.slice(colon + 1) }
}

function list(repository: string, flags: ListTagsFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    const label = flags.label === undefined ? undefined : await findUsableLabel(client, repository, flags.label)
    await printPages(readPages(client, listTags, flags, { params: { repository }, query: { q: flags.q, label } }), flags, {
      columns: ['TAG', 'DIGEST', 'SIZE', 'UPDATED', 'PULLED', 'EXPIRES', 'LABELS'],
      row: (tag) => [
        tag.name,
        tag.digest,
        `${describeBytes(tag.totalSizeBytes)}${tag.totalSizeIsExact ? '' : ' or more'}`,
        tag.updatedAt,
        tag.lastPulledAt,
        tag.expiresAt,
        tag.labels.map(({ name }) => name).join(','),
      ],
    })
  })
}

function show(tagged: string, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const tag = await client.call(readTag, { params: parseTagged(tagged) })
    print(tag, () =>
      printFacts({
        Tag: tag.name,
        Digest: tag.digest,
        'Media type': tag.mediaType,
        'Artifact type': tag.artifactType,
        Created: tag.createdAt,
        Updated: tag.updatedAt,
        Labels: tag.labels.map(({ name }) => name).join(', '),
        Pulls: tag.pulls,
        'Last pulled': tag.lastPulledAt,
        Immutable: tag.isImmutable ? 'yes' : 'no',
        Expires: tag.expiresAt,
      }),
    )
  })
}

type Change = ResponseOf<typeof listTagHistory>['items'][number]

const historyTable = {
  columns: ['ID', 'AT', 'WHAT', 'DIGEST', 'BEFORE', 'NOW', 'BY'],
  row: ({ id, at, action, reason, digest, previousDigest, state, actor }: Change) => [
    id,
    at,
    reason === undefined ? action : `${action} (${reason})`,
    digest,
    previousDigest,
    state,
    actor,
  ],
}

function history(tagged: string, source: string | undefined, flags: ListFlags & DataFlags): Promise<void> {
  const { repository, tag } = parseTagged(tagged)
  const data = dataMeant(source, flags)
  if (data === undefined)
    return withClient(flags, ({ client }) =>
      printPages(readPages(client, listTagHistory, flags, { params: { repository, tag } }), flags, historyTable),
    )
  return withBerth(data, (berth) => printPages(openTrashDesk(berth).history(repository, tag), { ...flags, all: true }, historyTable))
}

function create(tagged: string, digest: string, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const { repository, tag: name } = parseTagged(tagged)
    const tag = await client.call(createTag, { params: { repository }, body: { name, digest } })
    print(tag, () => console.log(`${repository}:${tag.name} is ${tag.digest}`))
  })
}

interface RestoreFlags extends ApiFlags {
  readonly digest?: string
  readonly history?: number
  readonly force?: boolean
}

function restore(tagged: string, source: string | undefined, flags: RestoreFlags & DataFlags): Promise<void> {
  const { digest, history: change } = flags
  if (digest !== undefined && change !== undefined) throw new WrongUsage('--digest goes with no --history')
  const data = dataMeant(source, flags)
  if (data !== undefined)
    return withOptionWords(flags.optionNames, () =>
      withBerth(data, async (berth) => {
        const wanted = { ...parseTagged(tagged), digest, change, isForced: flags.force === true }
        const tag = await openTrashDesk(berth).restoreTag(wanted)
        if (flags.json === true) printJson(tag)
        else console.log(describeRestoredTag(tagged, tag))
      }),
    )
  return withClient(flags, async ({ client, print }) => {
    const body = {
      ...(digest !== undefined && { digest }),
      ...(change !== undefined && { change }),
      ...(flags.force === true && { force: true }),
    }
    const tag = await client.call(restoreTag, { params: parseTagged(tagged), body })
    print(tag, () => console.log(describeRestoredTag(tagged, tag)))
  })
}

function expire(tagged: string, when: string, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const { repository, tag: name } = parseTagged(tagged)
    const tag = await client.call(updateTag, { params: { repository, tag: name }, body: { expiresAt: instantOf(when) } })
    print(tag, () => console.log(tag.expiresAt === undefined ? `${tagged} does not expire` : `${tagged} expires at ${tag.expiresAt}`))
    tellWarnings(tag)
    if (tag.isImmutable && tag.expiresAt !== undefined) console.error(`${tagged} is immutable: it stays for as long as a rule keeps it`)
  })
}

/** `2w` from now on, an instant, or `never`. */
function instantOf(when: string): string | null {
  if (when === 'never') return null
  const lifetimeMs = parseLifetime(when)
  const instant = lifetimeMs === undefined ? timeOf(when) : new Date(Date.now() + lifetimeMs)
  if (instant === undefined)
    throw new WrongUsage(`${JSON.stringify(when)} is no time: write it like 2w, 36h, 2030-01-31, 2030-01-31T12:00:00Z or never`)
  return instant.toISOString()
}

function remove(tagged: string, flags: ApiFlags & { readonly yes?: boolean }): Promise<void> {
  return withClient(flags, async ({ client, server, print }) => {
    const params = parseTagged(tagged)
    requireSomebody(`Delete the tag ${tagged} of ${server}?`, flags)
    const repository = await presentName({ client }, params.repository)
    const name = `${repository}:${params.tag}`
    const what = calledNow(tagged, name)
    await confirm(`Delete the tag ${what} of ${server}?`, flags)
    await client.call(deleteTag, { params: { ...params, repository } })
    console.error(`deleted ${what}`)
    await tellUndo({ client, print }, { name, kind: 'tag', repository, isIt: ({ tags }) => tags[0] === params.tag })
  })
}

/** Adds the command to the program. */
export function registerTag(program: Command): void {
  const tag = program.command('tag').description('tags of repositories')
  apiOptions(
    listOptions(tag.command('list').description('list the tags of a repository').argument('<repository>', 'its full name'), listTags),
  )
    .option('--q <prefix>', 'only tags that begin so')
    .option('--label <label>', 'only tags of manifests with this label: its name, or its number')
    .action(list)
  apiOptions(tag.command('show').description('show one tag').argument('<repository:tag>', 'such as team/app:1.2')).action(show)
  apiOptions(
    listOptions(
      tag
        .command('history')
        .description('list what a tag pointed at, and where that is now')
        .argument('<repository:tag>', 'such as team/app:1.2')
        .argument(...dataArgument),
      listTagHistory,
    ),
  )
    .option(...dataOption)
    .action(history)
  apiOptions(
    tag
      .command('restore')
      .description('point a tag at what it was before it was deleted or last moved')
      .argument('<repository:tag>', 'such as team/app:1.2')
      .argument(...dataArgument),
  )
    .option(...dataOption)
    .option('--digest <digest>', 'at this manifest instead, which is here or in the trash')
    .option('--history <id>', 'at what it was after this entry of its history instead', wholeNumber)
    .option('--force', 'also when what comes out of the trash lacks what it needs')
    .action(restore)
  apiOptions(
    tag
      .command('create')
      .description('point a tag at a manifest that is there')
      .argument('<repository:tag>', 'such as team/app:1.2')
      .argument('<digest>', 'of the manifest'),
  ).action(create)
  apiOptions(
    tag
      .command('expire')
      .description('say when a tag is deleted by itself')
      .argument('<repository:tag>', 'such as team/app:1.2')
      .argument('<when>', 'such as 2w, 36h, 2030-01-01T00:00:00Z, or never'),
  ).action(expire)
  apiOptions(tag.command('delete').description('delete a tag; the manifest stays').argument('<repository:tag>', 'such as team/app:1.2'))
    .option(...yesOption)
    .action(remove)
}
