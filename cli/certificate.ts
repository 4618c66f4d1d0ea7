/** `berth certificate …`: the certificates that the listener serves. */
import type { Command } from 'commander'
import { listCertificates, renewCertificates } from '#api/routes/certificates.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'
import { CommandFailure } from './command-failure.ts'
import { followJob, requireDone } from './follow-job.ts'
import { printable, printRows } from './print.ts'

interface RenewFlags extends ApiFlags {
  readonly wait?: boolean
}

async function runList(flags: ApiFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const list = await client.call(listCertificates)
    print(list, () => {
      const rows = list.items.map(({ name, source, names, notAfter, renewAt }) => [name, source, notAfter, renewAt, names.join(',') || '-'])
      printRows(['CERTIFICATE', 'SOURCE', 'ENDS', 'RENEWED', 'NAMES'], rows)
      for (const { name, error } of list.items) if (error !== null) console.error(`${printable(name)}: ${printable(error)}`)
    })
  })
}

async function runRenew(host: string | undefined, flags: RenewFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const started = await client.call(renewCertificates, { body: host === undefined ? {} : { host } })
    if (flags.wait !== true) {
      print(started, () => console.log(`job ${started.job} ${started.isNew ? 'asks' : 'asks already'}: berth job watch ${started.job}`))
      return
    }
    const ended = await followJob(client, started.job)
    print(ended, () => undefined)
    requireDone(ended)
    const { failed = [] } = (ended.result ?? {}) as { readonly failed?: readonly string[] }
    if (failed.length > 0)
      throw new CommandFailure(`no certificate for ${failed.map(printable).join(', ')}: berth certificate list tells why`)
  })
}

/** Adds the command to the program. */
export function registerCertificate(program: Command): void {
  const certificate = program.command('certificate').description('certificates of the listener, and their renewal by ACME')
  apiOptions(certificate.command('list').description('list certificates: for which names, until when')).action(runList)
  apiOptions(certificate.command('renew').description('ask for certificates by ACME now, due or not').argument('[host]', 'all without'))
    .option('--wait', 'until it is through')
    .action(runRenew)
}
