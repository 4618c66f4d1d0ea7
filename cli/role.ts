/** `berth role …`: sets of permissions that grants give. */
import type { Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import { createRole, deleteRole, listPermissions, listRoles, readRole, updateRole } from '#api/routes/roles.ts'
import { parsePermission, type Permission } from '#api/permissions.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { printFacts, printRows } from './print.ts'
import { confirm, yesOption } from './prompt.ts'

type Role = ResponseOf<typeof readRole>

interface RoleFlags extends ApiFlags {
  readonly title?: string
  readonly description?: string
  readonly permission?: readonly Permission[]
}

function show({ name, title, description, isBuiltIn, permissions }: Role): void {
  printFacts({ name, title, description, 'built in': isBuiltIn, permissions: permissions.join(' ') })
}

async function runList(flags: ApiFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const list = await client.call(listRoles)
    const rows = list.items.map(({ name, isBuiltIn, permissions, title }) => [name, isBuiltIn, permissions.length, title])
    print(list, () => printRows(['NAME', 'BUILT IN', 'PERMISSIONS', 'TITLE'], rows))
  })
}

async function runShow(name: string, flags: ApiFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const role = await client.call(readRole, { params: { role: name } })
    print(role, () => show(role))
  })
}

function bodyOf({ title, description, permission }: RoleFlags) {
  return {
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    ...(permission !== undefined && { permissions: [...permission] }),
  }
}

async function runCreate(name: string, flags: RoleFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const role = await client.call(createRole, { body: { name, permissions: [], ...bodyOf(flags) } })
    print(role, () => console.log(`made ${role.name}`))
  })
}

async function runUpdate(name: string, flags: RoleFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const { version } = await client.call(readRole, { params: { role: name } })
    const role = await client.call(updateRole, { params: { role: name }, body: bodyOf(flags), ifMatch: version })
    print(role, () => show(role))
  })
}

async function runDelete(name: string, flags: ApiFlags & { readonly yes?: boolean }): Promise<void> {
  await withClient(flags, async ({ client }) => {
    await confirm(`Remove the role ${name}?`, flags)
    await client.call(deleteRole, { params: { role: name } })
  })
}

async function runPermissions(flags: ApiFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const list = await client.call(listPermissions)
    print(list, () =>
      printRows(
        ['PERMISSION', 'ASKED AT'],
        list.items.map(({ permission, level }) => [permission, level]),
      ),
    )
  })
}

function permissions(texts: string, before: readonly Permission[] = []): readonly Permission[] {
  const parsed = texts.split(',').map((text) => {
    const permission = parsePermission(text.trim())
    if (permission === undefined) throw new WrongUsage(`${text} is no permission: berth role permissions lists them`)
    return permission
  })
  return [...before, ...parsed]
}

const permissionOption = [
  '--permission <names>',
  'what it permits: several with commas, or the option several times; replaces all',
] as const

/** Adds the command to the program. */
export function registerRole(program: Command): void {
  const role = program.command('role').description('roles: sets of permissions')
  apiOptions(role.command('list').description('list roles')).action(runList)
  apiOptions(role.command('show').description('show a role').argument('<name>', 'its name')).action(runShow)
  apiOptions(role.command('create').description('make a role').argument('<name>', 'its name'))
    .option('--title <text>', 'the name for people')
    .option('--description <text>', 'what it is for')
    .option(...permissionOption, permissions)
    .action(runCreate)
  apiOptions(role.command('update').description('change a role for all who hold it').argument('<name>', 'its name'))
    .option('--title <text>', 'the name for people')
    .option('--description <text>', 'what it is for')
    .option(...permissionOption, permissions)
    .action(runUpdate)
  apiOptions(role.command('delete').description('remove a role that nobody holds').argument('<name>', 'its name'))
    .option(...yesOption)
    .action(runDelete)
  apiOptions(role.command('permissions').description('list what roles are made of')).action(runPermissions)
}
