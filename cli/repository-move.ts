/** `berth repository move`. */
import type { Command } from 'commander'
import { ApiProblem, type ApiClient } from '#api/client.ts'
import { moveRepository, readProject } from '#api/routes/projects.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'
import { printable, tellWarnings } from './print.ts'
import { confirm, yesOption } from './prompt.ts'

/** Whether a name below the project would be in it, or in one below it. */
async function isProject(client: ApiClient, project: string): Promise<boolean> {
  try {
    await client.call(readProject, { params: { project } })
    return true
  } catch (error) {
    if (error instanceof ApiProblem && error.code === 'RESOURCE_UNKNOWN') return false
    throw error
  }
}

/** The beginnings of a name that may be a project's, longest first. */
function prefixesOf(name: string): string[] {
  const parts = name.split('/')
  return parts.slice(1).map((_, index) => parts.slice(0, parts.length - 1 - index).join('/'))
}

/** Whether the name looks as if it were in a project, and there is none: then it is a slip, more often than not. */
async function looksMistyped(client: ApiClient, repository: string, to: string): Promise<boolean> {
  const [first = ''] = to.split('/')
  if (!to.includes('/') || repository.startsWith(`${first}/`)) return false
  for (const prefix of prefixesOf(to)) if (await isProject(client, prefix)) return false
  return true
}

function move(repository: string, to: string, flags: ApiFlags & { readonly redirect: boolean; readonly yes?: boolean }): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    if (flags.yes !== true && (await looksMistyped(client, repository, to))) {
      const [first = ''] = to.split('/')
      await confirm(
        `${printable(first)} is no project that you see: move ${printable(repository)} into the default project, as ${printable(to)}?`,
        flags,
      )
    }
    const moved = await client.call(moveRepository, { params: { repository }, body: { to, redirect: flags.redirect } })
    const former = flags.redirect ? '; the former name leads to it' : ''
    print(moved, () => console.log(`${repository} is ${moved.repository} of project ${moved.project} now${former}`))
    tellWarnings(moved)
  })
}

/** Adds the verb to `berth repository`. */
export function addRepositoryMove(repository: Command): void {
  const command = repository.command('move').description('give a repository another name, in the same project or in another')
  apiOptions(command.argument('<repository>', 'its full name').argument('<name>', 'the full name that it gets'))
    .option('--no-redirect', 'the former name leads nowhere, and is free')
    .option(...yesOption)
    .action(move)
}
