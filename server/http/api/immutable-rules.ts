/** Serves api/routes/immutable-rules.ts. */
import * as routes from '#api/routes/immutable-rules.ts'
import {
  createImmutableRule,
  deleteImmutableRule,
  listImmutableRules,
  readImmutableRule,
  updateImmutableRule,
} from '#projects/immutable-rules.ts'
import type { ProjectFacts } from '#access/decide.ts'
import { misfitOf } from '#features/retention-fit.ts'
import type { HttpParts } from '#http/exchange.ts'
import { instantOf, pageBody } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'
import { warningsMember } from './warnings.ts'

type Rule = Awaited<ReturnType<typeof readImmutableRule>>

function ruleBody({ id, project, repositories, tagSyntax, tags, description, isEnabled, ...rest }: Rule) {
  const instants = { createdAt: instantOf(rest.createdAt), updatedAt: instantOf(rest.updatedAt) }
  return {
    id,
    project,
    repositories,
    tagSyntax,
    tags,
    description,
    isEnabled,
    createdBy: rest.createdBy,
    ...instants,
    version: rest.version,
  }
}

function answerWith(rule: Rule) {
  return { body: ruleBody(rule), version: rule.version }
}

/** After a change: whether it holds anything. A rule for all repositories may come before the first of them. */
async function answerWithMisfit(
  { registry, ports }: Pick<HttpParts, 'registry' | 'ports'>,
  rule: Rule,
  { id, name, isDefault }: ProjectFacts,
) {
  const { body, version } = answerWith(rule)
  if (rule.repositories === '**') return { body, version }
  const fitting = { projectId: id, project: name, isDefaultProject: isDefault, repositories: rule.repositories }
  const misfit = await misfitOf({ metadata: registry.metadata, ports }, fitting)
  return { body: { ...body, ...warningsMember(misfit) }, version }
}

/** Immutable tag rules of projects. */
export const immutableRuleRoutes: readonly ServedRoute[] = [
  serve(routes.listImmutableRules, async ({ parts, project, page }) => ({
    body: pageBody(await listImmutableRules(parts.directory, project.id, sortedPage(page, { createdAt: 'number' })), ruleBody),
  })),
  serve(routes.createImmutableRule, async ({ parts, project, body, who }) => {
    const { tags, tagSyntax = 'glob', repositories = '**', description = '', isEnabled = true } = body
    const rule = { tags, tagSyntax, repositories, description, isEnabled }
    const made = await createImmutableRule(parts.directory, { projectId: project.id, rule }, who)
    return {
      ...(await answerWithMisfit(parts, made, project)),
      location: `/projects/${encodeURIComponent(project.name)}/immutable-tag-rules/${made.id}`,
    }
  }),
  serve(routes.readImmutableRule, async ({ parts, project, params }) =>
    answerWith(await readImmutableRule(parts.directory, { projectId: project.id, ruleId: params.rule })),
  ),
  serve(routes.updateImmutableRule, async ({ parts, project, params, body, ifMatch, who }) => {
    const rule = { projectId: project.id, ruleId: params.rule, expectedVersion: ifMatch }
    const changed = await updateImmutableRule(parts.directory, { ...rule, change: body }, who)
    return await answerWithMisfit(parts, changed, project)
  }),
  serve(routes.deleteImmutableRule, async ({ parts, project, params, ifMatch, who }) => {
    await deleteImmutableRule(parts.directory, { projectId: project.id, ruleId: params.rule, expectedVersion: ifMatch }, who)
  }),
]
