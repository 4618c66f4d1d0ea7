/** `berth retention`: which tags of a project stay, what runs of its policies did, and why. Policies are made from files: retention-file.ts. */
import { Option, type Command } from 'commander'
import type { ResponseOf } from '#api/contract.ts'
import * as routes from '#api/routes/retention.ts'
import { apiOptions, wholeNumber, withClient, type ApiFlags } from './api-command.ts'
import { WrongUsage } from './command-failure.ts'
import { plural } from './data-command.ts'
import { listOptions, printPages, readPages, type ListFlags, type TableShape } from './list.ts'
import { printFacts, printRows, tellWarnings } from './print.ts'
import { confirm, yesOption } from './prompt.ts'
import { readPolicyFile } from './retention-file.ts'
import { followRun, requireRunDone, type Run } from './follow-retention-run.ts'

type Policy = ResponseOf<typeof routes.readRetentionPolicy>
type Decision = ResponseOf<typeof routes.listRetentionDecisions>['items'][number]

const policyTable: TableShape<Policy> = {
  columns: ['NAME', 'ENABLED', 'REPOSITORIES', 'RULES', 'SCHEDULE', 'NEXT', 'SHOWN', 'DESCRIPTION'],
  row: (policy) => [
    policy.name,
    policy.isEnabled,
    policy.repositories,
    policy.rules.length,
    policy.schedule,
    policy.nextAt,
    policy.shownRevision === policy.revision,
    policy.description,
  ],
}

const runTable: TableShape<Run> = {
  columns: ['ID', 'KIND', 'STATE', 'KEPT', 'REMOVED', 'FAILED', 'BY', 'STARTED', 'ENDED', 'ERROR'],
  row: (run) => [
    run.id,
    run.isDry ? 'dry' : 'real',
    run.state,
    run.kept,
    run.removed,
    run.failed,
    run.startedBy,
    run.startedAt,
    run.endedAt,
    run.error,
  ],
}

const decisionTable: TableShape<Decision> = {
  columns: ['REPOSITORY', 'TAG', 'ACTION', 'RULE', 'PUSHED', 'REASON'],
  row: ({ repository, tag, action, rule, pushedAt, reason }) => [repository, tag, action, rule, pushedAt, reason],
}

function describeRule({ name, tags, keep }: Policy['rules'][number], index: number): string {
  const about = tags === undefined ? 'every tag' : JSON.stringify(tags)
  return `${name ?? `rule ${index + 1}`}: of ${about} keep ${JSON.stringify(keep)}`
}

function printPolicy(policy: Policy): void {
  printFacts({
    Name: policy.name,
    Project: policy.project,
    Description: policy.description,
    Enabled: policy.isEnabled,
    Repositories: policy.repositories,
    ...Object.fromEntries(policy.rules.map((rule, index) => [`Rule ${index + 1}`, describeRule(rule, index)])),
    'Other tags': policy.unmatched === 'keep' ? 'stay' : 'go',
    'May empty repositories': policy.mayEmptyRepositories,
    Schedule: policy.schedule === '' ? 'by hand' : `${policy.schedule} (${policy.timeZone})`,
    Next: policy.nextAt,
    'Effect was shown': policy.shownRevision === policy.revision,
    Version: policy.version,
  })
}

function printRun(run: Run): void {
  printFacts({
    Id: run.id,
    Policy: run.policy,
    Kind: run.isDry ? 'dry: it removes nothing' : 'real',
    State: run.state,
    Kept: run.kept,
    [run.isDry ? 'Would remove' : 'Removed']: run.removed,
    Failed: run.failed,
    Error: run.error,
    Job: run.job,
    By: run.startedBy,
    Started: run.startedAt,
    Ended: run.endedAt,
  })
}

function listPolicies(project: string, flags: ListFlags): Promise<void> {
  return withClient(flags, ({ client }) =>
    printPages(readPages(client, routes.listRetentionPolicies, flags, { params: { project } }), flags, policyTable),
  )
}

function showPolicy(project: string, policy: string, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const found = await client.call(routes.readRetentionPolicy, { params: { project, policy } })
    print(found, () => printPolicy(found))
  })
}

interface FileFlags extends ApiFlags {
  readonly file: string
}

function createPolicy(project: string, name: string, flags: FileFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const body = { ...(await readPolicyFile(flags.file, name)), name }
    // The server says what does not fit.
    const made = await client.call(routes.createRetentionPolicy, { params: { project }, body: body as never })
    print(made, () => printPolicy(made))
    tellWarnings(made)
    if (flags.json !== true) console.error(`to see what it would do: berth retention run ${project} ${name} --dry-run --wait`)
  })
}

interface ChangeFlags extends ApiFlags {
  readonly file?: string
  readonly enable?: true
  readonly disable?: true
}

function changePolicy(project: string, policy: string, flags: ChangeFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const { file, enable, disable } = flags
    if (enable === true && disable === true) throw new WrongUsage('--enable and --disable do not go together')
    const isEnabled = enable ?? (disable === true ? false : undefined)
    const body = { ...(file !== undefined && (await readPolicyFile(file, policy))), ...(isEnabled !== undefined && { isEnabled }) }
    if (Object.keys(body).length === 0) throw new WrongUsage('nothing is to change: --help lists what can be')
    const changed = await client.call(routes.updateRetentionPolicy, { params: { project, policy }, body })
    print(changed, () => printPolicy(changed))
    tellWarnings(changed)
  })
}

function removePolicy(project: string, policy: string, flags: ApiFlags & { readonly yes?: boolean }): Promise<void> {
  return withClient(flags, async ({ client }) => {
    await confirm(`Delete retention policy ${policy} of ${project}, and the history of its runs?`, flags)
    await client.call(routes.deleteRetentionPolicy, { params: { project, policy } })
    console.error(`deleted retention policy ${policy}`)
  })
}

function previewPolicy(project: string, repository: string, flags: FileFlags & { readonly insteadOf?: string; readonly limit?: number }) {
  return withClient(flags, async ({ client, print }) => {
    const { rules, unmatched, mayEmptyRepositories } = await readPolicyFile(flags.file)
    const { insteadOf, limit } = flags
    const body = { repository, rules, unmatched, mayEmptyRepositories, insteadOf, limit }
    const shown = await client.call(routes.previewRetention, { params: { project }, body: body as never })
    print(shown, () => {
      printRows(decisionTable.columns, shown.decisions.map(decisionTable.row))
      console.error(`${shown.removed} would go, ${shown.kept} would stay`)
    })
  })
}

interface RunFlags extends ApiFlags {
  readonly dryRun?: true
  readonly asShown?: number
  readonly wait?: true
  readonly yes?: boolean
}

function run(project: string, policy: string, flags: RunFlags): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    const dryRun = flags.dryRun === true
    const { asShown } = flags
    if (dryRun && asShown !== undefined) throw new WrongUsage('--dry-run and --as-shown do not go together')
    const which = asShown === undefined ? 'does not keep' : `does not keep and run ${asShown} showed`
    if (!dryRun) await confirm(`Remove the tags that retention policy ${policy} of ${project} ${which}?`, flags)
    const body = { dryRun, ...(asShown !== undefined && { shownBy: asShown }) }
    const started = await client.call(routes.startRetentionRun, { params: { project, policy }, body })
    tellWarnings(started)
    const shown = flags.wait === true ? await followRun(client, project, started) : started
    print(shown, () => printRun(shown))
    if (flags.json !== true) tellNext(project, policy, shown)
    if (flags.wait === true) requireRunDone(shown)
  })
}

function tellNext(project: string, policy: string, { id, isDry, state, removed }: Run): void {
  console.error(`what it decides: berth retention decisions ${project} ${id}`)
  if (isDry && state === 'done' && removed > 0)
    console.error(`to remove these and no others: berth retention run ${project} ${policy} --as-shown ${id}`)
}

type Undone = ResponseOf<typeof routes.undoRetentionRun>

/** Part by part, each of which is done when the next is asked for. */
function undo(project: string, id: number, flags: ApiFlags & { readonly yes?: boolean }): Promise<void> {
  return withClient(flags, async ({ client, print }) => {
    await confirm(`Restore what run ${id} of ${project} removed?`, flags)
    const whole = { restored: 0, refused: [] as Undone['refused'], notBack: [] as Undone['notBack'] }
    for (let before: number | null | undefined = undefined; before !== null;) {
      const part: Undone = await client.call(routes.undoRetentionRun, {
        params: { project, run: id },
        body: before === undefined ? {} : { before },
      })
      whole.restored += part.restored
      whole.refused.push(...part.refused)
      whole.notBack = part.notBack
      before = part.next
    }
    print(whole, () => tellUndone(whole))
    if (whole.notBack.length > 0) process.exitCode = 1
  })
}

function tellUndone({ restored, refused, notBack }: Omit<Undone, 'next'>): void {
  console.log(`restored ${plural(restored, 'deletion')}`)
  for (const { trash, repository, tags, reason } of refused) console.error(`${repository}:${tags.join()} (${trash}): ${reason}`)
  // Of what was refused it is said already why it is not back.
  const said = new Set(refused.flatMap(({ repository, tags }) => tags.map((tag) => `${repository}:${tag}`)))
  for (const { repository, tag, digest, now } of notBack.filter((each) => !said.has(`${each.repository}:${each.tag}`)))
    console.error(
      `${repository}:${tag} is not ${digest}: ${now === null ? 'it is not in the trash any more, or could not be restored' : `it is ${now} by now`}`,
    )
}

function listRuns(project: string, policy: string, flags: ListFlags): Promise<void> {
  return withClient(flags, ({ client }) =>
    printPages(readPages(client, routes.listRetentionRuns, flags, { params: { project, policy } }), flags, runTable),
  )
}

function stopRun(project: string, id: number, flags: ApiFlags): Promise<void> {
  return withClient(flags, async ({ client }) => {
    await client.call(routes.stopRetentionRun, { params: { project, run: id } })
    console.error(`run ${id} stops; what it removed can be restored: berth trash list --help`)
  })
}

interface DecisionFlags extends ListFlags {
  readonly action?: string
  readonly repository?: string
  readonly tag?: string
}

function listDecisions(project: string, id: number, flags: DecisionFlags): Promise<void> {
  return withClient(flags, ({ client }) => {
    const { action, repository, tag } = flags
    const input = { params: { project, run: id }, query: { action, repository, tag } }
    return printPages(readPages(client, routes.listRetentionDecisions, flags, input), flags, decisionTable)
  })
}

/** Adds the command to the program. */
export function registerRetention(program: Command): void {
  const retention = program.command('retention').description('which tags of a project stay, by rules that say why')
  registerPolicy(retention)
  const ofPolicy = (name: string, description: string) =>
    retention.command(name).description(description).argument('<project>', 'whose policy it is').argument('<policy>', 'its name')
  const ofRun = (name: string, description: string) =>
    retention
      .command(name)
      .description(description)
      .argument('<project>', 'whose policy ran')
      .argument('<run>', 'number of the run', wholeNumber)
  apiOptions(ofPolicy('run', 'run a policy; a new or changed one must have run dry before it removes anything'))
    .option('--dry-run', 'remove nothing, show what would go')
    .option('--as-shown <run>', 'remove no tag but those that this dry run showed, and that were not moved since', wholeNumber)
    .option('--wait', 'until it has ended; exit status 1 when it did not do its work')
    .option(...yesOption)
    .action(run)
  apiOptions(listOptions(ofPolicy('runs', 'list the runs of a policy, the latest first'), routes.listRetentionRuns)).action(listRuns)
  apiOptions(listOptions(ofRun('decisions', 'list what a run decided, tag by tag, and why'), routes.listRetentionDecisions))
    .addOption(
      new Option('--action <action>', 'only these; remove finds what was removed, too').choices(['keep', 'remove', 'removed', 'failed']),
    )
    .option('--repository <name>', 'only tags of this repository')
    .option('--tag <tag>', 'only this tag')
    .action(listDecisions)
  apiOptions(ofRun('stop', 'stop a run; what it removed stays removed')).action(stopRun)
  apiOptions(ofRun('undo', 'restore from the trash what a run removed; status 1 when not all of it is back'))
    .option(...yesOption)
    .action(undo)
  apiOptions(
    retention
      .command('preview')
      .description('show what rules would do with one repository; nothing is kept of it')
      .argument('<project>', 'whose policy it would be')
      .argument('<repository>', 'its whole name'),
  )
    .requiredOption('-f, --file <file>', 'rules as YAML or JSON; - for standard input')
    .option('--instead-of <policy>', 'they are to replace this policy, so what it keeps does not count')
    .option('--limit <count>', 'how many decisions to show (100)', wholeNumber)
    .action(previewPolicy)
}

function registerPolicy(retention: Command): void {
  const policy = retention.command('policy').description('retention policies of a project')
  const one = (name: string, description: string) =>
    apiOptions(policy.command(name).description(description).argument('<project>', 'whose policy it is').argument('<policy>', 'its name'))
  const list = policy.command('list').description('list the policies of a project').argument('<project>', 'whose policies')
  apiOptions(listOptions(list, routes.listRetentionPolicies)).action(listPolicies)
  one('show', 'show one policy').action(showPolicy)
  one('create', 'make a policy from a file')
    .requiredOption('-f, --file <file>', 'the policy as YAML or JSON; - for standard input')
    .action(createPolicy)
  one('change', 'change a policy: what the file says; the rest stays')
    .option('-f, --file <file>', 'members as YAML or JSON; - for standard input')
    .option('--enable', 'switch it on')
    .option('--disable', 'switch it off: it runs by no schedule, and by hand only dry')
    .action(changePolicy)
  one('remove', 'delete a policy and the history of its runs')
    .option(...yesOption)
    .action(removePolicy)
}
