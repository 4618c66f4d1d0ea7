/** `berth repository move`. */
import type { Command } from 'commander'
import { moveRepository } from '#api/routes/projects.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'

function move(repository: string, to: string, flags: ApiFlags & { readonly redirect: boolean }): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const moved = await client.call(moveRepository, { params: { repository }, body: { to, redirect: flags.redirect } })
    const former = flags.redirect ? '; the former name leads to it' : ''
    print(moved, () => console.log(`${repository} is ${moved.repository} of project ${moved.project} now${former}`))
  })
}

/** Adds the verb to `berth repository`. */
export function addRepositoryMove(repository: Command): void {
  const command = repository.command('move').description('give a repository another name, in the same project or in another')
  apiOptions(command.argument('<repository>', 'its full name').argument('<name>', 'the full name that it gets'))
    .option('--no-redirect', 'the former name leads nowhere, and is free')
    .action(move)
}
