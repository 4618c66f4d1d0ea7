/** `berth manifest`: images, indexes and artifacts of repositories. */
import type { Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import { deleteManifest, listManifestReferrers, listManifests, readManifest } from '#api/routes/manifests.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { describeBytes } from './data-command.ts'
import { findUsableLabel } from './find-label.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { printFacts, printRows } from './print.ts'
import { confirm, yesOption, requireSomebody } from './prompt.ts'
import { calledNow, presentName, tellUndo } from './tell-undo.ts'

interface ListManifestsFlags extends ListFlags {
  readonly mediaType?: string
  readonly artifactType?: string
  readonly tagged?: boolean
  readonly untagged?: boolean
  readonly label?: string
}

/** `team/app@sha256:…` taken apart. */
export function parseDigested(text: string): { readonly repository: string; readonly digest: string } {
  const at = text.indexOf('@')
  if (at < 1 || at === text.length - 1) throw new WrongUsage(`${JSON.stringify(text)} names no manifest: team/app@sha256:… does`)
  return { repository: text.slice(0, at), digest: text.slice(at + 1) }
}

function list(repository: string, flags: ListManifestsFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    const { mediaType, artifactType } = flags
    const tagged = flags.untagged === true ? false : flags.tagged
    const label = flags.label === undefined ? undefined : await findUsableLabel(client, repository, flags.label)
    // What an index lists is no more without a tag than the index is.
    const child = flags.untagged === true ? false : undefined
    const query = { mediaType, artifactType, tagged, child, label }
    await printPages(readPages(client, listManifests, flags, { params: { repository }, query }), flags, {
      columns: ['DIGEST', 'TYPE', 'SIZE', 'CREATED', 'TAGS'],
      row: (each) => [
        each.digest,
        each.artifactType ?? each.mediaType,
        `${describeBytes(each.totalSizeBytes)}${each.totalSizeIsExact ? '' : ' or more'}`,
        each.createdAt,
        `${each.tags.join(',')}${each.hasMoreTags ? ',…' : ''}`,
      ],
    })
  })
}

function show(digested: string, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const found = await client.call(readManifest, { params: parseDigested(digested) })
    print(found, () => printManifest(found))
  })
}

type Found = ResponseOf<typeof readManifest>

function printManifest(found: Found): void {
  const { config } = found
  printFacts({
    Digest: found.digest,
    'Media type': found.mediaType,
    'Artifact type': found.artifactType,
    Subject: found.subject,
    'Total size': `${describeBytes(found.totalSizeBytes)}${found.totalSizeIsExact ? '' : ' or more'}`,
    Pushed: found.createdAt,
    Tags: `${found.tags.join(', ')}${found.hasMoreTags ? ', …' : ''}`,
    Labels: found.labels.map(({ name }) => name).join(', '),
    ...(config !== undefined && {
      Platform: [config.os, config.architecture, config.variant].filter((part) => part !== undefined).join('/'),
      Built: config.created,
      Entrypoint: config.entrypoint.join(' '),
      Command: config.cmd.join(' '),
      'Working directory': config.workingDir,
      User: config.user,
      Ports: config.ports.join(', '),
    }),
    ...(found.configProblem !== undefined && { Config: found.configProblem }),
  })
  printParts(found)
}

function printParts({ annotations, layers, platforms, referrers }: Found): void {
  if (Object.keys(annotations).length > 0) printTable(['ANNOTATION', 'VALUE'], Object.entries(annotations))
  if (layers.length > 0) {
    const rows = layers.map((layer) => [layer.digest, describeBytes(layer.sizeBytes), layer.history?.createdBy])
    printTable(['LAYER', 'SIZE', 'MADE BY'], rows)
  }
  if (platforms.length > 0) {
    const rows = platforms.map((each) => [
      [each.os, each.architecture, each.variant].filter((part) => part !== undefined && part !== '').join('/'),
      each.digest,
      each.isPresent,
    ])
    printTable(['PLATFORM', 'DIGEST', 'HERE'], rows)
  }
  if (referrers.length > 0) {
    const rows = referrers.map((each) => [each.artifactType, each.digest, describeBytes(each.sizeBytes)])
    printTable(['REFERRER', 'DIGEST', 'SIZE'], rows)
  }
}

function printTable(...[columns, rows]: Parameters<typeof printRows>): void {
  console.log('')
  printRows(columns, rows)
}

function listReferring(digested: string, flags: ApiFlags & { readonly artifactType?: string }): Promise<void> {
  return withClient(flags, async ({ client }) => {
    const query = { artifactType: flags.artifactType }
    // All of them: there are few.
    const pages: AsyncIterable<ResponseOf<typeof listManifestReferrers>> = client.pages(listManifestReferrers, {
      params: parseDigested(digested),
      query,
    } as never)
    await printPages(
      pages,
      { ...flags, all: true },
      {
        columns: ['TYPE', 'DIGEST', 'SIZE'],
        row: (each) => [each.artifactType, each.digest, describeBytes(each.sizeBytes)],
      },
    )
  })
}

function remove(digested: string, flags: ApiFlags & { readonly yes?: boolean }): Promise<void> {
  return withClient(flags, async ({ client, server, print }) => {
    const params = parseDigested(digested)
    requireSomebody(`Delete the manifest ${digested} of ${server} with its tags?`, flags)
    const repository = await presentName({ client }, params.repository)
    const name = `${repository}@${params.digest}`
    const what = calledNow(digested, name)
    await confirm(`Delete the manifest ${what} of ${server} with its tags?`, flags)
    await client.call(deleteManifest, { params: { ...params, repository } })
    console.error(`deleted ${what}`)
    await tellUndo({ client, print }, { name, kind: 'manifest', repository, isIt: ({ digest }) => digest === params.digest })
  })
}

/** Adds the command to the program. */
export function registerManifest(program: Command): void {
  const manifest = program.command('manifest').description('images, indexes and artifacts of repositories')
  apiOptions(
    listOptions(
      manifest.command('list').description('list the manifests of a repository').argument('<repository>', 'its full name'),
      listManifests,
    ),
  )
    .option('--media-type <type>', 'only those of this media type')
    .option('--artifact-type <type>', 'only those of this artifact type')
    .option('--tagged', 'only those that a tag points at')
    .option('--untagged', 'only those that no tag points at, and that are no part of an index')
    .option('--label <label>', 'only those with this label: its name, or its number')
    .action(list)
  apiOptions(
    manifest
      .command('show')
      .description('show all that is known of a manifest')
      .argument('<repository@digest>', 'such as team/app@sha256:…'),
  ).action(show)
  apiOptions(
    manifest
      .command('referrers')
      .description('list what refers to a manifest')
      .argument('<repository@digest>', 'such as team/app@sha256:…'),
  )
    .option('--artifact-type <type>', 'only those of this artifact type')
    .action(listReferring)
  apiOptions(
    manifest.command('delete').description('delete a manifest with its tags').argument('<repository@digest>', 'such as team/app@sha256:…'),
  )
    .option(...yesOption)
    .action(remove)
}
