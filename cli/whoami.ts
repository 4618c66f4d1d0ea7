/** `berth whoami`: as whom a server knows this command line. */
import type { Command } from 'commander'
import { readSession } from '#api/routes/session.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'
import { NotLetIn } from './command-failure.ts'
import { printFacts } from './print.ts'

function show(flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, server, print }) => {
    const session = await client.call(readSession)
    const { user } = session
    if (user === undefined && flags.json !== true) throw new NotLetIn(`not logged in to ${server}: run berth login ${server}`)
    print({ server, ...session }, () =>
      printFacts({
        Server: server,
        Name: user?.name,
        Kind: user?.kind,
        Administrator: user?.isAdministrator,
        Credential: session.credential,
        'May everywhere': session.permissions.join(', '),
      }),
    )
  })
}

/** Adds the command to the program. */
export function registerWhoami(program: Command): void {
  apiOptions(program.command('whoami').description('tell as whom the server knows you')).action(show)
}
