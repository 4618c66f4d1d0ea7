/** `berth usage`: how much is in a project, a repository or everything. */
import type { Command } from 'commander'
import { ApiProblem } from '#api/client.ts'
import type { ResponseOf } from '#api/contract.ts'
import { readProjectUsage, readRepositoryUsage, readSystemUsage } from '#api/routes/quotas.ts'
import { apiOptions, withClient, type ApiCommand, type ApiFlags } from './api-command.ts'
import { describeBytes, describeSource, loadSource, plural, withBerth } from './data-command.ts'
import { showDefaultVerb } from './default-verb.ts'
import { printFacts, printRows } from './print.ts'

type Usage = ResponseOf<typeof readProjectUsage>

interface UsageFlags extends ApiFlags {
  readonly repository?: true
}

function printUsage({ bytes, logicalBytes, blobs, manifests, tags, repositories, isExact }: Usage): void {
  printFacts({
    Bytes: `${describeBytes(bytes)} (${bytes})${isExact ? '' : ', or less: a recount is under way'}`,
    'As if nothing were shared': `${describeBytes(logicalBytes)} (${logicalBytes})${logicalBytes < bytes ? ', less: not all that is there is named by a manifest' : ''}`,
    Blobs: blobs,
    Manifests: manifests,
    Tags: tags,
    Repositories: repositories,
  })
}

/** A project of the name, else a repository. */
async function read(client: ApiCommand['client'], name: string, flags: UsageFlags): Promise<Usage> {
  if (flags.repository === true) return await client.call(readRepositoryUsage, { params: { repository: name } })
  try {
    return await client.call(readProjectUsage, { params: { project: name } })
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.status !== 404 || !name.includes('/')) throw error
    return await client.call(readRepositoryUsage, { params: { repository: name } })
  }
}

function usage(name: string | undefined, flags: UsageFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const found = name === undefined ? await client.call(readSystemUsage) : await read(client, name, flags)
    print(found, () => printUsage(found))
  })
}

async function verify(source: string | undefined, { repair, json }: { readonly repair?: true; readonly json?: true }): Promise<void> {
  const { verifyUsage } = await import('#main.ts')
  const { config } = await loadSource(source)
  console.error(`Looking at ${describeSource(config)}`)
  await withBerth(source, async (berth) => {
    const found = await verifyUsage(berth, { repair: repair === true })
    const { faults, repositories, projects, pending } = found
    if (json === true) console.log(JSON.stringify(found, undefined, 2))
    else if (faults.length > 0)
      printRows(
        ['OF', 'ID', 'COUNTER', 'COUNTED', 'ACTUAL'],
        faults.map(({ scope, id, counter, counted, actual }) => [scope, id, counter, counted, actual]),
      )
    const checked = `${plural(repositories, 'repository').replace(/ys$/, 'ies')} and ${plural(projects, 'project')} counted again`
    const wrong =
      faults.length === 0 ? 'all numbers are right' : `${plural(faults.length, 'number')} wrong${repair === true ? ', set right' : ''}`
    const say = json === true ? console.error : console.log
    say(`${checked}: ${wrong}${pending.length > 0 ? `; ${plural(pending.length, 'project')} wait for a recount` : ''}`)
    if (faults.length > 0 && repair !== true) process.exitCode = 1
  })
}

/** Adds the command to the program. */
export function registerUsage(program: Command): void {
  const command = program.command('usage').description('how much is in a project, a repository or everything')
  const show = command.command('show', { isDefault: true }).description('show it; `berth usage team` is short for this')
  apiOptions(show)
    .argument('[name]', 'of a project, or of a repository; everything when it is left out')
    .option('--repository', 'the name is a repository’s')
    .action(usage)
  showDefaultVerb(command, show)
  command
    .command('verify')
    .description('count everything again on the data, beside a running server too, and compare; pushes wait meanwhile')
    .argument('[config]', 'a config.yml or a data directory; else as `serve` finds it')
    .option('--repair', 'set right what is wrong')
    .option('--json', 'print what was found as JSON')
    .action((source: string | undefined, _: unknown, running: Command) => verify(source, running.optsWithGlobals()))
}
