/** Immutable tag rules of a project: making, changing and removing them. What they keep is immutable-tags.ts. */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import { compilePattern } from '#lib/tag-pattern.ts'
import {
  countImmutableRules,
  deleteImmutableRule as deleteRow,
  findImmutableRule,
  insertImmutableRule,
  listImmutableRules as listRows,
  updateImmutableRule as updateRow,
  type ImmutableRule,
  type NewImmutableRule,
} from '#metadata/immutable-rules.ts'
import type { Reader, Transactor } from '#metadata/metadata.ts'
import type { Page, PageRequest } from '#metadata/page.ts'
import { findProjectById } from '#metadata/projects.ts'
import { outdatePolicies } from '#metadata/retention-policies.ts'
import { parseGlob } from '#metadata/repository-glob.ts'
import { transaction } from '#metadata/transaction.ts'
import { RegistryError } from '#oci/errors.ts'
import type { ProjectParts } from './projects.ts'

/** How many rules one project has at most: each is asked when a tag moves. */
const rulesMax = 100

interface Change {
  readonly projectId: number
  readonly who: Who
  readonly now: number
}

const create = transaction(import.meta.url, 'immutable-rules/create', async (tx, input: Change & { readonly rule: NewImmutableRule }) => {
  const { projectId, rule, who, now: at } = input
  const project = await findProjectById(tx, projectId)
  if (project === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  if ((await countImmutableRules(tx, projectId)) >= rulesMax) {
    throw new RegistryError('CONFLICT', { rulesMax }, { message: `the project has ${rulesMax} immutable tag rules already: delete some` })
  }
  const id = await insertImmutableRule(tx, { ...rule, projectId, createdBy: who.actor, at })
  await recordEvent(tx, {
    action: 'immutable-rule.created',
    target: `immutable-rule:${id}`,
    project: project.name,
    detail: { ...rule },
    at,
    ...who,
  })
  return await ruleIn(tx, { projectId, ruleId: id })
})

interface Existing extends Change {
  readonly ruleId: number
  readonly expectedVersion: number | undefined
}

const members = ['repositories', 'tagSyntax', 'tags', 'description', 'isEnabled'] as const

const update = transaction(
  import.meta.url,
  'immutable-rules/update',
  async (tx, input: Existing & { readonly change: ImmutableRuleChange }) => {
    const { ruleId, change, who, now: at } = input
    const rule = await ruleToChange(tx, input)
    const changed = members.filter((member) => (change[member] ?? rule[member]) !== rule[member])
    if (changed.length === 0) return rule
    const next = ruleFrom(rule, change)
    requireUsable(next)
    await updateRow(tx, ruleId, { ...next, at })
    if (rule.isEnabled && changed.some((member) => member !== 'description')) await outdate(tx, rule)
    const before = Object.fromEntries(changed.map((member) => [member, rule[member]]))
    await recordEvent(tx, {
      action: 'immutable-rule.updated',
      target: `immutable-rule:${ruleId}`,
      project: rule.project,
      detail: { ...next, changed, before },
      at,
      ...who,
    })
    return await ruleIn(tx, input)
  },
)

const remove = transaction(import.meta.url, 'immutable-rules/remove', async (tx, input: Existing): Promise<void> => {
  const rule = await ruleToChange(tx, input)
  await deleteRow(tx, rule.id)
  if (rule.isEnabled) await outdate(tx, rule)
  await recordEvent(tx, {
    action: 'immutable-rule.deleted',
    target: `immutable-rule:${rule.id}`,
    project: rule.project,
    detail: { repositories: rule.repositories, tagSyntax: rule.tagSyntax, tags: rule.tags },
    at: input.now,
    ...input.who,
  })
})

/** What retention would do was shown while the rule kept tags from it. */
async function outdate(tx: Transactor, { projectId, project }: ImmutableRule): Promise<void> {
  await outdatePolicies(tx, { id: projectId, name: project })
}

async function ruleToChange(tx: Transactor, change: Existing): Promise<ImmutableRule> {
  const rule = await ruleIn(tx, change)
  if (change.expectedVersion !== undefined && rule.version !== change.expectedVersion) throw new RegistryError('PRECONDITION_FAILED')
  return rule
}

/** A rule of another project is not there. */
async function ruleIn(
  reader: Reader | Transactor,
  { projectId, ruleId }: { readonly projectId: number; readonly ruleId: number },
): Promise<ImmutableRule> {
  const rule = await findImmutableRule(reader, ruleId)
  if (rule === undefined || rule.projectId !== projectId) throw new RegistryError('RESOURCE_UNKNOWN')
  return rule
}

function ruleFrom(rule: NewImmutableRule, change: ImmutableRuleChange): NewImmutableRule {
  return {
    repositories: change.repositories ?? rule.repositories,
    tagSyntax: change.tagSyntax ?? rule.tagSyntax,
    tags: change.tags ?? rule.tags,
    description: change.description ?? rule.description,
    isEnabled: change.isEnabled ?? rule.isEnabled,
  }
}

/** Patterns that can be asked, or REQUEST_INVALID with a sentence. */
function requireUsable({ repositories, tagSyntax, tags }: NewImmutableRule): void {
  if (parseGlob(repositories) === undefined) {
    throw new RegistryError('REQUEST_INVALID', { repositories }, { message: 'repositories: this glob can match no repository' })
  }
  const pattern = compilePattern(tagSyntax, tags)
  if ('error' in pattern) throw new RegistryError('REQUEST_INVALID', { tags, tagSyntax }, { message: `tags: ${pattern.error}` })
}

/** Throws REQUEST_INVALID for a pattern that means nothing, CONFLICT when there are too many rules. */
export async function createImmutableRule(
  { metadata, ports }: ProjectParts,
  { projectId, rule }: { readonly projectId: number; readonly rule: NewImmutableRule },
  who: Who,
): Promise<ImmutableRule> {
  requireUsable(rule)
  return await metadata.write(create, { projectId, rule, who, now: ports.clock.now() })
}

/** Throws RESOURCE_UNKNOWN for a rule of another project. */
export async function readImmutableRule(
  { metadata }: Pick<ProjectParts, 'metadata'>,
  rule: { readonly projectId: number; readonly ruleId: number },
): Promise<ImmutableRule> {
  return await ruleIn(metadata.reader, rule)
}

/** A page of the rules of one project; those of projects above it hold as well and are listed there. */
export async function listImmutableRules(
  { metadata }: Pick<ProjectParts, 'metadata'>,
  projectId: number,
  page: PageRequest,
): Promise<Page<ImmutableRule>> {
  return await listRows(metadata.reader, projectId, { ...page, column: 'createdAt' })
}

/** Which rule, in the version that the caller saw. */
export interface ImmutableRuleToChange {
  readonly projectId: number
  readonly ruleId: number
  readonly expectedVersion: number | undefined
}

/** What is undefined stays. */
export type ImmutableRuleChange = { readonly [Member in keyof NewImmutableRule]?: NewImmutableRule[Member] | undefined }

/** Throws RESOURCE_UNKNOWN, PRECONDITION_FAILED, REQUEST_INVALID. */
export async function updateImmutableRule(
  { metadata, ports }: ProjectParts,
  change: ImmutableRuleToChange & { readonly change: ImmutableRuleChange },
  who: Who,
): Promise<ImmutableRule> {
  return await metadata.write(update, { ...change, who, now: ports.clock.now() })
}

/** What it kept can be moved and deleted from now on. Throws RESOURCE_UNKNOWN, PRECONDITION_FAILED. */
export async function deleteImmutableRule({ metadata, ports }: ProjectParts, rule: ImmutableRuleToChange, who: Who): Promise<void> {
  await metadata.write(remove, { ...rule, who, now: ports.clock.now() })
}
