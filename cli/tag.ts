/** `berth tag`: tags of repositories. */
import type { Command } from 'commander'
import { createTag, deleteTag, listTagHistory, listTags, readTag } from '#api/routes/tags.ts'
import { apiOptions, listOptions, readList, wholeNumber, withClient, type ApiFlags, type ListFlags } from './api-command.ts'
import { CommandFailure } from './command-failure.ts'
import { printFacts, printRows } from './print.ts'
import { confirm } from './prompt.ts'

interface ListTagsFlags extends ListFlags {
  readonly q?: string
  readonly label?: number
}

/** `team/app:1.2` taken apart. */
export function parseTagged(text: string): { readonly repository: string; readonly tag: string } {
  const colon = text.lastIndexOf(':')
  if (colon < 1 || text.includes('/', colon) || colon === text.length - 1)
    throw new CommandFailure(`${JSON.stringify(text)} names no tag: team/app:1.2 does`)
  return { repository: text.slice(0, colon), tag: text.slice(colon + 1) }
}

function list(repository: string, flags: ListTagsFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const page = await readList(client, listTags, flags, { params: { repository }, query: { q: flags.q, label: flags.label } })
    print(page, () =>
      printRows(
        ['TAG', 'DIGEST', 'UPDATED', 'LABELS'],
        page.items.map((tag) => [tag.name, tag.digest, tag.updatedAt, tag.labels.map(({ name }) => name).join(',')]),
      ),
    )
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
  return withClient(flags, async ({ client, print }) => {
    const page = await readList(client, listTagHistory, flags, { params: parseTagged(tagged) })
    print(page, () =>
      printRows(
        ['AT', 'DIGEST', 'BEFORE', 'BY'],
        page.items.map((change) => [change.at, change.digest ?? '(deleted)', change.previousDigest, change.actor]),
      ),
    )
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
  apiOptions(listOptions(tag.command('list').description('list the tags of a repository').argument('<repository>', 'its full name')))
    .option('--q <prefix>', 'only tags that begin so')
    .option('--label <id>', 'only tags of manifests with this label', wholeNumber)
    .action(list)
  apiOptions(tag.command('show').description('show one tag').argument('<repository:tag>', 'such as team/app:1.2')).action(show)
  apiOptions(
    listOptions(tag.command('history').description('list what a tag pointed at').argument('<repository:tag>', 'such as team/app:1.2')),
  ).action(history)
  apiOptions(
    tag
      .command('create')
      .description('point a tag at a manifest that is there')
      .argument('<repository:tag>', 'such as team/app:1.2')
      .argument('<digest>', 'of the manifest'),
  ).action(create)
  apiOptions(tag.command('delete').description('delete a tag; the manifest stays').argument('<repository:tag>', 'such as team/app:1.2'))
    .option('-y, --yes', 'do not ask')
    .action(remove)
}
