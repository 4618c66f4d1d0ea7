/** `berth upload`: pushes under way. */
import type { Command } from 'commander'
import { cancelUpload, listRepositoryUploads, listUploads } from '#api/routes/uploads.ts'
import { apiOptions, listOptions, readList, withClient, type ApiFlags, type ListFlags } from './api-command.ts'
import { describeBytes } from './data-command.ts'
import { printRows } from './print.ts'
import { confirm } from './prompt.ts'

function list(repository: string | undefined, flags: ListFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const page =
      repository === undefined
        ? await readList(client, listUploads, flags)
        : await readList(client, listRepositoryUploads, flags, { params: { repository } })
    print(page, () =>
      printRows(
        ['ID', 'REPOSITORY', 'BY', 'RECEIVED', 'STARTED', 'UPDATED'],
        page.items.map((each) => [each.id, each.repository, each.actor, describeBytes(each.offsetBytes), each.startedAt, each.updatedAt]),
      ),
    )
  })
}

function cancel(repository: string, upload: string, flags: ApiFlags & { readonly yes?: boolean }): Promise<void> {
  return withClient(flags, async ({ client, server }) => {
    await confirm(`Cancel the upload ${upload} to ${repository} of ${server}?`, flags)
    await client.call(cancelUpload, { params: { repository, upload } })
    console.error(`cancelled ${upload}`)
  })
}

/** Adds the command to the program. */
export function registerUpload(program: Command): void {
  const upload = program.command('upload').description('uploads under way')
  apiOptions(
    listOptions(upload.command('list').description('list the uploads under way').argument('[repository]', 'only those to this one')),
  ).action(list)
  apiOptions(
    upload
      .command('cancel')
      .description('end an upload; its bytes go')
      .argument('<repository>', 'its full name')
      .argument('<id>', 'of the list'),
  )
    .option('-y, --yes', 'do not ask')
    .action(cancel)
}
