/** `berth upload`: pushes under way. */
import type { Command } from 'commander'
import { cancelUpload, listRepositoryUploads, listUploads } from '#api/routes/uploads.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'
import { describeBytes } from './data-command.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { confirm, yesOption } from './prompt.ts'

function list(repository: string | undefined, flags: ListFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    const pages =
      repository === undefined
        ? readPages(client, listUploads, flags)
        : readPages(client, listRepositoryUploads, flags, { params: { repository } })
    await printPages(pages, flags, {
      columns: ['ID', 'REPOSITORY', 'BY', 'RECEIVED', 'RECEIVING', 'STARTED', 'UPDATED'],
      row: ({ id, repository: of, actor, offsetBytes, isReceiving, startedAt, updatedAt }) => [
        id,
        of,
        actor,
        describeBytes(offsetBytes),
        isReceiving,
        startedAt,
        updatedAt,
      ],
    })
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
    listOptions(
      upload.command('list').description('list the uploads under way').argument('[repository]', 'only those to this one'),
      listUploads,
    ),
  ).action(list)
  apiOptions(
    upload
      .command('cancel')
      .description('end an upload; its bytes go')
      .argument('<repository>', 'its full name')
      .argument('<id>', 'of the list'),
  )
    .option(...yesOption)
    .action(cancel)
}
