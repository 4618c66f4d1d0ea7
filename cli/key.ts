/** `berth key …`: the keys that sign bearer tokens. */
import type { Command } from 'commander'
import { deleteKey, listKeys, rotateKeys } from '#api/routes/keys.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'
import { printFacts, printRows } from './print.ts'
import { confirm, yesOption } from './prompt.ts'

interface ChangeFlags extends ApiFlags {
  readonly yes?: boolean
}

async function runList(flags: ApiFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const list = await client.call(listKeys)
    const rows = list.items.map(({ keyId, algorithm, createdAt, retiredAt }) => [keyId, algorithm, createdAt, retiredAt])
    print(list, () => printRows(['KEY', 'ALGORITHM', 'MADE', 'RETIRED'], rows))
  })
}

async function runRotate(flags: ChangeFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    await confirm('Sign with a fresh key from now on?', flags)
    const made = await client.call(rotateKeys)
    print(made, () => printFacts({ key: made.keyId, algorithm: made.algorithm, made: made.createdAt }))
  })
}

async function runDelete(key: string, flags: ChangeFlags): Promise<void> {
  await withClient(flags, async ({ client }) => {
    await confirm(`Delete key ${key}, and so end every token that it signed?`, flags)
    await client.call(deleteKey, { params: { key } })
  })
}

/** Adds the command to the program. */
export function registerKey(program: Command): void {
  const key = program.command('key').description('keys that sign bearer tokens')
  apiOptions(key.command('list').description('list keys, newest first')).action(runList)
  apiOptions(key.command('rotate').description('sign with a fresh key; tokens of the one before stay good until they end'))
    .option(...yesOption)
    .action(runRotate)
  apiOptions(key.command('delete').description('delete a key that somebody else may have').argument('<key>', 'see key list'))
    .option(...yesOption)
    .action(runDelete)
}
