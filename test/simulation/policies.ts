/** What owners of projects decide: immutable tags, retention, untagged manifests. */
import { createPolicy } from '#features/retention-policies.ts'
import { startRun } from '#features/retention-runs.ts'
import type { Who } from '#events/event.ts'
import { createImmutableRule, deleteImmutableRule } from '#projects/immutable-rules.ts'
import { updateProject } from '#projects/update-project.ts'
import { projects } from './content.ts'
import type { Operation } from './operations.ts'
import { request } from './requests.ts'
import { protectedTag } from './rules.ts'
import type { Client } from './uploads.ts'

const decisions = ['untagged', 'keep untagged', 'immutable', 'mutable', 'retention', 'dry run', 'run', 'run'] as const

export async function decide({ world, process }: Client, operation: Extract<Operation, { kind: 'policy' }>): Promise<void> {
  const project = projects[operation.project] as string
  const decision = decisions[operation.which % decisions.length] ?? 'untagged'
  const parts = { metadata: process.metadata, ports: process.ports }
  const { reader } = process.metadata
  const act = async (projectId: number, who: Who): Promise<unknown> => {
    switch (decision) {
      case 'untagged':
      case 'keep untagged': {
        const changes = { untaggedAfterDays: decision === 'untagged' ? 1 : null }
        return updateProject(parts, { projectId, changes, expectedVersion: undefined }, who)
      }
      case 'immutable': {
        const rule = { repositories: '**', tagSyntax: 'glob', tags: protectedTag, description: '', isEnabled: true } as const
        return createImmutableRule(parts, { projectId, rule }, who)
      }
      case 'mutable': {
        const rule = await reader.selectFrom('immutable_rules').select('id').where('project_id', '=', projectId).executeTakeFirst()
        return rule && deleteImmutableRule(parts, { projectId, ruleId: rule.id, expectedVersion: undefined }, who)
      }
      case 'retention': {
        const rules = [{ tags: { matches: protectedTag }, keep: { always: true } }, { keep: { latestPushed: 1 } }]
        return createPolicy(parts, { projectId, name: 'few', decision: { rules, unmatched: 'remove', mayEmpty: false } }, who)
      }
      case 'dry run':
      case 'run':
        return startRun(process.registry, { projectId, name: 'few', isDry: decision === 'dry run' }, who)
    }
  }
  await request(world, process, {
    what: `decide ${decision} of ${project}`,
    async run({ name, requestId }) {
      const { id } = await reader.selectFrom('projects').select('id').where('name', '=', project).executeTakeFirstOrThrow()
      return act(id, { actor: name, requestId })
    },
  })
}
