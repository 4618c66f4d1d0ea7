/** `berth group …`: groups of people and who is in them. */
import type { Command } from 'commander'
import type { ApiClient } from '#api/client.ts'
import type { ResponseOf } from '#api/contract.ts'
import {
  addGroupMember,
  createGroup,
  deleteGroup,
  listGroupMembers,
  listGroups,
  removeGroupMember,
  updateGroup,
  type readGroup,
} from '#api/routes/groups.ts'
import { oneSpelling } from '#lib/visible-text.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'
import { NothingThere } from './command-failure.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { printable, printFacts } from './print.ts'
import { confirm, yesOption } from './prompt.ts'
import { findUserNamed } from './user.ts'

type Group = ResponseOf<typeof readGroup>

interface GroupListFlags extends ListFlags {
  readonly name?: string
  readonly provider?: string
}

interface GroupFlags extends ApiFlags {
  readonly name?: string
  readonly description?: string
}

/** The group of that name, or of `provider:name` as lists of grants show it (`local:` for one that is kept here). */
async function findGroupNamed(client: ApiClient, text: string): Promise<Group> {
  const group =
    (await groupCalled(client, text, undefined)) ??
    (await groupCalled(client, oneSpelling(text), undefined)) ??
    (await groupOfProvider(client, text))
  if (group === undefined) throw new NothingThere(`there is no group ${printable(text)}`)
  return group
}

/** By its very name. That one sorts before all that begin with it. */
async function groupCalled(client: ApiClient, name: string, provider: string | undefined): Promise<Group | undefined> {
  const { items } = await client.call(listGroups, { query: { name, sort: 'name', limit: 1, ...(provider !== undefined && { provider }) } })
  const [group] = items
  return group?.name === name ? group : undefined
}

/** A provider's group whose plain name another one had first has the provider in parentheses behind it, which need not be said twice. */
async function groupOfProvider(client: ApiClient, text: string): Promise<Group | undefined> {
  const colon = text.indexOf(':')
  if (colon < 1 || colon === text.length - 1) return undefined
  const [provider, name] = [text.slice(0, colon), text.slice(colon + 1)]
  return (await groupCalled(client, name, provider)) ?? (await groupCalled(client, `${name} (${provider})`, provider))
}

function show({ id, name, description, provider, externalName, createdAt }: Group): void {
  printFacts({ id, name, description, provider, 'called there': externalName, created: createdAt })
}

async function runList(flags: GroupListFlags): Promise<void> {
  await withClient(flags, ({ client }) =>
    printPages(readPages(client, listGroups, flags, { query: { name: flags.name, provider: flags.provider } }), flags, {
      columns: ['ID', 'NAME', 'PROVIDER', 'DESCRIPTION'],
      row: ({ id, name, provider, description }) => [id, name, provider, description],
    }),
  )
}

async function runShow(name: string, flags: ApiFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const group = await findGroupNamed(client, name)
    print(group, () => show(group))
  })
}

async function runCreate(name: string, flags: GroupFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const { description = '' } = flags
    const group = await client.call(createGroup, { body: { name, description } })
    print(group, () => console.log(`made ${group.name}`))
  })
}

async function runUpdate(old: string, { name, description, ...flags }: GroupFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const { id, version } = await findGroupNamed(client, old)
    const body = { ...(name !== undefined && { name }), ...(description !== undefined && { description }) }
    const group = await client.call(updateGroup, { params: { group: id }, body, ifMatch: version })
    print(group, () => show(group))
  })
}

async function runDelete(name: string, flags: ApiFlags & { readonly yes?: boolean }): Promise<void> {
  await withClient(flags, async ({ client }) => {
    const { id, name: called } = await findGroupNamed(client, name)
    await confirm(`Remove the group ${printable(called)} with its memberships and grants?`, flags)
    await client.call(deleteGroup, { params: { group: id } })
  })
}

async function runMembers(name: string, flags: ListFlags): Promise<void> {
  await withClient(flags, async ({ client }) => {
    const { id } = await findGroupNamed(client, name)
    await printPages(readPages(client, listGroupMembers, flags, { params: { group: id } }), flags, {
      columns: ['ID', 'NAME', 'DISPLAY NAME', 'DISABLED'],
      row: ({ userId, name: of, displayName, isDisabled }) => [userId, of, displayName, isDisabled],
    })
  })
}

async function runMember(
  route: typeof addGroupMember | typeof removeGroupMember,
  names: readonly [string, string],
  flags: ApiFlags,
): Promise<void> {
  await withClient(flags, async ({ client }) => {
    const group = await findGroupNamed(client, names[0])
    const user = await findUserNamed(client, names[1])
    await client.call(route, { params: { group: group.id, user: user.id } })
  })
}

/** Adds the command to the program. */
export function registerGroup(program: Command): void {
  const group = program.command('group').description('groups of people')
  apiOptions(listOptions(group.command('list').description('list groups'), listGroups))
    .option('--name <prefix>', 'only names that begin so')
    .option('--provider <name>', 'only groups of this identity provider; local: kept here')
    .action(runList)
  apiOptions(group.command('show').description('show a group').argument('<name>', 'its name')).action(runShow)
  apiOptions(group.command('create').description('make a group').argument('<name>', 'its name'))
    .option('--description <text>', 'what it is for')
    .action(runCreate)
  apiOptions(group.command('update').description('rename or describe a group').argument('<name>', 'its name'))
    .option('--name <name>', 'rename it')
    .option('--description <text>', 'what it is for')
    .action(runUpdate)
  apiOptions(group.command('delete').description('remove a group').argument('<name>', 'its name'))
    .option(...yesOption)
    .action(runDelete)
  apiOptions(
    listOptions(group.command('members').description('list who is in a group').argument('<name>', 'its name'), listGroupMembers),
  ).action(runMembers)
  apiOptions(
    group
      .command('add')
      .description('bring somebody into a group')
      .argument('<group>', 'name of the group')
      .argument('<user>', 'name of the account'),
  ).action((name: string, user: string, flags: ApiFlags) => runMember(addGroupMember, [name, user], flags))
  apiOptions(
    group
      .command('remove')
      .description('take somebody out of a group')
      .argument('<group>', 'name of the group')
      .argument('<user>', 'name of the account'),
  ).action((name: string, user: string, flags: ApiFlags) => runMember(removeGroupMember, [name, user], flags))
}
