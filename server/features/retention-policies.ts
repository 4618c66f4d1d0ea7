/** Retention policies of a project: making, changing and removing them. What they do is retention.ts. */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { faultOf, nextTime } from '#jobs/next-time.ts'
import type { Clock } from '#lib/ports.ts'
import type { Metadata, Reader, Transactor } from '#metadata/metadata.ts'
import type { Page, PageRequest } from '#metadata/page.ts'
import { findProjectById } from '#metadata/projects.ts'
import { parseGlob } from '#metadata/repository-glob.ts'
import {
  countPolicies,
  findPolicyByName,
  hidePolicy,
  insertPolicy,
  listPolicies as listRows,
  outdatePolicies,
  updatePolicyRow,
  type RetentionPolicyRecord,
  type RetentionPolicySort,
} from '#metadata/retention-policies.ts'
import { transaction } from '#metadata/transaction.ts'
import { RegistryError } from '#oci/errors.ts'
import { resourceUnknown } from '#oci/resource-unknown.ts'
import { rulesOf } from './retention.ts'
import { compileRules, rulesMax, type RetentionRule } from './retention-rules.ts'

/** How many policies one project has at most: each is asked about what another would remove. */
const policiesMax = 50

interface Parts {
  readonly metadata: Metadata
  readonly ports: { readonly clock: Clock }
}

/** A policy as people see it. */
export type RetentionPolicy = Omit<RetentionPolicyRecord, 'rules'> & { readonly rules: readonly RetentionRule[] }

function policyOf(record: RetentionPolicyRecord): RetentionPolicy {
  return { ...record, rules: rulesOf(record) }
}

/** What somebody decides of a policy; what is undefined stays, or is as {@link usual} says. */
export interface PolicyDecision {
  readonly description?: string | undefined
  readonly isEnabled?: boolean | undefined
  /** Glob of whole repository names. */
  readonly repositories?: string | undefined
  readonly rules?: readonly RetentionRule[] | undefined
  readonly unmatched?: 'keep' | 'remove' | undefined
  readonly mayEmpty?: boolean | undefined
  readonly schedule?: string | undefined
  readonly timeZone?: string | undefined
}

type Members = Required<{ [Name in keyof PolicyDecision]: Exclude<PolicyDecision[Name], undefined> }>

const usual: Omit<Members, 'rules'> = {
  description: '',
  isEnabled: true,
  repositories: '**',
  unmatched: 'keep',
  mayEmpty: false,
  schedule: '',
  timeZone: 'UTC',
}

const memberNames = [
  'description',
  'isEnabled',
  'repositories',
  'rules',
  'unmatched',
  'mayEmpty',
  'schedule',
  'timeZone',
] as const satisfies readonly (keyof Members)[]
/** What of a policy decides over tags: when it changes, what it would do is shown first. */
const deciding: ReadonlySet<keyof Members> = new Set(['repositories', 'rules', 'unmatched', 'mayEmpty'])

function membersFrom(base: Members, decision: PolicyDecision): Members {
  const said = Object.fromEntries(memberNames.flatMap((name) => (decision[name] === undefined ? [] : [[name, decision[name]]])))
  return { ...base, ...said }
}

/** Throws REQUEST_INVALID that says what cannot be used. */
export function requireUsableRules(rules: readonly RetentionRule[]): void {
  const compiled = compileRules(rules)
  if ('error' in compiled) throw invalid(`rules/${compiled.index}`, `rule ${compiled.index + 1}: ${compiled.error}`)
  if (rules.length > rulesMax) throw invalid('rules', `a policy has ${rulesMax} rules at most`)
  const labels = compiled.map(({ label }) => label)
  const twice = labels.find((label, index) => labels.indexOf(label) !== index)
  if (twice !== undefined) throw invalid('rules', `two rules are called ${twice}: decisions could not tell them apart`)
}

function requireUsable({ rules, repositories, schedule, timeZone }: Members): void {
  requireUsableRules(rules)
  if (parseGlob(repositories) === undefined)
    throw invalid('repositories', 'repositories can match no name: team/** is all below team/, and ** all of the project')
  const fault = faultOf({ cron: schedule === '' ? '0 0 * * *' : schedule, timeZone })
  if (fault !== undefined) throw invalid('schedule', fault)
}

function invalid(path: string, message: string): RegistryError {
  return new RegistryError('REQUEST_INVALID', { path }, { message })
}

function rowOf(members: Members, now: number) {
  const { schedule: cron, timeZone, isEnabled, rules } = members
  const nextAt = isEnabled && cron !== '' ? (nextTime({ cron, timeZone }, now) ?? null) : null
  return { ...members, rules: JSON.stringify(rules), nextAt }
}

interface Change {
  readonly projectId: number
  readonly name: string
  readonly who: Who
  readonly now: number
}

/** How events name a policy. */
export function policyTarget({ project, name }: Pick<RetentionPolicyRecord, 'project' | 'name'>): string {
  return `retention-policy:${project}/${name}`
}

const create = transaction(import.meta.url, 'retention-policies/create', async (tx, input: Change & { readonly members: Members }) => {
  const { projectId, name, members, who, now: at } = input
  const project = await findProjectById(tx, projectId)
  if (project === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  if ((await findPolicyByName(tx, projectId, name)) !== undefined) {
    throw new RegistryError('CONFLICT', undefined, { message: 'there is a retention policy of this name already' })
  }
  if ((await countPolicies(tx, projectId)) >= policiesMax) {
    throw new RegistryError('CONFLICT', { policiesMax }, { message: `the project has ${policiesMax} retention policies already` })
  }
  await insertPolicy(tx, { ...rowOf(members, at), projectId, name, createdBy: who.actor, at })
  const target = policyTarget({ project: project.name, name })
  await recordEvent(tx, { action: 'retention-policy.created', target, project: project.name, detail: { ...members }, at, ...who })
  return policyOf(await policyIn(tx, projectId, name))
})

interface Existing extends Change {
  readonly expectedVersion: number | undefined
}

const update = transaction(
  import.meta.url,
  'retention-policies/update',
  async (tx, input: Existing & { readonly decision: PolicyDecision }) => {
    const { decision, who, now: at } = input
    const record = await policyToChange(tx, input)
    const before: Members = policyOf(record)
    const members = membersFrom(before, decision)
    const changed = memberNames.filter((name) => JSON.stringify(members[name]) !== JSON.stringify(before[name]))
    if (changed.length === 0) return policyOf(record)
    requireUsable(members)
    const decidesOtherwise = changed.some((name) => deciding.has(name))
    await updatePolicyRow(tx, record.id, { ...rowOf(members, at), at, decidesOtherwise })
    if (before.isEnabled && mayKeepLess(before, members)) await outdateOthers(tx, record)
    const pick = (of: Members) => Object.fromEntries(changed.map((name) => [name, of[name]]))
    const detail = { ...pick(members), changed, before: pick(before) }
    await recordEvent(tx, {
      action: 'retention-policy.updated',
      target: policyTarget(record),
      project: record.project,
      detail,
      at,
      ...who,
    })
    return policyOf(await policyIn(tx, input.projectId, input.name))
  },
)

const remove = transaction(import.meta.url, 'retention-policies/remove', async (tx, input: Existing) => {
  const record = await policyToChange(tx, input)
  await hidePolicy(tx, record.id)
  if (record.isEnabled) await outdateOthers(tx, record)
  const { who, now: at } = input
  await recordEvent(tx, { action: 'retention-policy.deleted', target: policyTarget(record), project: record.project, at, ...who })
})

/** Whether some tag that the policy kept from others may not be kept by it any more. More rules only ever keep more. */
function mayKeepLess(before: Members, after: Members): boolean {
  const rules = new Set(after.rules.map((rule) => JSON.stringify(rule)))
  return !after.isEnabled || before.repositories !== after.repositories || !before.rules.every((rule) => rules.has(JSON.stringify(rule)))
}

/** What other policies would do was shown while this one kept tags from them. */
async function outdateOthers(tx: Transactor, { id, projectId, project }: RetentionPolicyRecord): Promise<void> {
  await outdatePolicies(tx, { id: projectId, name: project }, id)
}

async function policyToChange(tx: Transactor, { projectId, name, expectedVersion }: Existing): Promise<RetentionPolicyRecord> {
  const record = await policyIn(tx, projectId, name)
  if (expectedVersion !== undefined && record.version !== expectedVersion) throw new RegistryError('PRECONDITION_FAILED')
  return record
}

async function policyIn(reader: Reader | Transactor, projectId: number, name: string): Promise<RetentionPolicyRecord> {
  const record = await findPolicyByName(reader, projectId, name)
  if (record === undefined) throw resourceUnknown('retention policy', name)
  return record
}

/** A policy of a project. */
export interface PolicyName {
  readonly projectId: number
  readonly name: string
}

/** Throws REQUEST_INVALID, and CONFLICT when the name is taken. */
export async function createPolicy(
  { metadata, ports }: Parts,
  policy: PolicyName & { readonly decision: PolicyDecision & { readonly rules: readonly RetentionRule[] } },
  who: Who,
): Promise<RetentionPolicy> {
  const { projectId, name, decision } = policy
  const members = membersFrom({ ...usual, rules: decision.rules }, decision)
  requireUsable(members)
  return await metadata.write(create, { projectId, name, members, who, now: ports.clock.now() })
}

/** Throws RESOURCE_UNKNOWN. */
export async function readPolicy({ metadata }: Pick<Parts, 'metadata'>, { projectId, name }: PolicyName): Promise<RetentionPolicy> {
  return policyOf(await policyIn(metadata.reader, projectId, name))
}

/** A page of the policies of a project. */
export async function listPolicies(
  { metadata }: Pick<Parts, 'metadata'>,
  projectId: number,
  page: PageRequest<RetentionPolicySort>,
): Promise<Page<RetentionPolicy>> {
  const { items, ...rest } = await listRows(metadata.reader, projectId, page)
  return { items: items.map(policyOf), ...rest }
}

/** Throws RESOURCE_UNKNOWN, PRECONDITION_FAILED, REQUEST_INVALID. */
export async function updatePolicy(
  { metadata, ports }: Parts,
  change: PolicyName & { readonly decision: PolicyDecision; readonly expectedVersion: number | undefined },
  who: Who,
): Promise<RetentionPolicy> {
  return await metadata.write(update, { ...change, who, now: ports.clock.now() })
}

/** It is gone at once; a run under way ends, and what its runs decided goes soon. Throws RESOURCE_UNKNOWN, PRECONDITION_FAILED. */
export async function deletePolicy(
  { metadata, ports }: Parts,
  policy: PolicyName & { readonly expectedVersion: number | undefined },
  who: Who,
): Promise<void> {
  await metadata.write(remove, { ...policy, who, now: ports.clock.now() })
}
