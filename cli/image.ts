/** `berth image`: what is in images, what differs between two of them, and archives of them. */
import { openAsBlob } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import { compareImages, exportImage, importImages, listImageFiles, readImageFile } from '#api/routes/images.ts'
import { apiOptions, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { CommandFailure, WrongUsage } from './command-failure.ts'
import { describeBytes } from './data-command.ts'
import { flushed } from './flushed.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { printFacts, printRows, type Cell } from './print.ts'

/** `team/app:1.2` or `team/app@sha256:…` taken apart. */
export function parseImage(text: string): { readonly repository: string; readonly reference: string } {
  const at = text.indexOf('@')
  const end = at === -1 ? text.lastIndexOf(':') : at
  if (end < 1 || end === text.length - 1 || (at === -1 && text.includes('/', end)))
    throw new WrongUsage(`${JSON.stringify(text)} names no image: team/app:1.2 does, and team/app@sha256:…`)
  return { repository: text.slice(0, end), reference: text.slice(end + 1) }
}

interface PlatformFlags extends ApiFlags {
  readonly platform?: string
}

interface FilesFlags extends ListFlags, PlatformFlags {
  readonly layer?: string
}

type Listed = ResponseOf<typeof listImageFiles>

function files(image: string, path: string, flags: FilesFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    const { platform, layer } = flags
    let unreadable: Listed['unreadable'] = []
    const noted = async function* (pages: AsyncIterable<unknown>) {
      for await (const page of pages) {
        unreadable = (page as Listed).unreadable
        yield page as Listed
      }
    }
    const pages = readPages(client, listImageFiles, flags, { params: parseImage(image), query: { path, platform, layer } })
    await printPages<Listed['items'][number]>(noted(pages), flags, {
      columns: ['MODE', 'OWNER', 'SIZE', 'CHANGED', 'NAME'],
      row: (file) => [modeText(file), `${file.uid}:${file.gid}`, file.sizeBytes, file.modifiedAt.slice(0, 19), nameText(file)],
    })
    for (const { layer: digest, reason } of unreadable) console.error(`(without the layer ${digest}: ${reason})`)
  })
}

const typeLetters: Readonly<Record<Listed['items'][number]['type'], string>> = {
  file: '-',
  hardlink: '-',
  directory: 'd',
  symlink: 'l',
  'character-device': 'c',
  'block-device': 'b',
  fifo: 'p',
  other: '?',
  whiteout: 'w',
}

/** As `ls -l` has it. */
function modeText({ type, mode }: Listed['items'][number]): string {
  const bits = Array.from('rwxrwxrwx', (letter, index) => ((mode & (0o400 >> index)) === 0 ? '-' : letter))
  for (const [bit, at, letter] of [
    [0o4000, 2, 's'],
    [0o2000, 5, 's'],
    [0o1000, 8, 't'],
  ] as const)
    if ((mode & bit) !== 0) bits[at] = bits[at] === '-' ? letter.toUpperCase() : letter
  return `${typeLetters[type]}${bits.join('')}`
}

function nameText({ name, type, linkTarget }: Listed['items'][number]): string {
  if (linkTarget !== undefined) return `${name} -> ${linkTarget}`
  return type === 'directory' ? `${name}/` : name
}

interface CatFlags extends PlatformFlags {
  readonly layer?: string
  readonly offset?: number
  readonly limit?: number
  readonly output?: string
}

function cat(image: string, path: string, { platform, layer, offset, limit, output, ...flags }: CatFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    const query = defined({ path, platform, layer, offset, limit })
    await writeOut(await client.stream(readImageFile, { params: parseImage(image), query }), output)
  })
}

/** What was not said is left out: the routes know no undefined members. */
function defined<Value extends object>(value: Value): { [Key in keyof Value]: Exclude<Value[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as never
}

/** To a file that gets its name when all of it is there, or to standard output. */
async function writeOut(bytes: ReadableStream<Uint8Array>, path: string | undefined): Promise<void> {
  if (path === undefined) {
    for await (const piece of bytes) {
      process.stdout.write(piece)
      if (process.stdout.writableNeedDrain && !(await flushed(process.stdout))) return
    }
    await flushed(process.stdout)
    return
  }
  const unfinished = `${path}.unfinished`
  try {
    await using handle = await open(unfinished, 'w')
    for await (const piece of bytes) await handle.writeFile(piece)
    await handle.sync()
    await rename(unfinished, path)
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
}

interface CompareFlags extends PlatformFlags {
  readonly files?: boolean
}

function compare(from: string, to: string, flags: CompareFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const [before, after] = [parseImage(from), parseImage(to)]
    const other = after.repository === before.repository ? {} : { toRepository: after.repository }
    const query = defined({ from: before.reference, to: after.reference, ...other, platform: flags.platform, limit: 1_000 })
    const input = { params: { repository: before.repository }, query }
    const found = await client.call(compareImages, input)
    let last = found
    while (flags.files === true && last.next !== undefined) {
      last = await client.call(compareImages, { ...input, query: { ...query, cursor: last.next } })
      found.files.items.push(...last.files.items)
    }
    const { next, ...whole } = found
    print(flags.files === true ? whole : { ...whole, ...(next !== undefined && { next }) }, () =>
      printComparison(found, flags.files === true),
    )
  })
}

type Compared = ResponseOf<typeof compareImages>

function printComparison(found: Compared, hasFiles: boolean): void {
  const { layers, config, packages, unreadable, unreadPackages, configProblems } = found
  const shared = layers.filter((layer) => layer.in === 'both')
  printFacts({
    From: `${found.from.repository}@${found.from.digest}`,
    To: `${found.to.repository}@${found.to.digest}`,
    Size: `${describeBytes(found.from.sizeBytes)} to ${describeBytes(found.to.sizeBytes)}`,
    Layers: `${shared.length} shared, ${layers.filter((layer) => layer.in === 'from').length} gone, ${layers.filter((layer) => layer.in === 'to').length} new`,
    Files: `${found.files.added} added, ${found.files.removed} removed, ${found.files.changed} changed`,
  })
  if (config.length > 0)
    printPart(
      ['CONFIG', 'FROM', 'TO'],
      config.map(({ field, name, from, to }) => [name === undefined ? field : `${field} ${name}`, from, to]),
    )
  if (packages.length > 0)
    printPart(
      ['PACKAGE', 'TYPE', 'FROM', 'TO'],
      packages.map(({ name, type, from, to }) => [name, type, from, to]),
    )
  if (hasFiles && found.files.items.length > 0)
    printPart(
      ['FILE', 'CHANGE', 'IN', 'FROM', 'TO'],
      found.files.items.map((file) => [file.path, file.change, file.aspects.join(','), file.fromSizeBytes, file.toSizeBytes]),
    )
  for (const { layer, reason } of unreadable) console.error(`(without the layer ${layer}: ${reason})`)
  for (const { path, reason } of unreadPackages) console.error(`(without the packages of ${path}: ${reason})`)
  for (const problem of configProblems) console.error(`(a config cannot be read: ${problem})`)
}

function printPart(columns: readonly string[], rows: readonly (readonly Cell[])[]): void {
  console.log('')
  printRows(columns, rows)
}

interface SaveFlags extends PlatformFlags {
  readonly format?: 'docker' | 'oci'
  readonly output?: string
}

function save(image: string, { format, platform, output, ...flags }: SaveFlags): Promise<void> {
  if (output === undefined && process.stdout.isTTY) throw new WrongUsage('an archive is nothing for a terminal: name a file with --output')
  return withClient(flags, async ({ client }) => {
    const query = defined({ format, platform })
    await writeOut(await client.stream(exportImage, { params: parseImage(image), query }), output)
  })
}

/** `team/app:1.2`, or `team/app` for the tags that the archive says. */
function parseTarget(text: string): { readonly repository: string; readonly tag?: string } {
  if (text.includes('@')) throw new WrongUsage(`${JSON.stringify(text)} has a digest: an archive brings its own`)
  const colon = text.lastIndexOf(':')
  if (colon === -1 || text.includes('/', colon)) return { repository: text }
  const { repository, reference } = parseImage(text)
  return { repository, tag: reference }
}

function load(file: string, target: string, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const { repository, ...query } = parseTarget(target)
    const body = file === '-' ? (Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>) : await blobOf(file)
    const content = { type: 'application/x-tar', body }
    const { images } = await client.call(importImages, { params: { repository }, query, content })
    print({ images }, () =>
      printRows(
        ['IMAGE', 'TAGS', 'WITHOUT'],
        images.map((image) => [`${repository}@${image.digest}`, image.tags.join(','), image.missingPlatforms.join(',')]),
      ),
    )
  })
}

/** Read while it is sent. */
async function blobOf(file: string): Promise<Blob> {
  const found = await stat(file).catch((error: unknown) => {
    throw new CommandFailure(`${file} cannot be read: ${(error as Error).message}`)
  })
  if (!found.isFile()) throw new CommandFailure(`${file} is no file: - reads the standard input`)
  return await openAsBlob(file)
}

const imageArgument = ['<image>', 'such as team/app:1.2 or team/app@sha256:…'] as const
const platformOption = ['--platform <platform>', 'which image of an index: linux/arm64, linux/arm/v7; linux/amd64 unless said'] as const
const layerOption = ['--layer <digest>', 'of this layer alone'] as const

/** Adds the command to the program. */
export function registerImage(program: Command): void {
  const image = program.command('image').description('what is in images, what differs between them, and archives of them')
  apiOptions(
    listOptions(
      image
        .command('files')
        .description('list a directory of an image')
        .argument(...imageArgument)
        .argument('[path]', 'from its root', '/'),
      listImageFiles,
    ),
  )
    .option(...platformOption)
    .option(...layerOption)
    .action(files)
  apiOptions(
    image
      .command('cat')
      .description('print a file of an image')
      .argument(...imageArgument)
      .argument('<path>', 'from its root'),
  )
    .option(...platformOption)
    .option(...layerOption)
    .option('--offset <byte>', 'begin with this byte', wholeNumber)
    .option('--limit <bytes>', 'so many at most', wholeNumber)
    .option('-o, --output <file>', 'write it there')
    .action(cat)
  apiOptions(
    image
      .command('compare')
      .description('tell what differs between two images')
      .argument('<from>', imageArgument[1])
      .argument('<to>', 'another, of the same repository or not'),
  )
    .option(...platformOption)
    .option('--files', 'tell all files that differ, too')
    .action(compare)
  apiOptions(
    image
      .command('save')
      .description('write an image as an archive, for docker load and others')
      .argument(...imageArgument),
  )
    .option('--format <format>', 'docker (unless said), or oci: an image layout, of all platforms unless one is said')
    .option(...platformOption)
    .option('-o, --output <file>', 'write it there; else to standard output')
    .action(save)
  apiOptions(
    image
      .command('load')
      .description('take an archive of images, as docker save writes it, or an OCI image layout')
      .argument('<file>', 'plain, gzip or zstd; - reads the standard input')
      .argument('<repository[:tag]>', 'where to; without a tag each image gets those of its own names'),
  ).action(load)
}
