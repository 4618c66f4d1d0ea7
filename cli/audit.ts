/** `berth audit`: what happened, all of it as a file, and proof that nothing was changed. */
import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import * as routes from '#api/routes/audit.ts'
import { apiOptions, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { CommandFailure, WrongUsage } from './command-failure.ts'
import { flushed, isReaderGone } from './flushed.ts'
import { followLive } from './follow-live.ts'
import { listOptions, printPages, readPages, type ListFlags } from './list.ts'
import { spanOf, timeOf } from './end-of.ts'
import { printFacts, printTable } from './print.ts'

interface Filters {
  readonly project?: string
  readonly actor?: string
  readonly action?: string
  readonly outcome?: 'success' | 'failure'
  readonly repository?: string
  readonly address?: string
  readonly credential?: string
  readonly reason?: string
  readonly request?: string
  readonly target?: string
  readonly since?: string
  readonly until?: string
}

function filtersOf(flags: Filters) {
  const { project, actor, action, outcome, repository, address, credential, reason, target, since, until } = flags
  return {
    project,
    actor,
    action,
    outcome,
    repository,
    address,
    credential,
    reason,
    requestId: flags.request,
    target,
    since: instantOf('--since', since),
    until: instantOf('--until', until),
  }
}

/** A day means its beginning in UTC; a span is of time that has passed. */
function instantOf(flag: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const spanMs = spanOf(text)
  const instant = spanMs === undefined ? timeOf(text) : new Date(Date.now() - spanMs)
  if (instant === undefined)
    throw new WrongUsage(`${flag} is a day, an instant, or how long ago: 2026-01-31, 2026-01-31T12:00:00Z, 12h, 7d`)
  return instant.toISOString()
}

type Record = ResponseOf<typeof routes.listAudit>['items'][number]

const targeted: ReadonlySet<string> = new Set(['trash.purged', 'trash.restored', 'tag.restored'])

function whatOf({ action, repository, tag, digest, target }: Record): string {
  // What comes out of the trash, or out of history, is named by its target alone: its repository's name says too little.
  if (repository === null || (targeted.has(action) && target !== null)) return target ?? digest ?? ''
  return `${repository}${tag === null ? '' : `:${tag}`}${tag === null && digest !== null ? `@${digest}` : ''}`
}

function list(flags: ListFlags & Filters): Promise<void> {
  return withClient(flags, async ({ client }) => {
    const { project, ...filters } = filtersOf(flags)
    const pages =
      project === undefined
        ? readPages(client, routes.listAudit, flags, { query: filters })
        : readPages(client, routes.listProjectAudit, flags, { params: { project }, query: filters })
    await printPages(pages, flags, { columns, row: rowOf })
  })
}

const columns = ['AT', 'ACTION', 'OUTCOME', 'ACTOR', 'ADDRESS', 'COUNT', 'WHAT']

function rowOf(record: Record) {
  const { at, action, reason, outcome, actor, address, count } = record
  return [at, action, reason ?? outcome, actor, address, count, whatOf(record)]
}

interface FollowFlags extends ApiFlags {
  readonly project?: string
  readonly action?: string
  readonly after?: number
  readonly count?: number
}

function isWanted(record: Record, action: string | undefined): boolean {
  if (action === undefined) return true
  return action.endsWith('*') ? record.action.startsWith(action.slice(0, -1)) : record.action === action
}

function follow({ project, action, after, count = Number.POSITIVE_INFINITY, ...flags }: FollowFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    const query = { topics: 'activity', ...(project !== undefined && { project }), ...(after !== undefined && { after }) }
    const print = printTable(columns)
    let shown = 0
    for await (const { event, data } of followLive(client, query)) {
      if (event === 'missed') console.error('(older records are not told again: berth audit list has them)')
      const record = data as Record
      if (event !== 'activity' || !isWanted(record, action)) continue
      if (flags.json === true) console.log(JSON.stringify(record))
      else print([rowOf(record)])
      shown++
      if (shown >= count || !(await flushed(process.stdout))) return
    }
  })
}

function exportAll(flags: ApiFlags & Filters & { readonly format: 'json' | 'csv'; readonly output?: string }): Promise<void> {
  return withClient(flags, async ({ client }) => {
    const { project, ...filters } = filtersOf(flags)
    const query = { format: flags.format, ...defined(filters) }
    const body =
      project === undefined
        ? await client.stream(routes.exportAudit, { query })
        : await client.stream(routes.exportProjectAudit, { params: { project }, query })
    const target = flags.output === undefined ? process.stdout : createWriteStream(flags.output, { mode: 0o600 })
    try {
      await pipeline(Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]), target, { end: flags.output !== undefined })
    } catch (error) {
      if (flags.output !== undefined || !isReaderGone(error)) throw error
    }
  })
}

function defined<Members extends object>(members: Members): { [Name in keyof Members]: Exclude<Members[Name], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never
}

type Step = ResponseOf<typeof routes.verifyAudit>

function verify(flags: ApiFlags & { readonly expected?: string }): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const { expected } = flags
    const ask = (after: number) => client.call(routes.verifyAudit, { query: { after, ...(expected !== undefined && { expected }) } })
    let step: Step = await ask(0)
    let { seals, records, purgedSeals, isExpectedFound } = step
    while (step.fault === null && step.next !== null) {
      step = await ask(step.next)
      seals += step.seals
      records += step.records
      purgedSeals += step.purgedSeals
      isExpectedFound ||= step.isExpectedFound
    }
    print({ ...step, seals, records, purgedSeals, isExpectedFound }, () => printVerified({ ...step, seals, records, purgedSeals }))
    if (step.fault !== null) throw new CommandFailure(describeFault(step.fault))
    if (expected !== undefined && !isExpectedFound)
      throw new CommandFailure('no seal has the expected hash: the end of the chain was cut off or rewritten')
  })
}

function printVerified({ seals, records, purgedSeals, unsealed, head }: Step): void {
  printFacts({
    Seals: seals,
    Records: records,
    'Purged seals': purgedSeals,
    'Not sealed yet': unsealed,
    'Last sealed record': head?.lastId,
    'Last hash': head?.hash,
  })
}

function describeFault({ kind, firstId, lastId, sealedAt, expectedRows, foundRows }: NonNullable<Step['fault']>): string {
  const which = `records ${firstId} to ${lastId}, sealed ${sealedAt}`
  if (kind === 'missing-seal') return `a seal before that of ${which} is gone`
  if (kind === 'rows') return `${which}: there were ${expectedRows}, there are ${foundRows}`
  return `${which}: one of them, or the seal, was changed`
}

function filterOptions(command: Command): Command {
  return command
    .option('--project <name>', 'only about this project and what is in it')
    .option('--actor <name>', 'only what this person or robot did')
    .option('--action <action>', 'only this action, or `tag.*` for all that begin so')
    .option('--outcome <outcome>', 'only `success` or `failure`')
    .option('--repository <name>', 'only about this repository')
    .option('--address <address>', 'only from this address or network: 10.1.2.3, 10.1.0.0/16')
    .option('--credential <credential>', 'only by this credential: `password`, `personal:12`, `robot:7`')
    .option('--reason <code>', 'only what was refused with this error code: DENIED, UNAUTHORIZED')
    .option('--request <id>', 'only of this request')
    .option('--target <target>', 'only what was done to this: user:alice, provider:corp')
    .option('--since <instant>', 'from then on: 2026-01-31, 2026-01-31T12:00:00Z, or so long ago: 12h, 7d, 4w')
    .option('--until <instant>', 'before then')
}

/** Adds the verbs to the program. */
export function registerAudit(program: Command): void {
  const audit = program.command('audit').description('what happened and who did it')
  apiOptions(listOptions(filterOptions(audit.command('list').description('list records, newest first')), routes.listAudit)).action(list)
  apiOptions(audit.command('follow').description('print records as they come, with --json one a line; until it is interrupted'))
    .option('--project <name>', 'only about this project and what is in it')
    .option('--action <action>', 'only this action, or `tag.*` for all that begin so')
    .option('--after <id>', 'begin behind the record of this id', wholeNumber)
    .option('--count <count>', 'end after so many', wholeNumber)
    .action(follow)
  apiOptions(filterOptions(audit.command('export').description('all records, oldest first')))
    .option('--format <format>', '`json`: JSON lines in ECS field names; or `csv`', 'json')
    .option('-o, --output <file>', 'write to this file in place of the standard output')
    .action(exportAll)
  apiOptions(audit.command('verify').description('compare all records with their seals; status 1 when one was changed, removed or put in'))
    .option('--expected <hash>', 'the last hash of an earlier run, which must still be there')
    .action(verify)
}
