/** `berth tag`: tags of repositories. */
import type { Command } from 'commander'
import { createTag, deleteTag, listTagHistory, listTags, readTag } from '#api/routes/tags.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'
import { CommandFailure } from './command-failure.ts'
import { describeBytes } from './data-command.ts'
import { findUsableLabel } from './find-label.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { printFacts } from './print.ts'
import { confirm, yesOption } from './prompt.ts'

interface ListTagsFlags extends ListFlags {
  readonly q?: string
  readonly label?: string
}

/** `team/app:1.2` taken apart. */
export function parseTagged(text: string): { readonly repository: string; readonly tag: string } {
  const colon = text.lastIndexOf(':')
  if (colon < 1 || text.includes('/', colon) || colon === text.length - 1)
    throw new CommandFailure(`${JSON.stringify(text)} names no tag: team/app:1.2 does`)
  return { repository: text.slice(0, colon), tag: text.slice(colon + 1) }
}

function list(repository: string, flags: ListTagsFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    const label = flags.label === undefined ? undefined : await findUsableLabel(client, repository, flags.label)
    await printPages(readPages(client, listTags, flags, { params: { repository }, query: { q: flags.q, label } }), flags, {
      columns: ['TAG', 'DIGEST', 'SIZE', 'UPDATED', 'LABELS'],
      row: (tag) => [
        tag.name,
        tag.digest,
        `${describeBytes(tag.totalSizeBytes)}${tag.totalSizeIsExact ? '' : ' or more'}`,
        tag.updatedAt,
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
      }),
    )
  })
}

function history(tagged: string, flags: ListFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    await printPages(readPages(client, listTagHistory, flags, { params: parseTagged(tagged) }), flags, {
      columns: ['AT', 'DIGEST', 'BEFORE', 'BY'],
      row: (change) => [change.at, change.digest ?? '(deleted)', change.previousDigest, change.actor],
    })
  })
}

function create(tagged: string, digest: string, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const { repository, tag: name } = parseTagged(tagged)
    const tag = await client.call(createTag, { params: { repository }, body: { name, digest } })
    print(tag, () => console.log(`${repository}:${tag.name} is ${tag.digest}`))
  })
}

function remove(tagged: string, flags: ApiFlags & { readonly yes?: boolean }): Promise<void> {
  return withClient(flags, async ({ client, server }) => {
    const params = parseTagged(tagged)
    await confirm(`Delete the tag ${tagged} of ${server}?`, flags)
    await client.call(deleteTag, { params })
    console.error(`deleted ${tagged}`)
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
      tag.command('history').description('list what a tag pointed at').argument('<repository:tag>', 'such as team/app:1.2'),
      listTagHistory,
    ),
  ).action(history)
  apiOptions(
    tag
      .command('create')
      .description('point a tag at a manifest that is there')
      .argument('<repository:tag>', 'such as team/app:1.2')
      .argument('<digest>', 'of the manifest'),
  ).action(create)
  apiOptions(tag.command('delete').description('delete a tag; the manifest stays').argument('<repository:tag>', 'such as team/app:1.2'))
    .option(...yesOption)
    .action(remove)
}
