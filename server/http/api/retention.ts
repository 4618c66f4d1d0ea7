/** Serves api/routes/retention.ts. */
import * as routes from '#api/routes/retention.ts'
import type { BodyOf, ResponseOf } from '#api/contract.ts'
import { createPolicy, deletePolicy, listPolicies, readPolicy, updatePolicy, type RetentionPolicy } from '#features/retention-policies.ts'
import { misfitOf } from '#features/retention-fit.ts'
import { previewRetention } from '#features/retention-preview.ts'
import { notBackOf, partToUndo } from '#features/retention-undo.ts'
import { listDecisions, listRuns, readRun, startRun, stopRun } from '#features/retention-runs.ts'
import type { HttpParts } from '#http/exchange.ts'
import { instantOf, instantOrNull, pageBody } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'
import { restoreOne, withEach } from './trash.ts'
import { warningsMember } from './warnings.ts'

type Run = Awaited<ReturnType<typeof readRun>>
type Decision = Awaited<ReturnType<typeof listDecisions>>['items'][number]

function policyBody(policy: RetentionPolicy): ResponseOf<typeof routes.readRetentionPolicy> {
  const { name, project, description, isEnabled, repositories, rules, unmatched, schedule, timeZone } = policy
  const { revision, shownRevision, createdBy, version } = policy
  return {
    name,
    project,
    description,
    isEnabled,
    repositories,
    unmatched,
    schedule,
    timeZone,
    // As the contract took them.
    rules: rules as unknown as ResponseOf<typeof routes.readRetentionPolicy>['rules'],
    mayEmptyRepositories: policy.mayEmpty,
    nextAt: instantOrNull(policy.nextAt),
    revision,
    shownRevision,
    createdBy,
    createdAt: instantOf(policy.createdAt),
    updatedAt: instantOf(policy.updatedAt),
    version,
  }
}

function answerWith(policy: RetentionPolicy) {
  return { body: policyBody(policy), version: policy.version }
}

/** After a change: whether it is about anything. */
async function answerWithMisfit({ registry, ports }: Pick<HttpParts, 'registry' | 'ports'>, policy: RetentionPolicy) {
  const misfit = await misfitOf({ metadata: registry.metadata, ports }, policy)
  const { body, version } = answerWith(policy)
  return { body: { ...body, ...warningsMember(misfit) }, version }
}

function runBody({ policyId: _policy, projectId: _project, jobId, startedAt, endedAt, ...run }: Run) {
  return { ...run, job: jobId, startedAt: instantOf(startedAt), endedAt: instantOrNull(endedAt) }
}

function decisionBody({ repository, tag, digest, action, rule, reason, pushedAt }: Decision) {
  return { repository, tag, digest, action, rule, reason, pushedAt: instantOf(pushedAt) }
}

function decisionOf({ mayEmptyRepositories: mayEmpty, ...decision }: BodyOf<typeof routes.updateRetentionPolicy>) {
  return { ...decision, mayEmpty }
}

/** Retention policies, their runs and decisions. */
export const retentionRoutes: readonly ServedRoute[] = [
  serve(routes.listRetentionPolicies, async ({ parts, project, page }) => {
    const wanted = sortedPage(page, { name: 'text', createdAt: 'number' })
    return { body: pageBody(await listPolicies(parts.registry, project.id, wanted), policyBody) }
  }),
  serve(routes.createRetentionPolicy, async ({ parts, project, body: { name, rules, ...rest }, who }) => {
    const policy = { projectId: project.id, name, decision: { ...decisionOf(rest), rules } }
    const location = `/projects/${encodeURIComponent(project.name)}/retention-policies/${name}`
    return { ...(await answerWithMisfit(parts, await createPolicy(parts.directory, policy, who))), location }
  }),
  serve(routes.previewRetention, async ({ parts, project, body }) => {
    const { repository, rules, unmatched = 'keep', mayEmptyRepositories: mayEmpty = false, insteadOf, limit = 100 } = body
    const { metadata } = parts.registry
    const policyId = insteadOf === undefined ? 0 : (await readPolicy(parts.registry, { projectId: project.id, name: insteadOf })).id
    const preview = { project, repository, rules, unmatched, mayEmpty, policyId, limit }
    const { kept, removed, verdicts } = await previewRetention({ metadata, ports: parts.ports }, preview)
    const decisions = verdicts.map(({ tag: { name: tag, digest, pushedAt }, action, rule, reason }) => {
      return { repository, tag, digest, action, rule, reason, pushedAt: instantOf(pushedAt) }
    })
    return { body: { kept, removed, decisions } }
  }),
  serve(routes.readRetentionPolicy, async ({ parts, project, params }) =>
    answerWith(await readPolicy(parts.registry, { projectId: project.id, name: params.policy })),
  ),
  serve(routes.updateRetentionPolicy, async ({ parts, project, params, body, ifMatch, who }) => {
    const policy = { projectId: project.id, name: params.policy, expectedVersion: ifMatch }
    return await answerWithMisfit(parts, await updatePolicy(parts.directory, { ...policy, decision: decisionOf(body) }, who))
  }),
  serve(routes.deleteRetentionPolicy, async ({ parts, project, params, ifMatch, who }) => {
    await deletePolicy(parts.directory, { projectId: project.id, name: params.policy, expectedVersion: ifMatch }, who)
  }),
  serve(routes.listRetentionRuns, async ({ parts, project, params, page }) => {
    const wanted = sortedPage(page, { id: 'number' })
    return { body: pageBody(await listRuns(parts.registry, { projectId: project.id, name: params.policy }, wanted), runBody) }
  }),
  serve(routes.startRetentionRun, async ({ parts, project, params, body, who }) => {
    const policy = { projectId: project.id, name: params.policy }
    const run = await startRun(parts.registry, { ...policy, isDry: body.dryRun !== false, shownBy: body.shownBy }, who)
    const misfit = await misfitOf({ metadata: parts.registry.metadata, ports: parts.ports }, await readPolicy(parts.registry, policy))
    return {
      body: { ...runBody(run), ...warningsMember(misfit) },
      location: `/projects/${encodeURIComponent(project.name)}/retention-runs/${run.id}`,
    }
  }),
  serve(routes.readRetentionRun, async ({ parts, project, params }) => ({
    body: runBody(await readRun(parts.registry, { projectId: project.id, runId: params.run })),
  })),
  serve(routes.stopRetentionRun, async ({ parts, project, params, who }) => {
    await stopRun(parts.registry, parts.jobs, { projectId: project.id, runId: params.run, who })
  }),
  serve(routes.undoRetentionRun, async ({ parts, principal, project, params, body, who }) => {
    const { metadata } = parts.registry
    const run = await readRun(parts.registry, { projectId: project.id, runId: params.run })
    const { items, next } = await partToUndo(metadata, run, body.before)
    const ids = items.map(({ id }) => id)
    const results = await withEach(ids, 'restored', (id) => restoreOne(parts, { principal, who }, { id }))
    const refused = results.flatMap((result, at) => {
      const item = items[at]
      if (result.outcome !== 'refused' || item === undefined) return []
      return [{ trash: item.id, repository: item.repository, tags: [...item.tags], reason: result.reason }]
    })
    const restored = results.filter(({ outcome }) => outcome === 'restored').length
    const notBack = next === null ? await notBackOf(metadata, run) : []
    return { body: { restored, refused, next, notBack: notBack.map((tag) => ({ ...tag, now: tag.now ?? null })) } }
  }),
  serve(routes.listRetentionDecisions, async ({ parts, project, params, query, page }) => {
    const { action, repository, tag } = query
    const list = { projectId: project.id, runId: params.run, filter: { action, repository, tag }, page: sortedPage(page, { id: 'number' }) }
    return { body: pageBody(await listDecisions(parts.registry, list), decisionBody) }
  }),
]
