/** `berth system`: what a server is, its configuration, and the settings that are changed while it runs. */
import type { Command } from 'commander'
import type { BodyOf, ResponseOf } from '#api/contract.ts'
import * as routes from '#api/routes/system.ts'
import { formatSize, parseSize } from '#config/quantity.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'
import { CommandFailure, WrongUsage } from './command-failure.ts'
import { printFacts, printRows, type Cell } from './print.ts'

type Settings = ResponseOf<typeof routes.readSystemSettings>
type Changes = BodyOf<typeof routes.updateSystemSettings>

function info(flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const found = await client.call(routes.readSystemInformation)
    const { version, node, database, storage, counts } = found
    print(found, () =>
      printFacts({
        Version: version,
        Node: `${node.name} (${node.runtime}, ${node.platform})`,
        'Up since': node.startedAt,
        Database: [database.kind, database.file, database.schemaVersion].filter((part) => part !== null).join(' '),
        Store: [storage.kind, storage.place].filter((part) => part !== null).join(' '),
        'Free bytes': storage.freeBytes,
        Projects: counts.projects,
        Repositories: counts.repositories,
        Manifests: counts.manifests,
        Tags: counts.tags,
        Blobs: counts.blobs,
        'Blob bytes': counts.blobBytes,
        Users: counts.users,
        Robots: counts.robots,
        'Open uploads': counts.openUploads,
      }),
    )
  })
}

type QuotaSetting = NonNullable<Settings['defaultQuota']>

function settings(flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const found = await client.call(routes.readSystemSettings)
    const isKeptReadOnly = !found.isReadOnly && flags.json !== true && (await client.call(routes.readSystem)).isReadOnly
    print(found, () => printSettings(found, isKeptReadOnly))
  })
}

/** `isKeptReadOnly`: by the configuration, whatever the setting says. */
function printSettings(settings: Settings, isKeptReadOnly = false): void {
  const { banner, isReadOnly, projectCreation, autoCreateProjects, networks, defaultQuota, rateLimits } = settings
  printFacts({
    'read-only': isKeptReadOnly ? 'on (by the configuration)' : isReadOnly ? 'on' : 'off',
    banner: banner === null ? 'none' : `${banner.level}: ${banner.text}`,
    'project-creation': projectCreation,
    'auto-create-projects': autoCreateProjects ? 'on' : 'off',
    'default-quota': quotaText(defaultQuota),
    allow: networks.allow.length === 0 ? 'all' : networks.allow.join(','),
    deny: networks.deny.length === 0 ? 'none' : networks.deny.join(','),
    'limit-per-address': limitText(rateLimits.perAddress),
    'limit-per-credential': limitText(rateLimits.perCredential),
  })
}

function limitText(limit: Settings['rateLimits']['perAddress']): Cell {
  return limit === null ? 'none' : `${limit.requestsPerSecond}/${limit.burst}`
}

function configuration(flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const found = await client.call(routes.readSystemConfiguration)
    print(found, () =>
      printRows(
        ['KEY', 'VALUE', 'FROM'],
        found.keys.map(({ key, value, source }) => [key, value, source]),
      ),
    )
  })
}

/** What `set` takes, by the names that `settings` prints. */
const changes: Readonly<Record<string, (text: string, before: Settings) => Changes>> = {
  'read-only': (text) => ({ isReadOnly: onOff(text) }),
  banner: (text) => ({ banner: bannerOf(text) }),
  'project-creation': (text) => ({ projectCreation: text as Settings['projectCreation'] }),
  'auto-create-projects': (text) => ({ autoCreateProjects: onOff(text) }),
  allow: (text, { networks }) => ({ networks: { ...networks, allow: text === 'all' ? [] : text.split(',') } }),
  deny: (text, { networks }) => ({ networks: { ...networks, deny: text === 'none' ? [] : text.split(',') } }),
  'default-quota': (text) => ({ defaultQuota: quotaOf(text) }),
  'limit-per-address': (text, { rateLimits }) => ({ rateLimits: { ...rateLimits, perAddress: limitOf(text) } }),
  'limit-per-credential': (text, { rateLimits }) => ({ rateLimits: { ...rateLimits, perCredential: limitOf(text) } }),
}

/** `bytes=10GiB,tags=500,warn=90`, as {@link quotaOf} reads it. */
function quotaText(quota: Settings['defaultQuota']): Cell {
  if (quota === null) return 'none'
  const { bytesMax, repositoriesMax, tagsMax, warnPercent } = quota
  const parts = {
    bytes: bytesMax === null ? null : formatSize(bytesMax),
    repositories: repositoriesMax,
    tags: tagsMax,
    warn: warnPercent,
  }
  return Object.entries(parts)
    .flatMap(([name, value]) => (value === null ? [] : [`${name}=${value}`]))
    .join(',')
}

function quotaOf(text: string): Settings['defaultQuota'] {
  if (text === 'none') return null
  const quota = { bytesMax: null, repositoriesMax: null, tagsMax: null, warnPercent: 80 } as {
    -readonly [M in keyof QuotaSetting]: QuotaSetting[M]
  }
  for (const part of text.split(',')) {
    const [, name, value = ''] = /^(bytes|repositories|tags|warn)=(.+)$/.exec(part) ?? []
    const number = name === 'bytes' ? parseSize(value) : /^\d{1,15}$/.test(value) ? Number(value) : undefined
    if (name === undefined || number === undefined)
      throw new WrongUsage('a quota is none, or some of bytes=10GiB,repositories=50,tags=500,warn=80')
    if (name === 'warn') quota.warnPercent = number
    else quota[`${name as 'bytes' | 'repositories' | 'tags'}Max`] = number
  }
  return quota
}

function onOff(text: string): boolean {
  if (text === 'on' || text === 'off') return text === 'on'
  throw new WrongUsage('the value is on or off')
}

const bannerLevels = ['info', 'warning', 'danger']

function bannerOf(text: string): Settings['banner'] {
  if (text === 'none') return null
  const [, level = 'info', words = ''] = /^(?:([a-z]+): )?([^]*)$/.exec(text) ?? []
  if (!bannerLevels.includes(level))
    throw new CommandFailure(
      `${level} is no level of a banner: ${bannerLevels.join(', ')}; info: is before other text that begins with a word and a colon`,
    )
  return { text: words, level: level as 'info' }
}

function limitOf(text: string): Settings['rateLimits']['perAddress'] {
  if (text === 'none') return null
  const [, rate, burst] = /^(\d+(?:\.\d+)?)(?:\/(\d+))?$/.exec(text) ?? []
  if (rate === undefined) throw new WrongUsage('a limit is none, or requests a second and how many at once: 50/200')
  const requestsPerSecond = Number(rate)
  if (burst !== undefined) return { requestsPerSecond, burst: Number(burst) }
  const atOnce = Math.max(1, Math.ceil(requestsPerSecond))
  console.error(`${text} means ${text}/${atOnce}: ${text} requests a second, ${atOnce} of them at once`)
  return { requestsPerSecond, burst: atOnce }
}

function set(name: string, text: string, flags: ApiFlags & { readonly force?: true }): Promise<void> {
  const change = Object.hasOwn(changes, name) ? changes[name] : undefined
  if (change === undefined) throw new WrongUsage(`there is no setting ${name}: ${Object.keys(changes).join(', ')}`)
  return withClient(flags, async ({ client, print }) => {
    const before = await client.send(routes.readSystemSettings)
    const after = await client.call(routes.updateSystemSettings, {
      body: change(text, before.body),
      ifMatch: before.etag,
      ...(flags.force === true && { query: { force: true } }),
    })
    print(after, () => printSettings(after))
  })
}

/** Adds the verbs to the program. */
export function registerSystem(program: Command): void {
  const system = program.command('system').description('a server as a whole')
  apiOptions(system.command('info').description('version, database, store, and how much is in them')).action(info)
  apiOptions(system.command('settings').description('print what administrators decide while the server runs')).action(settings)
  apiOptions(system.command('configuration').description('print the configuration in force, secrets masked')).action(configuration)
  apiOptions(
    system
      .command('set')
      .description('change a setting')
      .argument('<setting>', Object.keys(changes).join(', '))
      .argument('<value>', 'as `settings` prints it: on, off, none, all, a list with commas, 50/200, `warning: text`'),
  )
    .option('--force', 'change networks although they lock out the address that this command comes from')
    .action(set)
}
