/** Serves api/routes/immutable-rules.ts. */
import * as routes from '#api/routes/immutable-rules.ts'
import {
  createImmutableRule,
  deleteImmutableRule,
  listImmutableRules,
  readImmutableRule,
  updateImmutableRule,
} from '#projects/immutable-rules.ts'
import { instantOf, pageBody } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'

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

/** Immutable tag rules of projects. */
export const immutableRuleRoutes: readonly ServedRoute[] = [
  serve(routes.listImmutableRules, async ({ parts, project, page }) => ({
    body: pageBody(await listImmutableRules(parts.directory, project.id, sortedPage(page, { createdAt: 'number' })), ruleBody),
  })),
  serve(routes.createImmutableRule, async ({ parts, project, body, who }) => {
    const { tags, tagSyntax = 'glob', repositories = '**', description = '', isEnabled = true } = body
    const rule = { tags, tagSyntax, repositories, description, isEnabled }
    const made = await createImmutableRule(parts.directory, { projectId: project.id, rule }, who)
    return { ...answerWith(made), location: `/projects/${encodeURIComponent(project.name)}/immutable-tag-rules/${made.id}` }
  }),
  serve(routes.readImmutableRule, async ({ parts, project, params }) =>
    answerWith(await readImmutableRule(parts.directory, { projectId: project.id, ruleId: params.rule })),
  ),
  serve(routes.updateImmutableRule, async ({ parts, project, params, body, ifMatch, who }) => {
    const rule = { projectId: project.id, ruleId: params.rule, expectedVersion: ifMatch }
    return answerWith(await updateImmutableRule(parts.directory, { ...rule, change: body }, who))
  }),
  serve(routes.deleteImmutableRule, async ({ parts, project, params, ifMatch, who }) => {
    await deleteImmutableRule(parts.directory, { projectId: project.id, ruleId: params.rule, expectedVersion: ifMatch }, who)
  }),
]
