/** `berth immutable`: immutable tag rules of projects. */
import { Option, type Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import {
  createImmutableRule,
  deleteImmutableRule,
  listImmutableRules,
  readImmutableRule,
  updateImmutableRule,
} from '#api/routes/immutable-rules.ts'
import { apiOptions, withClient, wholeNumber, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { printFacts, tellWarnings } from './print.ts'
import { confirm, yesOption } from './prompt.ts'

type Rule = ResponseOf<typeof readImmutableRule>

interface RuleFlags extends ApiFlags {
  readonly syntax?: Rule['tagSyntax']
  readonly repositories?: string
  readonly description?: string
}

function printRule(rule: Rule): void {
  printFacts({
    Rule: rule.id,
    Project: rule.project,
    Repositories: rule.repositories,
    Tags: `${rule.tags} (${rule.tagSyntax})`,
    Enabled: rule.isEnabled ? 'yes' : 'no',
    Description: rule.description,
    'Made by': rule.createdBy,
    Created: rule.createdAt,
    Updated: rule.updatedAt,
  })
}

function list(project: string, flags: ListFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    await printPages(readPages(client, listImmutableRules, flags, { params: { project } }), flags, {
      columns: ['RULE', 'REPOSITORIES', 'TAGS', 'SYNTAX', 'ENABLED', 'DESCRIPTION'],
      row: (rule) => [rule.id, rule.repositories, rule.tags, rule.tagSyntax, rule.isEnabled ? 'yes' : 'no', rule.description],
    })
  })
}

function show(project: string, rule: number, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const found = await client.call(readImmutableRule, { params: { project, rule } })
    print(found, () => printRule(found))
  })
}

function membersOf({ syntax, repositories, description }: RuleFlags) {
  return {
    ...(syntax !== undefined && { tagSyntax: syntax }),
    ...(repositories !== undefined && { repositories }),
    ...(description !== undefined && { description }),
  }
}

function add(project: string, tags: string, flags: RuleFlags & { readonly disabled?: true }): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const body = { tags, ...membersOf(flags), ...(flags.disabled === true && { isEnabled: false }) }
    const made = await client.call(createImmutableRule, { params: { project }, body })
    print(made, () => printRule(made))
    tellWarnings(made)
  })
}

interface ChangeFlags extends RuleFlags {
  readonly tags?: string
  readonly enable?: true
  readonly disable?: true
}

function change(project: string, rule: number, flags: ChangeFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const { tags, enable, disable } = flags
    if (enable === true && disable === true) throw new WrongUsage('either --enable or --disable')
    const body = {
      ...membersOf(flags),
      ...(tags !== undefined && { tags }),
      ...((enable ?? disable) === true && { isEnabled: enable === true }),
    }
    if (Object.keys(body).length === 0) throw new WrongUsage('nothing is to change: --help lists what can be')
    const changed = await client.call(updateImmutableRule, { params: { project, rule }, body })
    print(changed, () => printRule(changed))
    tellWarnings(changed)
  })
}

function remove(project: string, rule: number, flags: ApiFlags & { readonly yes?: boolean }): Promise<void> {
  return withClient(flags, async ({ client }) => {
    await confirm(`Delete rule ${rule} of ${project}? What it keeps can be moved and deleted then.`, flags)
    await client.call(deleteImmutableRule, { params: { project, rule } })
    console.error(`deleted rule ${rule} of ${project}`)
  })
}

const projectArgument = ['<project>', 'its name'] as const

function ruleOptions(command: Command): Command {
  return command
    .addOption(new Option('--syntax <name>', 'what the pattern of tags is (glob)').choices(['glob', 'regex', 'semver']))
    .option('--repositories <glob>', 'only repositories whose whole names it fits (**)')
    .option('--description <text>', 'why')
}

/** Adds the command to the program. */
export function registerImmutable(program: Command): void {
  const immutable = program.command('immutable').description('immutable tag rules of projects')
  const withRule = (name: string, description: string) =>
    apiOptions(
      immutable
        .command(name)
        .description(description)
        .argument(...projectArgument)
        .argument('<rule>', 'its number in the list', wholeNumber),
    )
  apiOptions(
    listOptions(
      immutable
        .command('list')
        .description('list the rules of a project')
        .argument(...projectArgument),
      listImmutableRules,
    ),
  ).action(list)
  withRule('show', 'show one rule').action(show)
  ruleOptions(
    apiOptions(
      immutable
        .command('add')
        .description('make a rule: tags that it fits are neither moved nor deleted')
        .argument(...projectArgument)
        .argument('<tags>', 'such as v* or {stable,release-*}'),
    ),
  )
    .option('--disabled', 'it keeps nothing until it is enabled')
    .action(add)
  ruleOptions(withRule('change', 'change a rule').option('--tags <pattern>', 'another pattern'))
    .option('--enable', 'it keeps what it fits')
    .option('--disable', 'it keeps nothing')
    .action(change)
  withRule('remove', 'delete a rule')
    .option(...yesOption)
    .action(remove)
}
