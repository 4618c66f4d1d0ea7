/** `berth search`: projects, repositories, tags, digests and labels by a text. */
import { Option, type Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import { search } from '#api/routes/search.ts'
import { apiOptions, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { printRows } from './print.ts'

interface SearchFlags extends ApiFlags {
  readonly kind?: readonly string[]
  readonly limit?: number
}

type Found = ResponseOf<typeof search>['items'][number]

/** As it is written where it is used. */
function nameOf({ kind, project, repository, tag, digest, label }: Found): string | undefined {
  if (kind === 'project') return project
  if (kind === 'label') return label
  if (kind === 'tag') return `${repository}:${tag}`
  return kind === 'digest' ? `${repository}@${digest}` : repository
}

function find(text: string, flags: SearchFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const { kind, limit } = flags
    const query = { q: text, ...(kind !== undefined && { kinds: kind.join(',') }), ...(limit !== undefined && { limit }) }
    const found = await client.call(search, { query })
    print(found, () => {
      const rows = found.items.map((each) => [each.content ?? each.kind, nameOf(each), each.project])
      printRows(['KIND', 'NAME', 'PROJECT'], rows)
      if (!found.isComplete) console.error('(there may be more: say more of the name, or --limit)')
    })
  })
}

const kinds = ['project', 'repository', 'tag', 'digest', 'label']

/** Adds the command to the program. */
export function registerSearch(program: Command): void {
  apiOptions(
    program
      .command('search')
      .description('find projects, repositories, tags, digests and labels that you may see')
      .argument('<text>', 'a part of a name, the beginning of a tag or digest, name:tag or name@digest'),
  )
    .addOption(new Option('--kind <kind...>', 'only these kinds').choices(kinds))
    .option('--limit <count>', 'how many of each kind at most (10)', wholeNumber)
    .action(find)
}
